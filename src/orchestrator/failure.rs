//! Errors of the ports as failures of an operation: sorted once, with a word for programs.

use crate::cloud::CloudError;
use crate::host::HostError;
use crate::instance::InstanceError;
use crate::journal::{Failure, FailureClass};
use crate::plan::{Check, CheckStatus};
use crate::report::cloud_code;

/// A failure that is undone like any other.
pub fn fails(code: &str, message: impl Into<String>) -> Failure {
    Failure {
        code: code.into(),
        message: message.into(),
        causes: vec![],
        help: vec![],
        checks: vec![],
        logs: vec![],
        class: FailureClass::Fails,
    }
}

/// A call that failed.
pub fn from_cloud(what: &str, error: &CloudError) -> Failure {
    Failure {
        code: cloud_code(error).into(),
        message: format!(
            "{what}: {}",
            error.code.as_deref().unwrap_or(&error.message)
        ),
        causes: vec![error.to_string()],
        help: vec![],
        checks: vec![],
        logs: vec![],
        class: if error.stops_everything() {
            FailureClass::Pauses
        } else {
            FailureClass::Fails
        },
    }
}

/// A host that did not do as asked.
pub fn from_host(what: &str, error: &HostError) -> Failure {
    let (code, class) = match error {
        HostError::Cloud(cloud) => return from_cloud(what, cloud),
        HostError::Unreachable(_) => ("host_unreachable", FailureClass::HostUnreachable),
        HostError::Timeout { .. } => ("host_timeout", FailureClass::HostUnreachable),
        HostError::Fenced { .. } => ("fenced", FailureClass::Pauses),
        // The host has judged by itself meanwhile: its own words.
        HostError::Script { code, .. } if code.starts_with("host_") => {
            (code.as_str(), FailureClass::Fails)
        }
        HostError::Script { .. } => ("host_script", FailureClass::Fails),
        HostError::Garbled { .. } => ("host_reply", FailureClass::Fails),
    };
    Failure {
        code: code.into(),
        message: format!("{what}: {error}"),
        causes: vec![],
        help: vec![],
        checks: vec![],
        logs: vec![],
        class,
    }
}

/// An instance that is not as it was to be.
pub fn from_instance(what: &str, error: &InstanceError) -> Failure {
    let code = match error {
        InstanceError::Cloud(cloud) => return from_cloud(what, cloud),
        InstanceError::FellBack { reason, .. }
            if reason.contains("InsufficientInstanceCapacity") =>
        {
            "insufficient_capacity"
        }
        InstanceError::FellBack { .. } => "start_fell_back",
        InstanceError::Deadline(_) => "instance_timeout",
        InstanceError::NotFound { .. } | InstanceError::Gone { .. } => "instance_gone",
        InstanceError::NotStopped { .. } => "wrong_state",
        InstanceError::TypeChanged { .. } => "type_changed",
        InstanceError::Impaired { .. } => "status_check_impaired",
    };
    fails(code, format!("{what}: {error}"))
}

/// Checks that refused, as one failure.
pub fn from_checks(code: &str, what: &str, checks: &[Check]) -> Option<Failure> {
    let refused: Vec<&Check> = checks
        .iter()
        .filter(|c| c.status == CheckStatus::Refuse)
        .collect();
    let first = refused.first()?;
    Some(Failure {
        code: code.into(),
        message: format!("{what}: {}", first.message),
        causes: refused
            .iter()
            .map(|c| format!("{}: found {}, expected {}", c.name, c.found, c.expected))
            .collect(),
        help: refused
            .iter()
            .map(|c| c.help.clone())
            .filter(|h| !h.is_empty())
            .collect(),
        checks: checks.to_vec(),
        logs: vec![],
        class: FailureClass::Fails,
    })
}
