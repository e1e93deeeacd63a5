//! The hold on a deployment: the lock of this machine and the lease in the account, asked before each entry
//! of the journal and before each write to the cloud.

use std::sync::{Arc, OnceLock};

use async_trait::async_trait;
use tokio::task::JoinHandle;

use super::drive::Operation;
use super::failure::{fails, from_cloud};
use super::fenced::FencedEc2;
use super::prepare::Ended;
use super::world::World;
use crate::cloud::{Clock, CloudErrorKind};
use crate::journal::{Entry, Failure, FailureClass};
use crate::model::{DeploymentName, OperationId, Outcome, Timestamp};
use crate::plan::{Check, Plan};
use crate::report::{CommandError, EVENT_SCHEMA, Event, EventKind};
use crate::state::lease::{
    Ask, GivenUp, Held, Here, LeaseError, Leases, Liveness, OpenElsewhere, Phase, Process, Taker,
    Trouble,
};
use crate::state::{Holder, Lock, LockError, StateDir, StateError};

/// Whether whoever acts may still do so.
#[async_trait]
pub trait Guard: Send + Sync {
    /// Asks.
    ///
    /// # Errors
    /// [`Trouble`]: it may not, or cannot know.
    async fn check(&self) -> Result<(), Trouble>;

    /// Who took over, once that is known. It never changes back.
    fn lost(&self) -> Option<String>;

    /// Asks before an entry is written. The journal is of this machine, and so is the lock that guards it: an
    /// account that cannot be asked is no reason to forget what was done.
    ///
    /// # Errors
    /// A failure of class `Pauses`: nothing may be written any more.
    async fn before_entry(&self) -> Result<(), Failure> {
        match self.check().await {
            Err(Trouble::Lost(message)) => Err(Failure {
                class: FailureClass::Pauses,
                ..fails("lock_lost", message)
            }),
            Ok(()) | Err(Trouble::Cloud(_)) => Ok(()),
        }
    }
}

/// Nobody else acts: for looks, and for tests that have the world to themselves.
#[derive(Debug, Clone, Copy, Default)]
pub struct Unguarded;

#[async_trait]
impl Guard for Unguarded {
    async fn check(&self) -> Result<(), Trouble> {
        Ok(())
    }

    fn lost(&self) -> Option<String> {
        None
    }
}

/// Why there is no hold.
pub(super) enum NoHold {
    /// The command ends so.
    Error(CommandError),
    /// A check said no.
    Refused(Check),
}

impl From<CommandError> for NoHold {
    fn from(error: CommandError) -> Self {
        Self::Error(error)
    }
}

impl From<StateError> for NoHold {
    fn from(error: StateError) -> Self {
        Self::Error(error.into())
    }
}

impl From<NoHold> for CommandError {
    fn from(no: NoHold) -> Self {
        match no {
            NoHold::Error(error) => error,
            NoHold::Refused(check) => Self {
                outcome: Outcome::Refused,
                document: super::prepare::refusal(std::slice::from_ref(&check)),
                data: None,
            },
        }
    }
}

/// The hold, until [`Hold::end`]. Dropped without that, the lock is free and the lease runs out.
pub(super) struct Hold {
    inner: Arc<Inner>,
    heart: Option<JoinHandle<()>>,
    /// What a person should know.
    pub warnings: Vec<String>,
}

struct Inner {
    lock: Lock,
    lease: Option<Arc<Held>>,
    lost: OnceLock<String>,
    state: StateDir,
    name: DeploymentName,
    clock: Arc<dyn Clock>,
}

impl Hold {
    /// Takes the lock, then the lease.
    ///
    /// # Errors
    /// [`NoHold`].
    pub async fn take(
        world: &World,
        state: &StateDir,
        name: &DeploymentName,
        operation: &OperationId,
        reason: &str,
    ) -> Result<Self, NoHold> {
        let holder = holder(world, operation, reason);
        let mut lock = match Lock::acquire(state, name, &holder) {
            Ok(lock) => lock,
            Err(LockError::State(error)) => return Err(error.into()),
            Err(held) => return Err(CommandError::locked(held.to_string()).into()),
        };
        let (process, here) = (this(world), here(state, name));
        let tell = |message: &str| waiting(world, operation, message);
        let taker = taker(world, name, &process, &here, &tell);
        let ask = Ask {
            operation: operation.clone(),
            reason: reason.to_owned(),
            fence: lock.fence,
        };
        let mut warnings = Vec::new();
        let lease = match taker.take(&ask).await {
            Ok(lease) => {
                lock.raise(lease.number)?;
                Some(Arc::new(lease))
            }
            Err(LeaseError::Denied(error)) => {
                // A lost state folder must not begin at 1 again: the host has seen more. Seconds only go up.
                lock.raise(seconds(world.clock.now()))?;
                warnings.push(format!(
                    "no lease: these credentials may not call {}; this keeps to the file lock of this machine, \
                     and another machine is not kept away",
                    error.call
                ));
                None
            }
            Err(error) => return Err(no_lease(error)),
        };
        let heart = lease.clone().map(|lease| {
            tokio::spawn(async move {
                lease.keep().await;
            })
        });
        let inner = Inner {
            lock,
            lease,
            lost: OnceLock::new(),
            state: state.clone(),
            name: name.clone(),
            clock: Arc::clone(&world.clock),
        };
        Ok(Self {
            inner: Arc::new(inner),
            heart,
            warnings,
        })
    }

    /// The fencing number.
    pub fn fence(&self) -> u64 {
        self.inner.lock.fence
    }

    /// Who gave this operation up, where somebody did.
    pub fn given_up(&self, operation: &OperationId) -> Option<&GivenUp> {
        let mut all = self.inner.lease.iter().flat_map(|lease| &lease.given_up);
        all.find(|one| one.id == *operation)
    }

    /// Whether the account that these credentials see, in this region, has heard of this operation: then they are those of
    /// the deployment.
    pub fn is_known(&self, operation: &OperationId) -> bool {
        let open = self.inner.lease.iter().flat_map(|l| &l.found_open);
        open.into_iter().any(|open| open.id == *operation) || self.given_up(operation).is_some()
    }

    /// The world in which nothing is written once this is lost.
    pub fn world(&self, world: &World) -> World {
        let guard: Arc<dyn Guard> = Arc::<Inner>::clone(&self.inner);
        World {
            ec2: Arc::new(FencedEc2 {
                ec2: Arc::clone(&world.ec2),
                guard: Arc::clone(&guard),
            }),
            guard,
            ..world.clone()
        }
    }

    /// Tells everyone that an operation is open, and that its journal is on this machine.
    ///
    /// # Errors
    /// How it ends, when nothing may be begun.
    pub async fn begin(&self, op: &mut Operation<'_>, plan: &Plan) -> Result<(), Outcome> {
        for message in &self.warnings {
            op.emit(EventKind::Warning {
                message: message.clone(),
            });
        }
        let Some(lease) = &self.inner.lease else {
            return Ok(());
        };
        let owner = &op.world.owner;
        let open = OpenElsewhere {
            id: op.id.clone(),
            host: owner.1.clone(),
            user: owner.0.clone(),
            kind: plan.purpose.name().to_owned(),
            began_at: op.lines.first().map_or(op.world.clock.now(), |l| l.at),
        };
        match lease.open(open).await {
            Ok(()) => Ok(()),
            Err(Trouble::Lost(message)) => {
                self.inner.lost.get_or_init(|| message);
                Err(Outcome::Locked)
            }
            Err(Trouble::Cloud(error)) if error.kind == CloudErrorKind::Denied => Ok(()),
            Err(Trouble::Cloud(error)) => {
                let failure = Failure {
                    class: FailureClass::Pauses,
                    ..from_cloud("the lease cannot be written", &error)
                };
                // Without this line it is open all the same.
                let _ = op.append(Entry::Paused { failure });
                Err(Outcome::Paused)
            }
        }
    }

    /// Lets go. An operation whose journal is open here stays open for everyone else. Best effort: a lease that
    /// cannot be written runs out. Adds to the end what a person should know.
    pub async fn end(self, ended: Result<Ended, CommandError>) -> Result<Ended, CommandError> {
        self.release().await;
        // The host has seen a higher number than the lease can tell of: from a machine without one, which counts by
        // the clock. Without this every `resume` would be refused like this one.
        let fenced = |e: &Ended| e.error.as_ref().is_some_and(|e| e.code == "fenced");
        if ended.as_ref().is_ok_and(fenced) && self.inner.lost().is_none() {
            let counted = self.inner.lock.count_to(seconds(self.inner.clock.now()));
            counted.map_err(CommandError::from)?;
        }
        ended.map(|mut ended| {
            ended.data.warnings.extend(self.warnings.iter().cloned());
            ended
        })
    }

    /// Lets go, as [`Hold::end`].
    pub async fn release(&self) {
        if let Some(heart) = &self.heart {
            heart.abort();
        }
        let Some(lease) = &self.inner.lease else {
            return;
        };
        // Whoever broke the lock of this machine may not have been allowed to touch the lease.
        if self.inner.check().await.is_err() {
            return;
        }
        let here = here(&self.inner.state, &self.inner.name);
        if let Err(error) = lease.release(|open| here(open) == Here::Open).await {
            tracing::warn!(%error, "the lease could not be released, and will run out");
        }
    }
}

impl Drop for Hold {
    fn drop(&mut self) {
        if let Some(heart) = &self.heart {
            heart.abort();
        }
    }
}

#[async_trait]
impl Guard for Inner {
    async fn check(&self) -> Result<(), Trouble> {
        if let Some(why) = self.lost.get() {
            return Err(Trouble::Lost(why.clone()));
        }
        let ours = self.lock.is_ours();
        let lease = match &self.lease {
            // Whoever broke the lock of this machine has most likely taken the lease: it says who.
            Some(lease) if !matches!(ours, Ok(true)) => lease.look().await,
            Some(lease) => lease.check().await,
            None => Ok(()),
        };
        let why = match (ours, lease) {
            (_, Err(Trouble::Lost(why))) => why,
            (Ok(false), _) => format!("the lock of {} was broken on this machine", self.name),
            (Err(error), _) => format!("the lock of {} cannot be read: {error}", self.name),
            // A right that is taken away in the middle leaves the lock of this machine, as without it from the start.
            (Ok(true), Err(Trouble::Cloud(error))) if error.kind != CloudErrorKind::Denied => {
                return Err(Trouble::Cloud(error));
            }
            (Ok(true), _) => return Ok(()),
        };
        Err(Trouble::Lost(self.lost.get_or_init(|| why).clone()))
    }

    fn lost(&self) -> Option<String> {
        self.lost.get().cloned()
    }
}

/// The refusal where an operation is open on another machine. Only a look: takes nothing. Whose process was
/// killed in its middle still says that it holds; so whoever says so is watched, for a lease at most.
///
/// # Errors
/// Somebody is at work on it (7); the account cannot be asked.
pub(super) async fn elsewhere(
    world: &World,
    state: &StateDir,
    name: &DeploymentName,
) -> Result<Option<Check>, CommandError> {
    let all = match Leases::look(world.parameters.as_ref(), name).await {
        Ok(all) => all,
        Err(error) if error.kind == CloudErrorKind::Denied => return Ok(None),
        Err(error) => return Err(error.into()),
    };
    let here = here(state, name);
    let absent = |open: &OpenElsewhere| here(open) == Here::Absent;
    let Some((_, lease)) = all.counting() else {
        return Ok(None);
    };
    let Some(open) = lease.open_operation.clone().filter(absent) else {
        return Ok(None);
    };
    if lease.phase == Phase::Released {
        return Ok(Some(open_elsewhere(name, &open)));
    }
    let process = this(world);
    let tell = |message: &str| waiting(world, &open.id, message);
    let taker = taker(world, name, &process, &here, &tell);
    match taker.liveness(true).await? {
        Liveness::Alive { lease, .. } => Err(taker.held(&lease).into()),
        Liveness::Free { open, .. } | Liveness::Dead { open, .. } => {
            Ok(open.filter(absent).map(|open| open_elsewhere(name, &open)))
        }
    }
}

/// The operation that the account still says to be open, and whose journal on this machine has its last line.
///
/// # Errors
/// The account cannot be asked.
pub(super) async fn closed_unsaid(
    world: &World,
    state: &StateDir,
    name: &DeploymentName,
) -> Result<Option<OperationId>, CommandError> {
    let all = match Leases::look(world.parameters.as_ref(), name).await {
        Ok(all) => all,
        Err(error) if error.kind == CloudErrorKind::Denied => return Ok(None),
        Err(error) => return Err(error.into()),
    };
    let open = all.counting().and_then(|(_, l)| l.open_operation.as_ref());
    Ok(open
        .filter(|open| here(state, name)(open) == Here::Closed)
        .map(|open| open.id.clone()))
}

fn open_elsewhere(name: &DeploymentName, open: &OpenElsewhere) -> Check {
    Check::refuse(
        "open_elsewhere",
        format!("an operation of {name} was begun on another machine and is not finished"),
        open.what(),
        "no unfinished operation",
        format!(
            "there: geusemaker resume {name}; if that machine is lost: geusemaker unlock {name} --force \
             (gives the operation up)"
        ),
    )
}

fn no_lease(error: LeaseError) -> NoHold {
    match error {
        LeaseError::Held { .. } => CommandError::locked(error.to_string()).into(),
        LeaseError::OpenElsewhere { name, open } => NoHold::Refused(open_elsewhere(&name, &open)),
        LeaseError::Damaged { .. } => {
            CommandError::failed("lease_damaged", error.to_string()).into()
        }
        LeaseError::Denied(error) | LeaseError::Cloud(error) => NoHold::Error(error.into()),
    }
}

impl From<LeaseError> for CommandError {
    fn from(error: LeaseError) -> Self {
        no_lease(error).into()
    }
}

/// What this machine knows of an operation: what its journal says.
pub(super) fn here(
    state: &StateDir,
    name: &DeploymentName,
) -> impl Fn(&OpenElsewhere) -> Here + Send + Sync {
    let (state, name) = (state.clone(), name.clone());
    move |open| match state.operation(&name, &open.id) {
        Ok(operation) if operation.closed() => Here::Closed,
        Err(StateError::NotFound { .. }) => Here::Absent,
        // One that cannot be read is an error of its own, before anything is begun.
        Ok(_) | Err(_) => Here::Open,
    }
}

pub(super) fn taker<'a>(
    world: &'a World,
    name: &'a DeploymentName,
    process: &'a Process,
    here: &'a (dyn Fn(&OpenElsewhere) -> Here + Send + Sync),
    tell: &'a (dyn Fn(&str) + Send + Sync),
) -> Taker<'a> {
    Taker {
        parameters: &world.parameters,
        clock: &world.clock,
        name,
        process,
        length: world.limits.lease,
        poll: world.limits.poll,
        here,
        tell,
    }
}

/// This process, for the lease.
pub(super) fn this(world: &World) -> Process {
    Process::this(&world.owner.0, &world.owner.1)
}

/// This process, for the lock.
pub(super) fn holder(world: &World, operation: &OperationId, reason: &str) -> Holder {
    Holder {
        user: world.owner.0.clone(),
        host: world.owner.1.clone(),
        pid: std::process::id(),
        operation: Some(operation.clone()),
        reason: reason.to_owned(),
        since: world.clock.now(),
    }
}

pub(super) fn waiting(world: &World, operation: &OperationId, message: &str) {
    world.listener.event(&Event {
        schema: EVENT_SCHEMA,
        at: world.clock.now(),
        operation_id: operation.clone(),
        kind: EventKind::Waiting {
            message: message.to_owned(),
        },
    });
}

pub(super) fn seconds(at: Timestamp) -> u64 {
    u64::try_from(at.as_second()).unwrap_or(0)
}
