//! Which services live in namespaces of which others.

use crate::containers::{NamespaceOf, ServiceDoc};
use crate::model::ContainerFacts;

/// The services in whose namespaces this one lives, each behind the key that says so. A container of another project is
/// none of them.
pub fn joined<'a>(
    doc: &'a ServiceDoc,
    containers: &'a [ContainerFacts],
) -> impl Iterator<Item = (&'static str, &'a str)> {
    doc.namespaces.joined().filter_map(|(key, of)| {
        let service = match of {
            NamespaceOf::Service(name) => name,
            NamespaceOf::Container(name) => {
                let is = |c: &&ContainerFacts| c.name == name || c.id == name;
                containers.iter().find(is)?.service.as_str()
            }
        };
        Some((key, service))
    })
}
