//! The table of docs/compensation.md: each way in which an instance does not come up again × once or always × at the
//! new type or at both. Through the real SDK over the real wire; the host is in memory and time is virtual.

use std::collections::BTreeMap;
use std::time::Duration;

use geusemaker::cloud::aws::Aws;
use geusemaker::model::{Capacity, ChangeOptions, InstanceType, Outcome, UpdateRequest};
use geusemaker::orchestrator::{Ended, Limits, Way, World, prepare_update, resume};
use geusemaker::sandbox::fault::Fault;
use geusemaker::sandbox::world::SEED_INSTANCE;
use geusemaker::state::StateDir;

use crate::saga::{Rig, block_on, goes, options};

/// As patient as on AWS, but for what a fault holds up on purpose.
const LIMITS: Limits = Limits {
    host: Duration::from_secs(60),
    answer: Duration::from_secs(10),
    checks: Duration::from_secs(30),
    start_again: Duration::from_secs(30),
    ..Limits::AWS
};

const NEW: &str = "t3.large";
const OLD: &str = "t3.medium";

/// How a cell ends.
#[derive(Debug, Clone, Copy, PartialEq)]
enum End {
    /// It passes by itself: the new type runs.
    Up,
    /// The old type runs, all as before, verified.
    Back,
    /// A person is told what to run; once the cause is gone, that leads back.
    Stuck,
}
use End::{Back, Stuck, Up};

pub struct Scene {
    pub rig: Rig,
    pub world: World,
    pub before: BTreeMap<String, String>,
}

impl Scene {
    pub fn new() -> Self {
        let rig = Rig::new();
        let sdk = rig.memory.sdk();
        Self::over(rig, sdk, LIMITS)
    }

    /// The same, as this SDK sees it, and as patient.
    pub fn over(rig: Rig, sdk: Aws, limits: Limits) -> Self {
        let world = World {
            ec2: sdk.ec2,
            efs: sdk.efs,
            parameters: sdk.parameters,
            limits,
            ..rig.plain_world()
        };
        let (state, _) = StateDir::open(&world.state_dir).expect("a folder");
        state.save(&rig.memory.deployment()).expect("it is written");
        let before = rig.stack();
        Self { rig, world, before }
    }

    /// `TYPE` in the fault stands for each of these.
    pub fn fault(&self, text: &str, times: Option<u32>, types: &[&str]) {
        for name in types {
            let text = text.replace("TYPE", name);
            let fault = Fault::parse(&text, times).expect("a fault");
            self.rig.memory.world().faults.0.push(fault);
        }
    }

    pub async fn update(&self, fallback: &[&str]) -> Ended {
        let type_ = |name: &&str| InstanceType::new(*name).expect("a type");
        let request = UpdateRequest {
            deployment: self.rig.memory.deployment().name,
            instance_type: Some(type_(&NEW)),
            images: BTreeMap::new(),
            fallback_types: fallback.iter().map(type_).collect(),
            options: ChangeOptions {
                // What the start meets is what is asked here.
                capacity: Capacity::Skip,
                ..options()
            },
        };
        let prepared = prepare_update(&self.world, &request).await;
        let ended = goes(&self.world, prepared.unwrap_or_else(|e| panic!("{e}"))).await;
        assert_ne!(
            ended.outcome,
            Outcome::Unchanged,
            "there is something to change"
        );
        ended
    }

    pub async fn resume(&self, way: Way) -> Ended {
        let name = self.rig.memory.deployment().name;
        let ended = resume(&self.world, &name, way).await;
        ended.unwrap_or_else(|e| panic!("{e:?}"))
    }

    /// What is wrong is put right. A boot that went wrong needs another one, as the error says.
    pub fn mend(&self, reboot: bool) {
        let now = geusemaker::cloud::Clock::now(&self.rig.clock);
        let mut world = self.rig.memory.world();
        world.faults.0.clear();
        if reboot {
            let booted = world.reboot_instances(&[SEED_INSTANCE], false, now);
            booted.expect("it runs");
        }
    }
}

fn cell(fault: &str, times: Option<u32>, types: &[&str], code: &str, end: End) {
    block_on(async {
        let scene = Scene::new();
        scene.fault(fault, times, types);
        let ended = scene.update(&[]).await;
        let place = format!("{fault} {times:?} {types:?}: {:?}", ended.error);
        let verified = ended.data.verified.as_ref();
        if end == Up {
            assert_eq!(ended.outcome, Outcome::Updated, "{place}");
            assert_eq!(scene.rig.stack()["type"], NEW, "{place}");
            return;
        }
        let error = ended.error.as_ref().expect("why");
        assert_eq!(error.code, code, "{place}");
        let boots = fault.starts_with("boot:");
        if matches!(code, "host_not_back" | "status_check_impaired") {
            let console = format!("console of {SEED_INSTANCE}: ");
            let said = |word: &str| {
                let mut all = error.causes.iter();
                all.any(|c| c.starts_with(&console) && c.contains(word))
            };
            assert!(said("Linux (x86_64), t3.large"), "{place}");
            let colours = |c: &String| c.contains('\u{1b}');
            assert!(!error.causes.iter().any(colours), "{place}");
        }
        if end == Stuck {
            assert_eq!(ended.outcome, Outcome::Stuck, "{place}");
            let help = error.help.join("\n");
            assert!(
                help.contains("geusemaker resume my-dev-stack --unwind"),
                "{place}"
            );
            if matches!(
                code,
                "host_not_back" | "status_check_impaired" | "insufficient_capacity"
            ) {
                assert!(
                    help.contains("aws ec2 ") && help.contains(SEED_INSTANCE),
                    "{place}"
                );
            }
            scene.mend(boots);
            let ended = scene.resume(Way::Unwind).await;
            assert_eq!(
                ended.outcome,
                Outcome::RolledBack,
                "{place}: {:?}",
                ended.error
            );
            assert_eq!(scene.rig.stack(), scene.before, "{place}");
            return;
        }
        assert_eq!(ended.outcome, Outcome::RolledBack, "{place}");
        assert_eq!(scene.rig.stack(), scene.before, "{place}");
        let verified = verified.expect("it was read back");
        assert_eq!(
            (verified.instance_type.as_str(), verified.state.as_str()),
            (OLD, "running")
        );
        assert!(verified.mounts.values().all(|m| m == "ok"), "{place}");
        assert_eq!(verified.health.len(), 5, "{place}");
        assert!(verified.health.values().all(|h| h == "green"), "{place}");
    });
}

/// A row: the fault, the code of the error, and the ends: once and always at the new type, once and always at both.
macro_rules! row {
    ($name:ident, $fault:expr, $code:expr, [$a:expr, $b:expr, $c:expr, $d:expr]) => {
        mod $name {
            use super::*;

            #[test]
            fn once_at_the_new_type() {
                cell($fault, Some(1), &[NEW], $code, $a);
            }
            #[test]
            fn always_at_the_new_type() {
                cell($fault, None, &[NEW], $code, $b);
            }
            #[test]
            fn once_at_both_types() {
                cell($fault, Some(1), &[NEW, OLD], $code, $c);
            }
            #[test]
            fn always_at_both_types() {
                cell($fault, None, &[NEW, OLD], $code, $d);
            }
        }
    };
}

row!(
    insufficient_instance_capacity,
    "ec2:StartInstances@TYPE=InsufficientInstanceCapacity",
    "insufficient_capacity",
    [Back, Back, Back, Stuck]
);
row!(
    instance_limit_exceeded,
    "ec2:StartInstances@TYPE=InstanceLimitExceeded",
    "limit_exceeded",
    [Back, Back, Back, Stuck]
);
row!(
    vcpu_limit_exceeded,
    "ec2:StartInstances@TYPE=VcpuLimitExceeded",
    "limit_exceeded",
    [Back, Back, Back, Stuck]
);
// Not tried again at the old type: it is no want that passes.
row!(
    unsupported,
    "ec2:StartInstances@TYPE=Unsupported",
    "unsupported",
    [Back, Back, Stuck, Stuck]
);
// The race passes: the start is tried again, for a minute.
row!(
    launch_plan,
    "ec2:StartInstances@TYPE=InvalidParameterValue",
    "inconsistent",
    [Up, Back, Up, Stuck]
);
row!(
    fell_back_to_stopped,
    "ec2:StartInstances@TYPE=Server.InsufficientInstanceCapacity",
    "insufficient_capacity",
    [Back, Back, Back, Stuck]
);
// A boot that went wrong stays so until the next one.
row!(
    status_checks_impaired,
    "boot:checks@TYPE=impaired",
    "status_check_impaired",
    [Back, Back, Stuck, Stuck]
);
row!(
    agent_never_online,
    "boot:agent@TYPE=never",
    "host_not_back",
    [Back, Back, Stuck, Stuck]
);
row!(
    mounts_do_not_return,
    "boot:mount@TYPE=gone",
    "host_not_back",
    [Back, Back, Stuck, Stuck]
);
row!(
    services_never_healthy,
    "boot:health@TYPE=unhealthy",
    "unhealthy",
    [Back, Back, Stuck, Stuck]
);

#[test]
fn a_start_that_falls_back_says_the_reason_of_ec2() {
    block_on(async {
        let scene = Scene::new();
        scene.fault("ec2:StartInstances@TYPE=Server.InternalError", None, &[NEW]);
        let ended = scene.update(&[]).await;
        let error = ended.error.expect("why");
        assert_eq!(
            (ended.outcome, error.code.as_str()),
            (Outcome::RolledBack, "start_fell_back")
        );
        assert!(
            error.message.contains("Server.InternalError"),
            "{}",
            error.message
        );
    });
}

#[test]
fn a_public_address_and_the_cost_are_said_before_and_after() {
    block_on(async {
        let scene = Scene::new();
        let ended = scene.update(&[]).await;
        assert_eq!(ended.outcome, Outcome::Updated);
        let addresses = ended.data.addresses.expect("both");
        let (before, after) = (
            addresses.before.expect("one"),
            addresses.after.expect("one"),
        );
        assert_ne!(before, after, "there is no Elastic IP");
        let (state, _) = StateDir::open(&scene.world.state_dir).expect("a folder");
        let kept = state
            .load(&scene.rig.memory.deployment().name)
            .expect("it is there");
        assert_eq!(kept.cache.public_ip, Some(after));
        let cost = ended.data.cost.expect("both");
        let hourly = [&cost.before, &cost.after].map(|c| c.as_ref().map(|c| c.hourly_usd));
        assert_eq!(hourly, [Some(0.0416), Some(0.0832)]);
        assert_eq!(cost.as_of, Some("2026-07-20"));
    });
}
