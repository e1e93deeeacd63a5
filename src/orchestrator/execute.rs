//! `update` and `rollback`, after the question: lock, look again, drive.

use std::collections::BTreeSet;

use serde_json::Value;

use super::drive::{Operation, Recorder};
use super::finish;
use super::hold::{Hold, NoHold};
use super::prepare::{Ended, Ready, decide, look, refusal, unfinished};
use super::world::World;
use crate::journal::{Entry, Failure, JOURNAL_SCHEMA, Journal, Line, RESERVE_BYTES};
use crate::model::{OperationId, Outcome};
use crate::plan::{Check, Decision, Plan};
use crate::report::{ChangeData, CommandError, EventKind, PlanData};
use crate::snapshot::Snapshot;
use crate::state::{StateDir, new_id};

/// Makes it happen: under the lock, looks again, and goes on only if the same plan comes out.
pub async fn execute(world: &World, ready: Ready) -> Ended {
    match run(world, ready).await {
        Ok(ended) => ended,
        Err(error) => Ended {
            outcome: error.outcome,
            data: Box::new(ChangeData::default()),
            error: Some(error.document),
        },
    }
}

async fn run(world: &World, ready: Ready) -> Result<Ended, CommandError> {
    let (state, _) = StateDir::open(&world.state_dir)?;
    let name = &ready.deployment.name;
    let random = (world.random)();
    let operation = OperationId::new(new_id(world.clock.now(), random))
        .map_err(|e| CommandError::failed("internal", e.to_string()))?;
    let reason = ready.plan.purpose.name();
    let hold = match Hold::take(world, &state, name, &operation, reason).await {
        Ok(hold) => hold,
        Err(NoHold::Error(error)) => return Err(error),
        Err(NoHold::Refused(check)) => return Ok(refused(vec![check])),
    };
    let world = hold.world(world);
    let ended = under(&world, &hold, &state, ready, operation).await;
    hold.end(ended).await
}

/// Under the lock.
async fn under(
    world: &World,
    hold: &Hold,
    state: &StateDir,
    ready: Ready,
    operation: OperationId,
) -> Result<Ended, CommandError> {
    let name = &ready.deployment.name;
    if let Some(check) = unfinished(state, name)? {
        return Ok(refused(vec![check]));
    }
    // What was true while the question was open may not be true any more.
    let observed = match look(world, &ready.deployment, &ready.desired).await? {
        Ok(observed) => observed,
        Err(check) => {
            let error = refusal(std::slice::from_ref(&check));
            return Ok(Ended::refused(ChangeData::default(), error));
        }
    };
    let plan = match decide(
        world,
        &ready.deployment,
        &observed,
        &ready.desired,
        &ready.choice,
    ) {
        Ok(Decision::Change { plan, .. }) if same(&ready.plan, &plan) => plan,
        Ok(Decision::Change { plan, .. }) => return Ok(moved(&ready.plan, Some(&plan), vec![])),
        Ok(Decision::Unchanged { checks }) => return Ok(moved(&ready.plan, None, checks)),
        Err(checks) => return Ok(refused(checks)),
    };
    // The plan took its time: whoever lost the lock meanwhile opens no journal.
    still_ours(world).await?;
    let opened = Line {
        at: world.clock.now(),
        entry: Entry::Opened {
            schema: JOURNAL_SCHEMA.into(),
            operation: operation.clone(),
            fence: hold.fence(),
            version: env!("CARGO_PKG_VERSION").into(),
            plan: plan.clone(),
        },
    };
    if !world.interrupted.begin() {
        return Err(CommandError::interrupted());
    }
    let mut journal = Journal::create(&state.operations_folder(name), &operation, &opened)?;
    journal.reserve(RESERVE_BYTES)?;
    let mut op = Operation {
        world,
        deployment: &ready.deployment,
        id: operation,
        fence: hold.fence(),
        lines: vec![opened],
        recorder: &mut journal,
        snapshot: Some(Snapshot::of(
            &observed,
            &ready.deployment,
            ready.choice.id.clone(),
        )),
    };
    op.emit(EventKind::OperationStarted {
        changes: plan.changes.clone(),
        steps: plan.steps.len(),
    });
    let outcome = match hold.begin(&mut op, &plan).await {
        Ok(()) => op.drive(&plan).await,
        Err(outcome) => outcome,
    };
    Ok(finish::finish(state, op, &plan, outcome).await)
}

/// # Errors
/// Somebody took over.
pub(super) async fn still_ours(world: &World) -> Result<(), CommandError> {
    let asked = world.guard.before_entry().await;
    asked.map_err(|f| CommandError::new(Outcome::Locked, &f.code, f.message))
}

/// Checks said no.
fn refused(checks: Vec<Check>) -> Ended {
    let error = refusal(&checks);
    let data = ChangeData {
        plan: Some(PlanData::new(None, checks)),
        ..ChangeData::default()
    };
    Ended::refused(data, error)
}

/// Somebody changed something between the plan and the lock.
fn moved(shown: &Plan, now: Option<&Plan>, mut checks: Vec<Check>) -> Ended {
    let found = match now {
        None => "what was asked for is so by now".to_owned(),
        Some(now) => differences(shown, now),
    };
    checks.push(Check::refuse(
        "changed_meanwhile",
        "something was changed between the plan and its start",
        found,
        "the state that the plan was made from",
        "look at the new plan: run the command again",
    ));
    let error = refusal(&checks);
    Ended::refused(
        ChangeData {
            plan: Some(PlanData::new(now, checks)),
            ..ChangeData::default()
        },
        error,
    )
}

/// Whether both plans do the same to the same state. Health may have changed meanwhile: the newer plan
/// goes by what is so now.
fn same(shown: &Plan, now: &Plan) -> bool {
    shown.before == now.before
        && shown.after == now.after
        && shown.changes == now.changes
        && shown.boot == now.boot
        && names(shown) == names(now)
}

fn names(plan: &Plan) -> Vec<&str> {
    plan.steps.iter().map(|s| s.action.name()).collect()
}

/// What differs between two plans of which [`same`] says no.
fn differences(shown: &Plan, now: &Plan) -> String {
    let json = |plan: &Plan| serde_json::to_value(&plan.before).unwrap_or_default();
    let mut differing = Vec::new();
    compare("", &json(shown), &json(now), &mut differing);
    if differing.is_empty() && shown.changes != now.changes {
        let (shown, now) = (shown.changes.join(", "), now.changes.join(", "));
        differing.push(format!("what would change: {shown} -> {now}"));
    }
    if differing.is_empty() && shown.after != now.after {
        let after = |plan: &Plan| serde_json::to_value(&plan.after).unwrap_or_default();
        compare("wanted", &after(shown), &after(now), &mut differing);
    }
    if differing.is_empty() && shown.boot != now.boot {
        differing.push("the host was booted".into());
    }
    if differing.is_empty() {
        // What is asked for is the same, and what is needed or permitted for it is not.
        let (shown, now) = (names(shown).join(" "), names(now).join(" "));
        differing.push(format!("the steps: {shown} -> {now}"));
    }
    differing.join("; ")
}

/// Each value that is not the same, by its path: `images.n8n.id: "sha256:…" -> "sha256:…"`.
fn compare(path: &str, shown: &Value, now: &Value, out: &mut Vec<String>) {
    if let (Value::Object(a), Value::Object(b)) = (shown, now) {
        let keys: BTreeSet<&String> = a.keys().chain(b.keys()).collect();
        for key in keys {
            let path = match path {
                "" => key.clone(),
                path => format!("{path}.{key}"),
            };
            let of = |map: &serde_json::Map<String, Value>| map.get(key).cloned();
            let (a, b) = (of(a).unwrap_or_default(), of(b).unwrap_or_default());
            compare(&path, &a, &b, out);
        }
    } else if shown != now {
        out.push(format!("{path}: {shown} -> {now}"));
    }
}

impl Recorder for Journal {
    fn append(&mut self, line: &Line) -> Result<(), Failure> {
        Journal::append(self, line).map_err(|e| Failure {
            class: crate::journal::FailureClass::Pauses,
            help: vec![e.help()],
            ..super::failure::fails("journal", format!("the journal cannot be written: {e}"))
        })
    }
}
