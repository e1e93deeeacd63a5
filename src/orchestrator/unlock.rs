//! `unlock`: who holds a deployment; releases a holder that is gone, and breaks a live one when told to.

use super::hold::{here, holder, seconds, taker, this, waiting};
use super::prepare::open;
use super::world::World;
use crate::model::{DeploymentName, OperationId, Outcome};
use crate::report::{CommandError, HolderView, UnlockData};
use crate::state::lease::{Ask, GivenUp, Here, LeaseError, Leases, Liveness, OpenElsewhere};
use crate::state::{Holder, Lock, LockError, StateDir, new_id};

/// What came of it.
pub struct Unlocked {
    /// `done`, or `unchanged` where nobody held it.
    pub outcome: Outcome,
    /// The document.
    pub data: UnlockData,
    /// What a person should know.
    pub warnings: Vec<String>,
}

/// Looks who holds the deployment, and sees that nobody does. A live holder is broken only with `force`; an
/// operation that only another machine can go on with is given up only with `force`.
///
/// # Errors
/// A live holder without `force` (7); the account or the state cannot be used.
pub async fn unlock(
    world: &World,
    name: &DeploymentName,
    force: bool,
) -> Result<Unlocked, CommandError> {
    let (state, _) = open(world, name)?;
    let id = OperationId::new(new_id(world.clock.now(), (world.random)()))
        .map_err(|e| CommandError::failed("internal", e.to_string()))?;
    let mut warnings = Vec::new();
    let file = Lock::holder(&state, name)?;
    // Whoever has the lock of this machine is alive: nothing is to be watched then.
    let watch = !force && file.is_none();
    let lease = lease(world, name, &id, (force, watch), &mut warnings).await?;
    let open = lease.open().cloned();
    let knows = here(&state, name);
    let absent = open.as_ref().filter(|open| knows(open) == Here::Absent);
    let mut data = UnlockData {
        holders: holders(file.as_ref(), &lease),
        released: false,
        fence: None,
        open_operation: open.clone(),
        given_up: None,
    };
    let alive = match (&file, &lease) {
        (Some(holder), _) => Some(held_here(name, holder)),
        (None, Account::Known(Liveness::Alive { lease, .. })) => {
            Some(format!("{name} is locked by {}", lease.who()))
        }
        _ => None,
    };
    if let Some(who) = alive.as_ref().filter(|_| !force) {
        let data = serde_json::to_value(&data).unwrap_or_default();
        return Err(CommandError::locked(who)
            .help(format!(
                "geusemaker unlock {name} --force    breaks it: its holder does nothing more"
            ))
            .with_data(data));
    }
    if let Some(open) = absent.filter(|_| !force) {
        warnings.push(format!(
            "an operation stays open on another machine: {}; there: geusemaker resume {name}; if that machine is \
             lost: geusemaker unlock {name} --force",
            open.what()
        ));
    }
    let given_up = absent.filter(|_| force).cloned();
    let nothing = matches!(
        lease,
        Account::Known(Liveness::Free { .. }) | Account::Unknown
    );
    if alive.is_none() && nothing && given_up.is_none() {
        return Ok(Unlocked {
            outcome: Outcome::Unchanged,
            data,
            warnings,
        });
    }
    let unlocked = if force {
        // An operation whose journal is here stays open: `resume` goes on with it.
        let stays = open.filter(|open| knows(open) == Here::Open);
        let by = this(world);
        let gives_up = given_up.as_ref().map(|open| GivenUp {
            id: open.id.clone(),
            host: by.host,
            user: by.user,
            at: world.clock.now(),
        });
        broken(world, &state, name, id, &lease, (stays, gives_up)).await?
    } else {
        released(world, &state, name, id, &knows).await?
    };
    if let Some(who) = alive {
        warnings.push(format!(
            "broken: {who}. Its holder writes nothing more; a call that it has sent already may still take effect"
        ));
    }
    if let Some(open) = &given_up {
        warnings.push(format!(
            "GIVEN UP: {}. What it had changed stays as it is, and nothing of it is undone. The machine where it began is \
             told so, and does not resume it. See what is: geusemaker status {name}",
            open.what()
        ));
        data.open_operation = None;
    }
    data.given_up = given_up;
    data.released = true;
    data.fence = Some(unlocked);
    Ok(Unlocked {
        outcome: Outcome::Done,
        data,
        warnings,
    })
}

/// What the account says.
enum Account {
    Known(Liveness),
    /// A lease that this version cannot read.
    Damaged,
    /// These credentials may not look.
    Unknown,
}

impl Account {
    fn open(&self) -> Option<&OpenElsewhere> {
        match self {
            Self::Known(
                Liveness::Free { open, .. }
                | Liveness::Dead { open, .. }
                | Liveness::Alive { open, .. },
            ) => open.as_ref(),
            Self::Damaged | Self::Unknown => None,
        }
    }
}

async fn lease(
    world: &World,
    name: &DeploymentName,
    id: &OperationId,
    (force, watch): (bool, bool),
    warnings: &mut Vec<String>,
) -> Result<Account, CommandError> {
    let process = this(world);
    let tell = |message: &str| waiting(world, id, message);
    let nowhere = |_: &OpenElsewhere| Here::Open;
    let taker = taker(world, name, &process, &nowhere, &tell);
    let damaged = async {
        let all = Leases::look(world.parameters.as_ref(), name).await?;
        Ok::<_, LeaseError>(all.damaged().is_some())
    };
    let seen = match damaged.await {
        Ok(true) if force => return Ok(Account::Damaged),
        Ok(_) => taker.liveness(watch).await,
        Err(error) => Err(error),
    };
    match seen {
        Ok(liveness) => Ok(Account::Known(liveness)),
        Err(LeaseError::Denied(error)) => {
            warnings.push(format!(
                "these credentials may not call {}: only the lock of this machine was looked at",
                error.call
            ));
            Ok(Account::Unknown)
        }
        Err(error) => Err(error.into()),
    }
}

/// A holder that is gone: taken over in the ordinary way, and let go.
async fn released(
    world: &World,
    state: &StateDir,
    name: &DeploymentName,
    id: OperationId,
    knows: &(dyn Fn(&OpenElsewhere) -> Here + Send + Sync),
) -> Result<u64, CommandError> {
    let mut lock =
        Lock::acquire(state, name, &holder(world, &id, "unlock")).map_err(|e| match e {
            LockError::State(error) => error.into(),
            held => CommandError::locked(held.to_string()),
        })?;
    let process = this(world);
    let tell = |message: &str| waiting(world, &id, message);
    // An operation of another machine stays open.
    let keeps = |open: &OpenElsewhere| match knows(open) {
        Here::Closed => Here::Closed,
        _ => Here::Open,
    };
    let taker = taker(world, name, &process, &keeps, &tell);
    let ask = Ask {
        operation: id.clone(),
        reason: "unlock".into(),
        fence: lock.fence,
    };
    let held = taker.take(&ask).await?;
    lock.raise(held.number)?;
    held.release(|_| true)
        .await
        .map_err(|e| CommandError::locked(e.to_string()))?;
    Ok(held.number)
}

/// A new lock file, a higher fence, and the next number of the lease, held by nobody.
async fn broken(
    world: &World,
    state: &StateDir,
    name: &DeploymentName,
    id: OperationId,
    lease: &Account,
    (stays, gives_up): (Option<OpenElsewhere>, Option<GivenUp>),
) -> Result<u64, CommandError> {
    let mut lock = Lock::break_open(state, name, &holder(world, &id, "unlock"))?;
    // Also above what a machine without a lease has counted to.
    let fence = lock.fence.max(seconds(world.clock.now()));
    let number = if matches!(lease, Account::Unknown) {
        fence
    } else {
        let process = this(world);
        let nowhere = |_: &OpenElsewhere| Here::Open;
        let taker = taker(world, name, &process, &nowhere, &|_| ());
        let ask = Ask {
            operation: id,
            reason: "unlock".into(),
            fence,
        };
        taker.supersede(&ask, stays, gives_up).await?
    };
    lock.raise(number)?;
    Ok(number)
}

fn held_here(name: &DeploymentName, holder: &Holder) -> String {
    LockError::Held {
        name: name.clone(),
        holder: Some(Box::new(holder.clone())),
    }
    .to_string()
}

fn holders(file: Option<&Holder>, lease: &Account) -> Vec<HolderView> {
    let mut all = Vec::new();
    all.extend(file.map(|h| HolderView {
        of: "lock",
        user: h.user.clone(),
        host: h.host.clone(),
        pid: h.pid,
        operation: h.operation.clone(),
        reason: h.reason.clone(),
        since: h.since,
        alive: true,
    }));
    let (lease, alive) = match lease {
        Account::Known(Liveness::Alive { lease, .. }) => (lease, true),
        Account::Known(Liveness::Dead { lease, .. }) => (lease, false),
        _ => return all,
    };
    all.push(HolderView {
        of: "lease",
        user: lease.owner.user.clone(),
        host: lease.owner.host.clone(),
        pid: lease.owner.pid,
        operation: Some(lease.operation.clone()),
        reason: lease.reason.clone(),
        since: lease.since,
        alive,
    });
    all
}
