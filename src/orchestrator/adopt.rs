//! `adopt`: takes over an instance that runs a compose stack already. Changes nothing on it.

use std::collections::{BTreeMap, BTreeSet};

use super::looks::{instance_view, service_view};
use super::observe::{Ask, ObserveError, observe};
use super::world::World;
use crate::efs;
use crate::model::{
    AdoptRequest, ComposeIdentity, DEPLOYMENT_SCHEMA, Deployment, DeploymentCache, EfsChoice,
    FileSystemId, HostFacts, HostView, Observed, ProjectFacts,
};
use crate::plan::{Check, CheckStatus};
use crate::report::{AdoptData, CommandError};
use crate::state::{StateDir, StateError};

/// Looks at the instance, finds its compose project by the containers' labels and its file system by the
/// mount table, and writes down what it is.
///
/// # Errors
/// Refused: the name is taken by another instance, the instance does not run, its host does not answer,
/// there is no or more than one compose project, or no file system where one is needed.
pub async fn adopt(world: &World, request: &AdoptRequest) -> Result<AdoptData, CommandError> {
    let (state, _) = StateDir::open(&world.state_dir)?;
    match state.load(&request.name) {
        Ok(there) if there.instance_id != request.instance_id => {
            return Err(CommandError::refused(
                "name_taken",
                format!(
                    "{} is the name of another deployment, on {}",
                    request.name, there.instance_id
                ),
            )
            .help("choose another name"));
        }
        Ok(_) | Err(StateError::NotFound { .. }) => {}
        Err(error) => return Err(error.into()),
    }
    // Two names for one instance would be two locks for it.
    let others = state.deployments()?.items;
    if let Some(other) = others
        .iter()
        .find(|d| d.instance_id == request.instance_id && d.name != request.name)
    {
        return Err(CommandError::refused(
            "instance_taken",
            format!(
                "{} is the deployment {} already",
                request.instance_id, other.name
            ),
        )
        .help(format!(
            "use {}: geusemaker status {}",
            other.name, other.name
        )));
    }
    let mut deployment = Deployment {
        schema: DEPLOYMENT_SCHEMA.into(),
        name: request.name.clone(),
        account: String::new(),
        region: String::new(),
        instance_id: request.instance_id.clone(),
        file_system_id: None,
        mount_point: None,
        compose: ComposeIdentity {
            project: String::new(),
            file: String::new(),
            more_files: Vec::new(),
        },
        created_at: world.clock.now(),
        cache: DeploymentCache {
            status: "adopted".into(),
            instance_type: crate::model::InstanceType::new("t3.micro").expect("a valid type"),
            public_ip: None,
            images: BTreeMap::new(),
            updated_at: world.clock.now(),
        },
        unknown: BTreeMap::new(),
    };
    let observed = look(world, &deployment).await?;
    let facts = host(&observed)?;
    let project = project(facts, request)?;
    let mut files = project.files.iter().cloned();
    deployment.compose = ComposeIdentity {
        project: project.name.clone(),
        file: files.next().unwrap_or_default(),
        more_files: files.collect(),
    };
    deployment.account = observed.instance.account.clone();
    deployment.region = observed.instance.region.clone();
    deployment.cache.instance_type = observed.instance.instance_type.clone();
    deployment.cache.public_ip = observed.instance.public_ip.clone();
    deployment.cache.images = project
        .containers
        .iter()
        .filter(|c| c.running() && !c.one_off)
        .map(|c| (c.service.to_string(), c.image.clone()))
        .collect();
    if request.efs == Some(EfsChoice::None) {
        let found = mounts(world, &deployment, project).await?.0;
        if let Some((point, id)) = found.first() {
            return Err(CommandError::refused(
                "data_on_efs",
                format!("the stack keeps data on {id}, mounted at {point}"),
            )
            .help("adopt it without --efs none: the mount is then checked before each change"));
        }
    } else {
        let wanted = match &request.efs {
            Some(EfsChoice::FileSystem(id)) => Some(id.clone()),
            _ => None,
        };
        let (point, id) = find_mount(world, &deployment, project, wanted.as_ref()).await?;
        deployment.mount_point = Some(point);
        deployment.file_system_id = Some(id);
    }
    state.save(&deployment)?;
    Ok(AdoptData {
        name: deployment.name,
        account: deployment.account,
        region: deployment.region,
        instance: instance_view(&observed),
        services: project
            .containers
            .iter()
            .filter(|c| !c.one_off)
            .map(service_view)
            .collect(),
        compose: deployment.compose,
        file_system_id: deployment.file_system_id,
        mount_point: deployment.mount_point,
    })
}

async fn look(world: &World, deployment: &Deployment) -> Result<Observed, CommandError> {
    match observe(world, deployment, &Ask::default()).await {
        Ok(observed) => Ok(observed),
        Err(ObserveError::Cloud(error)) => Err(error.into()),
        Err(error) => Err(CommandError::refused("instance_exists", error.to_string())
            .help("check --instance-id, --region and --profile")),
    }
}

fn host(observed: &Observed) -> Result<&HostFacts, CommandError> {
    match &observed.host {
        HostView::Up(facts) => Ok(facts),
        HostView::Stopped => Err(CommandError::refused("instance_stopped", format!("{} is stopped", observed.instance.id))
            .help("start it: the stack is found by its running containers")),
        HostView::Unreachable(why) => Err(CommandError::refused("host_unreachable", format!("the host cannot be asked: {why}"))
            .help("the SSM agent must be online: it needs an instance profile with AmazonSSMManagedInstanceCore and a way to the SSM endpoints")),
    }
}

/// The one compose project, or the one whose file was named.
fn project<'f>(
    facts: &'f HostFacts,
    request: &AdoptRequest,
) -> Result<&'f ProjectFacts, CommandError> {
    let named: Vec<&ProjectFacts> = facts
        .projects
        .iter()
        .filter(|p| {
            request
                .compose
                .as_ref()
                .is_none_or(|file| p.files.contains(file))
        })
        .collect();
    let files = || {
        facts
            .projects
            .iter()
            .map(|p| format!("{} ({})", p.files.join(","), p.name))
            .collect::<Vec<_>>()
            .join("; ")
    };
    match named.as_slice() {
        [one] if one.files.is_empty() => Err(CommandError::refused(
            "no_files",
            format!(
                "the containers of the project {} do not say which compose file they come from",
                one.name
            ),
        )
        .help("bring the stack up once with Docker Compose v2")),
        [one] if one.files_differ => Err(CommandError::refused(
            "several_files",
            format!(
                "the containers of the project {} come from different compose files: {}",
                one.name,
                one.files.join(", ")
            ),
        )
        .help("bring the whole stack up once with all its files: docker compose -f … -f … up -d --force-recreate")),
        [one] if one.texts().is_none() => Err(CommandError::refused(
            "compose_unreadable",
            format!(
                "the compose file {} of the project {} cannot be read",
                one.files.join(", "),
                one.name
            ),
        )
        .because("missing, unreadable, larger than 1 MiB, or with a comma or a newline in its path")
        .help("put the file back where the running containers say it is; a path with a comma or a newline is not supported, since the containers name their files in one list")),
        [one] => Ok(one),
        [] if facts.projects.is_empty() => Err(CommandError::refused(
            "no_project",
            "no container of a compose project is on the host",
        )
        .help("start the stack with docker compose up -d: it is found by its containers' labels")),
        [] => Err(CommandError::refused(
            "no_project",
            format!("no project uses that file; there are: {}", files()),
        )),
        _ => Err(CommandError::refused(
            "several_projects",
            format!("there are several compose projects: {}", files()),
        )
        .help("name one: --compose PATH")),
    }
}

/// The mount points with an EFS file system behind them.
type Mounts = Vec<(String, FileSystemId)>;

/// The EFS file systems that a bind mount of the stack lies on, and what their mounts look like: tried for
/// each folder above a bind mount.
async fn mounts(
    world: &World,
    deployment: &Deployment,
    project: &ProjectFacts,
) -> Result<(Mounts, Vec<Check>), CommandError> {
    let mut candidates: BTreeSet<String> = BTreeSet::new();
    for bind in project.containers.iter().flat_map(|c| &c.binds) {
        let mut path = bind.source.as_str();
        while let Some((parent, _)) = path
            .rsplit_once('/')
            .filter(|(parent, _)| !parent.is_empty())
        {
            candidates.insert(path.to_owned());
            path = parent;
        }
        candidates.insert(path.to_owned());
    }
    let mut found: Mounts = Vec::new();
    let mut checks: Vec<Check> = Vec::new();
    // Shortest first: a mount point comes before what lies in it.
    let mut candidates: Vec<String> = candidates.into_iter().collect();
    candidates.sort_by_key(|c| c.len());
    for point in candidates.into_iter().take(40) {
        if found
            .iter()
            .any(|(p, _)| point.starts_with(&format!("{p}/")))
        {
            continue;
        }
        let request = crate::host::LookRequest {
            mount_point: Some(point.clone()),
            ..Default::default()
        };
        let facts = world.host.look(&deployment.instance_id, &request).await?;
        if let Some(mount) = facts.mount.filter(|m| m.mountinfo.is_some())
            && let Some(id) = efs::identity(&mount)
        {
            checks.extend(efs::judge_mount(&mount, Some(&id), &[]));
            found.push((point, id));
        }
    }
    Ok((found, checks))
}

/// The one mount point with the data.
async fn find_mount(
    world: &World,
    deployment: &Deployment,
    project: &ProjectFacts,
    wanted: Option<&FileSystemId>,
) -> Result<(String, FileSystemId), CommandError> {
    let (found, checks) = mounts(world, deployment, project).await?;
    if let Some(bad) = checks
        .iter()
        .find(|c| c.status == CheckStatus::Refuse && c.name != "mount_answers")
    {
        return Err(CommandError::refused(&bad.name, bad.message.clone())
            .because(&bad.found)
            .help(bad.help.clone()));
    }
    match (found.as_slice(), wanted) {
        ([(point, id)], None) => Ok((point.clone(), id.clone())),
        (all, Some(wanted)) => all
            .iter()
            .find(|(_, id)| id == wanted)
            .cloned()
            .ok_or_else(|| {
                CommandError::refused(
                    "no_file_system",
                    format!("{wanted} is not mounted under any bind mount of the stack"),
                )
            }),
        ([], None) => Err(CommandError::refused(
            "no_file_system",
            "no EFS file system is mounted under any bind mount of the stack",
        )
        .help("name it with --efs fs-…, or say --efs none where the data is on the root volume")),
        (several, None) => Err(CommandError::refused(
            "several_file_systems",
            format!(
                "several file systems are mounted: {}",
                several
                    .iter()
                    .map(|(p, id)| format!("{id} at {p}"))
                    .collect::<Vec<_>>()
                    .join(", ")
            ),
        )
        .help("name the one with the data: --efs fs-…")),
    }
}
