//! The data: the file system of the deployment, or the lack of one.

use super::Ask;
use crate::efs::{judge, judge_file_system, judge_without_efs};
use crate::model::{FileSystemId, HostView};
use crate::plan::{Check, CheckStatus};

pub(super) fn check(ask: &Ask) -> Vec<Check> {
    match &ask.deployment.file_system_id {
        Some(id) => with_file_system(ask, id),
        None => without(ask),
    }
}

fn with_file_system(ask: &Ask, id: &FileSystemId) -> Vec<Check> {
    let zone = &ask.observed.instance.zone;
    let (facts, unseen) = match &ask.observed.file_system {
        Some(Ok(facts)) => (Some(facts), None),
        Some(Err(why)) => (None, Some(why.as_str())),
        None => (None, Some("EFS was not asked")),
    };
    let mut checks = match unseen {
        Some(why) => vec![Check::refuse(
            "file_system",
            format!("the file system {id} could not be looked at"),
            why,
            format!("{id}, available"),
            "allow elasticfilesystem:DescribeFileSystems and DescribeMountTargets, or mend what EFS says",
        )],
        None => judge_file_system(Some(id), facts, zone),
    };
    let HostView::Up(host) = &ask.observed.host else {
        // Said already: the host does not answer, or is stopped.
        return checks;
    };
    let Some(mount) = &host.mount else {
        let point = ask
            .deployment
            .mount_point
            .as_deref()
            .unwrap_or("no mount point");
        checks.push(Check::refuse(
            "mount_present",
            "the mount of the file system was not looked at",
            format!("nothing known of {point}"),
            format!("{id} mounted on the host"),
            "adopt the deployment again, so that its mount point is known",
        ));
        return checks;
    };
    let containers = ask
        .project()
        .map(|p| p.containers.as_slice())
        .unwrap_or_default();
    let judged = judge(mount, Some(id), facts, zone, ask.stops_instance, containers);
    // The half of AWS was judged above, whether it could be seen or not.
    checks.extend(
        judged
            .into_iter()
            .filter(|c| !matches!(c.name.as_str(), "file_system" | "mount_target"))
            .map(|c| with_fix(ask, c)),
    );
    checks
}

/// The drop-in can be had by a command. Without a line of fstab it would be of no use, so that comes first.
fn with_fix(ask: &Ask, mut check: Check) -> Check {
    let known = ask.observed.host.facts().and_then(|h| h.mount.as_ref());
    let in_fstab = known.is_some_and(|m| !m.fstab.is_empty() && m.docker_requires.is_some());
    if check.name == "docker_after_mount" && check.status != CheckStatus::Ok && in_fstab {
        check.help = format!(
            "geusemaker check {} --fix writes the drop-in for it; or {}",
            ask.deployment.name, check.help
        );
    }
    check
}

fn without(ask: &Ask) -> Vec<Check> {
    let Some(host) = ask.observed.host.facts() else {
        return Vec::new();
    };
    let unmounted = host.mount.as_ref().and_then(|m| m.unmounted.as_deref());
    let containers: Vec<_> = host
        .projects
        .iter()
        .flat_map(|p| p.containers.clone())
        .collect();
    judge_without_efs(unmounted, &containers, ask.stops_instance)
}
