//! Systems Manager's Run Command.

use async_trait::async_trait;
use aws_config::SdkConfig;
use aws_sdk_ssm::Client;
use aws_sdk_ssm::types::{
    CommandInvocationStatus as Status, InstanceInformationStringFilter, PingStatus,
};

use super::errors::{incomplete, sort};
use super::facts::timestamp;
use super::pages::Pages;
use crate::cloud::{
    Agent, AgentPing, CloudError, CommandId, CommandRequest, CommandResult, CommandStatus,
};
use crate::model::InstanceId;

/// The document that runs a shell script as root.
const DOCUMENT: &str = "AWS-RunShellScript";
/// SSM API, `SendCommand`: `Comment` at most.
const COMMENT_CHARS: usize = 100;
/// SSM API, `SendCommand`: `TimeoutSeconds` at least.
const DELIVERY_AT_LEAST_S: u32 = 30;

/// [`Agent`] over the SDK.
#[derive(Debug, Clone)]
pub struct AwsAgent {
    client: Client,
}

impl AwsAgent {
    /// A client; nothing is sent yet.
    pub fn new(config: &SdkConfig) -> Self {
        Self {
            client: Client::new(config),
        }
    }
}

#[async_trait]
impl Agent for AwsAgent {
    async fn ping(&self, on: &InstanceId) -> Result<Option<AgentPing>, CloudError> {
        const CALL: &str = "ssm:DescribeInstanceInformation";
        let filter = InstanceInformationStringFilter::builder()
            .key("InstanceIds")
            .values(on.as_str())
            .build()
            .map_err(|e| incomplete(CALL, e.to_string()))?;
        // A page may be empty and still name a next one.
        let mut pages = self
            .client
            .describe_instance_information()
            .filters(filter)
            .into_paginator()
            .send();
        let mut listing = Pages::of(CALL);
        while let Some(page) = pages.next().await {
            let page = listing.take(page, |p| p.next_token())?;
            let mut all = page.instance_information_list().iter();
            if let Some(info) = all.find(|i| i.instance_id() == Some(on.as_str())) {
                return Ok(Some(AgentPing {
                    online: info.ping_status() == Some(&PingStatus::Online),
                    last_ping: info.last_ping_date_time().and_then(timestamp),
                }));
            }
        }
        Ok(None)
    }

    async fn send(
        &self,
        on: &InstanceId,
        command: &CommandRequest,
    ) -> Result<CommandId, CloudError> {
        const CALL: &str = "ssm:SendCommand";
        let delivery = command.delivery_timeout_s.max(DELIVERY_AT_LEAST_S);
        let comment: String = command.comment.chars().take(COMMENT_CHARS).collect();
        let reply = self
            .client
            .send_command()
            .document_name(DOCUMENT)
            .instance_ids(on.as_str())
            .comment(comment)
            .timeout_seconds(i32::try_from(delivery).unwrap_or(i32::MAX))
            .parameters("commands", vec![command.script.clone()])
            .parameters(
                "executionTimeout",
                vec![command.execution_timeout_s.to_string()],
            )
            .send()
            .await
            .map_err(|e| sort(CALL, e))?;
        reply
            .command()
            .and_then(|c| c.command_id())
            .map(|id| CommandId(id.to_owned()))
            .ok_or_else(|| incomplete(CALL, "expected a command id, found none"))
    }

    async fn result(
        &self,
        on: &InstanceId,
        id: &CommandId,
    ) -> Result<Option<CommandResult>, CloudError> {
        const CALL: &str = "ssm:GetCommandInvocation";
        let reply = self
            .client
            .get_command_invocation()
            .command_id(&id.0)
            .instance_id(on.as_str())
            .send()
            .await;
        let reply = match reply.map_err(|e| sort(CALL, e)) {
            Ok(reply) => reply,
            Err(e) if e.code.as_deref() == Some("InvocationDoesNotExist") => return Ok(None),
            Err(e) => return Err(e),
        };
        let word = reply.status().map(|s| s.as_str()).unwrap_or_default();
        let status = reply.status().and_then(status).ok_or_else(|| {
            incomplete(
                CALL,
                format!("expected a status of the command, found '{word}'"),
            )
        })?;
        Ok(Some(CommandResult {
            status,
            details: reply.status_details().unwrap_or(word).to_owned(),
            exit_code: reply.response_code(),
            stdout: reply
                .standard_output_content()
                .unwrap_or_default()
                .to_owned(),
            stderr: reply
                .standard_error_content()
                .unwrap_or_default()
                .to_owned(),
        }))
    }
}

fn status(s: &Status) -> Option<CommandStatus> {
    Some(match s {
        Status::Pending | Status::InProgress | Status::Delayed | Status::Cancelling => {
            CommandStatus::Going
        }
        Status::Success => CommandStatus::Success,
        Status::Failed => CommandStatus::Failed,
        Status::TimedOut => CommandStatus::TimedOut,
        Status::Cancelled => CommandStatus::Cancelled,
        _ => return None,
    })
}
