//! `resume`: goes on with an unfinished operation, or back.

use super::drive::Operation;
use super::execute::lock;
use super::finish;
use super::observe::{Ask, ObserveError, observe};
use super::prepare::{Ended, open};
use super::world::World;
use crate::journal::{Entry, Journal, Line};
use crate::model::{Deployment, DeploymentName, Observed, Outcome};
use crate::plan::Plan;
use crate::report::{ChangeData, CommandError, EventKind};
use crate::snapshot::Snapshot;

/// Goes on with an unfinished operation, or back.
///
/// # Errors
/// When it cannot be known, or another process holds the lock.
pub async fn resume(
    world: &World,
    name: &DeploymentName,
    unwind: bool,
) -> Result<Ended, CommandError> {
    let (state, deployment) = open(world, name)?;
    let nothing = || Ended {
        outcome: Outcome::Unchanged,
        data: Box::new(ChangeData {
            success: true,
            ..ChangeData::default()
        }),
        error: None,
    };
    let Some(open) = state.open_operation(name)? else {
        return Ok(nothing());
    };
    let lock = lock(world, &state, name, &open.id, "resume")?;
    // Another process may have ended it, up to the moment of the lock.
    let (mut journal, lines) = Journal::open(&state.journal_file(name, &open.id))?;
    if lines
        .iter()
        .any(|l| matches!(l.entry, Entry::Closed { .. }))
    {
        return Ok(nothing());
    }
    let Some(Line {
        entry: Entry::Opened { plan, .. },
        ..
    }) = lines.first()
    else {
        let message = format!("the journal of operation {} has no plan", open.id);
        return Err(CommandError::failed("state_damaged", message));
    };
    let plan = (**plan).clone();
    // With the wrong profile or region nothing may be begun: the instance must be there, and ours.
    let observed = match observe(world, &deployment, &Ask::default()).await {
        Ok(observed) => observed,
        Err(ObserveError::Cloud(error)) => return Err(error.into()),
        Err(error) => {
            return Err(CommandError::refused("instance_exists", error.to_string())
                .help("check --profile and --region: they must be those of the deployment"));
        }
    };
    if observed.instance.account != deployment.account {
        let message = format!(
            "{} belongs to account {}, and these credentials see account {}",
            name, deployment.account, observed.instance.account
        );
        return Err(
            CommandError::refused("account", message).help("use the deployment's own --profile")
        );
    }
    // While nothing was changed, the plan must still begin where the stack is; else it is given up.
    let untouched = !crate::journal::changed(&plan, lines.iter().map(|l| &l.entry));
    let moved = untouched && !begins_here(&plan, &observed, &deployment);
    let unwind = unwind || moved;
    let snapshot = finish::planned_snapshot(&plan)
        .filter(|_| untouched && !moved)
        .map(|id| Snapshot::of(&observed, &deployment, id));
    let mut op = Operation {
        world,
        deployment: &deployment,
        id: open.id,
        fence: lock.fence,
        lines,
        recorder: &mut journal,
        snapshot,
    };
    op.append(Entry::Resumed {
        unwind,
        fence: lock.fence,
    })
    .map_err(|f| CommandError::failed(&f.code, f.message))?;
    if moved {
        let message =
            "the stack is not any more what the plan was made from: the plan is given up".into();
        op.emit(EventKind::Warning { message });
    }
    op.emit(EventKind::OperationStarted {
        changes: plan.changes.clone(),
        steps: plan.steps.len(),
    });
    let outcome = op.drive(&plan).await;
    Ok(finish::finish(&state, op, &plan, outcome))
}

/// Whether what is seen is what the plan was made from.
fn begins_here(plan: &Plan, observed: &Observed, deployment: &Deployment) -> bool {
    let before = &plan.before;
    let project = observed.host.facts().and_then(|f| {
        f.projects
            .iter()
            .find(|p| p.name == deployment.compose.project)
    });
    let files = match project {
        Some(project) => project.sha256 == before.compose_sha256,
        None => before.compose_sha256.is_none(),
    };
    let images = before.images.iter().all(|(service, image)| {
        let container = project.and_then(|p| p.service(service));
        container.is_some_and(|c| Some(&c.image_id) == image.id.as_ref())
    });
    observed.instance.instance_type == before.instance_type
        && observed.instance.state == before.state
        && files
        && images
}
