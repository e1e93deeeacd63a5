//! What comes next: a pure fold over the journal. It is all of crash-resume.

use std::collections::BTreeSet;

use super::entry::{Entry, Redo};
use super::fallback;
use crate::model::{Outcome, Purpose};
use crate::plan::{Action, ApplyImages, Plan};

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

/// The host's word for: it has gone back by itself, or is about to.
pub const HOST_RESTORED: &str = "host_restored";

/// A part of an undo: the place of the step in `plan.steps`, and of the part in the step's `undo`.
pub(super) type Part = (usize, usize);

/// What the entries say happened, as far as what comes next depends on it.
#[derive(Debug, Default)]
pub(super) struct Fold {
    pub(super) started: BTreeSet<usize>,
    pub(super) done: BTreeSet<usize>,
    failed: bool,
    pub(super) unwinding: bool,
    /// The gate at the end was passed: from here on nothing is undone.
    committed: bool,
    paused: bool,
    pub(super) stuck: bool,
    pub(super) undone: BTreeSet<Part>,
    /// The number of the fallback that the undo has turned to; 0: none.
    pub(super) fallback: u32,
    /// What failed and was turned away from.
    passed: BTreeSet<Part>,
    /// What was put off, and the `await_host` that it waits for.
    deferred: Vec<(Part, Part)>,
    confirmed: BTreeSet<usize>,
    closed: Option<Outcome>,
}

pub(super) fn fold<'e>(plan: &Plan, entries: impl IntoIterator<Item = &'e Entry>) -> Fold {
    let mut f = Fold::default();
    for entry in entries {
        match entry {
            Entry::Opened { .. }
            | Entry::Observed { .. }
            | Entry::Accepted { .. }
            | Entry::UndoStarted { .. }
            | Entry::ConfirmStarted { .. } => {}
            Entry::Started { step } => {
                f.started.insert(*step);
            }
            Entry::Done { step, .. } => {
                f.done.insert(*step);
                f.committed |= commits(plan, *step);
            }
            // The host went back before it heard of the commit: then it is none.
            Entry::Failed { failure, .. } if f.committed && failure.code == HOST_RESTORED => {
                f.committed = false;
                f.done.retain(|step| !commits(plan, *step));
                f.unwinding = true;
            }
            // What else fails behind the commit only warns.
            Entry::Failed { step, .. } if f.committed => {
                f.done.insert(*step);
            }
            Entry::Failed { .. } => {
                f.failed = true;
                // Nothing was changed yet: there is nothing to look at, also with `--no-rollback`.
                let untouched = !f.started.iter().any(|i| plan.steps[*i].action.changes());
                f.unwinding |= plan.undo_on_failure || untouched;
            }
            Entry::UndoDone { step, part, .. } => {
                f.undone.insert((*step, *part));
            }
            Entry::UndoDeferred { step, part, .. } => {
                // Found now, from what is still to be done now: once that host has come back, what waited
                // for it is next, and does not move on behind a later one.
                let at = (*step, *part);
                if let Some(host) = await_host_behind(plan, &queue(plan, &f), at) {
                    f.deferred.retain(|(part, _)| *part != at);
                    f.deferred.push((at, host));
                }
            }
            Entry::UndoFailed {
                step,
                part,
                failure,
            } => match fallback::after(plan, &f, (*step, *part), failure) {
                Some(number) => {
                    f.passed.insert((*step, *part));
                    f.fallback = number;
                }
                None => f.stuck = true,
            },
            Entry::ConfirmFailed { .. } => f.stuck = true,
            Entry::ConfirmDone { step, .. } => {
                f.confirmed.insert(*step);
            }
            Entry::Paused { .. } => f.paused = true,
            Entry::Resumed { unwind, redo, .. } => {
                // It had ended on another type, or on none: from the old one on again.
                if f.fallback > 0 && (f.stuck || is_back(plan, &f)) {
                    f.fallback = 0;
                    f.passed.clear();
                    f.undone.clear();
                }
                f.paused = false;
                f.stuck = false;
                f.failed = false;
                for again in redo {
                    match again.part {
                        None => {
                            f.done.remove(&again.step);
                            // The host went back behind the commit: then it is none.
                            f.committed &= !commits(plan, again.step);
                        }
                        Some(part) => {
                            f.undone.remove(&(again.step, part));
                        }
                    }
                }
                f.unwinding |= *unwind && !f.committed;
                // While nothing is changed, all that was looked at is looked at again.
                if !f.started.iter().any(|i| plan.steps[*i].action.changes()) {
                    f.done.clear();
                }
                // What was put off may work now, in its own place; what was as before may not be so now.
                f.deferred.clear();
                f.confirmed.clear();
            }
            Entry::Closed { outcome } => f.closed = Some(*outcome),
        }
    }
    f
}

/// Whether this step is the commit: the gate at the end.
fn commits(plan: &Plan, step: usize) -> bool {
    matches!(plan.steps[step].action, Action::VerifyHealth(_))
}

/// Whether the gate at the end was passed: from here on nothing is undone.
pub fn committed<'e>(plan: &Plan, entries: impl IntoIterator<Item = &'e Entry>) -> bool {
    fold(plan, entries).committed
}

/// Whether this operation has armed the host, and not disarmed it since.
pub fn armed<'e>(plan: &Plan, entries: impl IntoIterator<Item = &'e Entry>) -> bool {
    let f = fold(plan, entries);
    let any = |is: fn(&Action) -> bool| f.done.iter().any(|step| is(&plan.steps[*step].action));
    let disarms = |action: &Action| matches!(action, Action::CommitHost {});
    let undone = |(step, part): &Part| {
        let part = plan.steps[*step].undo.get(*part);
        part.is_some_and(|part| disarms(&part.action))
    };
    any(|a| matches!(a, Action::ArmRestore(_))) && !any(disarms) && !f.undone.iter().any(undone)
}

/// What was finished and still counts, in the order in which it was finished: the steps while it goes
/// forward, the parts of the undo while it goes back.
pub fn finished<'e>(
    plan: &Plan,
    entries: impl IntoIterator<Item = &'e Entry> + Clone,
    unwind: bool,
) -> Vec<Redo> {
    let f = fold(plan, entries.clone());
    let unwinding = (f.unwinding || unwind) && !f.committed;
    let mut all: Vec<Redo> = Vec::new();
    for entry in entries {
        let (place, counts) = match entry {
            Entry::Done { step, .. } => (
                Redo {
                    step: *step,
                    part: None,
                },
                !unwinding && f.done.contains(step),
            ),
            Entry::UndoDone { step, part, .. } => (
                Redo {
                    step: *step,
                    part: Some(*part),
                },
                unwinding && f.undone.contains(&(*step, *part)),
            ),
            _ => continue,
        };
        if counts {
            all.retain(|other| *other != place);
            all.push(place);
        }
    }
    all
}

/// What was begun and has no end, in the direction in which it goes from here on: it may have had its effect.
pub fn cut_off<'e>(
    plan: &Plan,
    entries: impl IntoIterator<Item = &'e Entry> + Clone,
    unwind: bool,
) -> Option<Redo> {
    let unwinding = fold(plan, entries.clone()).unwinding || unwind;
    let mut cut = None;
    for entry in entries {
        match entry {
            Entry::Started { step } if !unwinding => {
                cut = Some(Redo {
                    step: *step,
                    part: None,
                });
            }
            Entry::UndoStarted { step, part } if unwinding => {
                cut = Some(Redo {
                    step: *step,
                    part: Some(*part),
                });
            }
            Entry::Done { .. } | Entry::UndoDone { .. } => cut = None,
            _ => {}
        }
    }
    cut
}

/// The step that is the commit, where it was passed.
pub(super) fn commit<'e>(
    plan: &Plan,
    entries: impl IntoIterator<Item = &'e Entry>,
) -> Option<usize> {
    let f = fold(plan, entries);
    f.done
        .into_iter()
        .find(|step| f.committed && commits(plan, *step))
}

/// Whether a step that changes something was started: from then on a failure is `rolled_back`, not
/// `refused`.
pub fn changed<'e>(plan: &Plan, entries: impl IntoIterator<Item = &'e Entry>) -> bool {
    fold(plan, entries)
        .started
        .iter()
        .any(|i| plan.steps[*i].action.changes())
}

/// The undo that is still to be done, in order: newest step first, what was deferred behind the
/// `await_host` that it waits for, in the order in which it was deferred.
fn queue(plan: &Plan, f: &Fold) -> Vec<Part> {
    let open: Vec<Part> = f
        .started
        .iter()
        .rev()
        .flat_map(|step| (0..plan.steps[*step].undo.len()).map(|part| (*step, part)))
        .filter(|at| !f.undone.contains(at) && !f.passed.contains(at))
        .filter(|(step, part)| {
            let number = plan.steps[*step].undo[*part].fallback;
            number.is_none_or(|n| n == f.fallback)
        })
        .collect();
    let waits = |at: &Part| {
        f.deferred
            .iter()
            .any(|(part, host)| part == at && open.contains(host))
    };
    let mut queue = Vec::with_capacity(open.len());
    for at in open.iter().filter(|at| !waits(at)) {
        queue.push(*at);
        queue.extend(
            f.deferred
                .iter()
                .filter(|(part, host)| host == at && open.contains(part))
                .map(|(part, _)| *part),
        );
    }
    queue
}

/// The next `await_host` of the same instance behind `at` in the queue.
fn await_host_behind(plan: &Plan, queue: &[Part], at: Part) -> Option<Part> {
    let undo = |(step, part): Part| &plan.steps[step].undo[part];
    let from = queue.iter().position(|q| *q == at)?;
    queue[from + 1..].iter().copied().find(|behind| {
        let behind = undo(*behind);
        matches!(behind.action, Action::AwaitHost { .. }) && behind.on == undo(at).on
    })
}

/// Whether this part of the undo can be put off: an `await_host` of its instance still comes behind it. An
/// `await_host` itself cannot: where the host does not come back, a person is needed.
pub fn can_defer<'e>(
    plan: &Plan,
    entries: impl IntoIterator<Item = &'e Entry>,
    at: (usize, usize),
) -> bool {
    let f = fold(plan, entries);
    !matches!(plan.steps[at.0].undo[at.1].action, Action::AwaitHost { .. })
        && await_host_behind(plan, &queue(plan, &f), at).is_some()
}

/// Whether a later part of the undo does all that this one would have done: it writes the files back and leaves the
/// containers down, that one writes them back and starts what it can.
pub fn comes_again<'e>(
    plan: &Plan,
    entries: impl IntoIterator<Item = &'e Entry>,
    at: (usize, usize),
) -> bool {
    let undo = |(step, part): Part| &plan.steps[step].undo[part];
    let Action::ApplyImages(here) = &undo(at).action else {
        return false;
    };
    let f = fold(plan, entries);
    let starts = ApplyImages {
        start: true,
        ..(**here).clone()
    };
    let behind = queue(plan, &f).into_iter().skip_while(|q| *q != at).skip(1);
    !here.start
        && behind.map(undo).any(|later| {
            later.on == undo(at).on
                && matches!(&later.action, Action::ApplyImages(all) if **all == starts)
        })
}

/// Whether all that can be taken back was, and was looked at.
fn is_back(plan: &Plan, f: &Fold) -> bool {
    let seen = (0..plan.after_undo.len()).all(|i| f.confirmed.contains(&i));
    f.unwinding && seen && queue(plan, f).is_empty()
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
        // The services are up, and not as they were.
        None if f.fallback > 0 => Next::Finished(Outcome::Stuck),
        None => Next::Finished(Outcome::RolledBack),
    }
}

#[cfg(test)]
#[path = "next_tests.rs"]
mod tests;
