//! Whether the undo has turned to another type (`--fallback-type`): pure, from plan and failures.

use super::entry::{Entry, Failure};
use super::next::{Fold, Part, fold};
use crate::model::InstanceType;
use crate::plan::{Action, Plan};

/// Whether EC2 did not start the instance, and another type may help: no capacity, a quota, a type that cannot be had
/// with the instance's settings, a start that fell back to `stopped`.
pub fn no_start(failure: &Failure) -> bool {
    matches!(
        failure.code.as_str(),
        "insufficient_capacity" | "limit_exceeded" | "unsupported" | "start_fell_back"
    )
}

/// The number of the fallback that comes next, after this part of the undo failed; None where a person is needed.
pub(super) fn after(plan: &Plan, f: &Fold, at: Part, failure: &Failure) -> Option<u32> {
    let undo = &plan.steps[at.0].undo;
    let now = (f.fallback > 0).then_some(f.fallback);
    let failed = &undo[at.1];
    let turns = failed.fallback == now
        && match failed.action {
            Action::StartInstance {} => no_start(failure),
            // A type that cannot be set is no reason to leave out the next one.
            Action::SetInstanceType { .. } => now.is_some(),
            _ => false,
        };
    let mut numbers = undo.iter().filter_map(|part| part.fallback);
    numbers.find(|n| turns && *n > f.fallback)
}

/// The type that the instance was started at instead of the old one; None where the undo did not need one, or found
/// none that starts.
pub fn fallback<'p, 'e>(
    plan: &'p Plan,
    entries: impl IntoIterator<Item = &'e Entry>,
) -> Option<&'p InstanceType> {
    let f = fold(plan, entries);
    if f.fallback == 0 || f.stuck {
        return None;
    }
    let mut up = f.undone.iter().filter(|(step, part)| {
        let part = &plan.steps[*step].undo[*part];
        part.fallback == Some(f.fallback) && matches!(part.action, Action::StartInstance {})
    });
    up.next()?;
    let at = usize::try_from(f.fallback - 1).ok()?;
    plan.fallback_types().get(at).copied()
}

#[cfg(test)]
#[path = "fallback_tests.rs"]
mod tests;
