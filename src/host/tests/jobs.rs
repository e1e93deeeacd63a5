//! Tags, records, and what becomes of a job.

use std::process::Command;

use super::machine::{Machine, machines, tag, tag_lines};
use crate::host::scripts::{Verb, program, program_sha256};
use crate::host::{HostError, Input, JobState, parse_put, sha256_hex};

fn pull(reference: &str) -> Input {
    Input::new()
        .text("kind", "pull")
        .text("reference", reference)
}

fn quiesce(containers: &[(&str, &str)]) -> Input {
    containers
        .iter()
        .fold(Input::new().text("kind", "quiesce"), |i, (n, p)| {
            i.fields("container", &[n, p])
        })
}

fn kill(machine: &Machine, signal: &str, of: &crate::host::Tag) {
    let job = fs_err::read_to_string(machine.record(of).join("job")).unwrap();
    let pid = job.split(' ').next().unwrap().to_owned();
    let done = Command::new("kill")
        .args(["-s", signal, &pid])
        .status()
        .unwrap();
    assert!(done.success());
}

#[test]
fn a_pull_ends_well_and_is_answered_from_its_record() {
    for m in machines() {
        assert_eq!(m.poll(&tag(1, 1)), JobState::Unknown);
        assert_eq!(
            m.job(&tag(1, 1), pull("n8nio/n8n:1.20.0")),
            JobState::Done,
            "{}",
            m.shell
        );
        assert_eq!(
            m.start(&tag(1, 1), pull("n8nio/n8n:1.20.0")),
            Ok(JobState::Done)
        );
        assert_eq!(m.calls(), ["pull [n8nio/n8n:1.20.0]"], "{}", m.shell);
    }
}

#[test]
fn a_pull_that_fails_says_why() {
    for m in machines() {
        m.set(
            "fail/pull",
            "Error response from daemon: manifest for a:9 not found: manifest unknown",
        );
        let log = m.fails(&tag(1, 1), pull("a:9"), "pull_failed");
        assert!(log.ends_with("manifest unknown"), "{log}");
        m.set(
            "fail/pull",
            "write /var/lib/docker/tmp/x: no space left on device",
        );
        m.fails(&tag(1, 2), pull("a:9"), "no_space");
    }
}

#[test]
fn a_lower_tag_is_refused_and_an_old_one_can_still_be_polled() {
    for m in machines() {
        assert_eq!(m.job(&tag(5, 7), pull("a:1")), JobState::Done);
        for (fence, seq) in [(5, 6), (4, 9)] {
            let refused = m.start(&tag(fence, seq), pull("a:2"));
            assert_eq!(
                refused,
                Err(HostError::Fenced {
                    ours: fence,
                    seen: 5
                }),
                "{}",
                m.shell
            );
        }
        assert_eq!(m.job(&tag(6, 1), pull("a:3")), JobState::Done);
        assert_eq!(
            m.start(&tag(5, 8), pull("a:4")),
            Err(HostError::Fenced { ours: 5, seen: 6 })
        );
        assert_eq!(m.poll(&tag(5, 7)), JobState::Done);
        assert_eq!(m.calls(), ["pull [a:1]", "pull [a:3]"]);
        let modes = ["", "/fence", "/ops"].map(|p| {
            use std::os::unix::fs::PermissionsExt;
            let path = format!("{}/var/lib/geusemaker{p}", m.root().display());
            fs_err::metadata(path).unwrap().permissions().mode() & 0o777
        });
        assert_eq!(modes, [0o700, 0o600, 0o700]);
    }
}

#[test]
fn a_damaged_fence_is_not_taken_for_none() {
    for m in machines() {
        assert_eq!(m.job(&tag(5, 7), pull("a:1")), JobState::Done);
        m.put("var/lib/geusemaker/fence", "");
        let error = m.start(&tag(9, 1), pull("a:2")).unwrap_err().to_string();
        assert!(error.contains("bad_state"), "{error}");
        assert_eq!(m.calls(), ["pull [a:1]"]);
    }
}

#[test]
fn the_same_start_twice_at_once_starts_one_job() {
    for m in machines() {
        m.set("slow/pull", "3");
        std::thread::scope(|s| {
            let all: Vec<_> = (0..4)
                .map(|_| s.spawn(|| m.start(&tag(1, 1), pull("a:1"))))
                .collect();
            for one in all {
                let state = one.join().unwrap().unwrap();
                assert!(
                    matches!(state, JobState::Running(_) | JobState::Done),
                    "{}: {state:?}",
                    m.shell
                );
            }
        });
        assert_eq!(m.end(&tag(1, 1)), JobState::Done);
        assert_eq!(m.calls(), ["pull [a:1]"], "{}", m.shell);
    }
}

#[test]
fn a_start_that_was_cut_off_before_the_launch_is_finished_by_the_next() {
    for m in machines() {
        assert_eq!(m.job(&tag(1, 1), pull("a:1")), JobState::Done);
        for file in ["job", "status"] {
            fs_err::remove_file(m.record(&tag(1, 1)).join(file)).unwrap();
        }
        assert_eq!(m.poll(&tag(1, 1)), JobState::Unknown);
        assert_eq!(
            m.job(&tag(1, 1), pull("a:1")),
            JobState::Done,
            "{}",
            m.shell
        );
        assert_eq!(m.calls().len(), 2);
    }
}

#[test]
fn a_job_that_was_killed_is_lost_once_nothing_of_it_runs() {
    for m in machines() {
        m.set("slow/pull", "10");
        assert!(
            matches!(m.start(&tag(1, 1), pull("a:1")), Ok(JobState::Running(_))),
            "{}",
            m.shell
        );
        m.wait_for_call("pull [a:1]");
        let JobState::Running(running) = m.poll(&tag(1, 1)) else {
            panic!("{}: it goes on", m.shell);
        };
        assert_eq!(
            (running.note.as_str(), running.log_bytes),
            ("pull a:1", 9),
            "{}",
            m.shell
        );
        kill(&m, "KILL", &tag(1, 1));
        // Its docker goes on: nobody may start the same thing beside it.
        assert!(
            matches!(m.poll(&tag(1, 1)), JobState::Running(_)),
            "{}",
            m.shell
        );
        assert_eq!(m.end(&tag(1, 1)), JobState::Lost, "{}", m.shell);
        assert_eq!(
            m.start(&tag(1, 1), pull("a:1")),
            Ok(JobState::Lost),
            "answered from its record"
        );
        fs_err::remove_file(m.stub().join("slow/pull")).unwrap();
        assert_eq!(
            m.job(&tag(1, 2), pull("a:1")),
            JobState::Done,
            "again, under the next tag"
        );
    }
}

#[test]
fn a_job_of_before_the_boot_is_lost() {
    for m in machines() {
        m.set("slow/pull", "8");
        assert!(matches!(
            m.start(&tag(1, 1), pull("a:1")),
            Ok(JobState::Running(_))
        ));
        m.put("proc/sys/kernel/random/boot_id", "boot-2\n");
        assert_eq!(m.poll(&tag(1, 1)), JobState::Lost, "{}", m.shell);
        m.put("proc/sys/kernel/random/boot_id", "boot-1\n");
        assert_eq!(m.end(&tag(1, 1)), JobState::Done);
        m.put("proc/sys/kernel/random/boot_id", "boot-2\n");
        assert_eq!(
            m.poll(&tag(1, 1)),
            JobState::Done,
            "what had ended stays so"
        );
    }
}

#[test]
fn a_job_that_was_given_up_is_ended_by_the_next_one() {
    for m in machines() {
        m.container("web", 1, "running", "always");
        m.set("slow/stop", "30");
        assert!(matches!(
            m.start(&tag(1, 1), quiesce(&[("web", "no")])),
            Ok(JobState::Running(_))
        ));
        m.wait_for_call("stop [web]");
        fs_err::remove_file(m.stub().join("slow/stop")).unwrap();
        assert_eq!(
            m.job(&tag(1, 2), quiesce(&[("web", "no")])),
            JobState::Done,
            "{}",
            m.shell
        );
        assert_eq!(m.poll(&tag(1, 1)), JobState::Lost, "{}", m.shell);
        assert_eq!(m.get("containers/web/status"), "exited");
    }
}

#[test]
fn quiesce_keeps_down_what_would_come_up_by_itself() {
    for m in machines() {
        m.container("web", 1, "running", "always");
        m.container("db", 2, "running", "unless-stopped");
        m.container("job", 3, "running", "on-failure:3");
        m.container("old", 4, "exited", "always");
        let all = quiesce(&[
            ("web", "always"),
            ("gone", "always"),
            ("job", "on-failure"),
            ("old", "always"),
            ("db", "unless-stopped"),
        ]);
        assert_eq!(
            m.job(&tag(1, 1), all.clone()),
            JobState::Done,
            "{}",
            m.shell
        );
        let expected = [
            "update [--restart=no] [web]",
            "update [--restart=no] [job]",
            "update [--restart=no] [old]",
            "stop [web]",
            "stop [job]",
            "stop [db]",
        ];
        assert_eq!(m.calls(), expected, "{}", m.shell);
        assert_eq!(m.job(&tag(1, 2), all), JobState::Done, "twice");
        let kept = ["web", "job", "old", "db"]
            .map(|n| m.read(&format!("var/lib/geusemaker/policies/{n}")));
        assert_eq!(
            kept,
            ["always\n", "on-failure:3\n", "always\n", ""],
            "{}",
            m.shell
        );
    }
}

#[test]
fn quiesce_lets_come_up_with_the_boot_what_is_asked_to() {
    for m in machines() {
        m.container("web", 1, "running", "always");
        m.container("db", 2, "running", "unless-stopped");
        m.container("old", 3, "exited", "always");
        let all = quiesce(&[])
            .fields("container", &["web", "always", "up"])
            .fields("container", &["db", "unless-stopped", "up"])
            .fields("container", &["old", "always"]);
        assert_eq!(m.job(&tag(1, 1), all), JobState::Done, "{}", m.shell);
        let expected = [
            "update [--restart=always] [db]",
            "update [--restart=no] [old]",
            "stop [web]",
            "stop [db]",
        ];
        assert_eq!(m.calls(), expected, "{}", m.shell);
        let kept =
            ["web", "db", "old"].map(|n| m.read(&format!("var/lib/geusemaker/policies/{n}")));
        assert_eq!(kept, ["", "unless-stopped\n", "always\n"], "{}", m.shell);
    }
}

#[test]
fn quiesce_says_when_a_container_does_not_stop() {
    for m in machines() {
        m.container("web", 1, "running", "always");
        m.set(
            "fail/stop",
            "Error response from daemon: cannot stop container: web: tried to kill",
        );
        let log = m.fails(&tag(1, 1), quiesce(&[("web", "no")]), "stop_failed");
        assert!(log.contains("tried to kill"), "{log}");
    }
}

#[test]
fn what_a_user_chose_is_data_and_never_runs() {
    for m in machines() {
        let marker = m.root().join("ran");
        let hostiles = [
            "$(touch @)",
            "`touch @`",
            "'; touch @; '",
            "\"; touch @; \"",
            "x\ntouch @\n",
            "x\nGEUSEMAKER_INPUT\ntouch @\n",
            "x\nGEUSEMAKER_JOB\ntouch @\n",
            "-rf /",
            "*",
            "\\",
            "é\u{1F40B}",
        ];
        for (n, hostile) in hostiles.iter().enumerate() {
            let hostile = hostile.replace('@', &marker.display().to_string());
            let fence = n as u64 + 1;
            assert_eq!(
                m.job(&tag(fence, 1), pull(&hostile)),
                JobState::Done,
                "{}: {hostile}",
                m.shell
            );
            let calls = m.get("calls");
            assert_eq!(calls, format!("pull [{hostile}]"), "{}", m.shell);
            if n < 2 {
                let names = quiesce(&[(&hostile, "always")]);
                m.fails(&tag(fence, 2), names, "stop_failed");
            }
            assert!(!marker.exists(), "{}: {hostile}", m.shell);
            m.forget_calls();
        }
    }
}

#[test]
fn an_operation_that_is_a_path_is_refused() {
    for m in machines() {
        for operation in ["../../x", "", "a/b", "-x", "a\nb"] {
            let input = Input::new()
                .text("fence", "1")
                .text("seq", "1")
                .text("operation", operation);
            let document = m.ask(Verb::Poll, input).unwrap();
            assert!(
                document.contains("bad_request"),
                "{}: {operation:?}: {document}",
                m.shell
            );
        }
        let input = Input::new()
            .text("fence", "1; touch x")
            .text("seq", "1")
            .text("operation", "a");
        assert!(m.ask(Verb::Start, input).unwrap().contains("bad_request"));
    }
}

#[test]
fn a_long_text_goes_ahead_in_parts() {
    for m in machines() {
        let text: String = (0..9000).map(|n| format!("line {n} $HOME\n")).collect();
        let sha = sha256_hex(text.as_bytes());
        let chunks: Vec<&str> = [&text[..30_000], &text[30_000..60_000], &text[60_000..]].into();
        let part = |n: usize| {
            tag_lines(&tag(1, 1))
                .text("sha256", &sha)
                .text("part", &(n + 1).to_string())
                .text("parts", "3")
                .text("data", chunks[n])
        };
        let put = |n| parse_put(1, &m.ask(Verb::Put, part(n)).unwrap());
        assert_eq!(put(0), Ok(false));
        assert!(
            put(2).unwrap_err().to_string().contains("put_failed"),
            "{}: the second is missing",
            m.shell
        );
        assert_eq!(
            (put(0), put(1), put(1), put(2)),
            (Ok(false), Ok(false), Ok(false), Ok(true)),
            "{}",
            m.shell
        );
        assert_eq!(put(0), Ok(true), "it is there");
        assert_eq!(m.read(&format!("var/lib/geusemaker/files/{sha}")), text);
        assert_eq!(
            fs_err::read_dir(m.root().join("var/lib/geusemaker/files"))
                .unwrap()
                .count(),
            1
        );
    }
}

/// A job names the program by its checksum: without it, or with another text in its place, nothing begins.
#[test]
fn a_job_begins_only_with_the_program_that_it_names() {
    for m in machines() {
        let file = format!("var/lib/geusemaker/lib/{}", program_sha256());
        let start = || m.ask_once(Verb::Start, &tag_lines(&tag(1, 1)).and(&pull("a:1")));
        let wants = || start().unwrap().contains("\"no_program\"");
        assert!(wants(), "{}: a new host", m.shell);
        m.put(&file, "touch x\n");
        assert!(wants(), "{}: another text", m.shell);
        assert!(!m.record(&tag(1, 1)).exists(), "{}: nothing began", m.shell);

        let part = |n: usize, text: &str| {
            let input = tag_lines(&tag(1, 1))
                .text("program", "yes")
                .text("sha256", program_sha256())
                .text("part", &n.to_string())
                .text("parts", "2")
                .text("data", text);
            parse_put(1, &m.ask(Verb::Put, input).unwrap())
        };
        let (a, b) = program().split_at(9_000);
        assert_eq!(
            (part(1, a), part(2, b)),
            (Ok(false), Ok(true)),
            "{}",
            m.shell
        );
        assert_eq!(m.read(&file), program(), "{}", m.shell);
        assert!(!wants(), "{}", m.shell);
        assert_eq!(m.end(&tag(1, 1)), JobState::Done, "{}", m.shell);
        // What has begun is answered without it.
        m.put(&file, "");
        assert_eq!(m.start(&tag(1, 1), pull("a:1")), Ok(JobState::Done));
        assert_eq!(m.read(&file), "", "{}", m.shell);
    }
}

#[test]
fn a_host_without_flock_locks_with_folders() {
    for mut m in machines() {
        m.flock = false;
        m.set("slow/pull", "5");
        std::thread::scope(|s| {
            let all: Vec<_> = (0..3)
                .map(|_| s.spawn(|| m.start(&tag(1, 1), pull("a:1"))))
                .collect();
            for one in all {
                let state = one.join().unwrap().unwrap();
                assert!(
                    matches!(state, JobState::Running(_) | JobState::Done),
                    "{}: {state:?}",
                    m.shell
                );
            }
        });
        assert_eq!(m.end(&tag(1, 1)), JobState::Done, "{}", m.shell);
        assert_eq!(m.calls(), ["pull [a:1]"], "{}", m.shell);
        // A lock that a killed script left behind does not last.
        let lock = m.root().join("var/lib/geusemaker/lock.d");
        assert!(!lock.is_symlink(), "{}", m.shell);
        std::os::unix::fs::symlink("1 boot-0", &lock).unwrap();
        m.container("web", 1, "running", "always");
        m.set("slow/stop", "30");
        assert!(
            matches!(
                m.start(&tag(1, 2), quiesce(&[("web", "no")])),
                Ok(JobState::Running(_))
            ),
            "{}",
            m.shell
        );
        m.wait_for_call("stop [web]");
        kill(&m, "KILL", &tag(1, 2));
        fs_err::remove_file(m.stub().join("slow/stop")).unwrap();
        assert_eq!(m.end(&tag(1, 2)), JobState::Lost, "{}", m.shell);
        assert_eq!(
            m.job(&tag(1, 3), quiesce(&[("web", "no")])),
            JobState::Done,
            "{}",
            m.shell
        );
    }
}

/// What docker wrote on Docker Engine 20.10.24 where its output is no terminal, up to here.
#[test]
fn a_pull_that_goes_on_says_how_far_it_is() {
    const WRITTEN: &str = "1.0.0: Pulling from n8nio/n8n\ndc48007c122f: Pulling fs layer\n563d3ef68dd7: Pulling fs layer\nca2fd934207a: Already exists\n6b18392fd275: Pulling fs layer\n6b18392fd275: Waiting\ndc48007c122f: Verifying Checksum\ndc48007c122f: Download complete\n563d3ef68dd7: Download complete\ndc48007c122f: Pull complete\n";
    for m in machines() {
        m.set("slow/pull", "300");
        m.put("var/lib/docker/tmp/GetImageBlob123", &"x".repeat(5000));
        m.put("var/lib/docker/tmp/GetImageBlob124", &"x".repeat(7));
        m.start(&tag(1, 1), pull("a:1")).unwrap();
        m.wait_for_call("pull [a:1]");
        let log = m.record(&tag(1, 1)).join("log");
        fs_err::write(&log, WRITTEN).unwrap();
        let JobState::Running(running) = m.poll(&tag(1, 1)) else {
            panic!("{}: it goes on", m.shell);
        };
        assert_eq!(
            running.layers,
            crate::host::Layers {
                total: 4,
                done: 2,
                fetched: 1,
                bytes: 5007
            },
            "{}",
            m.shell
        );
        assert_eq!(running.log_bytes, WRITTEN.len() as u64, "{}", m.shell);
        m.put("var/lib/docker/tmp/GetImageBlob124", &"x".repeat(9));
        let JobState::Running(later) = m.poll(&tag(1, 1)) else {
            panic!("{}: it goes on", m.shell);
        };
        assert_ne!(running, later, "{}: bytes alone are progress", m.shell);
        kill(&m, "KILL", &tag(1, 1));
    }
}
