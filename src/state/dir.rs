//! The state folder and the deployments in it.

use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use super::document::{Document, line_of};
use super::{StateError, read, write};
use crate::model::{DEPLOYMENT_SCHEMA, Deployment, DeploymentName, OperationId};
use crate::snapshot::SnapshotStore;

impl Document for Deployment {
    const SCHEMA: &'static str = DEPLOYMENT_SCHEMA;
}

/// What could be read, and what could not: one damaged document does not hide the others.
#[derive(Debug)]
pub struct Listing<T> {
    /// What could be read, in order.
    pub items: Vec<T>,
    /// What could not.
    pub damaged: Vec<StateError>,
}

impl<T> Default for Listing<T> {
    fn default() -> Self {
        Self {
            items: Vec::new(),
            damaged: Vec::new(),
        }
    }
}

impl<T> Listing<T> {
    pub(crate) fn push(&mut self, item: Result<T, StateError>) {
        match item {
            Ok(item) => self.items.push(item),
            Err(e) => self.damaged.push(e),
        }
    }
}

/// Fewer files are not shared among threads: a start costs as much as some files.
const FILES_WORTH_A_THREAD: usize = 64;

/// The state folder.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StateDir {
    root: PathBuf,
}

impl StateDir {
    /// Takes the folder, which need not be there yet: it is made when something is first written. Also
    /// says, one line each, what others on this machine may read or write.
    ///
    /// # Errors
    /// [`StateError`]: there is something that is not a folder, or that cannot be looked at.
    pub fn open(root: impl Into<PathBuf>) -> Result<(Self, Vec<String>), StateError> {
        let state = Self { root: root.into() };
        let warnings = match fs_err::metadata(&state.root) {
            Ok(meta) if meta.is_dir() => state.wide_modes(),
            Ok(_) => {
                return Err(StateError::reading(
                    &state.root,
                    std::io::Error::new(
                        std::io::ErrorKind::NotADirectory,
                        format!("{} is not a folder", state.root.display()),
                    ),
                ));
            }
            Err(e) if e.kind() == std::io::ErrorKind::NotFound => Vec::new(),
            Err(e) => return Err(StateError::reading(&state.root, e)),
        };
        Ok((state, warnings))
    }

    /// The folder itself.
    pub fn root(&self) -> &Path {
        &self.root
    }

    /// The folder of one deployment.
    pub fn folder(&self, name: &DeploymentName) -> PathBuf {
        self.root.join(name.as_str())
    }

    /// The folder of the sandbox; its own deployments are in the state folder `state` below it.
    pub fn sandbox(&self) -> PathBuf {
        self.root.join("sandbox")
    }

    /// The file that says what a deployment is.
    pub fn deployment_file(&self, name: &DeploymentName) -> PathBuf {
        self.folder(name).join("deployment.yaml")
    }

    /// The snapshots of a deployment.
    pub fn snapshots(&self, name: &DeploymentName) -> SnapshotStore {
        SnapshotStore::new(self.folder(name).join("snapshots"))
    }

    /// The folder with the operations of a deployment.
    pub fn operations_folder(&self, name: &DeploymentName) -> PathBuf {
        self.folder(name).join("operations")
    }

    /// The journal of one operation.
    pub fn journal_file(&self, name: &DeploymentName, operation: &OperationId) -> PathBuf {
        self.operations_folder(name)
            .join(operation.as_str())
            .join("journal.jsonl")
    }

    /// The log of one operation: what ran on the host, in words.
    pub fn log_file(&self, name: &DeploymentName, operation: &OperationId) -> PathBuf {
        self.operations_folder(name)
            .join(operation.as_str())
            .join("log")
    }

    /// The names of the deployments, sorted. Folders without a `deployment.yaml` are none.
    ///
    /// # Errors
    /// [`StateError`]: the folder is there and cannot be read.
    pub fn names(&self) -> Result<Vec<DeploymentName>, StateError> {
        let mut names: Vec<DeploymentName> = file_names(&self.root)?
            .into_iter()
            .filter_map(|name| DeploymentName::new(name).ok())
            .filter(|name| there(&self.deployment_file(name)))
            .collect();
        names.sort();
        Ok(names)
    }

    /// Every deployment, sorted by name.
    ///
    /// # Errors
    /// [`StateError`]: the folder is there and cannot be read.
    pub fn deployments(&self) -> Result<Listing<Deployment>, StateError> {
        self.each_deployment(|deployment| deployment)
    }

    /// What `look` makes of every deployment, sorted by name; on all processors, since each has files of
    /// its own.
    ///
    /// # Errors
    /// [`StateError`]: the folder is there and cannot be read.
    pub fn each_deployment<T: Send>(
        &self,
        look: impl Fn(Deployment) -> T + Sync,
    ) -> Result<Listing<T>, StateError> {
        let names = self.names()?;
        let at_once = std::thread::available_parallelism().map_or(1, usize::from);
        let share = names.len().div_ceil(at_once).max(FILES_WORTH_A_THREAD);
        let read = |names: &[DeploymentName]| -> Vec<Result<T, StateError>> {
            names.iter().map(|n| self.load(n).map(&look)).collect()
        };
        let read = &read;
        let mut all = Listing::default();
        std::thread::scope(|scope| {
            let shares: Vec<_> = names
                .chunks(share)
                .map(|names| scope.spawn(move || read(names)))
                .collect();
            for share in shares {
                match share.join() {
                    Ok(read) => read.into_iter().for_each(|item| all.push(item)),
                    Err(panic) => std::panic::resume_unwind(panic),
                }
            }
        });
        Ok(all)
    }

    /// One deployment.
    ///
    /// # Errors
    /// [`StateError`]: there is none, or its file cannot be read, has another schema, does not parse, or
    /// names another deployment.
    pub fn load(&self, name: &DeploymentName) -> Result<Deployment, StateError> {
        let file = self.deployment_file(name);
        let deployment: Deployment = read(&file).map_err(|e| match e {
            StateError::NotFound { file, .. } => StateError::NotFound {
                what: format!("deployment '{name}'"),
                file,
            },
            e => e,
        })?;
        if deployment.name != *name {
            let text = fs_err::read_to_string(&file).unwrap_or_default();
            return Err(StateError::Misplaced {
                line: line_of(&text, "name"),
                file,
                found: deployment.name.to_string(),
                expected: name.to_string(),
            });
        }
        Ok(deployment)
    }

    /// Writes a deployment. Fields on disk that this version does not know survive.
    ///
    /// # Errors
    /// [`StateError`]: it could not be written, or what is there now cannot be read; then that is left as
    /// it is.
    pub fn save(&self, deployment: &Deployment) -> Result<(), StateError> {
        match self.load(&deployment.name) {
            Ok(_) | Err(StateError::NotFound { .. }) => {}
            Err(e) => return Err(e),
        }
        write(&self.deployment_file(&deployment.name), deployment)
    }

    /// What of the folder others may read or write: the folder, and each deployment's.
    fn wide_modes(&self) -> Vec<String> {
        let mut looked = vec![(self.root.clone(), "0700")];
        for name in self.names().unwrap_or_default() {
            looked.push((self.folder(&name), "0700"));
            looked.push((self.deployment_file(&name), "0600"));
        }
        looked
            .into_iter()
            .filter_map(|(path, expected)| {
                let mode = fs_err::metadata(&path).ok()?.permissions().mode() & 0o777;
                (mode & 0o077 != 0).then(|| {
                    format!(
                        "{} has mode {mode:04o}, expected {expected}: others on this machine may look into it \
                         (chmod go= '{}')",
                        path.display(),
                        path.display()
                    )
                })
            })
            .collect()
    }
}

/// Whether something is there, also where it may not be looked at.
fn there(file: &Path) -> bool {
    fs_err::metadata(file).map_or_else(
        |e| {
            !matches!(
                e.kind(),
                std::io::ErrorKind::NotFound | std::io::ErrorKind::NotADirectory
            )
        },
        |_| true,
    )
}

/// The names in a folder that are text and not hidden, unsorted; none where there is no folder.
pub(crate) fn file_names(folder: &Path) -> Result<Vec<String>, StateError> {
    let entries = match fs_err::read_dir(folder) {
        Ok(entries) => entries,
        Err(e) if e.kind() == std::io::ErrorKind::NotFound => return Ok(Vec::new()),
        Err(e) => return Err(StateError::reading(folder, e)),
    };
    let mut names = Vec::new();
    for entry in entries {
        let entry = entry.map_err(|e| StateError::reading(folder, e))?;
        if let Ok(name) = entry.file_name().into_string()
            && !name.starts_with('.')
        {
            names.push(name);
        }
    }
    Ok(names)
}

#[cfg(test)]
#[path = "dir_tests.rs"]
mod tests;
