//! What AWS says no with, sorted once.

/// A call that failed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{call}: {}{message}{}", code.as_deref().map(|c| format!("{c}: ")).unwrap_or_default(),
    request_id.as_deref().map(|r| format!(" (request id {r})")).unwrap_or_default())]
pub struct CloudError {
    /// The call, as IAM names it: `ec2:StartInstances`.
    pub call: &'static str,
    /// AWS's error code, e.g. `InsufficientInstanceCapacity`.
    pub code: Option<String>,
    /// AWS's message, or the transport's.
    pub message: String,
    /// AWS's request id, for its support.
    pub request_id: Option<String>,
    /// What it means for us.
    pub kind: CloudErrorKind,
}

/// What a failed call means for the operation.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CloudErrorKind {
    /// Expired or invalid credentials: every further call will fail too. Pause; undo nothing.
    Credentials,
    /// The endpoint could not be reached: every further call will fail too. Pause; undo nothing.
    Unreachable,
    /// This one call is not permitted. A failure like any other.
    Denied,
    /// Throttled beyond the SDK's own retries.
    Throttled,
    /// No such instance, file system, …
    NotFound,
    /// No capacity, or a limit of the account.
    Capacity,
    /// The instance is not in a state that allows the call.
    WrongState,
    /// The call was not sent: our lock is lost, and somebody else may act. Write nothing any more.
    LockLost,
    /// A read that is not yet consistent with an earlier write; may pass within seconds.
    Inconsistent,
    /// Anything else.
    Other,
}

impl CloudError {
    /// Whether a limit of the account says no, rather than a want of capacity (EC2 API, error codes).
    pub fn is_quota(&self) -> bool {
        self.kind == CloudErrorKind::Capacity
            && self
                .code
                .as_deref()
                .is_some_and(|code| code.contains("LimitExceeded"))
    }

    /// Whether nothing else can be expected to work either: pause rather than undo.
    pub fn stops_everything(&self) -> bool {
        matches!(
            self.kind,
            CloudErrorKind::Credentials | CloudErrorKind::Unreachable | CloudErrorKind::LockLost
        )
    }
}
