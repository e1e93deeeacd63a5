//! What the rest of the program may ask of AWS.
//!
//! Each method is one look or one effect. None waits, none retries what is not a passing fault of the
//! network: waiting is [`super::wait`], and deciding is the caller's.

use async_trait::async_trait;

use super::{CloudError, CloudErrorKind, Reservation, Reserve, WhichReservations};
use crate::model::{
    FileSystemFacts, FileSystemId, InstanceFacts, InstanceId, InstanceType, Permit, ReservationId,
    Timestamp, TypeFacts,
};

/// EC2, as far as a change in place needs it.
#[async_trait]
pub trait Ec2: Send + Sync {
    /// `DescribeInstances`, and nothing else: it is asked every second while something is waited for. `Ok(None)`: there
    /// is no such instance.
    async fn instance(&self, id: &InstanceId) -> Result<Option<InstanceFacts>, CloudError>;

    /// The same instance with what only the preflight of a change of the type needs, each by a call of its own:
    /// `DescribeInstanceAttribute` for the stop protection, `DescribePlacementGroups` where it is in a group,
    /// `DescribeSpotInstanceRequests` where it is a Spot instance, and Auto Scaling's `DescribeAutoScalingInstances` and
    /// `DescribeAutoScalingGroups` where it is a member of a group. What may not be read stays unknown; an error is one that
    /// fails every other call too.
    async fn complete(&self, seen: InstanceFacts) -> Result<InstanceFacts, CloudError>;

    /// `DescribeInstanceTypes`. A type that does not exist is missing from the answer
    /// (AWS answers `InvalidInstanceType` for the whole call; the adapter asks one by one then).
    async fn types(&self, names: &[InstanceType]) -> Result<Vec<TypeFacts>, CloudError>;

    /// `DescribeInstanceTypeOfferings` by availability zone: which of the types are offered there.
    async fn offered(
        &self,
        names: &[InstanceType],
        zone: &str,
    ) -> Result<Vec<InstanceType>, CloudError>;

    /// The same for every type whose name fits this pattern (`*` and `?` are wildcards, EC2 API, `Filter`).
    async fn offered_like(
        &self,
        pattern: &str,
        zone: &str,
    ) -> Result<Vec<InstanceType>, CloudError>;

    /// `StopInstances`. Never with `SkipOsShutdown`. Fine on a stopped instance.
    async fn stop(&self, id: &InstanceId, force: bool) -> Result<(), CloudError>;

    /// `StartInstances`. Fine on a running instance.
    async fn start(&self, id: &InstanceId) -> Result<(), CloudError>;

    /// `ModifyInstanceAttribute` of the type alone (one attribute a call).
    async fn set_type(&self, id: &InstanceId, to: &InstanceType) -> Result<(), CloudError>;

    /// `ModifyInstanceAttribute` of `EbsOptimized` alone.
    async fn set_ebs_optimized(&self, id: &InstanceId, to: bool) -> Result<(), CloudError>;

    /// Whether this effect may be had, by its `DryRun`: permissions are all that it checks (EC2 API, `DryRun`). An error
    /// is one that fails every other call too.
    async fn permits(&self, id: &InstanceId, effect: &Effect) -> Result<Permit, CloudError>;

    /// `DescribeInstanceStatus` with `IncludeAllInstances`.
    async fn status_checks(&self, id: &InstanceId) -> Result<StatusChecks, CloudError>;

    /// `CreateCapacityReservation` of one instance, `open`, with a limited end. The same token and request again are
    /// the same reservation. No capacity is [`CloudErrorKind::Capacity`], and so is a quota
    /// ([`CloudError::is_quota`]).
    async fn reserve(&self, ask: &Reserve) -> Result<Reservation, CloudError>;

    /// `DescribeCapacityReservations`, every page.
    async fn reservations(&self, of: &WhichReservations) -> Result<Vec<Reservation>, CloudError>;

    /// `CancelCapacityReservation`. What runs in it goes on running. One that has ended is an error.
    async fn release(&self, id: &ReservationId) -> Result<(), CloudError>;

    /// `GetConsoleOutput`: what the instance wrote to its serial console, the latest that there is. `Ok(None)`: nothing
    /// yet.
    async fn console(&self, id: &InstanceId) -> Result<Option<String>, CloudError>;
}

/// An effect on an instance.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Effect {
    /// `StopInstances`.
    Stop,
    /// `ModifyInstanceAttribute` of the type.
    SetType(InstanceType),
    /// `ModifyInstanceAttribute` of `EbsOptimized`.
    SetEbsOptimized(bool),
    /// `StartInstances`.
    Start,
    /// `CreateCapacityReservation`.
    Reserve(Reserve),
}

impl Effect {
    /// The call, as IAM names it.
    pub fn call(&self) -> &'static str {
        match self {
            Effect::Stop => "ec2:StopInstances",
            Effect::SetType(_) | Effect::SetEbsOptimized(_) => "ec2:ModifyInstanceAttribute",
            Effect::Start => "ec2:StartInstances",
            Effect::Reserve(_) => "ec2:CreateCapacityReservation",
        }
    }
}

/// What a dry run answered. It ends with an error, also where it would have succeeded (EC2 API, `DryRun`).
///
/// # Errors
/// What fails every other call too.
pub fn permit(answer: Result<(), CloudError>) -> Result<Permit, CloudError> {
    match answer {
        Ok(()) => Ok(Permit::Unknown(
            "a dry run came back as if it were done".into(),
        )),
        Err(e) if e.code.as_deref() == Some("DryRunOperation") => Ok(Permit::Yes),
        Err(e) if e.kind == CloudErrorKind::Denied => Ok(Permit::No(e.to_string())),
        Err(e) if e.stops_everything() => Err(e),
        Err(e) => Ok(Permit::Unknown(e.to_string())),
    }
}

/// The two status checks of an instance: `ok`, `impaired`, `initializing`, `insufficient-data`,
/// `not-applicable`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StatusChecks {
    /// `InstanceStatus.Status`.
    pub instance: String,
    /// `SystemStatus.Status`.
    pub system: String,
}

/// EFS, read-only.
#[async_trait]
pub trait Efs: Send + Sync {
    /// `DescribeFileSystems` and `DescribeMountTargets`. `Ok(None)`: there is no such file system.
    async fn file_system(&self, id: &FileSystemId) -> Result<Option<FileSystemFacts>, CloudError>;
}

/// Systems Manager's agent on an instance: Run Command.
#[async_trait]
pub trait Agent: Send + Sync {
    /// `DescribeInstanceInformation`. `Ok(None)`: not (yet) registered.
    async fn ping(&self, on: &InstanceId) -> Result<Option<AgentPing>, CloudError>;

    /// `SendCommand` of `AWS-RunShellScript` to one instance. `InvalidInstanceId` can just mean that the
    /// agent is not up yet. There is no client token: a lost answer is found by listing (`find`).
    async fn send(
        &self,
        on: &InstanceId,
        command: &CommandRequest,
    ) -> Result<CommandId, CloudError>;

    /// `GetCommandInvocation`. `Ok(None)`: the invocation does not exist (yet).
    async fn result(
        &self,
        on: &InstanceId,
        id: &CommandId,
    ) -> Result<Option<CommandResult>, CloudError>;
}

/// Systems Manager's Parameter Store, as far as a lock needs it.
#[async_trait]
pub trait Parameters: Send + Sync {
    /// `PutParameter` without `Overwrite`: of two creators of one name exactly one is told `true`. `false`:
    /// the name is taken, or was deleted less than 30 s ago; or an earlier try of this very call arrived and
    /// its answer was lost.
    async fn create(&self, name: &str, value: &str) -> Result<bool, CloudError>;

    /// `PutParameter` with `Overwrite`, of a parameter that is there. One that is gone is not made again.
    async fn overwrite(&self, name: &str, value: &str) -> Result<(), CloudError>;

    /// `GetParametersByPath`, every page: those directly below this path.
    async fn by_path(&self, path: &str) -> Result<Vec<Parameter>, CloudError>;

    /// `DeleteParameter`. Fine where there is none.
    async fn delete(&self, name: &str) -> Result<(), CloudError>;
}

/// A parameter.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Parameter {
    /// Its whole name.
    pub name: String,
    /// Its text.
    pub value: String,
}

/// The id of a Run Command command.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct CommandId(pub String);

/// What is sent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CommandRequest {
    /// The script.
    pub script: String,
    /// `Comment`, at most 100 characters.
    pub comment: String,
    /// `TimeoutSeconds`: bounds the delivery only; 30 at least.
    pub delivery_timeout_s: u32,
    /// The document's `executionTimeout`: bounds the run, in seconds.
    pub execution_timeout_s: u32,
}

/// Whether the agent answers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AgentPing {
    /// `PingStatus` is `Online`.
    pub online: bool,
    /// `LastPingDateTime`.
    pub last_ping: Option<Timestamp>,
}

/// How far a command is (SSM API, `CommandInvocationStatus`).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CommandStatus {
    /// Pending, InProgress, Delayed or Cancelling.
    Going,
    /// The last command of the script exited 0.
    Success,
    /// It exited otherwise.
    Failed,
    /// Its time ran out, in delivery or in execution.
    TimedOut,
    /// It was cancelled.
    Cancelled,
}

/// What came back. The output is there only after the end, and cut: standard output at 24,000
/// characters, standard error at 8,000 (SSM API, `GetCommandInvocation`).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CommandResult {
    /// How far it is.
    pub status: CommandStatus,
    /// AWS's own word for the status (`StatusDetails`).
    pub details: String,
    /// The exit code; -1 while there is none.
    pub exit_code: i32,
    /// Standard output.
    pub stdout: String,
    /// Standard error.
    pub stderr: String,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_dry_run_says_what_is_permitted() {
        let failed = |kind, code: &str| {
            Err(CloudError {
                call: "ec2:StopInstances",
                code: Some(code.to_owned()),
                message: "why".into(),
                request_id: None,
                kind,
            })
        };
        use CloudErrorKind::{Credentials, Denied, Other, Throttled};
        assert_eq!(permit(failed(Other, "DryRunOperation")), Ok(Permit::Yes));
        let no = permit(failed(Denied, "UnauthorizedOperation"));
        assert!(matches!(no, Ok(Permit::No(why)) if why.contains("UnauthorizedOperation: why")));
        for answer in [failed(Throttled, "RequestLimitExceeded"), Ok(())] {
            assert!(matches!(permit(answer), Ok(Permit::Unknown(_))));
        }
        assert!(permit(failed(Credentials, "ExpiredToken")).is_err());
    }
}
