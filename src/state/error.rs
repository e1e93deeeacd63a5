//! What can be wrong with what is on disk.

use std::io;
use std::path::{Path, PathBuf};

use crate::model::shortened;

/// So many characters say what is wrong with a document: a reader quotes what it found, and that may be the rest of the file.
const LONGEST_PROBLEM: usize = 400;

/// Something on disk cannot be read, or could not be written. Whatever it is, the file is as it was.
#[derive(Debug, thiserror::Error)]
pub enum StateError {
    /// There is no such thing.
    #[error("there is no {what} (looked for {})", file.display())]
    NotFound {
        /// What was looked for, e.g. `deployment 'web'`.
        what: String,
        /// Where.
        file: PathBuf,
    },
    /// The operating system refused to read.
    #[error("the state cannot be read: {source}")]
    Unreadable {
        /// The file or folder.
        file: PathBuf,
        /// Why; names the path.
        source: io::Error,
    },
    /// The operating system refused to write.
    #[error("the state cannot be written: {source}")]
    Unwritable {
        /// The file or folder.
        file: PathBuf,
        /// Why; names the path.
        source: io::Error,
    },
    /// No space, or no quota, is left.
    #[error("the state cannot be written, no space is left: {source}")]
    Full {
        /// The file.
        file: PathBuf,
        /// Why; names the path.
        source: io::Error,
    },
    /// It is not the document that it should be.
    #[error("{}:{line}:{column}: {problem}", file.display())]
    Damaged {
        /// The file.
        file: PathBuf,
        /// The line, from 1.
        line: usize,
        /// The column, from 1.
        column: usize,
        /// What was found, and what was expected.
        problem: String,
    },
    /// A later version of this program wrote it.
    #[error("{}:{line}: found schema {found}, this version knows up to {known}", file.display())]
    Newer {
        /// The file.
        file: PathBuf,
        /// The line that names the schema, from 1.
        line: usize,
        /// The schema in the file.
        found: String,
        /// The newest schema that is known here.
        known: &'static str,
    },
    /// An earlier version or another program wrote it.
    #[error("{}:{line}: found {found}, expected schema {known}", file.display())]
    Foreign {
        /// The file.
        file: PathBuf,
        /// The line that names the schema, or 1.
        line: usize,
        /// The schema in the file, in words.
        found: String,
        /// The schema that is expected.
        known: &'static str,
    },
    /// The document names something else than where it lies.
    #[error("{}:{line}: found name '{found}', expected '{expected}' as its place says", file.display())]
    Misplaced {
        /// The file.
        file: PathBuf,
        /// The line that holds the name, from 1.
        line: usize,
        /// The name in the file.
        found: String,
        /// The name of the folder or file.
        expected: String,
    },
    /// It is there already, and is never edited.
    #[error("{} is there already and is never overwritten", file.display())]
    Exists {
        /// The file.
        file: PathBuf,
    },
}

impl StateError {
    /// A stable word for programs.
    pub fn code(&self) -> &'static str {
        match self {
            Self::NotFound { what, .. } => match what.split(' ').next() {
                Some("deployment") => "deployment_not_found",
                Some("snapshot") => "snapshot_not_found",
                Some("operation") => "operation_not_found",
                _ => "not_found",
            },
            Self::Unreadable { .. } => "state_unreadable",
            Self::Unwritable { .. } => "state_unwritable",
            Self::Full { .. } => "disk_full",
            Self::Damaged { .. } | Self::Misplaced { .. } => "state_damaged",
            Self::Newer { .. } => "state_newer",
            Self::Foreign { .. } => "state_foreign",
            Self::Exists { .. } => "state_exists",
        }
    }

    /// The file or folder it is about.
    pub fn file(&self) -> &Path {
        match self {
            Self::NotFound { file, .. }
            | Self::Unreadable { file, .. }
            | Self::Unwritable { file, .. }
            | Self::Full { file, .. }
            | Self::Damaged { file, .. }
            | Self::Newer { file, .. }
            | Self::Foreign { file, .. }
            | Self::Misplaced { file, .. }
            | Self::Exists { file } => file,
        }
    }

    /// What to do about it, in one sentence; empty where the code says it all.
    pub fn help(&self) -> String {
        let file = self.file().display();
        match self {
            Self::NotFound { .. } => String::new(),
            Self::Unreadable { .. } => {
                format!("give yourself read access to {file}, or name another folder with --state")
            }
            Self::Unwritable { .. } => {
                format!("give yourself write access to {file}, or name another folder with --state")
            }
            Self::Full { .. } => {
                format!("free some space where {file} lies, and run the command again")
            }
            Self::Damaged { .. } | Self::Misplaced { .. } => {
                format!("correct {file} or restore it from a backup; it was left as it is")
            }
            Self::Newer { .. } => {
                format!(
                    "use the version of geusemaker that wrote {file}, or a later one; it was left as it is"
                )
            }
            Self::Foreign { .. } => {
                format!("move {file} away and adopt the instance anew; it was left as it is")
            }
            Self::Exists { .. } => format!("look at {file}, and move it away if it is not needed"),
        }
    }

    pub(crate) fn reading(file: &Path, source: io::Error) -> Self {
        Self::Unreadable {
            file: file.to_owned(),
            source,
        }
    }

    pub(crate) fn writing(file: &Path, source: io::Error) -> Self {
        let file = file.to_owned();
        if no_space(&source) {
            Self::Full { file, source }
        } else {
            Self::Unwritable { file, source }
        }
    }

    pub(crate) fn damaged(
        file: &Path,
        line: usize,
        column: usize,
        problem: impl Into<String>,
    ) -> Self {
        Self::Damaged {
            file: file.to_owned(),
            line,
            column,
            problem: shortened(problem.into(), LONGEST_PROBLEM),
        }
    }
}

/// Whether space or quota is what is missing.
pub(crate) fn no_space(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        io::ErrorKind::StorageFull
            | io::ErrorKind::QuotaExceeded
            // RLIMIT_FSIZE, or the file system's own limit.
            | io::ErrorKind::FileTooLarge
    )
}
