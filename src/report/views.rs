//! `data` of the commands that look, and of `adopt`. The field names are public.

use std::collections::BTreeMap;

use serde::Serialize;

use crate::model::{
    ComposeIdentity, Deployment, DeploymentName, FileSystemId, InstanceId, InstanceType,
    OperationId, Outcome, RunState, ServiceName, Sha256Id, SnapshotId, Timestamp,
};

use super::result::{ErrorDocument, PlanData, StepData};
use crate::plan::CheckStatus;
use crate::sandbox::fault::Fault;
use crate::sandbox::latency::Latency;
use crate::state::lease::OpenElsewhere;

/// `data` of `list`.
#[derive(Debug, Clone, Default, PartialEq, Serialize)]
pub struct ListData {
    /// By name.
    pub deployments: Vec<ListRow>,
}

/// One deployment, as it was last seen: `list` asks nobody.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct ListRow {
    /// Its name.
    pub name: DeploymentName,
    /// The outcome of the last operation, or `adopted`.
    pub status: String,
    /// Its region.
    pub region: String,
    /// The type as last seen.
    pub instance_type: InstanceType,
    /// Its instances.
    pub instances: Vec<InstanceId>,
    /// Service → reference, as last seen.
    pub images: BTreeMap<String, String>,
    /// When that was.
    pub updated_at: Timestamp,
}

/// `data` of `check`: would an update, and a rollback, work right now?
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct CheckData {
    /// As in a dry run; the checks of the way back are among its own, with `rollback: ` before the message.
    pub plan: PlanData,
    /// The way back.
    pub rollback: WayBack,
}

/// Whether a rollback would work right now.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct WayBack {
    /// The snapshot that it would go to; None: nothing was changed yet.
    pub snapshot_id: Option<SnapshotId>,
    /// The gravest of its checks; None where there is nothing to go back to, or it could not be judged.
    pub status: Option<CheckStatus>,
    /// What it would change, one line each.
    pub changes: Vec<String>,
}

/// `data` of `check --fix`.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct FixData {
    /// The drop-in, on the host.
    pub file: String,
    /// What it says.
    pub text: String,
    /// The mount that Docker is to wait for, as systemd names it.
    pub unit: String,
    /// Whether it was written now.
    pub written: bool,
    /// `Requires=` of docker.service, as it reads back.
    pub requires: Vec<String>,
    /// Whether Docker waits for that mount; file, text and unit are empty where there is none to wait for.
    pub waits: bool,
    /// The images, by id, that snapshots need and that are held now, and were not before.
    pub images_held: Vec<Sha256Id>,
}

/// `data` of `status`: what is, now.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct StatusData {
    /// The deployment.
    pub name: DeploymentName,
    /// `healthy`, `unhealthy`, `stopped`, `unreachable`, or how the unfinished operation stands.
    pub status: String,
    /// Its instances.
    pub instances: Vec<InstanceView>,
    /// What is mounted.
    pub mounts: Vec<MountView>,
    /// Its services.
    pub services: Vec<ServiceView>,
    /// Where state, cloud and host say different things.
    pub drift: Vec<DriftView>,
    /// What the host does by itself, or did, for the newest operation that armed it; left out while it was never armed
    /// or cannot be asked.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub restore: Option<RestoreView>,
    /// Who holds the deployment in the account, or where an operation is open; left out where neither is.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub lease: Option<LeaseView>,
    /// The unfinished operation, where there is one.
    pub operation: Option<OpenOperation>,
}

/// One instance.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct InstanceView {
    /// Its id.
    pub id: InstanceId,
    /// EC2's word for its state.
    pub state: RunState,
    /// Its type.
    #[serde(rename = "type")]
    pub instance_type: InstanceType,
    /// Its public IPv4 address.
    pub public_ip: Option<String>,
}

/// One mount point.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct MountView {
    /// Where, on the host.
    pub point: String,
    /// The file system that belongs there; None: the data is on the root volume.
    pub file_system_id: Option<FileSystemId>,
    /// `ok`, or what is wrong.
    pub state: String,
}

/// One service of the compose project.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct ServiceView {
    /// Its name.
    pub name: ServiceName,
    /// The reference in the compose file, or that its container was made with.
    pub image: String,
    /// The registry's digest of what runs, `sha256:…`.
    pub digest: Option<String>,
    /// Docker's word: running, exited, …
    pub state: String,
    /// `healthy`, `unhealthy`, `starting`; None without a health check.
    pub health: Option<String>,
    /// What its declared health says: `green`, or why it is not; None where the compose file declares none.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub probe: Option<String>,
    /// How often Docker restarted its container.
    pub restarts: u32,
}

/// The armed restore of a host.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct RestoreView {
    /// `armed`, `restoring`, `restored` or `committed`.
    pub state: &'static str,
    /// The operation.
    pub operation: OperationId,
    /// While it is armed: when it judges by itself, by the host's own clock, unless it hears a word before.
    pub deadline: Option<Timestamp>,
    /// `restored` and `committed`: whether the host did so by itself.
    pub by_itself: Option<bool>,
}

/// The lease in the account.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct LeaseView {
    /// It says that it is held. Whether its holder lives cannot be seen at one look; `unlock` watches.
    pub held: bool,
    /// Who took it last.
    pub user: String,
    /// On which machine.
    pub host: String,
    /// What for, e.g. `update`.
    pub reason: String,
    /// Since when.
    pub since: Timestamp,
    /// Its fencing number.
    pub fence: u64,
    /// The operation that is open, and on which machine its journal is.
    pub open_operation: Option<OpenElsewhere>,
}

/// One difference between what is recorded, what the cloud says and what the host says.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct DriftView {
    /// What differs from what was last recorded: `instance_type`, `instance_state`, `image: n8n`, `compose_file`;
    /// `not_applied: n8n`: the compose file says another image than runs.
    pub what: String,
    /// What was recorded; what the compose file says.
    pub recorded: String,
    /// What is.
    pub found: String,
}

/// An operation that has not ended.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct OpenOperation {
    /// Its id.
    pub id: OperationId,
    /// `update` or `rollback`.
    pub kind: String,
    /// `running`, `paused`, `stuck` or `interrupted` (its process is gone).
    pub status: String,
    /// When it began.
    pub started_at: Timestamp,
    /// What it is to change, one line each.
    pub changes: Vec<String>,
    /// Its steps so far.
    pub steps: Vec<StepData>,
    /// Why it stands still.
    pub error: Option<ErrorDocument>,
}

/// `data` of `history`, newest first.
#[derive(Debug, Clone, Default, PartialEq, Serialize)]
pub struct HistoryData {
    /// The operations.
    pub operations: Vec<OperationRow>,
    /// The snapshots that are kept.
    pub snapshots: Vec<SnapshotRow>,
}

/// One operation.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct OperationRow {
    /// Its id.
    pub id: OperationId,
    /// `update` or `rollback`.
    pub kind: String,
    /// How it ended; None while it has not.
    pub outcome: Option<Outcome>,
    /// When it began.
    pub started_at: Timestamp,
    /// How long it took; None while it has not ended.
    pub duration_seconds: Option<f64>,
    /// What it changed, or was to change, one line each.
    pub changes: Vec<String>,
    /// The snapshot of the state before.
    pub snapshot_id: Option<SnapshotId>,
    /// Its steps; only where one operation was asked for.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub steps: Option<Vec<StepData>>,
    /// Why it failed; only where one operation was asked for.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub error: Option<ErrorDocument>,
    /// What a person was told, what was given up included; only where one operation was asked for.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub warnings: Option<Vec<String>>,
}

/// One snapshot.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct SnapshotRow {
    /// Its id, for `rollback --to`.
    pub id: SnapshotId,
    /// When it was taken.
    pub taken_at: Timestamp,
    /// Whether every service that ran was green.
    pub healthy: bool,
    /// The type.
    pub instance_type: InstanceType,
    /// Service → reference.
    pub images: BTreeMap<ServiceName, String>,
}

/// `data` of `inspect`: what is written down about a deployment.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct InspectData {
    /// `deployment.yaml`.
    pub deployment: Deployment,
    /// The unfinished operation, where there is one.
    pub operation: Option<OpenOperation>,
    /// With `--show-history`.
    pub history: Option<HistoryData>,
}

/// `data` of `adopt`: what was found, and is now a deployment.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct AdoptData {
    /// The deployment.
    pub name: DeploymentName,
    /// The account that owns the instance.
    pub account: String,
    /// Its region.
    pub region: String,
    /// The instance.
    pub instance: InstanceView,
    /// The compose project on it.
    pub compose: ComposeIdentity,
    /// The file system with the data; None: it is on the root volume.
    pub file_system_id: Option<FileSystemId>,
    /// Where it is mounted.
    pub mount_point: Option<String>,
    /// Its services.
    pub services: Vec<ServiceView>,
}

/// `data` of `unlock`: who held the deployment, and what came of it.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct UnlockData {
    /// Who held it when it was looked at.
    pub holders: Vec<HolderView>,
    /// Whether anything was released or broken.
    pub released: bool,
    /// The fencing number from which on the host accepts scripts; None where nothing was released.
    pub fence: Option<u64>,
    /// The operation that is open, and on which machine its journal is.
    pub open_operation: Option<OpenElsewhere>,
    /// The operation that was given up with `--force`.
    pub given_up: Option<OpenElsewhere>,
}

/// Who holds a deployment.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct HolderView {
    /// `lock` (of this machine) or `lease` (in the account).
    pub of: &'static str,
    /// The user.
    pub user: String,
    /// The machine.
    pub host: String,
    /// The process.
    pub pid: u32,
    /// The operation.
    pub operation: Option<OperationId>,
    /// What for, e.g. `update`.
    pub reason: String,
    /// Since when.
    pub since: Timestamp,
    /// Its process runs, or its heartbeat goes on as far as was seen.
    pub alive: bool,
}

/// `data` of `logs`.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct LogsData {
    /// By time.
    pub lines: Vec<LogRow>,
}

/// A line that a container wrote.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct LogRow {
    /// The service.
    pub service: ServiceName,
    /// The container.
    pub container: String,
    /// When Docker took it.
    pub at: Timestamp,
    /// The text; what is not UTF-8 in it is replaced.
    pub text: String,
    /// The bytes, where they are not UTF-8.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub text_base64: Option<String>,
}

impl LogRow {
    /// A line.
    pub fn new(service: ServiceName, container: String, at: Timestamp, bytes: Vec<u8>) -> Self {
        let (text, text_base64) = lossy(bytes);
        Self {
            service,
            container,
            at,
            text,
            text_base64,
        }
    }
}

/// `data` of `exec`.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct ExecData {
    /// Where it ran.
    pub on: InstanceId,
    /// Inside the container of this service; None: on the instance itself.
    pub service: Option<ServiceName>,
    /// Its exit code; 128 and the number of the signal that ended it.
    pub exit_code: i32,
    /// What it wrote; what is not UTF-8 in it is replaced.
    pub stdout: String,
    /// The bytes, where they are not UTF-8.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub stdout_base64: Option<String>,
    /// What it wrote to standard error.
    pub stderr: String,
    /// The bytes, where they are not UTF-8.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub stderr_base64: Option<String>,
    /// How many bytes are left out of the two, in their middle.
    pub left_out: LeftOut,
    /// How long it took, in seconds.
    pub seconds: f64,
}

/// Bytes that are left out of an output.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
pub struct LeftOut {
    /// Of standard output.
    pub stdout: u64,
    /// Of standard error.
    pub stderr: u64,
}

impl ExecData {
    /// How a command ended, with its standard output and standard error.
    pub fn new(
        on: InstanceId,
        service: Option<ServiceName>,
        exit_code: i32,
        output: (Vec<u8>, Vec<u8>),
        left_out: LeftOut,
        seconds: f64,
    ) -> Self {
        let (stdout, stdout_base64) = lossy(output.0);
        let (stderr, stderr_base64) = lossy(output.1);
        Self {
            on,
            service,
            exit_code,
            stdout,
            stdout_base64,
            stderr,
            stderr_base64,
            left_out,
            seconds: (seconds * 1000.0).round() / 1000.0,
        }
    }
}

/// As text, and as base64 where that is not the same.
fn lossy(bytes: Vec<u8>) -> (String, Option<String>) {
    use base64::Engine;
    match String::from_utf8(bytes) {
        Ok(text) => (text, None),
        Err(error) => (
            String::from_utf8_lossy(error.as_bytes()).into_owned(),
            Some(base64::engine::general_purpose::STANDARD.encode(error.as_bytes())),
        ),
    }
}

/// `data` of `sandbox …`: the sandbox and its settings.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct SandboxData {
    /// Its folder.
    pub folder: String,
    /// Its deployments.
    pub deployments: Vec<DeploymentName>,
    /// Its instances.
    pub instances: Vec<InstanceView>,
    /// The faults in force, oldest first.
    pub faults: Vec<FaultView>,
    /// How long things take, in milliseconds.
    pub latency: Latency,
}

/// One fault.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct FaultView {
    /// As it was added: `ec2:StartInstances@t3.large=InsufficientInstanceCapacity`.
    pub fault: String,
    /// How often it still strikes; None is always.
    pub times: Option<u32>,
}

impl From<&Fault> for FaultView {
    fn from(fault: &Fault) -> Self {
        let only = fault.instance_type.as_deref();
        let only = only.map(|only| format!("@{only}")).unwrap_or_default();
        Self {
            fault: if fault.key == "mount" {
                format!("mount:{}", fault.code)
            } else {
                format!("{}{only}={}", fault.key, fault.code)
            },
            times: fault.times,
        }
    }
}
