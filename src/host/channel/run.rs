//! One command: ping, send, wait.

use std::time::Duration;

use super::RunCommandHost;
use crate::cloud::{
    CloudError, CloudErrorKind, CommandId, CommandRequest, CommandResult, CommandStatus,
};
use crate::host::scripts::Verb;
use crate::host::{HostError, Tag};
use crate::model::InstanceId;

impl RunCommandHost {
    /// Sends the script, waits for its end, gives its standard output. `more_s`: seconds on top of the usual
    /// time for a script.
    pub(super) async fn run(
        &self,
        on: &InstanceId,
        verb: Verb,
        tag: Option<&Tag>,
        script: &str,
        more_s: u32,
    ) -> Result<String, HostError> {
        let result = self.send_and_wait(on, verb, tag, script, more_s).await;
        let mut known = self.known.lock().unwrap_or_else(|e| e.into_inner());
        match &result {
            Ok(_) => known.insert(on.clone()),
            Err(_) => known.remove(on),
        };
        drop(known);
        judge(
            verb,
            self.limits.execution_s.saturating_add(more_s),
            result?,
        )
    }

    async fn send_and_wait(
        &self,
        on: &InstanceId,
        verb: Verb,
        tag: Option<&Tag>,
        script: &str,
        more_s: u32,
    ) -> Result<CommandResult, HostError> {
        let known = self
            .known
            .lock()
            .unwrap_or_else(|e| e.into_inner())
            .contains(on);
        if !known {
            self.ping(on).await?;
        }
        let command = CommandRequest {
            script: script.to_owned(),
            comment: comment(verb, tag),
            delivery_timeout_s: self.limits.delivery_s.max(30),
            execution_timeout_s: self.limits.execution_s.saturating_add(more_s),
        };
        let id = self.send(on, &command).await?;
        self.wait(on, verb, &id, &command).await
    }

    async fn ping(&self, on: &InstanceId) -> Result<(), HostError> {
        let mut turn = 0;
        let ping = loop {
            match self.agent.ping(on).await {
                Err(error) => self.again(&mut turn, error).await?,
                Ok(ping) => break ping,
            }
        };
        match ping {
            Some(ping) if ping.online => Ok(()),
            Some(ping) => Err(HostError::Unreachable(match ping.last_ping {
                Some(at) => format!("its agent is not online, and was last heard of at {at}"),
                None => "its agent is not online".into(),
            })),
            None => Err(HostError::Unreachable(
                "its agent is not registered with Systems Manager".into(),
            )),
        }
    }

    /// A send whose answer was lost is made again: the host answers the second from its record.
    async fn send(
        &self,
        on: &InstanceId,
        command: &CommandRequest,
    ) -> Result<CommandId, HostError> {
        let mut turn = 0;
        loop {
            match self.agent.send(on, command).await {
                Ok(id) => return Ok(id),
                // The agent is not up yet, or not any more.
                Err(error) if error.code.as_deref() == Some("InvalidInstanceId") => {
                    return Err(HostError::Unreachable(error.to_string()));
                }
                Err(error) => self.again(&mut turn, error).await?,
            }
        }
    }

    async fn wait(
        &self,
        on: &InstanceId,
        verb: Verb,
        id: &CommandId,
        command: &CommandRequest,
    ) -> Result<CommandResult, HostError> {
        let seconds =
            u64::from(command.delivery_timeout_s) + u64::from(command.execution_timeout_s);
        let most = Duration::from_secs(seconds) + self.limits.grace;
        let (mut turn, mut slept, mut pause) = (0, Duration::ZERO, self.limits.poll_first);
        loop {
            // Counted, not read from the clock: a machine that slept has not waited.
            self.clock.sleep(pause).await;
            slept += pause;
            pause = (pause * 2).min(self.limits.poll_most);
            match self.agent.result(on, id).await {
                Err(error) => {
                    self.again(&mut turn, error).await?;
                    continue;
                }
                Ok(Some(result)) if result.status != CommandStatus::Going => return Ok(result),
                Ok(None) if slept >= self.limits.appears_within => {
                    return Err(HostError::Unreachable(format!(
                        "command {} has no invocation after {} s",
                        id.0,
                        slept.as_secs()
                    )));
                }
                Ok(_) => turn = 0,
            }
            if slept >= most {
                return Err(HostError::Timeout {
                    verb: verb.name(),
                    seconds: slept.as_secs(),
                });
            }
        }
    }

    /// Waits before a call is made again, or gives the error where that is of no use.
    async fn again(&self, turn: &mut u32, error: CloudError) -> Result<(), HostError> {
        let passes = matches!(
            error.kind,
            CloudErrorKind::Throttled | CloudErrorKind::Unreachable | CloudErrorKind::Inconsistent
        );
        if !passes || *turn >= self.limits.retries {
            return Err(error.into());
        }
        self.clock
            .sleep(self.limits.backoff * 2_u32.saturating_pow(*turn))
            .await;
        *turn += 1;
        Ok(())
    }
}

/// `Comment`: at most 100 characters; an operation id has at most 64.
fn comment(verb: Verb, tag: Option<&Tag>) -> String {
    let text = match tag {
        Some(tag) => format!("geusemaker {} {}/{}", verb.name(), tag.operation, tag.seq),
        None => format!("geusemaker {}", verb.name()),
    };
    text.chars().take(100).collect()
}

/// The output of a script that ended, or what its end means.
fn judge(verb: Verb, execution_s: u32, result: CommandResult) -> Result<String, HostError> {
    // `DeliveryTimedOut`, `Undeliverable`, `Terminated`: it never began (SSM User Guide, command statuses).
    let word: String = result
        .details
        .to_ascii_lowercase()
        .split_whitespace()
        .collect();
    let never_began = ["deliverytimedout", "undeliverable", "terminated"].contains(&word.as_str());
    if result.status != CommandStatus::Success && never_began {
        return Err(HostError::Unreachable(format!(
            "the command was not delivered ({})",
            result.details
        )));
    }
    match result.status {
        CommandStatus::Success => Ok(result.stdout),
        CommandStatus::TimedOut => Err(HostError::Timeout {
            verb: verb.name(),
            seconds: u64::from(execution_s),
        }),
        CommandStatus::Going | CommandStatus::Failed | CommandStatus::Cancelled => {
            let end: String = result
                .stderr
                .trim()
                .lines()
                .rev()
                .take(5)
                .collect::<Vec<_>>()
                .join("; ");
            Err(HostError::Script {
                verb: verb.name(),
                code: match result.status {
                    CommandStatus::Cancelled => "cancelled".into(),
                    _ => format!("exit {}", result.exit_code),
                },
                message: if end.is_empty() { result.details } else { end },
            })
        }
    }
}
