//! How the world says no: AWS's code and a message.

/// A refusal, as AWS words it.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{code}: {message}")]
pub struct AwsError {
    /// AWS's error code.
    pub code: String,
    /// AWS's message.
    pub message: String,
}

/// The codes with which AWS refuses the caller rather than the call. Only these also meet a dry run:
/// `DryRun` checks permissions and nothing else (EC2 API, common parameters).
const AUTHORIZATION: &[&str] = &[
    "AccessDenied",
    "AccessDeniedException",
    "AuthFailure",
    "Blocked",
    "ExpiredToken",
    "ExpiredTokenException",
    "IncompleteSignature",
    "InvalidClientTokenId",
    "InvalidSecurity",
    "MissingAuthenticationToken",
    "NotAuthorized",
    "OptInRequired",
    "PendingVerification",
    "RequestExpired",
    "SignatureDoesNotMatch",
    "UnauthorizedOperation",
    "UnrecognizedClientException",
];

impl AwsError {
    /// An error with this code.
    pub fn new(code: impl Into<String>, message: impl Into<String>) -> Self {
        Self {
            code: code.into(),
            message: message.into(),
        }
    }

    /// The error that a fault stands for, in words like AWS's.
    pub fn of_fault(call: &str, code: &str, instance_type: Option<&str>) -> Self {
        let kind = instance_type.unwrap_or("requested");
        let message = match (call, code) {
            (
                "ec2:StartInstances" | "ec2:CreateCapacityReservation",
                "InsufficientInstanceCapacity",
            ) => {
                format!("Insufficient capacity: there is not enough capacity of the {kind} instance type to fulfil the request.")
            }
            // The race of a start right after a change of type.
            ("ec2:StartInstances", "InvalidParameterValue") => {
                "LaunchPlan instance type does not match attribute value".into()
            }
            (_, "InstanceLimitExceeded") => {
                format!("You have requested more instances of type {kind} than your current instance limit allows.")
            }
            (_, "VcpuLimitExceeded") => {
                "You have requested more vCPU capacity than your current vCPU limit allows for the instance bucket that the specified instance type belongs to.".into()
            }
            (_, "Unsupported") => {
                format!("The {kind} configuration is currently not supported. Check the documentation for supported configurations.")
            }
            (_, "RequestLimitExceeded") => "Request limit exceeded.".into(),
            (_, "ThrottlingException") => "Rate exceeded".into(),
            (_, "ExpiredToken" | "ExpiredTokenException" | "RequestExpired") => {
                "The security token included in the request is expired".into()
            }
            (_, "UnrecognizedClientException" | "InvalidClientTokenId") => {
                "The security token included in the request is invalid.".into()
            }
            (_, "AuthFailure") => {
                "AWS was not able to validate the provided access credentials".into()
            }
            (_, "UnauthorizedOperation") => "You are not authorized to perform this operation.".into(),
            (_, "AccessDenied" | "AccessDeniedException") => {
                format!("User is not authorized to perform: {call}")
            }
            _ => format!("{call} was refused with {code} (a fault of the sandbox)"),
        };
        Self::new(code, message)
    }

    /// Whether the code refuses the caller: it meets a dry run as well.
    pub fn is_authorization(code: &str) -> bool {
        AUTHORIZATION.contains(&code)
    }

    /// No such instance.
    pub fn instance_not_found(ids: &[&str]) -> Self {
        let message = match ids {
            [id] => format!("The instance ID '{id}' does not exist"),
            _ => format!("The instance IDs '{}' do not exist", ids.join(", ")),
        };
        Self::new("InvalidInstanceID.NotFound", message)
    }

    /// The instance is in a state that does not allow the call.
    pub fn state(message: impl Into<String>) -> Self {
        Self::new("IncorrectInstanceState", message)
    }
}
