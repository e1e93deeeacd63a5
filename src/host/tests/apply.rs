//! Apply: the file, the tags, the services, the policies.

use std::os::unix::fs::{MetadataExt, PermissionsExt, symlink};

use super::machine::{Machine, image_id, machines, machines_without_applets, tag};
use crate::host::{Input, JobState, sha256_hex};

const OLD: &str = "services:\n  web: {image: 'img/web:1'}\n";
const NEW: &str = "services:\n  web: {image: 'img/web:2'}\n";

/// An apply of `/srv/compose.yml` from OLD to this text.
fn apply(textis: &str, to: &str) -> Input {
    let input = Input::new()
        .text("kind", "apply")
        .text("project", "p")
        .text("file", "/srv/compose.yml")
        .text("from", &sha256_hex(OLD.as_bytes()))
        .text("to", &sha256_hex(to.as_bytes()))
        .text("textis", textis)
        .text("start", "yes")
        .text("env", "/srv/runtime.env")
        .text("env", "/srv/$two.env");
    if textis == "new" {
        input.text("text", to)
    } else {
        input
    }
}

fn service(name: &str, image: u8) -> Input {
    Input::new().fields("service", &[name, name, &image_id(image)])
}

/// Three services, stopped as after quiesce; web is to get another image.
fn stack(m: &Machine) -> Input {
    m.put("srv/compose.yml", OLD);
    m.container("db", 1, "exited", "unless-stopped");
    m.container("cache", 2, "running", "unless-stopped");
    m.container("web", 3, "exited", "no");
    m.wanted("web", 4);
    apply("new", NEW)
        .fields("tag", &[&image_id(4), "img/web:2"])
        .and(&service("db", 1))
        .and(&service("cache", 2))
        .and(&service("web", 4))
        .fields("policy", &["web", "always"])
}

fn kept(m: &Machine, text: &str) -> String {
    m.read(&format!(
        "var/lib/geusemaker/files/{}",
        sha256_hex(text.as_bytes())
    ))
}

/// The compose call for this file and these words at its end.
fn compose(file: &str, end: &str) -> String {
    format!(
        "compose [-p] [p] [--project-directory] [/srv] [-f] [{file}] [--env-file] [/srv/runtime.env] [--env-file] [/srv/$two.env] {end}"
    )
}

#[test]
fn the_file_says_so_and_exactly_the_services_run() {
    for m in machines() {
        let job = stack(&m);
        let path = m.root().join("srv/compose.yml");
        fs_err::set_permissions(&path, PermissionsExt::from_mode(0o640)).unwrap();
        assert_eq!(
            m.job(&tag(1, 1), job.clone()),
            JobState::Done,
            "{}",
            m.shell
        );
        let first = [
            format!("tag [{}] [img/web:2]", image_id(4)),
            compose("/srv/.compose.yml.geusemaker", "[config] [-q]"),
            "start [db]".into(),
            format!("rm [{}_web]", &sha256_hex(b"web")[..12]),
            compose(
                "/srv/compose.yml",
                "[up] [-d] [--no-deps] [--pull] [never] [--no-build] [web]",
            ),
            "update [--restart=always] [web]".into(),
        ];
        assert_eq!(m.calls(), first, "{}", m.shell);
        assert_eq!(m.read("srv/compose.yml"), NEW);
        assert_eq!(fs_err::metadata(&path).unwrap().mode() & 0o777, 0o640);
        assert_eq!(kept(&m, OLD), OLD);
        let copy = format!("var/lib/geusemaker/files/{}", sha256_hex(OLD.as_bytes()));
        assert_eq!(
            fs_err::metadata(m.root().join(copy)).unwrap().mode() & 0o777,
            0o600
        );
        let left: Vec<_> = fs_err::read_dir(m.root().join("srv")).unwrap().collect();
        assert_eq!(left.len(), 1, "{left:?}");

        m.forget_calls();
        assert_eq!(m.job(&tag(1, 2), job), JobState::Done, "{}: twice", m.shell);
        assert_eq!(m.calls(), [""; 0], "{}: what is so is left", m.shell);
    }
}

/// Compose 2.26 makes the new container under the beginning of the old one's id, and was cut off there.
#[test]
fn what_compose_made_by_half_is_removed_on_both_ways() {
    for m in machines() {
        let half = format!("{}_web", &sha256_hex(b"web")[..12]);
        let made = || {
            m.container(&half, 4, "created", "no");
            m.stub().join("containers").join(&half)
        };
        let (job, folder) = (stack(&m), made());
        assert_eq!(m.job(&tag(1, 1), job), JobState::Done, "{}", m.shell);
        assert!(!folder.exists(), "{}", m.shell);
        // Its id is another one by now, and what is kept is looked after too.
        m.set("containers/web/id", &sha256_hex(b"web"));
        let folder = made();
        let back = apply("keep", OLD).text("kind", "restore");
        let back = back.and(&service("web", 4));
        assert_eq!(m.job(&tag(1, 2), back), JobState::Done, "{}", m.shell);
        assert!(!folder.exists(), "{}", m.shell);
        // One that runs is nobody's half.
        m.container(&half, 4, "running", "no");
        let again = apply("keep", OLD).and(&service("web", 3));
        m.wanted("web", 3);
        assert_eq!(m.job(&tag(1, 3), again), JobState::Done, "{}", m.shell);
        assert!(folder.exists(), "{}", m.shell);
    }
}

/// Compose was cut off when it had removed the old one: the anonymous volumes are those of the new one alone.
#[test]
fn what_compose_made_by_half_without_the_old_one_gets_its_name_and_keeps_its_volumes() {
    for m in machines() {
        stack(&m);
        // Neither of these is web's.
        for other in ["0123456789ab_wep", "0123456789abc_web", "x0123456789a_web"] {
            m.container(other, 9, "created", "no");
        }
        let half = format!("{}_web", &sha256_hex(b"web")[..12]);
        let cut_off = |image| {
            fs_err::remove_dir_all(m.stub().join("containers/web")).unwrap();
            m.container(&half, image, "created", "no");
            m.set(&format!("containers/{half}/volumes"), "the data");
            m.forget_calls();
        };
        let up = compose(
            "/srv/compose.yml",
            "[up] [-d] [--no-deps] [--pull] [never] [--no-build] [web]",
        );
        for (seq, kind, image) in [(1, "apply", 4), (2, "restore", 3)] {
            // What is left behind is of the way that was cut off: the same, or the one forward.
            cut_off(4);
            m.wanted("web", image);
            let job = apply("keep", OLD).text("kind", kind);
            let job = job.and(&service("web", image));
            assert_eq!(m.job(&tag(1, seq), job), JobState::Done, "{}", m.shell);
            let calls = m.calls();
            assert_eq!(calls, [format!("rename [{half}] [web]"), up.clone()]);
            assert_eq!(m.get("containers/web/image"), image_id(image));
            assert_eq!(m.get("containers/web/volumes"), "the data", "{}", m.shell);
        }
        // Where it cannot have the name nothing is made on empty ones.
        cut_off(4);
        m.set("fail/rename", "Error response from daemon: Conflict.");
        let job = apply("keep", OLD).and(&service("web", 4));
        m.fails(&tag(1, 3), job, "up_failed");
        assert_eq!(m.calls(), [format!("rename [{half}] [web]")], "{}", m.shell);
    }
}

#[test]
fn the_way_back_uses_the_copy_that_was_kept() {
    for m in machines() {
        assert_eq!(m.job(&tag(1, 1), stack(&m)), JobState::Done);
        m.wanted("web", 3);
        m.forget_calls();
        let back = apply("kept", OLD)
            .and(&service("db", 1))
            .and(&service("web", 3));
        let from_new = Input::new().text("from", &sha256_hex(NEW.as_bytes()));
        assert_eq!(
            m.job(&tag(1, 2), back.and(&from_new)),
            JobState::Done,
            "{}",
            m.shell
        );
        assert_eq!(m.read("srv/compose.yml"), OLD, "{}", m.shell);
        assert_eq!(m.get("containers/web/image"), image_id(3));
        assert!(
            !m.calls().iter().any(|c| c.contains("cache")),
            "{:?}",
            m.calls()
        );
    }
}

/// Two files, of which the second or both change.
fn two(m: &Machine, textis: &str, (a, b): (&str, &str), (c, d): (&str, &str)) -> Input {
    m.container("web", 3, "exited", "no");
    m.wanted("web", 4);
    let sum = |text: &str| sha256_hex(text.as_bytes());
    Input::new()
        .text("kind", "apply")
        .text("project", "p")
        .text("file", "/srv/compose.yml")
        .text("from", &sum(a))
        .text("to", &sum(b))
        .text("textis", textis)
        .text("start", "yes")
        .fields("more", &["/opt/over.yml", &sum(c), &sum(d)])
        .and(&service("web", 4))
}

#[test]
fn each_of_several_files_is_written_and_goes_back() {
    const OVER: &str = "services:\n  db: {image: 'img/db:1'}\n";
    const OVER_NEW: &str = "services:\n  db: {image: 'img/db:2'}\n";
    for m in machines() {
        m.put("srv/compose.yml", OLD);
        m.put("opt/over.yml", OVER);
        // What goes ahead by `put`.
        let files = "var/lib/geusemaker/files";
        m.put(
            &format!("{files}/{}", sha256_hex(OVER_NEW.as_bytes())),
            OVER_NEW,
        );
        let forward = two(&m, "new", (OLD, NEW), (OVER, OVER_NEW)).text("text", NEW);
        assert_eq!(m.job(&tag(1, 1), forward), JobState::Done, "{}", m.shell);
        assert_eq!(m.read("srv/compose.yml"), NEW, "{}", m.shell);
        assert_eq!(m.read("opt/over.yml"), OVER_NEW, "{}", m.shell);
        let call = |a: &str, b: &str, end: &str| {
            format!("compose [-p] [p] [--project-directory] [/srv] [-f] [{a}] [-f] [{b}] {end}")
        };
        let up = "[up] [-d] [--no-deps] [--pull] [never] [--no-build] [web]";
        let expected = [
            call(
                "/srv/.compose.yml.geusemaker",
                "/opt/over.yml",
                "[config] [-q]",
            ),
            call(
                "/srv/compose.yml",
                "/opt/.over.yml.geusemaker",
                "[config] [-q]",
            ),
            call("/srv/compose.yml", "/opt/over.yml", up),
        ];
        // What an earlier `up` may have left half made is cleared first.
        let calls: Vec<String> = m.calls();
        let calls: Vec<&String> = calls.iter().filter(|c| !c.starts_with("rm ")).collect();
        assert_eq!(calls, expected.iter().collect::<Vec<_>>(), "{}", m.shell);

        let back = two(&m, "kept", (NEW, OLD), (OVER_NEW, OVER));
        assert_eq!(m.job(&tag(1, 2), back), JobState::Done, "{}", m.shell);
        assert_eq!(m.read("srv/compose.yml"), OLD, "{}", m.shell);
        assert_eq!(m.read("opt/over.yml"), OVER, "{}", m.shell);

        // Only the second, while the first stays.
        let second = two(&m, "new", (OLD, OLD), (OVER, OVER_NEW)).text("text", OLD);
        assert_eq!(m.job(&tag(1, 3), second), JobState::Done, "{}", m.shell);
        assert_eq!(m.read("srv/compose.yml"), OLD, "{}", m.shell);
        assert_eq!(m.read("opt/over.yml"), OVER_NEW, "{}", m.shell);
    }
}

#[test]
fn one_of_several_files_that_somebody_else_changed_keeps_all_as_they_are() {
    for m in machines() {
        m.put("srv/compose.yml", OLD);
        m.put("opt/over.yml", "# by hand\n");
        let forward = two(&m, "new", (OLD, NEW), ("a", "a")).text("text", NEW);
        let log = m.fails(&tag(1, 1), forward, "file_changed");
        assert!(log.contains("/opt/over.yml has SHA-256"), "{log}");
        assert_eq!(m.read("srv/compose.yml"), OLD, "{}", m.shell);
        assert_eq!(m.calls(), Vec::<String>::new(), "{}", m.shell);

        // On the way back the other one goes back, and the containers come up.
        m.put("srv/compose.yml", NEW);
        m.put(
            &format!("var/lib/geusemaker/files/{}", sha256_hex(OLD.as_bytes())),
            OLD,
        );
        let back = two(&m, "kept", (NEW, OLD), ("a", "b"));
        m.container("web", 4, "exited", "no");
        m.fails(&tag(1, 2), back, "file_changed");
        assert_eq!(m.read("srv/compose.yml"), OLD, "{}", m.shell);
        assert_eq!(m.read("opt/over.yml"), "# by hand\n", "{}", m.shell);
        assert_eq!(m.get("containers/web/status"), "running", "{}", m.shell);
    }
}

#[test]
fn a_kept_file_goes_back_even_if_compose_does_not_take_it() {
    for m in machines() {
        m.put("srv/compose.yml", OLD);
        let broken = "BROKEN: pre-existing\n";
        let sha = sha256_hex(broken.as_bytes());
        assert_eq!(
            m.job(
                &tag(1, 1),
                Input::new().text("kind", "pull").text("reference", "a")
            ),
            JobState::Done
        );
        m.put(&format!("var/lib/geusemaker/files/{sha}"), broken);
        assert_eq!(
            m.job(&tag(1, 2), apply("kept", broken)),
            JobState::Done,
            "{}",
            m.shell
        );
        assert_eq!(m.read("srv/compose.yml"), broken);
    }
}

#[test]
fn a_file_that_somebody_else_changed_is_left_alone() {
    for m in machines() {
        let job = stack(&m);
        for (seq, found) in [(1, Some("services: {}\n")), (2, None)] {
            fs_err::remove_file(m.root().join("srv/compose.yml")).unwrap();
            if let Some(text) = found {
                m.put("srv/compose.yml", text);
            }
            let log = m.fails(&tag(1, seq), job.clone(), "file_changed");
            assert!(log.contains(&sha256_hex(OLD.as_bytes())), "{log}");
            assert_eq!(m.read("srv/compose.yml"), found.unwrap_or_default());
            assert_eq!(m.calls(), Vec::<String>::new(), "{}", m.shell);
        }
    }
}

#[test]
fn a_text_that_compose_does_not_take_changes_nothing_and_is_not_quoted() {
    for m in machines() {
        stack(&m);
        let broken = "BROKEN: {PW: 'hunter2$'}\n";
        let log = m.fails(
            &tag(1, 1),
            apply("new", broken).and(&service("web", 4)),
            "bad_compose",
        );
        assert!(
            log.contains("services.db.environment.PW"),
            "{}: {log}",
            m.shell
        );
        assert_eq!(m.read("srv/compose.yml"), OLD);
        assert_eq!(m.get("containers/web/image"), image_id(3));
        let folder = m.record(&tag(1, 1));
        for file in fs_err::read_dir(&folder).unwrap() {
            let path = file.unwrap().path();
            let text = fs_err::read_to_string(&path).unwrap();
            assert!(!text.contains("hunter2"), "{}: {path:?}", m.shell);
        }
    }
}

#[test]
fn no_copy_no_change() {
    for m in machines() {
        m.put("srv/compose.yml", OLD);
        m.fails(&tag(1, 1), apply("kept", NEW), "no_backup");
        let files = m.root().join("var/lib/geusemaker/files");
        fs_err::remove_dir_all(&files).unwrap();
        fs_err::create_dir_all(files.join(sha256_hex(OLD.as_bytes()))).unwrap();
        fs_err::create_dir_all(files.join(".copy")).unwrap();
        m.fails(&tag(1, 2), apply("kept", NEW), "no_backup");
        assert_eq!(m.read("srv/compose.yml"), OLD, "{}", m.shell);
    }
}

#[test]
fn a_tag_that_cannot_be_set_comes_before_the_file() {
    for m in machines() {
        let job = stack(&m);
        m.set(
            "fail/tag",
            "Error response from daemon: No such image: sha256:0404",
        );
        m.fails(&tag(1, 1), job, "tag_failed");
        assert_eq!(m.read("srv/compose.yml"), OLD, "{}", m.shell);
        // Going forward nothing is started after it: the way back is to come.
        assert_eq!(m.get("containers/db/status"), "exited", "{}", m.shell);
    }
}

/// The new image is there and all are down, as when a boot has failed; the way back is to bring img/web:1 again.
fn way_back(m: &Machine) -> Input {
    m.put("srv/compose.yml", NEW);
    let kept = format!("var/lib/geusemaker/files/{}", sha256_hex(OLD.as_bytes()));
    m.put(&kept, OLD);
    m.container("db", 1, "exited", "unless-stopped");
    m.container("web", 4, "exited", "no");
    m.wanted("web", 3);
    m.forget_calls();
    apply("kept", OLD)
        .text("kind", "restore")
        .text("from", &sha256_hex(NEW.as_bytes()))
        .fields("tag", &[&image_id(3), "img/web:1"])
        .and(&service("db", 1))
        .and(&service("web", 3))
        .fields("policy", &["db", "always"])
}

/// What keeps its container is up, with its policy; nothing was made anew.
fn all_else_is_up(m: &Machine) {
    let of = |name: &str, what: &str| m.get(&format!("containers/{name}/{what}"));
    assert_eq!(of("db", "status"), "running", "{}", m.shell);
    assert_eq!(of("db", "policy"), "always", "{}", m.shell);
    assert_eq!(of("web", "image"), image_id(4), "{}", m.shell);
}

#[test]
fn on_the_way_back_a_tag_that_cannot_be_set_keeps_nothing_else_down() {
    for m in machines() {
        let back = way_back(&m);
        m.set(
            "fail/tag",
            "Error response from daemon: No such image: sha256:0303",
        );
        let log = m.fails(&tag(1, 1), back.clone(), "tag_failed");
        assert!(log.contains("No such image"), "{log}");
        all_else_is_up(&m);
        // A file with the old reference would go with another image, or with none.
        assert_eq!(m.read("srv/compose.yml"), NEW, "{}", m.shell);

        fs_err::remove_file(m.stub().join("fail/tag")).unwrap();
        assert_eq!(m.job(&tag(1, 2), back), JobState::Done, "{}", m.shell);
        assert_eq!(m.read("srv/compose.yml"), OLD, "{}", m.shell);
        assert_eq!(m.get("containers/web/image"), image_id(3), "{}", m.shell);
    }
}

#[test]
fn on_the_way_back_a_file_that_cannot_be_written_keeps_nothing_else_down() {
    type Fault = fn(&Machine);
    let faults: [(&str, Fault); 4] = [
        ("no_backup", |m| {
            let kept = format!("var/lib/geusemaker/files/{}", sha256_hex(OLD.as_bytes()));
            fs_err::remove_file(m.root().join(kept)).unwrap();
        }),
        ("no_backup", |m| {
            let files = m.root().join("var/lib/geusemaker/files");
            let _ = fs_err::remove_file(files.join(sha256_hex(NEW.as_bytes())));
            fs_err::create_dir_all(files.join(".copy")).unwrap();
        }),
        ("bad_compose", |m| {
            let path = m.root().join("srv/compose.yml");
            fs_err::remove_file(&path).unwrap();
            symlink(m.root().join("nowhere/compose.yml"), path).unwrap();
        }),
        ("write_failed", |m| {
            let beside = m.root().join("srv/.compose.yml.geusemaker");
            fs_err::create_dir_all(beside).unwrap();
        }),
    ];
    for m in machines() {
        for (seq, (code, fault)) in (1..).zip(faults) {
            let back = way_back(&m);
            fault(&m);
            m.fails(&tag(1, seq), back, code);
            all_else_is_up(&m);
            let path = m.root().join("srv/compose.yml");
            if code == "bad_compose" {
                fs_err::remove_file(path).unwrap();
            } else {
                assert_eq!(fs_err::read_to_string(path).unwrap(), NEW, "{}", m.shell);
            }
            let _ = fs_err::remove_dir(m.root().join("var/lib/geusemaker/files/.copy"));
        }
    }
}

/// What `dd` says where it was not on the disk, and where nobody knows. busybox has a `dd` of its own inside.
#[test]
fn what_a_sync_refuses_is_not_taken_for_written() {
    let dd = "#!/bin/sh\ncase $* in *\"$(cat \"$STUB/fail/dd.of\")\"*) cat \"$STUB/fail/dd\" >&2; exit 1 ;; esac\n";
    for m in machines_without_applets() {
        let job = stack(&m);
        m.program("dd", dd);
        let says = |of: &str, text: &str| {
            m.set("fail/dd.of", of);
            m.set("fail/dd", &format!("{text}\n0+0 records in\n"));
        };
        let eio = "dd: fsync failed for '/x': Input/output error";
        for (seq, (file, code)) in (1..).zip([
            (".compose.yml.geusemaker", "write_failed"),
            ("files/.copy", "no_backup"),
        ]) {
            says(file, eio);
            let log = m.fails(&tag(1, seq), job.clone(), code);
            assert!(log.contains("Input/output error"), "{log}");
            assert_eq!(m.read("srv/compose.yml"), OLD, "{}", m.shell);
            assert!(!m.root().join("srv/.compose.yml.geusemaker").exists());
            let copies = m.root().join("var/lib/geusemaker/files");
            let _ = fs_err::remove_file(copies.join(sha256_hex(OLD.as_bytes())));
        }
        says(
            "files/.copy",
            "dd: fsync failed for '/x': No space left on device",
        );
        m.fails(&tag(1, 3), job.clone(), "no_space");
        says("policies/.new", eio);
        let stop = Input::new().text("kind", "quiesce").text("back", "no");
        let stop = stop.fields("container", &["web", "always", "-"]);
        m.fails(&tag(1, 4), stop, "stop_failed");
        for (seq, word) in (5..).zip([
            "dd: invalid conversion: 'fsync'",
            "dd: invalid argument 'fsync' to 'conv'",
            "dd: fsync failed for '/x': Invalid argument",
        ]) {
            m.put("srv/compose.yml", OLD);
            says("", word);
            assert_eq!(m.job(&tag(1, seq), job.clone()), JobState::Done, "{word}");
            assert_eq!(m.read("srv/compose.yml"), NEW, "{}", m.shell);
        }
    }
}

#[test]
fn after_a_bad_up_what_keeps_its_container_still_comes_up() {
    for m in machines() {
        let web_first = stack(&m).and(&service("late", 5)).and(&service("other", 7));
        m.container("late", 5, "exited", "no");
        m.container("other", 6, "exited", "no");
        m.set(
            "fail/up",
            "Error response from daemon: driver failed: port is already allocated",
        );
        let log = m.fails(&tag(1, 1), web_first, "up_failed");
        assert!(log.contains("port is already allocated"), "{log}");
        let ran =
            ["db", "cache", "late", "other"].map(|n| m.get(&format!("containers/{n}/status")));
        assert_eq!(
            ran,
            ["running", "running", "running", "exited"],
            "{}",
            m.shell
        );
    }
}

#[test]
fn an_up_that_runs_another_image_is_a_failure() {
    for m in machines() {
        let job = stack(&m);
        m.wanted("web", 9);
        let log = m.fails(&tag(1, 1), job, "up_failed");
        assert!(log.contains(&format!("expected {}", image_id(4))), "{log}");
    }
}

#[test]
fn a_start_that_fails_is_told_by_its_word() {
    for m in machines() {
        let job = stack(&m);
        m.set(
            "fail/start",
            "Error response from daemon: oci runtime error",
        );
        m.fails(&tag(1, 1), job, "start_failed");
        assert_eq!(
            m.get("containers/web/image"),
            image_id(3),
            "{}: nothing is made anew after it",
            m.shell
        );
    }
}

#[test]
fn without_start_no_service_comes_up_and_policies_go_back() {
    for m in machines() {
        let job = stack(&m).text("start", "no");
        assert_eq!(m.job(&tag(1, 1), job), JobState::Done);
        assert_eq!(m.read("srv/compose.yml"), NEW);
        let ran = ["db", "web"].map(|n| m.get(&format!("containers/{n}/status")));
        assert_eq!(ran, ["exited", "exited"], "{}", m.shell);
        assert_eq!(m.get("containers/web/policy"), "always");
    }
}

#[test]
fn policies_that_quiesce_kept_go_back_exactly() {
    for m in machines() {
        let job = stack(&m);
        m.container("cron", 5, "running", "on-failure:3");
        let quiesce = Input::new()
            .text("kind", "quiesce")
            .fields("container", &["cron", "on-failure"]);
        assert_eq!(m.job(&tag(1, 1), quiesce), JobState::Done);
        assert_eq!(m.get("containers/cron/policy"), "no");
        assert_eq!(
            m.job(&tag(1, 2), job.fields("policy", &["cron", "on-failure"])),
            JobState::Done
        );
        assert_eq!(
            m.get("containers/cron/policy"),
            "on-failure:3",
            "{}",
            m.shell
        );
        assert_eq!(
            fs_err::read_dir(m.root().join("var/lib/geusemaker/policies"))
                .unwrap()
                .count(),
            0
        );
    }
}

#[test]
fn a_policy_that_is_so_keeps_its_limit() {
    for m in machines() {
        let job = stack(&m);
        m.container("cron", 5, "running", "on-failure:3");
        let job = job.fields("policy", &["cron", "on-failure"]);
        assert_eq!(m.job(&tag(1, 1), job), JobState::Done);
        let policy = m.get("containers/cron/policy");
        assert_eq!(policy, "on-failure:3", "{}", m.shell);
    }
}

#[test]
fn a_policy_that_cannot_be_put_back_is_kept_for_the_next_try() {
    for m in machines() {
        let job = stack(&m);
        fs_err::create_dir_all(m.root().join("var/lib/geusemaker/policies")).unwrap();
        m.put("var/lib/geusemaker/policies/web", "on-failure:3\n");
        m.set("fail/update", "the daemon is busy\n");
        m.fails(&tag(1, 1), job.clone(), "start_failed");
        assert_eq!(
            m.read("var/lib/geusemaker/policies/web"),
            "on-failure:3\n",
            "{}",
            m.shell
        );
        fs_err::remove_file(m.stub().join("fail/update")).unwrap();
        assert_eq!(m.job(&tag(1, 2), job), JobState::Done, "{}", m.shell);
        assert_eq!(
            m.get("containers/web/policy"),
            "on-failure:3",
            "{}",
            m.shell
        );
        assert_eq!(m.read("var/lib/geusemaker/policies/web"), "", "{}", m.shell);
    }
}

#[test]
fn a_name_that_begins_an_id_is_not_that_container() {
    for m in machines() {
        stack(&m);
        let name: String = sha256_hex(b"db").chars().take(4).collect();
        let other = Input::new().fields("service", &[&name, &name, &image_id(1)]);
        m.wanted(&name, 1);
        assert_eq!(
            m.job(&tag(1, 1), apply("new", NEW).and(&other)),
            JobState::Done
        );
        assert!(
            !m.calls().iter().any(|c| c.starts_with("start")),
            "{}: {:?}",
            m.shell,
            m.calls()
        );
    }
}

#[test]
fn a_link_is_followed_and_stays_a_link() {
    for m in machines() {
        let job = stack(&m);
        fs_err::create_dir_all(m.root().join("opt")).unwrap();
        fs_err::rename(
            m.root().join("srv/compose.yml"),
            m.root().join("opt/real.yml"),
        )
        .unwrap();
        symlink("../opt/real.yml", m.root().join("srv/compose.yml")).unwrap();
        assert_eq!(
            m.job(&tag(1, 1), job.clone()),
            JobState::Done,
            "{}",
            m.shell
        );
        assert_eq!(m.read("opt/real.yml"), NEW);
        assert!(
            fs_err::symlink_metadata(m.root().join("srv/compose.yml"))
                .unwrap()
                .is_symlink()
        );
        fs_err::remove_file(m.root().join("srv/compose.yml")).unwrap();
        symlink("/etc/hostname", m.root().join("srv/compose.yml")).unwrap();
        let log = m.fails(&tag(1, 2), job, "bad_compose");
        assert!(log.contains("leads nowhere"), "{log}");
    }
}

#[test]
fn an_apply_that_was_killed_half_way_is_done_by_the_next() {
    for m in machines() {
        let job = stack(&m);
        m.set("slow/up", "600");
        assert!(matches!(
            m.start(&tag(1, 1), job.clone()),
            Ok(JobState::Running(_))
        ));
        m.wait_for_call(&compose(
            "/srv/compose.yml",
            "[up] [-d] [--no-deps] [--pull] [never] [--no-build] [web]",
        ));
        fs_err::remove_file(m.stub().join("slow/up")).unwrap();
        let back = apply("kept", OLD)
            .text("from", &sha256_hex(NEW.as_bytes()))
            .and(&service("web", 3));
        assert_eq!(m.job(&tag(2, 1), back), JobState::Done, "{}", m.shell);
        assert_eq!(m.read("srv/compose.yml"), OLD);
        assert_eq!(m.get("containers/web/status"), "running");
        assert_eq!(m.poll(&tag(1, 1)), JobState::Lost);
    }
}

#[test]
fn a_relative_folder_is_the_one_that_the_containers_name() {
    for m in machines() {
        let job = stack(&m);
        m.set("containers/db/dir", "/home/of project\n");
        assert_eq!(m.job(&tag(1, 1), job.clone()), JobState::Done);
        let up = m.calls().into_iter().find(|c| c.contains("[up]")).unwrap();
        assert!(
            up.contains("[--project-directory] [/home/of project]"),
            "{}: {up}",
            m.shell
        );
        // And it is remembered for when no container is left.
        for name in ["db", "cache", "web"] {
            fs_err::remove_dir_all(m.stub().join("containers").join(name)).unwrap();
        }
        m.forget_calls();
        for name in ["db", "cache"] {
            m.wanted(name, 1);
        }
        m.job(&tag(1, 2), job);
        let up = m.calls().into_iter().find(|c| c.contains("[up]")).unwrap();
        assert!(
            up.contains("[--project-directory] [/home/of project]"),
            "{}: {up}",
            m.shell
        );
    }
}

#[test]
fn a_docker_that_is_down_is_not_woken_by_a_job() {
    for m in machines() {
        let job = stack(&m);
        let state = "case \"$*\" in *LoadState*) printf 'LoadState=loaded\\nActiveState=%s\\n' \"$(cat \"$STUB/docker-is\")\" ;; esac";
        m.program("systemctl", &format!("#!/bin/sh\n{state}\n"));
        m.set("docker-is", "inactive");
        let log = m.fails(&tag(1, 1), job.clone(), "docker_down");
        assert_eq!(log, "docker.service is inactive", "{}", m.shell);
        assert_eq!(
            (m.get("calls").as_str(), m.read("srv/compose.yml").as_str()),
            ("", OLD)
        );
        m.set("docker-is", "activating");
        assert!(
            matches!(m.start(&tag(1, 2), job), Ok(JobState::Running(_))),
            "it waits"
        );
        m.set("docker-is", "active");
        assert_eq!(m.end(&tag(1, 2)), JobState::Done, "{}", m.shell);
    }
}

/// What a real engine showed: one with `on-failure` that ends well when the engine is restarted does not come up with it.
#[test]
fn what_an_engine_that_is_restarted_meanwhile_took_down_is_started_again() {
    for m in machines() {
        let job = stack(&m);
        // Asked for the second time, behind the last container, it is another engine, and `db` is down.
        m.program(
            "systemctl",
            "#!/bin/sh\ncase \"$*\" in *ActiveEnter*) n=$(cat \"$STUB/asked\" 2>/dev/null || echo 0); n=$((n + 1)); echo $n >\"$STUB/asked\"
if [ $n = 1 ]; then echo since=1; else echo since=2; fi
if [ $n = 2 ]; then printf exited >\"$STUB/containers/db/status\"; fi ;;
*LoadState*) printf 'LoadState=loaded\\nActiveState=active\\n' ;; esac\n",
        );
        assert_eq!(m.job(&tag(1, 1), job), JobState::Done, "{}", m.shell);
        assert_eq!(m.get("containers/db/status"), "running", "{}", m.shell);
        let calls = m.calls();
        let of = |what: &str| calls.iter().filter(|c| c.contains(what)).count();
        assert_eq!(
            (of("start [db]"), of("[up]")),
            (2, 1),
            "{}: {calls:?}",
            m.shell
        );
        // One that is restarted again and again is not called done.
        let m = Machine::new(m.shell);
        let job = stack(&m);
        m.program(
            "systemctl",
            "#!/bin/sh\ncase \"$*\" in *ActiveEnter*) echo . >>\"$STUB/asked\"; wc -c <\"$STUB/asked\" ;; *LoadState*) printf 'LoadState=loaded\\nActiveState=active\\n' ;; esac\n",
        );
        m.fails(&tag(1, 1), job, "start_failed");
    }
}
