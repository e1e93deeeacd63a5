//! The shapes of a plan, each with the world that it begins in and the two that it may end in.

use std::collections::BTreeMap;
use std::sync::Arc;

use geusemaker::cloud::Clock;
use geusemaker::journal::{Entry, JOURNAL_SCHEMA, Line};
use geusemaker::model::{
    Deployment, Desired, DesiredImage, ImageRef, OperationId, Outcome, Purpose, SnapshotId,
};
use geusemaker::orchestrator::{Ask, observe};
use geusemaker::plan::{Decision, Input, Pace, Plan, SnapshotChoice, toward};
use geusemaker::sandbox::host::docker::docker;
use geusemaker::sandbox::host::memory::seed_memory;
use geusemaker::sandbox::host::{MemoryFiles, Seed};
use geusemaker::sandbox::world::{SEED_FILE_SYSTEM, SEED_INSTANCE, World};
use geusemaker::snapshot::Snapshot;

use super::bugs::Bug;
use super::fault::{Fault, Spent, faults};
use super::run::{GATE, How, Lab};
use super::site::{Site, State, stack};
use super::tape::Judged;
use crate::saga::update;

/// A shape of a plan.
#[derive(Default, Clone)]
pub struct Shape {
    pub name: &'static str,
    instance_type: Option<&'static str>,
    images: &'static [(&'static str, &'static str)],
    ebs_optimized: bool,
    stopped: bool,
    /// The tag means another image by now.
    moved: bool,
    /// The update is made first, and this is its way back.
    rollback: bool,
}

/// A stack that is small, because it is read some hundred thousand times: one container that stays down when it was
/// stopped by hand, and one that a boot brings up all the same.
const STACK: &str = "\
services:
  n8n:
    image: n8nio/n8n:1.19.4
    container_name: n8n
    restart: unless-stopped
    depends_on: [qdrant]
    volumes: ['/mnt/efs/n8n:/data']
    healthcheck: {test: 'true'}
  qdrant:
    image: qdrant/qdrant:v1.12.4
    container_name: qdrant
    restart: always
    healthcheck: {test: 'true'}
";

const N8N: (&str, &str) = ("n8n", "n8nio/n8n:1.20.0");

/// Every shape.
pub fn shapes() -> Vec<Shape> {
    let none = Shape::default;
    let large = Some("t3.large");
    vec![
        Shape {
            name: "type",
            instance_type: large,
            ..none()
        },
        Shape {
            name: "image",
            images: &[N8N],
            ..none()
        },
        Shape {
            name: "both",
            instance_type: large,
            images: &[N8N],
            ..none()
        },
        Shape {
            name: "several images",
            images: &[N8N, ("qdrant", "qdrant/qdrant:v1.13.0")],
            ..none()
        },
        Shape {
            name: "rollback",
            instance_type: large,
            images: &[N8N],
            rollback: true,
            ..none()
        },
        Shape {
            name: "rollback of an image",
            images: &[N8N],
            rollback: true,
            ..none()
        },
        Shape {
            name: "stopped",
            instance_type: large,
            stopped: true,
            ..none()
        },
        Shape {
            name: "a type without EBS optimization",
            instance_type: Some("t2.medium"),
            ebs_optimized: true,
            ..none()
        },
        Shape {
            name: "a tag that has moved",
            images: &[("n8n", "n8nio/n8n:1.19.4")],
            moved: true,
            ..none()
        },
    ]
}

/// A plan, about to begin.
pub struct Case {
    pub shape: Shape,
    pub deployment: Deployment,
    pub plan: Arc<Plan>,
    pub snapshot: Snapshot,
    pub start: State,
    pub judged: Arc<Judged>,
    /// How it ends when nothing fails.
    pub good: Outcome,
    pub faults: Vec<Fault>,
}

pub const OPERATION: &str = "op-2";

fn desired(shape: &Shape) -> Desired {
    let mut desired = update(shape.instance_type, shape.images);
    desired.gate = GATE;
    desired
}

fn way_back(snapshot: &Snapshot) -> Desired {
    let images = snapshot.services.iter().map(|(service, evidence)| {
        let image = DesiredImage {
            reference: evidence.image.reference.clone(),
            id: evidence.image.id.clone(),
            digest: None,
        };
        (service.clone(), image)
    });
    Desired {
        files: snapshot.compose.sums(),
        instance_type: Some(snapshot.instance_type.clone()),
        ebs_optimized: snapshot.ebs_optimized,
        images: images.collect(),
        purpose: Purpose::Rollback {
            to: snapshot.id.clone(),
            green: snapshot.green(),
        },
        gate: GATE,
        ..update(None, &[])
    }
}

/// The world that a shape begins in.
fn seeded(shape: &Shape) -> (State, Deployment) {
    let now = "2026-11-20T10:00:00Z".parse().expect("a time");
    let mut world = World::new(now);
    for instance in world.instances.values_mut() {
        instance.ebs_optimized = shape.ebs_optimized;
    }
    let mut at = world.host(SEED_INSTANCE, now).expect("seeded");
    let seed = Seed {
        project: "geusemaker",
        template: STACK,
        file_system: Some(SEED_FILE_SYSTEM),
        ..Seed::default()
    };
    seed_memory(&mut at, &seed).expect("the stack comes up");
    if shape.moved {
        let reference = ImageRef::new(shape.images[0].1).expect("a reference");
        at.registry.move_tag(&reference);
        // As the update does before it decides.
        let pull = ["pull".to_owned(), reference.to_string()];
        let pulled = docker(&mut at, &MemoryFiles::default(), &pull);
        assert_eq!(pulled.code, 0, "{}", pulled.stderr);
    }
    let deployment = world.seeded_deployment(now);
    let site = Site::new(world, now);
    if shape.stopped {
        let stop = |world: &mut World, now| {
            world
                .stop_instances(&[SEED_INSTANCE], false, false, now)
                .expect("it runs");
        };
        site.at(stop);
        site.clock.advance(std::time::Duration::from_secs(600));
    }
    let world = site.at(|world, _| world.clone());
    let state = State {
        world,
        now: site.clock.now(),
        lines: Arc::default(),
        synced: 0,
        snapshot: None,
        spent: Spent::default(),
        controllers: 0,
    };
    (state, deployment)
}

impl Case {
    /// Plans it, and lets it run once with nothing in its way.
    pub fn new(lab: &Lab, shape: &Shape, bug: Option<Bug>) -> Self {
        let (start, deployment) = seeded(shape);
        let (plan, snapshot) = planned(lab, &start, &deployment, &desired(shape), "before");
        let first = Self::of(
            shape,
            deployment,
            plan,
            snapshot,
            start,
            bug.filter(|_| !shape.rollback),
        );
        if !shape.rollback {
            return first.with_end(lab);
        }
        let updated = lab.process(
            &first,
            &first.start,
            How::First,
            &Fault::none(),
            None,
            false,
        );
        assert_eq!(updated.outcome, Ok(Outcome::Updated), "before the rollback");
        let State {
            world,
            now,
            controllers,
            ..
        } = updated.end;
        let start = State {
            world,
            now,
            controllers,
            ..first.start.clone()
        };
        let desired = way_back(&first.snapshot);
        let (plan, snapshot) = planned(lab, &start, &first.deployment, &desired, "between");
        Self::of(shape, first.deployment, plan, snapshot, start, bug).with_end(lab)
    }

    fn of(
        shape: &Shape,
        deployment: Deployment,
        mut plan: Plan,
        snapshot: Snapshot,
        mut start: State,
        bug: Option<Bug>,
    ) -> Self {
        let good = match plan.purpose {
            Purpose::Update => Outcome::Updated,
            Purpose::Rollback { .. } => Outcome::RolledBackAsAsked,
        };
        let clean = Arc::new(plan.clone());
        if let Some(bug) = bug {
            bug.plans(&mut plan);
        }
        let opened = Line {
            at: start.now,
            entry: Entry::Opened {
                schema: JOURNAL_SCHEMA.into(),
                operation: OperationId::new(OPERATION).expect("an id"),
                fence: start.controllers + 1,
                version: "test".into(),
                plan: Box::new(plan.clone()),
            },
        };
        start.lines = Arc::new(vec![opened].into());
        start.synced = 1;
        let before = stack(&mut start.world, start.now);
        let judged = Judged {
            plan: Arc::new(plan.clone()),
            clean,
            before,
            after: BTreeMap::new(),
        };
        Self {
            shape: shape.clone(),
            deployment,
            plan: Arc::new(plan),
            snapshot,
            start,
            judged: Arc::new(judged),
            good,
            faults: Vec::new(),
        }
    }

    /// What the world is like behind the plan as it should be.
    fn with_end(mut self, lab: &Lab) -> Self {
        let clean = Self::of(
            &self.shape,
            self.deployment.clone(),
            (*self.judged.clean).clone(),
            self.snapshot.clone(),
            self.start.clone(),
            None,
        );
        let none = Fault::none();
        let mut ran = lab.process(&clean, &clean.start, How::First, &none, None, false);
        let journal = ran.end.journal().last().map(|l| l.entry.clone());
        assert_eq!(
            ran.outcome,
            Ok(self.good),
            "{}: {journal:?}",
            self.shape.name
        );
        let after = ran.end.stack();
        self.faults = faults(&ran.effects, &clean.plan);
        let judged = Arc::get_mut(&mut self.judged).expect("not shared yet");
        judged.after = after;
        self
    }
}

/// What comes of a wish.
pub fn decide(
    lab: &Lab,
    at: &State,
    deployment: &Deployment,
    desired: &Desired,
    id: &str,
) -> Option<(Plan, Snapshot)> {
    let ids = desired.images.values();
    let ids = ids.filter_map(|i| ImageRef::new(i.id.as_ref()?.as_str()).ok());
    let ask = Ask {
        types: desired.instance_type.clone().into_iter().collect(),
        images: desired
            .images
            .values()
            .map(|i| i.reference.clone())
            .chain(ids)
            .collect(),
        ebs_optimized: desired.ebs_optimized,
        reserve: true,
        ..Ask::default()
    };
    let world = lab.plain(at);
    let observed = lab
        .block_on(observe(&world, deployment, &ask))
        .expect("it can be seen");
    let choice = SnapshotChoice {
        id: SnapshotId::new(id).expect("an id"),
        reuse: false,
    };
    let input = Input {
        deployment,
        observed: &observed,
        desired,
        snapshot: &choice,
        pace: Pace::AWS,
    };
    match toward(input) {
        Ok(Decision::Change { plan, .. }) => Some((
            *plan,
            Snapshot::of(&observed, deployment, choice.id.clone()),
        )),
        Ok(Decision::Unchanged { .. }) => None,
        other => panic!("no plan: {other:?}"),
    }
}

fn planned(
    lab: &Lab,
    at: &State,
    deployment: &Deployment,
    desired: &Desired,
    id: &str,
) -> (Plan, Snapshot) {
    decide(lab, at, deployment, desired, id).expect("there is something to change")
}

/// A wish that is so already.
pub fn no_op(lab: &Lab) -> bool {
    let shape = &shapes()[0];
    let (start, deployment) = seeded(shape);
    let wish = update(Some("t3.medium"), &[("n8n", "n8nio/n8n:1.19.4")]);
    decide(lab, &start, &deployment, &wish, "before").is_none()
}
