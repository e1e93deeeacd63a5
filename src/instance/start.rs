//! Starting, once or as long as there is no capacity.

use super::retry::Watch;
use super::{InstanceError, InstanceService, Made};
use crate::cloud::wait::Wait;
use crate::cloud::{CloudError, CloudErrorKind};
use crate::model::{InstanceFacts, InstanceId, InstanceType, RunState};

const NO_REASON: &str = "EC2 gives no reason";

/// Between two starts that EC2 has no capacity for: this many polls, a few seconds on AWS.
const POLLS_BETWEEN_STARTS: u32 = 5;

/// Why a start did not lead to `running`.
struct NotStarted {
    error: InstanceError,
    /// Another start may help.
    again: bool,
}

impl From<InstanceError> for NotStarted {
    fn from(error: InstanceError) -> Self {
        let again = match &error {
            InstanceError::Cloud(e) => e.kind == CloudErrorKind::Capacity,
            // EC2's own reasons begin so (EC2 API, `StateReason`). `Client.…` is a fault of the instance,
            // or somebody else's stop: no start helps there.
            InstanceError::FellBack { reason, .. } => {
                reason == NO_REASON
                    || reason.starts_with("Server.") && !reason.contains("Unsupported")
            }
            _ => false,
        };
        Self { error, again }
    }
}

impl InstanceService<'_> {
    /// Makes the instance `running`. That is EC2's word: the system on it may still be booting.
    ///
    /// # Errors
    /// [`InstanceError::FellBack`] with EC2's reason when it went back to `stopped`,
    /// [`InstanceError::Deadline`], [`InstanceError::Gone`], and what AWS says. Where there is no capacity,
    /// only once `start_patience` is over.
    pub async fn running(&self, id: &InstanceId) -> Result<Made, InstanceError> {
        let patience = self.settings.start_patience;
        let every = self.settings.poll * POLLS_BETWEEN_STARTS;
        let mut wait: Option<Wait<'_>> = None;
        loop {
            let seen = self.startable(id).await?;
            let at = seen.instance_type.clone();
            let error = match self.started(id, seen).await {
                Ok(_) if wait.is_some() => return Ok(Made::Done),
                Ok(made) => return Ok(made),
                Err(NotStarted { error, again: true }) => error,
                Err(NotStarted { error, .. }) => return Err(error),
            };
            let wait = wait.get_or_insert_with(|| Wait::patience(self.clock, every, patience));
            if wait.waited() >= patience {
                return Err(error);
            }
            let (what, seconds) = (no_start_yet(&error, &at), wait.waited().as_secs());
            (self.progress)(&format!("{what}, trying again ({seconds} s)"));
            if wait.pause("").await.is_err() {
                return Err(error);
            }
        }
    }

    /// One look, and more while it is `stopping`: EC2 does not start that.
    async fn startable(&self, id: &InstanceId) -> Result<InstanceFacts, InstanceError> {
        let seen = self.look(id).await?;
        if seen.state != RunState::Stopping {
            return Ok(seen);
        }
        let what = "the instance to be stopped before it is started";
        let limit = self.settings.stop_limit;
        self.reaches(id, what, limit, |s| s != RunState::Stopping)
            .await?;
        self.look(id).await
    }

    /// One start that EC2 takes, and its end.
    async fn started(
        &self,
        id: &InstanceId,
        mut before: InstanceFacts,
    ) -> Result<Made, NotStarted> {
        let mut tries = self.tries();
        let mut made = Made::Already;
        loop {
            match before.state {
                RunState::Running => return Ok(made),
                RunState::Pending => break,
                _ => made = Made::Done,
            }
            // An effect is never cut off in its middle, as a look is.
            match self.ec2.start(id).await {
                Ok(()) => break,
                Err(e) => tries.again(e).await?,
            }
            before = self.startable(id).await?;
        }
        let mut pending = before.state == RunState::Pending;
        let mut watch = self.watch(self.settings.start_limit, "the instance to run");
        loop {
            let last = match self.look_again(&mut watch, id).await? {
                Ok(seen) => match seen.state {
                    RunState::Running => return Ok(Made::Done),
                    RunState::Stopped | RunState::Stopping => {
                        // Just after the start the old state may be read still: only a `pending` before
                        // it, a new reason, or some time tells the two apart.
                        let fell = pending || seen.state_reason != before.state_reason;
                        if fell || watch.waited() >= self.settings.start_seen_limit {
                            return Err(fell_back(seen, fell));
                        }
                        self.say(seen.state, &watch)
                    }
                    state => {
                        pending |= state == RunState::Pending;
                        self.say(state, &watch)
                    }
                },
                Err(nothing) => nothing,
            };
            watch.pause(last).await.map_err(InstanceError::from)?;
        }
    }

    pub(super) fn say(&self, state: RunState, watch: &Watch<'_>) -> String {
        let seconds = watch.waited().as_secs();
        (self.progress)(&format!("{} ({seconds} s)", state.as_str()));
        state.as_str().to_owned()
    }
}

/// `fell`: it was seen to start, or EC2 says something new. Otherwise the start was taken and nothing came
/// of it, and the reason that is read is that of the stop before it.
fn fell_back(seen: InstanceFacts, fell: bool) -> NotStarted {
    let reason = seen.state_reason.unwrap_or_else(|| NO_REASON.to_owned());
    let error = InstanceError::FellBack {
        id: seen.id,
        reason,
    };
    let mut not_started = NotStarted::from(error);
    not_started.again |= !fell;
    not_started
}

fn no_start_yet(error: &InstanceError, at: &InstanceType) -> String {
    let why = match error {
        InstanceError::Cloud(CloudError {
            code: Some(why), ..
        }) => why,
        InstanceError::FellBack { reason, .. } => reason.split(':').next().unwrap_or(reason),
        _ => "no reason",
    };
    if why.contains("Capacity") {
        format!("no capacity at {at} yet")
    } else {
        format!("no start at {at} yet ({why})")
    }
}

#[cfg(test)]
#[path = "start_tests.rs"]
mod tests;
