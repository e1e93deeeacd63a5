//! The one timer of this host, as systemd would run it: a function of (state, now).

use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};

use super::timer_unit::TimerUnit;

/// `geusemaker-restore.timer` and its service.
///
/// Time itself starts nothing here: a moment that was due leaves a tick, one however many were missed, and
/// the host's agent process takes it.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct RestoreTimer {
    /// The unit files, as systemd read them last.
    pub unit: Option<TimerUnit>,
    /// Whether the boot starts it.
    pub enabled: bool,
    /// Since when it is active; None while it is not.
    activated: Option<Timestamp>,
    /// The last boot; None for one long ago.
    booted: Option<Timestamp>,
    /// When it elapsed last in this boot.
    elapsed: Option<Timestamp>,
    /// When the service ended last in this boot.
    ended: Option<Timestamp>,
    /// The service.
    service: Service,
}

/// How far a start of the service is.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Service {
    #[default]
    Dead,
    /// It is to be started.
    Queued,
    Running,
}

/// What the agent process is to run for the service.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Tick {
    /// Program and arguments.
    pub exec: Vec<String>,
    /// It is killed after this time; a oneshot has none of its own.
    pub limit: Option<SignedDuration>,
    /// What it leaves behind lives on.
    pub spares_children: bool,
}

impl RestoreTimer {
    /// Whether it is active.
    pub fn active(&self) -> bool {
        self.activated.is_some()
    }

    /// `systemctl start`; does nothing while it is active.
    pub fn start(&mut self, now: Timestamp) {
        self.activated.get_or_insert(now);
    }

    /// `systemctl stop`. The service goes on if it runs already.
    pub fn stop(&mut self) {
        self.activated = None;
    }

    /// The host booted.
    pub fn boot(&mut self, now: Timestamp) {
        *self = Self {
            unit: self.unit.take(),
            enabled: self.enabled,
            activated: self.enabled.then_some(now),
            booted: Some(now),
            ..Self::default()
        };
    }

    /// The power went off: what waited or ran is gone.
    pub fn power_off(&mut self) {
        self.activated = None;
        self.service = Service::Dead;
    }

    /// When it elapses next. A moment that lay before the start of the timer is the start itself for
    /// `OnBootSec=`; a moment by boot or start comes once. (systemd.timer(5))
    pub fn due(&self) -> Option<Timestamp> {
        let (unit, activated) = (self.unit.as_ref()?, self.activated?);
        if self.service != Service::Dead {
            return None;
        }
        let once = |at: Option<Timestamp>| {
            at.filter(|at| self.elapsed.is_none_or(|elapsed| *at > elapsed))
        };
        let by_boot = unit.on_boot.map(|span| match self.booted {
            Some(booted) => (booted + span).max(activated),
            None => activated,
        });
        let by_start = unit.on_active.map(|span| activated + span);
        let again = unit
            .on_unit_inactive
            .and_then(|span| Some((self.ended? + span).max(activated)));
        [once(by_boot), once(by_start), again]
            .into_iter()
            .flatten()
            .min()
    }

    /// Time passes on a host that is on: what was due leaves a tick.
    pub fn advance(&mut self, now: Timestamp) {
        if self.due().is_some_and(|due| due <= now) {
            self.elapsed = Some(now);
            self.service = Service::Queued;
        }
    }

    /// Whether a tick waits for the agent process.
    pub fn waits(&self) -> bool {
        self.service == Service::Queued
    }

    /// Whether a tick waits for the agent process, or is run by it.
    pub fn ticking(&self) -> bool {
        self.service != Service::Dead
    }

    /// The tick that waits; it runs from here on.
    pub fn take(&mut self) -> Option<Tick> {
        let unit = self
            .unit
            .as_ref()
            .filter(|_| self.service == Service::Queued)?;
        let tick = Tick {
            exec: unit.exec.clone(),
            limit: unit.limit,
            spares_children: unit.spares_children,
        };
        self.service = Service::Running;
        Some(tick)
    }

    /// The tick has ended, well or not.
    pub fn end(&mut self, now: Timestamp) {
        if self.service == Service::Running {
            self.service = Service::Dead;
            self.ended = Some(now);
            // What would have come once, while it ran, is over.
            self.elapsed = Some(now);
        }
    }

    /// A new agent process has come: what an earlier one was in the middle of is to be run again.
    pub fn interrupt(&mut self) {
        if self.service == Service::Running {
            self.service = Service::Queued;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sandbox::host::docker::test_kit::at;

    fn timer(boot_s: i64, active_s: i64, again_s: i64) -> RestoreTimer {
        let span = |s: i64| (s >= 0).then(|| SignedDuration::from_secs(s));
        RestoreTimer {
            unit: Some(TimerUnit {
                on_boot: span(boot_s),
                on_active: span(active_s),
                on_unit_inactive: span(again_s),
                wanted: true,
                exec: vec!["/bin/true".to_owned()],
                ..TimerUnit::default()
            }),
            ..RestoreTimer::default()
        }
    }

    fn s(seconds: i64) -> Timestamp {
        at(seconds * 1000)
    }

    #[test]
    fn missed_moments_leave_one_tick_and_the_next_counts_from_its_end() {
        let mut timer = timer(-1, 15, 15);
        timer.advance(s(1000));
        assert!(!timer.ticking(), "it is not active");
        timer.start(s(0));
        timer.start(s(5));
        assert_eq!(timer.due(), Some(s(15)));
        timer.advance(s(14));
        assert!(!timer.ticking());
        timer.advance(s(3600));
        assert!(timer.ticking());
        assert_eq!(timer.due(), None, "nothing gathers behind it");
        assert_eq!(timer.take().unwrap().exec, ["/bin/true"]);
        assert_eq!(timer.take(), None, "one, however many were missed");
        timer.advance(s(7200));
        timer.end(s(7201));
        assert_eq!(timer.due(), Some(s(7216)), "by start it elapses once");
        timer.advance(s(7216));
        timer.stop();
        assert!(
            timer.take().is_some(),
            "a start that waits is not taken back"
        );
        timer.end(s(7217));
        assert_eq!((timer.due(), timer.active()), (None, false));
    }

    #[test]
    fn a_boot_starts_what_is_enabled_and_power_off_drops_what_waits() {
        for enabled in [true, false] {
            let mut timer = timer(20, -1, 15);
            timer.enabled = enabled;
            timer.start(s(0));
            assert_eq!(timer.due(), Some(s(0)), "its boot is long ago");
            timer.advance(s(0));
            timer.power_off();
            assert_eq!((timer.take(), timer.due()), (None, None));
            timer.boot(s(100));
            assert_eq!(timer.active(), enabled);
            assert_eq!(timer.due(), enabled.then(|| s(120)));
            timer.advance(s(200));
            assert_eq!(timer.take().is_some(), enabled);
        }
    }

    #[test]
    fn a_tick_whose_agent_died_is_run_again() {
        let mut timer = timer(-1, 0, 15);
        timer.start(s(0));
        timer.advance(s(0));
        timer.take().unwrap();
        timer.interrupt();
        assert!(timer.take().is_some());
        timer.end(s(1));
        timer.interrupt();
        assert_eq!(timer.take(), None);
    }
}
