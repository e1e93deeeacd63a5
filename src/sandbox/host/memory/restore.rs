//! The armed restore of a host in memory: the transitions of the host's own script, as a function of (state, now).

use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};

use super::jobs;
use crate::host::{
    ApplyJob, ApplyService, ArmRequest, FileText, HostError, Job, QuiesceContainer, Tag, TagImage,
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
    /// A word of the controller: the deadline is pushed out.
    pub(super) fn beat(&mut self, operation: &OperationId, fence: u64, now: Timestamp) {
        if let (
            RestoreState::Armed {
                operation: armed,
                deadline,
            },
            Some(how),
        ) = (&mut self.state, &mut self.armed)
            && armed == operation
            && fence >= how.fence
        {
            *deadline = now + how.grace;
            how.watched = None;
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
        if !forward || !self.is_of(&tag.operation) {
            return Ok(());
        }
        let why = "the host has judged by itself";
        match self.state {
            RestoreState::Restoring { .. } | RestoreState::Restored { .. } => {
                refused("start", "host_restored", why)
            }
            RestoreState::Committed { .. } => refused("start", "host_committed", why),
            RestoreState::Idle | RestoreState::Armed { .. } => Ok(()),
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
        if matches!(self.state, RestoreState::Restoring { .. }) {
            return refused("arm", "busy", "the host is going back");
        }
        let text = matches!(ask.restore.text, FileText::New(_));
        if text || !ask.restore.start || ask.grace_s == 0 {
            let why = "a text of its own, nothing to start, or no grace";
            return refused("arm", "bad_request", why);
        }
        let grace = SignedDuration::from_secs(i64::from(ask.grace_s));
        *self = Self {
            state: RestoreState::Armed {
                operation: tag.operation.clone(),
                deadline: now + grace,
            },
            armed: Some(Armed {
                fence: tag.fence,
                seq: tag.seq,
                grace,
                stable: SignedDuration::from_secs(i64::from(ask.stable_s)),
                boot_id: boot_id.to_owned(),
                green: ask.green.clone(),
                restore: ask.restore.clone(),
                watched: None,
            }),
            ..Self::default()
        };
        Ok(())
    }

    /// `commit`.
    pub(super) fn commit(&mut self, operation: &OperationId) {
        if self.is_of(operation) {
            self.state = RestoreState::Committed {
                operation: operation.clone(),
                by_itself: false,
            };
        }
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
        tick(at);
    }
    at.now = now;
}

fn tick(at: &mut HostContext<'_>) {
    let (now, boot_id) = (at.now, at.host.boot_id.clone());
    let restore = &mut at.host.memory.restore;
    let Some(armed) = &mut restore.armed else {
        return;
    };
    match &mut restore.state {
        // A host that was off does not fire at once.
        RestoreState::Armed { deadline, .. } if armed.boot_id != boot_id => {
            *deadline = now + armed.grace;
            armed.boot_id = boot_id;
            armed.watched = None;
        }
        // A Docker that is down is waited for.
        _ if !at.host.docker_active => restore.again = Some(now + TICK),
        RestoreState::Armed { .. } => judge(at),
        _ => go_back(at),
    }
}

/// The deadline has passed: what was green is watched for a while, and stays; else it goes back.
fn judge(at: &mut HostContext<'_>) {
    let (seen, now) = (all_green(at), at.now);
    let restore = &mut at.host.memory.restore;
    let (Some(armed), Some(operation)) = (&mut restore.armed, restore.state.operation()) else {
        return;
    };
    match (seen, armed.watched.take()) {
        (Some(seen), None) => armed.watched = Some((now + armed.stable, seen)),
        (Some(seen), Some((_, first))) if seen == first => {
            restore.state = RestoreState::Committed {
                operation: operation.clone(),
                by_itself: true,
            };
        }
        _ => {
            restore.state = RestoreState::Restoring {
                operation: operation.clone(),
            };
            go_back(at);
        }
    }
}

/// What was green before, if all of it is green: each container with what changes when it starts anew.
fn all_green(at: &HostContext<'_>) -> Option<Vec<String>> {
    let names = &at.host.memory.restore.armed.as_ref()?.green;
    let one = |name: &String| {
        let container = at.host.engine.containers.iter().find(|c| c.name == *name)?;
        let health = container.health(&at.latency, at.now);
        let green = container.running() && health.is_none_or(|health| health == "healthy");
        let (id, since) = (&container.id, container.started_at);
        green.then(|| format!("{id} {since:?} {}", container.restart_count))
    };
    let seen: Option<Vec<String>> = names.iter().map(one).collect();
    seen.filter(|seen| !seen.is_empty())
}

fn go_back(at: &mut HostContext<'_>) {
    let restore = &mut at.host.memory.restore;
    restore.tries += 1;
    restore.again = Some(at.now + TICK);
    let (Some(armed), Some(operation)) = (&restore.armed, restore.state.operation()) else {
        return;
    };
    let (job, operation) = (armed.restore.clone(), operation.clone());
    if jobs::apply(at, &job).is_ok() {
        at.host.memory.restore.state = RestoreState::Restored {
            operation,
            by_itself: true,
        };
    }
    at.settle();
}

/// The controller's own way back. With `start` the state says so, when it is of this operation.
pub(super) fn by_controller(
    at: &mut HostContext<'_>,
    operation: &OperationId,
    job: &ApplyJob,
) -> Result<(), (String, String)> {
    let restore = &mut at.host.memory.restore;
    let ours = job.start && restore.is_of(operation);
    if ours {
        // Where the host had judged already its timer is off, and nothing tries again by itself.
        restore.tries = match restore.state {
            RestoreState::Restored { .. } | RestoreState::Committed { .. } => TRIES,
            _ => 0,
        };
        restore.again = Some(at.now + TICK);
        restore.state = RestoreState::Restoring {
            operation: operation.clone(),
        };
    }
    jobs::apply(at, job)?;
    if ours {
        at.host.memory.restore.state = RestoreState::Restored {
            operation: operation.clone(),
            by_itself: false,
        };
    }
    Ok(())
}

impl HostState {
    /// Whether a look or a poll of this sender pushes the deadline out: only one that nobody has overtaken.
    pub(super) fn far_beat(&mut self, tag: &Tag, now: Timestamp) {
        let seen = self.memory.last.map_or(0, |(fence, _)| fence);
        if tag.fence >= seen {
            self.memory.restore.beat(&tag.operation, tag.fence, now);
        }
    }
}
