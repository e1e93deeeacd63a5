//! `latency set KEY=DUR…`

use super::super::value;
use crate::sandbox::latency::Latency;

/// One of the latencies.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LatencyKey {
    /// `stop`
    Stop,
    /// `start`
    Start,
    /// `agent`
    Agent,
    /// `status_checks`
    StatusChecks,
    /// `pull`
    Pull,
    /// `healthy`
    Healthy,
    /// `restore`
    Restore,
}

impl LatencyKey {
    const ALL: [Self; 7] = [
        Self::Stop,
        Self::Start,
        Self::Agent,
        Self::StatusChecks,
        Self::Pull,
        Self::Healthy,
        Self::Restore,
    ];

    /// The public word.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Stop => "stop",
            Self::Start => "start",
            Self::Agent => "agent",
            Self::StatusChecks => "status_checks",
            Self::Pull => "pull",
            Self::Healthy => "healthy",
            Self::Restore => "restore",
        }
    }

    fn of(self, latency: &mut Latency) -> &mut u64 {
        match self {
            Self::Stop => &mut latency.stop,
            Self::Start => &mut latency.start,
            Self::Agent => &mut latency.agent,
            Self::StatusChecks => &mut latency.status_checks,
            Self::Pull => &mut latency.pull,
            Self::Healthy => &mut latency.healthy,
            Self::Restore => &mut latency.restore,
        }
    }
}

/// A change of the latencies.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum LatencyChange {
    /// All fast.
    Fast,
    /// All real.
    Real,
    /// These, in milliseconds; the others stay.
    Set(Vec<(LatencyKey, u64)>),
}

impl LatencyChange {
    /// The latencies after it.
    pub fn apply(&self, mut latency: Latency) -> Latency {
        match self {
            Self::Fast => Latency::FAST,
            Self::Real => Latency::REAL,
            Self::Set(pairs) => {
                for (key, ms) in pairs {
                    *key.of(&mut latency) = *ms;
                }
                latency
            }
        }
    }
}

/// `KEY=DUR`
pub fn pair(text: &str) -> Result<(LatencyKey, u64), String> {
    let (key, duration) = text.split_once('=').ok_or("not KEY=DUR: like stop=2s")?;
    let key = LatencyKey::ALL
        .into_iter()
        .find(|known| known.as_str() == key)
        .ok_or("KEY is not one of stop, start, agent, status_checks, pull, healthy, restore")?;
    let ms = value::millis(duration).map_err(|why| format!("DUR is {why}"))?;
    Ok((key, ms))
}
