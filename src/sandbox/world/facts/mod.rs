//! Each refusal and each delay of EC2, Systems Manager and EFS that breaks naive code: a test each.

mod commands;
mod ec2;
mod parameters;
mod reservations;
mod timers;

use jiff::SignedDuration;

use super::*;
use crate::model::{InstanceId, RunState, Timestamp};
use crate::sandbox::fault::Fault;

const ID: &str = SEED_INSTANCE;

fn t0() -> Timestamp {
    "2026-11-20T10:00:00Z".parse().unwrap()
}

fn after(ms: i64) -> Timestamp {
    t0() + SignedDuration::from_millis(ms)
}

fn world() -> World {
    World::new(t0())
}

/// A world whose instance is stopped, at `after(100)`.
fn stopped() -> World {
    let mut w = world();
    w.stop(ID, false, t0()).unwrap();
    w.advance(after(100));
    assert_eq!(w.instances[ID].state, RunState::Stopped);
    w
}

fn instance(w: &mut World) -> &mut Instance {
    w.instances.get_mut(ID).unwrap()
}

fn code<T: std::fmt::Debug>(answer: Result<T, AwsError>) -> String {
    answer.unwrap_err().code
}

fn to(kind: &str) -> Attribute {
    Attribute::InstanceType(kind.into())
}

fn fault(w: &mut World, key: &str, kind: Option<&str>, code: &str, times: Option<u32>) {
    w.faults.0.push(Fault {
        key: key.into(),
        instance_type: kind.map(str::to_owned),
        code: code.into(),
        times,
    });
}
