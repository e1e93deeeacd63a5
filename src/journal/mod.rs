//! The memory of an operation: what is about to happen, what happened, and (pure) what comes next.

mod entry;
mod fallback;
mod file;
mod heed;
mod next;
mod parse;
mod recheck;
#[cfg(test)]
pub(crate) mod samples;
mod seen;
mod summary;

pub use entry::*;
pub use fallback::{fallback, no_start};
pub use file::{Journal, JournalError, RESERVE_BYTES, append_log};
pub use heed::{Heed, heed};
pub use next::{
    HOST_RESTORED, Next, armed, can_defer, changed, comes_again, committed, finished, next,
};
pub use recheck::{Recheck, pulled, recheck};
pub use seen::{Seen, SeenContainer, SeenHost};
pub use summary::{Summary, downtime};
