//! The lease in the account: two machines cannot both act on a deployment.
//!
//! One SSM parameter per fencing number, `/geusemaker/<name>/lock/<10 digits>`. Creating one without
//! `Overwrite` is the only atomic call there is; the highest number that is held (or was) counts. A holder's
//! heartbeat overwrites its own. [`judge`] is the whole decision, pure; [`Taker`] and [`Held`] carry it out.
//!
//! A number is claimed first and counts only when its owner has looked around once more: see
//! `docs/design/README.md`, "A lease is claimed before it is held".

mod held;
mod judge;
mod process;
mod record;
mod take;
#[cfg(test)]
mod tests;

pub use held::{Held, Trouble};
pub use judge::{Here, Seen, Verdict, judge};
pub use process::Process;
pub use record::{GivenUp, Lease, Leases, Numbered, OpenElsewhere, Phase, folder};
pub use take::{Ask, LeaseError, Liveness, Taker};
