//! A wall clock that is ahead, or is set back, while the tool is at work. The machine's own: the host, and what the cloud does, go on
//! by the right time.

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::Duration;

use async_trait::async_trait;
use geusemaker::cloud::Clock;
use geusemaker::model::{InstanceType, Outcome, RollbackRequest, Timestamp, UpdateRequest};
use geusemaker::orchestrator::{World, history, prepare_rollback, prepare_update};
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

async fn to_type(world: &World, rig: &Rig, instance_type: &str) {
    let request = UpdateRequest {
        deployment: rig.memory.deployment().name,
        instance_type: Some(InstanceType::new(instance_type).expect("a type")),
        images: Default::default(),
        fallback_types: vec![],
        options: options(),
    };
    let prepared = prepare_update(world, &request).await.expect("it is seen");
    let ended = goes(world, prepared).await;
    assert_eq!(ended.outcome, Outcome::Updated, "{:?}", ended.error);
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
