//! The end of an operation: its last line, its cache, its report.

use std::collections::{BTreeMap, BTreeSet};

use super::capacity;
use super::drive::Operation;
use super::prepare::Ended;
use super::stuck;
use crate::journal::{self, Entry, Failure, Line, Summary};
use crate::model::{Deployment, Outcome, SnapshotId};
use crate::plan::{Action, Plan, duration};
use crate::report::{Cost, ErrorDocument, EventKind, PlanData};
use crate::state::{StateDir, StateError};

/// The snapshot of the state before an operation that ended `updated` or `rolled_back_as_asked`.
pub(super) fn snapshot_of_success(lines: &[Line]) -> Option<SnapshotId> {
    let success = lines.iter().any(|l| {
        matches!(
            l.entry,
            Entry::Closed {
                outcome: Outcome::Updated | Outcome::RolledBackAsAsked
            }
        )
    });
    match (&lines.first()?.entry, success) {
        (Entry::Opened { plan, .. }, true) => planned_snapshot(plan),
        _ => None,
    }
}

/// The snapshot that a plan writes or reuses.
pub(super) fn planned_snapshot(plan: &Plan) -> Option<SnapshotId> {
    plan.steps.iter().find_map(|s| match &s.action {
        Action::WriteSnapshot { snapshot, .. } => Some(snapshot.clone()),
        _ => None,
    })
}

/// Whether this plan wrote a snapshot of its own.
fn own_snapshot(plan: &Plan) -> Option<SnapshotId> {
    plan.steps.iter().find_map(|s| match &s.action {
        Action::WriteSnapshot {
            snapshot,
            reuse: false,
        } => Some(snapshot.clone()),
        _ => None,
    })
}

/// Writes the last line (unless the operation stays open), tidies up, and reports. `locked`: writes nothing.
pub(super) async fn finish(
    state: &StateDir,
    mut op: Operation<'_>,
    plan: &Plan,
    outcome: Outcome,
) -> Ended {
    if outcome == Outcome::Locked {
        let message = op.world.guard.lost().unwrap_or_default();
        return lost(&op, message);
    }
    let name = &op.deployment.name;
    let mut warnings = Vec::new();
    let closes = !matches!(outcome, Outcome::Paused | Outcome::Stuck);
    if !closes {
        warnings.extend(capacity::stays(&op.lines, op.world.clock.now()));
        warnings.extend(armed(&op, plan));
    }
    // Whoever is killed behind the last line has the cache of it.
    if outcome != Outcome::Refused
        && let Err(error) = cache(state, &op, outcome, closes)
    {
        warnings.push(format!(
            "the cache for `list` could not be written: {error}"
        ));
    }
    if closes {
        // From here on it ends as it ends: an interrupt leaves nothing in its middle any more.
        op.world.interrupted.end();
        if let Err(failure) = op.append(Entry::Closed { outcome }) {
            warnings.push(format!(
                "the end could not be written down ({}): resume will say it again",
                failure.message
            ));
        }
        let tidied = match (outcome, own_snapshot(plan)) {
            // Nothing was changed: the snapshot says nothing new.
            (Outcome::Refused, Some(own)) => state.snapshots(name).remove(&own),
            (Outcome::Updated | Outcome::RolledBackAsAsked, _) => prune(state, op.deployment, plan),
            _ => Ok(()),
        };
        if let Err(error) = tidied {
            warnings.push(format!("snapshots could not be tidied up: {error}"));
        }
        warnings.extend(op.let_go_of_images(state, plan).await);
    }
    let mut data = Summary::of(&op.lines)
        .map(|s| s.change_data())
        .unwrap_or_default();
    let types = data.previous_state.as_ref().map(|s| &s.instance_type);
    data.cost = types.map(|before| {
        let after = data.new_state.as_ref().map(|s| &s.instance_type);
        Cost::of(before, after, &op.deployment.region, plan.list_prices)
    });
    op.emit(EventKind::OperationFinished { outcome });
    let success = matches!(
        outcome,
        Outcome::Updated | Outcome::RolledBackAsAsked | Outcome::Done
    );
    let error = (!success).then(|| why(&op, plan, outcome));
    data.warnings.extend(warnings);
    if outcome == Outcome::Refused {
        data.snapshot_id = None;
        // A refusal shows its plan, with the check that said no.
        data.plan = Some(PlanData::new(
            Some(plan),
            refusals(&op.lines, error.as_ref()),
        ));
    }
    Ended {
        outcome,
        data: Box::new(data),
        error,
    }
}

/// The end of an operation that somebody took over: nothing is written, and the report says what is known.
fn lost(op: &Operation<'_>, message: String) -> Ended {
    let outcome = Outcome::Locked;
    let name = &op.deployment.name;
    op.emit(EventKind::OperationFinished { outcome });
    let error = ErrorDocument {
        code: "lock_lost".into(),
        message: format!("{message}; nothing more was done or written from here"),
        causes: vec![],
        help: vec![
            format!("geusemaker status {name}    # what is where now"),
            format!(
                "geusemaker resume {name}    # goes on with {}, once it is free and if it was not given up",
                op.id
            ),
        ],
    };
    Ended {
        outcome,
        data: Box::new(
            Summary::of(&op.lines)
                .map(|s| s.change_data())
                .unwrap_or_default(),
        ),
        error: Some(error),
    }
}

/// A failure before the first change, as the checks that it is.
fn refusals(lines: &[Line], error: Option<&ErrorDocument>) -> Vec<crate::plan::Check> {
    let checks: Vec<crate::plan::Check> = failure(lines)
        .into_iter()
        .flat_map(|f| f.checks.clone())
        .collect();
    let Some(error) = error.filter(|_| checks.is_empty()) else {
        return checks;
    };
    let found = error
        .causes
        .first()
        .cloned()
        .unwrap_or_else(|| error.message.clone());
    let help =
        error.help.first().cloned().unwrap_or_else(|| {
            "mend the cause and run the command again; nothing was changed".into()
        });
    vec![crate::plan::Check::refuse(
        &error.code,
        error.message.clone(),
        found,
        "the step to succeed",
        help,
    )]
}

/// Keeps the newest snapshots, and those that this plan and a rollback need.
fn prune(state: &StateDir, deployment: &Deployment, plan: &Plan) -> Result<(), StateError> {
    let name = &deployment.name;
    let operations = state.operations(name)?.items;
    let mut keep: BTreeSet<SnapshotId> = planned_snapshot(plan).into_iter().collect();
    // The way back of the newest success, and of a second step back.
    let ways_back = operations.iter();
    keep.extend(
        ways_back
            .filter_map(|o| snapshot_of_success(&o.lines))
            .take(2),
    );
    let all = state.snapshots_in_order_of(name, &operations)?;
    state.snapshots(name).prune(&all.items, &keep)?;
    Ok(())
}

/// Why it did not do what was asked: what failed first, and what failed in the undo.
fn failure(lines: &[Line]) -> Vec<&Failure> {
    lines
        .iter()
        .filter_map(|l| match &l.entry {
            Entry::Failed { failure, .. }
            | Entry::UndoFailed { failure, .. }
            | Entry::ConfirmFailed { failure, .. }
            | Entry::Paused { failure } => Some(failure),
            _ => None,
        })
        .collect()
}

/// Why it did not do what was asked, and what can be done.
fn why(op: &Operation<'_>, plan: &Plan, outcome: Outcome) -> ErrorDocument {
    let failures = failure(&op.lines);
    let (Some(first), Some(last)) = (failures.first(), failures.last()) else {
        return taken_back(&op.lines);
    };
    if only_interrupted_and_taken_back(&op.lines, outcome) {
        let mut error = taken_back(&op.lines);
        let before = format!("before that it was interrupted: {}", first.message);
        error.causes.push(before);
        return error;
    }
    let mut causes = first.causes.clone();
    if first.message != last.message {
        causes.push(last.message.clone());
        causes.extend(last.causes.iter().cloned());
    }
    // Taken when it failed: by now the container may be gone.
    let logs = failures.iter().find(|f| !f.logs.is_empty());
    causes.extend(logs.into_iter().flat_map(|f| f.logs.iter().cloned()));
    let error = ErrorDocument {
        code: first.code.clone(),
        message: first.message.clone(),
        causes,
        help: last.help.clone(),
    };
    match outcome {
        Outcome::Paused => paused(op, plan, last, error),
        Outcome::Stuck => match stuck::up_on(plan, &op.lines) {
            Some(up) => stuck::on_fallback(plan, up, op.deployment, error),
            None => stuck::by_hand(op.deployment, last, error),
        },
        _ => error,
    }
}

/// How a paused operation is gone on with, or taken back.
fn paused(
    op: &Operation<'_>,
    plan: &Plan,
    last: &Failure,
    mut error: ErrorDocument,
) -> ErrorDocument {
    let name = &op.deployment.name;
    if last.code == "credentials" {
        error.help.push(op.world.credentials.sign_in());
    }
    let on = format!("geusemaker resume {name}            # goes on from here");
    error.help.push(on);
    // Behind the last health check nothing is undone, and no command is offered that would say so.
    if !journal::committed(plan, op.lines.iter().map(|l| &l.entry)) {
        error.help.push(format!(
            "geusemaker resume {name} --unwind   # goes back to the state before"
        ));
    }
    error
}

/// Nothing failed but the process, and then it was to go back: what had interrupted it is not why it did not do what was
/// asked.
fn only_interrupted_and_taken_back(lines: &[Line], outcome: Outcome) -> bool {
    let failed = |e: &Entry| {
        matches!(
            e,
            Entry::Failed { .. } | Entry::UndoFailed { .. } | Entry::ConfirmFailed { .. }
        )
    };
    let back = |e: &Entry| matches!(e, Entry::Resumed { unwind: true, .. });
    matches!(outcome, Outcome::RolledBack | Outcome::Refused)
        && !lines.iter().any(|l| failed(&l.entry))
        && lines.iter().any(|l| back(&l.entry))
}

/// What it ended with where nothing failed: `--unwind`, or a host that had gone back by itself.
fn taken_back(lines: &[Line]) -> ErrorDocument {
    let mut entries = lines.iter().rev().map(|l| &l.entry);
    let notes = entries.find_map(|entry| match entry {
        Entry::Resumed {
            unwind: true,
            notes,
            ..
        } => Some(notes.clone()),
        _ => None,
    });
    let mut notes = notes.unwrap_or_default();
    let message = match notes.is_empty() {
        true => "it was taken back, as was asked".into(),
        false => notes.remove(0),
    };
    ErrorDocument {
        code: "taken_back".into(),
        message,
        causes: notes,
        help: vec![],
    }
}

/// That an operation which stays open has left the host armed.
fn armed(op: &Operation<'_>, plan: &Plan) -> Option<String> {
    let grace = u64::try_from(op.world.limits.restore.as_millis()).unwrap_or(u64::MAX);
    journal::armed(plan, op.lines.iter().map(|l| &l.entry)).then(|| {
        format!(
            "the host is armed: where it hears nothing of this program for {} it judges by itself, and goes back where the stack is not green",
            duration(grace)
        )
    })
}

/// What `list` shows. How an open operation stands it asks of the journal: the word of the one before stays.
fn cache(
    state: &StateDir,
    op: &Operation<'_>,
    outcome: Outcome,
    closes: bool,
) -> Result<(), StateError> {
    let mut deployment = state.load(&op.deployment.name)?;
    if closes {
        deployment.cache.status = outcome.as_str().to_owned();
    }
    deployment.cache.updated_at = op.world.clock.now();
    let verified = Summary::of(&op.lines).and_then(|s| s.change_data().verified);
    if let Some(verified) = verified {
        if let Ok(instance_type) = crate::model::InstanceType::new(verified.instance_type.clone()) {
            deployment.cache.instance_type = instance_type;
        }
        deployment.cache.public_ip = verified.public_ip.clone();
        if let Some(images) = &verified.images {
            let images: BTreeMap<String, String> = images
                .iter()
                .map(|(service, image)| (service.to_string(), image.reference.to_string()))
                .collect();
            deployment.cache.images = images;
        }
    }
    state.save(&deployment)
}
