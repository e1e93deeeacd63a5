//! A lease that is held: kept, asked before each write, released.

use std::sync::{Arc, OnceLock};
use std::time::Duration;

use tokio::sync::Mutex;

use super::record::{Leases, parameter};
use super::{GivenUp, Lease, OpenElsewhere, Phase};
use crate::cloud::{Clock, CloudError, CloudErrorKind, Parameters};
use crate::model::{DeploymentName, Timestamp};

/// Why a holder may not go on, or cannot know whether it may.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Trouble {
    /// Somebody took it, or broke it. This never changes back.
    #[error("{0}")]
    Lost(String),
    /// The account could not be asked.
    #[error(transparent)]
    Cloud(CloudError),
}

/// A lease that is held. It is kept by [`Held::keep`] (a task) and by [`Held::check`], and goes with
/// [`Held::release`]; without that it runs out.
pub struct Held {
    /// Its number: the fence.
    pub number: u64,
    /// The operations that were given up when it was taken.
    pub given_up: Vec<GivenUp>,
    /// The operation that was open when it was taken.
    pub found_open: Option<OpenElsewhere>,
    name: DeploymentName,
    parameters: Arc<dyn Parameters>,
    clock: Arc<dyn Clock>,
    poll: Duration,
    own: Mutex<Own>,
    lost: OnceLock<String>,
}

struct Own {
    lease: Lease,
    /// When it was last written, by both clocks; `None` once it is released.
    written: Option<(Timestamp, Duration)>,
}

impl Held {
    pub(super) fn new(
        parameters: Arc<dyn Parameters>,
        clock: Arc<dyn Clock>,
        poll: Duration,
        name: &DeploymentName,
        number: u64,
        lease: Lease,
    ) -> Self {
        let written = Some((clock.now(), clock.awake()));
        Self {
            number,
            given_up: lease.given_up.clone(),
            found_open: lease.open_operation.clone(),
            name: name.clone(),
            parameters,
            clock,
            poll,
            own: Mutex::new(Own { lease, written }),
            lost: OnceLock::new(),
        }
    }

    /// Asks whether it is still ours; writes nothing.
    ///
    /// # Errors
    /// [`Trouble`].
    pub async fn look(&self) -> Result<(), Trouble> {
        let own = self.own.lock().await;
        self.still_ours(&own).await
    }

    /// Asks whether it is still ours, and writes a heartbeat where one is due.
    ///
    /// # Errors
    /// [`Trouble`].
    pub async fn check(&self) -> Result<(), Trouble> {
        let mut own = self.own.lock().await;
        self.still_ours(&own).await?;
        // A wall clock that is set back, or slewed, must not hold the heartbeat up; one that slept counts as well.
        let due = own.written.is_some_and(|(at, awake)| {
            let since = self.clock.now().duration_since(at);
            let awake = self.clock.awake().saturating_sub(awake);
            since.is_negative() || since.unsigned_abs().max(awake) >= own.lease.length() / 3
        });
        if due {
            self.write(&mut own, |_| ()).await?;
        }
        Ok(())
    }

    /// The heartbeat, for as long as this is polled. The runtime's timer, not the clock: a clock in a test
    /// moves by itself only when somebody sleeps.
    pub async fn keep(&self) {
        loop {
            let every = self.own.lock().await.lease.length() / 3;
            tokio::time::sleep(every.max(Duration::from_millis(10))).await;
            // A lost packet is no reason to stop; whoever acts next will see for itself.
            if matches!(self.check().await, Err(Trouble::Lost(_))) {
                return;
            }
        }
    }

    /// Says that an operation is open now, and where its journal is.
    ///
    /// # Errors
    /// [`Trouble`].
    pub async fn open(&self, operation: OpenElsewhere) -> Result<(), Trouble> {
        let mut own = self.own.lock().await;
        self.still_ours(&own).await?;
        self.write(&mut own, |lease| lease.open_operation = Some(operation))
            .await
    }

    /// Lets go of it. The operation stays open where `stays` says so.
    ///
    /// # Errors
    /// [`Trouble`]: it then runs out by itself.
    pub async fn release(&self, stays: impl Fn(&OpenElsewhere) -> bool) -> Result<(), Trouble> {
        let mut own = self.own.lock().await;
        if own.written.is_none() {
            return Ok(());
        }
        self.still_ours(&own).await?;
        let done = self
            .write(&mut own, |lease| {
                lease.phase = Phase::Released;
                lease.open_operation = lease.open_operation.take().filter(&stays);
            })
            .await;
        own.written = None;
        done
    }

    async fn write(&self, own: &mut Own, change: impl FnOnce(&mut Lease)) -> Result<(), Trouble> {
        let mut next = own.lease.clone();
        next.beat += 1;
        change(&mut next);
        self.parameters
            .overwrite(&parameter(&self.name, self.number), &next.text())
            .await
            .map_err(Trouble::Cloud)?;
        own.lease = next;
        own.written = Some((self.clock.now(), self.clock.awake()));
        Ok(())
    }

    async fn still_ours(&self, own: &Own) -> Result<(), Trouble> {
        let mut waited = Duration::ZERO;
        loop {
            if let Some(why) = self.lost.get() {
                return Err(Trouble::Lost(why.clone()));
            }
            let all = Leases::look(self.parameters.as_ref(), &self.name)
                .await
                .map_err(Trouble::Cloud)?;
            let why = match all.counting() {
                Some((number, _)) if number == self.number => return Ok(()),
                Some((number, by)) if number > self.number => {
                    format!("{} was taken over by {}", self.name, by.who())
                }
                // Ours is not in the answer: an old answer, or somebody deleted it.
                _ if waited < own.lease.length() => {
                    self.clock.sleep(self.poll).await;
                    waited += self.poll.max(Duration::from_millis(1));
                    continue;
                }
                _ => format!(
                    "the lease {} is gone: somebody deleted it",
                    parameter(&self.name, self.number)
                ),
            };
            let _ = self.lost.set(why);
        }
    }
}

impl Trouble {
    /// As the error of a call that is not sent because of it.
    pub fn into_cloud(self, call: &'static str) -> CloudError {
        match self {
            Self::Cloud(error) => error,
            Self::Lost(message) => CloudError {
                call,
                code: None,
                message,
                request_id: None,
                kind: CloudErrorKind::LockLost,
            },
        }
    }
}
