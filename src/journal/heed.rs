//! What an interrupt does now: pure, from plan and journal, like what comes next.

use std::collections::BTreeSet;

use super::entry::Entry;
use super::next::fold;
use crate::model::ServiceName;
use crate::plan::{Action, Plan};

/// How an interrupt is heeded at a moment.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Heed {
    /// Nothing is down: it pauses before the next step.
    Pause {
        /// Whether anything was changed so far.
        changed: bool,
    },
    /// In the outage: it goes on to the end of a later step, where the stack is up, and pauses there.
    GoOn {
        /// The services that are down.
        down: BTreeSet<ServiceName>,
        /// The place in `plan.steps` of the step at whose end they are up.
        until: usize,
        /// Whether anything comes behind that step; if not, it ends there as it ends.
        more: bool,
    },
    /// What was done is being taken back: it goes on to the end of that.
    Undo {
        /// The services that may be down.
        down: BTreeSet<ServiceName>,
    },
}

/// How an interrupt is heeded after these entries.
///
/// The outage is from the first started step that takes something down to the end of the `verify_health`
/// behind it. A step that was started counts, also when it is not done: it may have had its effect.
pub fn heed<'e>(plan: &Plan, entries: impl IntoIterator<Item = &'e Entry>) -> Heed {
    let f = fold(plan, entries);
    let steps = &plan.steps;
    let taken_down: Vec<usize> = f
        .started
        .iter()
        .copied()
        .filter(|i| steps[*i].action.takes_down())
        .collect();
    let down = down(plan, &taken_down);
    if f.unwinding {
        return Heed::Undo { down };
    }
    let changed = f.started.iter().any(|i| steps[*i].action.changes());
    let Some(last) = taken_down.last() else {
        return Heed::Pause { changed };
    };
    let up = (last + 1..steps.len())
        .find(|i| matches!(steps[*i].action, Action::VerifyHealth(_)))
        .unwrap_or(steps.len() - 1);
    if f.done.contains(&up) {
        return Heed::Pause { changed };
    }
    Heed::GoOn {
        down,
        until: up,
        more: up + 1 < steps.len(),
    }
}

/// What these steps have taken down: with the instance or the project all that ran, else what is replaced.
fn down(plan: &Plan, taken_down: &[usize]) -> BTreeSet<ServiceName> {
    let mut down = BTreeSet::new();
    for i in taken_down {
        match &plan.steps[*i].action {
            Action::ApplyImages(apply) => down.extend(apply.edits.keys().cloned()),
            _ => return plan.before.running.clone(),
        }
    }
    &down & &plan.before.running
}

impl Heed {
    /// What is said to the first interrupt, in the middle of the step of this name.
    pub fn say(&self, plan: &Plan, step: &str) -> String {
        const AGAIN: &str = "a second interrupt leaves at once";
        match self {
            Self::Pause { changed: false } => {
                format!("interrupted: nothing was changed yet; pausing after {step}; {AGAIN}")
            }
            Self::Pause { changed: true } => {
                format!("interrupted: nothing is down; pausing after {step}; {AGAIN}")
            }
            Self::GoOn { down, until, more } => {
                let then = if *more {
                    "and pausing there"
                } else {
                    "the end of it"
                };
                let until = plan.steps[*until].action.name();
                format!(
                    "interrupted: {}; going on to the end of {until}, where the stack is up, {then}; {AGAIN}, \
                     with that down",
                    is_down(down)
                )
            }
            Self::Undo { down } => format!(
                "interrupted: what was done is being taken back ({}); going on to the end of that; {AGAIN}",
                is_down(down)
            ),
        }
    }

    /// How it stands when the process leaves at once, in the middle of the step of this name.
    pub fn left(&self, step: &str) -> String {
        match self {
            Self::Pause { .. } => {
                format!("interrupted twice: left in the middle of {step}; nothing is down")
            }
            Self::GoOn { down, .. } | Self::Undo { down } => format!(
                "interrupted twice: left in the middle of {step}; {}",
                is_down(down)
            ),
        }
    }
}

fn is_down(services: &BTreeSet<ServiceName>) -> String {
    if services.is_empty() {
        return "no service is down".into();
    }
    let names: Vec<&str> = services.iter().map(ServiceName::as_str).collect();
    format!("down now: {}", names.join(", "))
}

#[cfg(test)]
#[path = "heed_tests.rs"]
mod tests;
