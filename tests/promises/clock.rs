//! A wall clock that is ahead, or is set back, while the tool is at work. The machine's own: the host, and what the cloud does, go on
//! by the right time.

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::Duration;

use async_trait::async_trait;
use geusemaker::cloud::Clock;
use geusemaker::model::{
    ImageRef, InstanceType, Outcome, RestoreState, RollbackRequest, ServiceName, Timestamp,
    UpdateRequest,
};
use geusemaker::orchestrator::{
    Ended, Way, World, history, prepare_rollback, prepare_update, resume,
};
use geusemaker::report::{Event, EventKind, Listener};
use geusemaker::sandbox::fault::Fault;
use geusemaker::sandbox::memory::VirtualClock;

use crate::saga::{Rig, block_on, goes, options};

/// A clock that is so many seconds ahead of the right one.
struct Wrong {
    right: VirtualClock,
    ahead_s: AtomicI64,
}

impl Wrong {
    fn over(rig: &Rig) -> Arc<Self> {
        Arc::new(Self {
            right: rig.clock.clone(),
            ahead_s: AtomicI64::new(0),
        })
    }

    fn is_ahead(&self, seconds: i64) {
        self.ahead_s.store(seconds, Ordering::SeqCst);
    }
}

#[async_trait]
impl Clock for Wrong {
    fn now(&self) -> Timestamp {
        let ahead = self.ahead_s.load(Ordering::SeqCst);
        self.right.now() + Duration::from_secs(ahead.unsigned_abs())
    }

    fn awake(&self) -> Duration {
        self.right.awake()
    }

    async fn sleep(&self, how_long: Duration) {
        self.right.sleep(how_long).await;
    }
}

/// Sets the clock right where a step begins, or something is waited for: back by three hours.
struct Sets {
    clock: Arc<Wrong>,
    at: &'static str,
}

impl Listener for Sets {
    fn event(&self, event: &Event) {
        let now = match &event.kind {
            EventKind::StepStarted { step, .. } => *step == self.at,
            EventKind::Warning { message } => message.contains(self.at),
            _ => false,
        };
        if now {
            self.clock.is_ahead(0);
        }
    }
}

const AHEAD_S: i64 = 3 * 3600;

/// A world whose clock is three hours ahead, until it is set right in the middle.
fn set_back(rig: &Rig, at: &'static str) -> World {
    let clock = Wrong::over(rig);
    clock.is_ahead(AHEAD_S);
    World {
        clock: clock.clone(),
        listener: Arc::new(Sets { clock, at }),
        ..rig.laptop("ann-laptop")
    }
}

async fn update(world: &World, rig: &Rig, to: Option<&str>, image: Option<&str>) -> Ended {
    let n8n = || ServiceName::new("n8n").expect("a service");
    let image = image.map(|i| (n8n(), ImageRef::new(i).expect("a reference")));
    let request = UpdateRequest {
        deployment: rig.memory.deployment().name,
        instance_type: to.map(|t| InstanceType::new(t).expect("a type")),
        images: image.into_iter().collect(),
        fallback_types: vec![],
        options: options(),
    };
    let prepared = prepare_update(world, &request).await.expect("it is seen");
    goes(world, prepared).await
}

async fn to_type(world: &World, rig: &Rig, instance_type: &str) {
    let ended = update(world, rig, Some(instance_type), None).await;
    assert_eq!(ended.outcome, Outcome::Updated, "{:?}", ended.error);
}

/// How long it took by the right time.
async fn took<T>(rig: &Rig, work: impl Future<Output = T>) -> (T, Duration) {
    let began = rig.clock.now();
    let done = work.await;
    (done, rig.clock.now().duration_since(began).unsigned_abs())
}

#[test]
fn a_clock_that_is_set_back_does_not_make_the_outage_longer() {
    block_on(async {
        let rig = Rig::new();
        rig.memory.world().latency.agent = 24 * 60 * 60 * 1000;
        let world = set_back(&rig, "await_host");
        let (ended, took) = took(&rig, update(&world, &rig, Some("t3.large"), None)).await;
        assert_eq!(ended.outcome, Outcome::Stuck);
        // Once at the new type, and once on the way back.
        assert!(took >= world.limits.host * 2, "{took:?}");
        assert!(took < world.limits.host * 3, "{took:?}");
    });
}

#[test]
fn a_clock_that_is_set_back_does_not_make_a_pull_that_hangs_be_waited_for_longer() {
    block_on(async {
        let rig = Rig::new();
        rig.memory.world().latency.pull = 24 * 60 * 60 * 1000;
        let world = set_back(&rig, "pull_images");
        let image = Some("n8nio/n8n:1.20.0");
        let (ended, took) = took(&rig, update(&world, &rig, None, image)).await;
        assert_eq!(ended.outcome, Outcome::Refused);
        assert_eq!(ended.error.expect("why").code, "job_timeout");
        assert!(took < Duration::from_secs(15 * 60), "{took:?}");
    });
}

#[test]
fn a_clock_that_is_set_back_does_not_make_a_host_that_goes_back_be_waited_for_longer() {
    block_on(async {
        let rig = Rig::new();
        let world = set_back(&rig, "going back by itself");
        rig.memory.world().faults.0.push(Fault {
            key: "ec2:DescribeInstanceStatus".into(),
            instance_type: None,
            code: "ExpiredToken".into(),
            times: None,
        });
        let image = Some("n8nio/n8n:1.20.0");
        let paused = update(&world, &rig, None, image).await;
        assert_eq!(paused.outcome, Outcome::Paused);
        rig.memory.world().faults.0.clear();
        for host in rig.memory.world().hosts.values_mut() {
            let armed = std::mem::take(&mut host.memory.restore);
            let operation = armed.state.operation().expect("it is armed").clone();
            // With nothing that it could go back to, it comes to no end.
            host.memory.restore.state = RestoreState::Restoring { operation };
        }
        let name = rig.memory.deployment().name;
        let mut world = world;
        world.limits.apply = Duration::from_secs(60);
        let (_, took) = took(&rig, resume(&world, &name, Way::On)).await;
        assert!(took >= world.limits.apply, "{took:?}");
        assert!(took < world.limits.apply * 3, "{took:?}");
    });
}

#[test]
fn a_rollback_goes_to_the_state_before_the_last_change_though_the_clock_was_ahead_at_one_before_it()
{
    block_on(async {
        let rig = Rig::new();
        let clock = Wrong::over(&rig);
        let world = World {
            clock: clock.clone(),
            ..rig.laptop("ann-laptop")
        };
        let name = rig.memory.deployment().name;
        clock.is_ahead(24 * 3600);
        to_type(&world, &rig, "t3.large").await;
        clock.is_ahead(0);
        rig.clock.advance(Duration::from_secs(60));
        to_type(&world, &rig, "t3.xlarge").await;
        let (seen, _) = history(&world.state_dir, &name, None, None).expect("its history");
        let changes: Vec<_> = seen.operations.iter().flat_map(|o| &o.changes).collect();
        assert_eq!(
            changes,
            [
                "instance_type: t3.large -> t3.xlarge",
                "instance_type: t3.medium -> t3.large"
            ]
        );
        let types = seen.snapshots.iter().map(|s| s.instance_type.as_str());
        assert_eq!(types.collect::<Vec<_>>(), ["t3.large", "t3.medium"]);
        let back = RollbackRequest {
            deployment: name,
            to: None,
            services: None,
            fallback_types: vec![],
            options: options(),
        };
        let prepared = prepare_rollback(&world, &back).await.expect("it is seen");
        let ended = goes(&world, prepared).await;
        assert_eq!(ended.outcome, Outcome::RolledBackAsAsked);
        assert_eq!(rig.stack()["type"], "t3.large");
    });
}
