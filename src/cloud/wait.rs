//! Waiting, with a deadline that is enforced.
//!
//! [`until`] is for a look that needs no memory; [`Wait`] is the same for a loop of the caller's own.

use std::future::Future;
use std::time::Duration;

use jiff::Timestamp;

use super::Clock;

/// The look at the deadline has this long to end.
const LAST_LOOK: Duration = Duration::from_secs(1);

/// What one look found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Probe<T> {
    /// It is so.
    Ready(T),
    /// Not yet; what was seen instead.
    NotYet(String),
}

/// The time ran out.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("waited {} s for {what}; last seen: {last}", waited.as_secs_f32().round())]
pub struct Deadline {
    /// What was waited for.
    pub what: String,
    /// For how long.
    pub waited: Duration,
    /// What the last look saw.
    pub last: String,
}

/// Why a wait ended without its goal.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum WaitError<E: std::error::Error + 'static> {
    /// The time ran out.
    #[error(transparent)]
    Deadline(#[from] Deadline),
    /// A look failed for good.
    #[error(transparent)]
    Probe(E),
}

/// Looks every `every` until the probe is ready, fails, or `limit` is over; `what` is said in the error.
/// See [`Wait`] for what a deadline means.
///
/// # Errors
/// [`WaitError::Deadline`] when the time ran out, [`WaitError::Probe`] with the probe's own error.
pub async fn until<T, E, P, F>(
    clock: &dyn Clock,
    every: Duration,
    limit: Duration,
    what: &str,
    mut probe: P,
) -> Result<T, WaitError<E>>
where
    E: std::error::Error + 'static,
    P: FnMut() -> F,
    F: Future<Output = Result<Probe<T>, E>>,
{
    let mut wait = Wait::begin(clock, every, limit, what);
    loop {
        match wait.look(probe()).await {
            Some(Ok(Probe::Ready(value))) => return Ok(value),
            Some(Ok(Probe::NotYet(seen))) => wait.pause(seen).await?,
            Some(Err(e)) => return Err(WaitError::Probe(e)),
            None => wait.pause("a look that does not end").await?,
        }
    }
}

/// A wait that goes on: look, then pause, and again.
///
/// The time is the wall clock's, so a machine that slept through the deadline does not wait on; it looks
/// once more first. A wall clock that is set back does not make it longer: the time that the machine was awake counts
/// in any case. There is always one look at least, and one at the deadline. A look that hangs is cut
/// off there too, at most a second later.
pub struct Wait<'a> {
    clock: &'a dyn Clock,
    every: Duration,
    limit: Duration,
    what: &'a str,
    start: Timestamp,
    /// When it began, in the time that the machine was awake.
    awake: Duration,
    /// Only that time counts.
    patience: bool,
    slept: Duration,
}

impl<'a> Wait<'a> {
    /// Begins now.
    pub fn begin(clock: &'a dyn Clock, every: Duration, limit: Duration, what: &'a str) -> Self {
        Self {
            clock,
            // Without a pause a look that never waits would starve everything else.
            every: every.max(Duration::from_millis(1)),
            limit,
            what,
            start: clock.now(),
            awake: clock.awake(),
            patience: false,
            slept: Duration::ZERO,
        }
    }

    /// Begins now, and counts only the time in which this machine is awake: for what passes by being asked
    /// again, as a network that is not there yet just after waking.
    pub fn patience(clock: &'a dyn Clock, every: Duration, limit: Duration) -> Self {
        Self {
            patience: true,
            ..Self::begin(clock, every, limit, "")
        }
    }

    /// How long it has been. A wall clock that was set back does not make it less than the time awake, nor than the pauses.
    pub fn waited(&self) -> Duration {
        let awake = self.clock.awake().saturating_sub(self.awake);
        let awake = awake.max(self.slept);
        if self.patience {
            return awake;
        }
        let by_the_clock = self.clock.now().duration_since(self.start);
        Duration::try_from(by_the_clock)
            .unwrap_or_default()
            .max(awake)
    }

    /// Whether the time is over, for who pauses by themselves. Asked before a look and judged after it: then the look
    /// decides after a sleep of the machine.
    pub fn is_over(&self) -> bool {
        self.waited() >= self.limit
    }

    /// One look. `None`: it did not end before the deadline, and was dropped.
    pub async fn look<F: Future>(&self, look: F) -> Option<F::Output> {
        let left = self.limit.saturating_sub(self.waited()).max(LAST_LOOK);
        // The runtime's timer, not the clock: a clock in a test may not move while a look goes on.
        tokio::time::timeout(left, look).await.ok()
    }

    /// Waits for the next look.
    ///
    /// # Errors
    /// [`Deadline`] when the time is over; `seen` is what the last look saw.
    pub async fn pause(&mut self, seen: impl Into<String>) -> Result<(), Deadline> {
        let waited = self.waited();
        if self.is_over() {
            return Err(Deadline {
                what: self.what.to_owned(),
                waited,
                last: seen.into(),
            });
        }
        let pause = self.every.min(self.limit - waited);
        self.clock.sleep(pause).await;
        self.slept += pause;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicU32, Ordering};

    use super::*;
    use crate::cloud::SystemClock;
    use crate::cloud::testing::VirtualClock;

    #[derive(Debug, PartialEq, Eq, thiserror::Error)]
    #[error("broken")]
    struct Broken;

    const S: Duration = Duration::from_secs(1);

    #[tokio::test]
    async fn ready_at_once_needs_no_time() {
        let clock = VirtualClock::new();
        let got = until(&clock, S, 10 * S, "x", async || {
            Ok::<_, Broken>(Probe::Ready(7))
        })
        .await;
        assert_eq!(got, Ok(7));
        assert_eq!(clock.elapsed(), Duration::ZERO);
    }

    #[tokio::test]
    async fn the_deadline_names_what_how_long_and_what_was_seen_last() {
        let clock = VirtualClock::new();
        let looks = AtomicU32::new(0);
        let got: Result<(), WaitError<Broken>> =
            until(&clock, 3 * S, 10 * S, "the moon", || async {
                let n = looks.fetch_add(1, Ordering::Relaxed) + 1;
                Ok(Probe::NotYet(format!("cloud {n}")))
            })
            .await;
        // At 0, 3, 6, 9 and at the deadline itself.
        assert_eq!(
            got,
            Err(WaitError::Deadline(Deadline {
                what: "the moon".into(),
                waited: 10 * S,
                last: "cloud 5".into(),
            }))
        );
        assert_eq!(
            got.unwrap_err().to_string(),
            "waited 10 s for the moon; last seen: cloud 5"
        );
    }

    #[tokio::test]
    async fn a_failed_look_ends_the_wait() {
        let clock = VirtualClock::new();
        let got: Result<(), _> = until(&clock, S, 10 * S, "x", || async {
            Err::<Probe<()>, _>(Broken)
        })
        .await;
        assert_eq!(got, Err(WaitError::Probe(Broken)));
        assert_eq!(clock.elapsed(), Duration::ZERO);
    }

    #[tokio::test]
    async fn after_a_long_sleep_of_the_machine_there_is_one_more_look() {
        let clock = VirtualClock::new();
        let looks = AtomicU32::new(0);
        let got = until(&clock, S, 10 * S, "x", || async {
            if looks.fetch_add(1, Ordering::Relaxed) == 0 {
                clock.advance(3600 * S);
                return Ok::<_, Broken>(Probe::NotYet("one".into()));
            }
            Ok(Probe::Ready(()))
        })
        .await;
        // The hour passed within the look: the time is over then.
        assert!(matches!(got, Err(WaitError::Deadline(_))));

        // The hour passes in the pause: the look after it decides.
        let clock = VirtualClock::new();
        clock.oversleep(3600 * S);
        looks.store(0, Ordering::Relaxed);
        let got = until(&clock, S, 10 * S, "x", || async {
            if looks.fetch_add(1, Ordering::Relaxed) == 0 {
                return Ok::<_, Broken>(Probe::NotYet("one".into()));
            }
            Ok(Probe::Ready(()))
        })
        .await;
        assert_eq!(got, Ok(()));
    }

    #[tokio::test]
    async fn a_patience_does_not_run_out_in_a_sleep_of_the_machine() {
        let clock = VirtualClock::new();
        let mut wait = Wait::patience(&clock, S, 10 * S);
        clock.oversleep(3600 * S);
        wait.pause("x").await.unwrap();
        assert_eq!(wait.waited(), S);
        assert_eq!(clock.elapsed(), 3601 * S);
        while wait.pause("x").await.is_ok() {}
        assert_eq!(clock.elapsed(), 3610 * S, "and it ends");
    }

    #[tokio::test]
    async fn a_clock_that_goes_back_does_not_make_the_wait_endless() {
        let clock = VirtualClock::new();
        let looks = AtomicU32::new(0);
        let got: Result<(), WaitError<Broken>> = until(&clock, S, 5 * S, "x", || async {
            looks.fetch_add(1, Ordering::Relaxed);
            clock.set_back(2 * S);
            Ok(Probe::NotYet("x".into()))
        })
        .await;
        assert!(matches!(got, Err(WaitError::Deadline(_))), "{got:?}");
        assert_eq!(looks.load(Ordering::Relaxed), 6);
    }

    #[tokio::test]
    async fn a_clock_that_is_set_back_does_not_make_long_looks_wait_longer() {
        let clock = VirtualClock::new();
        let wait = Wait::begin(&clock, S, 10 * S, "x");
        clock.advance(4 * S);
        clock.set_back(3 * 3600 * S);
        assert!(!wait.is_over());
        clock.advance(6 * S);
        assert_eq!(wait.waited(), 10 * S);
        assert!(wait.is_over());
    }

    #[tokio::test]
    async fn a_look_that_hangs_is_cut_off() {
        let start = std::time::Instant::now();
        let got: Result<(), WaitError<Broken>> = until(
            &SystemClock,
            Duration::from_millis(5),
            Duration::from_millis(20),
            "an answer",
            std::future::pending,
        )
        .await;
        let Err(WaitError::Deadline(e)) = got else {
            panic!("{got:?}")
        };
        assert_eq!(e.last, "a look that does not end");
        assert!(start.elapsed() < Duration::from_secs(10));
    }
}
