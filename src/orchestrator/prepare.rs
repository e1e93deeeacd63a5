//! `update` and `rollback`, up to the question: look, and decide.

use std::collections::{BTreeMap, BTreeSet};

use super::finish;
use super::freshen::freshen;
use super::hold::elsewhere;
use super::observe::{Ask, ObserveError, observe};
use super::world::World;
use crate::journal::Summary;
use crate::model::{
    Capacity, Deployment, DeploymentName, Desired, DesiredImage, ImageRef, Observed, Outcome,
    Purpose, RollbackRequest, SnapshotId, UpdateRequest,
};
use crate::plan::{Check, Decision, Input, Plan, SnapshotChoice, check_credentials, toward};
use crate::report::{ChangeData, CommandError, ErrorDocument, PlanData, StateData};
use crate::snapshot::Snapshot;
use crate::state::{Lock, LockError, StateDir, new_id};

/// What came of looking and planning.
pub enum Prepared {
    /// What is asked for is so.
    Unchanged(Box<ChangeData>),
    /// A check says no.
    Refused(Box<ChangeData>, ErrorDocument),
    /// It can go ahead.
    Ready(Box<Ready>),
}

/// A change that can go ahead.
pub struct Ready {
    /// The plan.
    pub plan: Plan,
    /// Every check.
    pub checks: Vec<Check>,
    /// The lines of the compose file that change; empty where it stays.
    pub compose_diff: String,
    pub(super) deployment: Deployment,
    pub(super) desired: Desired,
    pub(super) choice: SnapshotChoice,
}

/// A change that ended.
pub struct Ended {
    /// How.
    pub outcome: Outcome,
    /// What is so now.
    pub data: Box<ChangeData>,
    /// Why it did not do what was asked.
    pub error: Option<ErrorDocument>,
}

impl Ended {
    pub(super) fn refused(data: ChangeData, error: ErrorDocument) -> Self {
        Self {
            outcome: Outcome::Refused,
            data: Box::new(data),
            error: Some(error),
        }
    }
}

/// Looks and plans an update. Changes nothing of the stack, and takes no lock, but for a moment where a
/// reference that the file says already is pulled, to learn what it means now.
///
/// # Errors
/// When it cannot be known: no such deployment, damaged state, credentials, network.
pub async fn prepare_update(
    world: &World,
    request: &UpdateRequest,
) -> Result<Prepared, CommandError> {
    let (state, deployment) = open(world, &request.deployment)?;
    let desired = update_desired(request);
    if let Some(refusal) = elsewhere(world, &state, &deployment.name).await? {
        return Ok(refuse(None, vec![refusal]));
    }
    // A dry run changes nothing, and does not ask the registry either.
    if !request.options.dry_run {
        freshen(world, &state, &deployment, &desired).await?;
    }
    prepare(world, &state, deployment, desired).await
}

/// What an update wants.
pub(super) fn update_desired(request: &UpdateRequest) -> Desired {
    let images = request
        .images
        .iter()
        .map(|(service, reference)| {
            (
                service.clone(),
                DesiredImage {
                    reference: reference.clone(),
                    id: None,
                    digest: None,
                },
            )
        })
        .collect();
    Desired {
        instance_type: request.instance_type.clone(),
        ebs_optimized: None,
        images,
        files: Vec::new(),
        purpose: Purpose::Update,
        gate: request.options.gate,
        undo_on_failure: !request.options.no_rollback,
        progress_ms: request.options.progress_ms,
        capacity: request.options.capacity,
        stop_ms: request.options.stop_ms,
        fallback_types: request.fallback_types.clone(),
    }
}

/// Looks and plans a rollback; changes nothing and takes no lock.
///
/// # Errors
/// As [`prepare_update`], and when there is no snapshot to go back to.
pub async fn prepare_rollback(
    world: &World,
    request: &RollbackRequest,
) -> Result<Prepared, CommandError> {
    let (state, deployment) = open(world, &request.deployment)?;
    // Before the target is looked for: an unfinished operation, or one that cannot be read, is not passed over.
    if let Some(refusal) = unfinished(&state, &deployment.name)? {
        return Ok(refuse(None, vec![refusal]));
    }
    if let Some(refusal) = elsewhere(world, &state, &deployment.name).await? {
        return Ok(refuse(None, vec![refusal]));
    }
    let (snapshot, redo) = target(&state, request)?;
    let unknown = unknown_services(&snapshot, request);
    if !unknown.is_empty() {
        return Ok(refuse(None, unknown));
    }
    let desired = rollback_desired(&snapshot, request);
    let mut prepared = prepare(world, &state, deployment, desired).await?;
    if let Prepared::Ready(ready) = &mut prepared
        && redo
    {
        let warning = "the last success was a rollback: taking it back is a redo of what it undid";
        ready.plan.warnings.push(warning.into());
    }
    Ok(prepared)
}

/// The services that are asked for, and that the snapshot does not hold.
fn unknown_services(snapshot: &Snapshot, request: &RollbackRequest) -> Vec<Check> {
    let asked = request.services.iter().flatten();
    let held: Vec<&str> = snapshot.services.keys().map(|s| s.as_str()).collect();
    asked
        .filter(|service| !snapshot.services.contains_key(*service))
        .map(|service| {
            Check::refuse(
                "unknown_service",
                format!("the snapshot {} holds no service {service}", snapshot.id),
                service.to_string(),
                held.join(", "),
                format!(
                    "geusemaker rollback {} --services {}",
                    request.deployment,
                    held.join(",")
                ),
            )
        })
        .collect()
}

/// What a rollback to this snapshot wants.
pub(super) fn rollback_desired(snapshot: &Snapshot, request: &RollbackRequest) -> Desired {
    let chosen = |service: &crate::model::ServiceName| {
        request
            .services
            .as_ref()
            .is_none_or(|only| only.contains(service))
    };
    let images = snapshot
        .services
        .iter()
        .filter(|(service, _)| chosen(service))
        .map(|(service, seen)| {
            let image = DesiredImage {
                reference: seen.image.reference.clone(),
                id: seen.image.id.clone(),
                digest: seen.image.digest.clone(),
            };
            (service.clone(), image)
        })
        .collect();
    let green = snapshot.green().into_iter().filter(|s| chosen(s)).collect();
    Desired {
        instance_type: request
            .services
            .is_none()
            .then(|| snapshot.instance_type.clone()),
        ebs_optimized: snapshot.ebs_optimized,
        images,
        files: snapshot.compose.sums(),
        purpose: Purpose::Rollback {
            to: snapshot.id.clone(),
            green,
        },
        gate: request.options.gate,
        undo_on_failure: !request.options.no_rollback,
        progress_ms: request.options.progress_ms,
        capacity: request.options.capacity,
        stop_ms: request.options.stop_ms,
        fallback_types: request.fallback_types.clone(),
    }
}

/// The snapshot that a rollback goes to: the one named, else the one of the newest operation that ended
/// `updated` or `rolled_back_as_asked`. Operations that changed nothing or were undone are passed over.
/// True beside it: that operation was a rollback itself, so this one is a redo.
pub(super) fn target(
    state: &StateDir,
    request: &RollbackRequest,
) -> Result<(Snapshot, bool), CommandError> {
    let (id, redo): (SnapshotId, bool) = match &request.to {
        Some(id) => (id.clone(), false),
        None => state
            .operations(&request.deployment)?
            .items
            .iter()
            .find_map(|o| {
                let id = finish::snapshot_of_success(&o.lines)?;
                let redo = Summary::of(&o.lines).is_some_and(|s| s.kind() == "rollback");
                Some((id, redo))
            })
            .ok_or_else(|| {
                CommandError::not_found(
                    "no_snapshot",
                    "there is no operation to take back: nothing was updated yet",
                )
                .help(format!(
                    "see what there is: geusemaker history {}",
                    request.deployment
                ))
            })?,
    };
    Ok((state.snapshots(&request.deployment).load(&id)?, redo))
}

pub(super) fn open(
    world: &World,
    name: &DeploymentName,
) -> Result<(StateDir, Deployment), CommandError> {
    let (state, _) = StateDir::open(&world.state_dir)?;
    let deployment = state.load(name)?;
    Ok((state, deployment))
}

async fn prepare(
    world: &World,
    state: &StateDir,
    deployment: Deployment,
    desired: Desired,
) -> Result<Prepared, CommandError> {
    if let Some(refusal) = unfinished(state, &deployment.name)? {
        return Ok(refuse(None, vec![refusal]));
    }
    let observed = match look(world, &deployment, &desired).await? {
        Ok(observed) => observed,
        Err(check) => return Ok(refuse(None, vec![check])),
    };
    let choice = choice(world, state, &deployment, &observed)?;
    Ok(
        match decide(world, &deployment, &observed, &desired, &choice) {
            Err(checks) => refuse(Some(&observed), checks),
            Ok(Decision::Unchanged { checks }) => {
                Prepared::Unchanged(Box::new(unchanged(&observed, checks)))
            }
            Ok(Decision::Change {
                plan,
                mut checks,
                diff,
            }) => Prepared::Ready(Box::new(Ready {
                checks: {
                    checks.extend(expiry(world, &plan, 0).await);
                    checks
                },
                plan: *plan,
                compose_diff: diff,
                deployment,
                desired,
                choice,
            })),
        },
    )
}

/// Whether the credentials last to the expected end, from this step on; None where no expiry is known.
pub(super) async fn expiry(world: &World, plan: &Plan, from: usize) -> Option<Check> {
    let expires_at = world.credentials.expires_at().await?;
    let lasts = expires_at.duration_since(world.clock.now()).as_secs();
    let sign_in = world.credentials.sign_in();
    Some(check_credentials(
        lasts,
        plan.expected_seconds(from),
        &sign_in,
    ))
}

/// The snapshot that holds the state before: the newest one, where it says the same.
pub(super) fn choice(
    world: &World,
    state: &StateDir,
    deployment: &Deployment,
    observed: &Observed,
) -> Result<SnapshotChoice, CommandError> {
    let id = new_id(world.clock.now(), (world.random)());
    let id = SnapshotId::new(id).map_err(|e| CommandError::failed("internal", e.to_string()))?;
    let fresh = Snapshot::of(observed, deployment, id.clone());
    let newest = state.snapshots_newest_first(&deployment.name)?;
    let newest = newest.items.into_iter().next();
    Ok(match newest {
        Some(newest) if newest.same_state(&fresh) => SnapshotChoice {
            id: newest.id,
            reuse: true,
        },
        _ => SnapshotChoice { id, reuse: false },
    })
}

pub(super) fn decide(
    world: &World,
    deployment: &Deployment,
    observed: &Observed,
    desired: &Desired,
    snapshot: &SnapshotChoice,
) -> Result<Decision, Vec<Check>> {
    toward(Input {
        deployment,
        observed,
        desired,
        snapshot,
        pace: world.pace,
    })
}

/// The look, or the refusal that there is nothing to look at.
pub(super) async fn look(
    world: &World,
    deployment: &Deployment,
    desired: &Desired,
) -> Result<Result<Observed, Check>, CommandError> {
    look_for(world, deployment, &[desired], false).await
}

/// The same for several wishes at once; `permits`: whether a type may be changed is asked in any case.
pub(super) async fn look_for(
    world: &World,
    deployment: &Deployment,
    wishes: &[&Desired],
    permits: bool,
) -> Result<Result<Observed, Check>, CommandError> {
    let images = || wishes.iter().flat_map(|d| d.images.values());
    let ids = images().filter_map(|i| ImageRef::new(i.id.as_ref()?.as_str()).ok());
    let ask = Ask {
        types: wishes
            .iter()
            .filter_map(|d| d.instance_type.clone())
            .collect(),
        ebs_optimized: wishes.iter().find_map(|d| d.ebs_optimized),
        fallback_types: wishes
            .iter()
            .flat_map(|d| d.fallback_types.iter().cloned())
            .collect(),
        permits,
        reserve: wishes.iter().any(|d| d.capacity == Capacity::Prove),
        images: images().map(|i| i.reference.clone()).chain(ids).collect(),
        services: {
            let all = wishes.iter().flat_map(|d| d.images.keys());
            all.cloned().collect::<BTreeSet<_>>().into_iter().collect()
        },
        beat: None,
    };
    match observe(world, deployment, &ask).await {
        Ok(observed) => Ok(Ok(observed)),
        Err(ObserveError::Cloud(error)) => Err(error.into()),
        Err(ObserveError::NoInstance(id)) => Ok(Err(Check::refuse(
            "instance_exists",
            format!("{id} does not exist in this region"),
            "no such instance",
            "the instance of this deployment",
            "check --region and --profile; an instance that was terminated cannot be brought back",
        ))),
    }
}

/// The refusal while an operation is unfinished.
pub(super) fn unfinished(
    state: &StateDir,
    name: &DeploymentName,
) -> Result<Option<Check>, CommandError> {
    let Some(open) = state.open_operation(name)? else {
        return Ok(None);
    };
    // One that is under way has a holder: that is `locked`, and not something to resume.
    if let Some(holder) = Lock::holder(state, name)?
        && holder.pid != std::process::id()
    {
        let (name, holder) = (name.clone(), Some(Box::new(holder)));
        return Err(CommandError::locked(
            LockError::Held { name, holder }.to_string(),
        ));
    }
    let id = open.id;
    Ok(Some(Check::refuse(
        "operation_open",
        format!("operation {id} is not finished"),
        format!("operation {id}"),
        "no unfinished operation",
        format!("geusemaker resume {name}    # goes on; --unwind goes back"),
    )))
}

fn refuse(observed: Option<&Observed>, checks: Vec<Check>) -> Prepared {
    let error = refusal(&checks);
    let data = ChangeData {
        previous_state: observed.map(state_of),
        plan: Some(PlanData::new(None, checks)),
        ..ChangeData::default()
    };
    Prepared::Refused(Box::new(data), error)
}

/// The refusals as one error: the first by name, the others below it.
pub(super) fn refusal(checks: &[Check]) -> ErrorDocument {
    let refused: Vec<&Check> = checks
        .iter()
        .filter(|c| c.status == crate::plan::CheckStatus::Refuse)
        .collect();
    ErrorDocument {
        code: refused
            .first()
            .map_or("refused", |c| c.name.as_str())
            .to_owned(),
        message: match refused.as_slice() {
            [one] => one.message.clone(),
            many => format!(
                "{} checks say no: {}",
                many.len(),
                many.iter()
                    .map(|c| c.message.as_str())
                    .collect::<Vec<_>>()
                    .join("; ")
            ),
        },
        causes: refused
            .iter()
            .map(|c| format!("{}: found {}, expected {}", c.name, c.found, c.expected))
            .collect(),
        help: refused
            .iter()
            .map(|c| c.help.clone())
            .filter(|h| !h.is_empty())
            .collect(),
    }
}

fn unchanged(observed: &Observed, checks: Vec<Check>) -> ChangeData {
    let now = state_of(observed);
    let warnings = checks
        .iter()
        .filter(|c| c.status == crate::plan::CheckStatus::Warn)
        .map(|c| c.message.clone())
        .collect();
    ChangeData {
        success: true,
        previous_state: Some(now.clone()),
        new_state: Some(now),
        warnings,
        plan: Some(PlanData::new(None, checks)),
        ..ChangeData::default()
    }
}

fn state_of(observed: &Observed) -> StateData {
    let containers = observed
        .host
        .facts()
        .map(|f| f.projects.iter().flat_map(|p| &p.containers))
        .into_iter()
        .flatten();
    let images: BTreeMap<_, _> = containers
        .filter(|c| c.running())
        .filter_map(|c| {
            let image = crate::plan::PlannedImage {
                reference: ImageRef::new(c.image.clone()).ok()?,
                id: Some(c.image_id.clone()),
                digest: crate::plan::first_digest(&c.digests),
            };
            Some((c.service.clone(), image))
        })
        .collect();
    StateData {
        instance_type: observed.instance.instance_type.clone(),
        images,
    }
}
