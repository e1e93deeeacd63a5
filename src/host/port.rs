//! The port: what may be asked of a host, in our own nouns.

use std::collections::{BTreeMap, BTreeSet};

use async_trait::async_trait;
use serde::{Deserialize, Serialize};

use crate::cloud::CloudError;
use crate::model::{
    DeploymentName, FolderSeen, HostFacts, ImageRef, InstanceId, MountFacts, OperationId, Probe,
    Probed, RestoreState, Secret, ServiceName, Sha256Id,
};

/// A host that can be asked.
#[async_trait]
pub trait Host: Send + Sync {
    /// Looks at everything, and changes nothing.
    async fn look(&self, on: &InstanceId, ask: &LookRequest) -> Result<HostFacts, HostError>;

    /// Looks at a mount point under a time limit. With a tag (that is, under the lock) the sentinel is
    /// written and read; without one it is only read.
    async fn mount(
        &self,
        on: &InstanceId,
        tag: Option<&Tag>,
        ask: &MountRequest,
    ) -> Result<MountFacts, HostError>;

    /// Looks at a few files of each of these folders, side by side and under one time limit. In the order of the
    /// request. Changes nothing.
    async fn sample(
        &self,
        on: &InstanceId,
        ask: &SampleRequest,
    ) -> Result<Vec<FolderSeen>, HostError>;

    /// Asks what the compose file declares, side by side, and gives the last lines of logs. Changes nothing.
    async fn probe(&self, on: &InstanceId, ask: &ProbeRequest) -> Result<ProbeFacts, HostError>;

    /// Looks whether Docker waits for a mount at a boot. With a tag (that is, under the lock) a drop-in is
    /// written that makes it wait, and taken away again where it does not.
    async fn order(
        &self,
        on: &InstanceId,
        tag: Option<&Tag>,
        ask: &OrderRequest,
    ) -> Result<OrderFacts, HostError>;

    /// Looks which images are held for a deployment. With a tag (that is, under the lock) exactly these are held
    /// afterwards, as far as they are on the host, and no others of the deployment.
    async fn hold(
        &self,
        on: &InstanceId,
        tag: Option<&Tag>,
        ask: &HoldRequest,
    ) -> Result<HoldFacts, HostError>;

    /// Starts a job and leaves it running; the same tag twice starts it once. Answers how far it is.
    async fn start(&self, on: &InstanceId, tag: &Tag, job: &Job) -> Result<JobState, HostError>;

    /// How far the job with this tag is.
    async fn poll(&self, on: &InstanceId, tag: &Tag) -> Result<JobState, HostError>;

    /// Tells the host what to go back to by itself, and by when; answers the state that it is in then. From
    /// here on everything that carries this operation pushes the deadline out.
    async fn arm(
        &self,
        on: &InstanceId,
        tag: &Tag,
        ask: &ArmRequest,
    ) -> Result<RestoreState, HostError>;

    /// Disarms: what is so now stays. Of another operation nothing is touched, and `restored` stays told. Answers
    /// the state afterwards.
    async fn commit(&self, on: &InstanceId, tag: &Tag) -> Result<RestoreState, HostError>;
}

/// Who sends, and which of its sends this is. The host refuses a lower fence, a lower `seq` of the same
/// fence, and answers an equal pair from its record.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Tag {
    /// The fencing number of the lock that the operation holds.
    pub fence: u64,
    /// Counts up within the operation.
    pub seq: u64,
    /// The operation.
    pub operation: OperationId,
}

/// What to look at.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct LookRequest {
    /// Also look at this mount point (without the sentinel).
    pub mount_point: Option<String>,
    /// Also resolve these references to images on the host.
    pub images: Vec<ImageRef>,
    /// Only the boot id, the machine and the state of the armed restore: the cheapest proof of life. All else
    /// stays empty.
    pub only_boot: bool,
    /// Also see what an `up` of these services of a project would apply besides their images.
    pub pending: Option<(String, Vec<ServiceName>)>,
    /// Who looks, when it is the controller of an operation: pushes the deadline of its armed restore out.
    pub beat: Option<Tag>,
}

/// One probe, and the container that it is about.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
pub struct HostProbe {
    /// The container's name.
    pub container: String,
    /// What is asked.
    pub probe: Probe,
    /// An answer later than this is none.
    pub timeout_s: u32,
}

/// What to ask.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct ProbeRequest {
    /// All of these at once.
    pub probes: Vec<HostProbe>,
    /// The containers whose last lines of log are wanted. At most three: the answer must stay short.
    pub logs: Vec<String>,
}

/// What came of it, in the order of the request.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct ProbeFacts {
    /// Of each probe.
    pub probes: Vec<Probed>,
    /// Of each log, its last lines; empty where there is none.
    pub logs: Vec<String>,
}

/// What an armed host goes back to by itself.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ArmRequest {
    /// How to go back: the same as the controller's own undo of `apply`. Its text is `Keep` or `Kept`.
    pub restore: ApplyJob,
    /// The containers, by name, that were green before: when all of them are green and stable at the deadline,
    /// the host stays as it is.
    pub green: Vec<String>,
    /// Those of them whose Docker health does not count: they declare another.
    pub declared: Vec<String>,
    /// What must hold besides.
    pub probes: Vec<HostProbe>,
    /// The deadline lies so many seconds after the last word of the controller, and again after a boot.
    pub grace_s: u32,
    /// A container counts as stable when it was green, without a restart, for so many seconds.
    pub stable_s: u32,
}

/// What to check at a mount point.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MountRequest {
    /// The mount point.
    pub point: String,
    /// At most this many seconds for each probe of the file system.
    pub limit_s: u32,
    /// What the sentinel is to say when it is written: a short text without a newline.
    pub token: String,
}

/// The folders to look at.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct SampleRequest {
    /// The mount point on whose file system they are to lie.
    pub point: String,
    /// What has not answered after this many seconds is not waited for.
    pub limit_s: u32,
    /// The folders; a bind of one file is a path of its own.
    pub folders: Vec<SampleFolder>,
}

/// One folder to look at.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct SampleFolder {
    /// Its path.
    pub path: String,
    /// At most so many files are chosen: those that were changed longest ago.
    pub most: u32,
    /// The very files that are wanted, as an earlier sample named them; empty: they are chosen.
    pub files: Vec<String>,
}

/// Of each file of a sample so many bytes are read, from its beginning.
pub const SAMPLE_BYTES: u32 = 64 << 10;

/// Which mount Docker is to wait for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OrderRequest {
    /// The mount point.
    pub point: String,
    /// The unit that systemd makes of it.
    pub unit: String,
    /// What the drop-in is to say.
    pub text: String,
}

/// What orders Docker on the host.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OrderFacts {
    /// `Requires=` of docker.service; None: there is no systemd, or it does not run Docker.
    pub requires: Option<Vec<String>>,
    /// The file that the mount's unit comes from (of fstab, a generated one); empty: none that systemd knows of.
    pub unit_file: String,
    /// The lines of fstab for the mount point.
    pub fstab: Vec<String>,
    /// The drop-in was of no use, and is still there.
    pub left: bool,
}

impl OrderFacts {
    /// Whether Docker waits for this mount.
    pub fn holds(&self, unit: &str) -> bool {
        self.requires
            .iter()
            .flatten()
            .any(|required| required == unit)
    }

    /// Whether there is anything that systemd could mount. fstab may have been written after systemd read it.
    pub fn has_mount(&self) -> bool {
        !self.unit_file.is_empty() || !self.fstab.is_empty()
    }
}

/// Which images are to be held for a deployment: all of them, each time.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HoldRequest {
    /// The deployment. Two on one host do not take each other's.
    pub deployment: DeploymentName,
    /// The images, by id.
    pub images: BTreeSet<Sha256Id>,
}

impl HoldRequest {
    /// What the names on the host are made with: the deployment's own, cut where a tag of Docker's would become too
    /// long.
    pub fn owner(&self) -> String {
        const MOST: usize = 64;
        let name = self.deployment.as_str();
        if name.len() <= MOST {
            return name.to_owned();
        }
        let sum = &crate::model::sha256_hex(name)[..12];
        format!("{}-{sum}", &name[..MOST - 13])
    }
}

/// What is held for a deployment.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct HoldFacts {
    /// Wanted, and held.
    pub held: BTreeSet<Sha256Id>,
    /// Wanted and on the host, and not held.
    pub missing: BTreeSet<Sha256Id>,
    /// Wanted, and not on the host.
    pub gone: BTreeSet<Sha256Id>,
    /// Not wanted any more, and still there.
    pub extra: BTreeSet<Sha256Id>,
    /// Why one could not be held, in Docker's words.
    pub why: BTreeMap<Sha256Id, String>,
}

/// What the names of the containers that hold images begin with. They are never started, and no person's.
pub const HELD_CONTAINER: &str = "geusemaker-held-";

/// Work that may take longer than Run Command should.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Job {
    /// `docker pull`, for the host's own architecture.
    Pull {
        /// The reference.
        reference: ImageRef,
    },
    /// Stops containers in good order, and keeps down over a boot those that are not to come up with it.
    Quiesce {
        /// In the order in which they are stopped.
        containers: Vec<QuiesceContainer>,
        /// As part of an undo. Forward it is refused (`host_restored`, `host_committed`) once the host has
        /// judged by itself.
        back: bool,
    },
    /// Makes the compose file say so, and these services run. One that somebody else started is left. Refused
    /// (`host_restored`, `host_committed`) once the host has judged by itself.
    Apply(Box<ApplyJob>),
    /// The same, on the way back: the very work that an armed host does by itself, and whoever comes second
    /// finds it done. With `start` the host is `restored` afterwards; without it stays as armed as it was.
    Restore(Box<ApplyJob>),
}

/// A container to be stopped.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
pub struct QuiesceContainer {
    /// The container's name.
    pub name: String,
    /// Its restart policy; with `always` it is set to `no` before the stop (it would come up by itself
    /// after a boot), and `apply` puts it back.
    pub restart_policy: String,
    /// It is to come up by itself with the boot, before anybody is there to start it: with `unless-stopped` it is set to
    /// `always` before the stop (Docker does not start again what was stopped by hand, but for that policy: Docker
    /// docs, "Start containers automatically"), and `apply` puts it back.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub comes_up: bool,
}

/// The work of `apply`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ApplyJob {
    /// The compose project.
    pub project: String,
    /// Its file; the first, where there are several.
    pub file: String,
    /// `--env-file`, in order.
    pub env_files: Vec<String>,
    /// What the file is to say.
    pub text: FileText,
    /// SHA-256 (hex) of what it says now; anything but this or `to_sha256` is refused: somebody
    /// else changed it.
    pub from_sha256: String,
    /// SHA-256 (hex) of what it is to say.
    pub to_sha256: String,
    /// The further files, in the order of their `-f`. `text` is about them as well.
    pub more_files: Vec<FileSwap>,
    /// With [`FileText::New`], the texts of those further files that change.
    pub more_texts: Vec<Secret>,
    /// `docker tag ID REF`, first of all.
    pub tags: Vec<TagImage>,
    /// The services that are to run, in dependency order. Empty list and `start` false: file only.
    pub services: Vec<ApplyService>,
    /// Containers whose restart policy is put back, by name.
    pub policies: Vec<QuiesceContainer>,
    /// Whether services are started; without it only file, tags and policies are done.
    pub start: bool,
}

/// A compose file beside the first one: what it says, and what it is to say.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
pub struct FileSwap {
    /// Its path.
    pub path: String,
    /// SHA-256 of it before, in hex.
    pub from_sha256: String,
    /// SHA-256 of it after, in hex.
    pub to_sha256: String,
}

/// Where the text of the compose file comes from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum FileText {
    /// It is left as it is (`from_sha256` equals `to_sha256`).
    Keep,
    /// This text.
    New(Secret),
    /// The copy that an earlier `apply` kept on the host under `to_sha256`.
    Kept,
}

/// A name for an image.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
pub struct TagImage {
    /// The image.
    pub id: Sha256Id,
    /// The reference that is to mean it.
    pub reference: ImageRef,
}

/// A service that is to run.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
pub struct ApplyService {
    /// The service.
    pub service: ServiceName,
    /// The container it had when the plan was made, by name.
    pub container: String,
    /// The image that it is to run. A container that runs (or ran) this image is kept and started with
    /// `docker start`; one with another image is made anew with `up -d --no-deps --pull never --no-build`.
    pub image_id: Sha256Id,
}

/// How far a job is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum JobState {
    /// The host has no job with this tag.
    Unknown,
    /// Going on.
    Running(Running),
    /// Ended well.
    Done,
    /// Ended badly.
    Failed(JobFailure),
    /// It was cut off (the host went down, or it was killed).
    Lost,
}

/// What shows that a job goes on. As long as it changes, there is progress.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Running {
    /// The last line of its log, for people.
    pub note: String,
    /// The length of its log, in bytes.
    pub log_bytes: u64,
    /// Of a pull, how far it is.
    pub layers: Layers,
}

/// How far a pull is, by the layers that Docker has named so far.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Layers {
    /// How many there are; 0 before Docker has named any.
    pub total: u64,
    /// Unpacked, or there before.
    pub done: u64,
    /// On the host, and not unpacked yet: they are unpacked one after another.
    pub fetched: u64,
    /// Bytes of layers that are on the way or not unpacked yet, where they can be seen.
    pub bytes: u64,
}

/// Why a job ended badly.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct JobFailure {
    /// A word for programs: `file_changed`, `pull_failed`, `no_space`, `up_failed`, `start_failed`,
    /// `stop_failed`, `no_backup`, `tag_failed`, `bad_compose`.
    pub code: String,
    /// The last lines of its log.
    pub log: String,
}

/// A host that did not answer, or not like a host of ours.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum HostError {
    /// The agent is not there (yet): nothing was run.
    #[error("the host does not answer: {0}")]
    Unreachable(String),
    /// AWS did not take the call.
    #[error(transparent)]
    Cloud(#[from] CloudError),
    /// A newer operation has been here: this one must not write any more.
    #[error("the host has seen a newer operation (fence {seen}); this one has {ours}")]
    Fenced {
        /// The fence of this operation.
        ours: u64,
        /// The fence that the host has recorded.
        seen: u64,
    },
    /// The script ran and said no, or could not do its work.
    #[error("the host's script {verb} failed ({code}): {message}")]
    Script {
        /// The verb.
        verb: &'static str,
        /// Its word for programs, or `exit N`.
        code: String,
        /// What it printed.
        message: String,
    },
    /// An answer that is cut off, or whose checksum or form is wrong.
    #[error(
        "the reply of the host's script {verb} cannot be read: expected {expected}, found {found}"
    )]
    Garbled {
        /// The verb.
        verb: &'static str,
        /// What was expected.
        expected: String,
        /// What was found.
        found: String,
    },
    /// The time for it ran out.
    #[error("the host's script {verb} did not answer within {seconds} s")]
    Timeout {
        /// The verb.
        verb: &'static str,
        /// The limit.
        seconds: u64,
    },
}
