//! A clock for tests.

use std::sync::Mutex;
use std::time::Duration;

use async_trait::async_trait;
use jiff::Timestamp;

use super::Clock;

/// Time passes only while somebody sleeps, and then at once.
pub(crate) struct VirtualClock {
    now: Mutex<Timestamp>,
    start: Timestamp,
    oversleep: Mutex<Duration>,
    awake: Mutex<Duration>,
}

impl VirtualClock {
    pub(crate) fn new() -> Self {
        let start: Timestamp = "2026-11-01T12:00:00Z".parse().unwrap();
        Self {
            now: Mutex::new(start),
            start,
            oversleep: Mutex::default(),
            awake: Mutex::default(),
        }
    }

    pub(crate) fn elapsed(&self) -> Duration {
        self.now().duration_since(self.start).try_into().unwrap()
    }

    pub(crate) fn advance(&self, by: Duration) {
        *self.now.lock().unwrap() += by;
        *self.awake.lock().unwrap() += by;
    }

    pub(crate) fn set_back(&self, by: Duration) {
        *self.now.lock().unwrap() -= by;
    }

    /// The next sleep takes this much longer.
    pub(crate) fn oversleep(&self, by: Duration) {
        *self.oversleep.lock().unwrap() = by;
    }
}

#[async_trait]
impl Clock for VirtualClock {
    fn now(&self) -> Timestamp {
        *self.now.lock().unwrap()
    }

    fn awake(&self) -> Duration {
        *self.awake.lock().unwrap()
    }

    async fn sleep(&self, how_long: Duration) {
        let more = std::mem::take(&mut *self.oversleep.lock().unwrap());
        self.advance(how_long);
        *self.now.lock().unwrap() += more;
    }
}
