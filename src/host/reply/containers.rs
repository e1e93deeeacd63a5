//! Containers, as `docker inspect` tells them, sorted into compose projects.

use std::collections::BTreeMap;

use serde::Deserialize;

use super::docker_json;
use crate::host::envelope::garbled;
use crate::host::scripts::Verb;
use crate::host::{HELD_CONTAINER, HostError};
use crate::model::{BindFacts, ContainerFacts, ProjectFacts, ServiceName, Sha256Id};

/// One container, in the form that `scripts/facts.sh` asks for.
#[derive(Deserialize)]
pub(super) struct Inspected {
    id: String,
    name: String,
    image: String,
    image_id: String,
    status: String,
    exit_code: i64,
    started_at: String,
    pub(super) pid: u32,
    restarts: u32,
    policy: String,
    health: Option<String>,
    health_log: String,
    /// From lines of their own.
    #[serde(default)]
    binds: Vec<Option<(String, String)>>,
    labels: Labels,
}

/// The labels of compose; empty where there is none.
#[derive(Deserialize)]
struct Labels {
    project: String,
    service: String,
    files: String,
    dir: String,
    env: String,
    depends_on: String,
    oneoff: String,
}

impl Inspected {
    pub(super) fn name(&self) -> &str {
        self.name.strip_prefix('/').unwrap_or(&self.name)
    }

    pub(super) fn runs(&self) -> bool {
        self.status == "running"
    }

    pub(super) fn binds(&self) -> impl Iterator<Item = (&str, &str)> {
        self.binds
            .iter()
            .flatten()
            .map(|(s, d)| (s.as_str(), d.as_str()))
    }

    /// Its compose files, absolute: Compose v1 names them relative to the project's folder.
    fn files(&self) -> Vec<String> {
        split(&self.labels.files)
            .map(|file| match file.starts_with('/') {
                true => file.to_owned(),
                false => format!("{}/{file}", self.labels.dir.trim_end_matches('/')),
            })
            .collect()
    }
}

fn split(list: &str) -> impl Iterator<Item = &str> {
    list.split(',')
        .map(str::trim)
        .filter(|part| !part.is_empty())
}

/// Reads the lines `PID IMAGE JSON` and `B ID [FROM, AT]`; the other lines are for the shell.
pub(super) fn inspected(verb: Verb, lines: &str) -> Result<Vec<Inspected>, HostError> {
    let json = |line: &str| {
        let (pid, rest) = line.split_once(' ')?;
        pid.parse::<u32>().ok()?;
        let (_image, json) = rest.split_once(' ')?;
        json.starts_with('{').then(|| json.to_owned())
    };
    let mut all: Vec<Inspected> = lines
        .lines()
        .filter_map(json)
        .map(|json| docker_json(verb, "a container", &json))
        .collect::<Result<_, _>>()?;
    let binds = lines.lines().filter_map(|line| line.strip_prefix("B "));
    for (id, json) in binds.filter_map(|line| line.split_once(' ')) {
        let bind: (String, String) = docker_json(verb, "a bind mount", json)?;
        if let Some(container) = all.iter_mut().find(|c| c.id == id) {
            container.binds.push(Some(bind));
        }
    }
    Ok(all)
}

/// The projects, in the order of their names, and the names of the containers that are in none. Those that hold images
/// for us are left out.
pub(super) fn projects(
    verb: Verb,
    all: Vec<Inspected>,
    digests: &BTreeMap<String, Vec<String>>,
) -> Result<(Vec<ProjectFacts>, Vec<String>), HostError> {
    let mut groups: BTreeMap<String, Vec<(ServiceName, Inspected)>> = BTreeMap::new();
    let mut others = Vec::new();
    for container in all {
        if container.name().starts_with(HELD_CONTAINER) {
            continue;
        }
        match ServiceName::new(container.labels.service.as_str()) {
            Ok(service) if !container.labels.project.is_empty() => {
                let group = groups.entry(container.labels.project.clone()).or_default();
                group.push((service, container));
            }
            _ => others.push(container.name().to_owned()),
        }
    }
    others.sort();
    let projects = groups
        .into_iter()
        .map(|(name, group)| project(verb, name, group, digests))
        .collect::<Result<_, _>>()?;
    Ok((projects, others))
}

fn project(
    verb: Verb,
    name: String,
    group: Vec<(ServiceName, Inspected)>,
    digests: &BTreeMap<String, Vec<String>>,
) -> Result<ProjectFacts, HostError> {
    // Where the project is, its running services say; where none runs, all of them; what `compose run` left,
    // only if there is nothing else.
    let mut witnesses: Vec<&Inspected> = group.iter().map(|(_, c)| c).collect();
    let rules: [fn(&Inspected) -> bool; 2] = [|c| !c.one_off(), Inspected::runs];
    for rule in rules {
        if witnesses.iter().any(|c| rule(c)) {
            witnesses.retain(|c| rule(c));
        }
    }
    // The longest list first: an `up` with a file more leaves the containers alone that it does not change.
    witnesses.sort_by_key(|w| std::cmp::Reverse(w.files().len()));
    let longest = witnesses.first().map(|w| w.files().len());
    let mut files: Vec<String> = Vec::new();
    let mut env_files: Vec<String> = Vec::new();
    let mut working_dir = String::new();
    for witness in &witnesses {
        for (into, from) in [
            (&mut files, witness.files()),
            (
                &mut env_files,
                split(&witness.labels.env).map(str::to_owned).collect(),
            ),
        ] {
            for file in from {
                if !into.contains(&file) {
                    into.push(file);
                }
            }
        }
        if working_dir.is_empty() {
            working_dir.clone_from(&witness.labels.dir);
        }
    }
    let mut containers = group
        .into_iter()
        .map(|(service, c)| facts(verb, service, c, digests))
        .collect::<Result<Vec<_>, _>>()?;
    containers.sort_by(|a, b| (&a.service, &a.name).cmp(&(&b.service, &b.name)));
    Ok(ProjectFacts {
        name,
        working_dir,
        env_files,
        files_differ: longest.is_some_and(|n| n != files.len()),
        files,
        text: None,
        sha256: None,
        more: Vec::new(),
        containers,
    })
}

impl Inspected {
    fn one_off(&self) -> bool {
        self.labels.oneoff.eq_ignore_ascii_case("true")
    }
}

fn facts(
    verb: Verb,
    service: ServiceName,
    c: Inspected,
    digests: &BTreeMap<String, Vec<String>>,
) -> Result<ContainerFacts, HostError> {
    let image_id = Sha256Id::new(c.image_id.as_str())
        .map_err(|e| garbled(verb, "the id of a container's image", e.to_string()))?;
    Ok(ContainerFacts {
        service,
        name: c.name().to_owned(),
        digests: digests.get(&c.image_id).cloned().unwrap_or_default(),
        image_id,
        binds: c
            .binds()
            .map(|(source, destination)| BindFacts {
                source: source.to_owned(),
                destination: destination.to_owned(),
            })
            .collect(),
        // `service:condition:required`, or just the service (Compose v2 before 2.1).
        depends_on: split(&c.labels.depends_on)
            .map(|d| d.split(':').next().unwrap_or(d).to_owned())
            .collect(),
        one_off: c.one_off(),
        id: c.id,
        image: c.image,
        status: c.status,
        exit_code: c.exit_code,
        health: c.health,
        restarts: c.restarts,
        started_at: c.started_at,
        restart_policy: c.policy,
        pid: c.pid,
        health_log: c.health_log,
        probed: None,
    })
}
