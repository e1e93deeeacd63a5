//! The instance: the right one, in a state to begin with, and fit for the new type.

use super::Ask;
use super::capacity::RESERVE;
use crate::instance::{fits, state, stoppable};
use crate::model::{InstanceType, Permit, TypeFacts};
use crate::plan::{Check, CheckStatus};

pub(super) fn check(ask: &Ask) -> Vec<Check> {
    let mut checks = vec![account(ask), identity(ask), state(&ask.observed.instance)];
    if ask.type_changes {
        checks.extend(new_type(ask));
        checks.extend(stoppable(&ask.observed.instance));
        checks.extend(permitted(ask));
    }
    let types = &ask.desired.fallback_types;
    checks.extend(types.iter().flat_map(|to| fallback(ask, to)));
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
    match &ask.desired.instance_type {
        Some(wanted) => becomes(ask, wanted),
        None => Vec::new(),
    }
}

/// A type that going back may turn to is judged like the one that is wanted: it would be found not to fit while the
/// stack is down.
fn fallback(ask: &Ask, to: &InstanceType) -> Vec<Check> {
    let name = "fallback_type";
    let not_needed = |why: String| {
        let help = "leave --fallback-type away";
        vec![Check::warn(name, why, to.as_str(), "a use for it", help)]
    };
    if !ask.stops_instance {
        let why = format!("{to} is not needed: nothing stops the instance");
        return not_needed(why);
    }
    let now = &ask.observed.instance.instance_type;
    if to == now || Some(to) == ask.desired.instance_type.as_ref() {
        let why = format!("{to} is not needed: it is tried in any case");
        return not_needed(why);
    }
    let said = new_type(ask);
    let mut checks: Vec<Check> = becomes(ask, to)
        .into_iter()
        .filter(|c| c.status != CheckStatus::Ok && !said.contains(c))
        .map(|c| Check {
            message: format!("--fallback-type {to}: {}", c.message),
            ..c
        })
        .collect();
    let seen = ask.observed;
    let takes = |t: &TypeFacts| t.ebs_optimized != "unsupported";
    if seen.instance.ebs_optimized && !seen.types.get(to).is_none_or(takes) {
        // Going back leaves the attribute as it was, so a fallback must take it.
        let name = "type_ebs_optimized";
        checks.retain(|c| c.name != name);
        checks.push(Check::refuse(
            name,
            format!("--fallback-type {to}: the instance is EBS-optimized, and this type does not support it"),
            "EbsOptimized is true",
            "a type that supports EBS optimization",
            "choose another type",
        ));
    }
    if checks.is_empty() {
        let message = format!("{to} fits, if going back finds no capacity at {now}");
        checks.push(Check::ok(name, message));
    }
    checks
}

fn becomes(ask: &Ask, wanted: &InstanceType) -> Vec<Check> {
    let seen = ask.observed;
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
