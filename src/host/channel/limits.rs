//! How patient the channel is.

use std::time::Duration;

/// Times and counts of the channel. [`Default`] is right for AWS; the sandbox answers sooner.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ChannelLimits {
    /// The first wait for a result; it doubles up to `poll_most`.
    pub poll_first: Duration,
    /// The longest wait between two looks at a result.
    pub poll_most: Duration,
    /// An invocation may not exist right after the send, for at most this long.
    pub appears_within: Duration,
    /// `TimeoutSeconds` of the send, which bounds the delivery only; AWS takes no less than 30.
    pub delivery_s: u32,
    /// `executionTimeout` of a script, in seconds; a mount gets its probes' time on top.
    pub execution_s: u32,
    /// After delivery and execution: how much later the result may come.
    pub grace: Duration,
    /// How often a call that was throttled, or whose answer was lost, is made again.
    pub retries: u32,
    /// The wait before the first of them; it doubles.
    pub backoff: Duration,
}

impl Default for ChannelLimits {
    fn default() -> Self {
        Self {
            poll_first: Duration::from_millis(100),
            poll_most: Duration::from_millis(500),
            appears_within: Duration::from_secs(20),
            delivery_s: 30,
            execution_s: 60,
            grace: Duration::from_secs(15),
            retries: 5,
            backoff: Duration::from_millis(250),
        }
    }
}

impl ChannelLimits {
    /// For an endpoint that answers at once.
    pub fn fast() -> Self {
        Self {
            poll_first: Duration::from_millis(10),
            poll_most: Duration::from_millis(80),
            backoff: Duration::from_millis(20),
            ..Self::default()
        }
    }
}
