//! Snapshots on disk.

use std::collections::BTreeSet;
use std::path::PathBuf;

use super::{SNAPSHOT_SCHEMA, Snapshot};
use crate::model::SnapshotId;
use crate::state::disk::{Touch, touch};
use crate::state::{
    Document, Listing, StateError, file_names, line_of, read, sync_folder, write_new,
};

impl Document for Snapshot {
    const SCHEMA: &'static str = SNAPSHOT_SCHEMA;
}

/// How many healthy snapshots are kept, and how many others.
const KEPT: usize = 10;

/// The snapshots of one deployment, one file each.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SnapshotStore {
    folder: PathBuf,
}

impl SnapshotStore {
    pub(crate) fn new(folder: PathBuf) -> Self {
        Self { folder }
    }

    /// The file of a snapshot.
    pub fn file(&self, id: &SnapshotId) -> PathBuf {
        self.folder.join(format!("{id}.yaml"))
    }

    /// Writes a snapshot; file and folder are synced when it returns.
    ///
    /// # Errors
    /// [`StateError`]: it could not be written, or is there already.
    pub fn write(&self, snapshot: &Snapshot) -> Result<(), StateError> {
        write_new(&self.file(&snapshot.id), snapshot)
    }

    /// Reads a snapshot.
    ///
    /// # Errors
    /// [`StateError`]: there is none, or its file cannot be read, has another schema, does not parse, or
    /// holds another id.
    pub fn load(&self, id: &SnapshotId) -> Result<Snapshot, StateError> {
        let file = self.file(id);
        let snapshot: Snapshot = read(&file).map_err(|e| match e {
            StateError::NotFound { file, .. } => StateError::NotFound {
                what: format!("snapshot '{id}'"),
                file,
            },
            e => e,
        })?;
        if snapshot.id != *id {
            let text = fs_err::read_to_string(&file).unwrap_or_default();
            return Err(StateError::Misplaced {
                line: line_of(&text, "id"),
                file,
                found: snapshot.id.to_string(),
                expected: id.to_string(),
            });
        }
        Ok(snapshot)
    }

    /// Every snapshot, newest first by its own time, which a clock that was set can have got wrong. What came after what is
    /// known by the operations ([`StateDir::snapshots_newest_first`](crate::state::StateDir::snapshots_newest_first)).
    ///
    /// # Errors
    /// [`StateError`]: the folder is there and cannot be read.
    pub fn list(&self) -> Result<Listing<Snapshot>, StateError> {
        let mut all = Listing::default();
        for name in file_names(&self.folder)? {
            if let Some(id) = name.strip_suffix(".yaml")
                && let Ok(id) = SnapshotId::new(id)
            {
                all.push(self.load(&id));
            }
        }
        all.items
            .sort_by(|a, b| (b.taken_at, &b.id).cmp(&(a.taken_at, &a.id)));
        Ok(all)
    }

    /// Removes a snapshot; one that is not there is removed already.
    ///
    /// # Errors
    /// [`StateError`]: it could not be removed.
    pub fn remove(&self, id: &SnapshotId) -> Result<(), StateError> {
        let file = self.file(id);
        let remove = || fs_err::remove_file(&file);
        match touch(|| Touch::Remove(file.clone()), remove) {
            Ok(()) => sync_folder(&self.folder),
            Err(e) if e.kind() == std::io::ErrorKind::NotFound => Ok(()),
            Err(e) => Err(StateError::writing(&file, e)),
        }
    }

    /// Removes old snapshots of these and says which. Kept are the first ten healthy ones, the first ten others,
    /// and those in `keep`.
    ///
    /// # Errors
    /// [`StateError`]: a file could not be removed.
    pub fn prune(
        &self,
        newest_first: &[Snapshot],
        keep: &BTreeSet<SnapshotId>,
    ) -> Result<Vec<SnapshotId>, StateError> {
        let mut removed = Vec::new();
        let (mut healthy, mut others) = (0, 0);
        for snapshot in newest_first {
            let seen = if snapshot.healthy {
                &mut healthy
            } else {
                &mut others
            };
            *seen += 1;
            if *seen > KEPT && !keep.contains(&snapshot.id) {
                self.remove(&snapshot.id)?;
                removed.push(snapshot.id.clone());
            }
        }
        Ok(removed)
    }
}

#[cfg(test)]
#[path = "store_tests.rs"]
mod tests;
