//! The containers of a deployment: the compose file, what is done with its services, and what an `up` would do besides.

mod compose;
mod logs;
mod pending;
mod pull;

pub use compose::*;
pub use logs::{Feed, LogLine, merge};
pub use pending::{PendingEdits, pending_edits};
pub use pull::{PullFailure, pull_failure};
