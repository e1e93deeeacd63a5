//! A machine that is asleep for an hour in the middle of an operation, at every pause in turn; and its network,
//! which is gone before the sleep and comes back only some time after it.

use std::sync::atomic::{AtomicI64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_trait::async_trait;
use geusemaker::cloud::{Clock, CloudError, CloudErrorKind, Ec2};
use geusemaker::host::{Host, HostError};
use geusemaker::journal::Entry;
use geusemaker::model::{Outcome, Timestamp};
use geusemaker::orchestrator::World;
use geusemaker::sandbox::memory::VirtualClock;

use crate::saga::{Rig, SHAPES, begin, block_on, good, opened};
use crate::support::over::{Ec2Over, HostOver, Over, OverEc2};

const HOUR: Duration = Duration::from_secs(3600);
/// How long the network takes to come back after the sleep.
const BACK: Duration = Duration::from_secs(1);

/// A clock in whose n-th pause the machine sleeps for an hour.
struct Sleeper {
    clock: VirtualClock,
    left: AtomicI64,
    awake: Mutex<Duration>,
    woke: Mutex<Option<Duration>>,
}

impl Sleeper {
    fn new(clock: &VirtualClock, at: i64) -> Arc<Self> {
        Arc::new(Self {
            clock: clock.clone(),
            left: AtomicI64::new(at),
            awake: Mutex::default(),
            woke: Mutex::default(),
        })
    }

    fn has_slept(&self) -> bool {
        self.woke.lock().expect("a time").is_some()
    }

    /// From the pause before the sleep until a while after it.
    fn has_network(&self) -> bool {
        match *self.woke.lock().expect("a time") {
            Some(woke) => self.awake() >= woke + BACK,
            None => self.left.load(Ordering::SeqCst) != 1,
        }
    }
}

#[async_trait]
impl Clock for Sleeper {
    fn now(&self) -> Timestamp {
        self.clock.now()
    }

    fn awake(&self) -> Duration {
        *self.awake.lock().expect("a time")
    }

    async fn sleep(&self, how_long: Duration) {
        *self.awake.lock().expect("a time") += how_long;
        if self.left.fetch_sub(1, Ordering::SeqCst) == 1 {
            self.clock.advance(HOUR);
            *self.woke.lock().expect("a time") = Some(self.awake());
        }
        self.clock.sleep(how_long).await;
    }
}

/// The way to the cloud and the hosts, over a network that comes and goes.
struct Network {
    sleeper: Arc<Sleeper>,
    ec2: Arc<dyn Ec2>,
    host: Arc<dyn Host>,
}

impl Ec2Over for Network {
    fn ec2(&self) -> &dyn Ec2 {
        self.ec2.as_ref()
    }
    fn reach(&self) -> Result<(), CloudError> {
        if self.sleeper.has_network() {
            return Ok(());
        }
        Err(CloudError {
            call: "ec2:Test",
            code: None,
            message: "no network".into(),
            request_id: None,
            kind: CloudErrorKind::Unreachable,
        })
    }
}

#[async_trait]
impl HostOver for Network {
    fn below(&self) -> &dyn Host {
        self.host.as_ref()
    }
    fn before(&self) -> Result<(), HostError> {
        Ok(self.reach()?)
    }
}

/// The same world, with a machine that sleeps in its n-th pause, with or without its network around it.
fn drowsy(rig: &Rig, at: i64, network: bool) -> (World, Arc<Sleeper>) {
    let sleeper = Sleeper::new(&rig.clock, at);
    let mut world = World {
        clock: sleeper.clone(),
        ..rig.plain_world()
    };
    if !network {
        let net = Arc::new(Network {
            sleeper: sleeper.clone(),
            ec2: world.ec2.clone(),
            host: world.host.clone(),
        });
        (world.ec2, world.host) = (Arc::new(OverEc2(net.clone())), Arc::new(Over(net)));
    }
    (world, sleeper)
}

/// Sleeps once in each pause of each shape of a plan. A run ends as one without a sleep does; or, where the
/// armed host heard nothing for long while its services were down, it is verified as before.
fn every_pause(network: bool) {
    let (mut runs, mut back) = (0, 0);
    for shape in &SHAPES {
        block_on(async {
            for at in 1.. {
                let (rig, plan, snapshot) = begin(shape).await;
                let before = rig.stack();
                let (world, sleeper) = drowsy(&rig, at, network);
                let (outcome, lines) = rig
                    .process(&world, &plan, &snapshot, opened(&plan, &rig), 0, None)
                    .await;
                let place = format!("{}: asleep in pause {at}: {outcome:?}", shape.name);
                let entries = lines.iter().map(|l| &l.entry).skip(1).collect::<Vec<_>>();
                let host_went_back = entries.iter().any(|e| {
                    matches!(e, Entry::Failed { failure, .. } if failure.code == "host_restored")
                });
                if host_went_back {
                    assert_eq!(outcome, Outcome::RolledBack, "{place}\n{entries:#?}");
                    assert_eq!(rig.stack(), before, "{place}");
                    back += 1;
                } else {
                    assert!(good(outcome), "{place}\n{entries:#?}");
                    let is_type = plan.after.instance_type.as_str();
                    assert_eq!(rig.stack()["type"], is_type, "{place}");
                }
                if !sleeper.has_slept() {
                    break;
                }
                runs += 1;
            }
        });
    }
    assert!(runs > 100, "only {runs} runs");
    assert!(back > 0 && back * 2 < runs, "{back} of {runs} went back");
}

#[test]
fn after_an_hour_of_sleep_in_any_pause_it_goes_on_or_the_host_has_gone_back() {
    every_pause(true);
}

#[test]
fn a_network_that_is_gone_around_the_sleep_is_waited_for() {
    every_pause(false);
}
