//! In which order containers start and stop.

use std::collections::{BTreeMap, BTreeSet};

use super::namespaces::joined;
use crate::containers::ServiceDoc;
use crate::model::{ContainerFacts, ServiceName};

/// The containers that run, each behind those that it depends on: by its label `com.docker.compose.depends_on`, and by
/// the compose files (`services`), since an `up --no-deps`, as ours is, leaves the label empty (seen). Whose namespace it lives in
/// starts first as well: without it Docker refuses the start. By name where nothing else decides. One-off containers of `compose run` are not part of the stack. A circle, which Compose refuses, ends up in name
/// order.
pub fn start_order<'a>(
    containers: &'a [ContainerFacts],
    services: &BTreeMap<ServiceName, ServiceDoc>,
) -> Vec<&'a ContainerFacts> {
    let mut waiting: Vec<&ContainerFacts> = containers
        .iter()
        .filter(|c| c.running() && !c.one_off)
        .collect();
    waiting.sort_by(|a, b| a.name.cmp(&b.name));
    let mut ordered: Vec<&ContainerFacts> = Vec::with_capacity(waiting.len());
    while !waiting.is_empty() {
        let still: BTreeSet<&str> = waiting.iter().map(|c| c.service.as_str()).collect();
        let free = waiting
            .iter()
            .position(|c| {
                let doc = services.get(&c.service);
                let said = doc.into_iter().flat_map(|doc| &doc.depends_on);
                let joined = doc.into_iter().flat_map(|doc| joined(doc, containers));
                c.depends_on
                    .iter()
                    .chain(said)
                    .map(String::as_str)
                    .chain(joined.map(|(_, of)| of))
                    .all(|d| d == c.service.as_str() || !still.contains(d))
            })
            .unwrap_or(0);
        ordered.push(waiting.remove(free));
    }
    ordered
}

/// The reverse: what others depend on stops last.
pub fn stop_order<'a>(started: &[&'a ContainerFacts]) -> Vec<&'a ContainerFacts> {
    started.iter().rev().copied().collect()
}
