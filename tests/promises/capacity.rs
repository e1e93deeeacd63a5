//! Capacity is proved before the stop: no capacity, no outage. Mostly in memory; a few over the wire, with the real binary.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use geusemaker::cloud::Clock;
use geusemaker::model::{
    Capacity, ChangeOptions, InstanceId, InstanceType, Outcome, UpdateRequest,
};
use geusemaker::orchestrator::{
    Ended, Interrupt, Prepared, Way, World, execute, prepare_rollback, prepare_update, resume,
};
use geusemaker::plan::{Check, CheckStatus};
use geusemaker::report::{Event, EventKind, Listener};
use geusemaker::sandbox::fault::Fault;
use geusemaker::sandbox::rig::Memory;
use geusemaker::sandbox::world::{Instance, SEED_INSTANCE};
use geusemaker::state::StateDir;

use crate::saga::{Rig, block_on, options};
use crate::support::Sandbox;

const NONE: &str = "InsufficientInstanceCapacity";
const RETYPE: [&str; 5] = [
    "update",
    "my-dev-stack",
    "--instance-type",
    "t3.large",
    "--force",
];

fn fault(rig: &Rig, text: &str) {
    let fault = Fault::parse(text, None).expect("a fault");
    rig.memory.world().faults.0.push(fault);
}

fn clear(rig: &Rig) {
    rig.memory.world().faults.0.clear();
}

fn request(rig: &Rig, capacity: Capacity) -> UpdateRequest {
    UpdateRequest {
        deployment: rig.memory.deployment().name,
        instance_type: Some(InstanceType::new("t3.large").expect("a type")),
        images: BTreeMap::new(),
        fallback_types: vec![],
        options: ChangeOptions {
            capacity,
            ..options()
        },
    }
}

/// Runs an update; the checks of its plan, and the end.
async fn update(world: &World, rig: &Rig, capacity: Capacity) -> (Vec<Check>, Vec<String>, Ended) {
    let prepared = prepare_update(world, &request(rig, capacity)).await;
    let Prepared::Ready(ready) = prepared.expect("it can be known") else {
        panic!("it can go ahead");
    };
    let steps = ready.plan.steps.iter();
    let steps = steps.map(|s| s.action.name().to_owned()).collect();
    (ready.checks.clone(), steps, execute(world, *ready).await)
}

/// A further instance of the account, which runs.
fn another(rig: &Rig, id: &str, kind: &str) {
    let id = InstanceId::new(id).expect("an id");
    let at = rig.clock.now();
    let instance = Instance::running(id, kind, "us-east-1a", at);
    rig.memory.world().add_instance(instance);
}

fn launched(rig: &Rig) -> geusemaker::model::Timestamp {
    rig.memory.world().instances[SEED_INSTANCE].launched_at
}

#[test]
fn without_capacity_it_is_refused_with_awss_reason_and_with_types_that_can_be_had() {
    block_on(async {
        let rig = Rig::new();
        let (world, before, boot) = (rig.laptop("here"), rig.stack(), launched(&rig));
        fault(
            &rig,
            &format!("ec2:CreateCapacityReservation@t3.large={NONE}"),
        );
        let (_, _, ended) = update(&world, &rig, Capacity::Prove).await;
        assert_eq!(ended.outcome, Outcome::Refused);
        let error = ended.error.expect("why");
        assert_eq!(error.code, "insufficient_capacity");
        assert!(error.causes[0].contains(NONE), "{:?}", error.causes);
        // Proved, each: it was reserved a moment ago.
        assert!(
            error.help[0].contains("can be had in us-east-1a")
                && error.help[0].contains("t3a.large")
                && error.help[1].starts_with("geusemaker update my-dev-stack --instance-type t"),
            "{:?}",
            error.help
        );
        let plan = ended.data.plan.expect("its plan");
        let check = &plan.checks[0];
        assert_eq!(
            (check.name.as_str(), check.status),
            ("capacity", CheckStatus::Refuse)
        );
        assert!(check.found.contains(NONE), "{check:?}");
        assert_eq!(ended.data.downtime_seconds, 0.0);
        assert_eq!(
            (rig.stack(), launched(&rig)),
            (before, boot),
            "nothing was stopped"
        );
        assert_eq!(
            rig.reserved(),
            [] as [String; 0],
            "what was tried is released"
        );
    });
}

#[test]
fn a_type_that_was_not_reserved_is_never_said_to_be_had() {
    block_on(async {
        let rig = Rig::new();
        let world = rig.laptop("here");
        fault(&rig, &format!("ec2:CreateCapacityReservation={NONE}"));
        let (_, _, ended) = update(&world, &rig, Capacity::Prove).await;
        assert_eq!(ended.outcome, Outcome::Refused);
        let help = ended.error.expect("why").help;
        assert!(help.iter().all(|h| !h.contains("can be had")), "{help:?}");
        assert!(help[0].contains("no capacity for t3a.large"), "{help:?}");
        assert_eq!(rig.reserved(), [] as [String; 0]);
    });
}

#[test]
fn a_quota_is_told_apart_and_names_the_flag_that_leaves_it_out() {
    block_on(async {
        for code in ["VcpuLimitExceeded", "InstanceLimitExceeded"] {
            let rig = Rig::new();
            let (world, before) = (rig.laptop("here"), rig.stack());
            fault(&rig, &format!("ec2:CreateCapacityReservation={code}"));
            let (_, _, ended) = update(&world, &rig, Capacity::Prove).await;
            assert_eq!(ended.outcome, Outcome::Refused);
            let error = ended.error.expect("why");
            assert_eq!(error.code, "limit_exceeded");
            assert!(error.causes[0].contains(code), "{:?}", error.causes);
            assert!(
                error.help[0].contains("--capacity skip"),
                "{:?}",
                error.help
            );
            assert_eq!(rig.stack(), before);
            // And so it goes: old and new need not fit together. Another second is another operation's id.
            rig.clock.advance(Duration::from_secs(1));
            let (checks, steps, ended) = update(&world, &rig, Capacity::Skip).await;
            assert_eq!(ended.outcome, Outcome::Updated, "{:?}", ended.error);
            assert!(!steps.contains(&"reserve_capacity".to_owned()), "{steps:?}");
            let check = checks
                .iter()
                .find(|c| c.name == "capacity")
                .expect("a word");
            assert!(check.message.contains("--capacity skip"), "{check:?}");
        }
    });
}

#[test]
fn a_way_back_that_cannot_be_held_warns_and_goes_on() {
    block_on(async {
        for code in [NONE, "VcpuLimitExceeded"] {
            let rig = Rig::new();
            let world = rig.laptop("here");
            fault(
                &rig,
                &format!("ec2:CreateCapacityReservation@t3.medium={code}"),
            );
            let (_, _, ended) = update(&world, &rig, Capacity::Prove).await;
            assert_eq!(ended.outcome, Outcome::Updated, "{:?}", ended.error);
            let said = |w: &String| w.starts_with("the way back is not held") && w.contains(code);
            assert!(
                ended.data.warnings.iter().any(said),
                "{:?}",
                ended.data.warnings
            );
            assert_eq!(rig.reserved(), [] as [String; 0]);
        }
    });
}

#[test]
fn without_the_right_to_reserve_it_warns_and_goes_on() {
    block_on(async {
        let rig = Rig::new();
        let world = rig.laptop("here");
        fault(&rig, "ec2:CreateCapacityReservation=UnauthorizedOperation");
        let (checks, steps, ended) = update(&world, &rig, Capacity::Prove).await;
        let check = checks
            .iter()
            .find(|c| c.name == "capacity")
            .expect("a word");
        assert_eq!(check.status, CheckStatus::Warn);
        assert!(check.help.contains("docs/iam-policy.md"), "{check:?}");
        assert!(!steps.contains(&"reserve_capacity".to_owned()), "{steps:?}");
        assert_eq!(ended.outcome, Outcome::Updated, "{:?}", ended.error);
    });
}

#[test]
fn what_another_instance_takes_meanwhile_is_said_to_be_proved_and_not_held() {
    block_on(async {
        // Of the new type; and of the old one, before ours in EC2's order.
        for (id, kind) in [
            ("i-0fffffffffffffff0", "t3.large"),
            ("i-0123456789abcdef0", "t3.medium"),
        ] {
            let rig = Rig::new();
            let world = rig.laptop("here");
            another(&rig, id, kind);
            let (_, _, ended) = update(&world, &rig, Capacity::Prove).await;
            assert_eq!(ended.outcome, Outcome::Updated, "{:?}", ended.error);
            let said = format!("capacity for {kind} was proved, and is not held");
            let warnings = &ended.data.warnings;
            assert!(
                warnings.iter().any(|w| w.starts_with(&said)),
                "{warnings:?}"
            );
            let other = ["t3.large", "t3.medium"].into_iter().find(|k| *k != kind);
            let other = format!("capacity for {}", other.expect("the other"));
            assert!(
                !warnings.iter().any(|w| w.starts_with(&other)),
                "{warnings:?}"
            );
        }
        // Nobody else: nothing is said.
        let rig = Rig::new();
        let world = rig.laptop("here");
        let (_, _, ended) = update(&world, &rig, Capacity::Prove).await;
        assert!(
            !ended.data.warnings.iter().any(|w| w.contains("capacity")),
            "{:?}",
            ended.data.warnings
        );
    });
}

#[test]
fn a_start_that_fails_all_the_same_is_undone_and_both_are_released() {
    block_on(async {
        let rig = Rig::new();
        let (world, before) = (rig.laptop("here"), rig.stack());
        fault(&rig, &format!("ec2:StartInstances@t3.large={NONE}"));
        let (_, steps, ended) = update(&world, &rig, Capacity::Prove).await;
        assert!(steps.contains(&"reserve_capacity".to_owned()), "{steps:?}");
        assert_eq!(ended.outcome, Outcome::RolledBack, "{:?}", ended.error);
        assert_eq!(rig.stack(), before);
        assert_eq!(rig.reserved(), [] as [String; 0]);
    });
}

#[test]
fn a_stuck_operation_keeps_the_way_back_and_accept_releases_it() {
    block_on(async {
        let rig = Rig::new();
        let world = rig.laptop("here");
        fault(&rig, &format!("ec2:StartInstances={NONE}"));
        let (_, _, ended) = update(&world, &rig, Capacity::Prove).await;
        assert_eq!(ended.outcome, Outcome::Stuck);
        assert_eq!(rig.reserved(), ["t3.large", "t3.medium"]);
        let said = |w: &String| {
            w.starts_with("capacity stays reserved") && w.contains("ends it by itself at")
        };
        assert!(
            ended.data.warnings.iter().any(said),
            "{:?}",
            ended.data.warnings
        );
        clear(&rig);
        let name = rig.memory.deployment().name;
        let ended = resume(&world, &name, Way::Accept)
            .await
            .expect("it can be known");
        assert_eq!(ended.outcome, Outcome::Done);
        assert_eq!(rig.reserved(), [] as [String; 0]);
    });
}

#[test]
fn a_paused_operation_keeps_it_and_whichever_way_it_goes_on_releases_it() {
    block_on(async {
        for (way, expected) in [
            (Way::On, Outcome::Updated),
            (Way::Unwind, Outcome::RolledBack),
        ] {
            let rig = Rig::new();
            let world = rig.laptop("here");
            // No code of authorization: the dry run passes, and it comes in the middle.
            fault(&rig, "ec2:StartInstances=RequestTimeTooSkewed");
            let (_, _, ended) = update(&world, &rig, Capacity::Prove).await;
            assert_eq!(ended.outcome, Outcome::Paused, "{:?}", ended.error);
            assert_eq!(rig.reserved(), ["t3.large", "t3.medium"]);
            clear(&rig);
            let name = rig.memory.deployment().name;
            let ended = resume(&world, &name, way).await.expect("it can be known");
            assert_eq!(ended.outcome, expected, "{:?}", ended.error);
            assert_eq!(rig.reserved(), [] as [String; 0]);
        }
    });
}

#[test]
fn a_forgotten_reservation_ends_by_itself() {
    block_on(async {
        let rig = Rig::new();
        let world = rig.laptop("here");
        fault(&rig, "ec2:StartInstances=RequestTimeTooSkewed");
        let (_, _, ended) = update(&world, &rig, Capacity::Prove).await;
        assert_eq!(ended.outcome, Outcome::Paused);
        assert_eq!(rig.reserved().len(), 2);
        rig.clock.advance(Duration::from_secs(2 * 3600));
        assert_eq!(rig.reserved(), [] as [String; 0]);
    });
}

/// The end that EC2 was asked for, from the moment at which the operation began.
#[test]
fn a_reservation_is_asked_for_two_hours_or_four_health_timeouts_where_that_is_longer() {
    block_on(async {
        for (timeout_s, seconds) in [(300, 7200), (1800, 7200), (3600, 14_400)] {
            let rig = Rig::new();
            let world = rig.laptop("here");
            fault(&rig, "ec2:StartInstances=RequestTimeTooSkewed");
            let mut request = request(&rig, Capacity::Prove);
            request.options.gate.timeout_ms = timeout_s * 1000;
            let prepared = prepare_update(&world, &request).await;
            let Prepared::Ready(ready) = prepared.expect("it can be known") else {
                panic!("it can go ahead");
            };
            assert_eq!(execute(&world, *ready).await.outcome, Outcome::Paused);
            let (state, _) = StateDir::open(&world.state_dir).expect("a folder");
            let name = rig.memory.deployment().name;
            let open = state.open_operation(&name).expect("readable");
            let began = open.expect("it is open").lines[0].at.as_second();
            let asked: Vec<i64> = (rig.memory.world().reservations.values())
                .map(|r| r.ends_at.expect("an end").as_second() - began)
                .collect();
            assert_eq!(asked, [seconds, seconds], "{timeout_s}");
        }
    });
}

/// By each code with which EC2 says that it is not to be had for this platform or type at all.
#[test]
fn where_ec2_does_not_reserve_for_the_platform_it_warns_and_goes_on() {
    block_on(async {
        for code in [
            "Unsupported",
            "UnsupportedOperation",
            "InvalidParameterValue",
            "InvalidParameterCombination",
        ] {
            let rig = Rig::new();
            let world = rig.laptop("here");
            fault(&rig, &format!("ec2:CreateCapacityReservation={code}"));
            let (_, steps, ended) = update(&world, &rig, Capacity::Prove).await;
            assert!(steps.contains(&"reserve_capacity".to_owned()), "{steps:?}");
            assert_eq!(ended.outcome, Outcome::Updated, "{code}: {:?}", ended.error);
            assert_eq!(rig.stack()["type"], "t3.large");
            let said = |w: &String| {
                w.starts_with("capacity for t3.large is not proved before the stop")
                    && w.contains(code)
            };
            let warnings = &ended.data.warnings;
            assert!(warnings.iter().any(said), "{code}: {warnings:?}");
            assert_eq!(rig.reserved(), [] as [String; 0]);
        }
    });
}

/// Writes down what is reserved when each step begins; asks for a pause in one of them.
struct Watch {
    memory: Arc<Memory>,
    seen: Mutex<Vec<(&'static str, Vec<String>)>>,
    pauses: Option<(&'static str, Arc<Interrupt>)>,
}

impl Watch {
    fn new(rig: &Rig, pauses: Option<(&'static str, Arc<Interrupt>)>) -> Arc<Self> {
        Arc::new(Self {
            memory: rig.memory.clone(),
            seen: Mutex::default(),
            pauses,
        })
    }

    /// What was reserved when this step began.
    fn at(&self, step: &str) -> Vec<String> {
        let seen = self.seen.lock().expect("no panic");
        let found = seen.iter().find(|(name, _)| *name == step);
        let (_, types) = found.unwrap_or_else(|| panic!("{step} is not in {seen:?}"));
        types.clone()
    }
}

impl Listener for Watch {
    fn event(&self, event: &Event) {
        let EventKind::StepStarted { step, .. } = event.kind else {
            return;
        };
        let mut world = self.memory.world();
        world.advance(event.at);
        let active = world.reservations.values().filter(|r| r.is_active());
        let types = active.map(|r| r.instance_type.to_string()).collect();
        self.seen.lock().expect("no panic").push((step, types));
        if let Some((_, interrupt)) = self.pauses.as_ref().filter(|(at, _)| *at == step) {
            interrupt.ask();
        }
    }
}

const THREE_HOURS: Duration = Duration::from_secs(3 * 3600);

#[test]
fn paused_before_the_outage_for_longer_than_its_reservations_last_it_reserves_anew() {
    block_on(async {
        for step in ["reserve_capacity", "arm_restore"] {
            let rig = Rig::new();
            let mut world = rig.laptop("here");
            world.listener = Watch::new(&rig, Some((step, world.interrupted.clone())));
            let (_, _, ended) = update(&world, &rig, Capacity::Prove).await;
            assert_eq!(ended.outcome, Outcome::Paused, "{:?}", ended.error);
            assert_eq!(rig.reserved(), ["t3.large", "t3.medium"]);
            rig.clock.advance(THREE_HOURS);
            assert_eq!(rig.reserved(), [] as [String; 0]);
            let watch = Watch::new(&rig, None);
            let world = World {
                listener: watch.clone(),
                ..rig.laptop("here")
            };
            let name = rig.memory.deployment().name;
            let ended = resume(&world, &name, Way::On).await.expect("it goes on");
            assert_eq!(ended.outcome, Outcome::Updated, "{:?}", ended.error);
            assert_eq!(watch.at("quiesce"), ["t3.large", "t3.medium"], "{step}");
            assert_eq!(rig.reserved(), [] as [String; 0]);
        }
    });
}

#[test]
fn paused_in_the_outage_for_longer_than_its_reservations_last_it_goes_on_without_them() {
    block_on(async {
        for (way, expected) in [
            (Way::On, Outcome::Updated),
            (Way::Unwind, Outcome::RolledBack),
        ] {
            let rig = Rig::new();
            let (world, before) = (rig.laptop("here"), rig.stack());
            fault(&rig, "ec2:ModifyInstanceAttribute=RequestTimeTooSkewed");
            let (_, _, ended) = update(&world, &rig, Capacity::Prove).await;
            assert_eq!(ended.outcome, Outcome::Paused, "{:?}", ended.error);
            assert_eq!(rig.reserved(), ["t3.large", "t3.medium"]);
            clear(&rig);
            // Nothing can be had any more: whoever asked would be told so.
            fault(&rig, &format!("ec2:CreateCapacityReservation={NONE}"));
            rig.clock.advance(THREE_HOURS);
            let watch = Watch::new(&rig, None);
            let world = World {
                listener: watch.clone(),
                ..rig.laptop("here")
            };
            let name = rig.memory.deployment().name;
            let ended = resume(&world, &name, way).await.expect("it goes on");
            assert_eq!(ended.outcome, expected, "{:?}", ended.error);
            assert_eq!(watch.at("start_instance"), [] as [String; 0]);
            let warnings = &ended.data.warnings;
            assert!(
                !warnings.iter().any(|w| w.contains("capacity")),
                "{warnings:?}"
            );
            if way == Way::Unwind {
                assert_eq!(rig.stack(), before);
            }
        }
    });
}

#[test]
fn a_release_that_fails_warns_and_resume_tries_it_again() {
    block_on(async {
        let rig = Rig::new();
        let world = rig.laptop("here");
        fault(&rig, "ec2:CancelCapacityReservation=InternalError");
        let (_, _, ended) = update(&world, &rig, Capacity::Prove).await;
        assert_eq!(ended.outcome, Outcome::Updated, "{:?}", ended.error);
        let said = |w: &&String| w.contains("is not released, and billed until");
        assert_eq!(ended.data.warnings.iter().filter(said).count(), 2);
        assert_eq!(rig.reserved().len(), 2);
        let name = rig.memory.deployment().name;
        let again = async || {
            resume(&world, &name, Way::On)
                .await
                .expect("it can be known")
        };
        let ended = again().await;
        assert_eq!(ended.outcome, Outcome::Unchanged);
        assert!(ended.data.warnings[0].contains("is still not released"));
        clear(&rig);
        let ended = again().await;
        assert_eq!(ended.data.warnings.len(), 2, "{:?}", ended.data.warnings);
        assert!(ended.data.warnings[0].ends_with("is released now"));
        assert_eq!(rig.reserved(), [] as [String; 0]);
        assert_eq!(again().await.data.warnings, [] as [String; 0]);
    });
}

#[test]
fn a_rollback_of_the_type_proves_too() {
    block_on(async {
        let rig = Rig::new();
        let world = rig.laptop("here");
        let (_, _, ended) = update(&world, &rig, Capacity::Prove).await;
        assert_eq!(ended.outcome, Outcome::Updated, "{:?}", ended.error);
        let after = rig.stack();
        fault(
            &rig,
            &format!("ec2:CreateCapacityReservation@t3.medium={NONE}"),
        );
        let back = |capacity| geusemaker::model::RollbackRequest {
            deployment: rig.memory.deployment().name,
            to: None,
            services: None,
            fallback_types: vec![],
            options: request(&rig, capacity).options,
        };
        for (capacity, expected) in [
            (Capacity::Prove, Outcome::Refused),
            (Capacity::Skip, Outcome::RolledBackAsAsked),
        ] {
            assert_eq!(rig.stack(), after);
            rig.clock.advance(Duration::from_secs(1));
            let prepared = prepare_rollback(&world, &back(capacity)).await;
            let Prepared::Ready(ready) = prepared.expect("it can be known") else {
                panic!("it can go ahead");
            };
            let ended = execute(&world, *ready).await;
            assert_eq!(ended.outcome, expected, "{:?}", ended.error);
        }
    });
}

/// The reservations in the sandbox's world that are active, by type.
fn active(sandbox: &Sandbox) -> Vec<String> {
    let file = sandbox.path().join("sandbox/world.json");
    let text = fs_err::read_to_string(file).expect("the sandbox's world");
    let world: serde_json::Value = serde_json::from_str(&text).expect("JSON");
    let all = world["reservations"].as_object().expect("reservations");
    let active = all.values().filter(|r| r["state"] == "active");
    active.map(|r| r["instance_type"].to_string()).collect()
}

#[test]
fn the_binary_refuses_without_capacity_and_with_zero_downtime() {
    let sandbox = Sandbox::new();
    let before = sandbox.seen();
    let none = format!("ec2:CreateCapacityReservation@t3.large={NONE}");
    sandbox.run(&["sandbox", "fault", "add", &none]).ended(0);
    let result = sandbox.json(&RETYPE, 3);
    assert_eq!(result["outcome"], "refused");
    assert_eq!(result["error"]["code"], "insufficient_capacity");
    assert_eq!(result["data"]["downtime_seconds"], 0.0);
    let help = result["error"]["help"][0].as_str().expect("help");
    assert!(help.contains("t3a.large"), "{help}");
    assert_eq!(sandbox.seen(), before);
    assert_eq!(active(&sandbox), [] as [String; 0]);
    // As it is without a proof: the outage, and the way back.
    sandbox.run(&["sandbox", "fault", "clear"]).ended(0);
    let none = format!("ec2:StartInstances@t3.large={NONE}");
    sandbox.run(&["sandbox", "fault", "add", &none]).ended(0);
    let result = sandbox.json(&[&RETYPE[..], &["--capacity", "skip"]].concat(), 4);
    assert!(
        !result["data"]["steps"]
            .to_string()
            .contains("reserve_capacity")
    );
    assert_eq!(sandbox.seen(), before);
}

#[test]
fn the_binary_reserves_both_before_the_stop_and_releases_both_at_the_end() {
    let sandbox = Sandbox::new();
    let planned = sandbox.json(&[&RETYPE[..4], &["--dry-run"]].concat(), 0);
    let steps = planned["data"]["plan"]["steps"].as_array().expect("steps");
    let reserve = steps.iter().find(|s| s["name"] == "reserve_capacity");
    let detail = reserve.expect("it proves")["detail"]
        .as_str()
        .expect("a detail");
    assert_eq!(
        detail,
        "t3.large, then t3.medium for the way back, in us-east-1a; at most $0.1248 an hour while held \
         (list prices of 2026-07-20)"
    );
    let result = sandbox.json(&RETYPE, 0);
    let steps = result["data"]["steps"].as_array().expect("steps");
    for name in ["reserve_capacity", "release_capacity"] {
        let one = steps
            .iter()
            .find(|s| s["name"] == name)
            .expect("it is there");
        assert_eq!(one["status"], "done", "{one}");
    }
    assert_eq!(
        result["data"]["warnings"]
            .to_string()
            .matches("capacity")
            .count(),
        0
    );
    assert_eq!(active(&sandbox), [] as [String; 0]);
}
