//! What `resume` sees before it does anything: the part of an observation that its steps leave marks on.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

use crate::model::{
    Colour, ContainerFacts, Deployment, HostView, InstanceType, Observed, RestoreState, RunState,
    ServiceName, Sha256Id,
};
use crate::plan::{Boot, StackState};

/// What was seen.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
pub struct Seen {
    /// The type of the instance.
    pub instance_type: InstanceType,
    /// Its `EbsOptimized`; None in a journal of an older version.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ebs_optimized: Option<bool>,
    /// Whether it runs.
    pub state: RunState,
    /// The host; None where it could not be asked.
    pub host: Option<SeenHost>,
}

/// What was seen on the host.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
pub struct SeenHost {
    /// The boot that answered.
    pub boot: Boot,
    /// SHA-256 of the compose file, in hex (of several, [`crate::model::files_sha256`]); None where there is none,
    /// or it cannot be read.
    pub compose_sha256: Option<String>,
    /// The containers of the project, one-off ones left out.
    pub containers: Vec<SeenContainer>,
    /// The images on it, among those that were asked for.
    pub images: BTreeSet<Sha256Id>,
    /// What the host would do, or did, by itself.
    pub restore: RestoreState,
}

/// A container that was seen.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
pub struct SeenContainer {
    /// Its service.
    pub service: ServiceName,
    /// Its name.
    pub name: String,
    /// The image that it was made from.
    pub image_id: Sha256Id,
    /// Whether it runs.
    pub running: bool,
    /// Whether it is a one-shot that ended well.
    pub finished: bool,
}

impl Seen {
    /// From a look at everything.
    pub fn of(observed: &Observed, deployment: &Deployment) -> Self {
        let host = match &observed.host {
            HostView::Up(facts) => {
                let project = facts
                    .projects
                    .iter()
                    .find(|p| p.name == deployment.compose.project);
                let containers = project.into_iter().flat_map(|p| &p.containers);
                Some(SeenHost {
                    boot: Boot {
                        id: facts.boot_id.clone(),
                        launched_at: observed.instance.launched_at,
                    },
                    compose_sha256: project.and_then(|p| p.compose_sha256()),
                    containers: containers.filter(|c| !c.one_off).map(seen).collect(),
                    images: facts.images.values().map(|i| i.id.clone()).collect(),
                    restore: facts.restore.clone(),
                })
            }
            HostView::Stopped | HostView::Unreachable(_) => None,
        };
        Self {
            instance_type: observed.instance.instance_type.clone(),
            ebs_optimized: Some(observed.instance.ebs_optimized),
            state: observed.instance.state,
            host,
        }
    }

    /// Whether this is that state, as far as it can be seen: a host that was not seen says nothing.
    pub fn is(&self, state: &StackState) -> bool {
        let flag = self.ebs_optimized.zip(state.ebs_optimized);
        self.instance_type == state.instance_type
            && flag.is_none_or(|(is, was)| is == was)
            && self.state == state.state
            && self.host.as_ref().is_none_or(|host| host.is(state))
    }
}

impl SeenHost {
    fn is(&self, state: &StackState) -> bool {
        let ids = self.ids();
        // A one-shot that has ended well since is no difference.
        let ran = |service: &ServiceName| {
            let mut of_service = self.containers.iter().filter(|c| c.service == *service);
            of_service.any(|c| c.running || c.finished)
        };
        self.compose_sha256 == state.compose_sha256
            && state.running.iter().all(ran)
            && state.images.iter().all(|(service, image)| {
                let of_service = ids.get(service);
                of_service.is_some_and(|ids| image.id.as_ref().is_some_and(|id| ids.contains(id)))
            })
    }

    /// The image ids of each service's containers.
    pub fn ids(&self) -> BTreeMap<&ServiceName, BTreeSet<&Sha256Id>> {
        self.ids_of(|_| true)
    }

    /// The image ids of each service's containers that run: what lies stopped beside them changes nothing.
    pub fn running(&self) -> BTreeMap<&ServiceName, BTreeSet<&Sha256Id>> {
        self.ids_of(|c| c.running)
    }

    fn ids_of(
        &self,
        which: impl Fn(&SeenContainer) -> bool,
    ) -> BTreeMap<&ServiceName, BTreeSet<&Sha256Id>> {
        let mut ids: BTreeMap<_, BTreeSet<_>> = BTreeMap::new();
        for c in self.containers.iter().filter(|c| which(c)) {
            ids.entry(&c.service).or_default().insert(&c.image_id);
        }
        ids
    }
}

fn seen(c: &ContainerFacts) -> SeenContainer {
    SeenContainer {
        service: c.service.clone(),
        name: c.name.clone(),
        image_id: c.image_id.clone(),
        running: c.running(),
        finished: c.colour() == Colour::Finished,
    }
}
