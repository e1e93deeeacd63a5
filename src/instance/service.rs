//! Look first, act, look again. Every verb is safe twice, and after a crash in its middle.

use std::time::Duration;

use super::retry::Watch;
use super::{InstanceError, Settings};
use crate::cloud::{Clock, Ec2, StatusChecks};
use crate::model::{InstanceFacts, InstanceId, InstanceType, RunState};

const NO_ANSWER: &str = "no answer";

/// Whether there was something to do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Made {
    /// It was so already; nothing was sent.
    Already,
    /// It was made so.
    Done,
}

/// The verbs, over the ports.
pub struct InstanceService<'a> {
    /// EC2.
    pub ec2: &'a dyn Ec2,
    /// Time.
    pub clock: &'a dyn Clock,
    /// Limits.
    pub settings: Settings,
    /// Told what goes on, for people: `stopping (12 s)`.
    pub progress: &'a (dyn Fn(&str) + Send + Sync),
}

impl InstanceService<'_> {
    /// Makes the instance `stopped`: by a normal shutdown, and by force once `force_after` is over.
    /// Never with `SkipOsShutdown`, which risks data (EC2 API, `StopInstances`).
    ///
    /// # Errors
    /// [`InstanceError::Gone`] for a terminated one, [`InstanceError::Deadline`] when even the force
    /// did not help, and what AWS says.
    pub async fn stopped(&self, id: &InstanceId) -> Result<Made, InstanceError> {
        let s = &self.settings;
        let mut tries = self.tries();
        let mut made = Made::Already;
        loop {
            let mut state = self.look(id).await?.state;
            if state == RunState::Pending {
                // EC2 does not stop what is still being started.
                let what = "the instance to be started before it is stopped";
                state = self
                    .reaches(id, what, s.start_limit, |s| s != RunState::Pending)
                    .await?;
            }
            match state {
                RunState::Stopped => return Ok(made),
                // Its end is on the way: of somebody else's stop, or of ours before a crash.
                RunState::Stopping => break,
                _ => made = Made::Done,
            }
            match self.ec2.stop(id, false).await {
                Ok(()) => break,
                Err(e) => tries.again(e).await?,
            }
        }
        let is_stopped = |s| s == RunState::Stopped;
        let gently = self.reaches(id, "the instance to stop", s.force_after, is_stopped);
        match gently.await {
            Err(InstanceError::Deadline(_)) => {}
            other => return other.map(|_| Made::Done),
        }
        (self.progress)("it does not stop by itself: forcing it");
        let mut tries = self.tries();
        while let Err(e) = self.ec2.stop(id, true).await {
            tries.again(e).await?;
            if is_stopped(self.look(id).await?.state) {
                return Ok(Made::Done);
            }
        }
        let what = "the instance to stop, by force";
        self.reaches(id, what, s.stop_limit, is_stopped).await?;
        Ok(Made::Done)
    }

    /// Makes the type `to`, from `from`, and reads it back until it says so.
    ///
    /// # Errors
    /// [`InstanceError::TypeChanged`] for any third type, [`InstanceError::NotStopped`],
    /// [`InstanceError::Deadline`] when it does not read back, and what AWS says.
    pub async fn typed(
        &self,
        id: &InstanceId,
        from: &InstanceType,
        to: &InstanceType,
    ) -> Result<Made, InstanceError> {
        self.typed_from(id, from, &[], to).await
    }

    /// The same, from `from` or from any of `or`: the types through which the same operation may have led it.
    ///
    /// # Errors
    /// As [`typed`](Self::typed).
    pub async fn typed_from(
        &self,
        id: &InstanceId,
        from: &InstanceType,
        or: &[InstanceType],
        to: &InstanceType,
    ) -> Result<Made, InstanceError> {
        let ours = |found: &InstanceType| found == from || or.contains(found);
        let third = |found: InstanceType| InstanceError::TypeChanged {
            id: id.clone(),
            from: from.clone(),
            to: to.clone(),
            found,
        };
        let mut tries = self.tries();
        let mut made = Made::Already;
        loop {
            let seen = self.look(id).await?;
            if seen.instance_type == *to {
                return Ok(made);
            }
            if !ours(&seen.instance_type) {
                return Err(third(seen.instance_type));
            }
            if seen.state != RunState::Stopped {
                let found = seen.state;
                let not_stopped = InstanceError::NotStopped { id: seen.id, found };
                tries.again(not_stopped).await?;
                continue;
            }
            made = Made::Done;
            match self.ec2.set_type(id, to).await {
                Ok(()) => break,
                Err(e) => tries.again(e).await?,
            }
        }
        let what = format!("the type of the instance to read {to}");
        let mut watch = self.watch(self.settings.type_limit, &what);
        loop {
            let last = match self.look_again(&mut watch, id).await? {
                Ok(seen) if seen.instance_type == *to => return Ok(Made::Done),
                Ok(seen) if !ours(&seen.instance_type) => return Err(third(seen.instance_type)),
                Ok(seen) => seen.instance_type.to_string(),
                Err(nothing) => nothing,
            };
            watch.pause(last).await?;
        }
    }

    /// Waits until neither status check says `impaired`; `initializing` is fine. One that is impaired
    /// has until `limit` to recover.
    ///
    /// # Errors
    /// [`InstanceError::Impaired`] when it has not, and what AWS says.
    pub async fn checks_not_impaired(
        &self,
        id: &InstanceId,
        limit: Duration,
    ) -> Result<StatusChecks, InstanceError> {
        let mut watch = self.watch(limit, "the status checks of the instance");
        let mut impaired = None;
        loop {
            let last = match watch.look(self.ec2.status_checks(id)).await? {
                Some(c) if c.instance != "impaired" && c.system != "impaired" => return Ok(c),
                Some(checks) => {
                    let waited = watch.waited().as_secs();
                    (self.progress)(&format!("a status check is impaired ({waited} s)"));
                    impaired = Some(checks);
                    "impaired".to_owned()
                }
                None => NO_ANSWER.to_owned(),
            };
            if let Err(deadline) = watch.pause(last).await {
                return Err(match impaired {
                    Some(checks) => InstanceError::Impaired {
                        id: id.clone(),
                        instance: checks.instance,
                        system: checks.system,
                    },
                    None => deadline.into(),
                });
            }
        }
    }

    /// Waits for a state; answers the one that was reached.
    pub(super) async fn reaches(
        &self,
        id: &InstanceId,
        what: &str,
        limit: Duration,
        goal: fn(RunState) -> bool,
    ) -> Result<RunState, InstanceError> {
        let mut watch = self.watch(limit, what);
        loop {
            let last = match self.look_again(&mut watch, id).await? {
                Ok(seen) if goal(seen.state) => return Ok(seen.state),
                Ok(seen) => self.say(seen.state, &watch),
                Err(nothing) => nothing,
            };
            watch.pause(last).await?;
        }
    }

    /// A look at an instance that has to be there.
    pub(super) async fn look(&self, id: &InstanceId) -> Result<InstanceFacts, InstanceError> {
        let s = &self.settings;
        let limit = s.retry_limit.min(s.unreachable_limit);
        let mut watch = self.watch(limit, "EC2 to say how the instance is");
        loop {
            if let Some(seen) = watch.look(self.ec2.instance(id)).await? {
                return alive(seen.ok_or_else(|| InstanceError::NotFound { id: id.clone() })?);
            }
            watch.pause(NO_ANSWER).await?;
        }
    }

    /// A look in the middle of a wait; the inner `Err` is what was seen instead of an instance. One that
    /// was there a moment ago and now is not is no reason to give up: a terminated one stays visible for a
    /// while (EC2 User Guide, "Terminate instances").
    pub(super) async fn look_again(
        &self,
        watch: &mut Watch<'_>,
        id: &InstanceId,
    ) -> Result<Result<InstanceFacts, String>, InstanceError> {
        match watch.look(self.ec2.instance(id)).await? {
            Some(Some(seen)) => alive(seen).map(Ok),
            Some(None) => Ok(Err("no instance".to_owned())),
            None => Ok(Err(NO_ANSWER.to_owned())),
        }
    }
}

fn alive(seen: InstanceFacts) -> Result<InstanceFacts, InstanceError> {
    match seen.state {
        RunState::ShuttingDown | RunState::Terminated => Err(InstanceError::Gone {
            id: seen.id,
            state: seen.state,
        }),
        _ => Ok(seen),
    }
}

#[cfg(test)]
#[path = "service_tests.rs"]
mod tests;
