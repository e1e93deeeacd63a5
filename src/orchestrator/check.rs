//! `check`: would an update, and a rollback, work right now? Looks once, writes nothing, takes no lock.

use super::held;
use super::hold::elsewhere;
use super::prepare::{
    choice, decide, look_for, open, refusal, rollback_desired, target, unfinished, update_desired,
};
use super::world::World;
use crate::model::{
    Capacity, ChangeOptions, CheckRequest, Desired, HostView, PROGRESS_MS, RollbackRequest,
    UpdateRequest,
};
use crate::plan::rules::any_change;
use crate::plan::{Check, CheckStatus, Decision, Plan};
use crate::report::{CheckData, CommandError, ErrorDocument, PlanData, WayBack};
use crate::snapshot::Snapshot;

/// What came of a check. With an error: something would be refused.
#[derive(Debug)]
pub struct Checked {
    /// Every check.
    pub data: CheckData,
    /// The refusals.
    pub error: Option<ErrorDocument>,
}

/// Before the message of each check of the way back.
const BACK: &str = "rollback: ";

/// Judges the update that is named, or what any update would need; and the rollback that could be asked for.
///
/// # Errors
/// As `update --dry-run`: no such deployment, damaged state, credentials, network, a held lock.
pub async fn check(world: &World, request: &CheckRequest) -> Result<Checked, CommandError> {
    let (state, deployment) = open(world, &request.deployment)?;
    if let Some(refusal) = unfinished(&state, &deployment.name)? {
        return Ok(checked(None, vec![refusal], WayBack::default()));
    }
    if let Some(refusal) = elsewhere(world, &state, &deployment.name).await? {
        return Ok(checked(None, vec![refusal], WayBack::default()));
    }
    let options = ChangeOptions {
        force: false,
        dry_run: true,
        no_rollback: false,
        gate: request.gate,
        progress_ms: PROGRESS_MS,
        capacity: Capacity::Prove,
        stop_ms: crate::model::STOP_MS,
    };
    let forward = update_desired(&UpdateRequest {
        deployment: request.deployment.clone(),
        instance_type: request.instance_type.clone(),
        images: request.images.clone(),
        fallback_types: vec![],
        options,
    });
    let rollback = RollbackRequest {
        deployment: request.deployment.clone(),
        to: None,
        services: None,
        fallback_types: vec![],
        options,
    };
    let back = match target(&state, &rollback) {
        Ok((snapshot, _)) => Some((rollback_desired(&snapshot, &rollback), snapshot)),
        Err(error) if error.document.code == "no_snapshot" => None,
        Err(error) => return Err(error),
    };
    let wishes: Vec<&Desired> = std::iter::once(&forward)
        .chain(back.iter().map(|(desired, _)| desired))
        .collect();
    let observed = match look_for(world, &deployment, &wishes, true).await? {
        Ok(observed) => observed,
        Err(check) => return Ok(checked(None, vec![check], WayBack::default())),
    };
    let choice = choice(world, &state, &deployment, &observed)?;
    let decided = |desired: &Desired| decide(world, &deployment, &observed, desired, &choice);
    let asked = forward.instance_type.is_some() || !forward.images.is_empty();
    let (plan, mut checks) = if asked {
        parts(decided(&forward))
    } else {
        (None, any_change(&observed, &deployment))
    };
    if let HostView::Up(_) = observed.host {
        match held::check(world, &state, &deployment).await {
            Ok(check) => checks.extend(check),
            Err(error) => checks.push(Check::warn(
                "images_held",
                "whether the images that snapshots need are held cannot be seen",
                error.to_string(),
                "an answer of the host",
                "run it again",
            )),
        }
    }
    let way = match back {
        None => {
            let message = "there is nothing to go back to: nothing was updated yet";
            checks.push(Check::ok("rollback_target", format!("{BACK}{message}")));
            WayBack::default()
        }
        Some((desired, snapshot)) => {
            let (plan, found) = parts(decided(&desired));
            let way = way_back(&snapshot, plan.as_ref(), &found);
            add(&mut checks, found, &snapshot);
            way
        }
    };
    Ok(checked(plan.as_ref(), checks, way))
}

fn parts(decision: Result<Decision, Vec<Check>>) -> (Option<Plan>, Vec<Check>) {
    match decision {
        Ok(Decision::Change { plan, checks, .. }) => (Some(*plan), checks),
        Ok(Decision::Unchanged { checks }) | Err(checks) => (None, checks),
    }
}

fn way_back(snapshot: &Snapshot, plan: Option<&Plan>, checks: &[Check]) -> WayBack {
    let worst = |status| checks.iter().any(|c| c.status == status).then_some(status);
    WayBack {
        snapshot_id: Some(snapshot.id.clone()),
        status: worst(CheckStatus::Refuse)
            .or(worst(CheckStatus::Warn))
            .or(Some(CheckStatus::Ok)),
        changes: plan.map(|p| p.changes.clone()).unwrap_or_default(),
    }
}

/// Adds the checks of the way back, marked; what was said already is not said again.
fn add(checks: &mut Vec<Check>, back: Vec<Check>, snapshot: &Snapshot) {
    let target = format!("{BACK}it would go to snapshot {}", snapshot.id);
    let mut marked = vec![Check::ok("rollback_target", target)];
    for check in back {
        if !checks.contains(&check) {
            let message = format!("{BACK}{}", check.message);
            marked.push(Check { message, ..check });
        }
    }
    checks.extend(marked);
}

fn checked(plan: Option<&Plan>, checks: Vec<Check>, rollback: WayBack) -> Checked {
    let refused = checks.iter().any(|c| c.status == CheckStatus::Refuse);
    Checked {
        error: refused.then(|| refusal(&checks)),
        data: CheckData {
            plan: PlanData::new(plan, checks),
            rollback,
        },
    }
}

#[cfg(test)]
#[path = "check_tests.rs"]
mod tests;
