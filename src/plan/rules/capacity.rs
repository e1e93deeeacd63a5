//! Capacity: whether it can be proved before the stop, by reserving it for a while.
//!
//! None of this refuses: where it cannot be proved, the start shows whether there is any, as ever.

use super::Ask;
use crate::model::{Capacity, Desired, InstanceFacts, Observed, Permit, RunState};
use crate::plan::Check;

/// The call that reserves, as IAM names it.
pub(super) const RESERVE: &str = "ec2:CreateCapacityReservation";
const NAME: &str = "capacity";
const EXPECTED: &str = "capacity that is proved before the stop";

pub(super) fn check(ask: &Ask) -> Option<Check> {
    if !ask.stops_instance {
        return None;
    }
    let to = ask.desired.instance_type.as_ref();
    let to = to.map_or("the new type", |to| to.as_str());
    let (old, zone) = (
        &ask.observed.instance.instance_type,
        &ask.observed.instance.zone,
    );
    Some(match judged(ask.observed, ask.desired) {
        Ok(None) => Check::ok(
            NAME,
            format!(
                "capacity for {to}, and for {old} as the way back, is reserved in {zone} before the stop"
            ),
        ),
        Ok(Some(warning)) | Err(warning) => warning,
    })
}

/// Whether the plan proves capacity. None: nothing is stopped for another type. `Err`: why it does not.
pub(in crate::plan) fn provable(
    observed: &Observed,
    desired: &Desired,
) -> Option<Result<(), Check>> {
    let instance = &observed.instance;
    let changes = desired
        .instance_type
        .as_ref()
        .is_some_and(|to| *to != instance.instance_type);
    (changes && instance.state == RunState::Running).then(|| judged(observed, desired).map(drop))
}

/// `Ok` may come with a doubt.
fn judged(observed: &Observed, desired: &Desired) -> Result<Option<Check>, Check> {
    if desired.capacity == Capacity::Skip {
        return Err(Check::ok(
            NAME,
            "not proved before the stop: --capacity skip",
        ));
    }
    if let Some((found, why)) = excluded(&observed.instance) {
        return Err(Check::warn(
            NAME,
            format!("capacity is not proved before the stop: {why}"),
            found,
            EXPECTED,
            "if there is none, the start fails and the old type is put back; --capacity skip says nothing of it",
        ));
    }
    let doubt = |message: String, found: &String| {
        let help =
            format!("allow {RESERVE} (docs/iam-policy.md), or leave it out with --capacity skip");
        Check::warn(NAME, message, found.clone(), EXPECTED, help)
    };
    match observed.permits.get(RESERVE) {
        None | Some(Permit::Yes) => Ok(None),
        Some(Permit::No(found)) => {
            let message =
                format!("capacity is not proved before the stop: {RESERVE} is not permitted");
            Err(doubt(message, found))
        }
        Some(Permit::Unknown(found)) => {
            let message = format!("whether {RESERVE} is permitted could not be asked; it is tried");
            Ok(Some(doubt(message, found)))
        }
    }
}

/// What an open reservation is not used by (EC2 User Guide, "Capacity Reservations", limits and matching): what is
/// found, and why.
fn excluded(i: &InstanceFacts) -> Option<(String, &'static str)> {
    if i.spot {
        let why = "a Spot instance does not run in a capacity reservation";
        return Some(("InstanceLifecycle spot".into(), why));
    }
    if i.tenancy == "host" {
        let why = "there is no capacity reservation for a dedicated host: the host itself has the room, or has not";
        return Some(("tenancy host".into(), why));
    }
    if let Some(group) = &i.placement_group {
        let strategy = group.strategy.as_deref().unwrap_or("of unknown strategy");
        let why = match strategy {
            "cluster" => {
                "a reservation serves a cluster placement group only when it was made for that very group"
            }
            _ => "no capacity reservation serves a spread or partition placement group",
        };
        return Some((format!("placement group {} ({strategy})", group.name), why));
    }
    match i.reservation_preference.as_deref() {
        None | Some("open" | "capacity-reservations-only") => None,
        Some(other) => {
            let why =
                "the instance takes no open reservation by itself (CapacityReservationPreference)";
            Some((other.to_owned(), why))
        }
    }
}

#[cfg(test)]
#[path = "capacity_tests.rs"]
mod tests;
