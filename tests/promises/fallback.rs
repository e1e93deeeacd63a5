//! `--fallback-type`: where EC2 starts the instance neither at the new type nor at the old one, the services go up on
//! another, and it is said.

use geusemaker::journal::Entry;
use geusemaker::model::{InstanceType, Outcome};
use geusemaker::orchestrator::Way;

use crate::compensation::Scene;
use crate::saga::{Rig, block_on, opened, update};
use crate::support::Sandbox;

const NO_CAPACITY: &str = "ec2:StartInstances@TYPE=InsufficientInstanceCapacity";

#[test]
fn without_capacity_at_either_type_the_services_go_up_on_the_first_type_that_starts() {
    block_on(async {
        for (short_of, up) in [
            (&["t3.large", "t3.medium"][..], "t3.xlarge"),
            (&["t3.large", "t3.medium", "t3.xlarge"], "t3.2xlarge"),
        ] {
            let scene = Scene::new();
            scene.fault(NO_CAPACITY, None, short_of);
            let ended = scene.update(&["t3.xlarge", "t3.2xlarge"]).await;
            let error = ended.error.expect("it is not as asked, and not as before");
            assert_eq!(
                (ended.outcome, error.code.as_str()),
                (Outcome::Stuck, "services_up_on_fallback"),
                "{error:?}"
            );
            let said = format!("services up on {up}, as healthy as before");
            assert!(error.message.starts_with(&said), "{}", error.message);
            let help = error.help.join("\n");
            for command in [
                "resume my-dev-stack --unwind",
                "resume my-dev-stack --accept",
            ] {
                assert!(help.contains(command), "{help}");
            }
            let verified = ended.data.verified.expect("it was read back");
            assert_eq!(verified.instance_type, up);
            assert!(verified.health.values().all(|h| h == "green"));
            let mut stack = scene.rig.stack();
            assert_eq!(
                stack.insert("type".into(), "t3.medium".into()).as_deref(),
                Some(up)
            );
            assert_eq!(stack, scene.before, "all but the type is as before");
            // Once there is capacity again, the old type is gone back to.
            scene.mend(false);
            let ended = scene.resume(Way::Unwind).await;
            assert_eq!(ended.outcome, Outcome::RolledBack, "{:?}", ended.error);
            assert_eq!(scene.rig.stack(), scene.before);
        }
    });
}

#[test]
fn where_there_is_still_none_a_resume_ends_on_the_fallback_again() {
    block_on(async {
        let scene = Scene::new();
        scene.fault(NO_CAPACITY, None, &["t3.large", "t3.medium"]);
        assert_eq!(scene.update(&["t3.xlarge"]).await.outcome, Outcome::Stuck);
        let again = scene.resume(Way::On).await;
        assert_eq!(again.outcome, Outcome::Stuck);
        assert_eq!(again.error.expect("why").code, "services_up_on_fallback");
        assert_eq!(scene.rig.stack()["type"], "t3.xlarge");
        // And it may be left so.
        let closed = scene.resume(Way::Accept).await;
        assert_eq!(closed.outcome, Outcome::Done, "{:?}", closed.error);
        assert_eq!(scene.rig.stack()["type"], "t3.xlarge");
    });
}

#[test]
fn without_capacity_anywhere_it_is_stuck_with_the_commands_and_comes_back_later() {
    block_on(async {
        let scene = Scene::new();
        scene.fault(
            NO_CAPACITY,
            None,
            &["t3.large", "t3.medium", "t3.xlarge", "t3.2xlarge"],
        );
        let ended = scene.update(&["t3.xlarge", "t3.2xlarge"]).await;
        let error = ended.error.expect("why");
        assert_eq!(
            (ended.outcome, error.code.as_str()),
            (Outcome::Stuck, "insufficient_capacity")
        );
        let help = error.help.join("\n");
        assert!(
            help.contains("aws ec2 describe-instances --region us-east-1"),
            "{help}"
        );
        assert!(
            help.contains("geusemaker resume my-dev-stack --unwind"),
            "{help}"
        );
        assert_eq!(scene.rig.stack()["state"], "stopped");
        scene.mend(false);
        let ended = scene.resume(Way::Unwind).await;
        assert_eq!(ended.outcome, Outcome::RolledBack, "{:?}", ended.error);
        assert_eq!(scene.rig.stack(), scene.before);
    });
}

#[test]
fn a_fallback_that_does_not_fit_is_refused_before_anything_is_down() {
    block_on(async {
        for (name, check) in [
            ("t4g.xlarge", "type_architecture"),
            ("t3.enormous", "type_exists"),
        ] {
            let scene = Scene::new();
            let ended = scene.update(&["t3.xlarge", name]).await;
            assert_eq!(ended.outcome, Outcome::Refused);
            let error = ended.error.expect("why");
            assert_eq!(error.code, check, "{error:?}");
            let said = format!("--fallback-type {name}: ");
            assert!(error.message.contains(&said), "{}", error.message);
            assert_eq!(scene.rig.stack(), scene.before);
        }
    });
}

#[test]
fn a_loss_of_power_at_every_line_behind_the_turn_is_picked_up() {
    let short_of = |rig: &Rig| {
        for name in ["t3.large", "t3.medium", "t3.xlarge"] {
            let text = NO_CAPACITY.replace("TYPE", name);
            let fault = geusemaker::sandbox::fault::Fault::parse(&text, None).expect("a fault");
            rig.memory.world().faults.0.push(fault);
        }
    };
    let mut desired = update(Some("t3.large"), &[]);
    desired.fallback_types = ["t3.xlarge", "t3.2xlarge"]
        .map(|t| InstanceType::new(t).expect("a type"))
        .to_vec();
    block_on(async {
        let once = async |power: i64| {
            let rig = Rig::new();
            let world = rig.plain_world();
            let (plan, snapshot) = rig.plan(&world, &desired, "before").await;
            short_of(&rig);
            let lines = opened(&plan, &rig);
            let (outcome, lines) = rig
                .process(&world, &plan, &snapshot, lines, power, None)
                .await;
            (rig, plan, snapshot, outcome, lines)
        };
        let (rig, _, _, outcome, whole) = once(0).await;
        assert_eq!(
            (outcome, rig.stack()["type"].as_str()),
            (Outcome::Stuck, "t3.2xlarge")
        );
        let up = rig.stack();
        let turned = whole
            .iter()
            .position(|l| matches!(l.entry, Entry::UndoFailed { .. }))
            .expect("it turned");
        for power in turned + 1..whole.len() {
            for unwind in [false, true] {
                let power = i64::try_from(power).expect("few lines");
                let (rig, plan, snapshot, first, lines) = once(power).await;
                assert_eq!(first, Outcome::Paused);
                let world = rig.plain_world();
                let (outcome, lines) = rig
                    .process(&world, &plan, &snapshot, lines, 0, Some(unwind))
                    .await;
                let place = format!("power lost at line {power}, unwind {unwind}: {lines:#?}");
                assert_eq!(outcome, Outcome::Stuck, "{place}");
                assert_eq!(rig.stack(), up, "{place}");
            }
        }
    });
}

#[test]
fn the_binary_says_where_the_services_are_and_goes_back_when_it_can() {
    let sandbox = Sandbox::new();
    let before = sandbox.seen();
    let fault = "ec2:StartInstances@TYPE=InsufficientInstanceCapacity";
    for name in ["t3.large", "t3.medium"] {
        let fault = fault.replace("TYPE", name);
        sandbox.run(&["sandbox", "fault", "add", &fault]).ended(0);
    }
    let update = [
        "update",
        "my-dev-stack",
        "--instance-type",
        "t3.large",
        "--fallback-type",
        "t3.xlarge",
        "--force",
    ];
    let result = sandbox.json(&update, 5);
    assert_eq!(result["outcome"], "stuck");
    assert_eq!(result["error"]["code"], "services_up_on_fallback");
    assert_eq!(result["data"]["verified"]["type"], "t3.xlarge");
    assert_eq!(result["data"]["cost"]["after"]["type"], "t3.xlarge");
    let help = result["error"]["help"].to_string();
    assert!(
        help.contains("geusemaker --sandbox resume my-dev-stack --unwind"),
        "{help}"
    );
    sandbox.run(&["sandbox", "fault", "clear"]).ended(0);
    let back = sandbox.json(&["resume", "my-dev-stack", "--unwind", "--force"], 4);
    assert_eq!(back["outcome"], "rolled_back");
    assert_eq!(sandbox.seen(), before);
    // What can be seen from the command line alone.
    for bad in [
        &[
            "update",
            "my-dev-stack",
            "--image",
            "n8n=n8nio/n8n:1.20.0",
            "--fallback-type",
            "t3.xlarge",
        ][..],
        &[
            "update",
            "my-dev-stack",
            "--instance-type",
            "t3.large",
            "--fallback-type",
            "t3.large",
        ],
    ] {
        sandbox.json(bad, 2);
    }
}
