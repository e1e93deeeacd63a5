//! What `exec` and `logs` look at first.

use super::prepare::open;
use super::world::World;
use crate::host::LookRequest;
use crate::model::{ContainerFacts, Deployment, DeploymentName, RunState, ServiceName};
use crate::report::CommandError;

/// The deployment, whose instance runs.
pub(super) async fn running(
    world: &World,
    name: &DeploymentName,
) -> Result<Deployment, CommandError> {
    let (_, deployment) = open(world, name)?;
    let id = &deployment.instance_id;
    let instance = world.ec2.instance(id).await?.ok_or_else(|| {
        CommandError::failed(
            "instance_gone",
            format!("{id} does not exist (any more) in this region"),
        )
    })?;
    if instance.state != RunState::Running {
        let state = instance.state.as_str();
        return Err(CommandError::refused(
            "instance_stopped",
            format!("{id} is {state}: nothing on it can be asked"),
        ));
    }
    Ok(deployment)
}

/// The containers of the project, or of one service of it, by name; without those of `compose run`.
pub(super) async fn containers(
    world: &World,
    deployment: &Deployment,
    service: Option<&ServiceName>,
) -> Result<Vec<ContainerFacts>, CommandError> {
    let on = &deployment.instance_id;
    let facts = world.host.look(on, &LookRequest::default()).await?;
    let project = &deployment.compose.project;
    let all = facts
        .projects
        .into_iter()
        .filter(|p| p.name == *project)
        .flat_map(|p| p.containers);
    let mut all: Vec<ContainerFacts> = all.filter(|c| !c.one_off).collect();
    all.sort_by(|a, b| a.name.cmp(&b.name));
    let Some(service) = service else {
        return Ok(all);
    };
    let mut names: Vec<&str> = all.iter().map(|c| c.service.as_str()).collect();
    names.dedup();
    let names = names.join(", ");
    all.retain(|c| c.service == *service);
    if all.is_empty() {
        return Err(CommandError::refused(
            "unknown_service",
            format!(
                "the compose project {project} has no container of a service {service}; there are {names}"
            ),
        ));
    }
    Ok(all)
}

/// The id of the container of a service, which runs.
pub(super) async fn service_container(
    world: &World,
    deployment: &Deployment,
    service: &ServiceName,
) -> Result<String, CommandError> {
    let all = containers(world, deployment, Some(service)).await?;
    match all.iter().find(|c| c.running()) {
        Some(container) => Ok(container.id.clone()),
        None => Err(CommandError::refused(
            "service_down",
            format!("no container of {service} runs"),
        )),
    }
}
