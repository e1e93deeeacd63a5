//! Signals at each step, through a terminal of its own; closed outputs. Whatever comes, the operation ends
//! right, or pauses where the stack is up, and `resume` leads to the end.

use std::io::{PipeReader, PipeWriter, Read, Write};
use std::process::{Child, Command, Stdio};
use std::sync::Mutex;

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
    "200ms",
];

/// Set to `all`: SIGTERM and SIGHUP are sent at each step too, which takes minutes (docs/environment.md).
const FORCE: &str = "GEUSEMAKER_FORCE";

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

/// One update with a signal at the beginning of each step in turn; where `all` is not, of the first and the last step
/// outside of the outage and in it. [`FORCE`] asks for all.
fn at_each_step(name: &str, pauses: bool, all: bool) {
    let steps = steps(&sandbox());
    let first_of_outage = steps.iter().position(|(_, outage)| *outage);
    assert!(first_of_outage.is_some());
    let last = steps.len() - 1;
    let end_of_outage = steps.iter().rposition(|(_, outage)| *outage);
    let all = all || std::env::var(FORCE).is_ok_and(|what| what == "all");
    let some = [Some(0), first_of_outage, end_of_outage, Some(last)];
    let wanted = |at: &usize| all || some.contains(&Some(*at));
    let one = |at: usize| {
        let (step, outage) = &steps[at];
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
    };
    // Each waits for most of its time, and has a sandbox of its own.
    let left = Mutex::new((0..steps.len()).filter(wanted));
    std::thread::scope(|scope| {
        for _ in 0..3 {
            scope.spawn(|| {
                loop {
                    let next = left.lock().expect("no step has failed").next();
                    let Some(at) = next else { break };
                    one(at);
                }
            });
        }
    });
}

#[test]
fn ctrl_c_at_each_step_pauses_only_where_nothing_is_down() {
    at_each_step("INT", true, true);
}

#[test]
fn sigterm_at_a_step_is_as_ctrl_c() {
    at_each_step("TERM", true, false);
}

#[test]
fn a_hang_up_at_a_step_stops_nothing() {
    at_each_step("HUP", false, false);
}

#[test]
fn a_second_interrupt_in_the_outage_leaves_at_once_and_names_what_is_down() {
    let sandbox = sandbox();
    sandbox
        .run(&["sandbox", "latency", "set", "stop=3s"])
        .ended(0);
    let mut terminal = Terminal::run(update(&sandbox), |c| c.stdout(Stdio::piped()));
    terminal.until(&begins("stop_instance"));
    terminal.signal("INT");
    terminal.until("a second interrupt leaves at once");
    terminal.signal("TERM");
    assert_eq!(terminal.end(), 6, "{}", terminal.shown);
    let mut out = String::new();
    let pipe = terminal.child.stdout.as_mut().expect("a pipe");
    pipe.read_to_string(&mut out).expect("UTF-8");
    let document: Value = serde_json::from_str(&out).expect("one document");
    assert_eq!(document["outcome"], "paused");
    let message = document["error"]["message"].as_str().expect("a message");
    assert!(
        message.contains("left in the middle of stop_instance; down now: crawl4ai, n8n"),
        "{message}"
    );
    assert!(
        document["error"]["help"]
            .to_string()
            .contains("geusemaker --sandbox resume my-dev-stack"),
        "{document}"
    );
    let list = sandbox.json(&["list"], 0);
    assert_eq!(list["data"]["deployments"][0]["status"], "interrupted");
    resume_leads_to_updated(&sandbox);
}

#[test]
fn an_interrupt_while_something_is_taken_back_goes_on_to_the_end_of_that() {
    let sandbox = sandbox();
    let before = sandbox.seen();
    let red = "health:n8n@n8nio/n8n:1.20.0=unhealthy";
    sandbox.run(&["sandbox", "fault", "add", red]).ended(0);
    let mut update = update(&sandbox);
    update.args(["--health-timeout", "1s"]);
    let mut terminal = Terminal::run(update, |c| c.stdout(Stdio::piped()));
    terminal.until("\"event\":\"undo_started\"");
    terminal.until("\"phase\":\"undo\"");
    terminal.signal("INT");
    terminal.until("interrupted: what was done is being taken back");
    assert_eq!(terminal.end(), 4, "{}", terminal.shown);
    let mut out = String::new();
    let pipe = terminal.child.stdout.as_mut().expect("a pipe");
    pipe.read_to_string(&mut out).expect("UTF-8");
    let document: Value = serde_json::from_str(&out).expect("one document");
    assert_eq!(document["outcome"], "rolled_back");
    assert_eq!(document["data"]["verified"]["type"], "t3.medium");
    assert_eq!(sandbox.seen(), before);
    assert_eq!(sandbox.leftovers(), Vec::<String>::new());
}

#[test]
fn ctrl_c_on_the_keyboard_reaches_the_update_alone() {
    // The whole foreground group gets it: the sandbox's agent must not be in it, or the instance would seem dead.
    let sandbox = sandbox();
    let mut terminal = Terminal::run(sandbox.command(&UPDATE), |c| c);
    terminal.until("stop_instance");
    terminal.until("stop_instance");
    terminal.types(b"\x03");
    terminal.until("interrupted: down now: crawl4ai, n8n");
    assert_eq!(terminal.end(), 6, "{}", terminal.shown);
    resume_leads_to_updated(&sandbox);
}

#[test]
fn left_twice_interrupted_the_terminal_is_as_before() {
    let sandbox = sandbox();
    sandbox
        .run(&["sandbox", "latency", "set", "stop=3s"])
        .ended(0);
    let mut terminal = Terminal::run(sandbox.command(&UPDATE), |c| c);
    terminal.until("/15] stop_instance");
    terminal.types(b"\x03");
    terminal.until("a second interrupt leaves at once");
    terminal.types(b"\x03");
    assert_eq!(terminal.end(), 6, "{}", terminal.shown);
    let last = terminal.shown.trim_end().lines().last().unwrap_or_default();
    assert!(!last.contains("/15] "), "no half-drawn bar: {last:?}");
    assert!(terminal.is_as_a_shell_wants_it());
    resume_leads_to_updated(&sandbox);
}

#[test]
fn an_interrupt_at_the_question_is_a_no_and_the_terminal_is_as_before() {
    for (how, typed) in [("INT", true), ("INT", false), ("TERM", false)] {
        let sandbox = sandbox();
        let before = sandbox.seen();
        let args: Vec<&str> = UPDATE.iter().copied().filter(|a| *a != "--force").collect();
        let mut terminal = Terminal::run(sandbox.command(&args), |c| c);
        terminal.until("update my-dev-stack? Services are down");
        terminal.until("[y/N]");
        if typed {
            terminal.types(b"\x03");
        } else {
            terminal.signal(how);
        }
        assert_eq!(terminal.end(), 9, "{how} {typed}: {}", terminal.shown);
        let shown = &terminal.shown;
        assert!(
            shown.rfind("\x1b[?25h") > shown.rfind("\x1b[?25l"),
            "the cursor is shown again: {shown:?}"
        );
        assert!(terminal.is_as_a_shell_wants_it(), "{how} {typed}");
        assert_eq!(sandbox.seen(), before);
        let history = sandbox.json(&["history", "my-dev-stack"], 0);
        assert_eq!(history["data"]["operations"], serde_json::json!([]));
    }
}

/// Waits until the process has a handler for SIGINT: from here on it is heard.
fn hears(child: &Child) {
    let status = format!("/proc/{}/status", child.id());
    loop {
        let text = fs_err::read_to_string(&status).expect("it runs");
        let caught = text
            .lines()
            .find_map(|line| line.strip_prefix("SigCgt:"))
            .expect("the mask");
        let caught = u64::from_str_radix(caught.trim(), 16).expect("a mask");
        if caught & 0b10 != 0 {
            return;
        }
        std::thread::sleep(std::time::Duration::from_millis(5));
    }
}

#[test]
fn an_interrupt_while_it_looks_ends_with_nothing_begun() {
    // A mount that hangs makes the look long.
    let sandbox = sandbox();
    sandbox
        .run(&["sandbox", "fault", "add", "mount:hang"])
        .ended(0);
    for name in ["INT", "TERM", "HUP"] {
        let mut command = update(&sandbox);
        command.stdout(Stdio::piped()).stderr(Stdio::null());
        let child = command.spawn().expect("the binary runs");
        hears(&child);
        signal(&child, name);
        let output = child.wait_with_output().expect("its end");
        assert_eq!(output.status.code(), Some(9), "{name}");
        let document: Value = serde_json::from_slice(&output.stdout).expect("one document");
        assert_eq!(document["outcome"], "declined");
        let message = document["error"]["message"].as_str().unwrap_or_default();
        assert!(message.contains("before anything was begun"), "{message}");
    }
    let history = sandbox.json(&["history", "my-dev-stack"], 0);
    assert_eq!(history["data"]["operations"], serde_json::json!([]));
}

/// A pipe that is full: whoever writes into it waits for a reader.
fn full_pipe() -> (PipeReader, PipeWriter) {
    let (reader, mut writer) = std::io::pipe().expect("a pipe");
    // What it holds on Linux (pipe(7)).
    writer.write_all(&[b'x'; 65_536]).expect("it holds that");
    (reader, writer)
}

#[test]
fn an_interrupt_is_heard_while_nobody_reads_the_result() {
    let sandbox = sandbox();
    let (reader, writer) = full_pipe();
    let mut command = sandbox.command(&["update", "my-dev-stack", "--instance-type", "t3.medium"]);
    command.args(["--force", "-o", "json"]);
    command.stdout(writer).stderr(Stdio::null());
    let mut child = command.spawn().expect("the binary runs");
    drop(command);
    hears(&child);
    let mut asked = 0;
    let code = loop {
        std::thread::sleep(std::time::Duration::from_millis(500));
        match child.try_wait().expect("its end") {
            Some(status) => break status.code(),
            // Behind the look of this update there is nothing but its result.
            None if asked < 60 => signal(&child, "INT"),
            None => panic!("it does not hear"),
        }
        asked += 1;
    };
    assert!(matches!(code, Some(0 | 9)), "{code:?}");
    drop(reader);
}

/// The log of the one operation.
fn log(sandbox: &Sandbox) -> String {
    let folder = sandbox.path().join("sandbox/state/my-dev-stack/operations");
    let operation = fs_err::read_dir(folder)
        .expect("operations")
        .map(|entry| entry.expect("readable").path())
        .find(|path| path.is_dir())
        .expect("one operation");
    fs_err::read_to_string(operation.join("log")).expect("its log")
}

#[track_caller]
fn log_has_the_rest(sandbox: &Sandbox) {
    let log = log(sandbox);
    for part in [
        "verify_health done",
        "ended: updated",
        "nobody read the result",
    ] {
        assert!(log.contains(part), "{part}: {log}");
    }
}

#[test]
fn a_terminal_that_is_closed_in_the_outage_stops_nothing_and_the_log_has_the_rest() {
    for progress in ["bars", "json"] {
        let sandbox = sandbox();
        let mut command = sandbox.command(&UPDATE);
        command.args(["--progress", progress]);
        let mut terminal = Terminal::run(command, |c| c);
        terminal.until("stop_instance");
        terminal.until("stop_instance");
        assert_eq!(
            terminal.close(),
            0,
            "{progress}: the code is right without a reader"
        );
        is_updated(&sandbox);
        log_has_the_rest(&sandbox);
        assert!(log(&sandbox).contains("SIGHUP"), "{}", log(&sandbox));
    }
}

#[test]
fn outputs_that_nobody_reads_stop_nothing_and_the_log_has_the_rest() {
    for progress in ["plain", "json", "bars"] {
        let sandbox = sandbox();
        let mut command = sandbox.command(&UPDATE);
        command.args(["--progress", progress, "-vv", "-o", "json"]);
        command.stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = command.spawn().expect("the binary runs");
        drop((child.stdout.take(), child.stderr.take()));
        assert_eq!(child.wait().expect("its end").code(), Some(0), "{progress}");
        is_updated(&sandbox);
        log_has_the_rest(&sandbox);
    }
}

#[test]
fn behind_the_last_line_an_interrupt_leaves_nothing_and_the_cache_is_that_of_it() {
    // Both were found in a review: the update had ended, and was told as paused, with `resume --unwind` to go back; whoever
    // was killed there had a cache of before for good.
    let sandbox = sandbox();
    sandbox.run(&["list"]).ended(0);
    let mut child = sandbox
        .command(&UPDATE)
        .args(["-o", "json"])
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .expect("it runs");
    let closed = || {
        let journals = sandbox.journals();
        let text = journals.first().map(fs_err::read_to_string);
        text.is_some_and(|text| text.is_ok_and(|text| text.contains("\"closed\"")))
    };
    while !closed() {
        assert!(
            child.try_wait().expect("a child").is_none(),
            "it has no end"
        );
    }
    let file = sandbox
        .path()
        .join("sandbox/state/my-dev-stack/deployment.yaml");
    let cache = fs_err::read_to_string(file).expect("the cache");
    signal(&child, "INT");
    signal(&child, "INT");
    assert!(cache.contains("status: updated"), "{cache}");
    assert!(cache.contains("instance_type: t3.large"), "{cache}");
    let ended = child.wait_with_output().expect("it ends");
    assert_eq!(ended.status.code(), Some(0));
    let document: Value = serde_json::from_slice(&ended.stdout).expect("one document");
    assert_eq!(document["outcome"], "updated");
    is_updated(&sandbox);
}

#[test]
fn what_ended_without_its_last_line_is_interrupted_until_resume() {
    let sandbox = sandbox();
    sandbox.run(&UPDATE).ended(0);
    let path = sandbox.journals().remove(0);
    let text = fs_err::read_to_string(&path).expect("a journal");
    let last = text.lines().last().expect("a line");
    assert!(last.contains("closed"), "{last}");
    fs_err::write(&path, &text[..text.len() - last.len() - 1]).expect("written");
    let status = sandbox.json(&["status", "my-dev-stack"], 0);
    assert_eq!(status["data"]["operation"]["status"], "interrupted");
    let list = sandbox.json(&["list"], 0);
    assert_eq!(list["data"]["deployments"][0]["status"], "interrupted");
    resume_leads_to_updated(&sandbox);
}
