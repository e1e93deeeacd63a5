//! `resume`: on with an unfinished operation, or back, or closed on what is.

use super::capacity::{left, may_be_reserved, release_one};
use super::drive::Operation;
use super::execute::still_ours;
use super::finish;
use super::hold::{Hold, NoHold, closed_unsaid, elsewhere, waiting};
use super::looks::plan_of;
use super::observe::{Ask, ObserveError, observe};
use super::prepare::{Ended, open, refusal};
use super::read_back::verified;
use super::world::World;
use crate::cloud::wait::Wait;
use crate::cloud::{Reservation, WhichReservations};
use crate::host::{LookRequest, Tag};
use crate::journal::{
    Entry, Journal, Line, RESERVE_BYTES, Recheck, Seen, armed, changed, committed, pulled, recheck,
};
use crate::model::{
    Deployment, DeploymentName, HostView, ImageRef, Observed, OperationId, Outcome, RestoreState,
    RunState, ServiceName,
};
use crate::plan::{Check, Plan, StackState};
use crate::report::{ChangeData, CommandError, EventKind, PlanData};
use crate::snapshot::Snapshot;
use crate::state::lease::GivenUp;
use crate::state::{StateDir, StateError};

/// Which way an unfinished operation is taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Way {
    /// On to its end, in the direction that it has.
    On,
    /// Back to where it began.
    Unwind,
    /// Nothing more is done: it ends on what is there.
    Accept,
}

/// Goes on with an unfinished operation, or back, or closes it.
///
/// # Errors
/// When it cannot be known, or another process holds the lock.
pub async fn resume(world: &World, name: &DeploymentName, way: Way) -> Result<Ended, CommandError> {
    let (state, deployment) = open(world, name)?;
    let Some(open) = state.open_operation(name)? else {
        if let Some(check) = elsewhere(world, &state, name).await? {
            return Err(NoHold::Refused(check).into());
        }
        // Its end is written down, and whoever wrote it did not come to say so: other machines wait for it.
        if let Some(id) = closed_unsaid(world, &state, name).await? {
            let hold = Hold::take(world, &state, name, &id, "resume").await?;
            hold.release().await;
        }
        let mut ended = leftover(world, &state, name).await?;
        if way == Way::Accept {
            let said = disarm_closed(world, &state, &deployment).await?;
            ended.data.warnings.extend(said);
        }
        return Ok(ended);
    };
    let ended = async {
        let hold = Hold::take(world, &state, name, &open.id, "resume").await?;
        let world = hold.world(world);
        let ended = under(&world, &hold, &state, &deployment, open.id.clone(), way).await;
        hold.end(ended).await
    };
    ended.await.map_err(|error| still_paused(name, error))
}

/// With nothing to go on with: what the newest operation reserved, and could not release, is released now.
async fn leftover(
    world: &World,
    state: &StateDir,
    name: &DeploymentName,
) -> Result<Ended, CommandError> {
    let mut ended = nothing();
    let operations = state.operations(name)?;
    let Some(newest) = operations.items.first() else {
        return Ok(ended);
    };
    let left = left(&newest.lines);
    let ids = left.iter().map(|r| r.id.clone()).collect();
    // Only a look: one that cannot be had is no news.
    let seen = match left.is_empty() {
        true => Vec::new(),
        false => (world.ec2.reservations(&WhichReservations::Ids(ids)).await).unwrap_or_default(),
    };
    let active: Vec<_> = seen.into_iter().filter(Reservation::is_active).collect();
    if active.is_empty() {
        return Ok(ended);
    }
    let hold = Hold::take(world, state, name, &newest.id, "resume").await?;
    let held = hold.world(world);
    for one in active {
        let what = format!(
            "the capacity reservation {} of {}",
            one.id, one.instance_type
        );
        ended
            .data
            .warnings
            .push(match release_one(&held, &one.id).await {
                Ok(()) => format!("{what}, left by operation {}, is released now", newest.id),
                Err(error) => format!("{what} is still not released: {error}"),
            });
    }
    hold.release().await;
    Ok(ended)
}

/// With nothing to go on with: a host that could not be told that its operation was closed is told now. Else it would stay
/// armed, or where its way back fails `restoring`, for ever, and no other operation could arm it.
async fn disarm_closed(
    world: &World,
    state: &StateDir,
    deployment: &Deployment,
) -> Result<Option<String>, CommandError> {
    let (name, on) = (&deployment.name, &deployment.instance_id);
    let ask = LookRequest {
        only_boot: true,
        ..LookRequest::default()
    };
    let restore = match world.host.look(on, &ask).await {
        Ok(facts) => facts.restore,
        Err(error) => {
            let message = format!("whether the host is still armed could not be asked: {error}");
            return Ok(Some(message));
        }
    };
    let Some(id) = restore.goes_back_from() else {
        return Ok(None);
    };
    match state.operation(name, id) {
        Ok(operation) if operation.closed() => {}
        Ok(_) => return Ok(None),
        Err(StateError::NotFound { .. }) => {
            let message =
                format!("the host is armed by operation {id}, which was begun on another machine");
            return Ok(Some(message));
        }
        Err(damaged) => return Err(damaged.into()),
    }
    let hold = Hold::take(world, state, name, id, "resume").await?;
    let held = hold.world(world);
    let told = async {
        // Another operation may have armed it, up to the moment of the lock.
        let restore = held.host.look(on, &ask).await?.restore;
        if restore.operation() != Some(id) {
            return Ok(Ok(()));
        }
        let (mut journal, lines) = Journal::open(&state.journal_file(name, id))?;
        let plan = plan_in(id, &lines)?;
        let op = Operation {
            world: &held,
            deployment,
            id: id.clone(),
            fence: hold.fence(),
            lines,
            recorder: &mut journal,
            snapshot: None,
        };
        Ok::<_, CommandError>(op.let_go(&plan, &restore).await)
    };
    let told = told.await;
    hold.release().await;
    Ok(Some(match told? {
        Ok(()) => format!(
            "the host was still armed by operation {id}, which is closed: it is not any more"
        ),
        Err(failure) => failure.message,
    }))
}

/// The plan, which the first line has.
fn plan_in(id: &OperationId, lines: &[Line]) -> Result<Plan, CommandError> {
    plan_of(lines).cloned().ok_or_else(|| {
        let message = format!("the journal of operation {id} has no plan");
        CommandError::failed("state_damaged", message)
    })
}

/// Where nothing can be expected to work now, what is open stays as it was: paused.
fn still_paused(name: &DeploymentName, error: CommandError) -> CommandError {
    match error.document.code.as_str() {
        "credentials" | "unreachable" | "host_unreachable" => CommandError {
            outcome: Outcome::Paused,
            ..error
        }
        .help(format!("then: geusemaker resume {name}")),
        _ => error,
    }
}

fn nothing() -> Ended {
    Ended {
        outcome: Outcome::Unchanged,
        data: Box::new(ChangeData {
            success: true,
            ..ChangeData::default()
        }),
        error: None,
    }
}

/// Under the lock.
async fn under(
    world: &World,
    hold: &Hold,
    state: &StateDir,
    deployment: &Deployment,
    id: OperationId,
    way: Way,
) -> Result<Ended, CommandError> {
    let name = &deployment.name;
    // Another process may have ended it, up to the moment of the lock.
    let (mut journal, lines) = Journal::open(&state.journal_file(name, &id))?;
    if lines
        .iter()
        .any(|l| matches!(l.entry, Entry::Closed { .. }))
    {
        return Ok(nothing());
    }
    let plan = plan_in(&id, &lines)?;
    if way != Way::Accept
        && let Some(by) = hold.given_up(&id)
    {
        return Ok(drifted(&plan, vec![given_up(name, &id, by)]));
    }
    // A full disk may have cost it: without space to write down what is done nothing is done.
    journal.reserve(RESERVE_BYTES)?;
    let mut op = Operation {
        world,
        deployment,
        id,
        fence: hold.fence(),
        lines,
        recorder: &mut journal,
        snapshot: None,
    };
    match take_up(&mut op, &plan, way).await? {
        TakenUp::Drifted(drift) => return Ok(drifted(&plan, drift)),
        TakenUp::Committed => return Ok(drifted(&plan, vec![behind_the_gate(name, &op.id)])),
        TakenUp::NoInstance if way == Way::Accept && hold.is_known(&op.id) => {
            accept_without_instance(&mut op, &plan).await?;
            return Ok(finish::finish(state, op, &plan, Outcome::Done).await);
        }
        TakenUp::NoInstance => return Err(no_instance(&op, way, hold.is_known(&op.id))),
        TakenUp::Accepted => return Ok(finish::finish(state, op, &plan, Outcome::Done).await),
        TakenUp::Goes => {}
    }
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

/// What came of looking before anything is begun.
#[derive(Debug, Clone, PartialEq)]
pub enum TakenUp {
    /// It goes on: [`Operation::drive`] is next.
    Goes,
    /// Something was changed that nobody planned: nothing is done.
    Drifted(Vec<Check>),
    /// It was to go back, and is behind the last health check, where nothing is undone: nothing is done.
    Committed,
    /// EC2 knows no such instance: nothing is done. It is gone, or these are another account's credentials, or it is
    /// another region.
    NoInstance,
    /// It was closed on what is there, but for its last line.
    Accepted,
}

/// Looks at everything, writes down what was seen, and judges: is what was finished still so, did the host go
/// back by itself, was anything changed that nobody planned?
///
/// # Errors
/// When it cannot be known, or not be written down.
pub async fn take_up(
    op: &mut Operation<'_>,
    plan: &Plan,
    way: Way,
) -> Result<TakenUp, CommandError> {
    let Some(observed) = look(op, plan, way).await? else {
        return Ok(TakenUp::NoInstance);
    };
    let seen = Seen::of(&observed, op.deployment);
    append(
        op,
        Entry::Observed {
            seen: Box::new(seen.clone()),
        },
    )
    .await?;
    if way == Way::Accept {
        accept(op, plan, &observed, &seen).await?;
        return Ok(TakenUp::Accepted);
    }
    let check = judge(op, plan, &seen, way == Way::Unwind);
    if !check.drift.is_empty() {
        return Ok(TakenUp::Drifted(check.drift));
    }
    let entries = || op.lines.iter().map(|l| &l.entry);
    if way == Way::Unwind && check.unwind.is_none() && committed(plan, entries()) {
        return Ok(TakenUp::Committed);
    }
    if !changed(plan, entries()) && check.unwind.is_none() {
        op.snapshot =
            finish::planned_snapshot(plan).map(|id| Snapshot::of(&observed, op.deployment, id));
    }
    let unwind = way == Way::Unwind || check.unwind.is_some();
    let mut notes = check.notes;
    notes.extend(check.unwind);
    notes.dedup();
    for message in &notes {
        let message = message.clone();
        op.emit(EventKind::Warning { message });
    }
    let resumed = Entry::Resumed {
        unwind,
        fence: op.fence,
        redo: check.redo,
        notes,
    };
    append(op, resumed).await?;
    Ok(TakenUp::Goes)
}

async fn append(op: &mut Operation<'_>, entry: Entry) -> Result<(), CommandError> {
    still_ours(op.world).await?;
    op.append(entry)
        .map_err(|f| CommandError::failed(&f.code, f.message))
}

/// Looks at everything, before anything is begun; None where EC2 knows no such instance. An armed host hears of it; one
/// that is going back by itself is waited for, and so is one that is silent where the plan is to be compared with it.
async fn look(op: &Operation<'_>, plan: &Plan, way: Way) -> Result<Option<Observed>, CommandError> {
    let (world, deployment) = (op.world, op.deployment);
    let ask = Ask {
        images: pulled(op.lines.iter().map(|l| &l.entry))
            .values()
            .filter_map(|p| ImageRef::new(p.id.as_str()).ok())
            .collect(),
        beat: Some(Tag {
            fence: op.fence,
            seq: 0,
            operation: op.id.clone(),
        }),
        ..Ask::default()
    };
    let every = world.limits.poll.max(std::time::Duration::from_millis(200));
    let mut going_back = Wait::begin(world.clock.as_ref(), every, world.limits.apply, "");
    let mut said = false;
    let mut silence = Wait::patience(world.clock.as_ref(), world.limits.poll, world.limits.answer);
    let mut told = false;
    loop {
        // With the wrong profile or region nothing may be begun: the instance must be there, and ours.
        let observed = match observe(world, deployment, &ask).await {
            Ok(observed) => observed,
            Err(ObserveError::Cloud(error)) => return Err(error.into()),
            Err(ObserveError::NoInstance(_)) => return Ok(None),
        };
        if observed.instance.account != deployment.account {
            let message = format!(
                "{} belongs to account {}, and these credentials see account {}",
                deployment.name, deployment.account, observed.instance.account
            );
            return Err(CommandError::refused("account", message)
                .help("use the deployment's own --profile"));
        }
        if let Some(why) = missed(op, plan, way, &observed) {
            if !std::mem::replace(&mut told, true) {
                let message = format!("waiting for the host, which does not answer: {why}");
                waiting(world, &op.id, &message);
            }
            if silence.pause("").await.is_err() {
                return Err(silent(op, plan, why));
            }
            continue;
        }
        let restoring = observed.host.facts().is_some_and(|facts| {
            matches!(&facts.restore, RestoreState::Restoring { operation } if *operation == op.id)
        });
        if !restoring {
            return Ok(Some(observed));
        }
        if !std::mem::replace(&mut said, true) {
            op.emit(EventKind::Warning {
                message: "the host is going back by itself; waiting for its end".into(),
            });
        }
        if going_back.pause("").await.is_err() {
            return Ok(Some(observed));
        }
    }
}

/// Why the host is not seen, where it has to be: nothing was changed yet, and whether the plan still begins where the stack
/// is cannot be told without it; or the gate was passed, and whether an armed host went back since cannot. On the way
/// back, and to close it, it need not be.
fn missed<'o>(
    op: &Operation<'_>,
    plan: &Plan,
    way: Way,
    observed: &'o Observed,
) -> Option<&'o str> {
    let (before, after) = (&plan.before, &plan.after);
    let entries = || op.lines.iter().map(|l| &l.entry);
    let state = observed.instance.state;
    let unchanged = || before.compose_sha256.is_some() && !changed(plan, entries());
    let still_armed = || committed(plan, entries()) && armed(plan, entries());
    match &observed.host {
        HostView::Unreachable(why)
            if way == Way::On
                && ((state == before.state && unchanged())
                    || (state == after.state && still_armed())) =>
        {
            Some(why)
        }
        _ => None,
    }
}

/// Silence is no change: the plan is kept. And no word for what was done: it stays open.
fn silent(op: &Operation<'_>, plan: &Plan, why: &str) -> CommandError {
    let seconds = op.world.limits.answer.as_secs();
    let so_far = match committed(plan, op.lines.iter().map(|l| &l.entry)) {
        true => "whether it went back by itself meanwhile is not known",
        false => "nothing was changed, and the plan is kept",
    };
    let message = format!("the host has not answered for {seconds} s; {so_far}");
    CommandError::failed("host_unreachable", message)
        .because(why)
        .help("see that the SSM agent runs on the instance and that its role allows AmazonSSMManagedInstanceCore")
}

/// What the look means. While nothing was changed, the plan must still begin where the stack is; else it is
/// given up.
fn judge(op: &Operation<'_>, plan: &Plan, seen: &Seen, unwind: bool) -> Recheck {
    let entries = || op.lines.iter().map(|l| &l.entry);
    if changed(plan, entries()) {
        return recheck(plan, &op.id, entries(), unwind, seen);
    }
    let moved = !seen.is(&plan.before);
    Recheck {
        unwind: moved.then(|| {
            "the stack is not any more what the plan was made from: the plan is given up".into()
        }),
        ..Recheck::default()
    }
}

/// Somebody took it to be lost, and may have changed the stack since.
fn given_up(name: &DeploymentName, id: &OperationId, by: &GivenUp) -> Check {
    Check::refuse(
        "given_up",
        format!("operation {id} was given up on another machine"),
        by.who(),
        "an operation that nobody gave up",
        format!(
            "see what is: geusemaker status {name}; then close it on that: geusemaker resume {name} --accept"
        ),
    )
}

/// It cannot be undone any more, and is not ended against what was asked either.
fn behind_the_gate(name: &DeploymentName, id: &OperationId) -> Check {
    Check::refuse(
        "committed",
        format!("operation {id} has passed its last health check: it is not undone any more"),
        "a stack that was seen healthy at its new state",
        "an operation before its last health check",
        format!(
            "geusemaker resume {name} && geusemaker rollback {name}    # ends it, then goes back"
        ),
    )
}

/// Nothing was done: what nobody planned is shown.
fn drifted(plan: &Plan, drift: Vec<Check>) -> Ended {
    let error = refusal(&drift);
    Ended::refused(
        ChangeData {
            plan: Some(PlanData::new(Some(plan), drift)),
            ..ChangeData::default()
        },
        error,
    )
}

/// Closes it on what is there: writes down what was given up, and disarms the host.
async fn accept(
    op: &mut Operation<'_>,
    plan: &Plan,
    observed: &Observed,
    seen: &Seen,
) -> Result<(), CommandError> {
    let before = differences(seen, &plan.before, "before");
    let wanted = wanted(plan, op.lines.iter().map(|l| &l.entry));
    let wanted = differences(seen, &wanted, "wanted");
    let mut gave_up = Vec::new();
    // As it was, or as it was to be: nothing is given up.
    if !before.is_empty() && !wanted.is_empty() {
        gave_up.extend(before.into_iter().chain(wanted));
    }
    match &seen.host {
        Some(host) if host.restore.operation().is_none_or(|of| *of == op.id) => {
            gave_up.extend(op.let_go(plan, &host.restore).await.err().map(|f| f.message));
        }
        // Another operation had the host since: what it left is not ours.
        Some(_) => {}
        None if is_gone(observed.instance.state) => gave_up.extend(gone(op.deployment)),
        None => gave_up.push(
            "the host could not be asked: where it is armed, it goes back by itself when it comes up and is not green; \
             containers that were kept down stay so"
                .into(),
        ),
    }
    gave_up.extend(released(op, plan).await);
    let project = observed.host.facts().and_then(|facts| {
        let mut projects = facts.projects.iter();
        projects.find(|p| p.name == op.deployment.compose.project)
    });
    let verified = serde_json::to_value(verified(&observed.instance, project))
        .map_err(|e| CommandError::failed("report", e.to_string()))?;
    append(
        op,
        Entry::Accepted {
            gave_up,
            verified: Some(verified),
        },
    )
    .await
}

/// The refusal where EC2 knows no such instance. `known`: the account has heard of the operation, so it is the right one.
fn no_instance(op: &Operation<'_>, way: Way, known: bool) -> CommandError {
    let (name, on) = (&op.deployment.name, &op.deployment.instance_id);
    let message = format!("{on} does not exist (any more) in this region");
    let refused = CommandError::refused("instance_exists", message);
    if known {
        return refused.help(format!(
            "if it was terminated, close the operation on that: geusemaker resume {name} --accept"
        ));
    }
    let refused =
        refused.help("check --profile and --region: they must be those of the deployment");
    match way {
        Way::Accept => refused.help(format!(
            "no lease of {name} in this account and region names operation {}, so nothing proves that they are the deployment's: \
             it stays open",
            op.id
        )),
        Way::On | Way::Unwind => refused,
    }
}

/// Closes it where the instance is gone: what it reserved is released.
async fn accept_without_instance(op: &mut Operation<'_>, plan: &Plan) -> Result<(), CommandError> {
    let mut gave_up = gone(op.deployment);
    gave_up.extend(released(op, plan).await);
    let accepted = Entry::Accepted {
        gave_up,
        verified: None,
    };
    append(op, accepted).await
}

fn is_gone(state: RunState) -> bool {
    matches!(state, RunState::ShuttingDown | RunState::Terminated)
}

/// What a terminated instance leaves.
fn gone(deployment: &Deployment) -> Vec<String> {
    let on = &deployment.instance_id;
    let data = match (&deployment.file_system_id, &deployment.mount_point) {
        (Some(id), Some(point)) => format!(
            "the data of its services is on {id} (EFS), which was mounted at {point}; what was on its own volumes went with \
             them, unless they were kept"
        ),
        (Some(id), None) => format!("the data of its services is on {id} (EFS)"),
        (None, _) => {
            "its data was on its own volumes, and went with them, unless they were kept".into()
        }
    };
    vec![
        format!(
            "the instance {on} is gone: nothing that the operation did there was gone on with, or taken back"
        ),
        data,
    ]
}

/// Releases what the operation reserved; what could not be released, for people.
async fn released(op: &Operation<'_>, plan: &Plan) -> Vec<String> {
    if !may_be_reserved(plan, &op.lines) {
        return Vec::new();
    }
    let on = &op.deployment.instance_id;
    match op.at_the_end(plan).release(on).await {
        Ok(released) => released.warnings,
        Err(failure) => vec![failure.message],
    }
}

/// What was asked for, with the images that its references turned out to mean.
fn wanted<'e>(plan: &Plan, entries: impl IntoIterator<Item = &'e Entry>) -> StackState {
    let mut wanted = plan.after.clone();
    for (service, pulled) in pulled(entries) {
        if let Some(image) = wanted.images.get_mut(&service) {
            image.id.get_or_insert(pulled.id);
        }
    }
    wanted
}

/// What is not as in this state, one line each.
fn differences(seen: &Seen, state: &StackState, name: &str) -> Vec<String> {
    let mut out = Vec::new();
    if seen.instance_type != state.instance_type {
        let (found, other) = (&seen.instance_type, &state.instance_type);
        out.push(format!("the type is {found}; {name}: {other}"));
    }
    let flags = seen.ebs_optimized.zip(state.ebs_optimized);
    if let Some((found, other)) = flags.filter(|(is, was)| is != was) {
        out.push(format!("EbsOptimized is {found}; {name}: {other}"));
    }
    if seen.state != state.state {
        let (found, other) = (seen.state.as_str(), state.state.as_str());
        out.push(format!("the instance is {found}; {name}: {other}"));
    }
    let Some(host) = &seen.host else {
        return out;
    };
    if host.compose_sha256 != state.compose_sha256 {
        out.push(format!("the compose file is not the one {name}"));
    }
    let ran = |service: &ServiceName| state.running.contains(service);
    for (service, image) in state.images.iter().filter(|(service, _)| ran(service)) {
        let mut of_service = host.containers.iter().filter(|c| c.service == *service);
        // Not one that has finished either: stopped by the quiesce it ends as a one-shot does.
        let so =
            of_service.any(|c| c.running && image.id.as_ref().is_none_or(|id| *id == c.image_id));
        if !so {
            out.push(format!(
                "{service} does not run {}; {name}: it does",
                image.reference
            ));
        }
    }
    out
}
