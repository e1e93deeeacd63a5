//! Which protocol a request speaks, and how each says no: body and HTTP status.

use bytes::Bytes;
use http::{HeaderValue, Request, Response};
use serde_json::json;

use super::xml::Xml;
use super::{AwsError, reply};

/// The wire protocol of a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Protocol {
    /// Form in, XML out: EC2 and STS.
    Query,
    /// The same of Auto Scaling, whose errors look otherwise.
    AutoScaling,
    /// AWS JSON 1.1.
    Ssm,
    /// REST with JSON.
    Efs,
}

impl Protocol {
    pub(super) fn of<B>(request: &Request<B>) -> Self {
        if request.headers().contains_key("x-amz-target") {
            Self::Ssm
        } else if request.uri().path().starts_with("/2015-02-01/") {
            Self::Efs
        } else if is_signed_for(request, "autoscaling") {
            Self::AutoScaling
        } else {
            Self::Query
        }
    }

    pub(super) fn media_type(self) -> &'static str {
        match self {
            Self::Query | Self::AutoScaling => "text/xml;charset=UTF-8",
            Self::Ssm => "application/x-amz-json-1.1",
            Self::Efs => "application/json",
        }
    }

    /// The error in the words and with the status of this protocol.
    pub(super) fn refuse(self, error: &AwsError, id: &str) -> Response<Bytes> {
        let AwsError { code, message } = error;
        let body = match self {
            Self::Query => Xml::document("Response", "", |x| {
                x.node("Errors", |x| {
                    x.node("Error", |x| {
                        x.leaf("Code", code);
                        x.leaf("Message", message);
                    });
                });
                x.leaf("RequestID", id);
            }),
            Self::AutoScaling => {
                Xml::document("ErrorResponse", super::auto_scaling::NAMESPACE, |x| {
                    x.node("Error", |x| {
                        x.leaf("Type", "Sender");
                        x.leaf("Code", code);
                        x.leaf("Message", message);
                    });
                    x.leaf("RequestId", id);
                })
            }
            Self::Ssm => json!({ "__type": code, "message": message }).to_string(),
            Self::Efs => json!({ "ErrorCode": code, "Message": message }).to_string(),
        };
        let mut response = reply(self, self.status(code), id, body);
        if self == Self::Efs
            && let Ok(code) = HeaderValue::from_str(code)
        {
            response.headers_mut().insert("x-amzn-errortype", code);
        }
        response
    }

    /// The HTTP status of an error code. It matters: the SDK tries 5xx and throttling again.
    fn status(self, code: &str) -> u16 {
        match (self, code) {
            (_, "InternalError" | "InternalFailure" | "InternalServerError") => 500,
            (_, "Unavailable" | "ServiceUnavailable" | "RequestLimitExceeded") => 503,
            // EC2 lists its want of capacity under server errors (EC2 API, error codes).
            (Self::Query, "InsufficientInstanceCapacity" | "InsufficientHostCapacity") => 500,
            (Self::AutoScaling, "AccessDenied") => 403,
            (Self::Query, "DryRunOperation") => 412,
            (Self::Query, "AuthFailure" | "OptInRequired") => 401,
            (Self::Query, "UnauthorizedOperation" | "SignatureDoesNotMatch") => 403,
            (Self::Efs, "FileSystemNotFound" | "MountTargetNotFound" | "PolicyNotFound") => 404,
            (Self::Efs, "UnknownOperationException") => 404,
            (Self::Efs, "IncorrectFileSystemLifeCycleState" | "IncorrectMountTargetState") => 409,
            (Self::Efs, "ThrottlingException") => 429,
            (Self::Efs, "AccessDeniedException" | "UnrecognizedClientException") => 403,
            _ => 400,
        }
    }
}

/// Which service a request is signed for (Signature Version 4: the credential's scope).
fn is_signed_for<B>(request: &Request<B>, service: &str) -> bool {
    let header = request.headers().get("authorization");
    let text = header.and_then(|h| h.to_str().ok()).unwrap_or_default();
    text.contains(&format!("/{service}/aws4_request"))
}
