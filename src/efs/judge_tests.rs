//! Each fault fails for its true reason, and for no other.

use super::*;
use crate::model::{BindFacts, MountTargetFacts, SeenInside};
use crate::plan::CheckStatus::{self, Ok, Refuse, Warn};
use crate::plan::fixtures::{FILE_SYSTEM, MOUNTINFO, container, observed};

struct Scene {
    mount: MountFacts,
    facts: Option<FileSystemFacts>,
    containers: Vec<ContainerFacts>,
}

fn scene() -> Scene {
    let seen = observed();
    let host = seen.host.facts().expect("up");
    Scene {
        mount: host.mount.clone().expect("a mount"),
        facts: seen.file_system.and_then(Result::ok),
        containers: host.projects[0].containers.clone(),
    }
}

fn run(scene: &Scene, stops: bool) -> Vec<Check> {
    let expected = FileSystemId::new(FILE_SYSTEM).expect("an id");
    judge(
        &scene.mount,
        Some(&expected),
        scene.facts.as_ref(),
        "us-east-1a",
        stops,
        &scene.containers,
    )
}

fn not_ok(checks: &[Check]) -> Vec<(&str, CheckStatus)> {
    checks
        .iter()
        .filter(|c| c.status != Ok)
        .map(|c| (c.name.as_str(), c.status))
        .collect()
}

fn facts(s: &mut Scene) -> &mut FileSystemFacts {
    s.facts.as_mut().expect("facts")
}

fn line(s: &mut Scene, from: &str, to: &str) {
    let text = s.mount.mountinfo.as_mut().expect("a line");
    assert!(text.contains(from));
    *text = text.replace(from, to);
}

fn everywhere(s: &mut Scene, from: &str, to: &str) {
    line(s, from, to);
    for seen in &mut s.mount.seen_inside {
        seen.mountinfo = seen.mountinfo.take().map(|m| m.replace(from, to));
    }
}

const OTHER: &str = "fs-0fedcba9876543210";

#[test]
fn a_healthy_mount_is_fine_in_every_part() {
    let checks = run(&scene(), true);
    assert_eq!(not_ok(&checks), []);
    let names: Vec<_> = checks.iter().map(|c| c.name.as_str()).collect();
    assert_eq!(
        names,
        [
            "file_system",
            "mount_target",
            "mount_present",
            "mount_identity",
            "mount_writable",
            "mount_answers",
            "mount_sentinel",
            "mount_seen_inside",
            "docker_after_mount",
            "mount_fstab"
        ]
    );
}

#[test]
fn each_fault_has_its_own_name() {
    type Change = fn(&mut Scene);
    let table: &[(&str, Change, &[&str])] = &[
        // The four faults of the sandbox.
        (
            "gone",
            |s| {
                s.mount.mountinfo = None;
                s.mount.sentinel = "error: not mounted".into()
            },
            &["mount_present"],
        ),
        (
            "other",
            |s| s.mount.efs_state_files = vec![format!("{OTHER}.mnt.efs.20191")],
            &["mount_identity"],
        ),
        (
            "readonly",
            |s| {
                line(s, "rw,relatime", "ro,relatime");
                s.mount.sentinel = "error: Read-only file system".into()
            },
            &["mount_writable"],
        ),
        (
            "hang",
            |s| {
                s.mount.stat = "hangs".into();
                s.mount.sentinel = "hangs".into()
            },
            &["mount_answers"],
        ),
        // AWS's side.
        (
            "deleting",
            |s| facts(s).state = "deleting".into(),
            &["file_system"],
        ),
        (
            "another one was looked at",
            |s| facts(s).id = FileSystemId::new(OTHER).expect("an id"),
            &["file_system"],
        ),
        ("not found", |s| s.facts = None, &["file_system"]),
        (
            "no mount target",
            |s| facts(s).mount_targets.clear(),
            &["mount_target"],
        ),
        (
            "mount target elsewhere",
            |s| facts(s).mount_targets[0].zone = "us-east-1b".into(),
            &["mount_target"],
        ),
        (
            "mount target being made",
            |s| facts(s).mount_targets[0].state = "creating".into(),
            &["mount_target"],
        ),
        (
            "a second one is there",
            |s| {
                facts(s).mount_targets.insert(
                    0,
                    MountTargetFacts {
                        id: "fsmt-1".into(),
                        zone: "us-east-1a".into(),
                        state: "deleting".into(),
                    },
                )
            },
            &[],
        ),
        // The mount.
        (
            "a bind of the root volume",
            |s| line(s, "nfs4 127.0.0.1:/", "ext4 /dev/nvme0n1p1"),
            &["mount_present"],
        ),
        (
            "unreadable",
            |s| s.mount.mountinfo = Some("garbage".into()),
            &["mount_present"],
        ),
        (
            "by DNS",
            |s| {
                everywhere(
                    s,
                    "127.0.0.1:/",
                    &format!("{FILE_SYSTEM}.efs.us-east-1.amazonaws.com:/"),
                )
            },
            &[],
        ),
        (
            "by the zone's DNS",
            |s| {
                everywhere(
                    s,
                    "127.0.0.1:/",
                    &format!("us-east-1a.{FILE_SYSTEM}.efs.us-east-1.amazonaws.com:/"),
                )
            },
            &[],
        ),
        (
            "another by DNS",
            |s| {
                line(
                    s,
                    "127.0.0.1:/",
                    &format!("{OTHER}.efs.us-east-1.amazonaws.com:/"),
                )
            },
            &["mount_identity"],
        ),
        (
            "by address",
            |s| everywhere(s, "127.0.0.1:/", "10.0.1.20:/"),
            &["mount_identity"],
        ),
        (
            "no state file",
            |s| s.mount.efs_state_files.clear(),
            &["mount_identity"],
        ),
        (
            "state file of another port",
            |s| s.mount.efs_state_files = vec![format!("{FILE_SYSTEM}.mnt.efs.20192")],
            &["mount_identity"],
        ),
        (
            "state file of another mount point",
            |s| s.mount.efs_state_files = vec![format!("{FILE_SYSTEM}.mnt.efs2.20191")],
            &["mount_identity"],
        ),
        (
            "a stale state file beside it",
            |s| {
                s.mount
                    .efs_state_files
                    .push(format!("{OTHER}.mnt.efs.20195"))
            },
            &[],
        ),
        (
            "two for one port",
            |s| {
                s.mount
                    .efs_state_files
                    .push(format!("{OTHER}.mnt.efs.20191"))
            },
            &["mount_identity"],
        ),
        (
            "the file system is read-only",
            |s| line(s, " 127.0.0.1:/ rw,", " 127.0.0.1:/ ro,"),
            &["mount_writable"],
        ),
        (
            "stat fails",
            |s| s.mount.stat = "error: Stale file handle".into(),
            &["mount_answers"],
        ),
        (
            "stat was not asked",
            |s| s.mount.stat.clear(),
            &["mount_answers"],
        ),
        (
            "only the sentinel hangs",
            |s| s.mount.sentinel = "hangs".into(),
            &["mount_answers"],
        ),
        (
            "sentinel differs",
            |s| {
                s.mount.sentinel = "differs".into();
                s.mount.sentinel_written = true
            },
            &["mount_sentinel"],
        ),
        (
            "sentinel denied",
            |s| s.mount.sentinel = "error: Permission denied".into(),
            &["mount_sentinel"],
        ),
        (
            "written and gone",
            |s| {
                s.mount.sentinel = "none".into();
                s.mount.sentinel_written = true
            },
            &["mount_sentinel"],
        ),
        ("no sentinel yet", |s| s.mount.sentinel = "none".into(), &[]),
        ("sentinel not asked", |s| s.mount.sentinel.clear(), &[]),
        // The containers.
        (
            "started before the mount",
            |s| {
                s.mount.seen_inside[0].mountinfo = Some(
                    "412 390 259:1 /mnt/efs/n8n /home/node/.n8n rw - ext4 /dev/nvme0n1p1 rw".into(),
                )
            },
            &["mount_seen_inside"],
        ),
        (
            "sees no mount",
            |s| s.mount.seen_inside[0].mountinfo = None,
            &["mount_seen_inside"],
        ),
        (
            "was not looked into",
            |s| {
                s.mount.seen_inside.remove(1);
            },
            &["mount_seen_inside"],
        ),
        (
            "still on an earlier mount",
            |s| s.mount.seen_inside[2].mountinfo = Some(MOUNTINFO.replace("20191", "20111")),
            &["mount_seen_inside"],
        ),
        (
            "on another file system",
            |s| {
                s.mount.seen_inside[2].mountinfo =
                    Some(MOUNTINFO.replace("127.0.0.1:/", &format!("{OTHER}.efs.x:/")))
            },
            &["mount_seen_inside"],
        ),
        (
            "its folder was deleted",
            |s| {
                s.mount.seen_inside[0].mountinfo =
                    Some(MOUNTINFO.replace(" / /mnt/efs ", " /n8n//deleted /home/node/.n8n "))
            },
            &["mount_seen_inside"],
        ),
        (
            "two of them",
            |s| {
                for i in [0, 1] {
                    s.mount.seen_inside[i].mountinfo = None
                }
            },
            &["mount_seen_inside", "mount_seen_inside"],
        ),
        (
            "does not run",
            |s| {
                s.containers[0].status = "exited".into();
                s.mount.seen_inside.remove(0);
            },
            &[],
        ),
        (
            "a bind elsewhere",
            |s| {
                s.containers[0].binds.push(BindFacts {
                    source: "/mnt/efs2/x".into(),
                    destination: "/x".into(),
                })
            },
            &[],
        ),
        (
            "the mount point itself",
            |s| {
                s.containers.push(ContainerFacts {
                    binds: vec![BindFacts {
                        source: "/mnt/efs".into(),
                        destination: "/all".into(),
                    }],
                    ..container("x", "x:1", None, &[], false)
                });
                s.mount.seen_inside.push(SeenInside {
                    container: "x".into(),
                    destination: "/all".into(),
                    mountinfo: None,
                });
            },
            &["mount_seen_inside"],
        ),
        // The next boot.
        (
            "Docker does not wait",
            |s| s.mount.docker_requires = Some(vec!["docker.socket".into(), "mnt.mount".into()]),
            &["docker_after_mount"],
        ),
        (
            "systemd was not asked",
            |s| s.mount.docker_requires = None,
            &["docker_after_mount"],
        ),
        ("no fstab line", |s| s.mount.fstab.clear(), &["mount_fstab"]),
        (
            "two fstab lines",
            |s| {
                let line = s.mount.fstab[0].clone();
                s.mount.fstab.push(line)
            },
            &["mount_fstab"],
        ),
        (
            "fstab mounts another",
            |s| s.mount.fstab = vec![format!("{OTHER}:/ /mnt/efs efs _netdev,tls 0 0")],
            &["mount_fstab"],
        ),
        (
            "fstab without _netdev",
            |s| s.mount.fstab = vec![format!("{FILE_SYSTEM}:/ /mnt/efs efs tls 0 0")],
            &["mount_fstab"],
        ),
        (
            "fstab cut short",
            |s| s.mount.fstab = vec![format!("{FILE_SYSTEM}:/ /mnt/efs")],
            &["mount_fstab"],
        ),
        (
            "fstab, the bare id",
            |s| s.mount.fstab = vec![format!("{FILE_SYSTEM} /mnt/efs efs _netdev 0 0")],
            &[],
        ),
        (
            "fstab, the id and a colon",
            |s| s.mount.fstab = vec![format!("{FILE_SYSTEM}: /mnt/efs efs _netdev 0 0")],
            &[],
        ),
        (
            "fstab, nfs4 is of the network anyway",
            |s| {
                s.mount.fstab = vec![format!(
                    "{FILE_SYSTEM}.efs.us-east-1.amazonaws.com:/ /mnt/efs nfs4 hard 0 0"
                )]
            },
            &[],
        ),
        (
            "both gone and unordered",
            |s| {
                s.mount.mountinfo = None;
                s.mount.docker_requires = Some(vec![])
            },
            &["mount_present", "docker_after_mount"],
        ),
    ];
    for (what, change, expected) in table {
        let mut changed = scene();
        change(&mut changed);
        let checks = run(&changed, true);
        let refused: Vec<_> = checks
            .iter()
            .filter(|c| c.status == Refuse)
            .map(|c| c.name.as_str())
            .collect();
        assert_eq!(refused, *expected, "{what}");
        for check in checks.iter().filter(|c| c.status != Ok) {
            assert!(
                !check.found.is_empty() && !check.expected.is_empty() && !check.help.is_empty(),
                "{what}: {check:?}"
            );
        }
    }
}

#[test]
fn what_only_a_boot_can_harm_warns_while_nothing_stops() {
    type Change = fn(&mut Scene);
    let table: &[(&str, Change)] = &[
        ("docker_after_mount", |s| {
            s.mount.docker_requires = Some(vec![])
        }),
        ("docker_after_mount", |s| s.mount.docker_requires = None),
        ("mount_fstab", |s| s.mount.fstab.clear()),
        ("mount_fstab", |s| {
            s.mount.fstab = vec![format!("{FILE_SYSTEM}:/ /mnt/efs efs tls 0 0")]
        }),
    ];
    for (name, change) in table {
        let mut changed = scene();
        change(&mut changed);
        assert_eq!(not_ok(&run(&changed, false)), [(*name, Warn)]);
        assert_eq!(not_ok(&run(&changed, true)), [(*name, Refuse)]);
    }
    let mut by_name = scene();
    by_name.mount.fstab = vec!["files.example:/ /mnt/efs nfs4 _netdev 0 0".into()];
    assert_eq!(not_ok(&run(&by_name, true)), [("mount_fstab", Warn)]);
}

#[test]
fn the_remedy_for_docker_is_the_very_drop_in() {
    let mut changed = scene();
    changed.mount.docker_requires = Some(vec!["docker.socket".into()]);
    let checks = run(&changed, true);
    let check = checks.iter().find(|c| c.status == Refuse).expect("refused");
    assert!(
        check.help.contains("[Unit]\nRequiresMountsFor=/mnt/efs"),
        "{}",
        check.help
    );
    assert!(check.expected.contains("mnt-efs.mount"));
    assert_eq!(check.found, "Requires=docker.socket");
}

#[test]
fn without_an_expected_file_system_it_says_which_is_there() {
    let s = scene();
    let checks = judge(&s.mount, None, None, "us-east-1a", false, &s.containers);
    assert_eq!(not_ok(&checks), []);
    assert!(
        checks
            .iter()
            .any(|c| c.name == "mount_identity" && c.message.contains(FILE_SYSTEM))
    );
    assert_eq!(
        super::super::identity(&s.mount)
            .map(String::from)
            .as_deref(),
        Some(FILE_SYSTEM)
    );
}
