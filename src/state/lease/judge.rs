//! Whether a deployment may be taken. Pure.

use std::time::Duration;

use super::{Lease, OpenElsewhere, Phase};

/// A lease, and what its watcher knows of its holder.
#[derive(Debug, Clone, Copy)]
pub struct Seen<'a> {
    /// Its number.
    pub number: u64,
    /// What it says.
    pub lease: &'a Lease,
    /// How long its heartbeat stood still, on the watcher's own clock.
    pub stood: Duration,
    /// Its heartbeat has moved since the watcher's first look.
    pub moved: bool,
    /// Its holder was a process of this machine, and is gone.
    pub gone: bool,
}

impl Seen<'_> {
    fn is_over(&self) -> bool {
        self.gone || self.stood >= self.lease.length()
    }
}

/// What this machine knows of an operation.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Here {
    /// Its journal is here, and open.
    Open,
    /// Its journal is here, and has its end.
    Closed,
    /// It was not begun here.
    Absent,
}

/// What follows.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Verdict<'a> {
    /// Nobody holds it: take a number above this one (0: there is none yet). The operation, if any, stays open.
    Free {
        /// Above this.
        above: u64,
        /// To be carried over.
        open: Option<&'a OpenElsewhere>,
    },
    /// The same, over a holder that is gone or whose lease has run out.
    TakeOver {
        /// Above this.
        above: u64,
        /// Whose.
        from: &'a Lease,
        /// To be carried over.
        open: Option<&'a OpenElsewhere>,
    },
    /// It cannot be told yet whether this one is alive.
    Watch(&'a Lease),
    /// It is held.
    Held(&'a Lease),
    /// Nobody holds it, and an operation is open that only another machine can go on with.
    OpenElsewhere {
        /// Above this, should it be given up.
        above: u64,
        /// Which.
        open: &'a OpenElsewhere,
    },
}

/// Decides. `seen` is in order of the numbers; `here` says what this machine knows of an operation.
pub fn judge<'a>(seen: &[Seen<'a>], here: &dyn Fn(&OpenElsewhere) -> Here) -> Verdict<'a> {
    let above = seen.last().map_or(0, |s| s.number);
    let counting = seen.iter().rev().find(|s| s.lease.counts());
    // Who holds, and who is about to.
    let below = counting.map_or(0, |s| s.number);
    let in_the_way: Vec<&Seen<'a>> = counting
        .into_iter()
        .filter(|s| s.lease.phase == Phase::Held)
        .chain(
            seen.iter()
                .filter(|s| s.number > below && s.lease.phase == Phase::Claimed),
        )
        .collect();
    let alive = in_the_way.iter().filter(|s| !s.is_over());
    if let Some(moving) = alive.clone().find(|s| s.moved) {
        return Verdict::Held(moving.lease);
    }
    if let Some(unsure) = alive.clone().next() {
        return Verdict::Watch(unsure.lease);
    }
    let open = counting.and_then(|s| s.lease.open_operation.as_ref());
    let open = match open.map(|o| (o, here(o))) {
        Some((open, Here::Absent)) => return Verdict::OpenElsewhere { above, open },
        Some((open, Here::Open)) => Some(open),
        Some((_, Here::Closed)) | None => None,
    };
    match in_the_way.first() {
        None => Verdict::Free { above, open },
        Some(over) => Verdict::TakeOver {
            above,
            from: over.lease,
            open,
        },
    }
}
