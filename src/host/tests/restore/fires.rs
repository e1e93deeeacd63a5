//! Past the deadline.

use super::super::machine::{Machine, machines, tag};
use super::*;

#[test]
fn past_the_deadline_a_red_stack_goes_back() {
    for mut m in machines() {
        m.flock = m.shell != "sh";
        updated(&m);
        m.set("containers/web/health", "unhealthy\n");
        silence(&m);
        let (said, code) = m.tick();
        assert!(
            code == 0 && said.contains("not green: web"),
            "{}: {said}",
            m.shell
        );
        assert!(is_back(&m), "{}: {said} {:?}", m.shell, web(&m));
        assert_eq!(state(&m), "restored!", "{}", m.shell);
        assert_eq!(m.units(), [OFF], "{}: nothing ticks any more", m.shell);
        let own = Tag {
            seq: 900_000_000_000_000_001,
            ..tag(1, 1)
        };
        assert_eq!(m.poll(&own), JobState::Done);
        assert!(
            fs_err::read_to_string(m.record(&own).join("log"))
                .unwrap()
                .contains("web: up")
        );

        // Forward work that comes late is refused; what has been is answered; the way back finds it done.
        for late in [forward(), quiesce("no")] {
            let error = m.start(&tag(1, 4), late).unwrap_err().to_string();
            assert!(error.contains("host_restored"), "{}: {error}", m.shell);
        }
        assert_eq!(
            m.job(&tag(1, 4), quiesce("yes")),
            JobState::Done,
            "{}",
            m.shell
        );
        m.forget_calls();
        assert_eq!(m.job(&tag(1, 5), back()), JobState::Done);
        let mut calls = m.calls();
        calls.retain(|call| !call.starts_with("rm "));
        assert_eq!(calls, ["start [web]"], "{}", m.shell);
        assert_eq!(state(&m), "restored", "{}", m.shell);
        // Armed again, forward work goes on.
        arm(&m, &tag(1, 6)).unwrap();
        assert_eq!(
            m.job(&tag(1, 7), quiesce("no")),
            JobState::Done,
            "{}",
            m.shell
        );
    }
}

#[test]
fn past_the_deadline_a_green_and_stable_stack_stays() {
    for m in machines() {
        updated(&m);
        m.set("containers/db/health", "healthy\n");
        silence(&m);
        let (said, code) = m.tick();
        assert!(
            code == 0 && said.contains("it stays"),
            "{}: {said}",
            m.shell
        );
        assert_eq!(
            (m.calls(), state(&m).as_str()),
            (Vec::new(), "committed!"),
            "{}",
            m.shell
        );
        assert_eq!(web(&m).0, NEW);
        assert_eq!(m.units(), [OFF], "{}", m.shell);
        let error = m.start(&tag(1, 4), forward()).unwrap_err().to_string();
        assert!(error.contains("host_committed"), "{}: {error}", m.shell);
        // What needs no way back still works.
        let pull = Input::new().text("kind", "pull").text("reference", "a:1");
        assert_eq!(m.job(&tag(1, 4), pull), JobState::Done, "{}", m.shell);
    }
}

#[test]
fn green_but_not_stable_or_nothing_to_go_by_goes_back() {
    for m in machines() {
        updated(&m);
        // It starts anew while it is looked at.
        m.program(
            "sleep",
            "#!/bin/sh\necho 2 >\"$STUB/containers/web/started\"\n",
        );
        silence(&m);
        let (said, _) = m.tick();
        if said.contains("it stays") {
            // A shell with a sleep of its own inside.
            assert!(m.shell.starts_with("busybox"), "{}: {said}", m.shell);
        } else {
            assert!(said.contains("not stable"), "{}: {said}", m.shell);
            assert!(is_back(&m), "{}: {said}", m.shell);
        }
        let m = Machine::new(m.shell);
        updated(&m);
        arm_with(&m, &tag(1, 4), &[], 600).unwrap();
        silence(&m);
        let (said, _) = m.tick();
        assert!(
            said.contains("nothing was green") && is_back(&m),
            "{}: {said}",
            m.shell
        );
    }
}

/// The very probes of the controller's gate. Docker's health of a service that declares another does not count.
#[test]
fn what_a_probe_calls_red_goes_back_though_docker_calls_it_green() {
    for m in machines() {
        for well in [false, true] {
            let m = Machine::new(m.shell);
            updated(&m);
            let input = tag_lines(&tag(1, 4))
                .text("grace", "600")
                .text("stable", "0")
                .and(&back())
                .text("green", "db")
                .fields("green", &["web", "declared"])
                .fields("probe", &["db", "command", "2", "true"])
                .fields(
                    "probe",
                    &[
                        "web",
                        "command",
                        "2",
                        "sh",
                        "-c",
                        "test -f $STUB_NAME/well || { echo 'no table'; exit 3; }",
                    ],
                );
            m.ask(Verb::Arm, input).unwrap();
            m.set(
                "containers/web/health",
                if well { "starting\n" } else { "healthy\n" },
            );
            if well {
                m.set("containers/web/well", "");
            }
            silence(&m);
            let (said, code) = m.tick();
            let says = if well {
                "it stays"
            } else {
                "not green: web: exit 3: no table"
            };
            assert!(code == 0 && said.contains(says), "{}: {said}", m.shell);
            assert_eq!(is_back(&m), !well, "{}: {said}", m.shell);
            assert!(!m.root().join("var/lib/geusemaker/restore/.asks").exists());
        }
    }
}

#[test]
fn a_boot_and_a_clock_put_back_count_anew() {
    for m in machines() {
        updated(&m);
        m.set("containers/web/status", "exited\n");
        silence(&m);
        m.put("proc/sys/kernel/random/boot_id", "boot-2\n");
        assert_eq!(m.tick(), (String::new(), 0), "{}", m.shell);
        assert!(seconds(&m) > look_clock() + 500, "{}", m.shell);
        let far = m
            .read(FILE)
            .replace(&seconds(&m).to_string(), "99999999999");
        m.put(FILE, &far);
        m.tick();
        assert!(seconds(&m) < look_clock() + 700, "{}", m.shell);
        silence(&m);
        m.tick();
        assert!(is_back(&m), "{}", m.shell);
    }
}

#[test]
fn a_way_back_that_was_cut_off_goes_on_and_one_that_fails_is_tried_five_times() {
    for m in machines() {
        updated(&m);
        m.set("containers/web/status", "exited\n");
        silence(&m);
        m.set("slow/up", "600");
        let own = |n: u64| Tag {
            seq: 900_000_000_000_000_000 + n,
            ..tag(1, 1)
        };
        std::thread::scope(|s| {
            let first = s.spawn(|| m.tick());
            until(&m, "up", || m.calls().iter().any(|c| c.contains("[up]")));
            // A second tick leaves it alone, and so does a commit.
            assert_eq!(m.tick(), (String::new(), 0), "{}", m.shell);
            assert!(
                commit(&m, &tag(1, 8))
                    .unwrap_err()
                    .to_string()
                    .contains("busy"),
                "{}",
                m.shell
            );
            let job = fs_err::read_to_string(m.record(&own(1)).join("job")).unwrap();
            let group = format!("-{}", job.split(' ').next().unwrap());
            let done = std::process::Command::new("kill")
                .args(["-s", "KILL", "--", &group])
                .status();
            assert!(done.unwrap().success());
            assert_eq!(first.join().unwrap().1, 1, "{}", m.shell);
        });
        // What was killed with its group may need a moment to be gone.
        assert_eq!(
            (m.end(&own(1)), state(&m).as_str()),
            (JobState::Lost, "restoring"),
            "{}",
            m.shell
        );
        fs_err::remove_file(m.stub().join("slow/up")).unwrap();
        m.set("fail/up", "no");
        for _ in 0..4 {
            assert_eq!(m.tick().1, 1, "{}", m.shell);
        }
        assert_eq!(state(&m), "restoring", "{}", m.shell);
        fs_err::remove_file(m.stub().join("fail/up")).unwrap();
        m.forget_calls();
        assert_eq!(
            m.tick(),
            (String::new(), 0),
            "{}: it has tried five times",
            m.shell
        );
        assert_eq!(m.calls(), Vec::<String>::new(), "{}", m.shell);
        // Until somebody asks.
        assert_eq!(m.job(&tag(1, 9), back()), JobState::Done, "{}", m.shell);
        assert!(is_back(&m) && state(&m) == "restored", "{}", m.shell);
    }
}

#[test]
fn the_controllers_way_back_waits_for_the_hosts_own_and_finds_it_done() {
    for m in machines() {
        updated(&m);
        m.set("containers/web/status", "exited\n");
        silence(&m);
        m.set("slow/up", "20");
        std::thread::scope(|s| {
            let host = s.spawn(|| m.tick());
            until(&m, "up", || m.calls().iter().any(|c| c.contains("[up]")));
            assert_eq!(m.job(&tag(2, 1), back()), JobState::Done, "{}", m.shell);
            assert_eq!(host.join().unwrap().1, 0, "{}", m.shell);
        });
        let ups = m.calls().iter().filter(|c| c.contains("[up]")).count();
        assert_eq!(ups, 1, "{}: {:?}", m.shell, m.calls());
        assert!(is_back(&m) && state(&m) == "restored", "{}", m.shell);
    }
}

#[test]
fn a_late_forward_job_that_has_begun_is_ended_by_the_way_back() {
    for m in machines() {
        stack(&m);
        arm(&m, &tag(1, 1)).unwrap();
        m.wanted("web", 4);
        m.job(&tag(1, 2), quiesce("no"));
        m.set("slow/up", "600");
        assert!(
            matches!(m.start(&tag(1, 3), forward()), Ok(JobState::Running(_))),
            "{}",
            m.shell
        );
        until(&m, "up", || m.calls().iter().any(|c| c.contains("[up]")));
        fs_err::remove_file(m.stub().join("slow/up")).unwrap();
        silence(&m);
        m.tick();
        assert!(is_back(&m), "{}: {:?}", m.shell, web(&m));
        assert_eq!(
            (m.end(&tag(1, 3)), state(&m).as_str()),
            (JobState::Lost, "restored!"),
            "{}",
            m.shell
        );
    }
}

#[test]
fn a_docker_that_is_down_is_waited_for() {
    for m in machines() {
        updated(&m);
        m.set("containers/web/status", "exited\n");
        silence(&m);
        m.set("fail/ps", "Cannot connect to the Docker daemon");
        let (said, code) = m.tick();
        assert_eq!(
            (said.trim(), code),
            ("docker does not answer", 0),
            "{}",
            m.shell
        );
        assert_eq!(state(&m), "armed", "{}", m.shell);
        fs_err::remove_file(m.stub().join("fail/ps")).unwrap();
        m.tick();
        assert!(is_back(&m), "{}", m.shell);
    }
}

#[test]
fn a_way_back_before_a_stop_leaves_it_armed() {
    for m in machines() {
        updated(&m);
        silence(&m);
        let stays = Input::new().text("start", "no");
        m.job(&tag(1, 4), quiesce("yes"));
        assert_eq!(
            m.job(&tag(1, 5), back().and(&stays)),
            JobState::Done,
            "{}",
            m.shell
        );
        assert_eq!(
            (
                m.read("srv/compose.yml").as_str(),
                m.get("containers/web/status").as_str()
            ),
            (OLD, "exited"),
            "{}",
            m.shell
        );
        assert!(seconds(&m) > look_clock() + 500, "{}", m.shell);
    }
}

#[test]
fn work_that_was_cut_off_half_way_is_not_green_though_every_container_is() {
    for m in machines() {
        for end in [None, Some("failed up_failed\n"), Some("done\n")] {
            let m = Machine::new(m.shell);
            updated(&m);
            let status = m.record(&tag(1, 3)).join("status");
            match end {
                None => fs_err::remove_file(&status).unwrap(),
                Some(end) => fs_err::write(&status, end).unwrap(),
            }
            silence(&m);
            let (said, _) = m.tick();
            let stays = end == Some("done\n");
            assert_eq!(said.contains("it stays"), stays, "{}: {said}", m.shell);
            assert_eq!(is_back(&m), !stays, "{}: {end:?} {said}", m.shell);
        }
        // It is the newest that counts, by number and not by name: a second apply mended it, and a pull is none.
        let m = Machine::new(m.shell);
        updated(&m);
        fs_err::remove_file(m.record(&tag(1, 3)).join("status")).unwrap();
        assert_eq!(m.job(&tag(1, 20), forward()), JobState::Done, "{}", m.shell);
        m.set("fail/pull", "no such image\n");
        let pull = Input::new().text("kind", "pull").text("reference", "a:1");
        m.job(&tag(1, 21), pull);
        silence(&m);
        let (said, _) = m.tick();
        assert!(said.contains("it stays"), "{}: {said}", m.shell);
    }
}

#[test]
fn a_way_back_of_the_controllers_after_the_host_has_judged_is_gone_on_with_by_the_host() {
    for m in machines() {
        updated(&m);
        silence(&m);
        m.tick();
        assert_eq!(
            (m.units(), state(&m).as_str()),
            (vec![OFF.to_owned()], "committed!")
        );
        // The timer is off by now; a way back that is cut off must not be left to nobody.
        m.set("fail/up", "no\n");
        assert!(
            matches!(m.job(&tag(1, 5), back()), JobState::Failed(_)),
            "{}",
            m.shell
        );
        assert_eq!(
            (m.units(), state(&m).as_str()),
            (vec![ON.to_owned()], "restoring"),
            "{}",
            m.shell
        );
        fs_err::remove_file(m.stub().join("fail/up")).unwrap();
        let (said, code) = m.tick();
        assert!(code == 0 && is_back(&m), "{}: {said}", m.shell);
        assert_eq!(
            (m.units(), state(&m).as_str()),
            (vec![OFF.to_owned()], "restored!"),
            "{}",
            m.shell
        );
    }
}
