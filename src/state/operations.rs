//! The operations of a deployment, as their journals tell them.

use super::dir::file_names;
use super::{Listing, StateDir, StateError};
use crate::journal::{Entry, Journal, Line};
use crate::model::{DeploymentName, OperationId};

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
}

impl StateDir {
    /// Every operation of a deployment, newest first. A folder without a journal is none: it was made, and
    /// then nothing happened.
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
        all.items
            .sort_by(|a, b| (b.lines[0].at, &b.id).cmp(&(a.lines[0].at, &a.id)));
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
