//! A command that did not do what was asked.

use serde_json::Value;

use super::ErrorDocument;
use crate::cloud::{CloudError, CloudErrorKind};
use crate::host::HostError;
use crate::journal::Failure;
use crate::model::Outcome;

/// How a command ended without doing what was asked, and why. Help is added at the edge, by code
/// ([`super::help`]), where `document.help` is empty.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
#[error("{}", document.message)]
pub struct CommandError {
    /// How it ended.
    pub outcome: Outcome,
    /// Why.
    pub document: ErrorDocument,
    /// `data` of the result, where there is something to show.
    pub data: Option<Box<Value>>,
}

impl CommandError {
    /// An error with a stable word for programs and one sentence for people.
    pub fn new(outcome: Outcome, code: &str, message: impl Into<String>) -> Self {
        Self {
            outcome,
            document: ErrorDocument {
                code: code.into(),
                message: message.into(),
                causes: Vec::new(),
                help: Vec::new(),
            },
            data: None,
        }
    }

    /// The command line is wrong (2).
    pub fn usage(message: impl Into<String>) -> Self {
        Self::new(Outcome::Usage, "usage", message)
    }

    /// Unexpected, or broken before anything was begun (1).
    pub fn failed(code: &str, message: impl Into<String>) -> Self {
        Self::new(Outcome::Failed, code, message)
    }

    /// A check said no; nothing was changed (3).
    pub fn refused(code: &str, message: impl Into<String>) -> Self {
        Self::new(Outcome::Refused, code, message)
    }

    /// Interrupted; `resume` goes on (6).
    pub fn paused(code: &str, message: impl Into<String>) -> Self {
        Self::new(Outcome::Paused, code, message)
    }

    /// Another operation holds the deployment (7).
    pub fn locked(message: impl Into<String>) -> Self {
        Self::new(Outcome::Locked, "locked", message)
    }

    /// No such deployment, snapshot or operation (8).
    pub fn not_found(code: &str, message: impl Into<String>) -> Self {
        Self::new(Outcome::NotFound, code, message)
    }

    /// The question was answered no (9).
    pub fn declined() -> Self {
        Self::new(
            Outcome::Declined,
            "declined",
            "the question was answered no; nothing was changed",
        )
    }

    /// Interrupted before anything was begun (9): there is nothing to resume.
    pub fn interrupted() -> Self {
        Self::new(
            Outcome::Declined,
            "declined",
            "interrupted before anything was begun; nothing was changed",
        )
    }

    /// The question could not be asked (9).
    pub fn cannot_ask() -> Self {
        Self::new(
            Outcome::Declined,
            "no_terminal",
            "the question cannot be asked without a terminal, and --force was not given; nothing was changed",
        )
    }

    /// Adds what lies under it.
    #[must_use]
    pub fn because(mut self, cause: impl std::fmt::Display) -> Self {
        self.document.causes.push(cause.to_string());
        self
    }

    /// Adds a next step of its own; the help of its code is not added then.
    #[must_use]
    pub fn help(mut self, next_step: impl Into<String>) -> Self {
        self.document.help.push(next_step.into());
        self
    }

    /// Adds the document to show as `data`.
    #[must_use]
    pub fn with_data(mut self, data: Value) -> Self {
        self.data = Some(Box::new(data));
        self
    }
}

/// The stable word for a call that AWS did not take.
pub fn cloud_code(error: &CloudError) -> &'static str {
    match (error.code.as_deref(), error.kind) {
        (Some("InsufficientInstanceCapacity" | "InsufficientHostCapacity"), _) => {
            "insufficient_capacity"
        }
        (Some("Unsupported"), _) => "unsupported",
        (_, CloudErrorKind::Capacity) => "limit_exceeded",
        (_, CloudErrorKind::Credentials) => "credentials",
        (_, CloudErrorKind::Unreachable) => "unreachable",
        (_, CloudErrorKind::Denied) => "denied",
        (_, CloudErrorKind::Throttled) => "throttled",
        (_, CloudErrorKind::NotFound) => "not_found",
        (_, CloudErrorKind::WrongState) => "wrong_state",
        (_, CloudErrorKind::LockLost) => "lock_lost",
        (_, CloudErrorKind::Inconsistent) => "inconsistent",
        (_, CloudErrorKind::Other) => "cloud_error",
    }
}

impl From<&CloudError> for ErrorDocument {
    fn from(error: &CloudError) -> Self {
        let call = error.call;
        let message = match error.kind {
            CloudErrorKind::Credentials => {
                "the AWS credentials are missing, expired or invalid".into()
            }
            CloudErrorKind::Unreachable => "AWS could not be reached".into(),
            CloudErrorKind::Denied => format!("the credentials may not call {call}"),
            CloudErrorKind::Throttled => format!("AWS throttles {call}"),
            CloudErrorKind::NotFound => format!("AWS does not know what {call} was asked about"),
            CloudErrorKind::Capacity => format!("AWS has no capacity or quota left for {call}"),
            CloudErrorKind::WrongState => {
                format!("the state of the instance does not allow {call}")
            }
            CloudErrorKind::LockLost => format!("{call} was not sent: the lock is lost"),
            CloudErrorKind::Inconsistent => format!("AWS still sees an older state in {call}"),
            CloudErrorKind::Other => format!("AWS did not take {call}"),
        };
        Self {
            code: cloud_code(error).into(),
            message,
            causes: vec![error.to_string()],
            help: Vec::new(),
        }
    }
}

impl From<CloudError> for CommandError {
    /// Before a journal is open, every failed call ends with 1.
    fn from(error: CloudError) -> Self {
        Self {
            outcome: Outcome::Failed,
            document: (&error).into(),
            data: None,
        }
    }
}

/// The stable word for a host that did not answer, or not like a host of ours.
pub fn host_code(error: &HostError) -> &'static str {
    match error {
        HostError::Unreachable(_) => "host_unreachable",
        HostError::Cloud(cloud) => cloud_code(cloud),
        HostError::Fenced { .. } => "fenced",
        HostError::Script { .. } => "host_script",
        HostError::Garbled { .. } => "host_reply",
        HostError::Timeout { .. } => "host_timeout",
    }
}

impl From<HostError> for CommandError {
    fn from(error: HostError) -> Self {
        match error {
            HostError::Cloud(cloud) => cloud.into(),
            error => Self::failed(host_code(&error), error.to_string()),
        }
    }
}

impl From<&Failure> for ErrorDocument {
    fn from(failure: &Failure) -> Self {
        Self {
            code: failure.code.clone(),
            message: failure.message.clone(),
            causes: failure.causes.clone(),
            help: failure.help.clone(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn cloud(kind: CloudErrorKind, code: Option<&str>) -> CloudError {
        CloudError {
            call: "ec2:StartInstances",
            code: code.map(str::to_owned),
            message: "no".into(),
            request_id: Some("req-1".into()),
            kind,
        }
    }

    #[test]
    fn what_aws_says_keeps_its_code_and_request_id() {
        let error: CommandError = cloud(
            CloudErrorKind::Capacity,
            Some("InsufficientInstanceCapacity"),
        )
        .into();
        assert_eq!(error.outcome, Outcome::Failed);
        assert_eq!(error.document.code, "insufficient_capacity");
        assert_eq!(
            error.document.causes,
            ["ec2:StartInstances: InsufficientInstanceCapacity: no (request id req-1)"]
        );
        let quota = cloud(CloudErrorKind::Capacity, Some("VcpuLimitExceeded"));
        assert_eq!(cloud_code(&quota), "limit_exceeded");
        let host: CommandError = HostError::Cloud(cloud(CloudErrorKind::Credentials, None)).into();
        assert_eq!(host.document.code, "credentials");
    }
}
