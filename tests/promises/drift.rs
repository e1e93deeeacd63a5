//! While an operation is cut off, somebody changes what it is about. `resume` shows it and does nothing;
//! `resume --accept` closes the operation on what is there, and writes down what was given up.

use geusemaker::model::InstanceType;
use geusemaker::sandbox::world::{SEED_INSTANCE, World};
use serde_json::Value;

use crate::host_alone::{alone, killed_at, sandbox};
use crate::support::{BOTH, IMAGE, Sandbox};

const NAME: &str = "my-dev-stack";
const RESUME: [&str; 3] = ["resume", NAME, "--force"];
const ACCEPT: [&str; 4] = ["resume", NAME, "--accept", "--force"];

/// The document has what the contract says that every document has.
fn is_a_result(result: &Value, outcome: &str) {
    assert_eq!(result["schema"], "geusemaker.result/1");
    assert_eq!(result["command"], "resume");
    assert_eq!(result["deployment"], NAME);
    assert_eq!(result["outcome"], outcome, "{result}");
    assert!(result["warnings"].is_array() && result["data"].is_object());
    for list in ["changes_applied", "steps", "warnings"] {
        assert!(result["data"][list].is_array(), "{list}: {result}");
    }
    for number in ["downtime_seconds", "duration_seconds"] {
        assert!(result["data"][number].is_number(), "{number}: {result}");
    }
    assert_eq!(result["data"]["success"], result["error"].is_null());
}

/// `resume` is refused by this check, either way, and does nothing.
fn refused(sandbox: &Sandbox, check: &str) {
    let stack = sandbox.stack();
    for more in [&[][..], &["--unwind"]] {
        let args: Vec<&str> = RESUME.iter().chain(more).copied().collect();
        let result = sandbox.json(&args, 3);
        is_a_result(&result, "refused");
        let checks = result["data"]["plan"]["checks"].as_array().expect("checks");
        let named = checks.iter().find(|c| c["name"] == check);
        let named = named.unwrap_or_else(|| panic!("{check}: {result}"));
        assert_eq!(named["status"], "refuse");
        for key in ["message", "found", "expected"] {
            assert!(
                named[key].as_str().is_some_and(|t| !t.is_empty()),
                "{named}"
            );
        }
        let help = named["help"].as_str().expect("help");
        assert!(help.contains("--accept"), "{help}");
        assert!(
            result["error"]["help"].to_string().contains("--accept"),
            "{result}"
        );
        assert_eq!(sandbox.stack(), stack, "nothing is done");
    }
    let open = sandbox.json(&["inspect", NAME], 0);
    assert!(open["data"]["operation"].is_object(), "it stays open");
}

/// Closed on what is there, which stays so; then all goes on as ever.
fn accepted(sandbox: &Sandbox, gave_up: &[&str]) {
    let stack = sandbox.stack();
    let result = sandbox.json(&ACCEPT, 0);
    is_a_result(&result, "done");
    let history = sandbox.json(&["history", NAME], 0);
    let operation = &history["data"]["operations"][0];
    assert_eq!(operation["outcome"], "done", "{history}");
    let id = operation["id"].as_str().expect("an id").to_owned();
    assert_eq!(result["data"]["operation_id"], id.as_str());
    let one = sandbox.json(&["history", NAME, &id], 0).to_string();
    let warnings = result["data"]["warnings"].to_string();
    for text in gave_up {
        assert!(warnings.contains(text), "{text}: {result}");
        assert!(one.contains(text), "{text}: {one}");
    }
    assert_eq!(result["data"]["verified"]["type"], stack["type"].as_str());
    assert_eq!(sandbox.stack(), stack, "nothing is done");
    let mut left = sandbox.leftovers();
    // A host that is powered off cannot be told: see `started_again`.
    if stack["state"] == "stopped" {
        left.retain(|l| l != "the host is armed" && !l.starts_with("the policy "));
    }
    assert_eq!(left, Vec::<String>::new());
    assert_eq!(sandbox.json(&RESUME, 0)["outcome"], "unchanged");
}

/// Changes something behind the back of the program.
fn somebody(sandbox: &Sandbox, does: impl FnOnce(&mut World)) {
    sandbox.world(does);
}

/// Somebody starts the instance again. What its host, that nobody could disarm, makes of it by itself.
fn started_again(sandbox: &Sandbox) -> String {
    let now = geusemaker::model::Timestamp::now();
    somebody(sandbox, |world| {
        world
            .start_instances(&[SEED_INSTANCE], false, now)
            .expect("it starts");
    });
    alone(sandbox)
}

#[test]
fn another_type_is_shown_and_closed_on() {
    let (sandbox, before) = sandbox();
    killed_at(&sandbox, &BOTH, "set_instance_type");
    somebody(&sandbox, |world| {
        let instance = world.instances.get_mut(SEED_INSTANCE).expect("it");
        instance.instance_type = InstanceType::new("m5.large").expect("a type");
    });
    refused(&sandbox, "instance_type");
    accepted(
        &sandbox,
        &["the type is m5.large", "the host could not be asked"],
    );
    // What the operation had taken down comes up again, without anybody.
    assert_eq!(started_again(&sandbox), "restored");
    let stack = sandbox.stack();
    for (key, value) in before.iter().filter(|(key, _)| *key != "type") {
        assert_eq!(&stack[key], value);
    }
    assert_eq!(sandbox.json(&BOTH, 0)["outcome"], "updated");
    assert_eq!(sandbox.leftovers(), Vec::<String>::new());
}

#[test]
fn another_text_in_the_compose_file_is_shown_and_closed_on() {
    let sandbox = Sandbox::new();
    killed_at(&sandbox, &IMAGE, "verify_health");
    assert_eq!(sandbox.restore_word(), "armed");
    let file = sandbox
        .host()
        .join("opt/geusemaker/runtime/docker-compose.yml");
    fs_err::write(&file, sandbox.compose() + "# mine\n").expect("it is written");
    refused(&sandbox, "compose_file");
    assert_eq!(sandbox.restore_word(), "armed");
    accepted(&sandbox, &["the compose file is not the one before"]);
    assert_eq!(sandbox.restore_word(), "committed", "disarmed");
    let next = ["update", NAME, "--image", "n8n=n8nio/n8n:1.21.0", "--force"];
    assert_eq!(sandbox.json(&next, 0)["outcome"], "updated");
    assert!(sandbox.compose().ends_with("# mine\n"));
}

#[test]
fn another_image_is_shown_and_closed_on() {
    let sandbox = Sandbox::new();
    killed_at(&sandbox, &IMAGE, "verify_health");
    somebody(&sandbox, |world| {
        let engine = &mut world.hosts.get_mut(SEED_INSTANCE).expect("it").engine;
        let other = engine.image("postgres:15.10").expect("one").id.clone();
        engine.container("n8n").expect("it runs").image_id = other;
    });
    refused(&sandbox, "image");
    accepted(&sandbox, &["n8n does not run n8nio/n8n:1.20.0"]);
    assert_eq!(sandbox.restore_word(), "committed", "disarmed");
    let next = ["update", NAME, "--image", "n8n=n8nio/n8n:1.21.0", "--force"];
    assert_eq!(sandbox.json(&next, 0)["outcome"], "updated");
}

#[test]
fn an_instance_that_somebody_stopped_is_shown_and_closed_on() {
    let (sandbox, _) = sandbox();
    killed_at(&sandbox, &IMAGE, "verify_health");
    let now = geusemaker::model::Timestamp::now();
    somebody(&sandbox, |world| {
        world
            .stop_instances(&[SEED_INSTANCE], false, false, now)
            .expect("it stops");
    });
    while sandbox.stack()["state"] != "stopped" {
        std::thread::sleep(std::time::Duration::from_millis(20));
    }
    refused(&sandbox, "instance_state");
    accepted(
        &sandbox,
        &["the instance is stopped", "the host could not be asked"],
    );
    assert_eq!(started_again(&sandbox), "committed", "it comes up green");
    assert_eq!(sandbox.leftovers(), Vec::<String>::new());
}

#[test]
fn a_stuck_operation_is_closed_on_what_is_there() {
    let (sandbox, before) = sandbox();
    let fault = "ec2:StartInstances=InsufficientInstanceCapacity";
    sandbox.run(&["sandbox", "fault", "add", fault]).ended(0);
    let result = sandbox.json(&BOTH, 5);
    assert_eq!(result["outcome"], "stuck");
    let help = result["error"]["help"].to_string();
    assert!(
        help.contains("geusemaker --sandbox resume my-dev-stack --accept"),
        "{help}"
    );
    sandbox.run(&BOTH).ended(3);
    accepted(&sandbox, &["the instance is stopped; before: running"]);
    sandbox.run(&["sandbox", "fault", "clear"]).ended(0);
    assert_eq!(started_again(&sandbox), "restored");
    assert_eq!(sandbox.stack(), before, "here it is all as before");
    assert_eq!(sandbox.json(&BOTH, 0)["outcome"], "updated");
}

#[test]
fn behind_the_last_health_check_going_back_is_refused_and_the_help_goes_back() {
    let (sandbox, before) = sandbox();
    killed_at(&sandbox, &IMAGE, "commit_host");
    let stack = sandbox.stack();
    let result = sandbox.json(&["resume", NAME, "--unwind", "--force"], 3);
    is_a_result(&result, "refused");
    assert_eq!(sandbox.stack(), stack, "nothing is done");
    let check = &result["data"]["plan"]["checks"][0];
    assert_eq!(check["name"], "committed", "{result}");
    let help = check["help"].as_str().expect("help");
    let (commands, _) = help.split_once("    # ").expect("commands, and why");
    let words = format!("resume {NAME} && geusemaker --sandbox rollback {NAME}");
    assert_eq!(commands, format!("geusemaker --sandbox {words}"));
    let ended = sandbox.json(&RESUME, 0);
    assert_eq!(ended["outcome"], "updated", "{ended}");
    let back = sandbox.json(&["rollback", NAME, "--force"], 0);
    assert_eq!(back["outcome"], "rolled_back_as_asked", "{back}");
    assert_eq!(sandbox.leftovers(), Vec::<String>::new());
    assert_eq!(sandbox.stack(), before);
}
