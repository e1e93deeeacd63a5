//! What was seen, read-only, before anything is decided.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

use super::{
    FileSum, FileSystemId, ImageRef, InstanceId, InstanceType, RestoreState, Secret, ServiceName,
    Sha256Id, Timestamp, files_sha256,
};

/// Everything that one look saw. `plan::toward` decides from this alone.
#[derive(Debug, Clone)]
pub struct Observed {
    /// When the look began.
    pub at: Timestamp,
    /// What EC2 says of the instance.
    pub instance: InstanceFacts,
    /// What EC2 says of the types in question (the current one and the wanted one). A type that is
    /// missing here does not exist in the region.
    pub types: BTreeMap<InstanceType, TypeFacts>,
    /// The types of `types` that are offered in the instance's zone
    /// (`DescribeInstanceTypeOfferings`: offered, never "has capacity").
    pub offered: BTreeSet<InstanceType>,
    /// Which effects on the instance the caller may have, by the name that IAM has for the call. Only those that were
    /// asked about.
    pub permits: BTreeMap<&'static str, Permit>,
    /// The file system, where the deployment has one. `Err` is why it could not be seen.
    pub file_system: Option<Result<FileSystemFacts, String>>,
    /// What the host says of itself.
    pub host: HostView,
}

/// Whether a call is permitted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Permit {
    /// It would have been.
    Yes,
    /// It is not: AWS's words.
    No(String),
    /// AWS said something else.
    Unknown(String),
}

/// Whether the host could be asked.
#[derive(Debug, Clone)]
pub enum HostView {
    /// It answered.
    Up(Box<HostFacts>),
    /// The instance is stopped: nobody to ask.
    Stopped,
    /// The instance runs but the host did not answer: why.
    Unreachable(String),
}

impl HostView {
    /// The facts, where the host answered.
    pub fn facts(&self) -> Option<&HostFacts> {
        match self {
            HostView::Up(facts) => Some(facts),
            HostView::Stopped | HostView::Unreachable(_) => None,
        }
    }
}

/// The state of an EC2 instance (EC2 API, `InstanceState`).
#[derive(
    Debug,
    Clone,
    Copy,
    PartialEq,
    Eq,
    PartialOrd,
    Ord,
    Hash,
    Serialize,
    Deserialize,
    schemars::JsonSchema,
)]
#[serde(rename_all = "kebab-case")]
pub enum RunState {
    /// Being started.
    Pending,
    /// Started, as EC2 sees it: the system on it may still be booting.
    Running,
    /// Being stopped.
    Stopping,
    /// Stopped; the only state in which the type can change.
    Stopped,
    /// Being terminated.
    ShuttingDown,
    /// Gone for good.
    Terminated,
}

impl RunState {
    /// EC2's own word for it.
    pub fn as_str(self) -> &'static str {
        match self {
            RunState::Pending => "pending",
            RunState::Running => "running",
            RunState::Stopping => "stopping",
            RunState::Stopped => "stopped",
            RunState::ShuttingDown => "shutting-down",
            RunState::Terminated => "terminated",
        }
    }

    /// Reads EC2's word.
    pub fn parse(word: &str) -> Option<Self> {
        [
            Self::Pending,
            Self::Running,
            Self::Stopping,
            Self::Stopped,
            Self::ShuttingDown,
            Self::Terminated,
        ]
        .into_iter()
        .find(|s| s.as_str() == word)
    }
}

/// What `DescribeInstances` says, as far as changing the type in place depends on it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct InstanceFacts {
    /// The instance.
    pub id: InstanceId,
    /// The account that owns it (`Reservation.OwnerId`).
    pub account: String,
    /// Region, e.g. `us-east-1`.
    pub region: String,
    /// Availability zone, e.g. `us-east-1a`.
    pub zone: String,
    /// Its type now.
    pub instance_type: InstanceType,
    /// Its state now.
    pub state: RunState,
    /// Why it is in that state, where EC2 says so (`StateReason`).
    pub state_reason: Option<String>,
    /// `x86_64`, `arm64`, …
    pub architecture: String,
    /// `hvm` or `paravirtual`.
    pub virtualization: String,
    /// `legacy-bios` or `uefi` (`CurrentInstanceBootMode`), where EC2 says it.
    pub boot_mode: Option<String>,
    /// `ebs` or `instance-store`.
    pub root_device_type: String,
    /// Whether enhanced networking with ENA is on.
    pub ena_support: bool,
    /// Whether it is EBS-optimized.
    pub ebs_optimized: bool,
    /// How many network interfaces are attached.
    pub network_interfaces: u32,
    /// How many network cards they use: the highest `NetworkCardIndex` and one.
    pub network_cards: u32,
    /// How many EBS volumes are attached.
    pub volumes: u32,
    /// Whether it is a Spot instance (`InstanceLifecycle`).
    pub spot: bool,
    /// What its Spot request is: `one-time` or `persistent`. None: no Spot instance, not asked, or could not be read.
    pub spot_request: Option<String>,
    /// Whether hibernation is configured.
    pub hibernation: bool,
    /// Whether the stop protection is on (`DisableApiStop`). None: not asked, or could not be read.
    pub stop_protection: Option<bool>,
    /// The Auto Scaling group it belongs to (tag `aws:autoscaling:groupName`, which AWS sets).
    pub auto_scaling_group: Option<String>,
    /// How it is in that group. None: in none, not asked, or could not be read.
    pub auto_scaling: Option<AutoScalingFacts>,
    /// Managed by a service provider (`Operator.Managed`).
    pub operator_managed: bool,
    /// `default`, `dedicated` or `host`.
    pub tenancy: String,
    /// The placement group that it is in (`Placement.GroupName`).
    pub placement_group: Option<PlacementGroup>,
    /// Public IPv4 address.
    pub public_ip: Option<String>,
    /// Whether that address is an Elastic IP (survives a stop) or an automatic one (does not).
    pub elastic_ip: bool,
    /// Private IPv4 address; survives a stop.
    pub private_ip: Option<String>,
    /// When it was launched or last started.
    pub launched_at: Option<Timestamp>,
    /// What it runs, as a capacity reservation names it (`PlatformDetails`: `Linux/UNIX`, …).
    pub platform: String,
    /// Whether it uses capacity reservations by itself (`CapacityReservationPreference`): `open`, the default, `none`,
    /// …; `targeted` where it is bound to one. None: not said, which is `open`.
    pub reservation_preference: Option<String>,
    /// The capacity reservation that it runs in (`CapacityReservationId`).
    pub reservation: Option<String>,
}

/// An instance in its Auto Scaling group.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AutoScalingFacts {
    /// `LifecycleState`: `InService`, `Standby`, …
    pub lifecycle: String,
    /// The group's `SuspendedProcesses`: `HealthCheck`, `ReplaceUnhealthy`, `Terminate`, …
    pub suspended: Vec<String>,
}

/// A placement group.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PlacementGroup {
    /// Its name.
    pub name: String,
    /// `cluster`, `partition` or `spread`. None: not asked, or could not be read.
    pub strategy: Option<String>,
}

/// What `DescribeInstanceTypes` says of a type.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct TypeFacts {
    /// The type.
    pub name: InstanceType,
    /// `ProcessorInfo.SupportedArchitectures`.
    pub architectures: Vec<String>,
    /// `SupportedVirtualizationTypes`.
    pub virtualization: Vec<String>,
    /// `SupportedBootModes`.
    pub boot_modes: Vec<String>,
    /// `SupportedRootDeviceTypes`.
    pub root_devices: Vec<String>,
    /// `NetworkInfo.EnaSupport`: `unsupported`, `supported`, `required`.
    pub ena: String,
    /// `EbsInfo.NvmeSupport`: `unsupported`, `supported`, `required`.
    pub nvme: String,
    /// `EbsInfo.EbsOptimizedSupport`: `unsupported`, `supported`, `default`.
    pub ebs_optimized: String,
    /// `NetworkInfo.MaximumNetworkInterfaces`.
    pub max_interfaces: u32,
    /// `NetworkInfo.MaximumNetworkCards`.
    pub max_cards: u32,
    /// `EbsInfo.MaximumEbsAttachments`, where known.
    pub max_volumes: Option<u32>,
    /// `EbsInfo.AttachmentLimitType` is `shared`: network interfaces beyond the first count too. None: not said.
    pub shared_attachments: Option<bool>,
    /// `PlacementGroupInfo.SupportedStrategies`.
    pub placement: Vec<String>,
    /// `InstanceStorageSupported`: it has disks of its own, which a stop empties.
    pub instance_storage: bool,
    /// `SupportedUsageClasses`.
    pub usage_classes: Vec<String>,
    /// `VCpuInfo.DefaultVCpus`.
    pub vcpus: u32,
    /// `MemoryInfo.SizeInMiB`.
    pub memory_mib: u64,
    /// Whether it has a GPU (`GpuInfo`).
    pub gpu: bool,
    /// Who made it (`GpuInfo.Gpus[].Manufacturer`): `NVIDIA`, `AMD`, …; where it is known.
    pub gpu_maker: Option<String>,
    /// `DedicatedHostsSupported`.
    pub dedicated_hosts: bool,
}

/// What EFS says of the file system.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FileSystemFacts {
    /// The file system.
    pub id: FileSystemId,
    /// Its life-cycle state, e.g. `available`.
    pub state: String,
    /// Its mount targets.
    pub mount_targets: Vec<MountTargetFacts>,
}

/// One mount target (`DescribeMountTargets`).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MountTargetFacts {
    /// Its id, `fsmt-…`.
    pub id: String,
    /// The zone it is in.
    pub zone: String,
    /// Its life-cycle state, e.g. `available`.
    pub state: String,
}

/// What the host says of itself.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HostFacts {
    /// `/proc/sys/kernel/random/boot_id`: another one after each boot.
    pub boot_id: String,
    /// `uname -m`.
    pub machine: String,
    /// Version of the Docker Engine.
    pub docker: String,
    /// Version of Compose v2; None where only the old `docker-compose` or nothing is there.
    pub compose: Option<String>,
    /// Free space where Docker keeps its images, in bytes.
    pub disk_free: u64,
    /// The compose projects whose containers are on the host, found by their labels.
    pub projects: Vec<ProjectFacts>,
    /// Containers that belong to no compose project, by name.
    pub other_containers: Vec<String>,
    /// The mount point asked for, and what is there. None where none was asked for.
    pub mount: Option<MountFacts>,
    /// Images on the host, for the references that were asked for: normalized reference → image.
    pub images: BTreeMap<String, ImageFacts>,
    /// What the host would do if nobody spoke to it any more.
    pub restore: RestoreState,
    /// What an `up` of the services that were asked for would apply besides their images, by service; why it is not
    /// known; None where nobody asked.
    pub pending: Option<Result<BTreeMap<ServiceName, Vec<String>>, String>>,
}

/// One compose project on a host, as its containers' labels name it
/// (`com.docker.compose.project`, `.config_files`, `.working_dir`, `.environment_file`).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ProjectFacts {
    /// The project's name.
    pub name: String,
    /// Its compose files, as the containers name them.
    pub files: Vec<String>,
    /// Its working folder.
    pub working_dir: String,
    /// Its env file (for `--env-file`), where the containers name one.
    pub env_files: Vec<String>,
    /// Whether its running containers name lists of files of which none holds all the others.
    pub files_differ: bool,
    /// The text of the first file, where it could be read.
    pub text: Option<Secret>,
    /// SHA-256 of that file, in hex.
    pub sha256: Option<String>,
    /// The further files, in their order.
    pub more: Vec<FileFacts>,
    /// Its containers, one or more a service.
    pub containers: Vec<ContainerFacts>,
}

/// A compose file beside the first one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FileFacts {
    /// Its path.
    pub path: String,
    /// Its text, where it could be read.
    pub text: Option<Secret>,
    /// SHA-256 of it, in hex.
    pub sha256: Option<String>,
}

impl ProjectFacts {
    /// The texts of its files, in their order, where each could be read.
    pub fn texts(&self) -> Option<Vec<&str>> {
        let more = self.more.iter().map(|f| f.text.as_ref());
        std::iter::once(self.text.as_ref())
            .chain(more)
            .map(|text| text.map(Secret::expose))
            .collect()
    }

    /// Its files and what they say, in their order, where each could be read.
    pub fn sums(&self) -> Option<Vec<FileSum>> {
        let first = (self.files.first().cloned()?, self.sha256.clone()?);
        let mut sums = vec![FileSum::new(first.0, first.1)];
        for file in &self.more {
            sums.push(FileSum::new(file.path.clone(), file.sha256.clone()?));
        }
        Some(sums)
    }

    /// One word for what its files say: [`files_sha256`].
    pub fn compose_sha256(&self) -> Option<String> {
        files_sha256(&self.sums()?)
    }

    /// The container of a service: the running one first, else any. Not one that was made by `compose run`.
    pub fn service(&self, name: &ServiceName) -> Option<&ContainerFacts> {
        let of_it = |c: &&ContainerFacts| &c.service == name && !c.one_off;
        let mut all = self.containers.iter().filter(of_it);
        let first = all.clone().next();
        all.find(|c| c.running()).or(first)
    }

    /// The services that have a running container.
    pub fn running(&self) -> BTreeSet<ServiceName> {
        self.containers
            .iter()
            .filter(|c| c.running())
            .map(|c| c.service.clone())
            .collect()
    }
}

/// One container, from `docker inspect`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ContainerFacts {
    /// Label `com.docker.compose.service`.
    pub service: ServiceName,
    /// The container's name, without the leading `/`.
    pub name: String,
    /// The container's id.
    pub id: String,
    /// The image as the container was created with (`Config.Image`).
    pub image: String,
    /// The id of the image that it runs (`Image`).
    pub image_id: Sha256Id,
    /// The digests under which the host knows that image (`RepoDigests`), `repo@sha256:…`.
    pub digests: Vec<String>,
    /// `State.Status`: created, running, paused, restarting, removing, exited, dead.
    pub status: String,
    /// `State.ExitCode`.
    pub exit_code: i64,
    /// `State.Health.Status`: starting, healthy, unhealthy; None without a health check.
    pub health: Option<String>,
    /// `RestartCount`.
    pub restarts: u32,
    /// `State.StartedAt`, as Docker writes it.
    pub started_at: String,
    /// `HostConfig.RestartPolicy.Name`: no, always, unless-stopped, on-failure.
    pub restart_policy: String,
    /// `State.Pid`, 0 when it does not run.
    pub pid: u32,
    /// Bind mounts: source on the host and destination in the container.
    pub binds: Vec<BindFacts>,
    /// Label `com.docker.compose.depends_on`: the services that it depends on.
    pub depends_on: Vec<String>,
    /// Label `com.docker.compose.oneoff`: made by `compose run`.
    pub one_off: bool,
    /// The end of what its last health check printed; may be empty.
    #[serde(default)]
    pub health_log: String,
    /// What came of the health that its service declares in the compose file; None where it declares none, or where
    /// that was not asked in this look.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub probed: Option<super::Probed>,
}

impl ContainerFacts {
    /// Whether it runs now, or would if it did not keep crashing.
    pub fn running(&self) -> bool {
        matches!(self.status.as_str(), "running" | "restarting")
    }

    /// The colour of this container, on one look: green is running, and well by what its service declares,
    /// else healthy where it has a health check.
    pub fn colour(&self) -> Colour {
        if let (true, Some(probed)) = (self.status == "running", &self.probed) {
            return if probed.green {
                Colour::Green
            } else {
                Colour::Red
            };
        }
        match (self.status.as_str(), self.health.as_deref()) {
            ("running", None | Some("healthy" | "none")) => Colour::Green,
            ("running", Some("starting")) => Colour::Yellow,
            // What has a health check is a service, and not a one-shot.
            ("exited", None) if self.exit_code == 0 && self.restart_policy == "no" => {
                Colour::Finished
            }
            _ => Colour::Red,
        }
    }
}

/// How a service looks.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Colour {
    /// Running, and healthy where it can say so.
    Green,
    /// Running, its health check has not decided yet.
    Yellow,
    /// A one-shot that ended well.
    Finished,
    /// Not running, or unhealthy.
    Red,
}

impl Colour {
    /// Whether there is nothing to be mended: green, or a one-shot that ended well.
    pub fn is_well(self) -> bool {
        matches!(self, Self::Green | Self::Finished)
    }
}

/// A bind mount of a container.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct BindFacts {
    /// The path on the host.
    pub source: String,
    /// The path in the container.
    pub destination: String,
}

/// An image on a host.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ImageFacts {
    /// Its id.
    pub id: Sha256Id,
    /// `repo@sha256:…` under which it is known.
    pub digests: Vec<String>,
    /// `amd64`, `arm64`, …
    pub architecture: String,
}

/// What is at a mount point, from `/proc/self/mountinfo`, `/etc/fstab`, systemd and efs-utils.
/// Raw words of the host; `efs::judge` decides.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct MountFacts {
    /// The mount point.
    pub point: String,
    /// The line of `mountinfo` whose mount point is exactly this one, the last where several are stacked.
    pub mountinfo: Option<String>,
    /// The lines of fstab for this mount point.
    pub fstab: Vec<String>,
    /// `Requires` of docker.service (systemd's own list of unit names); None where systemd could not be asked.
    pub docker_requires: Option<Vec<String>>,
    /// The file names in `/var/run/efs`, where efs-utils keeps the state of its TLS mounts:
    /// `fs-….<mount.point>.<port>`.
    pub efs_state_files: Vec<String>,
    /// `answered`, `hangs` or `error: …`: a `stat` under a time limit.
    pub stat: String,
    /// `none` (not there yet), `ok` (read or written and read), `hangs`, `differs` or `error: …`.
    pub sentinel: String,
    /// Whether the sentinel was written in this look, or only read.
    pub sentinel_written: bool,
    /// For each running container with a bind under the mount point: its name, and the lines of
    /// `/proc/<pid>/mountinfo` at the destination.
    pub seen_inside: Vec<SeenInside>,
    /// The mount points of fstab at which nothing is mounted (swap and `none` left out). None: not
    /// asked. Needed only where a deployment has no file system of its own.
    #[serde(default)]
    pub unmounted: Option<Vec<String>>,
}

/// What one container sees at one of its binds.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SeenInside {
    /// The container's name.
    pub container: String,
    /// The destination of the bind, in the container.
    pub destination: String,
    /// The last line of its `mountinfo` at that destination. None: it sees no mount there.
    pub mountinfo: Option<String>,
}

/// An image as a service runs it, in reports and snapshots.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
pub struct RunningImage {
    /// The reference in the compose file.
    #[serde(rename = "ref")]
    pub reference: ImageRef,
    /// The image id that runs.
    pub id: Sha256Id,
    /// A digest under which a registry knows it, `sha256:…`; None for an image that was never pulled.
    pub digest: Option<Sha256Id>,
}

#[cfg(test)]
mod tests {
    use crate::plan::fixtures::{host, service};

    #[test]
    fn what_compose_run_made_speaks_for_no_service() {
        // It runs, and comes first: a tag that moved was compared with its image, and nothing was pulled.
        let mut project = host().projects.remove(0);
        let n8n = service("n8n");
        let at = project.containers.iter().position(|c| c.service == n8n);
        let at = at.expect("it is there");
        let mut one_off = project.containers[at].clone();
        (one_off.name, one_off.one_off) = ("dev-n8n-run-1".into(), true);
        project.containers.insert(0, one_off);
        assert_eq!(project.service(&n8n).map(|c| &*c.name), Some("n8n"));
        project.containers.remove(at + 1);
        assert_eq!(project.service(&n8n), None);
    }
}
