//! The host: does it answer, and is the compose project there as it was adopted?

use super::Ask;
use crate::model::{HostFacts, HostView, ProjectFacts, RestoreState, Sha256Id};
use crate::plan::Check;

pub(super) fn check(ask: &Ask) -> Vec<Check> {
    match &ask.observed.host {
        HostView::Up(facts) => answering(ask, facts),
        HostView::Stopped => stopped(ask),
        HostView::Unreachable(why) if ask.wants_images || ask.stops_instance => {
            vec![Check::refuse(
                "host_reachable",
                "the host does not answer, so nothing on it can be changed or verified",
                why.clone(),
                "an answer through Systems Manager",
                "see that the SSM agent runs, that the instance profile allows it (AmazonSSMManagedInstanceCore) and that the host reaches the endpoint of Systems Manager",
            )]
        }
        HostView::Unreachable(why) => vec![Check::warn(
            "host_reachable",
            "the host does not answer: what runs on it cannot be said",
            why.clone(),
            "an answer through Systems Manager",
            "see that the SSM agent runs",
        )],
    }
}

fn stopped(ask: &Ask) -> Vec<Check> {
    let id = &ask.observed.instance.id;
    let mut checks = vec![Check::warn(
        "host_stopped",
        format!(
            "{id} is stopped and stays so: what runs on it, its mounts and its health cannot be verified"
        ),
        "stopped",
        "running, to verify them",
        format!("to verify them, start it first: `aws ec2 start-instances --instance-ids {id}`"),
    )];
    if ask.wants_images {
        let services: Vec<&str> = ask.desired.images.keys().map(|s| s.as_str()).collect();
        checks.push(Check::refuse(
            "images_need_host",
            format!("images cannot be changed while {id} is stopped: nothing runs them, and nothing could be verified"),
            match services.as_slice() {
                [] => format!("{id} is stopped"),
                some => format!("{id} is stopped; images wanted for {}", some.join(", ")),
            },
            "a running instance",
            format!("start it first: `aws ec2 start-instances --instance-ids {id}`; or change the type alone"),
        ));
    }
    checks
}

fn answering(ask: &Ask, facts: &HostFacts) -> Vec<Check> {
    let mut checks = vec![Check::ok(
        "host_reachable",
        format!("the host answers (Docker {})", facts.docker),
    )];
    checks.extend(armed(ask, facts));
    if ask.wants_images {
        checks.push(compose_v2(facts));
        checks.push(disk(facts.disk_free, pulls(ask, facts)));
    }
    match ask.project() {
        Some(project) => checks.extend(files(ask, project)),
        None => checks.push(no_project(ask, facts)),
    }
    checks
}

/// A host that goes back from another operation would do so in the middle of this one: only the scripts of its own
/// operation move a deadline out.
fn armed(ask: &Ask, facts: &HostFacts) -> Option<Check> {
    let of = facts.restore.goes_back_from()?;
    let (name, message, found) = match &facts.restore {
        RestoreState::Armed { deadline, .. } => (
            "host_armed",
            "the host is still armed by another operation: at its deadline it goes back where the stack is not green",
            format!("armed by operation {of}, until {deadline} by its own clock"),
        ),
        _ => (
            "host_going_back",
            "the host is going back from another operation by itself",
            format!("going back from operation {of}"),
        ),
    };
    let deployment = &ask.deployment.name;
    Some(Check::refuse(
        name,
        message,
        found,
        "a host that goes back from nothing",
        format!(
            "geusemaker resume {deployment} --accept    # disarms it, on the machine that began operation {of}; or wait until it has judged"
        ),
    ))
}

/// What a pull of a usual image takes, unpacked. A pull that finds no space is refused before anything is
/// down, so little space is a warning.
const SPARE: u64 = 2 << 30;

/// Below this nothing is pulled: what runs, Docker and its logs need room as well.
pub const DISK_FLOOR: u64 = 1 << 30;

/// Whether an image has to be pulled: one that is wanted by its id, and is on the host, has not.
fn pulls(ask: &Ask, facts: &HostFacts) -> bool {
    let here = |id: &Sha256Id| facts.images.values().any(|i| i.id == *id);
    let mut wanted = ask.desired.images.values();
    ask.desired.images.is_empty() || wanted.any(|w| !w.id.as_ref().is_some_and(here))
}

fn disk(free: u64, pulls: bool) -> Check {
    let name = "disk_space";
    let mib = free >> 20;
    let help = "make room: `docker system df` shows what takes it. The images that a rollback needs are held: `docker image prune -a` leaves them";
    if pulls && free < DISK_FLOOR {
        return Check::refuse(
            name,
            "there is no room for another image on the host",
            format!("{mib} MiB free where Docker keeps its images"),
            format!("{} MiB or more", DISK_FLOOR >> 20),
            help,
        );
    }
    if free >= SPARE {
        return Check::ok(name, "there is space for another image on the host");
    }
    Check::warn(
        name,
        "there is little space for another image on the host",
        format!("{mib} MiB free where Docker keeps its images"),
        format!("{} MiB or more", SPARE >> 20),
        help,
    )
}

fn compose_v2(facts: &HostFacts) -> Check {
    let name = "compose_v2";
    match &facts.compose {
        Some(version) if version.trim_start_matches('v').starts_with("1.") => {
            old_compose(version.clone())
        }
        Some(version) => Check::ok(name, format!("Docker Compose {version}")),
        None => old_compose("no `docker compose`".into()),
    }
}

fn old_compose(found: String) -> Check {
    Check::refuse(
        "compose_v2",
        "the host has no Docker Compose v2",
        found,
        "Docker Compose v2 as a plugin (`docker compose`)",
        "install the package docker-compose-plugin on the host; the old docker-compose is not used",
    )
}

fn no_project(ask: &Ask, facts: &HostFacts) -> Check {
    let wanted = &ask.deployment.compose.project;
    let found = if facts.projects.is_empty() {
        "no compose project has containers".into()
    } else {
        let names: Vec<&str> = facts.projects.iter().map(|p| p.name.as_str()).collect();
        format!("projects {}", names.join(", "))
    };
    Check::refuse(
        "project_found",
        format!("the compose project {wanted} has no containers on the host"),
        found,
        format!("containers of project {wanted}"),
        format!(
            "start the stack: `docker compose -p {wanted} -f {} up -d`; or adopt the instance again",
            ask.deployment.compose.file
        ),
    )
}

/// The files that were adopted, and readable: what starts the containers again after a stop compares it
/// before anything else, so a change of the type needs it as much as an edit. Else it is a warning.
fn files(ask: &Ask, project: &ProjectFacts) -> Vec<Check> {
    let grave = |name: &str, message: String, found: String, expected: String, help: &str| {
        if ask.wants_images || ask.stops_instance {
            Check::refuse(name, message, found, expected, help)
        } else {
            Check::warn(name, message, found, expected, help)
        }
    };
    let known = ask.deployment.compose.files();
    let expected = known.join(", ");
    let found = project.files.join(", ");
    let mut checks = vec![Check::ok(
        "project_found",
        format!(
            "compose project {}, {} containers",
            project.name,
            project.containers.len()
        ),
    )];
    if project.files.is_empty() {
        checks.push(grave(
            "project_file",
            "the containers do not say which compose file they come from".into(),
            "no label com.docker.compose.project.config_files".into(),
            expected,
            "bring the stack up once with Docker Compose v2",
        ));
    } else if project.files_differ {
        checks.push(grave(
            "project_file",
            "the containers of the project come from different compose files".into(),
            found,
            expected,
            "bring the whole stack up once with all its files: `docker compose -f … -f … up -d --force-recreate`",
        ));
    } else if project.files != known {
        checks.push(grave(
            "project_file",
            match (project.files.len(), known.len()) {
                (1, 1) => "the containers come from another compose file than the one that was adopted".into(),
                (n, _) => format!("the containers come from {n} compose files, which are not those that were adopted"),
            },
            found,
            expected,
            "bring the stack up from what was adopted, or adopt the instance again",
        ));
    } else {
        checks.push(Check::ok(
            "project_file",
            format!("compose file {expected}"),
        ));
        if project.texts().is_none() {
            checks.push(grave(
                "compose_readable",
                format!("the compose file {expected} could not be read"),
                "missing, unreadable, larger than 1 MiB, or with a comma or a newline in its path".into(),
                format!("{expected}, readable by root"),
                "put the file back where the running containers say it is; a path with a comma or a newline is not supported, since the containers name their files in one list",
            ));
        }
    }
    checks
}
