//! `look` and `mount`.

use std::collections::BTreeMap;

use crate::host::{
    HELD_CONTAINER, HostError, HostProbe, LookRequest, MountRequest, ProbeFacts, ProbeRequest,
    SampleFolder, SampleRequest,
};
use crate::model::sha256_hex;
use crate::model::{
    BindFacts, ContainerFacts, FileFacts, FileSeen, FolderSeen, HostFacts, ImageFacts, MountFacts,
    Probe, Probed, ProjectFacts, Secret, SeenInside, ServiceName, Sha256Id,
};
use crate::sandbox::host::docker::{COMPOSE_VERSION, Container, DOCKER_VERSION, Serves};
use crate::sandbox::host::files::HostFiles;
use crate::sandbox::host::mounts::MountKind;
use crate::sandbox::host::state::{HostContext, HostState};

pub(super) fn look(at: &HostContext<'_>, ask: &LookRequest) -> Result<HostFacts, HostError> {
    let host = &at.host;
    let mut facts = HostFacts {
        boot_id: host.boot_id.clone(),
        machine: host.machine.clone(),
        docker: String::new(),
        compose: None,
        disk_free: 0,
        projects: Vec::new(),
        other_containers: Vec::new(),
        mount: None,
        images: BTreeMap::new(),
        restore: host.memory.restore.state.clone(),
        pending: None,
    };
    if ask.only_boot {
        return Ok(facts);
    }
    if !host.docker_active {
        return Err(docker_down("look"));
    }
    facts.docker = DOCKER_VERSION.to_owned();
    facts.compose = Some(COMPOSE_VERSION.to_owned());
    facts.disk_free = host.disk_free;
    let mut projects: BTreeMap<&str, ProjectFacts> = BTreeMap::new();
    for container in &host.engine.containers {
        match (container.project(), container_facts(at, container)) {
            (Some(name), Some(found)) => projects
                .entry(name)
                .or_insert_with(|| project(host, name, container))
                .containers
                .push(found),
            _ if container.name.starts_with(HELD_CONTAINER) => {}
            _ => facts.other_containers.push(container.name.clone()),
        }
    }
    facts.projects = projects.into_values().collect();
    facts.mount = ask.mount_point.as_deref().map(|point| passive(host, point));
    for reference in &ask.images {
        if let Some(image) = host.engine.image(reference.as_str())
            && let Ok(id) = Sha256Id::new(image.id.as_str())
        {
            let image = ImageFacts {
                id,
                digests: image.digests.clone(),
                architecture: image.architecture.clone(),
            };
            facts.images.insert(reference.normalized(), image);
        }
    }
    Ok(facts)
}

pub(super) fn docker_down(verb: &'static str) -> HostError {
    HostError::Script {
        verb,
        code: "docker_down".to_owned(),
        message: "docker.service is inactive".to_owned(),
    }
}

fn project(host: &HostState, name: &str, container: &Container) -> ProjectFacts {
    let label = |key: &str| {
        let value = container
            .labels
            .get(&format!("com.docker.compose.project.{key}"));
        value.cloned().unwrap_or_default()
    };
    let list = |text: String| -> Vec<String> {
        text.split(',')
            .filter(|p| !p.is_empty())
            .map(str::to_owned)
            .collect()
    };
    let files = list(label("config_files"));
    let mut texts = files.iter().map(|path| {
        let text = host.memory.files.read(path).ok();
        FileFacts {
            path: path.clone(),
            sha256: text.as_ref().map(sha256_hex),
            text: text.map(Secret::new),
        }
    });
    let first = texts.next();
    let more = texts.collect();
    let (text, sha256) = first.map_or((None, None), |f| (f.text, f.sha256));
    ProjectFacts {
        name: name.to_owned(),
        files,
        working_dir: label("working_dir"),
        env_files: list(label("environment_file")),
        files_differ: false,
        text,
        sha256,
        more,
        containers: Vec::new(),
    }
}

fn container_facts(at: &HostContext<'_>, container: &Container) -> Option<ContainerFacts> {
    let label = |key: &str| container.labels.get(&format!("com.docker.compose.{key}"));
    let digests = at
        .host
        .engine
        .image(&container.image_id)
        .map(|i| i.digests.clone());
    let depends_on = label("depends_on").map_or("", String::as_str);
    Some(ContainerFacts {
        service: ServiceName::new(container.service()?).ok()?,
        name: container.name.clone(),
        id: container.id.clone(),
        image: container.image.clone(),
        image_id: Sha256Id::new(container.image_id.as_str()).ok()?,
        digests: digests.unwrap_or_default(),
        status: container.status.as_str().to_owned(),
        exit_code: container.exit_code,
        health: container.health(&at.latency, at.now).map(str::to_owned),
        restarts: container.restart_count,
        started_at: container
            .started_at
            .map_or_else(|| "0001-01-01T00:00:00Z".to_owned(), |t| t.to_string()),
        restart_policy: container.restart_policy.clone(),
        pid: container.pid,
        binds: container
            .binds
            .iter()
            .filter(|bind| bind.kind == "bind")
            .map(|bind| BindFacts {
                source: bind.source.clone(),
                destination: bind.destination.clone(),
            })
            .collect(),
        depends_on: depends_on
            .split(',')
            .filter_map(|one| one.split(':').next())
            .filter(|name| !name.is_empty())
            .map(str::to_owned)
            .collect(),
        one_off: label("oneoff").map(String::as_str) == Some("True"),
        health_log: container.health_log(&at.latency, at.now),
        probed: None,
    })
}

/// What the declared probes say of their containers.
pub(super) fn probe(at: &mut HostContext<'_>, ask: &ProbeRequest) -> Result<ProbeFacts, HostError> {
    if !at.host.docker_active {
        return Err(HostError::Script {
            verb: "probe",
            code: "docker_down".to_owned(),
            message: "docker.service is inactive".to_owned(),
        });
    }
    at.settle();
    let probes = ask.probes.iter().map(|one| probed(at, one)).collect();
    Ok(ProbeFacts {
        probes,
        logs: ask.logs.iter().map(|_| String::new()).collect(),
    })
}

pub(super) fn probed(at: &HostContext<'_>, one: &HostProbe) -> Probed {
    let mut all = at.host.engine.containers.iter();
    let container = all.find(|c| c.name == one.container);
    let serves = container.map_or(Serves::Closed, |c| c.serves(&at.latency, at.now));
    let why = match (serves, &one.probe) {
        (Serves::Well, _) => "",
        (_, Probe::Command { .. }) => "exit 1: not ready to serve",
        (Serves::Closed, _) => "connection refused",
        (Serves::Sick, Probe::Http { .. }) => "HTTP 503",
        (Serves::Sick, Probe::Tcp { .. }) => "closed at once",
    };
    Probed {
        green: why.is_empty(),
        why: why.to_owned(),
        no_tool: false,
    }
}

/// What can be seen of a mount without the sentinel.
fn passive(host: &HostState, point: &str) -> MountFacts {
    let ours = host.efs.as_ref().filter(|efs| efs.point == point);
    let mut seen_inside = Vec::new();
    for container in host.engine.containers.iter().filter(|c| c.running()) {
        for bind in container.binds.iter().filter(|bind| {
            let rest = bind.source.strip_prefix(point);
            rest.is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
        }) {
            seen_inside.push(SeenInside {
                container: container.name.clone(),
                destination: bind.destination.clone(),
                mountinfo: Some(host.line_inside(container, bind, 610)),
            });
        }
    }
    let fstab = host.fstab();
    MountFacts {
        unmounted: Some(Vec::new()),
        point: point.to_owned(),
        mountinfo: host.mountinfo_at(point),
        fstab: fstab
            .lines()
            .filter(|line| line.split_whitespace().nth(1) == Some(point))
            .map(str::to_owned)
            .collect(),
        docker_requires: Some(host.docker_requires.clone()),
        efs_state_files: host.efs_state_files(),
        stat: match ours {
            Some(_) if host.mount == MountKind::Hang => "hangs".to_owned(),
            _ => "answered".to_owned(),
        },
        sentinel: String::new(),
        sentinel_written: false,
        seen_inside,
    }
}

pub(super) fn mount(at: &mut HostContext<'_>, write: bool, ask: &MountRequest) -> MountFacts {
    let mut facts = passive(at.host, &ask.point);
    let kind = at.host.mount;
    let place = match &at.host.efs {
        Some(efs) if efs.point == ask.point => efs.present_id(kind).unwrap_or("local").to_owned(),
        _ => "local".to_owned(),
    };
    let sentinels = &mut at.host.memory.sentinels;
    if kind == MountKind::Hang {
        facts.sentinel = "hangs".to_owned();
        return facts;
    }
    if write && facts.mountinfo.is_none() {
        facts.sentinel = "error: not mounted".to_owned();
        return facts;
    }
    if write && kind == MountKind::Readonly {
        facts.sentinel = "error: Read-only file system".to_owned();
        return facts;
    }
    if write {
        sentinels.insert(place.clone(), ask.token.clone());
        facts.sentinel_written = true;
    }
    let present = if sentinels.contains_key(&place) {
        "ok"
    } else {
        "none"
    };
    facts.sentinel = present.to_owned();
    facts
}

/// Each folder holds a README, as the sandbox's disk does, unless it was emptied or its file system is away.
pub(super) fn sample(at: &HostContext<'_>, ask: &SampleRequest) -> Vec<FolderSeen> {
    let one = |folder: &SampleFolder| {
        let empty = at.host.memory.emptied.contains(&folder.path);
        match at.host.mount {
            MountKind::Hang => FolderSeen::NotSeen {
                why: "no answer within the time limit".to_owned(),
            },
            MountKind::Ok | MountKind::Readonly if !empty => {
                let text = format!("data of {}\n", folder.path);
                FolderSeen::Seen {
                    apart: false,
                    count: 1,
                    files: vec![FileSeen {
                        name: "README".to_owned(),
                        size: text.len() as u64,
                        sha256: Some(sha256_hex(text.as_bytes())),
                    }],
                }
            }
            _ => FolderSeen::Seen {
                apart: false,
                count: 0,
                files: Vec::new(),
            },
        }
    };
    ask.folders.iter().map(one).collect()
}
