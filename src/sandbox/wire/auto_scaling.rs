//! Auto Scaling, read-only: the groups are those that instances are members of.

use std::collections::BTreeMap;

use super::params::Params;
use super::xml::Xml;
use super::{AwsError, World};
use crate::sandbox::world::Instance;

pub(super) const NAMESPACE: &str = "http://autoscaling.amazonaws.com/doc/2011-01-01/";

/// Every call that the sandbox serves.
pub(super) const ACTIONS: [&str; 2] = ["DescribeAutoScalingInstances", "DescribeAutoScalingGroups"];

pub(super) fn answer(world: &mut World, params: &Params, id: &str) -> Result<String, AwsError> {
    let action = params.need("Action")?;
    let Some(action) = ACTIONS.into_iter().find(|a| *a == action) else {
        let why = format!("Could not find operation {action} for version 2011-01-01");
        return Err(AwsError::new("InvalidAction", why));
    };
    world.gate(&format!("autoscaling:{action}"), &[], false)?;
    Ok(Xml::document(
        &format!("{action}Response"),
        NAMESPACE,
        |x| {
            x.node(&format!("{action}Result"), |x| {
                if action == ACTIONS[0] {
                    instances(world, params, x);
                } else {
                    groups(world, params, x);
                }
            });
            x.node("ResponseMetadata", |x| x.leaf("RequestId", id));
        },
    ))
}

fn members(world: &World) -> impl Iterator<Item = (&Instance, &str)> {
    world
        .instances
        .values()
        .filter_map(|i| Some((i, i.auto_scaling_group()?)))
}

/// An instance that is in no group is left out.
fn instances(world: &World, params: &Params, x: &mut Xml) {
    let ids = params.list("InstanceIds.member");
    x.node("AutoScalingInstances", |x| {
        for (i, group) in members(world) {
            if ids.is_empty() || ids.contains(&i.id.as_str()) {
                x.node("member", |x| {
                    x.leaf("InstanceId", &i.id);
                    x.leaf("InstanceType", &i.instance_type);
                    x.leaf("AutoScalingGroupName", group);
                    x.leaf("AvailabilityZone", &i.zone);
                    x.leaf("LifecycleState", i.lifecycle());
                    x.leaf("HealthStatus", "HEALTHY");
                    x.leaf("ProtectedFromScaleIn", false);
                });
            }
        }
    });
}

/// A group that does not exist is left out.
fn groups(world: &World, params: &Params, x: &mut Xml) {
    let names = params.list("AutoScalingGroupNames.member");
    let mut all: BTreeMap<&str, Vec<&Instance>> = BTreeMap::new();
    for (i, group) in members(world) {
        all.entry(group).or_default().push(i);
    }
    all.retain(|group, _| names.is_empty() || names.contains(group));
    x.node("AutoScalingGroups", |x| {
        for (group, of_it) in all {
            x.node("member", |x| {
                x.leaf("AutoScalingGroupName", group);
                x.leaf("MinSize", 0);
                x.leaf("MaxSize", of_it.len());
                x.leaf("DesiredCapacity", of_it.len());
                x.leaf("DefaultCooldown", 300);
                x.leaf("HealthCheckType", "EC2");
                x.node("SuspendedProcesses", |x| {
                    for process in of_it.iter().flat_map(|i| &i.suspended_processes) {
                        x.node("member", |x| {
                            x.leaf("ProcessName", process);
                            x.leaf("SuspensionReason", "User suspended");
                        });
                    }
                });
            });
        }
    });
}
