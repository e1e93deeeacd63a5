//! Somebody changes the stack behind our back: noticed under the lock, shown by `status`, and the next update starts
//! from what is.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use geusemaker::cloud::Clock;
use geusemaker::model::{
    ImageRef, InstanceType, Outcome, RollbackRequest, ServiceName, Timestamp, UpdateRequest,
};
use geusemaker::orchestrator::{
    Ended, Prepared, Way, World, execute, prepare_rollback, prepare_update, resume, status,
};
use geusemaker::report::{Event, EventKind, Listener, Phase};
use geusemaker::sandbox::fault::Fault;
use geusemaker::sandbox::rig::Memory;
use geusemaker::sandbox::world::{SEED_INSTANCE, World as SandboxWorld};
use serde_json::Value;

use crate::host_alone::killed_at;
use crate::model::commands::Hand;
use crate::model::hands;
use crate::model::reference::{FILE, same};
use crate::saga::{Rig, block_on, goes, options};
use crate::support::Sandbox;
use crate::support::terminal::Terminal;

const NAME: &str = "my-dev-stack";

fn request(rig: &Rig, instance_type: Option<&str>, images: &[(&str, &str)]) -> UpdateRequest {
    let image = |(service, reference): &(&str, &str)| {
        let service = ServiceName::new(*service).expect("a service");
        (service, ImageRef::new(*reference).expect("a reference"))
    };
    UpdateRequest {
        deployment: rig.memory.deployment().name,
        instance_type: instance_type.map(|t| InstanceType::new(t).expect("a type")),
        images: images.iter().map(image).collect(),
        fallback_types: vec![],
        options: options(),
    }
}

async fn update(rig: &Rig, world: &World, to: Option<&str>, images: &[(&str, &str)]) -> Ended {
    let prepared = prepare_update(world, &request(rig, to, images)).await;
    let ended = goes(world, prepared.expect("it can be seen")).await;
    assert_ne!(
        ended.outcome,
        Outcome::Unchanged,
        "there is something to do"
    );
    ended
}

/// Between the plan and the lock: refused with what differs, nothing is done; an update as well as a rollback.
#[test]
fn what_somebody_changes_at_the_question_is_refused_by_name() {
    let table = [
        (
            Hand::Type(2),
            r#"instance_type: "t3.medium" -> "t3.xlarge""#,
        ),
        (Hand::Stop, r#"state: "running" -> "stopped""#),
        (Hand::Comment, "compose_sha256: "),
        (Hand::EditImage(1, 1), "compose_sha256: "),
        (
            Hand::RunImage(1, 1),
            r#"images.qdrant.ref: "qdrant/qdrant:v1.12.4" -> "qdrant/qdrant:v1.13.0""#,
        ),
        (Hand::StopContainer(1), "running: "),
    ];
    block_on(async {
        for back in [false, true] {
            for (hand, differs) in table {
                let rig = Rig::new();
                let world = rig.laptop("ann-laptop");
                let prepared = if back {
                    // Back to the type that it has at first: there is a snapshot to go to.
                    let ended = update(&rig, &world, None, &[("n8n", "n8nio/n8n:1.20.0")]).await;
                    assert_eq!(ended.outcome, Outcome::Updated);
                    let request = RollbackRequest {
                        deployment: rig.memory.deployment().name,
                        to: None,
                        services: None,
                        fallback_types: vec![],
                        options: options(),
                    };
                    prepare_rollback(&world, &request).await
                } else {
                    let request = request(&rig, Some("t3.large"), &[]);
                    prepare_update(&world, &request).await
                };
                let Ok(Prepared::Ready(ready)) = prepared else {
                    panic!("it can go ahead");
                };
                hands::does(&rig, hand);
                let handed = rig.stack();
                let ended = execute(&world, *ready).await;
                assert_eq!(ended.outcome, Outcome::Refused, "{hand:?}");
                assert_eq!(ended.outcome.exit_code(), 3);
                let error = ended.error.expect("why");
                let checks = ended.data.plan.expect("its checks").checks;
                let refused: Vec<_> = checks
                    .iter()
                    .filter(|c| c.found.contains(differs))
                    .collect();
                // A stop stands in the way of images by itself: then that is what is said.
                let stopped = hand == Hand::Stop && error.code == "images_need_host";
                let [check] = &refused[..] else {
                    assert!(stopped, "{hand:?}: {differs} is not in {checks:#?}");
                    continue;
                };
                assert_eq!(check.name, "changed_meanwhile", "{hand:?}");
                assert_eq!(error.code, "changed_meanwhile", "{hand:?}");
                assert!(same(&rig.stack(), &handed, &BTreeSet::new()), "{hand:?}");
            }
        }
    });
}

/// A boot, and a permission without which there are other steps, are named as well.
#[test]
fn a_boot_or_a_permission_that_changes_at_the_question_is_named() {
    const DENIED: &str = "ec2:CreateCapacityReservation=UnauthorizedOperation";
    type Change = fn(&mut SandboxWorld, Timestamp);
    let hands: [(Change, &str); 2] = [
        (
            |world, now| {
                world.reboot(SEED_INSTANCE, now).expect("it runs");
                world.advance(now + Duration::from_secs(60));
            },
            "the host was booted",
        ),
        (
            |world, _| {
                world
                    .faults
                    .0
                    .push(Fault::parse(DENIED, None).expect("a fault"))
            },
            "the steps: ",
        ),
    ];
    block_on(async {
        for (hand, differs) in hands {
            let rig = Rig::new();
            let world = rig.laptop("ann-laptop");
            let request = request(&rig, Some("t3.large"), &[]);
            let Ok(Prepared::Ready(ready)) = prepare_update(&world, &request).await else {
                panic!("it can go ahead");
            };
            hand(&mut rig.memory.world(), rig.clock.now());
            rig.clock.advance(Duration::from_secs(60));
            let ended = execute(&world, *ready).await;
            assert_eq!(ended.outcome, Outcome::Refused, "{differs}");
            let error = ended.error.expect("why");
            assert_eq!(error.code, "changed_meanwhile");
            let checks = ended.data.plan.expect("its checks").checks;
            let found = checks.iter().any(|c| c.found.starts_with(differs));
            assert!(found, "{differs} is not in {checks:#?}");
        }
    });
}

/// The tag moves while the question is open: the plan names the reference, and what it means is pulled and pinned.
#[test]
fn a_tag_that_moves_at_the_question_is_pulled_as_it_is_then() {
    block_on(async {
        let rig = Rig::new();
        let world = rig.laptop("ann-laptop");
        let request = request(&rig, None, &[("n8n", "n8nio/n8n:1.20.0")]);
        let Ok(Prepared::Ready(ready)) = prepare_update(&world, &request).await else {
            panic!("it can go ahead");
        };
        hands::does(&rig, Hand::MoveTag(0, 1));
        let ended = execute(&world, *ready).await;
        assert_eq!(ended.outcome, Outcome::Updated, "{:?}", ended.error);
        let reference = ImageRef::new("n8nio/n8n:1.20.0").expect("a reference");
        let found = rig.memory.world().registry.find(&reference, "amd64");
        let id = found.expect("it is there").id;
        assert!(rig.stack()["container n8n"].contains(&id));
    });
}

#[test]
fn status_says_what_it_could_not_ask_and_why() {
    let sandbox = Sandbox::new();
    let seen = sandbox.json(&["status", NAME], 0);
    assert_eq!(seen["warnings"], serde_json::json!([]));
    for (call, status, why) in [
        (
            "ssm:SendCommand",
            "unreachable",
            "the host could not be asked: ",
        ),
        (
            "ssm:GetParametersByPath",
            "healthy",
            "who holds it in the account could not be asked: ",
        ),
        (
            "efs:DescribeFileSystems",
            "healthy",
            "the file system is not seen: ",
        ),
    ] {
        let fault = format!("{call}=AccessDeniedException");
        sandbox
            .run(&["sandbox", "fault", "add", &fault, "--times", "always"])
            .ended(0);
        let seen = sandbox.json(&["status", NAME], 0);
        assert_eq!(seen["data"]["status"], status);
        let warnings = seen["warnings"].as_array().expect("warnings");
        assert_eq!(warnings.len(), 1, "{call}: {warnings:?}");
        let said = warnings[0].as_str().expect("text");
        assert!(said.starts_with(why), "{said}");
        assert!(said.contains("AccessDeniedException"), "{said}");
        sandbox.run(&["sandbox", "fault", "clear"]).ended(0);
    }
}

async fn drift(rig: &Rig, world: &World) -> Vec<(String, String, String)> {
    let before = rig.stack();
    let seen = status(world, &rig.memory.deployment().name).await;
    assert_eq!(rig.stack(), before, "a look changes nothing");
    let drift = seen.expect("it can be seen").0.drift;
    drift
        .into_iter()
        .map(|d| (d.what, d.recorded, d.found))
        .collect()
}

#[test]
fn status_shows_where_state_cloud_and_host_differ() {
    /// What differs: its name, what is expected, what is there.
    type Differs = &'static [(&'static str, &'static str, &'static str)];
    let table: [(Hand, Differs); 9] = [
        (Hand::Type(2), &[("instance_type", "t3.large", "t3.xlarge")]),
        (Hand::Stop, &[("instance_state", "running", "stopped")]),
        (Hand::Start, &[]),
        (Hand::Comment, &[("compose_file", "sha256 ", "sha256 ")]),
        (
            Hand::EditImage(0, 2),
            &[
                ("compose_file", "sha256 ", "sha256 "),
                (
                    "not_applied: n8n",
                    "n8nio/n8n:1.21.0 (the compose file)",
                    "n8nio/n8n:1.20.0 (runs)",
                ),
            ],
        ),
        (
            Hand::RunImage(0, 2),
            &[
                ("image: n8n", "n8nio/n8n:1.20.0", "n8nio/n8n:1.21.0"),
                (
                    "not_applied: n8n",
                    "n8nio/n8n:1.20.0 (the compose file)",
                    "n8nio/n8n:1.21.0 (runs)",
                ),
            ],
        ),
        (
            Hand::StopContainer(0),
            &[("image: n8n", "n8nio/n8n:1.20.0", "does not run")],
        ),
        (
            Hand::Record(2),
            &[("instance_type", "t3.xlarge", "t3.large")],
        ),
        (Hand::MoveTag(0, 1), &[]),
    ];
    block_on(async {
        for (hand, expected) in table {
            let rig = Rig::new();
            let world = rig.laptop("ann-laptop");
            assert_eq!(drift(&rig, &world).await, [], "before the first operation");
            let ended = update(
                &rig,
                &world,
                Some("t3.large"),
                &[("n8n", "n8nio/n8n:1.20.0")],
            )
            .await;
            assert_eq!(ended.outcome, Outcome::Updated);
            assert_eq!(drift(&rig, &world).await, []);
            hands::does(&rig, hand);
            let found = drift(&rig, &world).await;
            assert_eq!(found.len(), expected.len(), "{hand:?}: {found:?}");
            for ((what, recorded, is), (w, r, f)) in found.iter().zip(expected) {
                let so = what == w && recorded.starts_with(r) && is.starts_with(f);
                assert!(so, "{hand:?}: {found:?}");
            }
        }
    });
}

/// The same reference and other bits: a tag that moved, pulled and run by hand.
#[test]
fn status_shows_another_image_under_the_same_name() {
    block_on(async {
        let rig = Rig::new();
        let world = rig.laptop("ann-laptop");
        let ended = update(&rig, &world, None, &[("n8n", "n8nio/n8n:1.20.0")]).await;
        assert_eq!(ended.outcome, Outcome::Updated);
        hands::does(&rig, Hand::MoveTag(0, 1));
        hands::does(&rig, Hand::RunImage(0, 1));
        let found = drift(&rig, &world).await;
        let [(what, recorded, is)] = &found[..] else {
            panic!("{found:?}");
        };
        assert_eq!(what, "image: n8n");
        for text in [recorded, is] {
            assert!(text.starts_with("n8nio/n8n:1.20.0 (sha256:"), "{text}");
        }
        assert_ne!(recorded, is);
    });
}

#[test]
fn an_update_starts_from_what_is_and_not_from_what_is_written_down() {
    block_on(async {
        let rig = Rig::new();
        let world = rig.laptop("ann-laptop");
        // The record says t3.large, and so does the wish; it is t3.xlarge.
        hands::does(&rig, Hand::Record(1));
        hands::does(&rig, Hand::Type(2));
        let ended = update(&rig, &world, Some("t3.large"), &[]).await;
        assert_eq!(ended.outcome, Outcome::Updated, "{:?}", ended.error);
        let changes = &ended.data.changes_applied;
        assert_eq!(changes[..], ["instance_type: t3.xlarge -> t3.large"]);
        assert_eq!(rig.stack()["type"], "t3.large");
        assert_eq!(drift(&rig, &world).await, []);
        // Edited and not applied: the file says it already, and it does not run yet.
        hands::does(&rig, Hand::EditImage(0, 1));
        hands::does(&rig, Hand::Comment);
        let ended = update(&rig, &world, None, &[("n8n", "n8nio/n8n:1.20.0")]).await;
        assert_eq!(ended.outcome, Outcome::Updated, "{:?}", ended.error);
        let stack = rig.stack();
        assert!(stack["container n8n"].starts_with("n8nio/n8n:1.20.0 "));
        assert!(stack[crate::model::reference::FILE].ends_with("# mine\n"));
        assert_eq!(drift(&rig, &world).await, []);
    });
}

/// With the real binary, while the question is open on a terminal.
#[test]
fn a_type_changed_while_the_question_is_open_is_refused_with_what_differs() {
    let sandbox = Sandbox::new();
    sandbox.run(&["list"]).ended(0);
    let update = [
        "update",
        NAME,
        "--image",
        "n8n=n8nio/n8n:1.20.0",
        "--stable-for",
        "1s",
    ];
    let mut terminal = Terminal::run(sandbox.command(&update), |c| c);
    terminal.until("update my-dev-stack? Services are down");
    sandbox.world(|world| {
        let instance = world.instances.get_mut(SEED_INSTANCE).expect("it");
        instance.instance_type = InstanceType::new("m5.large").expect("a type");
    });
    let before = sandbox.stack();
    terminal.types(b"y\r");
    assert_eq!(terminal.end(), 3, "{}", terminal.shown);
    let shown = terminal.shown.replace(['\r', '\n'], " ");
    for text in [
        "changed between the plan and its start",
        "t3.medium",
        "m5.large",
    ] {
        assert!(shown.contains(text), "{text}: {}", terminal.shown);
    }
    assert_eq!(sandbox.stack(), before, "nothing is done");
    assert_eq!(sandbox.leftovers(), Vec::<String>::new());
    let history = sandbox.json(&["history", NAME], 0);
    assert_eq!(history["data"]["operations"], Value::Array(vec![]));
    let status = sandbox.json(&["status", NAME], 0);
    let drift = &status["data"]["drift"][0];
    assert_eq!(drift["what"], "instance_type");
    assert_eq!(
        (&drift["recorded"], &drift["found"]),
        (&"t3.medium".into(), &"m5.large".into())
    );
    let text = sandbox.run(&["status", NAME]);
    assert!(
        text.out.contains("DRIFT") && text.out.contains("m5.large"),
        "{}",
        text.out
    );
}

/// Killed in its middle: whom the host would obey, and what the account says, until it is gone on with.
#[test]
fn status_shows_the_armed_host_and_the_lease_of_what_was_killed() {
    let sandbox = Sandbox::new();
    let look = || sandbox.json(&["status", NAME], 0)["data"].clone();
    let idle = look();
    assert!(
        idle["restore"].is_null() && idle["lease"].is_null(),
        "{idle}"
    );
    let image = [
        "update",
        NAME,
        "--image",
        "n8n=n8nio/n8n:1.20.0",
        "--force",
        "--stable-for",
        "1s",
    ];
    killed_at(&sandbox, &image, "verify_health");
    let seen = look();
    let id = seen["operation"]["id"]
        .as_str()
        .expect("it is open")
        .to_owned();
    assert_eq!(seen["restore"]["state"], "armed", "{seen}");
    assert_eq!(seen["restore"]["operation"], id.as_str());
    assert!(seen["restore"]["deadline"].is_string(), "{seen}");
    assert_eq!(
        seen["lease"]["held"], true,
        "its process had no time to release it"
    );
    assert_eq!(seen["lease"]["open_operation"]["id"], id.as_str());
    let text = sandbox.run(&["status", NAME]).out;
    for line in [
        format!("the host is armed for {id}, judges by itself at "),
        "held by ".to_owned(),
    ] {
        assert!(text.contains(&line), "{line}: {text}");
    }
    let ended = sandbox.json(&["resume", NAME, "--force"], 0);
    assert_eq!(ended["outcome"], "updated");
    let seen = look();
    assert_eq!(seen["restore"]["state"], "committed", "{seen}");
    assert!(seen["lease"].is_null(), "{seen}");
    let text = sandbox.run(&["status", NAME]).out;
    assert!(
        !text.contains("the host is") && !text.contains("held by"),
        "{text}"
    );
}

/// Writes a line into the compose file when a step begins.
struct Editor(Arc<Memory>, &'static str);

impl Listener for Editor {
    fn event(&self, event: &Event) {
        if let EventKind::StepStarted {
            step,
            phase: Phase::Forward,
            ..
        } = event.kind
            && step == self.1
        {
            let mut world = self.0.world();
            let host = world.hosts.get_mut(SEED_INSTANCE).expect("it");
            let path = FILE.strip_prefix("file ").expect("a path");
            let text = host.memory.files.0.get_mut(path).expect("it");
            text.push_str("# mine\n");
        }
    }
}

#[test]
fn an_edit_of_the_compose_file_while_it_runs_makes_it_stuck_and_is_left_as_it_is() {
    block_on(async {
        for (to, step) in [
            (None, "apply_images"),
            (Some("t3.large"), "quiesce"),
            (Some("t3.large"), "apply_images"),
        ] {
            let rig = Rig::new();
            let before = rig.stack();
            let world = World {
                listener: Arc::new(Editor(rig.memory.clone(), step)),
                ..rig.laptop("ann-laptop")
            };
            let ended = update(&rig, &world, to, &[("n8n", "n8nio/n8n:1.20.0")]).await;
            let place = format!("{to:?} {step}: {:?}", ended.error);
            assert_eq!(ended.outcome, Outcome::Stuck, "{place}");
            assert!(place.contains("changed by somebody else"), "{place}");
            let edited = format!("{}# mine\n", before[FILE]);
            let stack = rig.stack();
            assert_eq!(stack[FILE], edited, "{place}");
            // All else is as before: the type, and what keeps its container runs.
            assert_eq!(stack["type"], before["type"], "{place}");
            for (key, value) in before.iter().filter(|(k, _)| k.starts_with("container ")) {
                assert_eq!(&stack[key], value, "{place}");
            }
            let world = rig.laptop("ann-laptop");
            let name = rig.memory.deployment().name;
            let closed = resume(&world, &name, Way::Accept).await.expect("it closes");
            assert_eq!(closed.outcome, Outcome::Done, "{place}");
            assert_eq!(rig.stack(), stack, "{place}");
        }
    });
}
