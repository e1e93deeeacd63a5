//! What any change would need, when none is asked for.

use std::collections::BTreeMap;

use super::{Ask, judged};
use crate::model::{Capacity, Deployment, Desired, GateSettings, Observed, Purpose, RunState};
use crate::plan::{Check, CheckStatus};

/// Judges what was observed for a change of the type and for a change of an image, both unnamed. What
/// refuses both is a refusal; what refuses only one of them is a warning that says which.
pub fn any_change(observed: &Observed, deployment: &Deployment) -> Vec<Check> {
    let nothing = Desired {
        instance_type: None,
        ebs_optimized: None,
        images: BTreeMap::new(),
        files: Vec::new(),
        purpose: Purpose::Update,
        gate: GateSettings {
            timeout_ms: 0,
            stable_ms: 0,
        },
        undo_on_failure: true,
        progress_ms: 0,
        capacity: Capacity::Prove,
        stop_ms: 0,
        fallback_types: vec![],
    };
    let ask = |of_type: bool| Ask {
        type_changes: of_type,
        wants_images: !of_type,
        stops_instance: of_type && observed.instance.state == RunState::Running,
        ..Ask::new(observed, &nothing, deployment)
    };
    merged(judged(&ask(true)), judged(&ask(false)))
}

fn merged(of_type: Vec<Check>, of_image: Vec<Check>) -> Vec<Check> {
    let mut left = of_image;
    let mut out = Vec::new();
    for check in of_type {
        // The same finding, whatever it means for the other change.
        let same = left
            .iter()
            .position(|c| c.name == check.name && c.found == check.found);
        let other = same.map(|at| left.remove(at));
        out.push(match (check.status, other) {
            (CheckStatus::Refuse, Some(other)) if other.status == CheckStatus::Refuse => check,
            (CheckStatus::Refuse, _) => only("the type", check),
            (_, Some(other)) if other.status == CheckStatus::Refuse => only("an image", other),
            _ => check,
        });
    }
    out.extend(left.into_iter().map(|c| match c.status {
        CheckStatus::Refuse => only("an image", c),
        _ => c,
    }));
    out
}

fn only(what: &str, check: Check) -> Check {
    Check {
        status: CheckStatus::Warn,
        message: format!("a change of {what} would be refused: {}", check.message),
        ..check
    }
}

#[cfg(test)]
#[path = "any_tests.rs"]
mod tests;
