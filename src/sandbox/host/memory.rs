//! The port [`Host`] on a [`HostState`] itself, without folder, shell and agent: the host of the fast tests.
//!
//! It does what the scripts do, in the same order, and keeps what they keep.

mod holds;
mod jobs;
mod looks;
mod order;
mod restore;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex};

use async_trait::async_trait;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::files::MemoryFiles;
use super::state::{HostContext, HostState};
use crate::cloud::Clock;
use crate::host::{
    ArmRequest, HoldFacts, HoldRequest, Host, HostError, Job, JobFailure, JobState, LookRequest,
    MountRequest, OrderFacts, OrderRequest, ProbeFacts, ProbeRequest, Running, SampleRequest, Tag,
};
use crate::model::{FolderSeen, HostFacts, InstanceId, MountFacts, OperationId, RestoreState};
use crate::sandbox::fault::Faults;
use crate::sandbox::latency::Latency;
use crate::sandbox::registry::Registry;

/// Where a host in memory lives.
pub trait HostWorld: Send + Sync {
    /// Works on a host, as its agent would.
    ///
    /// # Errors
    /// [`HostError::Unreachable`] while the instance does not run or its agent is not online.
    fn with_host<R>(
        &self,
        on: &InstanceId,
        work: impl FnOnce(&mut HostContext<'_>) -> R,
    ) -> Result<R, HostError>;
}

/// What a host in memory keeps over its boots.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct MemoryRecord {
    /// Its files.
    pub files: MemoryFiles,
    /// Copies of compose files, by SHA-256 in hexadecimal.
    pub kept: BTreeMap<String, String>,
    /// Restart policies that quiesce changed, by container.
    pub policies: BTreeMap<String, String>,
    /// The sentinel, by file system (`local` is the folder under the mount point).
    pub sentinels: BTreeMap<String, String>,
    /// Folders on the file system that somebody has emptied. Each other one holds one file.
    #[serde(default)]
    pub emptied: BTreeSet<String>,
    /// The highest fence and sequence number that was here.
    pub last: Option<(u64, u64)>,
    /// Its armed restore.
    #[serde(default)]
    pub restore: restore::Restore,
    /// Jobs by `operation/fence/seq`.
    jobs: BTreeMap<String, Record>,
}

/// A job that was started.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
struct Record {
    /// The boot that it was started in: another boot has cut it off.
    boot_id: String,
    /// It ends then.
    due: Timestamp,
    /// It is a pull.
    #[serde(default)]
    pulls: bool,
    /// The pull that is still to be done; nothing for work that was done at once.
    pull: Option<crate::model::ImageRef>,
    /// Its end, once it has one: None is well, Some is code and log.
    failure: Option<(String, String)>,
}

/// The port over a world.
#[derive(Debug)]
pub struct MemoryHost<W>(pub Arc<W>);

impl<W> Clone for MemoryHost<W> {
    fn clone(&self) -> Self {
        Self(Arc::clone(&self.0))
    }
}

#[async_trait]
impl<W: HostWorld + 'static> Host for MemoryHost<W> {
    async fn look(&self, on: &InstanceId, ask: &LookRequest) -> Result<HostFacts, HostError> {
        self.0.with_host(on, |at| {
            at.pass();
            if let Some(tag) = &ask.beat {
                at.host.far_beat(tag, at.now)?;
            }
            looks::look(at, ask)
        })?
    }

    async fn probe(&self, on: &InstanceId, ask: &ProbeRequest) -> Result<ProbeFacts, HostError> {
        self.0.with_host(on, |at| {
            at.pass();
            looks::probe(at, ask)
        })?
    }

    async fn mount(
        &self,
        on: &InstanceId,
        tag: Option<&Tag>,
        ask: &MountRequest,
    ) -> Result<MountFacts, HostError> {
        self.0.with_host(on, |at| {
            at.pass();
            if let Some(tag) = tag {
                at.host.memory.admit(tag, at.now)?;
            }
            Ok(looks::mount(at, tag.is_some(), ask))
        })?
    }

    async fn sample(
        &self,
        on: &InstanceId,
        ask: &SampleRequest,
    ) -> Result<Vec<FolderSeen>, HostError> {
        self.0.with_host(on, |at| {
            at.pass();
            Ok(looks::sample(at, ask))
        })?
    }

    async fn order(
        &self,
        on: &InstanceId,
        tag: Option<&Tag>,
        ask: &OrderRequest,
    ) -> Result<OrderFacts, HostError> {
        self.0.with_host(on, |at| {
            at.pass();
            if let Some(tag) = tag {
                at.host.memory.admit(tag, at.now)?;
            }
            Ok(order::order(at.host, tag.is_some(), ask))
        })?
    }

    async fn hold(
        &self,
        on: &InstanceId,
        tag: Option<&Tag>,
        ask: &HoldRequest,
    ) -> Result<HoldFacts, HostError> {
        self.0.with_host(on, |at| {
            at.pass();
            if let Some(tag) = tag {
                at.host.memory.admit(tag, at.now)?;
            }
            holds::hold(at, tag.is_some(), ask)
        })?
    }

    async fn start(&self, on: &InstanceId, tag: &Tag, job: &Job) -> Result<JobState, HostError> {
        self.0.with_host(on, |at| {
            at.pass();
            at.host.memory.admit(tag, at.now)?;
            if !at.host.memory.jobs.contains_key(&key(tag)) {
                at.host.memory.restore.lets(tag, job)?;
                let record = jobs::start(at, tag, job);
                at.host.memory.jobs.insert(key(tag), record);
                at.settle();
                at.host.finish_jobs(at.registry, at.faults, at.now);
            }
            Ok(at.host.job(tag))
        })?
    }

    async fn poll(&self, on: &InstanceId, tag: &Tag) -> Result<JobState, HostError> {
        self.0.with_host(on, |at| {
            at.pass();
            at.host.far_beat(tag, at.now)?;
            Ok(at.host.job(tag))
        })?
    }

    async fn arm(
        &self,
        on: &InstanceId,
        tag: &Tag,
        ask: &ArmRequest,
    ) -> Result<RestoreState, HostError> {
        self.0.with_host(on, |at| {
            at.pass();
            at.host.memory.admit(tag, at.now)?;
            let restore = &mut at.host.memory.restore;
            restore.arm(tag, ask, &at.host.boot_id, at.now)?;
            Ok(restore.state.clone())
        })?
    }

    async fn commit(&self, on: &InstanceId, tag: &Tag) -> Result<RestoreState, HostError> {
        self.0.with_host(on, |at| {
            at.pass();
            at.host.memory.admit(tag, at.now)?;
            at.host.memory.restore.commit(&tag.operation)?;
            Ok(at.host.memory.restore.state.clone())
        })?
    }
}

fn key(tag: &Tag) -> String {
    format!("{}/{}/{}", tag.operation, tag.fence, tag.seq)
}

impl MemoryRecord {
    /// Whether the newest work of this operation on the containers failed.
    fn half_done(&self, operation: &OperationId) -> bool {
        let number = |key: &str| -> Option<(u64, u64)> {
            let mut parts = key.strip_prefix(operation.as_str())?.split('/').skip(1);
            Some((parts.next()?.parse().ok()?, parts.next()?.parse().ok()?))
        };
        self.jobs
            .iter()
            .filter(|(_, record)| !record.pulls)
            .filter_map(|(key, record)| Some((number(key)?, record)))
            .max_by_key(|(number, _)| *number)
            .is_some_and(|(_, record)| record.failure.is_some())
    }

    /// Lets a sender in, or refuses it: a lower fence, or a lower number of the same fence. It is also a word of the
    /// controller's: an armed restore waits anew.
    fn admit(&mut self, tag: &Tag, now: Timestamp) -> Result<(), HostError> {
        let (fence, seq) = self.last.unwrap_or((0, 0));
        if (tag.fence, tag.seq) < (fence, seq) {
            return Err(HostError::Fenced {
                ours: tag.fence,
                seen: fence,
            });
        }
        self.last = Some((tag.fence, tag.seq));
        self.restore.beat(&tag.operation, tag.fence, now)
    }
}

impl HostContext<'_> {
    /// Lets all that was due by now happen, before anybody looks.
    fn pass(&mut self) {
        self.settle();
        self.advance();
        self.host.finish_jobs(self.registry, self.faults, self.now);
    }

    /// What the host does by itself.
    pub(super) fn advance_restore(&mut self) {
        restore::advance(self);
    }
}

impl HostState {
    /// Ends the jobs whose time has come.
    fn finish_jobs(&mut self, registry: &mut Registry, faults: &mut Faults, now: Timestamp) {
        let mut jobs = std::mem::take(&mut self.memory.jobs);
        for record in jobs.values_mut() {
            if record.boot_id == self.boot_id
                && now >= record.due
                && let Some(reference) = record.pull.take()
            {
                record.failure = jobs::pull(self, registry, faults, &reference).err();
            }
        }
        self.memory.jobs = jobs;
    }

    fn job(&self, tag: &Tag) -> JobState {
        match self.memory.jobs.get(&key(tag)) {
            None => JobState::Unknown,
            Some(Record {
                pull: Some(_),
                boot_id,
                ..
            }) if *boot_id != self.boot_id => JobState::Lost,
            Some(Record {
                pull: Some(reference),
                ..
            }) => JobState::Running(Running {
                note: format!("pulling {reference}"),
                ..Running::default()
            }),
            Some(Record { failure: None, .. }) => JobState::Done,
            Some(Record {
                failure: Some((code, log)),
                ..
            }) => JobState::Failed(JobFailure {
                code: code.clone(),
                log: log.clone(),
            }),
        }
    }
}

/// A world of one host, for tests of what stands above it.
pub struct OneHost {
    /// The instance.
    pub id: InstanceId,
    /// The host and what acts on it.
    pub parts: Mutex<(HostState, Registry, Faults, Latency)>,
    /// Tells the time.
    pub clock: Arc<dyn Clock>,
}

impl OneHost {
    /// A host that runs the dev template since ten minutes, with this file system.
    ///
    /// # Errors
    /// The template is wrong.
    pub fn seeded(
        id: InstanceId,
        file_system: Option<&str>,
        clock: Arc<dyn Clock>,
    ) -> std::io::Result<Self> {
        let mut parts = (
            HostState::default(),
            Registry::default(),
            Faults::default(),
            Latency::FAST,
        );
        let (host, registry, faults, latency) = &mut parts;
        let mut at = HostContext {
            host,
            registry,
            faults,
            latency: *latency,
            now: clock.now(),
        };
        seed_memory(
            &mut at,
            &super::Seed {
                file_system,
                ..super::Seed::default()
            },
        )?;
        Ok(Self {
            id,
            parts: Mutex::new(parts),
            clock,
        })
    }
}

/// [`super::seed_host`] with the files in the host's own record.
///
/// # Errors
/// The template is wrong.
pub fn seed_memory(at: &mut HostContext<'_>, seed: &super::Seed<'_>) -> std::io::Result<()> {
    let mut files = std::mem::take(&mut at.host.memory.files);
    let seeded = super::seed_host(at, &mut files, seed);
    at.host.memory.files = files;
    seeded
}

impl HostWorld for OneHost {
    fn with_host<R>(
        &self,
        on: &InstanceId,
        work: impl FnOnce(&mut HostContext<'_>) -> R,
    ) -> Result<R, HostError> {
        let mut parts = self
            .parts
            .lock()
            .unwrap_or_else(std::sync::PoisonError::into_inner);
        let (host, registry, faults, latency) = &mut *parts;
        if *on != self.id || !host.powered {
            return Err(HostError::Unreachable(format!("{on} is not running")));
        }
        let latency = *latency;
        let now = self.clock.now();
        Ok(work(&mut HostContext {
            host,
            registry,
            faults,
            latency,
            now,
        }))
    }
}

#[cfg(test)]
mod tests;
