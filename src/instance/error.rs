//! Why an instance is not as it was to be.

use crate::cloud::{CloudError, Deadline};
use crate::model::{InstanceId, InstanceType, RunState};

/// An instance that could not be brought where it was to be.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum InstanceError {
    /// AWS did not take the call.
    #[error(transparent)]
    Cloud(#[from] CloudError),
    /// EC2 knows no such instance.
    #[error("expected the instance {id}, found none")]
    NotFound {
        /// The instance.
        id: InstanceId,
    },
    /// It is being terminated, or was.
    #[error("expected {id} to exist, found it {}", state.as_str())]
    Gone {
        /// The instance.
        id: InstanceId,
        /// `shutting-down` or `terminated`.
        state: RunState,
    },
    /// The time ran out.
    #[error(transparent)]
    Deadline(#[from] Deadline),
    /// Type and `EbsOptimized` can only be changed while the instance is stopped.
    #[error("expected {id} to be stopped before it is changed, found it {}", found.as_str())]
    NotStopped {
        /// The instance.
        id: InstanceId,
        /// Its state.
        found: RunState,
    },
    /// Neither the type it had nor the one it is to have: somebody else changed it.
    #[error("expected {id} to be {from} or {to}, found {found}: somebody else changed its type")]
    TypeChanged {
        /// The instance.
        id: InstanceId,
        /// The type it had when the plan was made.
        from: InstanceType,
        /// The type it is to have.
        to: InstanceType,
        /// The type it has.
        found: InstanceType,
    },
    /// EC2 took the start, and then the instance went back to `stopped`.
    #[error("expected {id} to run, found it stopped again: {reason}")]
    FellBack {
        /// The instance.
        id: InstanceId,
        /// `StateReason`, in EC2's words.
        reason: String,
    },
    /// A status check says `impaired`.
    #[error(
        "expected the status checks of {id} not to be impaired, found instance {instance}, system {system}"
    )]
    Impaired {
        /// The instance.
        id: InstanceId,
        /// The instance status check.
        instance: String,
        /// The system status check.
        system: String,
    },
}

impl InstanceError {
    /// What AWS said, where it said something.
    pub fn cloud(&self) -> Option<&CloudError> {
        match self {
            Self::Cloud(e) => Some(e),
            _ => None,
        }
    }
}
