//! The commands that look: `status`, `list`, `history`, `inspect`. They never write.

use std::path::Path;

use super::drifted;
use super::observe::{Ask, ObserveError, observe};
use super::prepare::open;
use super::world::World;
use crate::efs;
use crate::journal::{Entry, Line, Summary};
use crate::model::{
    ContainerFacts, Deployment, DeploymentName, HostView, Observed, OperationId, RestoreState,
    RunState,
};
use crate::plan::{CheckStatus, Plan, first_digest};
use crate::report::{
    CommandError, HistoryData, InspectData, InstanceView, LeaseView, ListData, ListRow, MountView,
    OpenOperation, OperationRow, RestoreView, ServiceView, SnapshotRow, StatusData,
};
use crate::state::lease::{Leases, Phase};
use crate::state::{Lock, Operation, StateDir};

/// The deployments, as they were last seen: asks nobody. Damaged ones are named and hide nothing.
///
/// # Errors
/// When the folder cannot be read.
pub fn list(state_dir: &Path) -> Result<(ListData, Vec<String>), CommandError> {
    let (state, mut warnings) = StateDir::open(state_dir)?;
    let rows = state.each_deployment(|d| {
        let (status, damaged) = match state.open_operation(&d.name) {
            Ok(Some(open)) => (standing(&state, &d.name, &open.id, &open.lines), None),
            Ok(None) => (d.cache.status, None),
            // Not hidden: nothing may be changed until somebody has looked at it.
            Err(damaged) => ("damaged".into(), Some(damaged.to_string())),
        };
        let row = ListRow {
            status,
            name: d.name,
            region: d.region,
            instance_type: d.cache.instance_type,
            instances: vec![d.instance_id],
            images: d.cache.images,
            updated_at: d.cache.updated_at,
        };
        (row, damaged)
    })?;
    warnings.extend(rows.damaged.iter().map(ToString::to_string));
    let (deployments, damaged): (Vec<_>, Vec<_>) = rows.items.into_iter().unzip();
    warnings.extend(damaged.into_iter().flatten());
    Ok((ListData { deployments }, warnings))
}

/// The operations and snapshots, newest first.
///
/// # Errors
/// When there is no such deployment, or its files are damaged.
pub fn history(
    state_dir: &Path,
    name: &DeploymentName,
    operation: Option<&OperationId>,
    limit: Option<usize>,
) -> Result<(HistoryData, Vec<String>), CommandError> {
    let (state, _) = StateDir::open(state_dir)?;
    state.load(name)?;
    let all = state.operations(name)?;
    let mut warnings: Vec<String> = all.damaged.iter().map(ToString::to_string).collect();
    let operations: Vec<OperationRow> = all
        .items
        .iter()
        .filter(|o| operation.is_none_or(|wanted| *wanted == o.id))
        .take(limit.unwrap_or(usize::MAX))
        .filter_map(|o| row(&o.id, &o.lines, operation.is_some()))
        .collect();
    if let (Some(wanted), true) = (operation, operations.is_empty()) {
        return Err(CommandError::not_found(
            "operation_not_found",
            format!("{name} has no operation {wanted}"),
        ));
    }
    let listing = state.snapshots_newest_first(name)?;
    warnings.extend(listing.damaged.iter().map(ToString::to_string));
    let snapshots = listing
        .items
        .into_iter()
        .map(|s| SnapshotRow {
            images: s
                .services
                .iter()
                .map(|(n, e)| (n.clone(), e.image.reference.to_string()))
                .collect(),
            id: s.id,
            taken_at: s.taken_at,
            healthy: s.healthy,
            instance_type: s.instance_type,
        })
        .collect();
    let data = HistoryData {
        operations,
        snapshots,
    };
    Ok((data, warnings))
}

fn row(id: &OperationId, lines: &[Line], whole: bool) -> Option<OperationRow> {
    let summary = Summary::of(lines)?;
    Some(OperationRow {
        id: id.clone(),
        kind: summary.kind().into(),
        outcome: summary.closed.then_some(summary.outcome),
        started_at: summary.started_at,
        duration_seconds: summary.closed.then_some(summary.duration_seconds),
        changes: summary.plan.changes.clone(),
        snapshot_id: summary.snapshot.cloned(),
        steps: whole.then(|| summary.steps.clone()),
        error: summary.failure.filter(|_| whole).map(Into::into),
        warnings: whole.then(|| summary.warnings.clone()),
    })
}

/// The plan of an operation, which its first line has.
pub(super) fn plan_of(lines: &[Line]) -> Option<&Plan> {
    match &lines.first()?.entry {
        Entry::Opened { plan, .. } => Some(plan),
        _ => None,
    }
}

/// How an unfinished operation stands.
fn standing(state: &StateDir, name: &DeploymentName, id: &OperationId, lines: &[Line]) -> String {
    let held = Lock::holder(state, name)
        .ok()
        .flatten()
        .is_some_and(|h| h.operation.as_ref() == Some(id));
    if held {
        return "running".into();
    }
    match plan_of(lines).map(|plan| crate::journal::next(plan, lines.iter().map(|l| &l.entry))) {
        Some(crate::journal::Next::Finished(
            outcome @ (crate::model::Outcome::Paused | crate::model::Outcome::Stuck),
        )) => outcome.as_str().into(),
        // Also behind its last step: it is not closed.
        _ => "interrupted".into(),
    }
}

/// The operation that has not ended, where there is one.
///
/// # Errors
/// When the state folder or a journal in it is damaged.
pub fn unfinished(
    state_dir: &Path,
    name: &DeploymentName,
) -> Result<Option<OpenOperation>, CommandError> {
    let (state, _) = StateDir::open(state_dir)?;
    let open = state.open_operation(name)?;
    Ok(open.and_then(|open| open_view(&state, name, &open)))
}

fn open_view(state: &StateDir, name: &DeploymentName, open: &Operation) -> Option<OpenOperation> {
    let summary = Summary::of(&open.lines)?;
    Some(OpenOperation {
        status: standing(state, name, &open.id, &open.lines),
        kind: summary.kind().into(),
        started_at: summary.started_at,
        changes: summary.plan.changes.clone(),
        steps: summary.steps.clone(),
        error: summary.failure.map(Into::into),
        id: open.id.clone(),
    })
}

/// What is written down about a deployment.
///
/// # Errors
/// When there is no such deployment, or its files are damaged.
pub fn inspect(
    state_dir: &Path,
    name: &DeploymentName,
    show_history: bool,
) -> Result<InspectData, CommandError> {
    let (state, _) = StateDir::open(state_dir)?;
    Ok(InspectData {
        deployment: state.load(name)?,
        operation: unfinished(state_dir, name)?,
        history: show_history
            .then(|| history(state_dir, name, None, None).map(|(data, _)| data))
            .transpose()?,
    })
}

/// What is, now: asks EC2, EFS and the host. Beside it what could not be asked, and why.
///
/// # Errors
/// When there is no such deployment, or EC2 cannot be asked.
pub async fn status(
    world: &World,
    name: &DeploymentName,
) -> Result<(StatusData, Vec<String>), CommandError> {
    let (state, deployment) = open(world, name)?;
    let operations = state.readable_operations(name)?;
    let open = operations.iter().find(|o| !o.closed());
    let operation = open.and_then(|open| open_view(&state, name, open));
    let recorded = drifted::read_back(&operations);
    let observed = match observe(world, &deployment, &Ask::default()).await {
        Ok(observed) => observed,
        Err(ObserveError::Cloud(error)) => return Err(error.into()),
        Err(error) => return Err(CommandError::failed("instance_gone", error.to_string())),
    };
    let mounts = mounts(&deployment, &observed);
    let containers = containers(&deployment, &observed);
    let services = containers.iter().map(service_view).collect();
    let ok =
        mounts.iter().all(|m| m.state == "ok") && containers.iter().all(|c| c.colour().is_well());
    let status = match (&operation, observed.instance.state, &observed.host) {
        (Some(operation), _, _) => operation.status.clone(),
        (None, RunState::Running, HostView::Up(_)) if ok => "healthy".into(),
        (None, RunState::Running, HostView::Up(_)) => "unhealthy".into(),
        (None, RunState::Running, _) => "unreachable".into(),
        (None, state, _) => state.as_str().into(),
    };
    let mut warnings = Vec::new();
    if let HostView::Unreachable(why) = &observed.host {
        warnings.push(format!("the host could not be asked: {why}"));
    }
    if let Some(Err(why)) = &observed.file_system {
        warnings.push(format!("the file system is not seen: {why}"));
    }
    let lease = lease_view(world, name, &mut warnings).await?;
    let data = StatusData {
        name: name.clone(),
        status,
        instances: vec![instance_view(&observed)],
        mounts,
        services,
        drift: drifted::drift(&deployment, recorded.as_ref(), &observed, &containers),
        restore: restore_view(&observed),
        lease,
        operation,
    };
    Ok((data, warnings))
}

/// What the host would do by itself, or did; None while it is idle or was not asked.
fn restore_view(observed: &Observed) -> Option<RestoreView> {
    let restore = &observed.host.facts()?.restore;
    let (deadline, by_itself) = match restore {
        RestoreState::Idle => return None,
        RestoreState::Armed { deadline, .. } => (Some(*deadline), None),
        RestoreState::Restoring { .. } => (None, None),
        RestoreState::Restored { by_itself, .. } | RestoreState::Committed { by_itself, .. } => {
            (None, Some(*by_itself))
        }
    };
    Some(RestoreView {
        state: restore.as_str(),
        operation: restore.operation()?.clone(),
        deadline,
        by_itself,
    })
}

/// Who holds the deployment in the account, or where an operation of it is open; None where neither is, or where
/// these credentials may not ask.
async fn lease_view(
    world: &World,
    name: &DeploymentName,
    warnings: &mut Vec<String>,
) -> Result<Option<LeaseView>, CommandError> {
    let all = match Leases::look(world.parameters.as_ref(), name).await {
        Ok(all) => all,
        Err(error) if error.stops_everything() => return Err(error.into()),
        Err(error) => {
            let message = format!("who holds it in the account could not be asked: {error}");
            warnings.push(message);
            return Ok(None);
        }
    };
    let Some((fence, lease)) = all.counting() else {
        return Ok(None);
    };
    let held = lease.phase == Phase::Held;
    if !held && lease.open_operation.is_none() {
        return Ok(None);
    }
    Ok(Some(LeaseView {
        held,
        user: lease.owner.user.clone(),
        host: lease.owner.host.clone(),
        reason: lease.reason.clone(),
        since: lease.since,
        fence,
        open_operation: lease.open_operation.clone(),
    }))
}

pub(super) fn instance_view(observed: &Observed) -> InstanceView {
    InstanceView {
        id: observed.instance.id.clone(),
        state: observed.instance.state,
        instance_type: observed.instance.instance_type.clone(),
        public_ip: observed.instance.public_ip.clone(),
    }
}

fn containers(deployment: &Deployment, observed: &Observed) -> Vec<ContainerFacts> {
    let projects = observed
        .host
        .facts()
        .map(|f| f.projects.as_slice())
        .unwrap_or_default();
    let project = projects
        .iter()
        .find(|p| p.name == deployment.compose.project);
    let mut all: Vec<ContainerFacts> = project
        .map(|p| {
            p.containers
                .iter()
                .filter(|c| !c.one_off)
                .cloned()
                .collect()
        })
        .unwrap_or_default();
    all.sort_by(|a, b| a.service.cmp(&b.service));
    all
}

pub(super) fn service_view(c: &ContainerFacts) -> ServiceView {
    ServiceView {
        name: c.service.clone(),
        image: c.image.clone(),
        digest: first_digest(&c.digests).map(String::from),
        state: c.status.clone(),
        health: c.health.clone(),
        probe: c.probed.as_ref().map(|p| match p.green {
            true => "green".to_owned(),
            false => p.why.clone(),
        }),
        restarts: c.restarts,
    }
}

fn mounts(deployment: &Deployment, observed: &Observed) -> Vec<MountView> {
    let Some(point) = &deployment.mount_point else {
        return vec![];
    };
    let state = match observed.host.facts().and_then(|f| f.mount.as_ref()) {
        None => "not seen".into(),
        Some(mount) => efs::judge_mount(mount, deployment.file_system_id.as_ref(), &[])
            .into_iter()
            .find(|c| c.status == CheckStatus::Refuse)
            .map_or_else(|| "ok".into(), |c| c.message),
    };
    vec![MountView {
        point: point.clone(),
        file_system_id: deployment.file_system_id.clone(),
        state,
    }]
}
