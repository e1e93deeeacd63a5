//! The shell that makes it happen: looks, decides through [`crate::plan`], drives, and reports.
//!
//! [`prepare_update`] and [`prepare_rollback`] only look. [`execute`] and [`resume`] act: they hold the lock
//! and are the only writers of the journal.

mod adopt;
mod await_host;
mod boot;
mod capacity;
mod check;
mod containers;
mod data;
mod drifted;
mod drive;
mod exec;
mod execute;
mod failure;
mod fenced;
mod finish;
mod fix;
mod freshen;
mod guard;
mod held;
mod hold;
mod interrupt;
mod jobs;
mod logs;
mod looks;
mod observe;
mod patience;
mod perform;
mod prepare;
mod probes;
mod read_back;
mod resume;
mod shell;
mod stuck;
mod unlock;
mod world;

pub use adopt::adopt;
pub use check::{Checked, check};
pub use drive::{Operation, Recorder};
pub use exec::{ExecEnd, ExecReady, ExecRequest, Sink, Stream, exec, prepare_exec};
pub use execute::execute;
pub use fix::{Fix, fix, prepare_fix};
pub use hold::{Guard, Unguarded};
pub use interrupt::{Interrupt, Standing};
pub use logs::{Logs, LogsRequest, ServiceLine};
pub use looks::{history, inspect, list, status, unfinished};
pub use observe::{Ask, ObserveError, observe};
pub use prepare::{Ended, Prepared, Ready, prepare_rollback, prepare_update};
pub use resume::{TakenUp, Way, resume, take_up};
pub use unlock::{Unlocked, unlock};
pub use world::{Limits, World};
