//! Signals at each step, through a terminal of its own; closed outputs. Whatever comes, the operation ends
//! right, or pauses where the stack is up, and `resume` leads to the end.

use std::io::Read;
use std::process::{Command, Stdio};

use serde_json::Value;

use crate::support::Sandbox;
use crate::support::terminal::{Terminal, signal};

const UPDATE: [&str; 9] = [
    "update",
    "my-dev-stack",
    "--instance-type",
    "t3.large",
    "--image",
    "n8n=n8nio/n8n:1.20.0",
    "--force",
    "--stable-for",
    "1s",
];

/// A sandbox that is there, with a pull that takes long enough to be interrupted.
fn sandbox() -> Sandbox {
    let sandbox = Sandbox::new();
    sandbox
        .run(&["sandbox", "latency", "set", "pull=700ms"])
        .ended(0);
    sandbox
}

/// The update with events and the result as JSON.
fn update(sandbox: &Sandbox) -> Command {
    let mut command = sandbox.command(&UPDATE);
    command.args(["--progress", "json", "-o", "json"]);
    command
}

/// The steps of the update, and whether services can be down in each.
fn steps(sandbox: &Sandbox) -> Vec<(String, bool)> {
    let args: Vec<&str> = UPDATE.iter().copied().chain(["--dry-run"]).collect();
    let plan = sandbox.json(&args, 0);
    plan["data"]["plan"]["steps"]
        .as_array()
        .expect("steps")
        .iter()
        .map(|step| {
            let name = step["name"].as_str().expect("a name").to_owned();
            (name, step["outage"].as_bool().expect("a flag"))
        })
        .collect()
}

fn begins(step: &str) -> String {
    format!("\"event\":\"step_started\",\"step\":\"{step}\"")
}

/// The stack is as was asked for: type, image, and every service up and not unhealthy.
#[track_caller]
fn is_updated(sandbox: &Sandbox) {
    let seen = sandbox.seen();
    assert_eq!(
        (&seen["type"], &seen["state"]),
        (&"t3.large".into(), &"running".into())
    );
    for service in seen["services"].as_array().expect("services") {
        assert_eq!(service[3], "running", "{service}");
        assert_ne!(service[4], "unhealthy", "{service}");
        if service[0] == "n8n" {
            assert_eq!(service[1], "n8nio/n8n:1.20.0");
        }
    }
    let status = sandbox.json(&["status", "my-dev-stack"], 0);
    assert_eq!(status["data"]["operation"], Value::Null, "nothing is open");
}

#[track_caller]
fn resume_leads_to_updated(sandbox: &Sandbox) {
    let result = sandbox.json(&["resume", "my-dev-stack", "--force"], 0);
    assert_eq!(result["outcome"], "updated");
    is_updated(sandbox);
}

/// One update with a signal at the beginning of each step in turn.
fn at_each_step(name: &str, pauses: bool) {
    let steps = steps(&sandbox());
    assert!(steps.iter().any(|(_, outage)| *outage));
    let last = steps.len() - 1;
    let end_of_outage = steps.iter().rposition(|(_, outage)| *outage);
    for (at, (step, outage)) in steps.iter().enumerate() {
        let sandbox = sandbox();
        let mut terminal = Terminal::run(update(&sandbox), |c| c.stdout(Stdio::piped()));
        terminal.until(&begins(step));
        terminal.signal(name);
        let code = terminal.end();
        // In the outage it goes on to its end; what lies behind that is for `resume`.
        let from = if *outage {
            end_of_outage.unwrap_or(at)
        } else {
            at
        };
        let expected = if pauses && from < last { 6 } else { 0 };
        assert_eq!(code, expected, "{name} at {step}:\n{}", terminal.shown);
        let mut out = String::new();
        let pipe = terminal.child.stdout.as_mut().expect("a pipe");
        pipe.read_to_string(&mut out).expect("UTF-8");
        let document: Value = serde_json::from_str(&out).expect("one document");
        assert_eq!(document["exit_code"], code, "{name} at {step}");
        if pauses {
            assert!(terminal.shown.contains("interrupted: "), "{name} at {step}");
            let says_down = terminal.shown.contains("down now: crawl4ai, n8n");
            assert_eq!(says_down, *outage, "{name} at {step}:\n{}", terminal.shown);
        }
        if code == 6 {
            assert_eq!(document["error"]["code"], "interrupted");
            assert_eq!(document["outcome"], "paused");
            resume_leads_to_updated(&sandbox);
        } else {
            is_updated(&sandbox);
        }
    }
}

#[test]
fn ctrl_c_at_each_step_pauses_only_where_nothing_is_down() {
    at_each_step("INT", true);
}

#[test]
fn sigterm_at_each_step_is_as_ctrl_c() {
    at_each_step("TERM", true);
}

#[test]
fn a_hang_up_at_each_step_stops_nothing() {
    at_each_step("HUP", false);
}
