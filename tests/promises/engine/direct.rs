//! The host scripts on a real instance through the port alone: no plan, no journal, and a controller that may fall silent.

use std::cell::Cell;
use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use geusemaker::cloud::SystemClock;
use geusemaker::cloud::aws::{Aws, in_process};
use geusemaker::efs::{drop_in_text, mount_unit};
use geusemaker::host::{
    ApplyJob, ApplyService, ArmRequest, ChannelLimits, FileText, HoldFacts, HoldRequest, Host,
    HostError, Job, JobState, LookRequest, OrderFacts, OrderRequest, QuiesceContainer,
    RunCommandHost, Tag,
};
use geusemaker::model::{
    DeploymentName, HostFacts, ImageRef, InstanceId, OperationId, RestoreState, Secret,
    ServiceName, Sha256Id, sha256_hex,
};
use geusemaker::sandbox::connector::http_client;
use geusemaker::sandbox::world::SEED_INSTANCE;
use tokio::runtime::Runtime;

use super::real::Real;
use crate::support::BIN;

/// The stack's services, as they depend on each other.
const ORDER: [&str; 5] = ["postgres", "n8n", "ollama", "qdrant", "crawl4ai"];

/// A controller with nothing behind it.
pub struct Direct {
    runtime: Runtime,
    host: RunCommandHost,
    id: InstanceId,
    operation: OperationId,
    seq: Cell<u64>,
    /// The stack as it was when this began.
    facts: HostFacts,
}

impl Direct {
    /// Looks at the instance. Each has an operation of its own.
    pub fn new(real: &Real, operation: &str) -> Self {
        let place = real.place();
        let region = place.with(|world, _| world.region.clone()).unwrap();
        let aws = in_process(http_client(place.endpoint(BIN.into())), &region);
        let agent = Aws::new(&aws).unwrap().agent;
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .unwrap();
        let host = RunCommandHost::new(agent, Arc::new(SystemClock), ChannelLimits::fast());
        let id = InstanceId::new(SEED_INSTANCE).unwrap();
        let ask = LookRequest::default();
        let facts = runtime.block_on(host.look(&id, &ask)).unwrap();
        Self {
            runtime,
            host,
            id,
            operation: OperationId::new(operation).unwrap(),
            seq: Cell::new(0),
            facts,
        }
    }

    /// The next tag.
    pub fn tag(&self) -> Tag {
        self.seq.set(self.seq.get() + 1);
        Tag {
            fence: 1,
            seq: self.seq.get(),
            operation: self.operation.clone(),
        }
    }

    /// Starts a job.
    pub fn start(&self, tag: &Tag, job: &Job) -> Result<JobState, HostError> {
        self.runtime.block_on(self.host.start(&self.id, tag, job))
    }

    /// The same, to its end.
    pub fn run(&self, job: &Job) -> JobState {
        let tag = self.tag();
        let mut state = self.start(&tag, job).unwrap();
        while let JobState::Running(_) = state {
            std::thread::sleep(Duration::from_millis(50));
            state = self.poll(&tag).unwrap();
        }
        state
    }

    /// How far it is.
    pub fn poll(&self, tag: &Tag) -> Result<JobState, HostError> {
        self.runtime.block_on(self.host.poll(&self.id, tag))
    }

    /// What stays now.
    pub fn commit(&self, tag: &Tag) -> Result<RestoreState, HostError> {
        self.runtime.block_on(self.host.commit(&self.id, tag))
    }

    /// Docker is to wait for the mount.
    pub fn order(&self, tag: &Tag) -> Result<OrderFacts, HostError> {
        let point = "/mnt/efs";
        let ask = OrderRequest {
            point: point.into(),
            unit: mount_unit(point),
            text: drop_in_text(point),
        };
        let order = self.host.order(&self.id, Some(tag), &ask);
        self.runtime.block_on(order)
    }

    /// Exactly these images are to be held.
    pub fn hold(&self, tag: &Tag, images: &BTreeSet<Sha256Id>) -> Result<HoldFacts, HostError> {
        let ask = HoldRequest {
            deployment: DeploymentName::new("my-dev-stack").unwrap(),
            images: images.clone(),
        };
        self.runtime
            .block_on(self.host.hold(&self.id, Some(tag), &ask))
    }

    /// Those that ran when this began.
    pub fn images(&self) -> BTreeSet<Sha256Id> {
        let containers = self.facts.projects[0].containers.iter();
        containers.map(|c| c.image_id.clone()).collect()
    }

    /// Arms with the way back from this job, so that it waits so many seconds for a word.
    pub fn arm(&self, forward: &ApplyJob, grace_s: u32) -> Result<RestoreState, HostError> {
        self.arm_as(&self.tag(), forward, grace_s)
    }

    /// The same, with this tag.
    pub fn arm_as(
        &self,
        tag: &Tag,
        forward: &ApplyJob,
        grace_s: u32,
    ) -> Result<RestoreState, HostError> {
        let arm = ArmRequest {
            declared: vec![],
            probes: vec![],
            restore: self.back(forward),
            green: ORDER.map(str::to_owned).to_vec(),
            grace_s,
            stable_s: 1,
        };
        self.runtime.block_on(self.host.arm(&self.id, tag, &arm))
    }

    /// The job after which n8n runs this image, and all else as before.
    pub fn forward(&self, image: &str) -> ApplyJob {
        let project = &self.facts.projects[0];
        let old = project.text.as_ref().unwrap().expose().to_owned();
        let reference = ImageRef::new(image).unwrap();
        let ask = LookRequest {
            images: vec![reference],
            ..LookRequest::default()
        };
        let facts = self.runtime.block_on(self.host.look(&self.id, &ask));
        let new_id = facts.unwrap().images.values().next().unwrap().id.clone();
        let was = project.service(&name("n8n")).unwrap();
        let new = old.replace(&was.image, image);
        let services = self.services(|service| (service == "n8n").then(|| new_id.clone()));
        ApplyJob {
            project: project.name.clone(),
            file: project.files[0].clone(),
            env_files: project.env_files.clone(),
            from_sha256: sha256_hex(&old),
            to_sha256: sha256_hex(&new),
            more_files: Vec::new(),
            more_texts: Vec::new(),
            text: FileText::New(Secret::new(new)),
            tags: Vec::new(),
            services,
            policies: Vec::new(),
            start: true,
        }
    }

    /// The way back from it.
    pub fn back(&self, forward: &ApplyJob) -> ApplyJob {
        ApplyJob {
            text: FileText::Kept,
            from_sha256: forward.to_sha256.clone(),
            to_sha256: forward.from_sha256.clone(),
            services: self.services(|_| None),
            policies: self.containers(),
            ..forward.clone()
        }
    }

    /// Stops all of them, the dependants first.
    pub fn quiesce(&self) -> Job {
        let mut containers = self.containers();
        containers.reverse();
        Job::Quiesce {
            containers,
            back: false,
        }
    }

    fn containers(&self) -> Vec<QuiesceContainer> {
        let project = &self.facts.projects[0];
        let of = |service: &str| QuiesceContainer {
            name: service.to_owned(),
            comes_up: false,
            restart_policy: project
                .service(&name(service))
                .unwrap()
                .restart_policy
                .clone(),
        };
        ORDER.map(of).to_vec()
    }

    fn services(&self, other: impl Fn(&str) -> Option<Sha256Id>) -> Vec<ApplyService> {
        let project = &self.facts.projects[0];
        let of = |service: &str| {
            let own = || project.service(&name(service)).unwrap().image_id.clone();
            ApplyService {
                service: name(service),
                container: service.to_owned(),
                image_id: other(service).unwrap_or_else(own),
            }
        };
        ORDER.map(of).to_vec()
    }
}

fn name(service: &str) -> ServiceName {
    ServiceName::new(service).unwrap()
}
