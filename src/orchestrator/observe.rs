//! One look at everything, read-only.

use std::collections::{BTreeMap, BTreeSet};

use super::probes::ask_once;
use super::world::World;
use crate::cloud::{CloudError, Effect, ReservationOwner, Reserve};
use crate::host::{HostError, LookRequest, Tag};
use crate::instance::ebs_optimized_at;
use crate::model::{
    Deployment, HostView, ImageRef, InstanceFacts, InstanceId, InstanceType, Observed, Permit,
    RunState, ServiceName,
};

/// For a dry run alone: nothing is made that would end then.
const AN_HOUR: std::time::Duration = std::time::Duration::from_secs(60 * 60);

/// What to look at besides the deployment itself.
#[derive(Debug, Clone, Default)]
pub struct Ask {
    /// The types that are wanted.
    pub types: BTreeSet<InstanceType>,
    /// `EbsOptimized` that goes with the type, where it is known.
    pub ebs_optimized: Option<bool>,
    /// The types that going back may turn to.
    pub fallback_types: BTreeSet<InstanceType>,
    /// Whether the effects of a change of the type are permitted, also where no other type is wanted.
    pub permits: bool,
    /// Whether capacity is to be reserved for them: then that is asked about too.
    pub reserve: bool,
    /// References that are wanted: what they mean on the host.
    pub images: Vec<ImageRef>,
    /// The services whose images are wanted: what an `up` of them would apply besides.
    pub services: Vec<ServiceName>,
    /// The operation whose controller looks: its armed host hears of it.
    pub beat: Option<Tag>,
}

/// Why a look could not be made at all.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ObserveError {
    /// A call failed.
    #[error(transparent)]
    Cloud(#[from] CloudError),
    /// The instance is gone.
    #[error("{0} does not exist (any more) in this region")]
    NoInstance(InstanceId),
}

/// Looks.
///
/// # Errors
/// When EC2 cannot be asked, or has no such instance. A host or a file system that cannot be asked is part
/// of what is observed.
pub async fn observe(
    world: &World,
    deployment: &Deployment,
    ask: &Ask,
) -> Result<Observed, ObserveError> {
    let at = world.clock.now();
    let id = &deployment.instance_id;
    let instance = world
        .ec2
        .instance(id)
        .await?
        .ok_or_else(|| ObserveError::NoInstance(id.clone()))?;
    let mut names = vec![instance.instance_type.clone()];
    let other = |t: &&InstanceType| **t != instance.instance_type;
    let wanted = ask.types.iter().find(other).cloned();
    let all: BTreeSet<_> = ask.types.union(&ask.fallback_types).collect();
    names.extend(all.into_iter().filter(other).cloned());
    let types: BTreeMap<_, _> = world
        .ec2
        .types(&names)
        .await?
        .into_iter()
        .map(|t| (t.name.clone(), t))
        .collect();
    let known: Vec<InstanceType> = types.keys().cloned().collect();
    let offered: BTreeSet<_> = world
        .ec2
        .offered(&known, &instance.zone)
        .await?
        .into_iter()
        .collect();
    let to = wanted.as_ref();
    let to = to.or(ask.permits.then_some(&instance.instance_type));
    let (instance, permits) = match to {
        Some(to) => {
            let flag = types
                .get(to)
                .map(|target| ebs_optimized_at(&instance, target, ask.ebs_optimized));
            let permits = permits(world, deployment, ask, &instance, to, flag).await?;
            (world.ec2.complete(instance).await?, permits)
        }
        None => (instance, BTreeMap::new()),
    };
    let file_system = match &deployment.file_system_id {
        None => None,
        Some(id) => Some(match world.efs.file_system(id).await {
            Ok(Some(facts)) => Ok(facts),
            Ok(None) => Err(format!("{id} does not exist in this region")),
            Err(error) if error.stops_everything() => return Err(error.into()),
            Err(error) => Err(error.to_string()),
        }),
    };
    let host = match instance.state {
        RunState::Running => look(world, deployment, ask).await?,
        RunState::Stopped => HostView::Stopped,
        other => HostView::Unreachable(format!("the instance is {}", other.as_str())),
    };
    Ok(Observed {
        at,
        instance,
        types,
        offered,
        permits,
        file_system,
        host,
    })
}

/// Asks about each effect that a change of the type to this one would have.
async fn permits(
    world: &World,
    deployment: &Deployment,
    ask: &Ask,
    instance: &InstanceFacts,
    to: &InstanceType,
    ebs_optimized: Option<bool>,
) -> Result<BTreeMap<&'static str, Permit>, CloudError> {
    let mut effects = match instance.state {
        RunState::Running => vec![Effect::Stop, Effect::SetType(to.clone()), Effect::Start],
        RunState::Stopped => vec![Effect::SetType(to.clone())],
        _ => return Ok(BTreeMap::new()),
    };
    let flag = ebs_optimized.filter(|flag| *flag != instance.ebs_optimized);
    effects.extend(flag.map(Effect::SetEbsOptimized));
    if ask.reserve && instance.state == RunState::Running {
        effects.push(Effect::Reserve(Reserve {
            instance_type: to.clone(),
            zone: instance.zone.clone(),
            platform: instance.platform.clone(),
            tenancy: instance.tenancy.clone(),
            ends_at: world.clock.now().checked_add(AN_HOUR).unwrap_or_default(),
            token: "geusemaker-dry-run".into(),
            owner: ReservationOwner {
                deployment: deployment.name.clone(),
                instance: instance.id.clone(),
                operation: None,
            },
        }));
    }
    let mut permits = BTreeMap::new();
    for effect in effects {
        let permit = world.ec2.permits(&instance.id, &effect).await?;
        // Two effects of one call: a policy can tell attributes apart.
        let known = permits.entry(effect.call()).or_insert(Permit::Yes);
        if *known == Permit::Yes {
            *known = permit;
        }
    }
    Ok(permits)
}

async fn look(world: &World, deployment: &Deployment, ask: &Ask) -> Result<HostView, ObserveError> {
    let on = &deployment.instance_id;
    let request = LookRequest {
        // Without a file system of its own, `/` tells which mount points of fstab are not mounted.
        mount_point: deployment.mount_point.clone().or_else(|| Some("/".into())),
        images: ask.images.clone(),
        only_boot: false,
        pending: (!ask.services.is_empty())
            .then(|| (deployment.compose.project.clone(), ask.services.clone())),
        beat: ask.beat.clone(),
    };
    let mut facts = match world.host.look(on, &request).await {
        Ok(facts) => facts,
        Err(HostError::Cloud(error)) if error.stops_everything() => return Err(error.into()),
        Err(error) => return Ok(HostView::Unreachable(error.to_string())),
    };
    // What the services declare; a look alone has Docker's word only.
    let name = &deployment.compose.project;
    if let Some(project) = facts.projects.iter_mut().find(|p| p.name == *name) {
        match ask_once(world, on, project).await {
            Ok(()) => {}
            Err(HostError::Cloud(error)) if error.stops_everything() => return Err(error.into()),
            Err(error) => return Ok(HostView::Unreachable(error.to_string())),
        }
    }
    // The probes of the mount itself, under their time limit; the reading half of the sentinel.
    if let Some(point) = &deployment.mount_point {
        let limit_s = u32::try_from(world.limits.mount_probe.as_secs().max(1)).unwrap_or(u32::MAX);
        let ask = crate::host::MountRequest {
            point: point.clone(),
            limit_s,
            token: "look".into(),
        };
        facts.mount = match world.host.mount(on, None, &ask).await {
            Ok(mount) => Some(mount),
            Err(HostError::Cloud(error)) if error.stops_everything() => return Err(error.into()),
            Err(error) => return Ok(HostView::Unreachable(error.to_string())),
        };
    }
    Ok(HostView::Up(Box::new(facts)))
}
