//! Whether the file system is there, is the right one, can be written, and is what the containers see.

use super::MountLine;
use super::identity::behind;
use super::order::after_boot;
use crate::model::{ContainerFacts, FileSystemFacts, FileSystemId, MountFacts};
use crate::plan::{Check, CheckStatus};

/// Judges a mount point from what the host and AWS say; one check each, `ok` ones included.
///
/// Each fault fails under one name, the nearest to its cause: nothing mounted is `mount_present`, another
/// file system `mount_identity`, read-only `mount_writable`, a dead server `mount_answers`. What cannot
/// be judged because of it is left out. What only a boot can turn into harm (`docker_after_mount`,
/// `mount_fstab`) refuses when the plan stops the instance, and warns otherwise.
pub fn judge(
    mount: &MountFacts,
    expected: Option<&FileSystemId>,
    facts: Option<&FileSystemFacts>,
    zone: &str,
    stops_instance: bool,
    containers: &[ContainerFacts],
) -> Vec<Check> {
    let mut checks = judge_file_system(expected, facts, zone);
    checks.extend(judge_mount(mount, expected, containers));
    checks.extend(after_boot(mount, expected, stops_instance));
    checks
}

/// The half that the host answers now, whatever a boot would do: is it mounted, the right one, writable,
/// alive, and what the containers see.
pub fn judge_mount(
    mount: &MountFacts,
    expected: Option<&FileSystemId>,
    containers: &[ContainerFacts],
) -> Vec<Check> {
    let (line, present) = present(mount);
    let mut checks = vec![present];
    if let Some(line) = line {
        let identity = judge_identity(&line, mount, expected);
        let right = identity.status != CheckStatus::Refuse;
        checks.push(identity);
        let writable = writable(&line, mount);
        let can_write = writable.status != CheckStatus::Refuse;
        checks.push(writable);
        let answers = answers(mount);
        let alive = answers.status != CheckStatus::Refuse;
        checks.push(answers);
        if can_write && alive {
            checks.push(sentinel(mount));
        }
        if right {
            checks.extend(inside(&line, mount, expected, containers));
        }
    }
    checks
}

/// The half that AWS answers: the file system is available, and so is its mount target in the zone of
/// the instance (mounting by DNS name needs one there).
pub fn judge_file_system(
    expected: Option<&FileSystemId>,
    facts: Option<&FileSystemFacts>,
    zone: &str,
) -> Vec<Check> {
    let (Some(expected), Some(facts)) = (expected, facts) else {
        return expected
            .map(|id| {
                Check::refuse(
                    "file_system",
                    format!("the file system {id} could not be found"),
                    "no such file system",
                    format!("{id}, available"),
                    "check account, region and id; allow elasticfilesystem:DescribeFileSystems",
                )
            })
            .into_iter()
            .collect();
    };
    let system = if &facts.id != expected {
        Check::refuse(
            "file_system",
            format!("{} was looked at in place of {expected}", facts.id),
            facts.id.as_str(),
            expected.as_str(),
            "adopt the deployment again with --efs",
        )
    } else if facts.state != "available" {
        Check::refuse(
            "file_system",
            format!("the file system {expected} is {}", facts.state),
            facts.state.as_str(),
            "available",
            "wait until EFS says available, or restore it",
        )
    } else {
        Check::ok("file_system", format!("{expected} is available"))
    };
    vec![system, mount_target(expected, facts, zone)]
}

fn mount_target(id: &FileSystemId, facts: &FileSystemFacts, zone: &str) -> Check {
    let name = "mount_target";
    let in_zone: Vec<_> = facts
        .mount_targets
        .iter()
        .filter(|t| t.zone == zone)
        .collect();
    if in_zone.iter().any(|t| t.state == "available") {
        return Check::ok(name, format!("{id} has a mount target in {zone}"));
    }
    let found = match in_zone.first() {
        Some(target) => format!("{} is {}", target.id, target.state),
        None if facts.mount_targets.is_empty() => "no mount target".into(),
        None => {
            let zones: Vec<&str> = facts
                .mount_targets
                .iter()
                .map(|t| t.zone.as_str())
                .collect();
            format!("mount targets in {}", zones.join(", "))
        }
    };
    Check::refuse(
        name,
        format!(
            "{id} has no mount target that is available in {zone}: the instance could not mount it again"
        ),
        found,
        format!("a mount target in {zone}, available"),
        format!(
            "make one in a subnet of {zone}: `aws efs create-mount-target --file-system-id {id} --subnet-id subnet-…`"
        ),
    )
}

fn present(mount: &MountFacts) -> (Option<MountLine>, Check) {
    let name = "mount_present";
    let point = &mount.point;
    let refuse = |message: String, found: String| {
        let expected = format!("an EFS file system mounted at {point} (nfs4)");
        let help = format!(
            "stop the containers, `mount {point}` on the host, start them again; what they wrote meanwhile is in the folder under it"
        );
        Check::refuse(name, message, found, expected, help)
    };
    let Some(text) = &mount.mountinfo else {
        return (
            None,
            refuse(format!("nothing is mounted at {point}"), "no mount".into()),
        );
    };
    match MountLine::parse(text) {
        None => (
            None,
            refuse(
                format!("the mount at {point} cannot be read"),
                "a line that is not one of mountinfo".into(),
            ),
        ),
        Some(line) if !line.is_efs_like() => {
            let found = format!("{} of type {}", line.source, line.kind);
            (
                None,
                refuse(
                    format!("what is mounted at {point} is no EFS file system"),
                    found,
                ),
            )
        }
        Some(line) => {
            let ok = Check::ok(name, format!("{point} is mounted ({})", line.kind));
            (Some(line), ok)
        }
    }
}

fn judge_identity(line: &MountLine, mount: &MountFacts, expected: Option<&FileSystemId>) -> Check {
    let name = "mount_identity";
    let point = &mount.point;
    let found = behind(line, mount);
    let Some(expected) = expected else {
        return match found {
            Ok(id) => Check::ok(name, format!("{id} is mounted at {point}")),
            Err(why) => Check::warn(
                name,
                format!("which file system is mounted at {point} cannot be told"),
                why,
                "fs-…",
                "mount it by its DNS name or with efs-utils",
            ),
        };
    };
    match found {
        Ok(id) if &id == expected => Check::ok(name, format!("{id} is mounted at {point}")),
        Ok(other) => Check::refuse(
            name,
            format!("another file system is mounted at {point}"),
            other.as_str(),
            expected.as_str(),
            format!(
                "mount {expected} at {point}; or, if {other} is right, adopt the deployment again with --efs {other}"
            ),
        ),
        Err(why) => Check::refuse(
            name,
            format!("which file system is mounted at {point} cannot be told"),
            why,
            expected.as_str(),
            "mount it by its DNS name, or with efs-utils and tls, so that it can be told",
        ),
    }
}

fn writable(line: &MountLine, mount: &MountFacts) -> Check {
    let name = "mount_writable";
    let point = &mount.point;
    if line.read_only() {
        let where_ = if line.options.iter().any(|o| o == "ro") {
            "this mount"
        } else {
            "the file system"
        };
        Check::refuse(
            name,
            format!("{point} is read-only"),
            format!("option ro of {where_}"),
            "rw",
            format!(
                "`mount -o remount,rw {point}` on the host; if that is refused, see the file system's policy and the log of the mount"
            ),
        )
    } else {
        Check::ok(name, format!("{point} is mounted for writing"))
    }
}

fn answers(mount: &MountFacts) -> Check {
    let name = "mount_answers";
    let point = &mount.point;
    let refuse = |found: String| {
        Check::refuse(
            name,
            format!("the file system at {point} does not answer"),
            found,
            "an answer within the time limit",
            "see the mount target, its security group (TCP 2049) and /var/log/amazon/efs on the host; a dead hard mount blocks whoever touches it",
        )
    };
    if mount.stat == "hangs" {
        refuse("stat hangs".into())
    } else if mount.sentinel == "hangs" {
        refuse("reading or writing hangs".into())
    } else if mount.stat == "answered" {
        Check::ok(name, format!("{point} answers"))
    } else if mount.stat.is_empty() {
        refuse("it was not asked".into())
    } else {
        refuse(format!("stat: {}", mount.stat))
    }
}

/// The sentinel: a file of ours on the file system, written under the lock and read on every look.
fn sentinel(mount: &MountFacts) -> Check {
    let name = "mount_sentinel";
    let point = &mount.point;
    let refuse = |message: String| {
        Check::refuse(
            name,
            message,
            format!("sentinel: {}", mount.sentinel),
            "written, and read back the same",
            format!(
                "see whether root may write under {point}: the file system's policy, an access point's user, its quota"
            ),
        )
    };
    match (mount.sentinel.as_str(), mount.sentinel_written) {
        ("ok", true) => Check::ok(name, format!("{point} was written and read back")),
        ("ok", false) => Check::ok(
            name,
            format!("{point} was read; it is written only under the lock"),
        ),
        ("none" | "", false) => Check::ok(
            name,
            format!("{point} holds no sentinel yet; it is written only under the lock"),
        ),
        ("none" | "", true) => refuse(format!("what was written to {point} is not there")),
        ("differs", _) => refuse(format!(
            "what was written to {point} reads back as something else"
        )),
        _ => refuse(format!("{point} cannot be written and read")),
    }
}

/// A container that was started before the mount sees the folder underneath.
fn inside(
    host: &MountLine,
    mount: &MountFacts,
    expected: Option<&FileSystemId>,
    containers: &[ContainerFacts],
) -> Vec<Check> {
    let name = "mount_seen_inside";
    let mut checks = Vec::new();
    let mut seen = 0;
    for container in containers.iter().filter(|c| c.running()) {
        for bind in container
            .binds
            .iter()
            .filter(|b| is_under(&b.source, &mount.point))
        {
            let what = &container.name;
            let refuse = |found: String| {
                Check::refuse(
                    name,
                    format!(
                        "{what} does not see the file system at {}: it works on the folder under the mount point",
                        bind.destination
                    ),
                    found,
                    format!(
                        "{} at {}",
                        expected.map_or("the same file system as the host", FileSystemId::as_str),
                        bind.destination
                    ),
                    format!("save what it wrote, then `docker restart {what}` on the host"),
                )
            };
            let line = mount
                .seen_inside
                .iter()
                .find(|s| s.container == container.name && s.destination == bind.destination)
                .and_then(|s| s.mountinfo.as_deref())
                .and_then(MountLine::parse);
            let Some(line) = line else {
                checks.push(refuse("no mount there".into()));
                continue;
            };
            if !line.is_efs_like() {
                checks.push(refuse(format!("{} of type {}", line.source, line.kind)));
                continue;
            }
            // The kernel marks the root of a mount whose folder is gone.
            if line.root.ends_with("//deleted") {
                checks.push(refuse(format!("{}, a folder that was deleted", line.root)));
                continue;
            }
            match (behind(&line, mount), behind(host, mount)) {
                (Ok(there), Ok(here)) if there == here => seen += 1,
                (Ok(there), _) => checks.push(refuse(there.to_string())),
                // Nobody can name it: then at least both are the same mount.
                (Err(_), Err(_))
                    if line.source == host.source
                        && line.super_option("port") == host.super_option("port") =>
                {
                    seen += 1
                }
                (Err(why), _) => checks.push(refuse(why)),
            }
        }
    }
    if checks.is_empty() {
        let message = match seen {
            0 => format!(
                "no running container has a bind mount under {}",
                mount.point
            ),
            n => format!(
                "{n} bind mounts under {} are seen inside their containers",
                mount.point
            ),
        };
        checks.push(Check::ok(name, message));
    }
    checks
}

/// Whether a path is a folder or below it.
pub(super) fn is_under(path: &str, folder: &str) -> bool {
    let folder = folder.trim_end_matches('/');
    path.strip_prefix(folder)
        .is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
}

#[cfg(test)]
#[path = "judge_tests.rs"]
mod tests;
