//! Arm, commit, and every word of the controller.

use std::os::unix::fs::PermissionsExt;

use super::super::machine::{machines, tag};
use super::*;

#[test]
fn an_arm_writes_a_program_and_two_units_and_enables_the_timer() {
    for m in machines() {
        stack(&m);
        let before = look_clock();
        let RestoreState::Armed {
            operation,
            deadline,
        } = arm(&m, &tag(1, 1)).unwrap()
        else {
            panic!("{}", m.shell)
        };
        assert_eq!(operation.as_str(), OP);
        assert!((before + 600..=look_clock() + 600).contains(&deadline.as_second()));
        assert_eq!(m.units(), ["daemon-reload", ON], "{}", m.shell);
        let root = m.root();
        let service = m.read("etc/systemd/system/geusemaker-restore.service");
        let program = format!("{}/var/lib/geusemaker/restore/restore.sh", root.display());
        assert!(
            service.contains(&format!("\nExecStart=/bin/sh {program} tick\n")),
            "{service}"
        );
        assert!(
            service.contains("\nType=oneshot\nTimeoutStartSec=infinity\n"),
            "{service}"
        );
        assert!(service.contains("\nAfter=docker.service "), "{service}");
        let timer = m.read("etc/systemd/system/geusemaker-restore.timer");
        for line in [
            "OnActiveSec=15s",
            "OnBootSec=15s",
            "OnUnitInactiveSec=15s",
            "AccuracySec=1s",
            "WantedBy=timers.target",
        ] {
            assert!(timer.lines().any(|l| l == line), "{timer}");
        }
        let units = fs_err::read_dir(root.join("etc/systemd/system")).unwrap();
        let modes: Vec<_> = units
            .map(|u| u.unwrap().metadata().unwrap().permissions().mode() & 0o777)
            .collect();
        assert_eq!(modes, [0o644, 0o644], "{}", m.shell);

        // Twice is cheap; another grace is another timer.
        arm(&m, &tag(1, 2)).unwrap();
        assert_eq!(m.units(), [ON], "{}", m.shell);
        arm_with(&m, &tag(1, 3), &[], 20).unwrap();
        assert_eq!(m.units(), ["daemon-reload", ON], "{}", m.shell);
        assert!(
            m.read("etc/systemd/system/geusemaker-restore.timer")
                .contains("OnUnitInactiveSec=2s\n")
        );
    }
}

#[test]
fn without_systemd_nothing_is_armed() {
    for m in machines() {
        stack(&m);
        m.set(
            "fail/systemctl",
            "System has not been booted with systemd as init system (PID 1). Can't operate.",
        );
        let error = arm(&m, &tag(1, 1)).unwrap_err().to_string();
        assert!(
            error.contains("no_systemd") && error.contains("not been booted"),
            "{}: {error}",
            m.shell
        );
        assert_eq!(look(&m, None), Ok(RestoreState::Idle), "{}", m.shell);
    }
}

#[test]
fn before_the_deadline_nothing_happens_and_each_word_of_the_controller_moves_it() {
    for m in machines() {
        updated(&m);
        m.set("containers/web/status", "exited\n");
        assert_eq!(m.tick(), (String::new(), 0), "{}", m.shell);
        assert_eq!(
            (m.calls(), state(&m).as_str()),
            (Vec::new(), "armed"),
            "{}",
            m.shell
        );
        let words: [(&str, &dyn Fn()); 5] = [
            ("poll", &|| drop(m.poll(&tag(1, 3)))),
            ("look", &|| drop(look(&m, Some(&tag(1, 3))))),
            ("look of a higher fence", &|| {
                drop(look(&m, Some(&tag(7, 1))))
            }),
            ("start", &|| {
                drop(m.job(
                    &tag(1, 4),
                    Input::new().text("kind", "pull").text("reference", "a:1"),
                ))
            }),
            ("mount", &|| {
                drop(
                    m.ask(
                        Verb::Mount,
                        tag_lines(&tag(1, 5))
                            .text("point", "/mnt")
                            .text("token", "x"),
                    ),
                )
            }),
        ];
        for (name, speak) in words {
            silence(&m);
            speak();
            assert!(seconds(&m) > look_clock() + 500, "{}: {name}", m.shell);
        }
        // Of an old fence, of another operation, and of nobody: no word.
        m.put("var/lib/geusemaker/fence", "9 1\n");
        silence(&m);
        drop((
            m.poll(&tag(1, 3)),
            look(&m, Some(&tag(8, 9))),
            m.poll(&other(9, 1)),
            look(&m, None),
        ));
        assert_eq!(seconds(&m), 100, "{}", m.shell);
    }
}

#[test]
fn the_same_script_late_changes_nothing() {
    for m in machines() {
        updated(&m);
        assert_eq!(
            arm(&m, &tag(1, 1)),
            Err(HostError::Fenced { ours: 1, seen: 1 }),
            "{}: lower",
            m.shell
        );
        arm(&m, &tag(1, 4)).unwrap();
        m.set("containers/web/status", "exited\n");
        silence(&m);
        m.tick();
        // The pair that armed it, delivered once more after the host has gone back.
        assert!(
            matches!(
                arm(&m, &tag(1, 4)),
                Ok(RestoreState::Restored {
                    by_itself: true,
                    ..
                })
            ),
            "{}",
            m.shell
        );
        assert_eq!(state(&m), "restored!", "{}", m.shell);
        // A late commit does not make good what the host has gone back from: it is told.
        let restored = RestoreState::Restored {
            operation: tag(1, 1).operation,
            by_itself: true,
        };
        m.units();
        assert_eq!(
            (commit(&m, &tag(1, 5)), commit(&m, &tag(1, 5))),
            (Ok(restored.clone()), Ok(restored)),
            "{}",
            m.shell
        );
        assert_eq!(m.units(), [OFF, OFF], "{}", m.shell);
        assert!(is_back(&m), "{}", m.shell);
        assert!(arm(&m, &tag(1, 4)).is_err(), "{}", m.shell);
    }
}

#[test]
fn a_damaged_state_is_never_taken_for_idle() {
    let good = format!("armed {OP} 1 1 100 600 0 boot-1");
    for m in machines() {
        updated(&m);
        for damaged in [
            String::new(),
            good.clone(),
            format!("{}\n", &good[..good.len() - 9]),
            format!("{good} x\n"),
            "dancing\n".into(),
            "idle 1\n".into(),
            format!("restored {OP} 1 1 nobody\n"),
            format!("restoring {OP} 1 1 host x 1-1\n"),
            "armed ../x 1 1 100 600 0 boot-1\n".into(),
        ] {
            m.put(FILE, &damaged);
            assert!(
                matches!(look(&m, None), Err(HostError::Garbled { .. })),
                "{}: {damaged:?}",
                m.shell
            );
            let (said, code) = m.tick();
            assert!(
                code == 1 && said.contains("is damaged"),
                "{}: {damaged:?}: {said}",
                m.shell
            );
            for error in [
                arm(&m, &tag(1, 9)).err(),
                commit(&m, &tag(1, 9)).err(),
                m.start(&tag(1, 9), back()).err(),
                m.start(&tag(1, 9), forward()).err(),
            ] {
                let error = error.unwrap().to_string();
                assert!(
                    error.contains("bad_state") && error.contains("restore/state"),
                    "{}: {error}",
                    m.shell
                );
            }
            assert_eq!(m.read(FILE), damaged, "{}: it is left", m.shell);
        }
        assert_eq!(m.calls(), Vec::<String>::new(), "{}", m.shell);
    }
}
