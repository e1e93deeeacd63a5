//! `check --fix`: Docker is made to wait for the mount, by one drop-in, and images that snapshots need are held.
//! Nothing else is done.

use super::execute::still_ours;
use super::held;
use super::hold::Hold;
use super::prepare::{open, unfinished};
use super::world::World;
use crate::efs::{DROP_IN_FILE, drop_in_text, mount_unit};
use crate::host::{HoldRequest, OrderFacts, OrderRequest, Tag};
use crate::model::{Deployment, DeploymentName, OperationId, RunState, Sha256Id};
use crate::report::{CommandError, FixData};
use crate::state::{StateDir, new_id};

/// What there is to do.
#[derive(Debug)]
pub enum Fix {
    /// Docker waits for the mount already, and what is to be held is held.
    Unchanged(FixData),
    /// This would be done.
    Ready(FixData),
}

/// Looks whether the drop-in is needed, and whether it would help, and which images are not held. Changes nothing and
/// takes no lock.
///
/// # Errors
/// Refused: an unfinished operation, no mount point, another account, a host that does not run, no systemd,
/// nothing that systemd could mount there.
pub async fn prepare_fix(world: &World, name: &DeploymentName) -> Result<Fix, CommandError> {
    let (state, deployment) = open(world, name)?;
    look(world, &state, &deployment)
        .await
        .map(|(fix, _, _)| fix)
}

/// Writes the drop-in, under the lock, and reads back that Docker waits for the mount; holds the images.
///
/// # Errors
/// As [`prepare_fix`]; and refused where it does not read back: it is taken away again then.
pub async fn fix(world: &World, name: &DeploymentName) -> Result<Fix, CommandError> {
    let (state, deployment) = open(world, name)?;
    let id = OperationId::new(new_id(world.clock.now(), (world.random)()))
        .map_err(|e| CommandError::failed("internal", e.to_string()))?;
    let hold = Hold::take(world, &state, name, &id, "check --fix").await?;
    let world = hold.world(world);
    let fixed = under(&world, &state, &deployment, hold.fence(), id).await;
    hold.release().await;
    fixed
}

/// Under the lock.
async fn under(
    world: &World,
    state: &StateDir,
    deployment: &Deployment,
    fence: u64,
    id: OperationId,
) -> Result<Fix, CommandError> {
    // What was true while the question was open may not be true any more.
    let (fix, order, hold) = look(world, state, deployment).await?;
    let mut data = match fix {
        Fix::Ready(data) => data,
        so => return Ok(so),
    };
    let on = &deployment.instance_id;
    let tag = |seq| Tag {
        fence,
        seq,
        operation: id.clone(),
    };
    still_ours(world).await?;
    if !data.images_held.is_empty() {
        let facts = world.host.hold(on, Some(&tag(1)), &hold).await?;
        if let Some((image, why)) = facts.why.iter().next() {
            return Err(CommandError::refused(
                "not_held",
                format!("{image} cannot be held on the host"),
            )
            .because(why.clone()));
        }
    }
    if let Some(ask) = order.filter(|_| !data.waits) {
        let seen = world.host.order(on, Some(&tag(2)), &ask).await?;
        if !seen.holds(&ask.unit) {
            return Err(not_effective(&ask, &seen));
        }
        data.written = true;
        data.waits = true;
        data.requires = seen.requires.unwrap_or_default();
    }
    Ok(Fix::Ready(data))
}

/// What there is to do, and how the host is asked to.
async fn look(
    world: &World,
    state: &StateDir,
    deployment: &Deployment,
) -> Result<(Fix, Option<OrderRequest>, HoldRequest), CommandError> {
    let may = wanted(world, state, deployment).await;
    let on = &deployment.instance_id;
    let (mut fix, ask) = match may {
        Ok(ask) => {
            let seen = world.host.order(on, None, &ask).await?;
            (judge(&ask, &seen)?, Some(ask))
        }
        // No mount to wait for: there may be images to hold all the same.
        Err(error) if error.document.code == NO_MOUNT => {
            ours(world, deployment).await?;
            (Fix::Unchanged(FixData::default()), None)
        }
        Err(error) => return Err(error),
    };
    let hold = held::request(state, deployment)?;
    let facts = world.host.hold(on, None, &hold).await?;
    let missing: Vec<Sha256Id> = facts.missing.iter().cloned().collect();
    // What is held beside is let go by the next operation, which knows more.
    let hold = HoldRequest {
        images: hold.images.into_iter().chain(facts.extra).collect(),
        ..hold
    };
    if ask.is_none() && missing.is_empty() {
        return Err(no_mount(deployment));
    }
    if !missing.is_empty() {
        let (Fix::Unchanged(data) | Fix::Ready(data)) = fix;
        fix = Fix::Ready(FixData {
            images_held: missing,
            ..data
        });
    }
    Ok((fix, ask, hold))
}

/// What the host is to be asked, once it is the right one.
async fn wanted(
    world: &World,
    state: &StateDir,
    deployment: &Deployment,
) -> Result<OrderRequest, CommandError> {
    if let Some(open) = unfinished(state, &deployment.name)? {
        return Err(CommandError::refused(&open.name, open.message).help(open.help));
    }
    let point = deployment.mount_point.as_deref();
    let Some(point) = point.filter(|_| deployment.file_system_id.is_some()) else {
        return Err(no_mount(deployment));
    };
    ours(world, deployment).await?;
    Ok(OrderRequest {
        unit: mount_unit(point),
        point: point.to_owned(),
        text: drop_in_text(point),
    })
}

/// The refusal where there is nothing to wait for.
const NO_MOUNT: &str = "no_mount_point";

fn no_mount(deployment: &Deployment) -> CommandError {
    CommandError::refused(
        NO_MOUNT,
        format!(
            "{} keeps its data on the root volume: there is no mount to wait for",
            deployment.name
        ),
    )
    .help("nothing is to be mended here; where the data is on EFS, adopt it with --efs")
}

/// The instance must be there, of this account, and running.
async fn ours(world: &World, deployment: &Deployment) -> Result<(), CommandError> {
    let id = &deployment.instance_id;
    let instance = world.ec2.instance(id).await?.ok_or_else(|| {
        CommandError::refused(
            "instance_exists",
            format!("{id} does not exist in this region"),
        )
        .help("check --region and --profile: they must be those of the deployment")
    })?;
    if instance.account != deployment.account {
        let message = format!(
            "{} belongs to account {}, and these credentials see account {}",
            deployment.name, deployment.account, instance.account
        );
        return Err(
            CommandError::refused("account", message).help("use the deployment's own --profile")
        );
    }
    if instance.state != RunState::Running {
        return Err(CommandError::refused(
            "instance_running",
            format!(
                "{id} is {}: its host cannot be changed",
                instance.state.as_str()
            ),
        )
        .help(format!(
            "start it first: `aws ec2 start-instances --instance-ids {id}`"
        )));
    }
    Ok(())
}

fn judge(ask: &OrderRequest, seen: &OrderFacts) -> Result<Fix, CommandError> {
    let point = &ask.point;
    let Some(requires) = &seen.requires else {
        return Err(CommandError::refused(
            "no_systemd",
            "systemd on the host does not run Docker, so a drop-in would be of no use",
        )
        .because("no docker.service")
        .help("make whatever starts Docker there wait for the mount"));
    };
    let data = FixData {
        file: DROP_IN_FILE.into(),
        text: ask.text.clone(),
        unit: ask.unit.clone(),
        written: false,
        requires: requires.clone(),
        waits: seen.holds(&ask.unit),
        images_held: vec![],
    };
    if seen.holds(&ask.unit) {
        return Ok(Fix::Unchanged(data));
    }
    if !seen.has_mount() {
        return Err(CommandError::refused(
            "no_mount_unit",
            format!("systemd has nothing to mount at {point} at a boot: Docker would not wait, and start on the empty folder under it"),
        )
        .because(format!("no line of /etc/fstab for {point}, and no file of a unit {}", ask.unit))
        .help(format!("first have a line for {point} in /etc/fstab, with _netdev, and run `systemctl daemon-reload` on the host")));
    }
    Ok(Fix::Ready(data))
}

fn not_effective(ask: &OrderRequest, seen: &OrderFacts) -> CommandError {
    let requires = seen.requires.clone().unwrap_or_default().join(" ");
    let now = if seen.left {
        format!("{DROP_IN_FILE} is still there: take it away by hand")
    } else {
        "the drop-in was taken away again; the host is as it was".to_owned()
    };
    CommandError::refused(
        "not_effective",
        format!(
            "Docker does not wait for {} with the drop-in either; {now}",
            ask.unit
        ),
    )
    .because(format!("Requires={requires}"))
    .help(format!(
        "see what systemd says on the host: `systemctl status {}` and `journalctl -b -u {}`",
        ask.unit, ask.unit
    ))
}
