//! The clock, as a port: the core never reads it by itself.

use std::time::Duration;

use async_trait::async_trait;
use jiff::Timestamp;

/// Time as the shell sees it.
#[async_trait]
pub trait Clock: Send + Sync {
    /// Now, by the wall clock (a machine asleep for an hour has lost that hour).
    fn now(&self) -> Timestamp;
    /// Waits.
    async fn sleep(&self, how_long: Duration);
}

/// The machine's own clock.
#[derive(Debug, Clone, Copy, Default)]
pub struct SystemClock;

#[async_trait]
impl Clock for SystemClock {
    fn now(&self) -> Timestamp {
        Timestamp::now()
    }

    async fn sleep(&self, how_long: Duration) {
        tokio::time::sleep(how_long).await;
    }
}
