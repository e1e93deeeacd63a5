//! `deployment.yaml`: what a deployment is.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::{DeploymentName, FileSystemId, InstanceId, InstanceType, Timestamp};

/// The schema that this version writes.
pub const DEPLOYMENT_SCHEMA: &str = "geusemaker.deployment/3";

/// The identity of a deployment, and a cache for `list`. Nothing is ever decided from the cache.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, schemars::JsonSchema)]
pub struct Deployment {
    /// `geusemaker.deployment/3`.
    pub schema: String,
    /// Its name, the same as its folder's.
    pub name: DeploymentName,
    /// The account that owns it; another account is refused.
    pub account: String,
    /// Its region.
    pub region: String,
    /// The instance that runs the stack.
    pub instance_id: InstanceId,
    /// The file system with its data; None: the data is on the root volume (`--efs none`).
    pub file_system_id: Option<FileSystemId>,
    /// Where the file system is mounted on the host.
    pub mount_point: Option<String>,
    /// The compose project on the host.
    pub compose: ComposeIdentity,
    /// When it was adopted or deployed.
    pub created_at: Timestamp,
    /// What was seen at the end of the last operation: for `list` only.
    pub cache: DeploymentCache,
    /// Fields of a later version or of the user's; they survive a save.
    #[serde(flatten)]
    #[schemars(skip)]
    pub unknown: BTreeMap<String, serde_yaml::Value>,
}

/// Which compose project on the host is this deployment's.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
pub struct ComposeIdentity {
    /// `com.docker.compose.project`.
    pub project: String,
    /// The compose file on the host; the first, where the project is made of several.
    pub file: String,
    /// The further files, in the order of their `-f`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub more_files: Vec<String>,
}

impl ComposeIdentity {
    /// All its files, in the order of their `-f`.
    pub fn files(&self) -> Vec<String> {
        let first = std::iter::once(&self.file);
        first.chain(&self.more_files).cloned().collect()
    }
}

/// What `list` shows without asking anyone.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, schemars::JsonSchema)]
pub struct DeploymentCache {
    /// The outcome of the last operation, or `adopted`.
    pub status: String,
    /// The type as last seen.
    pub instance_type: InstanceType,
    /// The public address as last seen.
    pub public_ip: Option<String>,
    /// Service → reference as last seen.
    pub images: BTreeMap<String, String>,
    /// When that was.
    pub updated_at: Timestamp,
}
