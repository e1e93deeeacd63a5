//! What a lease says, and where it stands.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::Process;
use crate::cloud::{CloudError, Parameter, Parameters};
use crate::model::{DeploymentName, OperationId, Timestamp, quoted, shortened};

/// The schema of the text in a parameter.
pub const LEASE_SCHEMA: &str = "geusemaker.lease/1";

/// How far a lease is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Phase {
    /// Its owner has the number, and is still looking whether somebody else has one. It does not count yet.
    Claimed,
    /// Its owner holds the deployment.
    Held,
    /// It was held, or it broke one that was: whoever has a lower number has lost.
    Released,
    /// Its owner gave way. It never counted; only its number is used up.
    Yielded,
}

/// The text in a parameter.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
pub struct Lease {
    /// `geusemaker.lease/1`.
    pub schema: String,
    /// Who.
    #[serde(flatten)]
    pub owner: Process,
    /// For which operation.
    pub operation: OperationId,
    /// What for, e.g. `update`.
    pub reason: String,
    /// Since when.
    pub since: Timestamp,
    /// Once its heartbeat stood still for so long, it has run out. In milliseconds.
    pub lease_ms: u64,
    /// How far it is.
    pub phase: Phase,
    /// Counts the heartbeats.
    pub beat: u64,
    /// Its owner has not looked yet what was announced until it counted. Until then an operation of the lease below is
    /// open all the same.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub fresh: bool,
    /// The operation whose journal is open, and where that journal is.
    pub open_operation: Option<OpenElsewhere>,
    /// The operations that were given up with `unlock --force`, newest last: whoever has their journal must not
    /// go on with them.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub given_up: Vec<GivenUp>,
}

/// An operation that another machine gave up.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
pub struct GivenUp {
    /// The operation.
    pub id: OperationId,
    /// The machine on which it was given up.
    pub host: String,
    /// Who gave it up.
    pub user: String,
    /// When.
    pub at: Timestamp,
}

/// No lease is longer: a holder is watched for one before it is taken for gone.
const LONGEST: Duration = Duration::from_secs(3600);

/// The numbers end here: the shell of a host counts no further, and a fence is one that it compares.
const NO_NUMBER: u64 = i64::MAX.unsigned_abs();

/// So many characters say why a lease cannot be read.
const LONGEST_WHY: usize = 400;

/// A parameter holds 4096 characters; so many are remembered.
const MOST_GIVEN_UP: usize = 6;

/// An operation that has begun and not ended. Only the machine with its journal can go on with it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
pub struct OpenElsewhere {
    /// The operation.
    pub id: OperationId,
    /// The machine with the journal.
    pub host: String,
    /// Who began it.
    pub user: String,
    /// What for, e.g. `update`.
    pub kind: String,
    /// When.
    pub began_at: Timestamp,
}

impl Lease {
    /// The time after which it has run out.
    pub fn length(&self) -> Duration {
        Duration::from_millis(self.lease_ms)
    }

    /// Whether its number counts: it is held, or was.
    pub(super) fn counts(&self) -> bool {
        matches!(self.phase, Phase::Held | Phase::Released)
    }

    /// Who, for people.
    pub fn who(&self) -> String {
        format!(
            "{} (process {} on {}, user {}) since {}",
            quoted(&self.reason),
            self.owner.pid,
            quoted(&self.owner.host),
            quoted(&self.owner.user),
            self.since
        )
    }

    /// With one more that is given up; the oldest are forgotten.
    pub(super) fn gives_up(mut self, one: Option<GivenUp>) -> Self {
        self.given_up.extend(one);
        let too_many = self.given_up.len().saturating_sub(MOST_GIVEN_UP);
        self.given_up.drain(..too_many);
        self
    }

    pub(super) fn text(&self) -> String {
        serde_json::to_string(self).expect("strings and numbers")
    }
}

impl GivenUp {
    /// Who and when, for people.
    pub fn who(&self) -> String {
        format!(
            "by {} on {}, {}",
            quoted(&self.user),
            quoted(&self.host),
            self.at
        )
    }
}

impl OpenElsewhere {
    /// What and where, for people.
    pub fn what(&self) -> String {
        format!(
            "{} {} (begun on {} by {}, {})",
            quoted(&self.kind),
            self.id,
            quoted(&self.host),
            quoted(&self.user),
            self.began_at
        )
    }
}

/// A lease with its number. `Err`: a text that this version cannot read, and why.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Numbered {
    /// Its number, which is a fencing number.
    pub number: u64,
    /// What it says.
    pub lease: Result<Lease, String>,
}

/// Every lease of a deployment, lowest number first.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Leases(pub Vec<Numbered>);

/// The path of a deployment's leases.
pub fn folder(name: &DeploymentName) -> String {
    format!("/geusemaker/{name}/lock")
}

/// The name of one.
pub(super) fn parameter(name: &DeploymentName, number: u64) -> String {
    format!("{}/{number:010}", folder(name))
}

impl Leases {
    /// Reads them.
    ///
    /// # Errors
    /// The call's own.
    pub async fn look(
        parameters: &dyn Parameters,
        name: &DeploymentName,
    ) -> Result<Self, CloudError> {
        Ok(Self::of(parameters.by_path(&folder(name)).await?))
    }

    /// What these parameters say. Pure, and total on any text.
    pub fn of(parameters: Vec<Parameter>) -> Self {
        let mut all: Vec<Numbered> = parameters.into_iter().filter_map(numbered).collect();
        all.sort_by_key(|n| n.number);
        let mut all = Self(all);
        all.carry_over();
        all
    }

    /// What was announced below a lease whose owner has not looked yet is open there, too; also through several of them,
    /// where one owner after the other fell asleep behind its confirmation.
    fn carry_over(&mut self) {
        let mut announced = None;
        for lease in self.0.iter_mut().filter_map(|n| n.lease.as_mut().ok()) {
            if !lease.counts() {
                continue;
            }
            if lease.fresh && lease.open_operation.is_none() {
                lease.open_operation = announced;
            }
            announced = lease.open_operation.clone();
        }
    }

    /// The one that counted before this one did.
    pub(super) fn counting_below(&self, number: u64) -> Option<(u64, &Lease)> {
        let mut below = self.readable().filter(|(n, _)| *n < number);
        below.rfind(|(_, l)| l.counts())
    }

    /// The highest number of all, whether it counts or not; 0 where there is none.
    pub fn highest(&self) -> u64 {
        self.0.last().map_or(0, |n| n.number)
    }

    /// The one that counts: the highest that is held or was.
    pub fn counting(&self) -> Option<(u64, &Lease)> {
        self.readable().rev().find(|(_, l)| l.counts())
    }

    /// The operations that were given up so far.
    pub(super) fn given_up(&self) -> Vec<GivenUp> {
        self.counting()
            .map(|(_, lease)| lease.given_up.clone())
            .unwrap_or_default()
    }

    /// Those that can be read, lowest number first.
    pub fn readable(&self) -> impl DoubleEndedIterator<Item = (u64, &Lease)> {
        self.0
            .iter()
            .filter_map(|n| Some((n.number, n.lease.as_ref().ok()?)))
    }

    /// The newest that cannot be read, unless a readable one counts above it.
    pub fn damaged(&self) -> Option<(u64, &str)> {
        let above = self.counting().map_or(0, |(number, _)| number);
        let newest = self.0.iter().rev().find(|n| n.lease.is_err());
        let newest = newest.filter(|n| n.number > above)?;
        Some((newest.number, newest.lease.as_ref().err()?))
    }

    /// What this one says.
    pub(super) fn get(&self, number: u64) -> Option<&Lease> {
        self.readable().find(|(n, _)| *n == number).map(|(_, l)| l)
    }
}

/// A number above this one. `Err`: there is none, and why.
pub(super) fn above(number: u64) -> Result<u64, String> {
    match number.checked_add(1) {
        Some(next) if next < NO_NUMBER => Ok(next),
        _ => Err(
            "there is no number above it; nothing of ours makes such a parameter, delete it".into(),
        ),
    }
}

/// Names that are no number are none of ours.
fn numbered(parameter: Parameter) -> Option<Numbered> {
    let number = parameter.name.rsplit('/').next()?.parse().ok()?;
    let lease = above(number).and_then(|_| read(&parameter.value));
    Some(Numbered { number, lease })
}

fn read(text: &str) -> Result<Lease, String> {
    // It quotes what it found, which may be all of the text.
    let lease: Lease =
        serde_json::from_str(text).map_err(|e| shortened(e.to_string(), LONGEST_WHY))?;
    if lease.schema != LEASE_SCHEMA {
        return Err(format!("found schema {}", quoted(&lease.schema)));
    }
    match lease.length() <= LONGEST {
        true => Ok(lease),
        false => Err(format!(
            "found a lease of {} ms, expected at most {}",
            lease.lease_ms,
            LONGEST.as_millis()
        )),
    }
}
