//! The steps of a plan. A step carries what was observed (`from`) and its own undo, so that what must be
//! taken back is known from plan and journal alone.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

use crate::host::{FileSwap, HostProbe, QuiesceContainer, TagImage};
use crate::model::{
    DeclaredHealth, DeploymentName, FileSum, FileSystemId, GateSettings, ImageRef, InstanceId,
    InstanceType, Purpose, RunState, RunningImage, ServiceName, Sha256Id, SnapshotId, Timestamp,
    files_sha256,
};

/// The schema of a plan, as the journal's first line holds it.
pub const PLAN_SCHEMA: &str = "geusemaker.plan/1";

/// What will be done, in order, with no choice left in it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, schemars::JsonSchema)]
pub struct Plan {
    /// `geusemaker.plan/1`.
    pub schema: String,
    /// The deployment.
    pub deployment: DeploymentName,
    /// Update or rollback.
    #[serde(flatten)]
    pub purpose: Purpose,
    /// What was observed, as far as it is to be brought back.
    pub before: StackState,
    /// What is wanted at the end.
    pub after: StackState,
    /// The changes, one line each: `instance_type: t3.medium -> t3.large`.
    pub changes: Vec<String>,
    /// The steps.
    pub steps: Vec<Step>,
    /// What proves, after an undo, that all is as before.
    pub after_undo: Vec<Step>,
    /// Whether a failure is undone at once.
    pub undo_on_failure: bool,
    /// What services, by name, were not green before (they only warn afterwards).
    pub red_before: BTreeSet<ServiceName>,
    /// The boot that was observed; None where the host was not asked.
    pub boot: Option<Boot>,
    /// The public address that was observed; another one afterwards is said.
    pub public_ip: Option<String>,
    /// Whether the instance pays list prices: on-demand, on shared hardware.
    #[serde(default)]
    pub list_prices: bool,
    /// Rough length of the outage in seconds, for people; 0 where there is none.
    pub expected_downtime_seconds: u64,
    /// What the person should know before and after (addresses that change, what cannot be undone).
    pub warnings: Vec<String>,
}

/// A state of the stack, as far as an operation changes it or reads it back.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
pub struct StackState {
    /// The type of the instance.
    pub instance_type: InstanceType,
    /// `EbsOptimized` of the instance, where the plan changes it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ebs_optimized: Option<bool>,
    /// Whether the instance runs.
    pub state: RunState,
    /// The image of each service. In `after` the id may not be known before the pull.
    pub images: BTreeMap<ServiceName, PlannedImage>,
    /// SHA-256 of the compose file, in hex; None where the host could not be asked. Of several files, that of what
    /// `sha256sum` prints of them in their order.
    pub compose_sha256: Option<String>,
    /// The services with a running container.
    pub running: BTreeSet<ServiceName>,
}

/// An image of a service, in a plan.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
pub struct PlannedImage {
    /// The reference.
    #[serde(rename = "ref")]
    pub reference: ImageRef,
    /// The image id, where it is known already.
    pub id: Option<Sha256Id>,
    /// The registry's digest, where it is known already.
    pub digest: Option<Sha256Id>,
}

impl From<RunningImage> for PlannedImage {
    fn from(image: RunningImage) -> Self {
        Self {
            reference: image.reference,
            id: Some(image.id),
            digest: image.digest,
        }
    }
}

/// One boot of the host. EC2's launch time changes with every start, and with nothing else, so a script
/// that comes back at another launch time must name another boot id.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
pub struct Boot {
    /// `/proc/sys/kernel/random/boot_id`.
    pub id: String,
    /// `LaunchTime` of the instance at that moment.
    pub launched_at: Option<Timestamp>,
}

/// One step: an action on an instance, and how to take it back.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
pub struct Step {
    /// The instance.
    pub on: InstanceId,
    /// What is done.
    #[serde(flatten)]
    pub action: Action,
    /// What takes it back, in order. Empty: it changes nothing that must be taken back.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub undo: Vec<Step>,
    /// Of a part of an undo: done only where EC2 starts the instance neither at the old type nor at the types before
    /// this one. Counted from 1; see `plan/fallback.rs`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub fallback: Option<u32>,
}

/// What a step does. The name is public (`steps[].name`).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(tag = "name", rename_all = "snake_case")]
pub enum Action {
    /// Is the data there?
    CheckMounts(CheckMounts),
    /// The state to go back to, written down.
    WriteSnapshot {
        /// Its id.
        snapshot: SnapshotId,
        /// Whether a snapshot of an equal state exists and is used.
        reuse: bool,
    },
    /// The images that run, and those that kept snapshots need, cannot be pruned.
    HoldImages {
        /// Those that run, by service.
        images: BTreeMap<ServiceName, Sha256Id>,
    },
    /// The images onto the host, before anything is down.
    PullImages {
        /// What is pulled.
        images: Vec<PullImage>,
        /// How long each may show no sign of progress, in milliseconds; 0 in a plan of an older version.
        #[serde(default)]
        progress_ms: u64,
    },
    /// Capacity for the new type, then for the old one, before anything is down.
    ReserveCapacity(ReserveCapacity),
    /// The host knows what to go back to by itself, and by when.
    ArmRestore(Box<ArmRestore>),
    /// The containers stopped in good order.
    Quiesce {
        /// In this order.
        containers: Vec<QuiesceContainer>,
        /// As part of an undo: a host that is gone is no reason to stop the undo.
        #[serde(default)]
        best_effort: bool,
    },
    /// The instance stopped.
    StopInstance {
        /// A shutdown that has not come to its end by then is forced, in milliseconds; 0 in a plan of an older
        /// version.
        #[serde(default)]
        force_after_ms: u64,
    },
    /// Its type changed.
    SetInstanceType {
        /// The type observed.
        from: InstanceType,
        /// The type wanted.
        to: InstanceType,
    },
    /// Its `EbsOptimized` changed: with it a type that does not support it does not start. Off before the type changes, on
    /// after it, so that type and attribute fit at every moment.
    SetEbsOptimized {
        /// What was observed.
        from: bool,
        /// What is wanted.
        to: bool,
    },
    /// The instance started.
    StartInstance {},
    /// A script came back, from a new boot, with the mount there again.
    AwaitHost {
        /// The mount point, where the deployment has a file system.
        mount_point: Option<String>,
        /// The file system expected there.
        file_system: Option<FileSystemId>,
    },
    /// The compose file says so, these images run, and exactly these services run.
    ApplyImages(Box<ApplyImages>),
    /// The gate: green, and green for as long as asked. Forward this is the commit: from here on nothing is
    /// undone.
    VerifyHealth(VerifyHealth),
    /// The host goes back to nothing any more. What fails here only warns: an armed host that finds all green
    /// disarms itself.
    CommitHost {},
    /// None of the reservations of this operation reserves anything any more. What fails here only warns: each ends by
    /// itself.
    ReleaseCapacity {},
}

/// Capacity, reserved for as long as the operation goes on.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
pub struct ReserveCapacity {
    /// The new type: without it nothing is stopped.
    pub to: InstanceType,
    /// The old type: it holds the way back.
    pub back: InstanceType,
    /// The zone of the instance.
    pub zone: String,
    /// Its platform, as EC2 names it: `Linux/UNIX`.
    pub platform: String,
    /// Its tenancy: `default` or `dedicated`.
    pub tenancy: String,
    /// After so many seconds EC2 ends a reservation by itself, or up to an hour later.
    pub lasts_s: u64,
    /// What both cost together while no instance uses them; None: not known.
    pub cost: Option<HourlyCost>,
}

/// What something costs an hour, by a dated list.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
pub struct HourlyCost {
    /// Millionths of a US dollar.
    pub micro_usd: u64,
    /// The day of the list.
    pub as_of: String,
}

/// What the host does by itself when nobody speaks to it any more.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
pub struct ArmRestore {
    /// How it goes back: the same as the undo of `apply_images`.
    pub restore: ApplyImages,
    /// The containers, by name, that were green before: when all of them are green and stable at the deadline,
    /// the host stays as it is.
    pub green: Vec<String>,
    /// Those of them whose Docker health does not count: their services declare another.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub declared: Vec<String>,
    /// What must hold besides: the same that the gate asks.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub probes: Vec<HostProbe>,
}

/// Look at the file system and its mount.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
pub struct CheckMounts {
    /// The file system; None: `--efs none`.
    pub file_system: Option<FileSystemId>,
    /// Where it is mounted.
    pub mount_point: Option<String>,
    /// The zone that needs a mount target.
    pub zone: String,
    /// Whether the host can be asked at all (it cannot while the instance is stopped).
    pub host: bool,
    /// Whether the plan stops the instance: then Docker must be ordered after the mount.
    pub stops_instance: bool,
}

/// One image to pull.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
pub struct PullImage {
    /// The service that is to run it.
    pub service: ServiceName,
    /// The reference.
    pub reference: ImageRef,
    /// The very image, where it is known (a rollback): one that is still on the host is not pulled.
    pub id: Option<Sha256Id>,
    /// Its digest in a registry, where it is known: asked for first, since the reference may mean another image by now.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub digest: Option<Sha256Id>,
}

/// The work of the container service.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
pub struct ApplyImages {
    /// The compose project.
    pub project: String,
    /// Its file; the first, where there are several.
    pub file: String,
    /// Its env files.
    pub env_files: Vec<String>,
    /// The values that change in the file: service → (from, to). Empty: the file stays.
    pub edits: BTreeMap<ServiceName, ImageEdit>,
    /// SHA-256 of the file before, in hex.
    pub from_sha256: String,
    /// SHA-256 of the file after, in hex.
    pub to_sha256: String,
    /// The further files, in the order of their `-f`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub more_files: Vec<FileSwap>,
    /// True where this goes back to the copy that the host kept; false where the text is edited.
    pub back: bool,
    /// Tags set first, so that a reference means the image it meant.
    pub tags: Vec<TagImage>,
    /// The services that run afterwards, in dependency order.
    pub services: Vec<ApplyTarget>,
    /// The containers whose restart policy is put back.
    pub policies: Vec<QuiesceContainer>,
    /// False where a stop follows: the file is put right and nothing is started.
    pub start: bool,
}

impl ApplyImages {
    /// Whether each file stays as it is.
    pub fn keeps_file(&self) -> bool {
        let stays = |f: &FileSwap| f.from_sha256 == f.to_sha256;
        self.from_sha256 == self.to_sha256 && self.more_files.iter().all(stays)
    }

    /// One word for what the files say afterwards.
    pub fn files_to(&self) -> Option<String> {
        let first = FileSum::new(self.file.clone(), self.to_sha256.clone());
        let more = self.more_files.iter();
        let more = more.map(|f| FileSum::new(f.path.clone(), f.to_sha256.clone()));
        files_sha256(&std::iter::once(first).chain(more).collect::<Vec<_>>())
    }
}

/// One value of the compose file.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
pub struct ImageEdit {
    /// What it says.
    pub from: ImageRef,
    /// What it is to say.
    pub to: ImageRef,
}

/// A service that is to run, and the image that it is to run.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
pub struct ApplyTarget {
    /// The service.
    pub service: ServiceName,
    /// The name of its container.
    pub container: String,
    /// The reference.
    pub reference: ImageRef,
    /// The image id; None: what the reference means on the host after the pull.
    pub id: Option<Sha256Id>,
}

/// The health gate.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
pub struct VerifyHealth {
    /// How long it waits and holds.
    pub gate: GateSettings,
    /// The services that must be green.
    pub must: BTreeSet<ServiceName>,
    /// Of these, those that may not end with code 0 either: what declares its health, and what this step's plan gives
    /// another image. Any other may be a one-shot that ran when the plan was made.
    #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
    pub must_run: BTreeSet<ServiceName>,
    /// The services that were red before: they only warn.
    pub may_be_red: BTreeSet<ServiceName>,
    /// What the compose file declares of their health.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub declared: BTreeMap<ServiceName, DeclaredHealth>,
    /// What must be read back besides health.
    pub expect: StackState,
    /// False on an instance that stays stopped: only the cloud's side is read back.
    pub host: bool,
    /// The mount that must be there.
    pub mount_point: Option<String>,
    /// The file system expected there.
    pub file_system: Option<FileSystemId>,
}

impl Action {
    /// The public name.
    pub fn name(&self) -> &'static str {
        match self {
            Action::CheckMounts(_) => "check_mounts",
            Action::WriteSnapshot { .. } => "write_snapshot",
            Action::HoldImages { .. } => "hold_images",
            Action::PullImages { .. } => "pull_images",
            Action::ReserveCapacity(_) => "reserve_capacity",
            Action::ArmRestore(_) => "arm_restore",
            Action::Quiesce { .. } => "quiesce",
            Action::StopInstance { .. } => "stop_instance",
            Action::SetInstanceType { .. } => "set_instance_type",
            Action::SetEbsOptimized { .. } => "set_ebs_optimized",
            Action::StartInstance {} => "start_instance",
            Action::AwaitHost { .. } => "await_host",
            Action::ApplyImages(_) => "apply_images",
            Action::VerifyHealth(_) => "verify_health",
            Action::CommitHost {} => "commit_host",
            Action::ReleaseCapacity {} => "release_capacity",
        }
    }

    /// Whether it changes instance, compose file, containers or data. A failure before the first such
    /// step is `refused`, not `rolled_back`.
    pub fn changes(&self) -> bool {
        match self {
            Action::Quiesce { .. }
            | Action::StopInstance { .. }
            | Action::SetInstanceType { .. }
            | Action::SetEbsOptimized { .. }
            | Action::StartInstance {}
            | Action::ApplyImages(_) => true,
            Action::CheckMounts(_)
            | Action::WriteSnapshot { .. }
            | Action::HoldImages { .. }
            | Action::PullImages { .. }
            | Action::ReserveCapacity(_)
            | Action::ArmRestore(_)
            | Action::AwaitHost { .. }
            | Action::VerifyHealth(_)
            | Action::CommitHost {}
            | Action::ReleaseCapacity {} => false,
        }
    }

    /// Whether it needs the host to answer.
    pub fn needs_host(&self) -> bool {
        match self {
            Action::HoldImages { .. }
            | Action::PullImages { .. }
            | Action::ArmRestore(_)
            | Action::Quiesce { .. }
            | Action::AwaitHost { .. }
            | Action::ApplyImages(_)
            | Action::CommitHost {} => true,
            Action::CheckMounts(c) => c.host,
            Action::VerifyHealth(v) => v.host,
            Action::WriteSnapshot { .. }
            | Action::ReserveCapacity(_)
            | Action::ReleaseCapacity {}
            | Action::StopInstance { .. }
            | Action::SetInstanceType { .. }
            | Action::SetEbsOptimized { .. }
            | Action::StartInstance {} => false,
        }
    }

    /// Whether services can be down while it runs.
    pub fn outage(&self) -> bool {
        self.changes() || matches!(self, Action::AwaitHost { .. } | Action::VerifyHealth(_))
    }
}
