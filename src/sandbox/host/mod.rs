//! The host of a sandbox instance: its Docker, its mounts, its folder.

use serde::{Deserialize, Serialize};

use crate::model::Timestamp;

/// All that a host is, beside its folder on disk. Part of the world; changed only under its lock.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub struct HostState {
    /// Another one after each boot.
    pub boot_id: String,
}

impl HostState {
    /// The power goes off (the instance reached `stopped`): every container stops, every process dies.
    pub fn power_off(&mut self, _now: Timestamp) {}

    /// The instance reached `running`: mounts, Docker, and the containers whose policy says so.
    pub fn boot(&mut self, _now: Timestamp) {}
}
