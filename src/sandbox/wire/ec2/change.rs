//! Start, stop, reboot, terminate.

use super::{AwsError, Params, Timestamp, World, Xml};
use crate::model::RunState;
use crate::sandbox::world::StateChange;

pub(super) fn start(
    world: &mut World,
    params: &Params,
    now: Timestamp,
    x: &mut Xml,
) -> Result<(), AwsError> {
    let ids = params.instance_ids()?;
    let changes = world.start_instances(&ids, params.flag("DryRun")?, now)?;
    answer(x, &changes);
    Ok(())
}

pub(super) fn stop(
    world: &mut World,
    params: &Params,
    now: Timestamp,
    x: &mut Xml,
) -> Result<(), AwsError> {
    let ids = params.instance_ids()?;
    if params.flag("Hibernate")? {
        return Err(AwsError::new(
            "UnsupportedHibernationConfiguration",
            "The instance is not configured for hibernation.",
        ));
    }
    let force = params.flag("Force")?;
    let changes = world.stop_instances(&ids, force, params.flag("DryRun")?, now)?;
    answer(x, &changes);
    Ok(())
}

pub(super) fn terminate(
    world: &mut World,
    params: &Params,
    now: Timestamp,
    x: &mut Xml,
) -> Result<(), AwsError> {
    let ids = params.instance_ids()?;
    let changes = world.terminate_instances(&ids, params.flag("DryRun")?, now)?;
    answer(x, &changes);
    Ok(())
}

pub(super) fn reboot(
    world: &mut World,
    params: &Params,
    now: Timestamp,
    x: &mut Xml,
) -> Result<(), AwsError> {
    let ids = params.instance_ids()?;
    world.reboot_instances(&ids, params.flag("DryRun")?, now)?;
    x.leaf("return", true);
    Ok(())
}

fn answer(x: &mut Xml, changes: &[StateChange]) {
    x.list("instancesSet", changes, |x, change| {
        x.leaf("instanceId", &change.id);
        state(x, "currentState", change.current);
        state(x, "previousState", change.previous);
    });
}

/// A state with its number (EC2 API, `InstanceState`).
pub(super) fn state(x: &mut Xml, tag: &str, state: RunState) {
    x.node(tag, |x| {
        x.leaf("code", code(state));
        x.leaf("name", state.as_str());
    });
}

pub(super) fn code(state: RunState) -> u8 {
    match state {
        RunState::Pending => 0,
        RunState::Running => 16,
        RunState::ShuttingDown => 32,
        RunState::Terminated => 48,
        RunState::Stopping => 64,
        RunState::Stopped => 80,
    }
}
