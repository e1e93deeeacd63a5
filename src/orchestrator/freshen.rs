//! What a reference means *now*: the registry is asked, by a pull, where the file says that reference already.
//!
//! Only then the answer decides anything: a reference that is new to the file is a change in any case, and is
//! pulled as a step of the plan. A pulled image is residue, and no change of the stack.

use super::execute::still_ours;
use super::hold::Hold;
use super::jobs::pull_alone;
use super::observe::{Ask, observe};
use super::world::World;
use crate::containers::read_project;
use crate::model::{Deployment, Desired, ImageRef, Observed, OperationId, ServiceName};
use crate::report::CommandError;
use crate::state::{StateDir, new_id};

/// Pulls the references that would otherwise be taken for what the host has under them, under the lock. A
/// registry that does not answer is no reason to refuse: then the host's image stands.
///
/// # Errors
/// When the lock is held, or EC2 cannot be asked.
pub(super) async fn freshen(
    world: &World,
    state: &StateDir,
    deployment: &Deployment,
    desired: &Desired,
) -> Result<(), CommandError> {
    if desired.images.is_empty() || state.open_operation(&deployment.name)?.is_some() {
        return Ok(());
    }
    let ask = Ask {
        images: desired
            .images
            .values()
            .map(|i| i.reference.clone())
            .collect(),
        ..Ask::default()
    };
    // What stands in the way of the look is said by the plan's own.
    let Ok(observed) = observe(world, deployment, &ask).await else {
        return Ok(());
    };
    let stale: Vec<&ImageRef> = desired
        .images
        .iter()
        .filter(|(service, want)| says_and_runs(&observed, deployment, service, &want.reference))
        .map(|(_, want)| &want.reference)
        .collect();
    if stale.is_empty() {
        return Ok(());
    }
    let id = OperationId::new(new_id(world.clock.now(), (world.random)()))
        .map_err(|e| CommandError::failed("internal", e.to_string()))?;
    let hold = Hold::take(world, state, &deployment.name, &id, "update").await?;
    let world = &hold.world(world);
    let patience = std::time::Duration::from_millis(desired.progress_ms);
    for (seq, reference) in (1..).zip(stale) {
        let tag = crate::host::Tag {
            fence: hold.fence(),
            seq,
            operation: id.clone(),
        };
        // Whoever lost the lock meanwhile sends nothing more.
        still_ours(world).await?;
        let pulled = pull_alone(world, &deployment.instance_id, tag, reference, patience).await;
        if let Err(failure) = pulled {
            tracing::warn!(%reference, why = failure.message, "the registry could not be asked");
        }
    }
    hold.release().await;
    Ok(())
}

/// Whether the file says this reference, by tag, and the service runs what the host has under it.
fn says_and_runs(
    observed: &Observed,
    deployment: &Deployment,
    service: &ServiceName,
    reference: &ImageRef,
) -> bool {
    let facts = observed.host.facts();
    let project = facts.and_then(|f| {
        f.projects
            .iter()
            .find(|p| p.name == deployment.compose.project)
    });
    let (Some(facts), Some(project)) = (facts, project) else {
        return false;
    };
    let services = project
        .texts()
        .and_then(|texts| read_project(&texts).ok())
        .unwrap_or_default();
    let written = services.get(service).and_then(|s| s.image.as_deref());
    let local = facts.images.get(&reference.normalized()).map(|i| &i.id);
    reference.digest().is_none()
        && written == Some(reference.as_str())
        && project.service(service).map(|c| &c.image_id) == local
}
