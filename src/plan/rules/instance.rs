//! The instance: the right one, in a state to begin with, and fit for the new type.

use super::Ask;
use super::capacity::RESERVE;
use crate::instance::{fits, state, stoppable};
use crate::model::Permit;
use crate::plan::Check;

pub(super) fn check(ask: &Ask) -> Vec<Check> {
    let mut checks = vec![account(ask), identity(ask), state(&ask.observed.instance)];
    if ask.type_changes {
        checks.extend(new_type(ask));
        checks.extend(stoppable(&ask.observed.instance));
        checks.extend(permitted(ask));
    }
    checks
}

fn account(ask: &Ask) -> Check {
    let name = "account";
    let (found, expected) = (&ask.observed.instance.account, &ask.deployment.account);
    if found == expected {
        Check::ok(name, format!("account {found}"))
    } else {
        Check::refuse(
            name,
            "the credentials are of another account than the deployment",
            found.clone(),
            expected.clone(),
            "use --profile, or credentials of the account that the deployment is in",
        )
    }
}

fn identity(ask: &Ask) -> Check {
    let name = "instance";
    let (seen, known) = (&ask.observed.instance, ask.deployment);
    let found = format!("{} in {}", seen.id, seen.region);
    let expected = format!("{} in {}", known.instance_id, known.region);
    if found == expected {
        Check::ok(name, found)
    } else {
        Check::refuse(
            name,
            "another instance was looked at",
            found,
            expected,
            "leave --region away, or adopt the instance again",
        )
    }
}

/// What was asked by `DryRun`, before anything is stopped: a start that is denied after a stop would strand the instance.
fn permitted(ask: &Ask) -> Vec<Check> {
    let name = "permission";
    let allow = "see docs/iam-policy.md; allow it for this instance, or use --profile";
    let judge = |(call, permit): (&&str, &Permit)| match permit {
        Permit::Yes => Check::ok(name, format!("{call} is permitted")),
        Permit::No(why) => Check::refuse(
            name,
            format!("{call} is not permitted"),
            why.clone(),
            format!("{call} is permitted"),
            allow,
        ),
        Permit::Unknown(why) => Check::warn(
            name,
            format!("whether {call} is permitted could not be asked"),
            why.clone(),
            "an answer to the dry run",
            allow,
        ),
    };
    // Without a reservation it goes on: `capacity` judges that one.
    let all = ask.observed.permits.iter();
    all.filter(|(call, _)| **call != RESERVE)
        .map(judge)
        .collect()
}

fn new_type(ask: &Ask) -> Vec<Check> {
    let seen = ask.observed;
    let Some(wanted) = &ask.desired.instance_type else {
        return Vec::new();
    };
    let region = &seen.instance.region;
    let Some(target) = seen.types.get(wanted) else {
        return vec![Check::refuse(
            "type_exists",
            format!("{region} has no instance type {wanted}"),
            wanted.as_str(),
            format!("an instance type of {region}"),
            format!(
                "list them: `aws ec2 describe-instance-types --region {region} --query 'InstanceTypes[].InstanceType'`"
            ),
        )];
    };
    let mut checks = vec![Check::ok(
        "type_exists",
        format!(
            "{wanted}: {} vCPUs, {} MiB",
            target.vcpus, target.memory_mib
        ),
    )];
    let zone = &seen.instance.zone;
    checks.push(if seen.offered.contains(wanted) {
        // Offered never means that there is capacity right now.
        Check::ok("type_offered", format!("{wanted} is offered in {zone}"))
    } else {
        Check::refuse(
            "type_offered",
            format!("{wanted} is not offered in {zone}, and an instance cannot change its zone"),
            format!("not offered in {zone}"),
            format!("a type that {zone} offers"),
            format!("list them: `aws ec2 describe-instance-type-offerings --region {region} --location-type availability-zone --filters Name=location,Values={zone}`"),
        )
    });
    checks.extend(fits(
        &seen.instance,
        seen.types.get(&seen.instance.instance_type),
        target,
    ));
    checks
}
