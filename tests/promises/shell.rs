//! `exec` and `logs` through the real binary, on the sandbox's host.

use std::process::Stdio;
use std::time::Duration;

use base64::Engine;

use crate::support::terminal::{Terminal, signal};
use crate::support::{Ran, Sandbox};

fn exec(sandbox: &Sandbox, words: &[&str]) -> Ran {
    let before = ["exec", "my-dev-stack", "--"];
    let all: Vec<&str> = before.iter().chain(words).copied().collect();
    sandbox.run(&all)
}

/// The flag first: what stands behind `--` is the command's.
fn json(sandbox: &Sandbox, args: &[&str], code: i32) -> serde_json::Value {
    let all: Vec<&str> = ["-o", "json"].iter().chain(args).copied().collect();
    sandbox.run(&all).ended(code).json()
}

#[test]
fn exec_gives_output_and_exit_code_and_changes_no_state() {
    let sandbox = Sandbox::new();
    sandbox.run(&["list"]).ended(0);
    for (script, code, exit) in [
        ("exit 0", 0, 0),
        ("exit 1", 1, 1),
        ("kill -s KILL $$", 1, 137),
    ] {
        let script = format!("echo out; printf '%s|' \"$@\" >&2; {script}");
        let words = ["sh", "-c", &script, "x", "a b", "$HOME", ""];
        let ran = exec(&sandbox, &words);
        assert_eq!(ran.ended(code).out, "out\n");
        assert!(ran.err.starts_with("a b|$HOME||"), "{}", ran.err);
        let before = ["exec", "my-dev-stack", "-o", "json", "--"];
        let all: Vec<&str> = before.iter().chain(&words).copied().collect();
        let document = sandbox.run(&all).ended(code).json();
        assert_eq!(document["data"]["exit_code"], exit, "{document}");
        assert_eq!(document["data"]["stdout"], "out\n");
        assert_eq!(
            document["outcome"],
            if code == 0 { "done" } else { "failed" }
        );
        let word = &document["error"]["code"];
        assert_eq!(
            word,
            &if code == 0 {
                serde_json::Value::Null
            } else {
                "command_failed".into()
            }
        );
    }
    // No operation, no lease; on the host only that it was there.
    assert!(sandbox.journals().is_empty());
    assert!(sandbox.world(|world| world.parameters.all.is_empty()));
    let left = fs_err::read_dir(sandbox.host().join("var/lib/geusemaker/exec")).unwrap();
    for entry in left {
        let name = entry.unwrap().file_name().into_string().unwrap();
        assert!(name.ends_with(".ended"), "{name}");
    }
}

#[test]
fn a_long_output_keeps_its_end_and_bytes_stay_bytes() {
    let sandbox = Sandbox::new();
    let script = "head -c 120000 /dev/zero | tr '\\0' x; printf '\\377\\n'; echo the last line; head -c 9000 /dev/zero | tr '\\0' e >&2; echo the last error >&2";
    let ran = sandbox
        .command(&["exec", "my-dev-stack", "--", "sh", "-c", script])
        .output()
        .unwrap();
    assert_eq!(ran.status.code(), Some(0));
    assert_eq!(ran.stdout.len(), 120_000 + 2 + 14);
    assert!(ran.stdout.ends_with(b"x\xff\nthe last line\n"));
    assert_eq!(ran.stderr.len(), 9000 + 15);
    assert!(ran.stderr.ends_with(b"the last error\n"));
    let document = json(
        &sandbox,
        &["exec", "my-dev-stack", "--", "printf", "a\\377"],
        0,
    );
    assert_eq!(document["data"]["stdout"], "a\u{fffd}");
    let coded = document["data"]["stdout_base64"].as_str().unwrap();
    let bytes = base64::engine::general_purpose::STANDARD
        .decode(coded)
        .unwrap();
    assert_eq!(bytes, b"a\xff");
}

#[test]
fn a_terminal_is_not_moved_by_what_a_command_prints() {
    let sandbox = Sandbox::new();
    let words = ["exec", "my-dev-stack", "--", "printf", "\\033[2Jx\\n"];
    assert_eq!(sandbox.run(&words).ended(0).out, "\u{1b}[2Jx\n");
    let mut terminal = Terminal::run(sandbox.command(&words), |c| c);
    terminal.until("\\u{1b}[2Jx");
    assert_eq!(terminal.end(), 0);
    assert!(!terminal.shown.contains("\u{1b}[2J"), "{}", terminal.shown);
}

#[test]
fn the_first_interrupt_ends_the_command_and_the_second_leaves_it() {
    let sandbox = Sandbox::new();
    let script = "trap 'echo cleaned up; exit 7' TERM; echo begun; while :; do sleep 0.1; done";
    let words = ["exec", "my-dev-stack", "--", "sh", "-c", script];
    let mut terminal = Terminal::run(sandbox.command(&words), |c| c);
    terminal.until("begun");
    terminal.signal("INT");
    terminal.until("ending the command on the host");
    terminal.until("cleaned up");
    terminal.until("ended as asked, with exit code 7");
    assert_eq!(terminal.end(), 1);

    let script =
        "trap '' TERM; echo begun; while [ ! -e /over ]; do sleep 0.1; done; touch /gone-on";
    let words = [
        "exec",
        "my-dev-stack",
        "--timeout",
        "30s",
        "--",
        "sh",
        "-c",
        script,
    ];
    let mut terminal = Terminal::run(sandbox.command(&words), |c| c);
    terminal.until("begun");
    terminal.signal("INT");
    terminal.until("once more leaves it");
    terminal.signal("INT");
    terminal.until("left: the command may still run on i-");
    assert_eq!(terminal.end(), 1);
    // It does, and nobody ends it.
    fs_err::write(sandbox.host().join("over"), "").unwrap();
    for _ in 0..200 {
        if sandbox.host().join("gone-on").exists() {
            return;
        }
        std::thread::sleep(Duration::from_millis(50));
    }
    panic!("it did not go on");
}

#[test]
fn a_command_ends_after_its_time_and_what_it_leaves_holds_nobody_up() {
    let sandbox = Sandbox::new();
    let words = [
        "exec",
        "my-dev-stack",
        "--timeout",
        "1s",
        "-o",
        "json",
        "--",
        "sleep",
        "60",
    ];
    let document = sandbox.run(&words).ended(1).json();
    assert_eq!(document["error"]["code"], "command_timed_out", "{document}");
    assert_eq!(document["data"]["exit_code"], 143);
    let ran = exec(&sandbox, &["sh", "-c", "sleep 60 & echo done"]);
    assert_eq!(ran.ended(0).out, "done\n");
}

#[test]
fn what_cannot_be_run_is_refused_with_the_way_on() {
    let sandbox = Sandbox::new();
    let run = |args: &[&str], code: i32, word: &str| {
        let document = json(&sandbox, args, code);
        assert_eq!(document["error"]["code"], word, "{document}");
        document["error"].to_string()
    };
    run(&["exec", "nobody", "--", "true"], 8, "deployment_not_found");
    run(&["exec", "my-dev-stack"], 2, "usage");
    run(&["exec", "my-dev-stack", "--", ""], 2, "usage");
    let long = "x".repeat(20_000);
    run(&["exec", "my-dev-stack", "--", "echo", &long], 2, "usage");
    let error = run(
        &["exec", "my-dev-stack", "--service", "web", "--", "true"],
        3,
        "unknown_service",
    );
    assert!(error.contains("n8n, ollama, postgres"), "{error}");
    run(
        &["logs", "my-dev-stack", "--service", "web"],
        3,
        "unknown_service",
    );
    run(&["logs", "my-dev-stack", "--follow"], 2, "usage");
    run(&["logs", "my-dev-stack", "--tail", "-1"], 2, "usage");
    // Docker's words come through: no image of the sandbox has a program in it.
    let inside = ["exec", "my-dev-stack", "--service", "n8n", "--", "node"];
    assert!(
        sandbox
            .run(&inside)
            .ended(1)
            .out
            .contains("\"node\": executable file not found")
    );

    let stop = |world: &mut geusemaker::sandbox::world::World| {
        let instance = world.instances.values_mut().next().unwrap();
        instance.state = geusemaker::model::RunState::Stopped;
    };
    sandbox.world(stop);
    run(
        &["exec", "my-dev-stack", "--", "true"],
        3,
        "instance_stopped",
    );
    run(&["logs", "my-dev-stack"], 3, "instance_stopped");
}

#[test]
fn an_unfinished_operation_is_named_before_a_command_runs() {
    let sandbox = Sandbox::new();
    let fault = "health:n8n@n8nio/n8n:1.20.0=unhealthy";
    sandbox.run(&["sandbox", "fault", "add", fault]).ended(0);
    let image = "n8n=n8nio/n8n:1.20.0";
    let update = [
        "update",
        "my-dev-stack",
        "--force",
        "--no-rollback",
        "--image",
        image,
    ];
    sandbox.run(&update).ended(6);
    let journal = sandbox.journal();
    let ran = exec(&sandbox, &["sh", "-c", "echo it runs >&2"]);
    let (warning, rest) = ran.ended(0).err.split_once('\n').unwrap();
    assert!(
        warning.starts_with("warning: update ") && warning.contains("has not ended (paused)"),
        "{warning}"
    );
    assert_eq!(rest, "it runs\n");
    let document = json(&sandbox, &["exec", "my-dev-stack", "--", "true"], 0);
    assert_eq!(
        document["warnings"].as_array().unwrap().len(),
        1,
        "{document}"
    );
    assert_eq!(sandbox.journal(), journal);
}

#[test]
fn logs_come_by_time_with_their_service_and_change_nothing() {
    let sandbox = Sandbox::new();
    sandbox.run(&["list"]).ended(0);
    let before = sandbox.seen();
    let all = sandbox.run(&["logs", "my-dev-stack"]);
    let lines: Vec<&str> = all.ended(0).out.lines().collect();
    assert_eq!(lines.len(), 10, "{}", all.out);
    assert!(lines[0].starts_with("crawl4ai | "), "{}", all.out);
    assert!(lines[1].starts_with("n8n      | "), "{}", all.out);
    assert!(lines[9].ends_with("qdrant is ready"), "{}", all.out);
    let one = sandbox.run(&["logs", "my-dev-stack", "--service", "n8n", "--tail", "1"]);
    assert_eq!(one.ended(0).out, "n8n is ready\n");
    let none = sandbox.run(&["logs", "my-dev-stack", "--since", "1s"]);
    assert_eq!(none.ended(0).out, "");
    let document = sandbox.json(&["logs", "my-dev-stack", "--tail", "1"], 0);
    let lines = document["data"]["lines"].as_array().unwrap();
    assert_eq!(lines.len(), 5);
    assert!(
        lines.iter().all(|l| l["at"].as_str().unwrap() > "2026"),
        "{document}"
    );
    assert_eq!(sandbox.seen(), before);
    assert!(!sandbox.host().join("var/lib/geusemaker").exists());
}

#[test]
fn logs_follow_over_a_restart_and_end_with_an_interrupt() {
    let sandbox = Sandbox::new();
    let words = [
        "logs",
        "my-dev-stack",
        "--service",
        "n8n",
        "--follow",
        "--tail",
        "1",
    ];
    let mut child = sandbox
        .command(&words)
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let restart = |policy: &str| {
        sandbox.world(|world| {
            let now = jiff::Timestamp::now();
            let host = world.hosts.values_mut().next().unwrap();
            host.engine.stop(policy, now).unwrap();
            host.engine.start(policy, now).unwrap();
        });
    };
    let out = child.stdout.take().unwrap();
    let mut lines = std::io::BufRead::lines(std::io::BufReader::new(out)).map(Result::unwrap);
    assert_eq!(lines.next().unwrap(), "n8n is ready");
    restart("n8n");
    assert!(lines.next().unwrap().contains("n8n starting"));
    assert_eq!(lines.next().unwrap(), "n8n is ready");
    signal(&child, "INT");
    assert_eq!(lines.next(), None);
    assert_eq!(child.wait().unwrap().code(), Some(0));
}
