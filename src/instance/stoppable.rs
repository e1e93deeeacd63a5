//! Whether an instance may be stopped and will be the same afterwards.

use super::auto_scaling::auto_scaling;
use crate::model::{InstanceFacts, RunState};
use crate::plan::{Check, CheckStatus};

/// Whether the instance is in a state to begin with: running or stopped.
pub fn state(instance: &InstanceFacts) -> Check {
    let name = "instance_state";
    let id = &instance.id;
    let found = match &instance.state_reason {
        Some(reason) => format!("{} ({reason})", instance.state.as_str()),
        None => instance.state.as_str().to_owned(),
    };
    let refuse = |help: String| {
        let message = format!("{id} is {}", instance.state.as_str());
        Check::refuse(name, message, found.clone(), "running or stopped", help)
    };
    match instance.state {
        RunState::Running | RunState::Stopped => Check::ok(name, format!("{id} is {found}")),
        RunState::Pending | RunState::Stopping => {
            refuse("wait until it has settled, then try again; `geusemaker status` shows it".into())
        }
        RunState::ShuttingDown | RunState::Terminated => {
            refuse("it cannot come back: deploy a new stack, or adopt another instance".into())
        }
    }
}

/// What stands against stopping and starting the instance for a new type, and what a stop loses (EC2 User
/// Guide, "stop and start"). Asked only when a type changes.
pub fn stoppable(instance: &InstanceFacts) -> Vec<Check> {
    let mut checks = vec![state(instance)];
    checks.extend(
        [
            spot(instance),
            auto_scaling(instance),
            stop_protection(instance),
            hibernation(instance),
            instance_store(instance),
            operator(instance),
            tenancy(instance),
            public_address(instance),
        ]
        .into_iter()
        .flatten(),
    );
    if checks.iter().all(|c| c.status == CheckStatus::Ok) {
        checks.push(Check::ok(
            "instance_stoppable",
            format!("{} may be stopped", instance.id),
        ));
    }
    checks
}

/// No Spot instance can change its type: a one-time one cannot be stopped at all, and of one that is stopped everything may
/// be changed but the type (EC2 User Guide, "Stop a Spot Instance", "Behavior of Spot Instance interruptions").
fn spot(instance: &InstanceFacts) -> Option<Check> {
    let id = &instance.id;
    if !instance.spot {
        return None;
    }
    let image = "make an image of it and launch that On-Demand with the new type, then adopt it; images alone can be updated as it is";
    let (message, help) = match instance.spot_request.as_deref() {
        Some("one-time") => (
            format!("{id} is a one-time Spot instance: EC2 does not stop it"),
            image.to_owned(),
        ),
        Some("persistent") => (
            format!(
                "{id} is a persistent Spot instance: it may be stopped, but EC2 does not change its type, and starts it again only while there is Spot capacity of that type in the zone"
            ),
            format!("{image}; or make a Spot request for the new type, then adopt its instance"),
        ),
        _ => (
            format!(
                "{id} is a Spot instance: a one-time one cannot be stopped, and a persistent one that is stopped cannot change its type"
            ),
            format!("{image}; ec2:DescribeSpotInstanceRequests would tell which of the two it is"),
        ),
    };
    let found = match &instance.spot_request {
        Some(kind) => format!("InstanceLifecycle spot, {kind} request"),
        None => "InstanceLifecycle spot".to_owned(),
    };
    Some(Check::refuse(
        "instance_spot",
        message,
        found,
        "an On-Demand instance",
        help,
    ))
}

fn stop_protection(instance: &InstanceFacts) -> Option<Check> {
    let name = "instance_stop_protection";
    let id = &instance.id;
    if instance.state == RunState::Stopped {
        return None;
    }
    match instance.stop_protection {
        Some(false) => None,
        Some(true) => Some(Check::refuse(
            name,
            format!("{id} is protected against a stop"),
            "DisableApiStop is true",
            "DisableApiStop is false",
            format!(
                "if it may be stopped: `aws ec2 modify-instance-attribute --instance-id {id} --no-disable-api-stop`"
            ),
        )),
        None => Some(Check::warn(
            name,
            format!("whether {id} is protected against a stop could not be read"),
            "DisableApiStop not known",
            "DisableApiStop is false",
            "allow ec2:DescribeInstanceAttribute; if it is protected, the stop is refused and nothing else has happened",
        )),
    }
}

fn hibernation(instance: &InstanceFacts) -> Option<Check> {
    instance.hibernation.then(|| {
        Check::refuse(
            "instance_hibernation",
            format!("{} is set up for hibernation: its type cannot be changed", instance.id),
            "HibernationOptions.Configured is true",
            "no hibernation",
            "hibernation is chosen at launch for good: launch an instance without it from an image of this one, and adopt that",
        )
    })
}

fn instance_store(instance: &InstanceFacts) -> Option<Check> {
    (instance.root_device_type != "ebs").then(|| {
        Check::refuse(
            "instance_root_device",
            format!("the root volume of {} is lost when it stops", instance.id),
            format!("root device {}", instance.root_device_type),
            "root device ebs",
            "move the stack to an instance with an EBS root volume, and adopt that",
        )
    })
}

fn operator(instance: &InstanceFacts) -> Option<Check> {
    instance.operator_managed.then(|| {
        Check::refuse(
            "instance_operator",
            format!(
                "{} is managed by a service of AWS, which alone may change it",
                instance.id
            ),
            "Operator.Managed is true",
            "an instance of your own",
            "change it through the service that manages it",
        )
    })
}

fn tenancy(instance: &InstanceFacts) -> Option<Check> {
    (instance.tenancy == "host").then(|| {
        Check::warn(
            "instance_tenancy",
            format!("{} is on a Dedicated Host, which takes certain types only", instance.id),
            "tenancy host",
            "room on the host for the new type",
            "make sure that the host's instance family and free capacity allow the type; otherwise the start fails and is undone",
        )
    })
}

fn public_address(instance: &InstanceFacts) -> Option<Check> {
    let address = instance
        .public_ip
        .as_ref()
        .filter(|_| !instance.elastic_ip)?;
    // A stopped instance has no automatic address to lose.
    (instance.state == RunState::Running).then(|| {
        Check::warn(
            "public_ip",
            format!("the public address {address} will change: it is not an Elastic IP"),
            address.clone(),
            "an Elastic IP, or nobody who uses the address",
            "give the instance an Elastic IP before, or tell whoever uses the address; the new one is reported",
        )
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::plan::CheckStatus::{Ok, Refuse, Warn};
    use crate::plan::fixtures::instance;

    fn not_ok(checks: &[Check]) -> Vec<(&str, CheckStatus)> {
        checks
            .iter()
            .filter(|c| c.status != Ok)
            .map(|c| (c.name.as_str(), c.status))
            .collect()
    }

    /// Checks that are not ok, in order.
    type Said = &'static [(&'static str, CheckStatus)];

    #[test]
    fn each_fact_decides() {
        type Change = fn(&mut InstanceFacts);
        let table: &[(&str, Change, Said)] = &[
            ("healthy", |_| {}, &[]),
            (
                "automatic address",
                |i| i.elastic_ip = false,
                &[("public_ip", Warn)],
            ),
            (
                "automatic address, stopped",
                |i| {
                    i.elastic_ip = false;
                    i.state = RunState::Stopped
                },
                &[],
            ),
            (
                "no address",
                |i| {
                    i.elastic_ip = false;
                    i.public_ip = None
                },
                &[],
            ),
            ("spot", |i| i.spot = true, &[("instance_spot", Refuse)]),
            (
                "one-time",
                |i| {
                    i.spot = true;
                    i.spot_request = Some("one-time".into())
                },
                &[("instance_spot", Refuse)],
            ),
            (
                "persistent",
                |i| {
                    i.spot = true;
                    i.spot_request = Some("persistent".into())
                },
                &[("instance_spot", Refuse)],
            ),
            (
                "group",
                |i| i.auto_scaling_group = Some("g".into()),
                &[("instance_auto_scaling", Refuse)],
            ),
            (
                "protected",
                |i| i.stop_protection = Some(true),
                &[("instance_stop_protection", Refuse)],
            ),
            (
                "protected, but stopped",
                |i| {
                    i.stop_protection = Some(true);
                    i.state = RunState::Stopped
                },
                &[],
            ),
            (
                "protection not readable",
                |i| i.stop_protection = None,
                &[("instance_stop_protection", Warn)],
            ),
            (
                "hibernation",
                |i| i.hibernation = true,
                &[("instance_hibernation", Refuse)],
            ),
            (
                "instance store",
                |i| i.root_device_type = "instance-store".into(),
                &[("instance_root_device", Refuse)],
            ),
            (
                "operator",
                |i| i.operator_managed = true,
                &[("instance_operator", Refuse)],
            ),
            (
                "dedicated host",
                |i| i.tenancy = "host".into(),
                &[("instance_tenancy", Warn)],
            ),
            (
                "dedicated instance",
                |i| i.tenancy = "dedicated".into(),
                &[],
            ),
            (
                "pending",
                |i| i.state = RunState::Pending,
                &[("instance_state", Refuse)],
            ),
            (
                "stopping",
                |i| i.state = RunState::Stopping,
                &[("instance_state", Refuse)],
            ),
            (
                "shutting down",
                |i| i.state = RunState::ShuttingDown,
                &[("instance_state", Refuse)],
            ),
            (
                "terminated",
                |i| i.state = RunState::Terminated,
                &[("instance_state", Refuse)],
            ),
            (
                "all at once",
                |i| {
                    i.spot = true;
                    i.hibernation = true;
                    i.stop_protection = Some(true)
                },
                &[
                    ("instance_spot", Refuse),
                    ("instance_stop_protection", Refuse),
                    ("instance_hibernation", Refuse),
                ],
            ),
        ];
        for (what, change, expected) in table {
            let mut seen = InstanceFacts {
                elastic_ip: true,
                ..instance()
            };
            change(&mut seen);
            let checks = stoppable(&seen);
            assert_eq!(not_ok(&checks), *expected, "{what}");
            for check in checks.iter().filter(|c| c.status != Ok) {
                assert!(
                    !check.found.is_empty() && !check.expected.is_empty() && !check.help.is_empty(),
                    "{what}"
                );
            }
        }
    }

    #[test]
    fn says_why_ec2_stopped_it() {
        let seen = InstanceFacts {
            state: RunState::Terminated,
            state_reason: Some("Server.SpotInstanceTermination".into()),
            ..instance()
        };
        assert_eq!(
            state(&seen).found,
            "terminated (Server.SpotInstanceTermination)"
        );
    }
}
