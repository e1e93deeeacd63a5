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
    /// Where what is differs from what was last recorded.
    pub drift: Vec<DriftView>,
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
    /// How often Docker restarted its container.
    pub restarts: u32,
}

/// One difference between what is and what was last recorded.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct DriftView {
    /// What differs: `instance_type`, `image: n8n`, `compose_file`, …
    pub what: String,
    /// What was recorded.
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
