//! A stack in which a call is made, the commands on it, and when something goes wrong.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use geusemaker::cloud::Clock;
use geusemaker::cloud::aws::Aws;
use geusemaker::model::{
    ImageRef, InstanceType, Outcome, RollbackRequest, ServiceName, UpdateRequest,
};
use geusemaker::orchestrator::{
    Ended, Limits, Prepared, Way, World, prepare_rollback, prepare_update, resume,
};
use geusemaker::report::{CommandError, Event, EventKind, Listener, Phase, Silent};
use geusemaker::sandbox::fault::Fault as SandboxFault;
use geusemaker::sandbox::world::Spot;
use geusemaker::state::StateDir;

use super::host::Behind;
use super::line::{Fault, Line};
use crate::saga::{Rig, goes, options};

/// From when on something is wrong.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum When {
    /// From the first look of an update on.
    Update,
    /// From the beginning of the outage on, the stop included.
    Outage,
    /// From the moment on at which an update failed, on the way back.
    Back,
    /// From the first look of a rollback on.
    Rollback,
}

/// Patient enough for what passes, and short: what a limit does when it runs out is asked elsewhere.
const LIMITS: Limits = Limits {
    poll: Duration::from_secs(1),
    stop: Duration::from_secs(60),
    force_after: Duration::from_secs(30),
    start: Duration::from_secs(60),
    start_again: Duration::from_secs(20),
    retry: Duration::from_secs(10),
    set_type: Duration::from_secs(20),
    host: Duration::from_secs(40),
    answer: Duration::from_secs(10),
    quiesce: Duration::from_secs(60),
    apply: Duration::from_secs(60),
    checks: Duration::from_secs(20),
    ..Limits::AWS
};

/// Breaks the line when its moment has come.
struct Moment {
    line: Line,
    /// `None`: from then on the calls are counted.
    fault: Option<Fault>,
    when: When,
}

impl Moment {
    fn begins(&self) {
        match self.fault {
            Some(fault) => self.line.breaks(fault),
            None => self.line.forget(),
        }
    }
}

impl Listener for Moment {
    fn event(&self, event: &Event) {
        let now = match &event.kind {
            EventKind::StepStarted { step, phase, .. } => {
                self.when == When::Outage && *step == "stop_instance" && *phase == Phase::Forward
            }
            EventKind::UndoStarted { .. } => self.when == When::Back,
            _ => false,
        };
        if now {
            self.begins();
        }
    }
}

pub type Stack = BTreeMap<String, String>;

pub struct Scene {
    pub rig: Rig,
    pub world: World,
    pub line: Line,
    pub aws: Aws,
}

impl Scene {
    /// A stack in which this call is made.
    pub fn new(call: &str) -> Self {
        let rig = Rig::new();
        {
            let mut world = rig.memory.world();
            let instance = world.instances.values_mut().next().expect("one");
            match call {
                "ec2:DescribePlacementGroups" => {
                    instance.placement_group = Some(("apart".into(), "spread".into()));
                }
                "ec2:DescribeSpotInstanceRequests" => {
                    instance.spot = Some(Spot::Persistent);
                }
                "autoscaling:DescribeAutoScalingInstances"
                | "autoscaling:DescribeAutoScalingGroups" => {
                    instance.auto_scaling_standby = true;
                    let group = ("aws:autoscaling:groupName".into(), "workers".into());
                    instance.tags.extend([group]);
                }
                // It is read where a boot does not come up.
                "ec2:GetConsoleOutput" => {
                    let fault = SandboxFault::parse("boot:agent@t3.large=never", None);
                    world.faults.0.push(fault.expect("a fault"));
                }
                _ => {}
            }
        }
        let line = Line::new(Arc::clone(&rig.memory), &rig.clock);
        let aws = line.aws();
        let clock: Arc<dyn Clock> = Arc::new(rig.clock.clone());
        let agent = Arc::clone(&aws.agent);
        let host = Behind::new(&line, agent, rig.memory.host(), clock);
        let world = World {
            ec2: Arc::clone(&aws.ec2),
            efs: Arc::clone(&aws.efs),
            parameters: Arc::clone(&aws.parameters),
            host: Arc::new(host),
            limits: LIMITS,
            ..rig.plain_world()
        };
        let (state, _) = StateDir::open(&world.state_dir).expect("a folder");
        state.save(&rig.memory.deployment()).expect("it is written");
        Self {
            rig,
            world,
            line,
            aws,
        }
    }

    async fn update(&self, image: &str) -> Result<Ended, CommandError> {
        let request = UpdateRequest {
            deployment: self.rig.memory.deployment().name,
            instance_type: Some(InstanceType::new("t3.large").expect("a type")),
            images: BTreeMap::from([(
                ServiceName::new("n8n").expect("a service"),
                ImageRef::new(image).expect("a reference"),
            )]),
            fallback_types: vec![],
            options: options(),
        };
        let prepared = prepare_update(&self.world, &request).await?;
        Ok(self.goes(prepared).await)
    }

    async fn rollback(&self) -> Result<Ended, CommandError> {
        let request = RollbackRequest {
            deployment: self.rig.memory.deployment().name,
            to: None,
            services: None,
            fallback_types: vec![],
            options: options(),
        };
        let prepared = prepare_rollback(&self.world, &request).await?;
        Ok(self.goes(prepared).await)
    }

    async fn goes(&self, prepared: Prepared) -> Ended {
        let ended = goes(&self.world, prepared).await;
        assert_ne!(
            ended.outcome,
            Outcome::Unchanged,
            "there is something to change"
        );
        ended
    }

    pub async fn command(&self, when: When) -> Result<Ended, CommandError> {
        match when {
            When::Update | When::Outage => self.update("n8nio/n8n:1.20.0").await,
            When::Back => self.update("n8nio/n8n:1.21.0").await,
            When::Rollback => self.rollback().await,
        }
    }

    pub async fn resume(&self, way: Way) -> Result<Ended, CommandError> {
        resume(&self.world, &self.rig.memory.deployment().name, way).await
    }

    /// The line is whole again, and stays so.
    pub fn mend(&mut self) {
        self.world.listener = Arc::new(Silent);
        self.line.mend();
    }

    /// From this moment on the line is broken so.
    pub fn broken(&mut self, when: When, fault: Option<Fault>) {
        let moment = Moment {
            line: self.line.clone(),
            fault,
            when,
        };
        if matches!(when, When::Update | When::Rollback) {
            moment.begins();
        }
        if when == When::Back {
            let red = SandboxFault::parse("health:n8n@n8nio/n8n:1.21.0=unhealthy", None);
            let mut world = self.rig.memory.world();
            world.faults.0.push(red.expect("a fault"));
        }
        self.world.listener = Arc::new(moment);
    }
}

/// What a stack as this call needs it becomes by an update with nothing wrong; `None`: it is not updated. Beside it the calls
/// that are made from each moment on.
pub struct Clean {
    pub updated: Option<Stack>,
    pub calls: BTreeMap<When, BTreeSet<String>>,
}

/// Which stack this call needs.
fn stage(call: &str) -> &str {
    match call {
        "ec2:DescribePlacementGroups"
        | "ec2:DescribeSpotInstanceRequests"
        | "ec2:GetConsoleOutput" => call,
        other if other.starts_with("autoscaling:") => "autoscaling:DescribeAutoScalingGroups",
        _ => "",
    }
}

/// With nothing wrong.
pub async fn clean(call: &str) -> Arc<Clean> {
    static KNOWN: Mutex<BTreeMap<String, Arc<Clean>>> = Mutex::new(BTreeMap::new());
    let stage = stage(call);
    if let Some(known) = KNOWN.lock().expect("no panic").get(stage) {
        return Arc::clone(known);
    }
    let (mut updated, mut calls) = (None, BTreeMap::new());
    for when in [When::Update, When::Outage, When::Back, When::Rollback] {
        let mut scene = Scene::new(stage);
        if when == When::Rollback {
            if updated.is_none() {
                continue;
            }
            scene.command(When::Update).await.expect("an update");
        }
        // One that is refused never comes to it.
        scene.line.forget();
        scene.line.waits();
        scene.broken(when, None);
        let ended = scene.command(when).await.expect("nothing is wrong");
        if when == When::Update && ended.outcome == Outcome::Updated {
            updated = Some(scene.rig.stack());
        }
        calls.insert(when, scene.line.calls());
    }
    let clean = Arc::new(Clean { updated, calls });
    let mut known = KNOWN.lock().expect("no panic");
    Arc::clone(known.entry(stage.to_owned()).or_insert(clean))
}
