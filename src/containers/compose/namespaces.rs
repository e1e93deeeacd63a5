//! Whose namespaces a service lives in.

use std::collections::BTreeMap;

use serde_yaml::Mapping;

/// The keys that can put a service into a namespace of another container.
const KEYS: [&str; 3] = ["network_mode", "ipc", "pid"];

/// What `network_mode`, `ipc` and `pid` of a service say.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Namespaces(BTreeMap<&'static str, String>);

/// Whose namespace it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum NamespaceOf<'a> {
    /// `service:NAME`
    Service(&'a str),
    /// `container:NAME`, or the beginning of an id
    Container(&'a str),
}

impl Namespaces {
    /// What this service says.
    pub(super) fn of(service: &Mapping) -> Self {
        let said = |key| Some((key, service.get(key)?.as_str()?.to_owned()));
        Self(KEYS.into_iter().filter_map(said).collect())
    }

    /// A later file over an earlier one.
    pub(super) fn overlay(&mut self, later: Self) {
        self.0.extend(later.0);
    }

    /// The keys that name another container, each with whose namespace it is.
    pub fn joined(&self) -> impl Iterator<Item = (&'static str, NamespaceOf<'_>)> {
        self.0.iter().filter_map(|(key, said)| {
            let of = match said.split_once(':')? {
                ("service", name) => NamespaceOf::Service(name),
                ("container", name) => NamespaceOf::Container(name),
                _ => return None,
            };
            Some((*key, of))
        })
    }
}

#[cfg(test)]
mod tests {
    use super::super::read_project;
    use super::NamespaceOf::{Container, Service};
    use crate::plan::fixtures::service;

    #[test]
    fn reads_whose_namespaces_a_service_lives_in() {
        let base =
            "services:\n  a: {image: x, network_mode: 'service:vpn', ipc: shareable, pid: host}\n";
        let over = "services:\n  a: {pid: 'container:other', ipc: 'service:b'}\n";
        let joined = |texts: &[&str]| {
            let read = read_project(texts).expect("it can be read");
            let said = &read[&service("a")].namespaces;
            format!("{:?}", said.joined().collect::<Vec<_>>())
        };
        assert_eq!(
            joined(&[base]),
            format!("{:?}", [("network_mode", Service("vpn"))])
        );
        let all = [
            ("ipc", Service("b")),
            ("network_mode", Service("vpn")),
            ("pid", Container("other")),
        ];
        assert_eq!(joined(&[base, over]), format!("{all:?}"));
        // A later file says it over.
        let own = "services:\n  a: {network_mode: bridge}\n";
        assert_eq!(joined(&[base, own]), "[]");
    }
}
