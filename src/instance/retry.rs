//! What passes by itself, and how long it is waited for: one lost packet in the middle of an undo must not
//! leave the instance stopped.
//!
//! [`Watch`] is for looks, [`Tries`] for effects. Both end in AWS's own words.

use std::future::Future;
use std::time::Duration;

use super::{InstanceError, InstanceService, Settings};
use crate::cloud::wait::Wait;
use crate::cloud::{CloudError, CloudErrorKind, Deadline};
use crate::model::RunState;

/// A look at the end of its time has this long to end.
const LAST_LOOK: Duration = Duration::from_secs(1);

/// How long a fault may last that says nothing about the instance; `None`: it does not pass.
fn fault_limit(settings: &Settings, e: &CloudError) -> Option<Duration> {
    match e.kind {
        CloudErrorKind::Throttled | CloudErrorKind::Inconsistent => Some(settings.retry_limit),
        CloudErrorKind::Unreachable => Some(settings.unreachable_limit),
        CloudErrorKind::Other if is_servers_fault(e) => Some(settings.retry_limit),
        _ => None,
    }
}

/// The codes with which AWS says that the fault is its own and the call is to be sent again (EC2 API,
/// "Server error codes"; `RequestTimeout` is one of the SDK's transient errors).
fn is_servers_fault(e: &CloudError) -> bool {
    matches!(
        e.code.as_deref(),
        Some(
            "InternalError"
                | "InternalFailure"
                | "InternalServerError"
                | "Unavailable"
                | "ServiceUnavailable"
                | "RequestTimeout"
                | "RequestTimeoutException"
        )
    )
}

/// Whether EC2 refuses an effect only because an earlier stop or change of the type is not known
/// everywhere yet.
fn is_settling(e: &InstanceError) -> bool {
    match e {
        InstanceError::Cloud(e) => {
            matches!(
                e.kind,
                CloudErrorKind::Inconsistent | CloudErrorKind::WrongState
            )
        }
        // Read after a look that said `stopped`, it is an old answer.
        InstanceError::NotStopped { found, .. } => *found == RunState::Stopping,
        _ => false,
    }
}

impl InstanceService<'_> {
    /// Looks until something is so, for `limit`; `what` is said when the time runs out.
    pub(super) fn watch<'a>(&'a self, limit: Duration, what: &'a str) -> Watch<'a> {
        Watch {
            service: self,
            wait: Wait::begin(self.clock, self.settings.poll, limit, what),
            limit,
            fault: None,
        }
    }

    /// For one effect.
    pub(super) fn tries(&self) -> Tries<'_> {
        Tries {
            service: self,
            faults: None,
            settling: None,
        }
    }

    fn faults(&self) -> Wait<'_> {
        Wait::patience(self.clock, self.settings.poll, self.longest_fault())
    }

    fn longest_fault(&self) -> Duration {
        let s = &self.settings;
        s.retry_limit.max(s.unreachable_limit)
    }

    fn say_again(&self, e: &InstanceError, waited: Duration) {
        let why = match e {
            InstanceError::Cloud(e) => {
                format!("{}: {}", e.call, e.code.as_deref().unwrap_or("no answer"))
            }
            other => other.to_string(),
        };
        (self.progress)(&format!("{why}, trying again ({} s)", waited.as_secs()));
    }
}

/// A wait whose looks may fail for a while.
///
/// A fault that passes is no answer, so the deadline of the wait is not judged by it: the fault has its own
/// time to pass, then AWS's words are the error. One that is not about the way to AWS may also last as long
/// as the wait does.
pub(super) struct Watch<'a> {
    service: &'a InstanceService<'a>,
    wait: Wait<'a>,
    limit: Duration,
    /// The looks have failed since then, the last one with this.
    fault: Option<(CloudError, Wait<'a>)>,
}

impl Watch<'_> {
    /// How long it has been.
    pub(super) fn waited(&self) -> Duration {
        self.wait.waited()
    }

    fn is_over(&self) -> bool {
        self.waited() >= self.limit
    }

    /// One look. `None`: no answer this time.
    ///
    /// # Errors
    /// What does not pass, or has had its time.
    pub(super) async fn look<T>(
        &mut self,
        look: impl Future<Output = Result<T, CloudError>>,
    ) -> Result<Option<T>, CloudError> {
        let service = self.service;
        // Also at the deadline a call has the time to fail in its own words.
        let failing = self.fault.as_ref().map(|(_, since)| since.waited());
        let for_a_fault = service
            .longest_fault()
            .saturating_sub(failing.unwrap_or_default());
        let left = self
            .limit
            .saturating_sub(self.waited())
            .max(for_a_fault)
            .max(LAST_LOOK);
        // The runtime's timer, as in `Wait::look`.
        let e = match tokio::time::timeout(left, look).await {
            Ok(Ok(seen)) => {
                self.fault = None;
                return Ok(Some(seen));
            }
            Ok(Err(e)) => e,
            // All the time there was is over.
            Err(_) => return self.fault.take().map_or(Ok(None), |(e, _)| Err(e)),
        };
        let Some(limit) = fault_limit(&service.settings, &e) else {
            return Err(e);
        };
        let since = match self.fault.take() {
            Some((_, since)) => since,
            None => service.faults(),
        };
        let lasts_as_long_as_the_wait = e.kind != CloudErrorKind::Unreachable;
        if since.waited() >= limit && (self.is_over() || !lasts_as_long_as_the_wait) {
            return Err(e);
        }
        service.say_again(&InstanceError::Cloud(e.clone()), since.waited());
        self.fault = Some((e, since));
        Ok(None)
    }

    /// Waits for the next look.
    ///
    /// # Errors
    /// [`Deadline`] when the time is over and the last look was answered; `seen` is what it saw.
    pub(super) async fn pause(&mut self, seen: impl Into<String>) -> Result<(), Deadline> {
        if self.is_over()
            && let Some((_, since)) = &mut self.fault
        {
            // Once this time is over too, the next look is the last one.
            since.pause("").await.ok();
            return Ok(());
        }
        self.wait.pause(seen).await
    }
}

/// Whether an effect that failed is sent again. Whoever asks looks again first: the effect may have taken
/// place, and only its answer was lost.
pub(super) struct Tries<'a> {
    service: &'a InstanceService<'a>,
    /// Since the first of the faults in a row. An answer ends the row.
    faults: Option<Wait<'a>>,
    /// Since the first refusal; never set back, so that the two cannot go on for ever in turns.
    settling: Option<Wait<'a>>,
}

impl Tries<'_> {
    /// Waits until the next try.
    ///
    /// # Errors
    /// `error` itself, when it does not pass or has had its time.
    pub(super) async fn again(
        &mut self,
        error: impl Into<InstanceError>,
    ) -> Result<(), InstanceError> {
        let (service, error) = (self.service, error.into());
        let s = &service.settings;
        let (wait, limit) = if is_settling(&error) {
            self.faults = None;
            let begin = || Wait::patience(service.clock, s.poll, s.settle_limit);
            (self.settling.get_or_insert_with(begin), s.settle_limit)
        } else {
            let Some(limit) = error.cloud().and_then(|e| fault_limit(s, e)) else {
                return Err(error);
            };
            (self.faults.get_or_insert_with(|| service.faults()), limit)
        };
        if wait.waited() >= limit {
            return Err(error);
        }
        service.say_again(&error, wait.waited());
        wait.pause("").await.map_err(|_| error)
    }
}

#[cfg(test)]
#[path = "retry_tests.rs"]
mod tests;
