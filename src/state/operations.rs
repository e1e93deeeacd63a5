//! The operations of a deployment, as their journals tell them.

use std::cmp::Reverse;
use std::collections::BTreeMap;

use super::dir::file_names;
use super::{Listing, StateDir, StateError};
use crate::journal::{Entry, Journal, Line};
use crate::model::{DeploymentName, OperationId, SnapshotId, Timestamp};
use crate::plan::Action;
use crate::snapshot::Snapshot;

/// One operation and what its journal says.
#[derive(Debug, Clone, PartialEq)]
pub struct Operation {
    /// Its id.
    pub id: OperationId,
    /// The lines of its journal; the first holds the plan.
    pub lines: Vec<Line>,
}

impl Operation {
    /// Whether its journal has its last line.
    pub fn closed(&self) -> bool {
        self.lines
            .iter()
            .any(|l| matches!(l.entry, Entry::Closed { .. }))
    }

    /// Its place among the others. The number of the lock only goes up; a clock can be set back.
    fn order(&self) -> (u64, Timestamp, &OperationId) {
        let fence = match self.lines[0].entry {
            Entry::Opened { fence, .. } => fence,
            _ => 0,
        };
        (fence, self.lines[0].at, &self.id)
    }

    /// The snapshot that its plan writes; None where it reuses one.
    fn writes(&self) -> Option<&SnapshotId> {
        let Entry::Opened { plan, .. } = &self.lines[0].entry else {
            return None;
        };
        plan.steps.iter().find_map(|s| match &s.action {
            Action::WriteSnapshot {
                snapshot,
                reuse: false,
            } => Some(snapshot),
            _ => None,
        })
    }
}

impl StateDir {
    /// Every operation of a deployment, newest first: by the number of the lock under which it was begun, and by time
    /// only where two have the same. A folder without a journal is none: it was made, and then nothing happened.
    ///
    /// # Errors
    /// [`StateError`]: the folder is there and cannot be read.
    pub fn operations(&self, name: &DeploymentName) -> Result<Listing<Operation>, StateError> {
        let mut all = Listing::default();
        for id in file_names(&self.operations_folder(name))? {
            let Ok(id) = OperationId::new(id) else {
                continue;
            };
            match self.operation(name, &id) {
                Err(StateError::NotFound { .. }) => {}
                operation => all.push(operation),
            }
        }
        all.items.sort_by(|a, b| b.order().cmp(&a.order()));
        Ok(all)
    }

    /// Every snapshot of a deployment, newest first: in the order of the operations that wrote them. One whose operation
    /// is not there, or cannot be read, comes behind those, by its time.
    ///
    /// # Errors
    /// [`StateError`]: a folder is there and cannot be read.
    pub fn snapshots_newest_first(
        &self,
        name: &DeploymentName,
    ) -> Result<Listing<Snapshot>, StateError> {
        self.snapshots_in_order_of(name, &self.operations(name)?.items)
    }

    /// The same, where its operations were read before, newest first.
    pub(crate) fn snapshots_in_order_of(
        &self,
        name: &DeploymentName,
        operations: &[Operation],
    ) -> Result<Listing<Snapshot>, StateError> {
        let mut all = self.snapshots(name).list()?;
        let oldest_first = operations.iter().rev().filter_map(Operation::writes);
        let places: BTreeMap<_, _> = oldest_first.zip(1_usize..).collect();
        // Stable: by time where there is no place.
        all.items
            .sort_by_key(|s| Reverse(places.get(&s.id).copied()));
        Ok(all)
    }

    /// One operation.
    ///
    /// # Errors
    /// [`StateError`]: there is none, or its journal cannot be read.
    pub fn operation(
        &self,
        name: &DeploymentName,
        id: &OperationId,
    ) -> Result<Operation, StateError> {
        let file = self.journal_file(name, id);
        let lines = Journal::read(&file).map_err(|e| match e {
            StateError::NotFound { file, .. } => StateError::NotFound {
                what: format!("operation '{id}' of '{name}'"),
                file,
            },
            e => e,
        })?;
        if let Entry::Opened { operation, .. } = &lines[0].entry
            && operation != id
        {
            return Err(StateError::Misplaced {
                file,
                line: 1,
                found: operation.to_string(),
                expected: id.to_string(),
            });
        }
        Ok(Operation {
            id: id.clone(),
            lines,
        })
    }

    /// The same, where each of them can be read.
    ///
    /// # Errors
    /// [`StateError`]: a journal cannot be read. Whether that one is open nobody can say, so nothing may be
    /// changed until a person has looked.
    pub fn readable_operations(&self, name: &DeploymentName) -> Result<Vec<Operation>, StateError> {
        let all = self.operations(name)?;
        match all.damaged.into_iter().next() {
            Some(e) => Err(e),
            None => Ok(all.items),
        }
    }

    /// The newest operation that is not closed.
    ///
    /// # Errors
    /// As [`readable_operations`](Self::readable_operations).
    pub fn open_operation(&self, name: &DeploymentName) -> Result<Option<Operation>, StateError> {
        let all = self.readable_operations(name)?;
        Ok(all.into_iter().find(|o| !o.closed()))
    }
}

#[cfg(test)]
#[path = "operations_tests.rs"]
mod tests;
