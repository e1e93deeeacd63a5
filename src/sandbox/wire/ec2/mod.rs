//! EC2 Query: a form in, XML out.

mod attribute;
mod change;
mod instances;
mod looks;
mod reservations;
mod tags;
mod types;

use super::params::{Filter, Params};
use super::xml::Xml;
use super::{AwsError, World};
use crate::model::Timestamp;
use crate::sandbox::world::dry;

/// A call: the world, what was asked, when; the body of the answer goes into the document.
type Handler = fn(&mut World, &Params, Timestamp, &mut Xml) -> Result<(), AwsError>;

/// Every call that the sandbox serves.
pub(super) const ACTIONS: &[(&str, Handler)] = &[
    ("CancelCapacityReservation", reservations::cancel),
    ("CreateCapacityReservation", reservations::create),
    ("CreateTags", tags::create),
    ("DeleteTags", tags::delete),
    ("DescribeAddresses", looks::addresses),
    ("DescribeAvailabilityZones", looks::zones),
    ("DescribeCapacityReservations", reservations::describe),
    ("DescribeInstanceAttribute", attribute::describe),
    ("DescribeInstanceStatus", instances::status),
    ("DescribeInstanceTypeOfferings", types::offerings),
    ("DescribeInstanceTypes", types::describe),
    ("DescribeInstances", instances::describe),
    ("DescribePlacementGroups", looks::placement_groups),
    ("DescribeRegions", looks::regions),
    ("DescribeSpotInstanceRequests", looks::spot_requests),
    ("DescribeTags", tags::describe),
    ("DescribeVolumes", looks::volumes),
    ("GetConsoleOutput", looks::console),
    ("ModifyInstanceAttribute", attribute::modify),
    ("RebootInstances", change::reboot),
    ("StartInstances", change::start),
    ("StopInstances", change::stop),
    ("TerminateInstances", change::terminate),
];

pub(super) fn answer(
    world: &mut World,
    action: &str,
    params: &Params,
    id: &str,
    now: Timestamp,
) -> Result<String, AwsError> {
    let Some((_, handler)) = ACTIONS.iter().find(|(name, _)| *name == action) else {
        return Err(AwsError::new(
            "InvalidAction",
            format!("The action {action} is not valid for this web service."),
        ));
    };
    let mut outcome = Ok(());
    let body = Xml::document(
        &format!("{action}Response"),
        "http://ec2.amazonaws.com/doc/2016-11-15/",
        |x| {
            x.leaf("requestId", id);
            outcome = handler(world, params, now, x);
        },
    );
    outcome.map(|()| body)
}

/// The gate of a look that names no instances.
fn look(world: &mut World, call: &str, types: &[&str], params: &Params) -> Result<(), AwsError> {
    let dry_run = params.flag("DryRun")?;
    world.gate(call, types, dry_run)?;
    dry(dry_run)
}

/// A moment as EC2 writes it: `2026-11-20T10:00:00.000Z`.
fn moment(at: Timestamp) -> String {
    at.strftime("%Y-%m-%dT%H:%M:%S%.3fZ").to_string()
}

/// Whether the filters about tags (`tag:KEY`, `tag-key`) take these tags; other filters are left to the
/// caller and pass.
fn tags_pass(filter: &Filter, tags: &std::collections::BTreeMap<String, String>) -> Option<bool> {
    if let Some(key) = filter.after("tag:") {
        return Some(tags.get(key).is_some_and(|value| filter.takes(value)));
    }
    (filter.name == "tag-key").then(|| tags.keys().any(|key| filter.takes(key)))
}

fn tag_set(x: &mut Xml, tags: &std::collections::BTreeMap<String, String>) {
    if !tags.is_empty() {
        x.list("tagSet", tags, |x, (key, value)| {
            x.leaf("key", key);
            x.leaf("value", value);
        });
    }
}
