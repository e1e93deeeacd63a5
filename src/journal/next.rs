//! What comes next: a pure fold over the journal. It is all of crash-resume.

use std::collections::BTreeSet;

use super::entry::Entry;
use crate::model::{Outcome, Purpose};
use crate::plan::{Action, Plan};

/// What comes next.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Next {
    /// Perform this step of `plan.steps`.
    Run(usize),
    /// Perform this part of this step's undo.
    Undo {
        /// The place of the step in `plan.steps`.
        step: usize,
        /// The place of the part in the step's `undo`.
        part: usize,
    },
    /// Perform this check of `plan.after_undo`.
    Confirm(usize),
    /// Nothing comes next.
    Finished(Outcome),
}

/// What the entries say happened, as far as what comes next depends on it.
#[derive(Debug, Default)]
struct Fold {
    started: BTreeSet<usize>,
    done: BTreeSet<usize>,
    failed: bool,
    unwinding: bool,
    paused: bool,
    stuck: bool,
    undone: BTreeSet<(usize, usize)>,
    deferred: Vec<(usize, usize)>,
    confirmed: BTreeSet<usize>,
    closed: Option<Outcome>,
}

fn fold<'e>(plan: &Plan, entries: impl IntoIterator<Item = &'e Entry>) -> Fold {
    let mut f = Fold::default();
    for entry in entries {
        match entry {
            Entry::Opened { .. } | Entry::UndoStarted { .. } | Entry::ConfirmStarted { .. } => {}
            Entry::Started { step } => {
                f.started.insert(*step);
            }
            Entry::Done { step, .. } => {
                f.done.insert(*step);
            }
            Entry::Failed { .. } => {
                f.failed = true;
                f.unwinding |= plan.undo_on_failure;
            }
            Entry::UndoDone { step, part, .. } => {
                f.undone.insert((*step, *part));
            }
            Entry::UndoDeferred { step, part, .. } => f.deferred.push((*step, *part)),
            Entry::UndoFailed { .. } | Entry::ConfirmFailed { .. } => f.stuck = true,
            Entry::ConfirmDone { step, .. } => {
                f.confirmed.insert(*step);
            }
            Entry::Paused { .. } => f.paused = true,
            Entry::Resumed { unwind, .. } => {
                f.paused = false;
                f.stuck = false;
                f.failed = false;
                f.unwinding |= unwind;
                // What was put off may work now, in its own place.
                f.deferred.clear();
            }
            Entry::Closed { outcome } => f.closed = Some(*outcome),
        }
    }
    f
}

/// Whether a step that changes something was started: from then on a failure is `rolled_back`, not
/// `refused`.
pub fn changed<'e>(plan: &Plan, entries: impl IntoIterator<Item = &'e Entry>) -> bool {
    fold(plan, entries)
        .started
        .iter()
        .any(|i| plan.steps[*i].action.changes())
}

/// The undo that is still to be done, in order: newest step first, what was deferred behind the next
/// `await_host`.
fn queue(plan: &Plan, f: &Fold) -> Vec<(usize, usize)> {
    let mut queue: Vec<(usize, usize)> = f
        .started
        .iter()
        .rev()
        .flat_map(|step| (0..plan.steps[*step].undo.len()).map(|part| (*step, part)))
        .filter(|at| !f.undone.contains(at))
        .collect();
    for at in &f.deferred {
        if let Some(behind) = await_host_behind(plan, &queue, *at) {
            let from = queue.iter().position(|q| q == at).expect("found behind it");
            queue.remove(from);
            queue.insert(behind, *at);
        }
    }
    queue
}

/// The place of the next `await_host` behind `at` in the queue.
fn await_host_behind(plan: &Plan, queue: &[(usize, usize)], at: (usize, usize)) -> Option<usize> {
    let from = queue.iter().position(|q| *q == at)?;
    (from + 1..queue.len()).find(|i| {
        let (step, part) = queue[*i];
        matches!(plan.steps[step].undo[part].action, Action::AwaitHost { .. })
    })
}

/// Whether this part of the undo can be put off: an `await_host` still comes behind it.
pub fn can_defer<'e>(
    plan: &Plan,
    entries: impl IntoIterator<Item = &'e Entry>,
    at: (usize, usize),
) -> bool {
    let f = fold(plan, entries);
    await_host_behind(plan, &queue(plan, &f), at).is_some()
}

/// What comes next, from plan and entries alone.
pub fn next<'e>(plan: &Plan, entries: impl IntoIterator<Item = &'e Entry>) -> Next {
    let f = fold(plan, entries);
    if let Some(outcome) = f.closed {
        return Next::Finished(outcome);
    }
    if f.stuck {
        return Next::Finished(Outcome::Stuck);
    }
    if f.paused || (f.failed && !f.unwinding) {
        return Next::Finished(Outcome::Paused);
    }
    if !f.unwinding {
        return match (0..plan.steps.len()).find(|i| !f.done.contains(i)) {
            Some(step) => Next::Run(step),
            None => Next::Finished(match plan.purpose {
                Purpose::Update => Outcome::Updated,
                Purpose::Rollback { .. } => Outcome::RolledBackAsAsked,
            }),
        };
    }
    if let Some((step, part)) = queue(plan, &f).first() {
        return Next::Undo {
            step: *step,
            part: *part,
        };
    }
    if !f.started.iter().any(|i| plan.steps[*i].action.changes()) {
        return Next::Finished(Outcome::Refused);
    }
    match (0..plan.after_undo.len()).find(|i| !f.confirmed.contains(i)) {
        Some(step) => Next::Confirm(step),
        None => Next::Finished(Outcome::RolledBack),
    }
}
