//! The instance as a host: four verbs, their scripts, their replies.
//!
//! | verb | script | writes on the host |
//! |---|---|---|
//! | look | `scripts/look.sh` | nothing |
//! | mount | `scripts/mount.sh` | the sentinel, when asked to |
//! | start | `scripts/start.sh` | starts one detached job: pull, quiesce or apply |
//! | poll | `scripts/poll.sh` | nothing |
//!
//! [`Host`] is the port; [`channel`] speaks it over Run Command. Scripts are POSIX sh, constant, and
//! take their input as lines of `key base64`.

mod port;

pub use port::*;
