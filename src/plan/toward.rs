//! The decision: from what was observed toward what is wanted. Pure: no clock, no I/O, no environment.

use std::collections::{BTreeMap, BTreeSet};

use super::check::{Check, CheckStatus};
use super::rules;
use super::stack::{FileEdit, Stack, running_images};
use super::step::{Action, Boot, PLAN_SCHEMA, Plan, PlannedImage, StackState};
use super::steps::Maker;
use crate::instance::ebs_optimized_at;
use crate::model::{
    ContainerFacts, Deployment, Desired, DesiredImage, InstanceType, Observed, RunState,
    ServiceName, Sha256Id, SnapshotId, files_sha256,
};

/// Everything that the decision depends on.
#[derive(Debug, Clone, Copy)]
pub struct Input<'a> {
    /// Who it is about.
    pub deployment: &'a Deployment,
    /// What was seen.
    pub observed: &'a Observed,
    /// What is wanted.
    pub desired: &'a Desired,
    /// The snapshot that the plan writes or reuses.
    pub snapshot: &'a SnapshotChoice,
    /// How long things take here, for the estimate alone.
    pub pace: Pace,
}

/// Which snapshot holds the state before.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SnapshotChoice {
    /// Its id.
    pub id: SnapshotId,
    /// True: one of an equal state exists, and is used.
    pub reuse: bool,
}

/// Rough times in seconds, for the estimate of the outage.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Pace {
    /// From the stop request to `stopped`.
    pub stop: u64,
    /// From the start request to a host that answers.
    pub boot: u64,
    /// From the start of the containers to green.
    pub start: u64,
}

impl Pace {
    /// What EC2 and a handful of containers take, as a rule of thumb.
    pub const AWS: Self = Self {
        stop: 40,
        boot: 50,
        start: 20,
    };
}

/// What was decided.
#[derive(Debug, Clone, PartialEq)]
pub enum Decision {
    /// All is as wanted already.
    Unchanged {
        /// What the preflight found.
        checks: Vec<Check>,
    },
    /// This is what would be done.
    Change {
        /// The plan.
        plan: Box<Plan>,
        /// What the preflight found: no refusal among them.
        checks: Vec<Check>,
        /// The lines of the compose file that change, for people.
        diff: String,
    },
}

/// Decides. `Err` holds every check, at least one of them a refusal.
///
/// # Errors
/// The checks, when one refuses.
pub fn toward(input: Input<'_>) -> Result<Decision, Vec<Check>> {
    let checks = rules::check(input.observed, input.desired, input.deployment);
    if checks.iter().any(|c| c.status == CheckStatus::Refuse) {
        return Err(checks);
    }
    let observed = input.observed;
    let new_type = input
        .desired
        .instance_type
        .clone()
        .filter(|t| *t != observed.instance.instance_type);
    let stack = Stack::new(input);
    let images = stack
        .as_ref()
        .map(|s| s.changed_images(input.desired))
        .unwrap_or_default();
    if new_type.is_none() && images.is_empty() {
        return Ok(Decision::Unchanged { checks });
    }
    let edit = match &stack {
        Some(stack) => match stack.edit(&images, input.desired) {
            Ok(edit) => edit,
            // The rules tried the same edit and would have refused; say so rather than go on.
            Err(refusal) => {
                let mut checks = checks;
                checks.push(*refusal);
                return Err(checks);
            }
        },
        None => FileEdit::default(),
    };
    let plan = build(input, stack.as_ref(), new_type, &images, &edit);
    if let Some(refusal) = tag_of_two_images(&plan) {
        let mut checks = checks;
        checks.push(refusal);
        return Err(checks);
    }
    Ok(Decision::Change {
        plan: Box::new(plan),
        checks,
        diff: edit.diff,
    })
}

/// One reference cannot mean two images: refused, where two services share a reference and run different
/// images of it.
fn tag_of_two_images(plan: &Plan) -> Option<Check> {
    let actions = plan
        .steps
        .iter()
        .flat_map(|s| std::iter::once(s).chain(&s.undo));
    for step in actions {
        let Action::ApplyImages(apply) = &step.action else {
            continue;
        };
        let mut means: BTreeMap<String, &Sha256Id> = BTreeMap::new();
        for tag in &apply.tags {
            let other = means.insert(tag.reference.normalized(), &tag.id);
            if other.is_some_and(|other| *other != tag.id) {
                return Some(Check::refuse(
                    "image_tags",
                    format!(
                        "two services say {} and run different images of it",
                        tag.reference
                    ),
                    format!("{} and another image", tag.id),
                    "one image behind each reference",
                    "recreate the services by hand so that both run the same image, or give them references of their own",
                ));
            }
        }
    }
    None
}

fn build(
    input: Input<'_>,
    stack: Option<&Stack<'_>>,
    new_type: Option<InstanceType>,
    images: &BTreeMap<ServiceName, DesiredImage>,
    edit: &FileEdit,
) -> Plan {
    let instance = &input.observed.instance;
    let running: &[&ContainerFacts] = stack.map(|s| s.running.as_slice()).unwrap_or_default();
    let target = new_type.as_ref().and_then(|t| input.observed.types.get(t));
    let ebs_optimized = target
        .map(|target| ebs_optimized_at(instance, target, input.desired.ebs_optimized))
        .filter(|to| *to != instance.ebs_optimized);
    let before = StackState {
        instance_type: instance.instance_type.clone(),
        ebs_optimized: ebs_optimized.map(|_| instance.ebs_optimized),
        state: instance.state,
        images: running_images(running),
        compose_sha256: stack.and_then(|s| s.project.compose_sha256()),
        running: running.iter().map(|c| c.service.clone()).collect(),
    };
    let mut after = before.clone();
    after.ebs_optimized = ebs_optimized;
    if let Some(to) = &new_type {
        after.instance_type = to.clone();
    }
    for (service, want) in images {
        if after.running.contains(service) {
            let image = PlannedImage {
                reference: want.reference.clone(),
                id: want.id.clone(),
                digest: None,
            };
            after.images.insert(service.clone(), image);
        }
    }
    if !images.is_empty() {
        after.compose_sha256 = files_sha256(&edit.files);
    }
    // One container of a service is enough: the gate goes by its worst, too.
    let red_before: BTreeSet<ServiceName> = running
        .iter()
        .filter(|c| !c.colour().is_well())
        .map(|c| c.service.clone())
        .collect();
    let warnings = warnings(input, stack, new_type.as_ref(), images);
    let changes = changes(&before, &after, new_type.as_ref(), images, edit);
    let maker = Maker {
        input,
        stack,
        running,
        before: &before,
        after: &after,
        red_before: &red_before,
        keeps: images.is_empty(),
    };
    let steps = maker.steps(new_type, images, edit);
    let after_undo = vec![maker.step(maker.verify(&before, false), vec![])];
    let mut plan = Plan {
        schema: PLAN_SCHEMA.into(),
        deployment: input.deployment.name.clone(),
        purpose: input.desired.purpose.clone(),
        changes,
        steps,
        after_undo,
        undo_on_failure: input.desired.undo_on_failure,
        boot: stack.map(|s| Boot {
            id: s.host.boot_id.clone(),
            launched_at: instance.launched_at,
        }),
        public_ip: instance.public_ip.clone(),
        list_prices: !instance.spot && instance.tenancy == "default",
        expected_downtime_seconds: 0,
        warnings,
        before,
        after,
        red_before,
    };
    let has = |f: fn(&Action) -> bool| plan.steps.iter().any(|s| f(&s.action));
    if has(|a| matches!(a, Action::StopInstance { .. })) {
        plan.expected_downtime_seconds += input.pace.stop + input.pace.boot;
    }
    if plan.steps.iter().any(|s| s.action.takes_down()) {
        plan.expected_downtime_seconds += input.pace.start;
    }
    plan
}

fn changes(
    before: &StackState,
    after: &StackState,
    new_type: Option<&InstanceType>,
    images: &BTreeMap<ServiceName, DesiredImage>,
    edit: &FileEdit,
) -> Vec<String> {
    let mut out: Vec<String> = new_type
        .iter()
        .map(|to| format!("instance_type: {} -> {to}", before.instance_type))
        .collect();
    if let (Some(from), Some(to)) = (before.ebs_optimized, after.ebs_optimized) {
        out.push(format!("ebs_optimized: {from} -> {to}"));
    }
    for (service, want) in images {
        let from = edit
            .edits
            .get(service)
            .map(|e| e.from.to_string())
            .unwrap_or_default();
        let moved = if from == want.reference.as_str() {
            " (the tag means another image now)"
        } else {
            ""
        };
        out.push(format!(
            "image: {service}: {from} -> {}{moved}",
            want.reference
        ));
    }
    out
}

fn warnings(
    input: Input<'_>,
    stack: Option<&Stack<'_>>,
    new_type: Option<&InstanceType>,
    images: &BTreeMap<ServiceName, DesiredImage>,
) -> Vec<String> {
    let instance = &input.observed.instance;
    let mut out = Vec::new();
    let stops = new_type.is_some() && instance.state != RunState::Stopped;
    // That a public address will change is a check (`public_ip`), and the new one is said at the end.
    if let Some(stack) = stack {
        let outside = stack.outside();
        if stops && !outside.is_empty() {
            out.push(format!(
                "containers outside this stack go down with the instance and come up by their own restart policy: {}",
                outside.join(", ")
            ));
        }
        for service in images
            .keys()
            .filter(|s| !stack.running.iter().any(|c| c.service == **s))
        {
            out.push(format!(
                "{service} does not run: its image is changed in the file, and it is not started"
            ));
        }
    }
    if !images.is_empty() {
        out.push("data that a new version writes is not taken back by a rollback".into());
    }
    out
}

#[cfg(test)]
#[path = "toward_tests.rs"]
mod tests;
