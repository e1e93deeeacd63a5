//! Before an operation goes on: is what it finished still so, and was anything changed that nobody planned?
//! Pure: from plan, journal and one look.

use std::collections::{BTreeMap, BTreeSet};

use super::entry::{Entry, Pulled, Redo};
use super::next::{commit, cut_off, finished};
use super::seen::{Seen, SeenHost};
use crate::model::{OperationId, RestoreState, RunState, ServiceName, Sha256Id};
use crate::plan::{Action, ApplyImages, Check, Plan};

/// What a look means for an operation that is taken up again.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Recheck {
    /// What was finished and is not so any more: it is performed again.
    pub redo: Vec<Redo>,
    /// Why it has to go back, where it has to.
    pub unwind: Option<String>,
    /// What is neither as before nor as wanted: nobody planned that.
    pub drift: Vec<Check>,
    /// What a person should know.
    pub notes: Vec<String>,
}

/// Judges what is seen. `unwind`: it is going back from here on.
pub fn recheck<'e>(
    plan: &Plan,
    operation: &OperationId,
    entries: impl IntoIterator<Item = &'e Entry> + Clone,
    unwind: bool,
    seen: &Seen,
) -> Recheck {
    let mut out = Recheck::default();
    if let Some(host) = &seen.host
        && host.restore.operation() == Some(operation)
    {
        judge_restore(&host.restore, &mut out);
    }
    let commit = commit(plan, entries.clone());
    // Behind the commit only the host is told; nothing that it finished matters any more. Unless the host had
    // not heard of the commit, and went back: then the gate's word does not count any more.
    if commit.is_some() && out.unwind.is_none() {
        return Recheck::default();
    }
    let pulled = pulled(entries.clone());
    out.drift = drift(plan, entries.clone(), &pulled, seen);
    if out.drift.is_empty() {
        let unwind = unwind || out.unwind.is_some();
        out.redo = match commit {
            Some(step) => vec![Redo { step, part: None }],
            None => {
                let done = finished(plan, entries.clone(), unwind);
                let cut = cut_off(plan, entries, unwind).map(|place| action(plan, place));
                redo(plan, operation, (&done, cut), &pulled, seen)
            }
        };
    }
    out
}

fn judge_restore(restore: &RestoreState, out: &mut Recheck) {
    match restore {
        RestoreState::Restored {
            by_itself: true, ..
        } => {
            let why = "the host went back by itself: it had heard nothing for long";
            out.notes.push(why.into());
            out.unwind = Some(why.into());
        }
        RestoreState::Restored { .. } => {
            out.unwind = Some("the host has gone back already".into());
        }
        RestoreState::Restoring { .. } => {
            out.unwind =
                Some("the host is going back by itself, and has not come to an end".into());
        }
        RestoreState::Committed {
            by_itself: true, ..
        } => out.notes.push(
            "the host had heard nothing for long, found all green, and stayed as it was".into(),
        ),
        RestoreState::Committed { .. } | RestoreState::Idle | RestoreState::Armed { .. } => {}
    }
}

/// What the pull of this operation brought, by service.
pub fn pulled<'e>(entries: impl IntoIterator<Item = &'e Entry>) -> BTreeMap<ServiceName, Pulled> {
    let done = entries.into_iter().filter_map(Entry::evidence);
    done.flat_map(|evidence| evidence.pulled.clone()).collect()
}

/// What is neither as before nor as wanted.
fn drift<'e>(
    plan: &Plan,
    entries: impl IntoIterator<Item = &'e Entry>,
    pulled: &BTreeMap<ServiceName, Pulled>,
    seen: &Seen,
) -> Vec<Check> {
    let before = &plan.before;
    let mut out = Vec::new();
    let types = plan.types();
    if !types.contains(&seen.instance_type) {
        let types: Vec<&str> = types.iter().map(|t| t.as_str()).collect();
        out.push(Check::refuse(
            "instance_type",
            "the type of the instance was changed by somebody else",
            seen.instance_type.to_string(),
            types.join(" or "),
            "set it back, or close the operation on what is there with resume --accept",
        ));
    }
    let power = entries.into_iter().any(|e| {
        matches!(e, Entry::Started { step } if matches!(
            plan.steps[*step].action,
            Action::StopInstance { .. } | Action::StartInstance {}
        ))
    });
    let (allowed, expected): (&[RunState], &str) = match (before.state, power) {
        (RunState::Stopped, _) => (&[RunState::Stopped], "stopped, as it was found"),
        (_, true) => (
            &[
                RunState::Pending,
                RunState::Running,
                RunState::Stopping,
                RunState::Stopped,
            ],
            "an instance that can be started",
        ),
        (_, false) => (
            &[RunState::Pending, RunState::Running],
            "running: this operation had not stopped it",
        ),
    };
    if !allowed.contains(&seen.state) {
        out.push(Check::refuse(
            "instance_state",
            "the instance was stopped, started or terminated by somebody else",
            seen.state.as_str(),
            expected,
            "put it back as it was and run resume again, or close the operation on what is there with resume --accept",
        ));
    }
    if let Some(host) = &seen.host {
        out.extend(host_drift(plan, pulled, host));
    }
    out
}

fn host_drift(plan: &Plan, pulled: &BTreeMap<ServiceName, Pulled>, host: &SeenHost) -> Vec<Check> {
    let (before, after) = (&plan.before, &plan.after);
    let mut out = Vec::new();
    if let (Some(found), Some(was), Some(wanted)) = (
        &host.compose_sha256,
        &before.compose_sha256,
        &after.compose_sha256,
    ) && ![was, wanted].contains(&found)
    {
        out.push(Check::refuse(
            "compose_file",
            "the compose file was changed by somebody else",
            format!("SHA-256 {found}"),
            either(was, wanted),
            "put its text back (the host keeps both under /var/lib/geusemaker/files), or close the operation with resume --accept",
        ));
    }
    for (service, found) in host.running() {
        let planned = [before, after]
            .into_iter()
            .filter_map(|state| state.images.get(service)?.id.as_ref());
        let known: BTreeSet<&Sha256Id> = planned
            .chain(targets(plan, service))
            .chain(pulled.get(service).map(|p| &p.id))
            .collect();
        let unknown: Vec<&str> = found.difference(&known).map(|id| id.as_str()).collect();
        if known.is_empty() || unknown.is_empty() {
            continue;
        }
        let known: Vec<&str> = known.iter().map(|id| id.as_str()).collect();
        out.push(Check::refuse(
            "image",
            format!("{service} was given another image by somebody else"),
            unknown.join(", "),
            known.join(" or "),
            "give it one of these again, or close the operation on what is there with resume --accept",
        ));
    }
    out
}

/// The images of each container of a service: before the operation they need not be one and the same.
fn targets<'p>(plan: &'p Plan, service: &ServiceName) -> impl Iterator<Item = &'p Sha256Id> {
    let all = plan.steps.iter();
    let actions = all.flat_map(|s| s.undo.iter().map(|u| &u.action).chain([&s.action]));
    actions
        .filter_map(|action| match action {
            Action::ApplyImages(apply) => Some(&apply.services),
            _ => None,
        })
        .flatten()
        .filter(move |target| target.service == *service)
        .filter_map(|target| target.id.as_ref())
}

fn either(a: &str, b: &str) -> String {
    if a == b {
        a.to_owned()
    } else {
        format!("{a} or {b}")
    }
}

/// What was finished and is not so any more. What a later step has overtaken does not count: a stop after
/// which the instance was started again. A later step that was cut off has overtaken it too.
fn redo(
    plan: &Plan,
    operation: &OperationId,
    (done, cut): (&[Redo], Option<&Action>),
    pulled: &BTreeMap<ServiceName, Pulled>,
    seen: &Seen,
) -> Vec<Redo> {
    let actions: Vec<&Action> = done.iter().map(|place| action(plan, *place)).collect();
    let last = |is: fn(&Action) -> bool| actions.iter().rposition(|a| is(a));
    let mut again: BTreeSet<usize> = BTreeSet::new();

    let is_power = |a: &Action| matches!(a, Action::StopInstance { .. } | Action::StartInstance {});
    if let Some(at) = last(is_power) {
        let stops = matches!(actions[at], Action::StopInstance { .. });
        let runs = matches!(seen.state, RunState::Running | RunState::Pending);
        let is_cut = stops && matches!(cut, Some(Action::StartInstance {}));
        if stops == runs && !is_cut {
            again.extend(from_here(&actions, at)..actions.len());
        }
    }
    let typed = last(|a| matches!(a, Action::SetInstanceType { .. }));
    let flagged = last(|a| matches!(a, Action::SetEbsOptimized { .. }));
    let undone = |at: &usize| match actions[*at] {
        Action::SetInstanceType { to, .. } => *to != seen.instance_type,
        Action::SetEbsOptimized { to, .. } => seen.ebs_optimized.is_some_and(|is| is != *to),
        _ => false,
    };
    if let Some(at) = typed.into_iter().chain(flagged).filter(undone).min() {
        // It can be set only while stopped: from the stop before it on.
        let stop = actions[..at]
            .iter()
            .rposition(|a| matches!(a, Action::StopInstance { .. }));
        let from = stop.map_or(at, |stop| from_here(&actions, stop));
        again.extend(from..actions.len());
    }
    if let Some(host) = &seen.host {
        let works = |a: &Action| matches!(a, Action::Quiesce { .. } | Action::ApplyImages(_));
        // What came up with the boot is as it was meant.
        let booted = |at: usize| {
            let started = |a: &&Action| matches!(a, Action::StartInstance {});
            actions[at..].iter().any(started) || matches!(cut, Some(Action::StartInstance {}))
        };
        if let Some(at) = last(works) {
            let so = match actions[at] {
                Action::Quiesce { containers, .. } => {
                    matches!(cut, Some(Action::ApplyImages(_)))
                        || containers.iter().all(|q| {
                            let there = host.containers.iter().find(|c| c.name == q.name);
                            there.is_none_or(|c| !c.running || (q.comes_up && booted(at)))
                        })
                }
                Action::ApplyImages(apply) => applied(apply, pulled, host),
                _ => true,
            };
            if !so {
                again.insert(at);
            }
        }
        let applied = last(|a| matches!(a, Action::ApplyImages(_))).is_some();
        for (at, action) in actions.iter().enumerate() {
            let so = match action {
                Action::PullImages { images, .. } => {
                    let gone = |id: &Sha256Id| !host.images.contains(id);
                    applied
                        || !images
                            .iter()
                            .filter_map(|i| pulled.get(&i.service))
                            .any(|p| gone(&p.id))
                }
                Action::CheckMounts(check) => applied || !check.host,
                Action::ArmRestore(_) => {
                    matches!(&host.restore, RestoreState::Armed { operation: of, .. } if of == operation)
                }
                _ => true,
            };
            if !so {
                again.insert(at);
            }
        }
    }
    again.into_iter().map(|at| done[at]).collect()
}

/// A stop is made again together with the quiesce right before it.
fn from_here(actions: &[&Action], at: usize) -> usize {
    match at.checked_sub(1).map(|before| actions[before]) {
        Some(Action::Quiesce { .. }) if matches!(actions[at], Action::StopInstance { .. }) => {
            at - 1
        }
        _ => at,
    }
}

fn action(plan: &Plan, place: Redo) -> &Action {
    let step = &plan.steps[place.step];
    match place.part {
        None => &step.action,
        Some(part) => &step.undo[part].action,
    }
}

/// Whether the file says so, and these services run these images.
fn applied(apply: &ApplyImages, pulled: &BTreeMap<ServiceName, Pulled>, host: &SeenHost) -> bool {
    let file = apply.keeps_file() || host.compose_sha256 == apply.files_to();
    let runs = |service: &ServiceName, container: &str, id: Option<&Sha256Id>| {
        host.containers.iter().any(|c| {
            (c.name == container || c.service == *service)
                && id.is_none_or(|id| c.image_id == *id)
                && (c.running || c.finished)
        })
    };
    file && (!apply.start
        || apply.services.iter().all(|target| {
            let id = target.id.as_ref();
            let id = id.or_else(|| pulled.get(&target.service).map(|p| &p.id));
            runs(&target.service, &target.container, id)
        }))
}

#[cfg(test)]
#[path = "recheck_tests.rs"]
mod tests;
