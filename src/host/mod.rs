//! The instance as a host: its verbs, their scripts, their replies.
//!
//! | verb | script | writes on the host |
//! |---|---|---|
//! | look | `scripts/look.sh`, for a plan with `scripts/pending.sh` | nothing; from a controller, the deadline |
//! | mount | `scripts/mount.sh` | the sentinel, when asked to |
//! | sample | `scripts/sample.sh` | nothing |
//! | probe | `scripts/probe.sh` | nothing |
//! | order | `scripts/order.sh` | one drop-in of docker.service, when asked to |
//! | hold | `scripts/hold.sh` | names and containers of ours that keep images from being pruned, when asked to |
//! | start | `scripts/start.sh` | starts one detached job: pull, quiesce, apply or restore |
//! | poll | `scripts/poll.sh` | nothing but the deadline |
//! | arm | `scripts/arm.sh` | what to go back to, a program, a systemd service and its timer |
//! | commit | `scripts/commit.sh` | disarms, and ends the timer |
//! | exec | `scripts/exec.sh` | a person's command, in a folder of its own that goes with it |
//! | logs | `scripts/logs.sh` | nothing |
//!
//! An armed host looks after itself: its timer runs `scripts/job_tick.sh`, which judges by the state file
//! (`scripts/restore.sh`) alone, and goes back with the very job that the controller's own undo is. The states and
//! what moves them are [`restore::next`].
//!
//! [`Host`] is the port, [`Shell`] the one for what is no part of an operation; [`channel`] speaks both over Run Command. Scripts are POSIX sh, constant, and
//! take their input as lines of `key base64`. A text that is too long for one command goes ahead in parts
//! (`scripts/put.sh`). So does the program of detached jobs ([`scripts::program`]), once: it lies under `lib/` by the
//! name of its checksum, and start and arm only name it.

pub mod channel;
mod envelope;
mod input;
mod port;
mod reply;
pub mod restore;
pub mod scripts;
mod shell;

use crate::model::sha256_hex;
pub use channel::{ChannelLimits, RunCommandHost};
pub use envelope::{Gather, Next, RESTARTS, Slice, parse_slice};
pub use input::Input;
pub use port::*;
pub use reply::{
    parse_exec, parse_hold, parse_job, parse_logs, parse_look, parse_mount, parse_order,
    parse_probe, parse_put, parse_restore, parse_sample,
};
pub use shell::*;

#[cfg(test)]
pub(crate) mod tests;
