//! How patient the verbs are.

use std::time::Duration;

/// How long each wait may take, and how often it looks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Settings {
    /// Between two looks.
    pub poll: Duration,
    /// A stop that has not come to its end by then is forced (`StopInstances` with `Force`).
    pub force_after: Duration,
    /// A forced stop, or a stop that had begun before, may take this long.
    pub stop_limit: Duration,
    /// `StartInstances` until `running`.
    pub start_limit: Duration,
    /// A start that EC2 took may still read `stopped`, for the old reason, this long.
    pub start_seen_limit: Duration,
    /// A start that EC2 has no capacity for, or that fell back for a reason of EC2's own, is tried again
    /// this long, from the first refusal on. Zero going forward: the way back is better than a long outage.
    pub start_patience: Duration,
    /// An effect that is refused because an earlier one is not yet known everywhere is tried again this
    /// long.
    pub settle_limit: Duration,
    /// A changed type reads back within this time.
    pub type_limit: Duration,
    /// A call that is throttled, or fails by a fault of AWS's own, is tried again this long. The SDK's own
    /// retries come before that.
    pub retry_limit: Duration,
    /// A call that did not reach AWS, or whose answer did not come back, is tried again this long.
    pub unreachable_limit: Duration,
}

impl Default for Settings {
    /// For AWS, generously: most stops and starts end within a minute, and a forced stop may lose what
    /// the system had not written yet (EC2 API, `StopInstances`).
    fn default() -> Self {
        Self {
            poll: Duration::from_secs(1),
            force_after: Duration::from_secs(5 * 60),
            stop_limit: Duration::from_secs(5 * 60),
            start_limit: Duration::from_secs(5 * 60),
            start_seen_limit: Duration::from_secs(15),
            start_patience: Duration::ZERO,
            settle_limit: Duration::from_secs(60),
            type_limit: Duration::from_secs(60),
            retry_limit: Duration::from_secs(2 * 60),
            unreachable_limit: Duration::from_secs(2 * 60),
        }
    }
}
