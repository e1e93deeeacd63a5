//! The journal on disk: one entry a line, synced before it counts.

use std::io::{self, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};

use fs_err::os::unix::fs::OpenOptionsExt;

use super::entry::{Entry, Line};
use super::parse::{parse, to_text};
use crate::model::OperationId;
use crate::state::disk::{Touch, touch};
use crate::state::{StateError, make_folder, no_space, sync_folder, write_new_file};

/// What can be wrong with a journal; the same as with everything else on disk.
pub type JournalError = StateError;

/// How much is set aside so that an operation under way can still write down how it ends: 256 KiB, some
/// hundred entries.
pub const RESERVE_BYTES: usize = 256 * 1024;

type Writer = Box<dyn FnMut(&mut fs_err::File, &[u8]) -> io::Result<()> + Send>;

/// A journal that is written to. There is one writer: the holder of the deployment's lock.
pub struct Journal {
    file: fs_err::File,
    /// Where the next line begins; behind it may lie a torn one.
    end: u64,
    /// Something lies behind `end`, or may.
    torn: bool,
    reserve: PathBuf,
    write: Writer,
}

impl std::fmt::Debug for Journal {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Journal")
            .field("path", &self.file.path())
            .field("end", &self.end)
            .finish_non_exhaustive()
    }
}

impl Journal {
    /// Makes `<operations>/<operation>/journal.jsonl` with its first line, and sets [`RESERVE_BYTES`] aside
    /// before it: a full disk is found out while there is no operation yet. When this returns, file and
    /// folders are synced.
    ///
    /// # Errors
    /// [`StateError`]: it could not be written, or is there already. Nothing is left behind.
    pub fn create(
        operations: &Path,
        operation: &OperationId,
        opened: &Line,
    ) -> Result<Self, JournalError> {
        let folder = operations.join(operation.as_str());
        let path = folder.join("journal.jsonl");
        if path.exists() {
            return Err(StateError::Exists { file: path });
        }
        make_folder(&folder)?;
        let reserve = folder.join("reserve");
        // Whole or not at all: there is never a journal without its plan.
        let done = set_aside(&reserve, RESERVE_BYTES, &mut synced())
            .and_then(|()| write_new_file(&path, to_text(opened).as_bytes()));
        if let Err(e) = done {
            let _ = remove(&reserve);
            let _ = touch(
                || Touch::Remove(folder.clone()),
                || fs_err::remove_dir(&folder),
            );
            return Err(e);
        }
        Ok(Self::open(&path)?.0)
    }

    /// Opens a journal to go on with it. Changes nothing yet: a torn last line is cut off by the first
    /// [`append`](Self::append).
    ///
    /// # Errors
    /// [`StateError`]: it cannot be read, is damaged anywhere but at its end, or has another schema.
    pub fn open(path: &Path) -> Result<(Self, Vec<Line>), JournalError> {
        let bytes = read_bytes(path)?;
        let parsed = parse(path, &bytes)?;
        let file = fs_err::OpenOptions::new()
            .read(true)
            .write(true)
            .open(path)
            .map_err(|e| StateError::writing(path, e))?;
        let journal = Self {
            file,
            end: parsed.end as u64,
            torn: parsed.end < bytes.len(),
            reserve: path.with_file_name("reserve"),
            write: synced(),
        };
        Ok((journal, parsed.lines))
    }

    /// Reads a journal, for those who only look.
    ///
    /// # Errors
    /// [`StateError`], as [`open`](Self::open).
    pub fn read(path: &Path) -> Result<Vec<Line>, JournalError> {
        Self::parse(path, &read_bytes(path)?)
    }

    /// The lines of a journal's bytes; the path is for the errors.
    ///
    /// # Errors
    /// [`StateError`], as [`open`](Self::open).
    pub fn parse(path: &Path, bytes: &[u8]) -> Result<Vec<Line>, JournalError> {
        Ok(parse(path, bytes)?.lines)
    }

    /// The file.
    pub fn path(&self) -> &Path {
        self.file.path()
    }

    /// Sets space aside, before the first change: when the disk is full later, it is given up for the
    /// entries that say how the operation ends. Where that much is set aside already, it stays. Syncs the journal's name
    /// and those of the folders above it up to the state folder: whoever made them may have been killed before it did.
    ///
    /// # Errors
    /// [`StateError`]: there is not that much space, or it could not be written. Nothing is left behind.
    pub fn reserve(&mut self, bytes: usize) -> Result<(), JournalError> {
        set_aside(&self.reserve, bytes, &mut self.write)?;
        // The operation's folder, `operations`, the deployment's, the state folder.
        let above = self.reserve.ancestors().skip(1).take(4);
        above
            .filter(|f| !f.as_os_str().is_empty())
            .try_for_each(sync_folder)
    }

    /// Writes one line; when this returns it is on the disk. A full disk costs the reserve first. The line
    /// [`Closed`](Entry::Closed) gives the reserve back, before it: whoever is killed behind it leaves nothing.
    ///
    /// # Errors
    /// [`StateError`]: it is not (surely) on the disk; what it announces must not be done. The journal can
    /// be appended to again.
    pub fn append(&mut self, line: &Line) -> Result<(), JournalError> {
        let text = to_text(line);
        if matches!(line.entry, Entry::Closed { .. }) {
            let _ = remove(&self.reserve);
        }
        let done = match self.try_append(text.as_bytes()) {
            Err(e) if no_space(&e) && remove(&self.reserve).is_ok() => {
                self.try_append(text.as_bytes())
            }
            done => done,
        };
        done.map_err(|e| StateError::writing(self.file.path(), e))
    }

    fn try_append(&mut self, text: &[u8]) -> io::Result<()> {
        if self.torn {
            let cut = || Touch::Cut {
                file: self.file.path().to_owned(),
                to: self.end,
            };
            touch(cut, || self.file.set_len(self.end))?;
            self.torn = false;
        }
        self.file.seek(SeekFrom::Start(self.end))?;
        // Until the line is synced, nobody knows how much of it is there.
        self.torn = true;
        (self.write)(&mut self.file, text)?;
        self.torn = false;
        self.end += text.len() as u64;
        Ok(())
    }
}

fn synced() -> Writer {
    Box::new(|file, bytes| {
        let (path, at) = (file.path().to_owned(), file.stream_position()?);
        let write = || Touch::Write {
            file: path.clone(),
            at,
            bytes: bytes.to_owned(),
        };
        touch(write, || file.write_all(bytes))?;
        touch(|| Touch::Sync(path.clone()), || file.sync_data())
    })
}

fn remove(file: &Path) -> io::Result<()> {
    let touched = || Touch::Remove(file.to_owned());
    touch(touched, || fs_err::remove_file(file))
}

/// Fills the file, unless it is that long already.
fn set_aside(reserve: &Path, bytes: usize, write: &mut Writer) -> Result<(), StateError> {
    if fs_err::metadata(reserve).is_ok_and(|m| m.len() >= bytes as u64) {
        return Ok(());
    }
    let open = || {
        fs_err::OpenOptions::new()
            .write(true)
            .create(true)
            .truncate(true)
            .mode(0o600)
            .open(reserve)
    };
    let done = touch(|| Touch::Create(reserve.to_owned()), open)
        .and_then(|mut file| {
            // Not zeros, which a file system may keep as a hole.
            let block: Vec<u8> = (0..bytes).map(|i| (i % 251) as u8 + 1).collect();
            write(&mut file, &block)?;
            touch(|| Touch::Sync(reserve.to_owned()), || file.sync_all())
        })
        .map_err(|e| StateError::writing(reserve, e))
        .and_then(|()| sync_folder(reserve.parent().unwrap_or(Path::new(""))));
    if done.is_err() {
        let _ = remove(reserve);
    }
    done
}

fn read_bytes(path: &Path) -> Result<Vec<u8>, JournalError> {
    fs_err::read(path).map_err(|e| match e.kind() {
        io::ErrorKind::NotFound => StateError::NotFound {
            what: "such journal".into(),
            file: path.to_owned(),
        },
        _ => StateError::reading(path, e),
    })
}

/// Adds text to a log file, 0600, which is made where it is missing. A log is for people: it is not synced.
///
/// # Errors
/// [`StateError`]: it could not be written.
pub fn append_log(file: &Path, text: &str) -> Result<(), StateError> {
    make_folder(file.parent().unwrap_or(Path::new("")))?;
    fs_err::OpenOptions::new()
        .append(true)
        .create(true)
        .mode(0o600)
        .open(file)
        .and_then(|mut f| f.write_all(text.as_bytes()))
        .map_err(|e| StateError::writing(file, e))
}

#[cfg(test)]
#[path = "file_tests.rs"]
mod tests;
