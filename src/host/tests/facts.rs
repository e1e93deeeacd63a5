//! Look and mount.

use std::process::Command;

use super::machine::{Machine, image_id, machines, machines_without_applets, tag, tag_lines};
use crate::host::scripts::Verb;
use crate::host::{HostError, Input, LookRequest, parse_look, parse_mount, sha256_hex};
use crate::model::{Colour, HostFacts, ImageRef, MountFacts, ServiceName};

const POINT: &str = "/mnt/efs";
const EFS_LINE: &str =
    "99 25 0:50 / /mnt/efs rw,noatime shared:50 - nfs4 127.0.0.1:/ rw,vers=4.1,hard";

fn look(m: &Machine, ask: &LookRequest, input: Input) -> Result<HostFacts, HostError> {
    parse_look(ask, &m.ask(Verb::Look, input)?)
}

fn mount(m: &Machine, tag: Option<u64>, point: &str) -> Result<MountFacts, HostError> {
    let lines = tag
        .map(|seq| tag_lines(&super::machine::tag(1, seq)))
        .unwrap_or_default();
    let input = lines
        .text("point", point)
        .text("limit", "1")
        .text("token", "op $(x) 'y'");
    parse_mount(tag, &m.ask(Verb::Mount, input)?)
}

/// A mount point that is mounted, as far as the tables go.
fn mounted(m: &Machine) {
    fs_err::create_dir_all(m.root().join("mnt/efs")).unwrap();
    m.put(
        "proc/self/mountinfo",
        &format!("25 1 8:1 / / rw - ext4 /dev/a rw\n{EFS_LINE}\n"),
    );
}

/// Lets go of whoever waits for the FIFO.
struct Fifo(std::path::PathBuf);

impl Fifo {
    fn at(path: std::path::PathBuf) -> Self {
        assert!(
            Command::new("mkfifo")
                .arg(&path)
                .status()
                .unwrap()
                .success()
        );
        Self(path)
    }
}

impl Drop for Fifo {
    fn drop(&mut self) {
        // Opened both ways it lets go of readers and writers; without its name nobody comes back.
        let script = "exec 3<>\"$1\"; rm -f \"$1\"; sleep 0.3";
        let _ = Command::new("sh")
            .args(["-c", script, "x"])
            .arg(&self.0)
            .status();
    }
}

#[test]
fn only_the_boot_asks_nobody_else() {
    for m in machines() {
        m.program("docker", "#!/bin/sh\nexit 1\n");
        let ask = LookRequest {
            only_boot: true,
            ..LookRequest::default()
        };
        let facts = look(&m, &ask, Input::new().text("only_boot", "yes")).unwrap();
        assert_eq!(facts.boot_id, "boot-1");
        assert!(!facts.machine.is_empty());
        assert!(
            !m.root().join("var/lib/geusemaker").exists(),
            "{}: a look writes nothing",
            m.shell
        );
    }
}

#[test]
fn everything_is_seen_and_sorted() {
    for m in machines() {
        m.container("web", 3, "running", "always");
        m.container("db", 1, "exited", "no");
        m.container("lone", 7, "running", "no");
        let look_at = m.get("containers/lone/look");
        m.set(
            "containers/lone/look",
            &format!(
                "{}\n",
                look_at.replace(r#""project":"p""#, r#""project":"""#)
            ),
        );
        let text = "services: {}\n# é $HOME `x` 'y'\n\n\n";
        m.put("srv/compose.yml", text);
        m.image("img/web:1", 3);
        let refs = ["img/web:1", "absent:2"].map(|r| ImageRef::new(r).unwrap());
        let ask = LookRequest {
            images: refs.into(),
            ..LookRequest::default()
        };
        let input = Input::new()
            .text("ref", "img/web:1")
            .text("ref", "absent:2");
        let facts = look(&m, &ask, input).unwrap();

        assert_eq!(
            (facts.docker.as_str(), facts.compose.as_deref()),
            ("26.1.3", Some("2.27.1"))
        );
        assert!(facts.disk_free > 1 << 20, "{}", facts.disk_free);
        assert_eq!(facts.other_containers, ["lone"]);
        assert_eq!(facts.mount, None);
        let [project] = &facts.projects[..] else {
            panic!("{:?}", facts.projects)
        };
        assert_eq!(
            (project.name.as_str(), project.working_dir.as_str()),
            ("p", "/srv")
        );
        assert_eq!(
            (&project.files[..], &project.env_files[..]),
            (
                &["/srv/compose.yml".to_owned()][..],
                &["/srv/runtime.env".to_owned()][..]
            )
        );
        assert_eq!(project.text.as_ref().unwrap().expose(), text, "{}", m.shell);
        assert_eq!(project.sha256, Some(sha256_hex(text.as_bytes())));
        let web = project.service(&ServiceName::new("web").unwrap()).unwrap();
        assert_eq!(
            (web.name.as_str(), web.image_id.as_str(), web.restarts),
            ("web", image_id(3).as_str(), 2)
        );
        assert_eq!(web.digests, [format!("x@{}", image_id(3))]);
        assert_eq!(
            (&web.depends_on[..], web.one_off),
            (&["db".to_owned(), "cache".into()][..], false)
        );
        assert_eq!(
            (web.binds[0].source.as_str(), web.colour()),
            ("/mnt/efs/web", Colour::Green)
        );
        assert_eq!(
            facts.images.keys().collect::<Vec<_>>(),
            [&ImageRef::new("img/web:1").unwrap().normalized()]
        );
        assert!(
            !m.root().join("var/lib/geusemaker").exists(),
            "{}: a look writes nothing",
            m.shell
        );
    }
}

#[test]
fn a_long_look_comes_in_slices() {
    for m in machines() {
        m.container("web", 3, "running", "always");
        let text = "# a comment line\n".repeat(4000);
        m.put("srv/compose.yml", &text);
        let facts = look(&m, &LookRequest::default(), Input::new()).unwrap();
        assert_eq!(
            facts.projects[0].text.as_ref().unwrap().expose(),
            text,
            "{}",
            m.shell
        );
        m.put("srv/compose.yml", &"x".repeat((1 << 20) + 1));
        let facts = look(&m, &LookRequest::default(), Input::new()).unwrap();
        assert_eq!(
            (&facts.projects[0].text, &facts.projects[0].sha256),
            (&None, &None),
            "longer than 1 MiB"
        );
    }
}

#[test]
fn a_file_that_cannot_be_the_one_is_not_read() {
    for m in machines() {
        m.container("web", 3, "running", "always");
        m.put("srv/compose.yml", "x");
        for files in [
            "/srv/compose.yml,/srv/b.yml",
            "/srv/gone.yml",
            "/srv",
            "/srv/\\\"q",
        ] {
            let look_at = m.get("containers/web/look").replace("@X@", "");
            let other = look_at.replace("/srv/compose.yml", files);
            m.set("containers/web/look", &format!("{other}\n"));
            let facts = look(&m, &LookRequest::default(), Input::new()).unwrap();
            assert_eq!(facts.projects[0].texts(), None, "{}: {files}", m.shell);
            assert_eq!(facts.projects[0].compose_sha256(), None, "{}", m.shell);
            m.container("web", 3, "running", "always");
        }
    }
}

#[test]
fn each_file_of_a_project_is_read_in_its_order() {
    for m in machines() {
        m.container("web", 3, "running", "always");
        m.container("db", 1, "running", "no");
        m.put("srv/compose.yml", "a: 1\n");
        m.put("srv/over.yml", "b: 2\n");
        m.put("opt/third.yml", "c: 3");
        let name_files = |of: &str, files: &str| {
            let path = format!("containers/{of}/look");
            let other = m.get(&path).replace("/srv/compose.yml", files);
            m.set(&path, &format!("{other}\n"));
        };
        // Compose v1 names them from the project's folder.
        name_files("web", "/srv/compose.yml,over.yml,/opt/third.yml");
        let facts = look(&m, &LookRequest::default(), Input::new()).unwrap();
        let project = &facts.projects[0];
        assert_eq!(
            project.files,
            ["/srv/compose.yml", "/srv/over.yml", "/opt/third.yml"]
        );
        let texts = project.texts().expect("each can be read");
        assert_eq!(texts, ["a: 1\n", "b: 2\n", "c: 3"], "{}", m.shell);
        // db was left alone by the `up` with the further files.
        assert!(!project.files_differ);
        let sums = project.sums().expect("each can be read");
        assert_eq!(sums[2].sha256, sha256_hex("c: 3"));
        assert_eq!(project.compose_sha256(), crate::model::files_sha256(&sums));

        name_files("db", "/srv/other.yml");
        let facts = look(&m, &LookRequest::default(), Input::new()).unwrap();
        assert!(facts.projects[0].files_differ, "{}", m.shell);
    }
}

#[test]
fn a_docker_that_does_not_answer_is_an_error_and_not_an_empty_host() {
    for m in machines() {
        m.container("web", 3, "running", "always");
        for (form, says) in [
            ("ps", "daemon is gone"),
            ("inspect", "daemon is gone"),
            ("image", "daemon is gone"),
            ("info", "daemon is gone"),
        ] {
            m.set(&format!("fail/{form}"), "Error: the daemon is gone");
            let ask = LookRequest {
                images: vec![ImageRef::new("a:1").unwrap()],
                ..LookRequest::default()
            };
            let error = look(&m, &ask, Input::new().text("ref", "a:1")).unwrap_err();
            assert!(
                matches!(&error, HostError::Script { code, .. } if code == "docker_failed"),
                "{error}"
            );
            assert!(
                error.to_string().contains(says),
                "{}: {form}: {error}",
                m.shell
            );
            fs_err::remove_file(m.stub().join(format!("fail/{form}"))).unwrap();
        }
    }
}

#[test]
fn a_docker_that_is_down_is_not_woken_through_its_socket() {
    for m in machines() {
        mounted(&m);
        for (state, asked) in [
            ("inactive", false),
            ("failed", false),
            ("activating", false),
            ("active", true),
        ] {
            m.forget_calls();
            m.program("systemctl", &format!("#!/bin/sh\ncase \"$*\" in *LoadState*) printf 'LoadState=loaded\\nActiveState={state}\\n' ;; *) echo 'mnt-efs.mount sysinit.target' ;; esac\n"));
            let seen = look(&m, &LookRequest::default(), Input::new());
            assert_eq!(seen.is_ok(), asked, "{}: {state}", m.shell);
            if let Err(error) = seen {
                assert_eq!(
                    error.to_string(),
                    format!(
                        "the host's script look failed (docker_down): docker.service is {state}"
                    )
                );
            }
            let facts = mount(&m, None, POINT).unwrap();
            assert_eq!(
                facts.docker_requires,
                Some(vec!["mnt-efs.mount".to_owned(), "sysinit.target".into()])
            );
            assert_eq!(!m.get("calls").is_empty(), asked, "{}: {state}", m.shell);
        }
    }
}

#[test]
fn the_mount_is_seen_from_all_sides() {
    for m in machines() {
        mounted(&m);
        m.put(
            "proc/self/mountinfo",
            &format!("25 1 8:1 / / rw - ext4 /dev/a rw\n98 25 0:49 / /mnt/efs rw - tmpfs old rw\n{EFS_LINE}\n97 25 0:1 / /mnt/efs2 rw - tmpfs x rw\n96 25 0:1 / /mnt/efs/sub rw - tmpfs x rw\n"),
        );
        m.put("etc/fstab", "# fs-1:/ /mnt/efs efs\nfs-1:/ /mnt/efs/ efs _netdev,tls 0 0\nLABEL=a / ext4 defaults 0 1\n/dev/b /data ext4 defaults 0 2\n/dev/c /old ext4 noauto 0 0\n/dev/d none swap sw 0 0\n");
        m.put("var/run/efs/fs-0123456789abcdef0.mnt.efs.20049", "{}");
        m.put("var/run/efs/stunnel-config.fs-1", "");
        fs_err::create_dir_all(m.root().join("var/run/efs/fs-1.mnt.efs.20049+")).unwrap();
        m.container("web", 3, "running", "always");
        m.container("late", 4, "running", "always");
        m.container("off", 5, "exited", "always");
        for (pid, line) in [
            (103, "9 8 0:50 /web /data rw - nfs4 127.0.0.1:/ rw"),
            (104, "9 8 8:1 /x /database rw - ext4 /dev/a rw"),
        ] {
            fs_err::create_dir_all(m.root().join(format!("proc/{pid}"))).unwrap();
            m.put(
                &format!("proc/{pid}/mountinfo"),
                &format!(
                    "1 0 0:7 / / rw - overlay o rw\n2 1 0:8 / /proc rw - proc proc rw\n{line}\n"
                ),
            );
        }
        let facts = mount(&m, None, POINT).unwrap();
        assert_eq!(facts.mountinfo.as_deref(), Some(EFS_LINE), "{}", m.shell);
        assert_eq!(facts.fstab, ["fs-1:/ /mnt/efs/ efs _netdev,tls 0 0"]);
        let unmounted = facts.unmounted.as_deref();
        assert_eq!(unmounted, Some(&["/data".to_owned()][..]), "{}", m.shell);
        assert_eq!(facts.docker_requires, None);
        assert_eq!(
            facts.efs_state_files,
            ["fs-0123456789abcdef0.mnt.efs.20049"]
        );
        let inside: Vec<_> = facts
            .seen_inside
            .iter()
            .map(|s| {
                (
                    s.container.as_str(),
                    s.destination.as_str(),
                    s.mountinfo.as_deref(),
                )
            })
            .collect();
        assert_eq!(
            inside,
            [
                ("late", "/data", None),
                (
                    "web",
                    "/data",
                    Some("9 8 0:50 /web /data rw - nfs4 127.0.0.1:/ rw")
                )
            ],
            "{}",
            m.shell
        );
        let ask = LookRequest {
            mount_point: Some(POINT.into()),
            ..LookRequest::default()
        };
        let seen = look(&m, &ask, Input::new().text("point", POINT))
            .unwrap()
            .mount
            .unwrap();
        assert_eq!(
            (seen.stat.as_str(), seen.sentinel.as_str()),
            ("answered", "")
        );
        assert_eq!(seen.seen_inside, facts.seen_inside);
    }
}

#[test]
fn a_point_with_strange_letters_is_found() {
    for m in machines() {
        let point = "/mnt/a b\\c\t\u{e9}$(x)";
        fs_err::create_dir_all(m.root().join(&point[1..])).unwrap();
        let line = "9 1 0:5 / /mnt/a\\040b\\134c\\011\u{e9}$(x) rw - nfs4 x rw";
        m.put("proc/self/mountinfo", &format!("{line}\n"));
        m.put(
            "etc/fstab",
            "x /mnt/a\\040b\\134c\\011\u{e9}$(x) nfs4 _netdev\n",
        );
        let facts = mount(&m, Some(1), point).unwrap();
        assert_eq!(
            (
                facts.point.as_str(),
                facts.mountinfo.as_deref(),
                facts.fstab.len()
            ),
            (point, Some(line), 1),
            "{}",
            m.shell
        );
        assert_eq!(
            (facts.stat.as_str(), facts.sentinel.as_str()),
            ("answered", "ok")
        );
    }
}

#[test]
fn the_sentinel_is_read_without_a_tag_and_written_with_one() {
    for m in machines() {
        mounted(&m);
        let seen = mount(&m, None, POINT).unwrap();
        assert_eq!(
            (
                seen.stat.as_str(),
                seen.sentinel.as_str(),
                seen.sentinel_written
            ),
            ("answered", "none", false),
            "{}",
            m.shell
        );
        assert!(!m.root().join("mnt/efs/.geusemaker").exists());
        let seen = mount(&m, Some(1), POINT).unwrap();
        assert_eq!(
            (seen.sentinel.as_str(), seen.sentinel_written),
            ("ok", true),
            "{}",
            m.shell
        );
        assert_eq!(m.read("mnt/efs/.geusemaker/sentinel"), "op $(x) 'y'\n");
        assert_eq!(
            fs_err::read_dir(m.root().join("mnt/efs/.geusemaker"))
                .unwrap()
                .count(),
            1
        );
        assert_eq!(mount(&m, None, POINT).unwrap().sentinel, "ok");
        assert_eq!(
            mount(&m, Some(1), POINT).unwrap().sentinel,
            "ok",
            "the same tag again"
        );
        mount(&m, Some(2), POINT).unwrap();
        assert_eq!(
            mount(&m, Some(1), POINT),
            Err(HostError::Fenced { ours: 1, seen: 1 })
        );
        assert_eq!(
            fs_err::read_dir(m.root().join("run")).unwrap().count(),
            0,
            "{}",
            m.shell
        );
    }
}

#[test]
fn nothing_is_written_where_nothing_is_mounted() {
    for m in machines() {
        mounted(&m);
        m.put("proc/self/mountinfo", "25 1 8:1 / / rw - ext4 /dev/a rw\n");
        let seen = mount(&m, Some(1), POINT).unwrap();
        assert_eq!(
            (seen.mountinfo, seen.sentinel.as_str()),
            (None, "error: not mounted"),
            "{}",
            m.shell
        );
        assert!(!m.root().join("mnt/efs/.geusemaker").exists());
        let seen = mount(&m, Some(2), "/mnt/nowhere").unwrap();
        assert_eq!(seen.stat, "error: No such file or directory", "{}", m.shell);
    }
}

#[test]
fn errors_of_the_file_system_are_told_in_its_words() {
    for m in machines() {
        mounted(&m);
        // A file in the way stands for a file system that says no: root writes into any folder.
        fs_err::write(m.root().join("mnt/efs/.geusemaker"), "").unwrap();
        let (read, written) = (
            mount(&m, None, POINT).unwrap(),
            mount(&m, Some(1), POINT).unwrap(),
        );
        assert_eq!(read.sentinel, "error: Not a directory", "{}", m.shell);
        assert!(
            ["error: File exists", "error: Not a directory"].contains(&written.sentinel.as_str()),
            "{}",
            written.sentinel
        );
        assert!(!written.sentinel_written);
    }
}

#[test]
fn a_read_only_file_system_is_told_as_such() {
    for m in machines_without_applets() {
        mounted(&m);
        m.program("mkdir", "#!/bin/sh\ncase $* in *.geusemaker) echo \"mkdir: cannot create directory 'x': Read-only file system\" >&2; exit 1 ;; esac\nexec /bin/mkdir \"$@\"\n");
        assert_eq!(
            mount(&m, Some(1), POINT).unwrap().sentinel,
            "error: Read-only file system",
            "{}",
            m.shell
        );
    }
}

#[test]
fn what_was_written_must_read_back() {
    for m in machines_without_applets() {
        mounted(&m);
        m.program("mv", "#!/bin/sh\ncase $* in *sentinel*) eval \"last=\\${$#}\"; echo other >\"$last\"; exit 0 ;; esac\nexec /bin/mv \"$@\"\n");
        let seen = mount(&m, Some(1), POINT).unwrap();
        assert_eq!(
            (seen.sentinel.as_str(), seen.sentinel_written),
            ("differs", false),
            "{}",
            m.shell
        );
    }
}

#[test]
fn a_file_system_that_hangs_does_not_hang_the_look() {
    for m in machines() {
        mounted(&m);
        fs_err::create_dir_all(m.root().join("mnt/efs/.geusemaker")).unwrap();
        let began = std::time::Instant::now();
        let _sentinel = Fifo::at(m.root().join("mnt/efs/.geusemaker/sentinel"));
        let seen = mount(&m, None, POINT).unwrap();
        assert_eq!(
            (seen.stat.as_str(), seen.sentinel.as_str()),
            ("answered", "hangs"),
            "{}",
            m.shell
        );
        let _write = Fifo::at(m.root().join("mnt/efs/.geusemaker/.sentinel.1.1"));
        assert_eq!(
            mount(&m, Some(1), POINT).unwrap().sentinel,
            "hangs",
            "{}",
            m.shell
        );
        assert!(
            began.elapsed().as_secs() < 20,
            "{}: {:?}",
            m.shell,
            began.elapsed()
        );
        // Nobody lets go of the probes: what can be ended was.
        assert_eq!(m.processes(), Vec::<String>::new(), "{}", m.shell);
    }
}

#[test]
fn a_stat_that_hangs_is_told_and_nothing_more_is_asked() {
    for m in machines_without_applets() {
        mounted(&m);
        let block = m.root().join("block");
        let _stat = Fifo::at(block.clone());
        m.program(
            "stat",
            &format!("#!/bin/sh\nexec cat '{}'\n", block.display()),
        );
        let seen = mount(&m, Some(2), POINT).unwrap();
        assert_eq!(
            (seen.stat.as_str(), seen.sentinel.as_str()),
            ("hangs", "hangs"),
            "{}",
            m.shell
        );
        let ask = LookRequest {
            mount_point: Some(POINT.into()),
            ..LookRequest::default()
        };
        let seen = look(
            &m,
            &ask,
            Input::new().text("point", POINT).text("limit", "1"),
        )
        .unwrap();
        assert_eq!(seen.mount.unwrap().stat, "hangs");
    }
}

#[test]
fn a_host_without_a_boot_id_is_garbled() {
    for m in machines() {
        m.put("proc/sys/kernel/random/boot_id", "");
        let ask = LookRequest {
            only_boot: true,
            ..LookRequest::default()
        };
        let error = look(&m, &ask, Input::new().text("only_boot", "yes")).unwrap_err();
        assert!(error.to_string().contains("expected a boot id"), "{error}");
    }
    assert!(tag(1, 1) > tag(0, 9));
}
