//! One operation at a time on a deployment; and a process that was killed holds nothing up, and loses nothing.

use std::io::{BufRead, BufReader};
use std::process::{Child, Command, Stdio};

use serde_json::Value;

use crate::support::{BOTH as UPDATE, Sandbox};

/// The update, at the moment when its instance is being stopped: services are down. With the operation's id.
fn in_the_outage(sandbox: &Sandbox) -> (Child, String) {
    at_step(sandbox, "stop_instance")
}

/// The update, at the moment when this step begins. With the operation's id.
fn at_step(sandbox: &Sandbox, step: &str) -> (Child, String) {
    running(sandbox.command(&UPDATE), step)
}

/// A command, at the moment when this step of it begins. With the operation's id.
pub fn running(mut command: Command, step: &str) -> (Child, String) {
    let mut child = command
        .args(["--progress", "json"])
        .env("USER", "ann")
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .spawn()
        .expect("the binary runs");
    let mut lines = BufReader::new(child.stderr.take().expect("a pipe")).lines();
    let mut seen = String::new();
    while let Some(Ok(line)) = lines.next() {
        let event: Value = serde_json::from_str(&line).unwrap_or_default();
        if event["event"] == "step_started" && event["step"] == step {
            let operation = event["operation_id"].as_str().expect("an id").to_owned();
            // Somebody must go on reading while it goes on writing.
            std::thread::spawn(move || lines.for_each(drop));
            return (child, operation);
        }
        seen.push_str(&line);
        seen.push('\n');
    }
    let end = child.wait();
    panic!("it ended before its step {step}: {end:?}\n{seen}");
}

/// The same, and then killed: no handler runs, nothing is tidied up.
fn killed_in_the_outage(sandbox: &Sandbox) -> String {
    let (mut child, operation) = in_the_outage(sandbox);
    child.kill().expect("SIGKILL");
    assert_eq!(child.wait().expect("its end").code(), None, "by a signal");
    operation
}

#[test]
fn of_several_at_once_one_goes_on_and_the_others_are_told_who() {
    let sandbox = Sandbox::new();
    sandbox.run(&["list"]).ended(0);
    let children: Vec<Child> = (0..8)
        .map(|_| {
            let mut command = sandbox.command(&UPDATE);
            command.args(["-o", "json"]).env("USER", "ann");
            command.stdout(Stdio::piped()).stderr(Stdio::null());
            command.spawn().expect("the binary runs")
        })
        .collect();
    let ended: Vec<(u32, Value)> = children
        .into_iter()
        .map(|child| {
            let pid = child.id();
            let output = child.wait_with_output().expect("its end");
            let document: Value = serde_json::from_slice(&output.stdout).expect("one document");
            assert_eq!(
                i64::from(output.status.code().expect("a code")),
                document["exit_code"]
            );
            (pid, document)
        })
        .collect();
    let winners: Vec<u32> = ended
        .iter()
        .filter(|(_, d)| d["outcome"] == "updated")
        .map(|(pid, _)| *pid)
        .collect();
    let [winner] = winners[..] else {
        panic!("one goes on: {ended:?}");
    };
    for (_, document) in ended.iter().filter(|(pid, _)| *pid != winner) {
        assert_eq!(document["exit_code"], 7, "{document}");
        let message = document["error"]["message"].as_str().expect("a message");
        for part in [&format!("process {winner} on "), "user 'ann'", "since 20"] {
            assert!(message.contains(part), "{message}");
        }
    }
    assert_eq!(sandbox.seen()["type"], "t3.large");
    let history = sandbox.json(&["history", "my-dev-stack"], 0);
    let count = |key: &str| history["data"][key].as_array().expect("a list").len();
    assert_eq!((count("operations"), count("snapshots")), (1, 1));
}

#[test]
fn while_one_runs_nobody_else_changes_anything() {
    // P20: no operation lock.
    let sandbox = Sandbox::new();
    let (mut child, operation) = in_the_outage(&sandbox);
    let who = format!("process {} on ", child.id());
    for args in [
        &[
            "update",
            "my-dev-stack",
            "--instance-type",
            "m5.large",
            "--force",
        ][..],
        &["rollback", "my-dev-stack", "--force"],
        &["resume", "my-dev-stack", "--force"],
        &["resume", "my-dev-stack", "--unwind", "--force"],
    ] {
        let result = sandbox.json(args, 7);
        assert_eq!(result["error"]["code"], "locked");
        let message = result["error"]["message"].as_str().expect("a message");
        assert!(
            message.contains(&who) && message.contains("user 'ann'") && message.contains("since "),
            "{message}"
        );
    }
    let inspect = sandbox.json(&["inspect", "my-dev-stack"], 0);
    assert_eq!(inspect["data"]["operation"]["id"], operation.as_str());
    assert_eq!(inspect["data"]["operation"]["status"], "running");
    assert_eq!(child.wait().expect("its end").code(), Some(0));
}

#[test]
fn a_killed_update_is_gone_on_with() {
    // P14: killed half way, the status stayed `updating` for ever, and there was no resume.
    let sandbox = Sandbox::new();
    let before = sandbox.seen();
    let operation = killed_in_the_outage(&sandbox);

    for args in [
        &[
            "update",
            "my-dev-stack",
            "--instance-type",
            "m5.large",
            "--force",
        ][..],
        &["rollback", "my-dev-stack", "--force"],
    ] {
        let refused = sandbox.json(args, 3);
        let check = &refused["data"]["plan"]["checks"][0];
        let text = |key: &str| check[key].as_str().unwrap_or_default();
        assert!(text("found").contains(&operation), "{refused}");
        assert!(
            text("help").starts_with("geusemaker --sandbox resume my-dev-stack"),
            "it names the command as it must be typed: {refused}"
        );
    }

    let list = sandbox.json(&["list"], 0);
    assert_eq!(list["data"]["deployments"][0]["status"], "interrupted");
    let status = sandbox.json(&["status", "my-dev-stack"], 0);
    assert_eq!(status["data"]["status"], "interrupted");
    assert_eq!(status["data"]["operation"]["id"], operation.as_str());

    let result = sandbox.json(&["resume", "my-dev-stack", "--force"], 0);
    assert_eq!(result["outcome"], "updated");
    assert_eq!(result["data"]["operation_id"], operation.as_str());
    assert_eq!(result["data"]["verified"]["type"], "t3.large");

    let after = sandbox.seen();
    assert_eq!(
        (&after["type"], &after["state"]),
        (&"t3.large".into(), &"running".into())
    );
    assert_eq!(
        after["compose"].as_str(),
        before["compose"]
            .as_str()
            .map(|text| text.replace("n8nio/n8n:1.19.4", "n8nio/n8n:1.20.0"))
            .as_deref()
    );
    let services = |seen: &Value| seen["services"].as_array().expect("services").clone();
    for (old, new) in services(&before).iter().zip(&services(&after)) {
        match old[0] == "n8n" {
            true => assert_eq!(
                (&new[1], &new[4]),
                (&"n8nio/n8n:1.20.0".into(), &"healthy".into())
            ),
            false => assert_eq!(new, old),
        }
    }
    let again = sandbox.json(&["resume", "my-dev-stack", "--force"], 0);
    assert_eq!(
        again["outcome"], "unchanged",
        "there is nothing left to resume"
    );
}

#[test]
fn a_killed_update_is_taken_back() {
    let sandbox = Sandbox::new();
    let before = sandbox.seen();
    killed_in_the_outage(&sandbox);
    let result = sandbox.json(&["resume", "my-dev-stack", "--unwind", "--force"], 4);
    assert_eq!(result["outcome"], "rolled_back");
    assert_eq!(result["error"]["code"], "taken_back", "{result}");
    assert_eq!(
        sandbox.seen(),
        before,
        "type, images by digest, health, mounts and the file byte for byte"
    );
    // The lock went with its holder: the next update is an ordinary one.
    sandbox.run(&UPDATE).ended(0);
}

/// SIGINT, as Ctrl-C sends it.
fn interrupt(child: &Child) {
    let sent = std::process::Command::new("kill")
        .args(["-s", "INT", &child.id().to_string()])
        .status()
        .expect("kill runs");
    assert!(sent.success());
}

#[test]
fn an_interrupt_before_the_first_change_pauses_and_nothing_was_changed() {
    let sandbox = Sandbox::new();
    let before = sandbox.seen();
    let (mut child, _) = at_step(&sandbox, "pull_images");
    interrupt(&child);
    assert_eq!(child.wait().expect("its end").code(), Some(6));
    assert_eq!(sandbox.seen(), before);
    let result = sandbox.json(&["resume", "my-dev-stack", "--unwind", "--force"], 3);
    assert_eq!(
        result["outcome"], "refused",
        "there was nothing to take back"
    );
    // What had interrupted it is not why it did not do what was asked: that was `--unwind`.
    let error = &result["error"];
    assert_eq!(error["code"], "taken_back", "{error}");
    assert_eq!(error["message"], "it was taken back, as was asked");
    let causes = error["causes"].to_string();
    assert!(
        causes.contains("before that it was interrupted: "),
        "{error}"
    );
    assert_eq!(sandbox.seen(), before);
}

#[test]
fn an_interrupt_in_the_outage_goes_on_to_where_the_stack_is_up() {
    let sandbox = Sandbox::new();
    let (mut child, _) = in_the_outage(&sandbox);
    interrupt(&child);
    assert_eq!(child.wait().expect("its end").code(), Some(6));
    let paused = sandbox.seen();
    assert_eq!(
        paused["type"], "t3.large",
        "up, and not yet told to the host"
    );
    let result = sandbox.json(&["resume", "my-dev-stack", "--force"], 0);
    assert_eq!(result["outcome"], "updated");
    assert_eq!(sandbox.seen(), paused);
}
