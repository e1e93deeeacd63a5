//! The armed restore of a host in memory, as a function of (state, now): when it looks and what it sees. What becomes
//! of the state is [`crate::host::restore`]'s.

use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};

use super::jobs;
use super::looks::probed;
use crate::host::restore::{RestoreEvent, judged, next};
use crate::host::{
    ApplyJob, ApplyService, ArmRequest, FileSwap, FileText, HostError, HostProbe, Job,
    QuiesceContainer, Tag, TagImage,
};
use crate::model::{OperationId, RestoreState, Secret};
use crate::sandbox::host::state::{HostContext, HostState};

/// So often a host tries to go back by itself.
const TRIES: u32 = 5;
/// The time between two ticks of its timer, at most.
const TICK: SignedDuration = SignedDuration::from_secs(15);

/// What the folder `restore` of a host holds.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Restore {
    /// The state, as it is told.
    pub state: RestoreState,
    /// What was armed last; the state says whether it still is.
    armed: Option<Armed>,
    /// How often the host has tried to go back.
    tries: u32,
    /// Not before this moment does it look again.
    again: Option<Timestamp>,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
struct Armed {
    fence: u64,
    seq: u64,
    grace: SignedDuration,
    stable: SignedDuration,
    boot_id: String,
    green: Vec<String>,
    #[serde(default)]
    declared: Vec<String>,
    #[serde(default)]
    probes: Vec<HostProbe>,
    #[serde(with = "WayBack")]
    restore: ApplyJob,
    /// All was green after the deadline; until when it is watched, and what was seen.
    watched: Option<(Timestamp, Vec<String>)>,
}

/// How [`ApplyJob`] is kept.
#[derive(Serialize, Deserialize)]
#[serde(remote = "ApplyJob")]
struct WayBack {
    project: String,
    file: String,
    env_files: Vec<String>,
    #[serde(with = "KeptText")]
    text: FileText,
    from_sha256: String,
    to_sha256: String,
    #[serde(default)]
    more_files: Vec<FileSwap>,
    #[serde(skip)]
    more_texts: Vec<Secret>,
    tags: Vec<TagImage>,
    services: Vec<ApplyService>,
    policies: Vec<QuiesceContainer>,
    start: bool,
}

/// A text is never kept in the request.
#[derive(Serialize, Deserialize)]
#[serde(remote = "FileText")]
enum KeptText {
    Keep,
    #[serde(skip)]
    New(Secret),
    Kept,
}

fn refused<T>(verb: &'static str, code: &str, message: &str) -> Result<T, HostError> {
    Err(HostError::Script {
        verb,
        code: code.to_owned(),
        message: message.to_owned(),
    })
}

impl Restore {
    /// What happens to the state. A way back is done at once here: none is ever at work.
    fn on(&mut self, event: &RestoreEvent) -> Result<(), HostError> {
        self.state = next(&self.state, event, false)?;
        Ok(())
    }

    /// A word of the controller: the deadline is pushed out.
    pub(super) fn beat(
        &mut self,
        operation: &OperationId,
        fence: u64,
        now: Timestamp,
    ) -> Result<(), HostError> {
        let ours = self.is_of(operation);
        match &mut self.armed {
            Some(armed) if ours && fence >= armed.fence => {
                armed.watched = None;
                let event = RestoreEvent::Beat {
                    operation: operation.clone(),
                    deadline: now + armed.grace,
                };
                self.on(&event)
            }
            _ => Ok(()),
        }
    }

    fn is_of(&self, operation: &OperationId) -> bool {
        self.state.operation() == Some(operation)
    }

    /// Refuses work of the way forward once the host has judged by itself.
    ///
    /// # Errors
    /// `host_restored`, `host_committed`.
    pub(super) fn lets(&self, tag: &Tag, job: &Job) -> Result<(), HostError> {
        let forward = matches!(job, Job::Apply(_) | Job::Quiesce { back: false, .. });
        match judged(&self.state, &tag.operation).filter(|_| forward) {
            Some(code) => refused("start", code, "the host has judged by itself"),
            None => Ok(()),
        }
    }

    /// `arm`, for a tag that was let in.
    ///
    /// # Errors
    /// `busy` while it goes back; `bad_request` for a text that it would have to keep.
    pub(super) fn arm(
        &mut self,
        tag: &Tag,
        ask: &ArmRequest,
        boot_id: &str,
        now: Timestamp,
    ) -> Result<(), HostError> {
        let known = self.armed.as_ref().map(|armed| (armed.fence, armed.seq));
        if known == Some((tag.fence, tag.seq)) && self.is_of(&tag.operation) {
            return Ok(());
        }
        let text = matches!(ask.restore.text, FileText::New(_));
        if text || !ask.restore.start || ask.grace_s == 0 {
            let why = "a text of its own, nothing to start, or no grace";
            return refused("arm", "bad_request", why);
        }
        let grace = SignedDuration::from_secs(i64::from(ask.grace_s));
        self.on(&RestoreEvent::Arm {
            operation: tag.operation.clone(),
            deadline: now + grace,
        })?;
        (self.tries, self.again) = (0, None);
        self.armed = Some(Armed {
            fence: tag.fence,
            seq: tag.seq,
            grace,
            stable: SignedDuration::from_secs(i64::from(ask.stable_s)),
            boot_id: boot_id.to_owned(),
            green: ask.green.clone(),
            declared: ask.declared.clone(),
            probes: ask.probes.clone(),
            restore: ask.restore.clone(),
            watched: None,
        });
        Ok(())
    }

    /// `commit`.
    ///
    /// # Errors
    /// None: a way back is never at work here.
    pub(super) fn commit(&mut self, operation: &OperationId) -> Result<(), HostError> {
        let operation = operation.clone();
        self.on(&RestoreEvent::Commit { operation })
    }

    /// When there is something to do by itself on a host that is on, and was booted so.
    fn due(&self, boot_id: &str, now: Timestamp) -> Option<Timestamp> {
        let due = match (&self.state, &self.armed) {
            (RestoreState::Armed { .. }, Some(armed)) if armed.boot_id != boot_id => now,
            (RestoreState::Armed { deadline, .. }, Some(armed)) => armed
                .watched
                .as_ref()
                .map_or(*deadline, |(until, _)| *until),
            (RestoreState::Restoring { .. }, Some(_)) if self.tries < TRIES => {
                self.again.unwrap_or(now)
            }
            _ => return None,
        };
        let due = self.again.map_or(due, |again| due.max(again));
        (due <= now).then_some(due)
    }
}

/// Lets all happen that a host does by itself by now, each at the moment when it was due.
pub(super) fn advance(at: &mut HostContext<'_>) {
    let now = at.now;
    while at.host.powered
        && let Some(due) = at.host.memory.restore.due(&at.host.boot_id, now)
    {
        at.now = due;
        at.settle();
        if tick(at).is_err() {
            break;
        }
    }
    at.now = now;
}

fn tick(at: &mut HostContext<'_>) -> Result<(), HostError> {
    let (now, boot_id) = (at.now, at.host.boot_id.clone());
    let seen = all_green(at);
    let restore = &mut at.host.memory.restore;
    let Some(armed) = &mut restore.armed else {
        return Ok(());
    };
    let waits = matches!(restore.state, RestoreState::Armed { .. });
    // A host that was off does not fire at once.
    if waits && armed.boot_id != boot_id {
        armed.boot_id = boot_id;
        armed.watched = None;
        let deadline = now + armed.grace;
        return restore.on(&RestoreEvent::Booted { deadline });
    }
    // A Docker that is down is waited for.
    if !at.host.docker_active {
        restore.again = Some(now + TICK);
        return Ok(());
    }
    if waits {
        // What was green is watched for a while, and stays; else it goes back.
        match (seen, armed.watched.take()) {
            (Some(seen), None) => {
                armed.watched = Some((now + armed.stable, seen));
                return Ok(());
            }
            (Some(seen), Some((_, first))) if seen == first => {
                return restore.on(&RestoreEvent::FoundGreen { now });
            }
            _ => restore.on(&RestoreEvent::FoundRed { now })?,
        }
    }
    go_back(at)
}

/// What was green before, if all of it is green: each container with what changes when it starts anew.
/// Where the controller's newest work on the containers failed, or a restart policy waits to be put back, nothing is.
fn all_green(at: &HostContext<'_>) -> Option<Vec<String>> {
    let operation = at.host.memory.restore.state.operation()?;
    if at.host.memory.half_done(operation) || !at.host.memory.policies.is_empty() {
        return None;
    }
    let armed = at.host.memory.restore.armed.as_ref()?;
    let names = &armed.green;
    if !armed.probes.iter().all(|one| probed(at, one).green) {
        return None;
    }
    let one = |name: &String| {
        let container = at.host.engine.containers.iter().find(|c| c.name == *name)?;
        let health = container.health(&at.latency, at.now);
        let healthy = armed.declared.contains(name) || health.is_none_or(|h| h == "healthy");
        let green = container.running() && healthy;
        let (id, since) = (&container.id, container.started_at);
        green.then(|| format!("{id} {since:?} {}", container.restart_count))
    };
    let seen: Option<Vec<String>> = names.iter().map(one).collect();
    seen.filter(|seen| !seen.is_empty())
}

fn go_back(at: &mut HostContext<'_>) -> Result<(), HostError> {
    let restore = &mut at.host.memory.restore;
    restore.tries += 1;
    restore.again = Some(at.now + TICK);
    let (Some(armed), Some(operation)) = (&restore.armed, restore.state.operation()) else {
        return Ok(());
    };
    let (job, operation) = (armed.restore.clone(), operation.clone());
    let back = jobs::apply(at, &job, true).is_ok();
    at.settle();
    if !back {
        return Ok(());
    }
    at.host.memory.restore.on(&RestoreEvent::Ends {
        operation,
        by_itself: true,
    })
}

/// The controller's own way back. With `start` the state says so, when it is of this operation.
///
/// # Errors
/// Code and log of what failed; the host then goes on by itself.
pub(super) fn by_controller(
    at: &mut HostContext<'_>,
    operation: &OperationId,
    job: &ApplyJob,
) -> Result<(), (String, String)> {
    let failed = |error: HostError| ("busy".to_owned(), error.to_string());
    let operation = operation.clone();
    let restore = &mut at.host.memory.restore;
    if job.start && restore.is_of(&operation) {
        restore.tries = 0;
        restore.again = Some(at.now + TICK);
        let begins = RestoreEvent::Begins {
            operation: operation.clone(),
        };
        restore.on(&begins).map_err(failed)?;
    }
    jobs::apply(at, job, true)?;
    if !job.start {
        return Ok(());
    }
    let ends = RestoreEvent::Ends {
        operation,
        by_itself: false,
    };
    at.host.memory.restore.on(&ends).map_err(failed)
}

impl HostState {
    /// A look or a poll of this sender pushes the deadline out, unless somebody has overtaken it.
    pub(super) fn far_beat(&mut self, tag: &Tag, now: Timestamp) -> Result<(), HostError> {
        let seen = self.memory.last.map_or(0, |(fence, _)| fence);
        if tag.fence < seen {
            return Ok(());
        }
        let restore = &mut self.memory.restore;
        restore.beat(&tag.operation, tag.fence, now)
    }
}
