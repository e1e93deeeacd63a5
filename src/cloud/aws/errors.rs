//! One function that sorts what AWS, or the way to it, said no with.

use std::error::Error;

use aws_credential_types::provider::error::CredentialsError;
use aws_sdk_ec2::operation::RequestId;
use aws_smithy_runtime_api::client::orchestrator::HttpResponse;
use aws_smithy_runtime_api::client::result::SdkError;
use aws_smithy_types::error::display::DisplayErrorContext;
use aws_smithy_types::error::metadata::ProvideErrorMetadata;

use crate::cloud::{CloudError, CloudErrorKind};
use crate::model::shortened;

/// Sorts a failed call. `call` is its name in IAM, e.g. `ec2:StartInstances`.
pub(super) fn sort<E>(call: &'static str, error: SdkError<E, HttpResponse>) -> CloudError
where
    E: ProvideErrorMetadata + Error + 'static,
{
    let code = error.code().map(str::to_owned);
    let kind = match &error {
        SdkError::ServiceError(e) => {
            let message = error.message().unwrap_or_default();
            let status = e.raw().status().as_u16();
            kind_of(code.as_deref(), message, status)
        }
        // A proxy's page, or an answer cut off in the middle: what was done is not known.
        SdkError::ResponseError(_) | SdkError::TimeoutError(_) => CloudErrorKind::Unreachable,
        SdkError::DispatchFailure(e) if e.is_io() || e.is_timeout() => CloudErrorKind::Unreachable,
        other => kind_before_sending(other),
    };
    let request_id = error
        .request_id()
        .map(str::to_owned)
        .or_else(|| request_id_in_body(&error));
    CloudError {
        call,
        message: shortened(
            match error.message() {
                Some(message) if !message.is_empty() => message.to_owned(),
                _ => in_words(&error),
            },
            LONGEST_MESSAGE,
        ),
        request_id: request_id.map(|id| shortened(id, LONGEST_WORD)),
        code: code.map(|code| shortened(code, LONGEST_WORD)),
        kind,
    }
}

/// So many characters of a message are kept: an encoded authorization failure, the longest of use to anybody, is shorter. The SDK's
/// readers quote a reply that they cannot take at a multiple of its length.
const LONGEST_MESSAGE: usize = 4000;

/// So many of a code, and of a request id.
const LONGEST_WORD: usize = 200;

/// A reply that lacks what AWS promises to send.
pub(super) fn incomplete(call: &'static str, message: impl Into<String>) -> CloudError {
    CloudError {
        call,
        code: None,
        message: shortened(message.into(), LONGEST_MESSAGE),
        request_id: None,
        kind: CloudErrorKind::Other,
    }
}

/// What an error code means for an operation.
///
/// `InvalidInstanceId` of Systems Manager is `Other`: it mostly means that the agent is not up yet
/// (SSM API, `SendCommand`), so the caller, who knows whether it just started the instance, decides
/// by the code. It is not EC2's `InvalidInstanceID.NotFound`.
pub(crate) fn kind_of(code: Option<&str>, message: &str, status: u16) -> CloudErrorKind {
    use CloudErrorKind as Kind;
    let Some(code) = code else {
        // No AWS service answers without a code; a gateway on the way does.
        return match status {
            502..=504 => Kind::Unreachable,
            401 => Kind::Credentials,
            403 => Kind::Denied,
            404 => Kind::NotFound,
            429 => Kind::Throttled,
            _ => Kind::Other,
        };
    };
    match code {
        "ExpiredToken"
        | "ExpiredTokenException"
        | "InvalidClientTokenId"
        | "InvalidAccessKeyId"
        | "InvalidSecurity"
        | "AuthFailure"
        | "MissingAuthenticationToken"
        | "MissingAuthenticationTokenException"
        | "IncompleteSignature"
        | "IncompleteSignatureException"
        | "UnrecognizedClientException"
        | "InvalidSignatureException"
        | "SignatureDoesNotMatch"
        | "NotAuthorizedException"
        // The clock of this machine is off: every call will fail alike.
        | "RequestTimeTooSkewed"
        | "RequestInTheFuture"
        | "RequestExpired" => Kind::Credentials,
        "ServiceUnavailable" | "ServiceUnavailableException" | "Unavailable" => Kind::Unreachable,
        "UnauthorizedOperation" | "OptInRequired" => Kind::Denied,
        code if code.starts_with("AccessDenied") => Kind::Denied,
        "RequestLimitExceeded"
        | "TooManyRequestsException"
        | "RequestThrottled"
        | "RequestThrottledException"
        | "SlowDown"
        | "BandwidthLimitExceeded"
        | "EC2ThrottledException" => Kind::Throttled,
        code if code.starts_with("Throttling") || code.starts_with("Throttled") => Kind::Throttled,
        "FileSystemNotFound" | "MountTargetNotFound" | "ParameterNotFound" => Kind::NotFound,
        code if code.ends_with(".NotFound") => Kind::NotFound,
        "InsufficientInstanceCapacity"
        | "InsufficientHostCapacity"
        | "InsufficientCapacity"
        | "InsufficientReservedInstanceCapacity"
        | "ReservationCapacityExceeded"
        | "InstanceLimitExceeded"
        | "VcpuLimitExceeded"
        | "MaxSpotInstanceCountExceeded" => Kind::Capacity,
        "IncorrectInstanceState" | "IncorrectState" => Kind::WrongState,
        // A start right after the change of the type, before the change has reached every part of EC2
        // (terraform-provider-aws #16433).
        "InvalidParameterValue" if message.contains("LaunchPlan") => Kind::Inconsistent,
        _ => Kind::Other,
    }
}

/// Failures inside this process: no credentials, or a request that could not be built.
fn kind_before_sending(error: &(dyn Error + 'static)) -> CloudErrorKind {
    let mut next = Some(error);
    while let Some(e) = next {
        if e.is::<CredentialsError>() {
            return CloudErrorKind::Credentials;
        }
        next = e.source();
    }
    CloudErrorKind::Other
}

/// The causes, joined: the error itself only says "dispatch failure".
fn in_words(error: &(dyn Error + 'static)) -> String {
    let mut words: Vec<String> = Vec::new();
    let mut next = error.source();
    while let Some(e) = next {
        let text = e.to_string();
        if words.last() != Some(&text) {
            words.push(text);
        }
        next = e.source();
    }
    if words.is_empty() {
        DisplayErrorContext(error).to_string()
    } else {
        words.join(": ")
    }
}

/// EC2's XML carries the request id in the body as well; emulators often only there.
fn request_id_in_body<E>(error: &SdkError<E, HttpResponse>) -> Option<String> {
    let text = std::str::from_utf8(error.raw_response()?.body().bytes()?).ok()?;
    let rest = text.split_once("<RequestID>")?.1;
    Some(rest.split_once("</RequestID>")?.0.trim().to_owned())
}
