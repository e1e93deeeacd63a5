//! `--fallback-type`: where going back finds no capacity at the old type either, the services are to run at least on
//! another one.
//!
//! The parts stand in the undo of `stop_instance`, behind the start at the old type: for each type one change of the
//! stopped instance and one start, with their number. They are data like every other part; whether they are reached
//! is for [`crate::journal::next`] to say, from the failures that were written down.

use std::collections::BTreeSet;

use super::step::{Action, Plan, Step};
use crate::model::InstanceType;

/// Puts them behind the first start of this step's undo. `old` is the type that the undo sets before.
pub(super) fn insert(stop: &mut Step, old: &InstanceType, types: &[InstanceType]) {
    let on = stop.on.clone();
    let mut parts = Vec::new();
    let mut from = old.clone();
    for (number, to) in (1..).zip(types.iter().filter(|t| *t != old)) {
        let part = |action| Step {
            on: on.clone(),
            action,
            undo: vec![],
            fallback: Some(number),
        };
        let to = to.clone();
        parts.push(part(Action::SetInstanceType {
            from: from.clone(),
            to: to.clone(),
        }));
        parts.push(part(Action::StartInstance {}));
        from = to;
    }
    let start = stop
        .undo
        .iter()
        .position(|s| matches!(s.action, Action::StartInstance {}));
    let behind = start.map_or(stop.undo.len(), |at| at + 1);
    stop.undo.splice(behind..behind, parts);
}

impl Plan {
    /// The types that are tried, in this order, where going back finds no capacity at the old one.
    pub fn fallback_types(&self) -> Vec<&InstanceType> {
        let parts = self.steps.iter().flat_map(|s| &s.undo);
        parts
            .filter(|part| part.fallback.is_some())
            .filter_map(|part| match &part.action {
                Action::SetInstanceType { to, .. } => Some(to),
                _ => None,
            })
            .collect()
    }

    /// Every type that the instance may have while this plan is carried out; another one is somebody else's.
    pub fn types(&self) -> BTreeSet<&InstanceType> {
        [&self.before.instance_type, &self.after.instance_type]
            .into_iter()
            .chain(self.fallback_types())
            .collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::plan::fixtures::{INSTANCE, instance_type};

    #[test]
    fn each_type_is_one_change_of_the_stopped_instance_and_one_start() {
        let step = |action| Step {
            on: crate::model::InstanceId::new(INSTANCE).unwrap(),
            action,
            undo: vec![],
            fallback: None,
        };
        let host = Action::AwaitHost {
            mount_point: None,
            file_system: None,
        };
        let mut stop = step(Action::StopInstance { force_after_ms: 1 });
        stop.undo = vec![step(Action::StartInstance {}), step(host)];
        let types = ["t3.xlarge", "t3.medium", "m5.large"].map(instance_type);
        insert(&mut stop, &instance_type("t3.medium"), &types);
        let parts = stop.undo.iter().map(|part| {
            let number = part.fallback.unwrap_or(0);
            match &part.action {
                Action::SetInstanceType { from, to } => format!("{number} {from} -> {to}"),
                other => format!("{number} {}", other.name()),
            }
        });
        // The old type itself is no fallback.
        assert_eq!(
            parts.collect::<Vec<_>>(),
            [
                "0 start_instance",
                "1 t3.medium -> t3.xlarge",
                "1 start_instance",
                "2 t3.xlarge -> m5.large",
                "2 start_instance",
                "0 await_host",
            ]
        );
    }
}
