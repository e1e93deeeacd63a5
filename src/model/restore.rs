//! The armed restore: what a host would do if nobody spoke to it any more.

use serde::{Deserialize, Serialize};

use super::{OperationId, Timestamp};

/// The state file of a host's armed restore (`/var/lib/geusemaker/restore/state`).
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(tag = "state", rename_all = "snake_case")]
pub enum RestoreState {
    /// Nothing is under way.
    #[default]
    Idle,
    /// When the deadline passes without a word from the controller, the host judges by itself: what was
    /// green before is green and stable → `committed`; else it goes back.
    Armed {
        /// The operation.
        operation: OperationId,
        /// By the host's own clock.
        deadline: Timestamp,
    },
    /// It is going back, or was cut off while it did: it goes on until it is back.
    Restoring {
        /// The operation.
        operation: OperationId,
    },
    /// It is back: the old file, the old images, what ran before runs.
    Restored {
        /// The operation.
        operation: OperationId,
        /// True: the host did it by itself, after the deadline. False: the controller asked for it.
        by_itself: bool,
    },
    /// It stays as it is now: disarmed by the controller, or found green by the host itself.
    Committed {
        /// The operation.
        operation: OperationId,
        /// True: the host judged so by itself, after the deadline.
        by_itself: bool,
    },
}

impl RestoreState {
    /// The public word.
    pub fn as_str(&self) -> &'static str {
        match self {
            RestoreState::Idle => "idle",
            RestoreState::Armed { .. } => "armed",
            RestoreState::Restoring { .. } => "restoring",
            RestoreState::Restored { .. } => "restored",
            RestoreState::Committed { .. } => "committed",
        }
    }

    /// The operation that the host goes back from by itself, unless it is told not to.
    pub fn goes_back_from(&self) -> Option<&OperationId> {
        match self {
            RestoreState::Armed { operation, .. } | RestoreState::Restoring { operation } => {
                Some(operation)
            }
            _ => None,
        }
    }

    /// The operation that it is about.
    pub fn operation(&self) -> Option<&OperationId> {
        match self {
            RestoreState::Idle => None,
            RestoreState::Armed { operation, .. }
            | RestoreState::Restoring { operation }
            | RestoreState::Restored { operation, .. }
            | RestoreState::Committed { operation, .. } => Some(operation),
        }
    }
}
