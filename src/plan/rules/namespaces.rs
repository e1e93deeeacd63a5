//! Namespaces that services share: whoever lives in another one's is bound to that very container.

use std::collections::{BTreeMap, BTreeSet};

use super::Ask;
use crate::containers::{ServiceDoc, read_project};
use crate::model::{ContainerFacts, DesiredImage, HostFacts, ProjectFacts, ServiceName};
use crate::plan::Check;
use crate::plan::namespaces::joined;
use crate::plan::stack::says;

const NAME: &str = "shared_namespace";

/// Compose 2.21 forgot with `--no-deps` whose namespace it is (its issue 10997); with this one it was seen to know it.
const KNOWS_IT: (u32, u32) = (2, 26);

pub(super) fn check(ask: &Ask) -> Vec<Check> {
    let (Some(facts), Some(project)) = (ask.observed.host.facts(), ask.project()) else {
        return Vec::new();
    };
    let Some(services) = project.texts().and_then(|texts| read_project(&texts).ok()) else {
        return Vec::new();
    };
    let wanted = ask.desired.images.iter();
    wanted
        .filter(|(name, want)| made_anew(facts, project, services.get(*name), name, want))
        .flat_map(|(name, _)| {
            [
                owner(project, &services, name),
                guest(facts, &services, name),
            ]
        })
        .flatten()
        .collect()
}

/// Whether its container may be made anew: it runs, and is not known to run what is wanted already.
fn made_anew(
    facts: &HostFacts,
    project: &ProjectFacts,
    doc: Option<&ServiceDoc>,
    name: &ServiceName,
    want: &DesiredImage,
) -> bool {
    let mut all = project.containers.iter();
    let Some(container) = all.find(|c| c.service == *name && c.running() && !c.one_off) else {
        return false;
    };
    let runs = Some(&container.image_id);
    if want.id.is_some() {
        return want.id.as_ref() != runs;
    }
    // Where the text changes a pull may bring another image than the one that the host has.
    let known = facts.images.get(&want.reference.normalized());
    !says(doc, Some(container), &want.reference) || known.map(|i| &i.id) != runs
}

/// Others live in its namespaces: with its container they lose them, and Docker starts none of them again.
fn owner(
    project: &ProjectFacts,
    services: &BTreeMap<ServiceName, ServiceDoc>,
    name: &ServiceName,
) -> Option<Check> {
    let mut keys = BTreeSet::new();
    let lives = |c: &&ContainerFacts| {
        let doc = services.get(&c.service).filter(|_| !c.one_off);
        let all = doc.into_iter().flat_map(|d| joined(d, &project.containers));
        let before = keys.len();
        let said = all.filter(|(_, of)| *of == name.as_str() && c.service != *name);
        let said: Vec<String> = said
            .map(|(key, _)| format!("{}.{key}", c.service))
            .collect();
        keys.extend(said);
        keys.len() > before
    };
    let guests: BTreeSet<&str> = project
        .containers
        .iter()
        .filter(lives)
        .map(|c| c.service.as_str())
        .collect();
    if guests.is_empty() {
        return None;
    }
    let guests = guests.into_iter().collect::<Vec<_>>().join(" ");
    Some(Check::refuse(
        NAME,
        format!(
            "{guests} would lose the namespace of {name}: it is bound to the container, which a new image replaces"
        ),
        keys.into_iter().collect::<Vec<_>>().join(", "),
        format!("no service in a namespace of {name}"),
        format!(
            "by hand: set the image of {name} in the file, then `docker compose up -d {name}`, and when it is up `docker compose up -d --force-recreate {guests}`"
        ),
    ))
}

/// It lives in another one's, and this Compose would not find that one again.
fn guest(
    facts: &HostFacts,
    services: &BTreeMap<ServiceName, ServiceDoc>,
    name: &ServiceName,
) -> Option<Check> {
    use crate::containers::NamespaceOf::Service;
    let said = services.get(name)?.namespaces.joined();
    let keys: Vec<_> = said
        .filter(|(_, of)| matches!(of, Service(_)))
        .map(|(key, _)| format!("{name}.{key}"))
        .collect();
    let version = facts.compose.as_deref()?;
    if keys.is_empty() || major_minor(version).is_some_and(|v| v >= KNOWS_IT) {
        return None;
    }
    Some(Check::refuse(
        NAME,
        format!(
            "{name} lives in a namespace of another service, which Docker Compose {version} may lose"
        ),
        format!("{}, and Docker Compose {version}", keys.join(", ")),
        format!("Docker Compose {}.{} or newer", KNOWS_IT.0, KNOWS_IT.1),
        "update the package docker-compose-plugin on the host",
    ))
}

fn major_minor(version: &str) -> Option<(u32, u32)> {
    let mut parts = version.trim_start_matches('v').split('.');
    Some((parts.next()?.parse().ok()?, parts.next()?.parse().ok()?))
}

#[cfg(test)]
#[path = "namespaces_tests.rs"]
mod tests;
