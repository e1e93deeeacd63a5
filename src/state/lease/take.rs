//! Taking the lease: look, watch where that is needed, claim, look again, hold.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use super::judge::{Here, Seen, Verdict, judge};
use super::record::{LEASE_SCHEMA, Leases, above, parameter};
use super::{GivenUp, Held, Lease, OpenElsewhere, Phase, Process};
use crate::cloud::{Clock, CloudError, CloudErrorKind, Parameters};
use crate::model::{DeploymentName, OperationId, Timestamp};

/// How often somebody else may come between before it is given up.
const ROUNDS: u32 = 10;

/// Why the lease was not taken.
#[derive(Debug, thiserror::Error)]
pub enum LeaseError {
    /// Somebody holds it.
    #[error("{name} is locked by {}, until {until} at least", lease.who())]
    Held {
        /// The deployment.
        name: DeploymentName,
        /// Whose.
        lease: Box<Lease>,
        /// It runs out then, unless its holder goes on.
        until: Timestamp,
    },
    /// An operation is open that only another machine can go on with.
    #[error("an operation of {name} is open on another machine: {}", open.what())]
    OpenElsewhere {
        /// The deployment.
        name: DeploymentName,
        /// Which.
        open: Box<OpenElsewhere>,
    },
    /// The newest lease cannot be read.
    #[error("the lease {parameter} cannot be read: {why}")]
    Damaged {
        /// Its parameter.
        parameter: String,
        /// What was found.
        why: String,
    },
    /// These credentials may not use the parameters.
    #[error(transparent)]
    Denied(CloudError),
    /// The account could not be asked.
    #[error(transparent)]
    Cloud(CloudError),
}

impl From<CloudError> for LeaseError {
    fn from(error: CloudError) -> Self {
        match error.kind {
            CloudErrorKind::Denied => Self::Denied(error),
            _ => Self::Cloud(error),
        }
    }
}

/// What the lease is wanted for.
#[derive(Debug, Clone)]
pub struct Ask {
    /// The operation.
    pub operation: OperationId,
    /// E.g. `update`.
    pub reason: String,
    /// The number must not be lower: the host has seen this one, or may have.
    pub fence: u64,
}

/// Who holds a deployment, once that is known.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Liveness {
    /// Nobody.
    Free {
        /// The highest number so far; 0 for none.
        above: u64,
        /// An open operation, here or elsewhere.
        open: Option<OpenElsewhere>,
    },
    /// A holder that is gone, or whose lease has run out.
    Dead {
        /// The highest number so far.
        above: u64,
        /// Whose.
        lease: Box<Lease>,
        /// An open operation, here or elsewhere.
        open: Option<OpenElsewhere>,
    },
    /// A holder whose heartbeat goes on (or who was not watched).
    Alive {
        /// The highest number so far.
        above: u64,
        /// Whose.
        lease: Box<Lease>,
        /// An open operation, here or elsewhere.
        open: Option<OpenElsewhere>,
    },
}

/// Who takes.
pub struct Taker<'a> {
    /// Where.
    pub parameters: &'a Arc<dyn Parameters>,
    /// Its own clock.
    pub clock: &'a Arc<dyn Clock>,
    /// The deployment.
    pub name: &'a DeploymentName,
    /// This process.
    pub process: &'a Process,
    /// How long its own lease is.
    pub length: Duration,
    /// Between two looks at somebody's heartbeat.
    pub poll: Duration,
    /// What this machine knows of an operation.
    pub here: &'a (dyn Fn(&OpenElsewhere) -> Here + Send + Sync),
    /// Told once what is waited for.
    pub tell: &'a (dyn Fn(&str) + Send + Sync),
}

/// What was seen of the heartbeats.
#[derive(Default)]
struct Watch(BTreeMap<u64, Pulse>);

struct Pulse {
    text: Lease,
    stood: Duration,
    moved: bool,
}

impl Watch {
    /// After a pause of this length, this was seen.
    fn saw(&mut self, all: &Leases, after: Duration) {
        for (number, lease) in all.readable() {
            match self.0.get_mut(&number) {
                Some(pulse) if pulse.text == *lease => pulse.stood += after,
                Some(pulse) => {
                    *pulse = Pulse {
                        text: lease.clone(),
                        stood: Duration::ZERO,
                        moved: true,
                    }
                }
                None => {
                    let pulse = Pulse {
                        text: lease.clone(),
                        stood: Duration::ZERO,
                        moved: false,
                    };
                    self.0.insert(number, pulse);
                }
            }
        }
    }
}

impl Taker<'_> {
    /// Takes the lease, over a holder that is gone or has run out too. Watches a holder whose state is not
    /// known, for a lease at most.
    ///
    /// # Errors
    /// [`LeaseError`].
    pub async fn take(&self, ask: &Ask) -> Result<Held, LeaseError> {
        let mut watch = Watch::default();
        let mut all = self.watched(&mut watch, Duration::ZERO).await?;
        let mut told = false;
        let mut rounds = 0;
        loop {
            let seen = self.seen(&all, &watch);
            let (above, open) = match judge(&seen, &self.here) {
                Verdict::Held(lease) => return Err(self.held(lease)),
                Verdict::Watch(lease) => {
                    if !std::mem::replace(&mut told, true) {
                        (self.tell)(&waiting(lease));
                    }
                    all = self.pause(&mut watch).await?;
                    continue;
                }
                Verdict::OpenElsewhere { open, .. } => {
                    return Err(LeaseError::OpenElsewhere {
                        name: self.name.clone(),
                        open: Box::new(open.clone()),
                    });
                }
                Verdict::TakeOver { above, from, open } => {
                    (self.tell)(&format!("taking over from {}: it is gone", from.who()));
                    (above, open.cloned())
                }
                Verdict::Free { above, open } => (above, open.cloned()),
            };
            if let Some(held) = self.claim(ask, above, open, &all, &mut watch).await? {
                return Ok(held);
            }
            rounds += 1;
            all = self.pause(&mut watch).await?;
            if rounds == ROUNDS {
                let in_the_way = |l: &Lease| matches!(l.phase, Phase::Claimed | Phase::Held);
                let mut others = all.readable().filter(|(_, l)| in_the_way(l));
                let (_, lease) = others.next_back().ok_or_else(|| self.unsettled())?;
                return Err(self.held(lease));
            }
        }
    }

    /// Who holds it. With `watch` a holder is watched until it is known whether it is alive.
    ///
    /// # Errors
    /// [`LeaseError`], but for a lease that cannot be read: that is for `unlock --force` to pass over.
    pub async fn liveness(&self, watch: bool) -> Result<Liveness, LeaseError> {
        let mut pulses = Watch::default();
        let mut told = false;
        let mut all = Leases::look(self.parameters.as_ref(), self.name).await?;
        pulses.saw(&all, Duration::ZERO);
        loop {
            let above = all.highest();
            let open = all
                .counting()
                .and_then(|(_, lease)| lease.open_operation.clone());
            // Whoever's the operation is, it is not what is asked here.
            let verdict = judge(&self.seen(&all, &pulses), &|_| Here::Open);
            return Ok(match verdict {
                Verdict::Watch(lease) if watch => {
                    if !std::mem::replace(&mut told, true) {
                        (self.tell)(&waiting(lease));
                    }
                    self.clock.sleep(self.poll).await;
                    all = Leases::look(self.parameters.as_ref(), self.name).await?;
                    pulses.saw(&all, self.poll);
                    continue;
                }
                Verdict::Watch(lease) | Verdict::Held(lease) => Liveness::Alive {
                    above,
                    lease: Box::new(lease.clone()),
                    open,
                },
                Verdict::TakeOver { from, .. } => Liveness::Dead {
                    above,
                    lease: Box::new(from.clone()),
                    open,
                },
                Verdict::Free { .. } | Verdict::OpenElsewhere { .. } => {
                    Liveness::Free { above, open }
                }
            });
        }
    }

    /// A number above all, held by nobody from the start: every lower one is broken by it, and this operation is
    /// given up, for whoever has its journal. Answers the number.
    ///
    /// # Errors
    /// [`LeaseError`].
    pub async fn supersede(
        &self,
        ask: &Ask,
        open: Option<OpenElsewhere>,
        given_up: Option<GivenUp>,
    ) -> Result<u64, LeaseError> {
        for _ in 0..ROUNDS {
            let all = Leases::look(self.parameters.as_ref(), self.name).await?;
            let number = self.above(all.highest())?.max(ask.fence);
            let lease = self
                .lease(ask, Phase::Released, open.clone(), &all)
                .gives_up(given_up.clone());
            if self.create(number, &lease).await? {
                self.tidy(&all, number).await;
                return Ok(number);
            }
            self.clock.sleep(self.poll).await;
        }
        Err(self.unsettled())
    }

    /// Claims a number above this one. `None`: somebody came between, and it is to be judged anew.
    async fn claim(
        &self,
        ask: &Ask,
        above: u64,
        open: Option<OpenElsewhere>,
        judged: &Leases,
        watch: &mut Watch,
    ) -> Result<Option<Held>, LeaseError> {
        // Where there is none at all the count may have been lost; seconds only go up.
        let least = match above {
            0 => u64::try_from(self.clock.now().as_second()).unwrap_or(0),
            above => self.above(above)?,
        };
        let number = least.max(ask.fence);
        let mut lease = self.lease(ask, Phase::Claimed, open, judged);
        if !self.create(number, &lease).await? {
            return Ok(None);
        }
        let mut all = self.watched(watch, Duration::ZERO).await?;
        loop {
            let pulse = |n: u64| watch.0.get(&n);
            let rivals: Vec<(u64, &Lease)> = all
                .readable()
                .filter(|(n, l)| *n != number && l.phase != Phase::Yielded)
                .filter(|(n, l)| judged.get(*n) != Some(*l))
                // A claim that stands still, or whose owner is gone, is none.
                .filter(|(n, l)| {
                    l.phase != Phase::Claimed
                        || !(l.owner.is_gone(self.process)
                            || pulse(*n).is_some_and(|p| p.stood >= l.length()))
                })
                .collect();
            if rivals.is_empty() {
                break;
            }
            // A lower claim sees ours, and gives way; or it was confirmed before ours was there.
            let wait = rivals
                .iter()
                .all(|(n, l)| *n < number && l.phase == Phase::Claimed);
            if !wait {
                lease.phase = Phase::Yielded;
                lease.open_operation = None;
                let name = parameter(self.name, number);
                self.parameters.overwrite(&name, &lease.text()).await?;
                return Ok(None);
            }
            all = self.pause(watch).await?;
        }
        lease.phase = Phase::Held;
        lease.fresh = true;
        lease.beat += 1;
        let name = parameter(self.name, number);
        if let Err(error) = self.parameters.overwrite(&name, &lease.text()).await {
            // Frozen for long: our claim was passed over, and tidied up.
            return match self.watched(watch, Duration::ZERO).await?.get(number) {
                None => Ok(None),
                Some(_) => Err(error.into()),
            };
        }
        // Between our look and our confirmation we may have slept, and whoever had slept before may have woken: it held
        // still, and has announced an operation since. What it did so far was rightly done, and its machine goes on.
        let all = self.watched(watch, Duration::ZERO).await?;
        lease.fresh = false;
        let below = all.counting_below(number);
        let open = below.filter(|(n, l)| judged.get(*n) != Some(*l));
        let open = open.and_then(|(_, l)| l.open_operation.clone());
        match open.map(|open| ((self.here)(&open), open)) {
            None | Some((Here::Closed, _)) => {}
            Some((here, open)) => {
                lease.open_operation = Some(open);
                lease.beat += 1;
                if here == Here::Absent {
                    lease.phase = Phase::Released;
                }
                self.parameters.overwrite(&name, &lease.text()).await?;
                if here == Here::Absent {
                    return Ok(None);
                }
            }
        }
        self.tidy(judged, number).await;
        Ok(Some(Held::new(
            Arc::clone(self.parameters),
            Arc::clone(self.clock),
            self.poll,
            self.name,
            number,
            lease,
        )))
    }

    fn above(&self, number: u64) -> Result<u64, LeaseError> {
        above(number).map_err(|why| LeaseError::Damaged {
            parameter: parameter(self.name, number),
            why,
        })
    }

    /// Whether the number is ours now.
    async fn create(&self, number: u64, lease: &Lease) -> Result<bool, LeaseError> {
        let name = parameter(self.name, number);
        if self.parameters.create(&name, &lease.text()).await? {
            return Ok(true);
        }
        // The SDK sends a call again whose answer was lost: then the name is taken by ourselves.
        let all = Leases::look(self.parameters.as_ref(), self.name).await?;
        Ok(all.get(number) == Some(lease))
    }

    /// The newest is never deleted: its name could not be made again for 30 s, and the number must not go
    /// down. The others are of no use. Best effort.
    async fn tidy(&self, judged: &Leases, below: u64) {
        for old in judged.0.iter().filter(|n| n.number < below) {
            let name = parameter(self.name, old.number);
            if let Err(error) = self.parameters.delete(&name).await {
                tracing::debug!(%error, "an old lease stays");
                return;
            }
        }
    }

    /// A new one; what was given up is carried over.
    fn lease(
        &self,
        ask: &Ask,
        phase: Phase,
        open: Option<OpenElsewhere>,
        before: &Leases,
    ) -> Lease {
        Lease {
            schema: LEASE_SCHEMA.into(),
            owner: self.process.clone(),
            operation: ask.operation.clone(),
            reason: ask.reason.clone(),
            since: self.clock.now(),
            lease_ms: u64::try_from(self.length.as_millis()).unwrap_or(u64::MAX),
            phase,
            beat: 0,
            fresh: false,
            open_operation: open,
            given_up: before.given_up(),
        }
    }

    fn seen<'l>(&self, all: &'l Leases, watch: &Watch) -> Vec<Seen<'l>> {
        all.readable()
            .map(|(number, lease)| {
                let pulse = watch.0.get(&number);
                Seen {
                    number,
                    lease,
                    stood: pulse.map_or(Duration::ZERO, |p| p.stood),
                    moved: pulse.is_some_and(|p| p.moved),
                    gone: lease.owner.is_gone(self.process),
                }
            })
            .collect()
    }

    async fn watched(&self, watch: &mut Watch, after: Duration) -> Result<Leases, LeaseError> {
        let all = Leases::look(self.parameters.as_ref(), self.name).await?;
        if let Some((number, why)) = all.damaged() {
            return Err(LeaseError::Damaged {
                parameter: parameter(self.name, number),
                why: why.to_owned(),
            });
        }
        watch.saw(&all, after);
        Ok(all)
    }

    async fn pause(&self, watch: &mut Watch) -> Result<Leases, LeaseError> {
        self.clock.sleep(self.poll).await;
        self.watched(watch, self.poll).await
    }

    /// The refusal that this one holds it.
    pub fn held(&self, lease: &Lease) -> LeaseError {
        let now = self.clock.now();
        LeaseError::Held {
            name: self.name.clone(),
            lease: Box::new(lease.clone()),
            until: now.checked_add(lease.length()).unwrap_or(now),
        }
    }

    /// Every number that was tried was taken, and nobody holds one: names that were deleted a moment ago.
    fn unsettled(&self) -> LeaseError {
        LeaseError::Cloud(CloudError {
            call: "ssm:PutParameter",
            code: Some("ParameterAlreadyExists".into()),
            message: "no new lease can be made; somebody deleted one a moment ago".into(),
            request_id: None,
            kind: CloudErrorKind::Other,
        })
    }
}

fn waiting(lease: &Lease) -> String {
    format!(
        "waiting for up to {} s to see whether its holder is alive: {}",
        lease.length().as_secs_f64().ceil(),
        lease.who()
    )
}
