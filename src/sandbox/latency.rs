//! How long things take in the sandbox.

use serde::{Deserialize, Serialize};

/// Each in milliseconds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Latency {
    /// `stopping` → `stopped`.
    pub stop: u64,
    /// `pending` → `running`.
    pub start: u64,
    /// `running` → the agent is online.
    pub agent: u64,
    /// `running` → both status checks are `ok`.
    pub status_checks: u64,
    /// A pull of an image.
    pub pull: u64,
    /// Start of a container → its health check says `healthy`.
    pub healthy: u64,
    /// How long an armed host waits for a silent controller before it judges by itself.
    #[serde(default = "ten_minutes")]
    pub restore: u64,
}

fn ten_minutes() -> u64 {
    600_000
}

impl Latency {
    /// A tenth of a second or less each.
    pub const FAST: Self = Self {
        stop: 60,
        start: 60,
        agent: 60,
        status_checks: 80,
        pull: 50,
        healthy: 80,
        restore: 600_000,
    };
    /// What EC2 takes, roughly; to be felt, not to be measured against.
    pub const REAL: Self = Self {
        stop: 35_000,
        start: 12_000,
        agent: 25_000,
        status_checks: 120_000,
        pull: 20_000,
        healthy: 8_000,
        restore: 600_000,
    };

    /// Whether every latency is a tenth of a second or less.
    pub fn is_fast(&self) -> bool {
        [
            self.stop,
            self.start,
            self.agent,
            self.status_checks,
            self.pull,
            self.healthy,
        ]
        .iter()
        .all(|ms| *ms <= 100)
    }
}

impl Default for Latency {
    fn default() -> Self {
        Self::FAST
    }
}
