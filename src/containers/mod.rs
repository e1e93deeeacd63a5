//! The containers of a deployment: the compose file, and what is done with its services.

mod compose;
mod logs;
mod pull;

pub use compose::*;
pub use logs::{Feed, LogLine, merge};
pub use pull::{PullFailure, pull_failure};
