//! `EbsOptimized`, made so.

use super::{InstanceError, InstanceService, Made};
use crate::model::{InstanceId, RunState};

impl InstanceService<'_> {
    /// Makes `EbsOptimized` so, and reads it back until it says so. Only while stopped, and one attribute a call (EC2 API,
    /// `ModifyInstanceAttribute`).
    ///
    /// # Errors
    /// [`InstanceError::NotStopped`], [`InstanceError::Deadline`] when it does not read back, and what AWS says.
    pub async fn ebs_optimized(&self, id: &InstanceId, to: bool) -> Result<Made, InstanceError> {
        let mut tries = self.tries();
        let mut made = Made::Already;
        loop {
            let seen = self.look(id).await?;
            if seen.ebs_optimized == to {
                return Ok(made);
            }
            if seen.state != RunState::Stopped {
                let found = seen.state;
                let not_stopped = InstanceError::NotStopped { id: seen.id, found };
                tries.again(not_stopped).await?;
                continue;
            }
            made = Made::Done;
            match self.ec2.set_ebs_optimized(id, to).await {
                Ok(()) => break,
                Err(e) => tries.again(e).await?,
            }
        }
        let what = format!("EbsOptimized of the instance to read {to}");
        let mut watch = self.watch(self.settings.type_limit, &what);
        loop {
            let last = match self.look_again(&mut watch, id).await? {
                Ok(seen) if seen.ebs_optimized == to => return Ok(Made::Done),
                Ok(seen) => seen.ebs_optimized.to_string(),
                Err(nothing) => nothing,
            };
            watch.pause(last).await?;
        }
    }
}

#[cfg(test)]
#[path = "ebs_tests.rs"]
mod tests;
