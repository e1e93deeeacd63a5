//! A member of an Auto Scaling group: whether the group lets it stop.

use crate::model::InstanceFacts;
use crate::plan::Check;

const NAME: &str = "instance_auto_scaling";

/// A group that sees a member stopped calls it unhealthy and replaces it. Not one in standby, and not while the processes
/// that do it are suspended (Amazon EC2 Auto Scaling User Guide, "Temporarily remove instances", "Suspend and resume
/// processes"). What was called unhealthy meanwhile is replaced as soon as they are resumed ("How suspended processes
/// affect other processes"), so only without `HealthCheck` nothing remains of the stop.
pub(super) fn auto_scaling(instance: &InstanceFacts) -> Option<Check> {
    let group = instance.auto_scaling_group.as_ref()?;
    let id = &instance.id;
    let Some(facts) = &instance.auto_scaling else {
        return Some(Check::refuse(
            NAME,
            format!(
                "the Auto Scaling group {group} would replace {id} when it stops; whether it is in standby could not be read"
            ),
            format!("a member of {group}"),
            "no member of a group, or one in standby",
            format!(
                "allow autoscaling:DescribeAutoScalingInstances and autoscaling:DescribeAutoScalingGroups; or {}",
                detach(instance, group)
            ),
        ));
    };
    if facts.lifecycle == "Standby" {
        let message =
            format!("{id} is in standby in the Auto Scaling group {group}, which lets it stop");
        return Some(Check::ok(NAME, message));
    }
    let suspended = |process: &str| facts.suspended.iter().any(|p| p == process);
    if suspended("HealthCheck") {
        let message = format!(
            "the Auto Scaling group {group} looks after no health (HealthCheck is suspended): it lets {id} stop"
        );
        return Some(Check::ok(NAME, message));
    }
    let off = ["ReplaceUnhealthy", "Terminate"]
        .into_iter()
        .filter(|p| suspended(p));
    let off: Vec<&str> = off.collect();
    if !off.is_empty() {
        return Some(Check::warn(
            NAME,
            format!(
                "the Auto Scaling group {group} will call {id} unhealthy when it stops, and replace it once {} is resumed",
                off.join(" and ")
            ),
            format!(
                "a member of {group}; suspended: {}",
                facts.suspended.join(", ")
            ),
            "HealthCheck suspended, or the instance in standby",
            format!(
                "before you resume: `aws autoscaling set-instance-health --instance-id {id} --health-status Healthy`; or suspend HealthCheck too"
            ),
        ));
    }
    Some(Check::refuse(
        NAME,
        format!("the Auto Scaling group {group} would replace {id} when it stops"),
        match facts.suspended.as_slice() {
            [] => format!("{} in {group}", facts.lifecycle),
            some => format!(
                "{} in {group}; suspended: {}",
                facts.lifecycle,
                some.join(", ")
            ),
        },
        "in standby, or HealthCheck suspended",
        format!(
            "put it in standby: `aws autoscaling enter-standby --instance-ids {id} --auto-scaling-group-name {group} --should-decrement-desired-capacity` (afterwards `exit-standby`); or `aws autoscaling suspend-processes --auto-scaling-group-name {group} --scaling-processes HealthCheck ReplaceUnhealthy`; or {}",
            detach(instance, group)
        ),
    ))
}

fn detach(instance: &InstanceFacts, group: &str) -> String {
    format!(
        "detach it: `aws autoscaling detach-instances --instance-ids {} --auto-scaling-group-name {group} --should-decrement-desired-capacity`; or change the type in the group's launch template",
        instance.id
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::AutoScalingFacts;
    use crate::plan::CheckStatus::{self, Ok, Refuse, Warn};
    use crate::plan::fixtures::instance;

    #[test]
    fn a_member_may_stop_where_the_group_does_not_look_or_does_not_replace() {
        // Its lifecycle state and the suspended processes; the answer, and words of it.
        type Row = (
            Option<(&'static str, &'static [&'static str])>,
            CheckStatus,
            &'static str,
        );
        let table: &[Row] = &[
            (None, Refuse, "could not be read"),
            (Some(("InService", &[])), Refuse, "would replace"),
            (Some(("EnteringStandby", &[])), Refuse, "would replace"),
            (
                Some(("InService", &["Launch", "AZRebalance"])),
                Refuse,
                "would replace",
            ),
            (Some(("Standby", &[])), Ok, "is in standby"),
            (Some(("InService", &["HealthCheck"])), Ok, "it lets"),
            (
                Some(("InService", &["HealthCheck", "ReplaceUnhealthy"])),
                Ok,
                "it lets",
            ),
            (
                Some(("InService", &["ReplaceUnhealthy"])),
                Warn,
                "once ReplaceUnhealthy is resumed",
            ),
            (
                Some(("InService", &["Terminate", "ReplaceUnhealthy"])),
                Warn,
                "ReplaceUnhealthy and Terminate",
            ),
        ];
        for (facts, status, words) in table {
            let seen = InstanceFacts {
                auto_scaling_group: Some("workers".into()),
                auto_scaling: facts.map(|(lifecycle, suspended)| AutoScalingFacts {
                    lifecycle: lifecycle.to_owned(),
                    suspended: suspended.iter().map(|p| (*p).to_owned()).collect(),
                }),
                ..instance()
            };
            let check = auto_scaling(&seen).expect("it is a member");
            assert_eq!(check.status, *status, "{facts:?}");
            assert!(
                check.message.contains(words),
                "{facts:?}: {}",
                check.message
            );
            let told = [&check.found, &check.expected, &check.help];
            assert!(
                *status == Ok || told.iter().all(|w| !w.is_empty()),
                "{facts:?}"
            );
        }
        assert_eq!(auto_scaling(&instance()), None);
    }
}
