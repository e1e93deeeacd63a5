//! The memory of an operation: what is about to happen, what happened, and (pure) what comes next.

mod entry;
mod next;

pub use entry::*;
pub use next::{Next, can_defer, changed, next};
