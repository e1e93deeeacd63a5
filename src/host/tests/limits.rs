//! Limits in time of the scripts that no other test lets run out (docs/deadlines.md has them all). Each machine on a
//! thread of its own: what is waited for is time alone.

use std::time::{Duration, Instant};

use super::exec;
use super::machine::{Machine, machines, machines_without_applets, tag};
use crate::host::scripts::Verb;
use crate::host::{ExecAsk, ExecStanding, Input, JobState, Place, ProbeRequest, parse_probe};

pub(super) fn on_each(all: Vec<Machine>, test: impl Fn(&Machine) + Sync) {
    std::thread::scope(|scope| {
        for m in &all {
            scope.spawn(|| test(m));
        }
    });
}

/// How long it took.
pub(super) fn took<T>(work: impl FnOnce() -> T) -> (T, Duration) {
    let began = Instant::now();
    let made = work();
    (made, began.elapsed())
}

/// What a job or a command is begun by waits first, as this says. Not where the shell has it inside.
pub(super) fn begins_after(m: &Machine, wait: &str) {
    let paths = std::env::var_os("PATH").expect("a path");
    let mut real = std::env::split_paths(&paths).map(|p| p.join("setsid"));
    let real = real.find(|p| p.exists()).expect("setsid is here");
    let real = real.display();
    m.program(
        "setsid",
        &format!("#!/bin/sh\n{wait}\nexec {real} \"$@\"\n"),
    );
}

/// Until a test says so with `go`, or is over.
pub(super) const TOLD: &str = "while [ -d \"$STUB\" ] && [ ! -f \"$STUB/go\" ]; do sleep 0.1; done";

pub(super) fn go(m: &Machine) {
    m.set("go", "");
}

#[test]
fn a_command_that_lives_on_after_its_time_is_killed() {
    on_each(machines(), |m| {
        let script = "trap '' TERM; echo begun; while :; do sleep 0.2; done";
        let (standing, took) = took(|| {
            exec::ask(m, &exec::begin(&["sh", "-c", script], 1)).unwrap();
            loop {
                let state = exec::ask(m, &ExecAsk::Read(Place::default())).unwrap();
                if state.standing != ExecStanding::Running {
                    break state.standing;
                }
                std::thread::sleep(Duration::from_millis(200));
            }
        });
        let why = Some("timed_out".to_owned());
        let killed = ExecStanding::Ended { code: 137, why };
        assert_eq!(standing, killed, "{}", m.shell);
        assert!(took >= Duration::from_secs(11), "{}: {took:?}", m.shell);
    });
}

#[test]
fn a_command_that_has_not_ended_or_not_begun_is_answered_as_running() {
    on_each(machines(), |m| {
        let state = exec::ask(m, &exec::begin(&["sleep", "3"], 60)).unwrap();
        assert_eq!(state.standing, ExecStanding::Running, "{}", m.shell);
    });
    on_each(machines_without_applets(), |m| {
        begins_after(m, TOLD);
        let (state, took) = took(|| exec::ask(m, &exec::begin(&["true"], 60)).unwrap());
        go(m);
        assert_eq!(state.standing, ExecStanding::Running, "{}", m.shell);
        assert!(took >= Duration::from_secs(3), "{}: {took:?}", m.shell);
    });
}

#[test]
fn a_job_that_has_not_said_that_it_began_is_answered_as_unknown_and_is_one_all_the_same() {
    on_each(machines_without_applets(), |m| {
        begins_after(m, TOLD);
        let pull = || {
            let input = Input::new().text("kind", "pull");
            input.text("reference", "n8nio/n8n:1.20.0")
        };
        let (state, took) = took(|| m.start(&tag(1, 1), pull()));
        assert_eq!(state, Ok(JobState::Unknown), "{}", m.shell);
        assert!(took >= Duration::from_secs(3), "{}: {took:?}", m.shell);
        go(m);
        // Sent again, as the controller does: two that begin are one job.
        assert_eq!(m.job(&tag(1, 1), pull()), JobState::Done, "{}", m.shell);
        std::thread::sleep(Duration::from_secs(1));
        assert_eq!(m.calls(), ["pull [n8nio/n8n:1.20.0]"], "{}", m.shell);
    });
}

#[test]
fn logs_that_do_not_come_are_not_waited_for() {
    on_each(machines(), |m| {
        m.container("web", 1, "running", "always");
        m.set("containers/web/log", "a line\n");
        m.set("slow/logs", "100");
        let ask = ProbeRequest {
            probes: vec![],
            logs: vec!["web".into()],
        };
        let input = crate::host::channel::probe_input(&ask);
        let (document, took) = took(|| m.ask(Verb::Probe, input).unwrap());
        let facts = parse_probe(&ask, &document).unwrap();
        assert_eq!(facts.logs, [""], "{}", m.shell);
        assert!(took >= Duration::from_secs(3), "{}: {took:?}", m.shell);
        assert!(took < Duration::from_secs(10), "{}: {took:?}", m.shell);
    });
}
