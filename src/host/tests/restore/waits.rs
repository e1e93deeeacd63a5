//! For how long is waited: limits in time that no other test lets run out (docs/deadlines.md has them all).

use std::fs::File;

use super::super::limits::{TOLD, begins_after, go, on_each, took};
use super::super::machine::{machines, machines_without_applets, tag};
use super::*;
use crate::host::JobFailure;

/// Nobody else gets the lock of the scripts while this value lives.
fn held(m: &Machine) -> File {
    let path = m.root().join("var/lib/geusemaker/lock");
    let file = File::options().append(true).open(path).expect("the lock");
    file.lock().expect("it is held");
    file
}

#[test]
fn a_look_that_cannot_have_the_lock_does_not_move_the_deadline() {
    on_each(machines(), |m| {
        stack(m);
        arm(m, &tag(1, 1)).unwrap();
        let before = seconds(m);
        std::thread::sleep(Duration::from_millis(1_100));
        let lock = held(m);
        let (looked, took) = took(|| look(m, Some(&tag(1, 1))));
        looked.unwrap();
        assert!(took >= Duration::from_secs(1), "{}: {took:?}", m.shell);
        assert_eq!(seconds(m), before, "{}", m.shell);
        drop(lock);
        look(m, Some(&tag(1, 1))).unwrap();
        assert!(seconds(m) > before, "{}", m.shell);
    });
}

#[test]
fn a_way_back_that_cannot_write_its_state_is_busy_and_can_be_tried_again() {
    on_each(machines(), |m| {
        updated(m);
        // It asks for Docker before it takes the lock: the test has it by then.
        let waits = format!("#!/bin/sh\n[ \"$1\" = show ] || exit 0\n{TOLD}\nexit 1\n");
        m.program("systemctl", &waits);
        assert!(m.start(&tag(1, 4), back()).is_ok(), "{}", m.shell);
        let lock = held(m);
        go(m);
        match m.end(&tag(1, 4)) {
            JobState::Failed(JobFailure { code, .. }) => assert_eq!(code, "busy", "{}", m.shell),
            other => panic!("{}: {other:?}", m.shell),
        }
        assert!(!is_back(m), "{}", m.shell);
        drop(lock);
        m.systemd();
        assert_eq!(m.job(&tag(1, 5), back()), JobState::Done, "{}", m.shell);
        assert!(is_back(m), "{}", m.shell);
    });
}

#[test]
fn a_way_back_that_is_slow_to_begin_is_waited_for_all_the_same() {
    on_each(machines_without_applets(), |m| {
        updated(m);
        m.set("containers/web/health", "unhealthy\n");
        silence(m);
        begins_after(m, "sleep 5");
        let ((said, code), took) = took(|| m.tick());
        assert_eq!(code, 0, "{}: {said}", m.shell);
        assert!(took >= Duration::from_secs(5), "{}: {took:?}", m.shell);
        assert!(is_back(m), "{}: {said}", m.shell);
    });
}
