//! The armed restore, through the real wire and in a real shell: the host of the sandbox plays systemd's part.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use geusemaker::cloud::SystemClock;
use geusemaker::cloud::aws::{Aws, in_process};
use geusemaker::host::scripts::is_ours;
use geusemaker::host::{
    ApplyJob, ApplyService, ArmRequest, ChannelLimits, FileText, Host, HostError, Job, JobState,
    LookRequest, RunCommandHost, Tag,
};
use geusemaker::model::{
    HostFacts, ImageRef, InstanceId, OperationId, RestoreState, Secret, ServiceName, sha256_hex,
};
use geusemaker::sandbox::connector::http_client;
use geusemaker::sandbox::fault::Fault;
use geusemaker::sandbox::place::Place;
use geusemaker::sandbox::world::{SEED_INSTANCE, World};

use crate::saga::block_on;
use crate::support::{BIN, Sandbox};

const NEW: &str = "n8nio/n8n:1.20.0";
const SICK: &str = "health:n8n@n8nio/n8n:1.20.0";

/// An update of n8n under way, whose controller is this test.
struct Update {
    place: Place,
    host: RunCommandHost,
    id: InstanceId,
    forward: ApplyJob,
    back: ApplyJob,
}

impl Update {
    /// Armed and applied; the new version is healthy, or not.
    async fn new(dir: &Path, sick: bool) -> Self {
        let place = Place::open(&dir.join("sandbox")).unwrap();
        let region = place.with(|world, _| world.region.clone()).unwrap();
        let aws = in_process(http_client(place.endpoint(BIN.into())), &region);
        let agent = Aws::new(&aws).unwrap().agent;
        let host = RunCommandHost::new(agent, Arc::new(SystemClock), ChannelLimits::fast());
        let id = InstanceId::new(SEED_INSTANCE).unwrap();
        let ask = LookRequest::default();
        let before = host.look(&id, &ask).await.unwrap();
        let pull = Job::Pull {
            reference: ImageRef::new(NEW).unwrap(),
        };
        let mut update = Self {
            place,
            host,
            id,
            forward: job(&before, ""),
            back: job(&before, ""),
        };
        if sick {
            let fault = Fault {
                key: SICK.into(),
                instance_type: None,
                code: "unhealthy".into(),
                times: None,
            };
            let add = |world: &mut World, _| world.faults.0.push(fault);
            update.place.with(add).unwrap();
        }
        assert_eq!(update.run(1, &pull).await, JobState::Done);
        let ask = LookRequest {
            images: vec![ImageRef::new(NEW).unwrap()],
            ..LookRequest::default()
        };
        let facts = update.host.look(&update.id, &ask).await.unwrap();
        let new = facts.images.values().next().unwrap().id.to_string();
        update.forward = job(&facts, &new);
        update.back.text = FileText::Kept;
        update.back.from_sha256 = update.forward.to_sha256.clone();
        update.arm(2, 600).await;
        let apply = Job::Apply(Box::new(update.forward.clone()));
        assert_eq!(update.run(3, &apply).await, JobState::Done);
        assert_eq!(update.n8n().await, (true, true));
        update
    }

    /// Arms, and says no more: after so many seconds the host is on its own.
    async fn arm(&self, seq: u64, grace_s: u32) {
        let arm = ArmRequest {
            declared: vec![],
            probes: vec![],
            restore: self.back.clone(),
            green: ["n8n", "postgres"].map(str::to_owned).to_vec(),
            grace_s,
            stable_s: 1,
        };
        let armed = self.host.arm(&self.id, &self.tag(seq), &arm).await;
        assert_eq!(armed.unwrap().as_str(), "armed");
    }

    fn tag(&self, seq: u64) -> Tag {
        Tag {
            fence: 1,
            seq,
            operation: OperationId::new("op-1").unwrap(),
        }
    }

    async fn run(&self, seq: u64, job: &Job) -> JobState {
        let tag = self.tag(seq);
        let mut state = self.host.start(&self.id, &tag, job).await.unwrap();
        while let JobState::Running(_) = state {
            tokio::time::sleep(Duration::from_millis(20)).await;
            state = self.host.poll(&self.id, &tag).await.unwrap();
        }
        state
    }

    /// Looks, as somebody who is not the controller, until the state is so.
    async fn until(&self, wanted: impl Fn(&RestoreState) -> bool) -> RestoreState {
        let ask = LookRequest {
            only_boot: true,
            ..LookRequest::default()
        };
        let mut last = None;
        for _ in 0..600 {
            match self.host.look(&self.id, &ask).await {
                Ok(facts) if wanted(&facts.restore) => return facts.restore,
                Ok(facts) => last = Some(facts.restore),
                // The agent comes up after the boot.
                Err(HostError::Unreachable(_)) => {}
                Err(other) => panic!("{other}"),
            }
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
        panic!("it stays {last:?}");
    }

    /// What the host makes of the silence.
    async fn end(&self) -> RestoreState {
        self.until(|state| !matches!(state.as_str(), "armed" | "restoring"))
            .await
    }

    /// Whether the file says the new version, and whether it runs.
    async fn n8n(&self) -> (bool, bool) {
        let facts = self.host.look(&self.id, &LookRequest::default()).await;
        let project = &facts.unwrap().projects[0];
        let n8n = project.service(&ServiceName::new("n8n").unwrap()).unwrap();
        (
            project.sha256.as_deref() == Some(&self.forward.to_sha256),
            n8n.image == NEW && n8n.pid > 0,
        )
    }
}

/// The job that makes n8n run this image, or leaves all as it is.
fn job(facts: &HostFacts, to: &str) -> ApplyJob {
    let project = &facts.projects[0];
    let text = project.text.as_ref().unwrap().expose().to_owned();
    let image = |name: &str| {
        let service = project.service(&ServiceName::new(name).unwrap());
        service.unwrap().image_id.clone()
    };
    let n8n = project.service(&ServiceName::new("n8n").unwrap()).unwrap();
    let new = match to {
        "" => text.clone(),
        _ => text.replace(&n8n.image, NEW),
    };
    let services = ["postgres", "n8n", "ollama", "qdrant", "crawl4ai"].map(|name| ApplyService {
        service: ServiceName::new(name).unwrap(),
        container: name.to_owned(),
        image_id: match (name, to) {
            ("n8n", id) if !id.is_empty() => geusemaker::model::Sha256Id::new(id).unwrap(),
            _ => image(name),
        },
    });
    ApplyJob {
        project: project.name.clone(),
        file: project.files[0].clone(),
        env_files: project.env_files.clone(),
        from_sha256: sha256_hex(&text),
        to_sha256: sha256_hex(&new),
        text: FileText::New(Secret::new(new)),
        more_files: Vec::new(),
        more_texts: Vec::new(),
        tags: Vec::new(),
        services: services.to_vec(),
        policies: Vec::new(),
        start: true,
    }
}

#[test]
fn a_silent_controller_s_bad_image_is_taken_back_by_the_host_itself() {
    let sandbox = Sandbox::new();
    block_on(async {
        let update = Update::new(sandbox.path(), true).await;
        update.arm(4, 2).await;
        let restored = RestoreState::Restored {
            operation: OperationId::new("op-1").unwrap(),
            by_itself: true,
        };
        assert_eq!(update.end().await, restored);
        assert_eq!(update.n8n().await, (false, false));
        // A late script of the way forward is refused.
        let apply = Job::Apply(Box::new(update.forward.clone()));
        let late = update.host.start(&update.id, &update.tag(9), &apply).await;
        assert!(
            matches!(&late, Err(HostError::Script { code, .. }) if code == "host_restored"),
            "{late:?}"
        );
        // What the timer ran is no command of anybody's.
        let ours = |world: &mut World, _| {
            let scripts = world.commands.iter().map(|c| c.script.to_string());
            (
                scripts.collect::<Vec<_>>(),
                world.hosts[SEED_INSTANCE].timer.active(),
            )
        };
        let (scripts, active) = update.place.with(ours).unwrap();
        // Of old ones the text is not kept.
        let ours = |script: &String| script.is_empty() || is_ours(script);
        assert!(scripts.iter().all(ours));
        assert!(!active, "nothing is left to wait for");
    });
}

#[test]
fn a_silent_controller_s_good_image_stays() {
    let sandbox = Sandbox::new();
    block_on(async {
        let update = Update::new(sandbox.path(), false).await;
        update.arm(4, 2).await;
        let committed = RestoreState::Committed {
            operation: OperationId::new("op-1").unwrap(),
            by_itself: true,
        };
        assert_eq!(update.end().await, committed);
        assert_eq!(update.n8n().await, (true, true));
    });
}

#[test]
fn an_armed_restore_survives_a_reboot_and_waits_anew() {
    let sandbox = Sandbox::new();
    block_on(async {
        let update = Update::new(sandbox.path(), true).await;
        update.arm(4, 40).await;
        let armed = update.until(|_| true).await;
        let deadline = |state: &RestoreState| match state {
            RestoreState::Armed { deadline, .. } => *deadline,
            other => panic!("{other:?}"),
        };
        let reboot = |world: &mut World, now| {
            let rebooted = world.reboot_instances(&[SEED_INSTANCE], false, now);
            rebooted.unwrap();
            world.hosts[SEED_INSTANCE].timer.active()
        };
        assert!(update.place.with(reboot).unwrap(), "the boot starts it");
        let before = deadline(&armed);
        update.until(|state| deadline(state) > before).await;
    });
}
