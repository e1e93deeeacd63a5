//! What is wanted: the one input of `plan::toward` beside what was observed.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::{FileSum, ImageRef, InstanceType, ServiceName, Sha256Id, SnapshotId};

/// Where an operation wants to get. An update makes it from the command line, a rollback from a
/// snapshot; from here on there is one engine for both.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Desired {
    /// The type; None leaves it.
    pub instance_type: Option<InstanceType>,
    /// `EbsOptimized` as it was, where it is known (a rollback). It is set together with the type alone; None: as it is,
    /// unless the type does not support it.
    pub ebs_optimized: Option<bool>,
    /// The images, by service; services not named are left.
    pub images: BTreeMap<ServiceName, DesiredImage>,
    /// The compose files as they were, where they are known (a rollback): one that can say so again byte for byte
    /// does.
    pub files: Vec<FileSum>,
    /// What the operation is.
    pub purpose: Purpose,
    /// How health is judged.
    pub gate: GateSettings,
    /// Whether a failure is undone at once (`--no-rollback` says no).
    pub undo_on_failure: bool,
    /// How long a pull may show no sign of progress, in milliseconds.
    pub progress_ms: u64,
    /// Whether capacity is proved before the stop.
    pub capacity: Capacity,
    /// How long a shutdown may take before it is forced, in milliseconds.
    pub stop_ms: u64,
    /// The types to run on, in this order, where going back finds no capacity at the old one.
    pub fallback_types: Vec<InstanceType>,
}

/// `--capacity prove|skip`: what is done about capacity before the stop.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Capacity {
    /// It is reserved for a while, where that can be done.
    #[default]
    Prove,
    /// Nothing: the start shows whether there is any.
    Skip,
}

/// `--progress-timeout`, where it is not given: ten minutes.
pub const PROGRESS_MS: u64 = 10 * 60 * 1000;

/// `--stop-timeout`, where it is not given: ten minutes. Most systems are down within one, and what is forced may lose
/// what it had not written yet (EC2 API, `StopInstances`).
pub const STOP_MS: u64 = 10 * 60 * 1000;

/// The image that a service is wanted to run.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
pub struct DesiredImage {
    /// The reference that the compose file is to say.
    pub reference: ImageRef,
    /// The very image, by id, where it is known (a rollback); the reference is tagged to it first.
    pub id: Option<Sha256Id>,
    /// The digest under which a registry knows that image, where it is known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub digest: Option<Sha256Id>,
}

/// Why the change is made.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "snake_case", tag = "kind")]
pub enum Purpose {
    /// `update`.
    Update,
    /// `rollback`, to this snapshot.
    Rollback {
        /// The snapshot it goes back to.
        to: SnapshotId,
        /// The services that were green in that snapshot: the gate of a rollback.
        green: Vec<ServiceName>,
    },
}

impl Purpose {
    /// The command that asks for it.
    pub fn name(&self) -> &'static str {
        match self {
            Self::Update => "update",
            Self::Rollback { .. } => "rollback",
        }
    }
}

/// How long the health gate waits and holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
pub struct GateSettings {
    /// At most this long until all is green, in milliseconds.
    pub timeout_ms: u64,
    /// And then green without a break for this long, in milliseconds.
    pub stable_ms: u64,
}
