//! The clock, as a port: the core never reads it by itself.

use std::sync::LazyLock;
use std::time::{Duration, Instant};

use async_trait::async_trait;
use jiff::Timestamp;

/// Time as the shell sees it.
#[async_trait]
pub trait Clock: Send + Sync {
    /// Now, by the wall clock (a machine asleep for an hour has lost that hour).
    fn now(&self) -> Timestamp;
    /// How long this machine was awake, from some moment on. A deadline goes by the wall clock: the other side
    /// had that time. A patience goes by this: while the machine slept nobody asked.
    fn awake(&self) -> Duration {
        Duration::try_from(self.now().duration_since(Timestamp::UNIX_EPOCH)).unwrap_or_default()
    }
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

    fn awake(&self) -> Duration {
        // `Instant` stands still while the system is suspended (std: CLOCK_MONOTONIC, CLOCK_UPTIME_RAW).
        static START: LazyLock<Instant> = LazyLock::new(Instant::now);
        START.elapsed()
    }

    async fn sleep(&self, how_long: Duration) {
        tokio::time::sleep(how_long).await;
    }
}
