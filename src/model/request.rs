//! What the user asked for, in types: the command line after it was understood.

use std::collections::BTreeMap;

use super::{
    Capacity, DeploymentName, FileSystemId, GateSettings, ImageRef, InstanceId, InstanceType,
    ServiceName, SnapshotId,
};

/// `update NAME …`
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UpdateRequest {
    /// The deployment.
    pub deployment: DeploymentName,
    /// `--instance-type`.
    pub instance_type: Option<InstanceType>,
    /// `--image SERVICE=REF`, each service once.
    pub images: BTreeMap<ServiceName, ImageRef>,
    /// `--fallback-type`, in this order.
    pub fallback_types: Vec<InstanceType>,
    /// How to go about it.
    pub options: ChangeOptions,
}

/// `rollback NAME …`
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RollbackRequest {
    /// The deployment.
    pub deployment: DeploymentName,
    /// `--to SNAPSHOT`; None is the snapshot of the newest operation that changed something.
    pub to: Option<SnapshotId>,
    /// `--services a,b`: only these services' images, and not the type.
    pub services: Option<Vec<ServiceName>>,
    /// `--fallback-type`, in this order.
    pub fallback_types: Vec<InstanceType>,
    /// How to go about it.
    pub options: ChangeOptions,
}

/// What `update` and `rollback` share.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ChangeOptions {
    /// `--force` or `--yes`: the question is answered, and nothing else.
    pub force: bool,
    /// `--dry-run`: print the plan, change nothing, take no lock.
    pub dry_run: bool,
    /// `--no-rollback`: a failure pauses instead of being undone.
    pub no_rollback: bool,
    /// `--health-timeout` and `--stable-for`.
    pub gate: GateSettings,
    /// `--progress-timeout`, in milliseconds.
    pub progress_ms: u64,
    /// `--capacity`.
    pub capacity: Capacity,
    /// `--stop-timeout`, in milliseconds.
    pub stop_ms: u64,
}

/// `check NAME …`
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CheckRequest {
    /// The deployment.
    pub deployment: DeploymentName,
    /// `--instance-type`.
    pub instance_type: Option<InstanceType>,
    /// `--image`, by service.
    pub images: BTreeMap<ServiceName, ImageRef>,
    /// How health would be judged.
    pub gate: GateSettings,
}

/// `adopt NAME …`
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AdoptRequest {
    /// The name that it gets.
    pub name: DeploymentName,
    /// `--instance-id`.
    pub instance_id: InstanceId,
    /// `--compose PATH`: which compose file on the host, where there are several projects.
    pub compose: Option<String>,
    /// `--efs`; None: what is mounted says it.
    pub efs: Option<EfsChoice>,
}

/// `--efs fs-…|none`
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum EfsChoice {
    /// The data is on this file system.
    FileSystem(FileSystemId),
    /// The data is on the root volume.
    None,
}
