//! `order`.

use crate::efs::DROP_IN_FILE;
use crate::host::{OrderFacts, OrderRequest};
use crate::sandbox::host::files::HostFiles;
use crate::sandbox::host::state::HostState;

pub(super) fn order(host: &mut HostState, write: bool, ask: &OrderRequest) -> OrderFacts {
    let mut files = std::mem::take(&mut host.memory.files);
    let waits = |host: &HostState| host.docker_requires.contains(&ask.unit);
    if write && !waits(host) && host.fragment(&ask.unit, &files).is_some() {
        let before = files.clone();
        if files.write(DROP_IN_FILE, &ask.text).is_ok() {
            host.read_units(&files);
        }
        if !waits(host) {
            files = before;
            host.read_units(&files);
        }
    }
    let unit_file = host.fragment(&ask.unit, &files).unwrap_or_default();
    host.memory.files = files;
    OrderFacts {
        requires: Some(host.docker_requires.clone()),
        unit_file,
        fstab: host
            .fstab()
            .lines()
            .filter(|line| line.split_whitespace().nth(1) == Some(&ask.point))
            .map(str::to_owned)
            .collect(),
        left: false,
    }
}
