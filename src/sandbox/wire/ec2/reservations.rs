//! Capacity reservations.

use std::collections::BTreeMap;

use super::{AwsError, Filter, Params, Timestamp, World, Xml, look, moment, tag_set, tags_pass};
use crate::sandbox::world::{CapacityReservation, CreateReservation};

/// What the sandbox does not model is refused, never ignored.
const NOT_MODELLED: [&str; 7] = [
    "AvailabilityZoneId",
    "CommitmentDuration",
    "DeliveryPreference",
    "EphemeralStorage",
    "OutpostArn",
    "PlacementGroupArn",
    "StartDate",
];

pub(super) fn create(
    world: &mut World,
    params: &Params,
    now: Timestamp,
    x: &mut Xml,
) -> Result<(), AwsError> {
    if let Some(other) = NOT_MODELLED.iter().find(|n| params.get(n).is_some()) {
        return Err(AwsError::new(
            "UnsupportedOperation",
            format!("The sandbox does not model {other} of a capacity reservation."),
        ));
    }
    let ask = asked(params)?;
    let made = world.create_reservation(&ask, params.flag("DryRun")?, now)?;
    x.node("capacityReservation", |x| one(x, world, &made));
    Ok(())
}

fn asked(params: &Params) -> Result<CreateReservation, AwsError> {
    let bad = |name: &str, value: &str| {
        AwsError::new(
            "InvalidParameterValue",
            format!("Value ({value}) for parameter {name} is invalid."),
        )
    };
    let count = params.need("InstanceCount")?;
    let end = params.get("EndDate");
    let ends_at = match (params.get("EndDateType").unwrap_or("unlimited"), end) {
        ("unlimited", None) => None,
        ("limited", Some(end)) => Some(end.parse().map_err(|_| bad("endDate", end))?),
        (kind, _) => {
            return Err(AwsError::new(
                "InvalidParameterCombination",
                format!(
                    "EndDateType {kind} does not go with the EndDate that was given or left out."
                ),
            ));
        }
    };
    Ok(CreateReservation {
        instance_type: params.need("InstanceType")?.to_owned(),
        zone: params.need("AvailabilityZone")?.to_owned(),
        platform: params.need("InstancePlatform")?.to_owned(),
        tenancy: params.get("Tenancy").unwrap_or("default").to_owned(),
        count: count.parse().map_err(|_| bad("instanceCount", count))?,
        ebs_optimized: params.flag("EbsOptimized")?,
        ends_at,
        criteria: params
            .get("InstanceMatchCriteria")
            .unwrap_or("open")
            .to_owned(),
        token: params.get("ClientToken").map(str::to_owned),
        tags: tags(params)?,
    })
}

fn tags(params: &Params) -> Result<BTreeMap<String, String>, AwsError> {
    let mut tags = BTreeMap::new();
    for n in params.members("TagSpecifications") {
        let of = params.need(&format!("TagSpecifications.{n}.ResourceType"))?;
        if of != "capacity-reservation" {
            return Err(AwsError::new(
                "InvalidParameterValue",
                format!("'{of}' is not a valid taggable resource type for this operation."),
            ));
        }
        let list = format!("TagSpecifications.{n}.Tag");
        for m in params.members(&list) {
            let key = params.need(&format!("{list}.{m}.Key"))?;
            let value = params.get(&format!("{list}.{m}.Value"));
            tags.insert(key.to_owned(), value.unwrap_or_default().to_owned());
        }
    }
    Ok(tags)
}

pub(super) fn describe(
    world: &mut World,
    params: &Params,
    _now: Timestamp,
    x: &mut Xml,
) -> Result<(), AwsError> {
    const KNOWN: &[&str] = &[
        "availability-zone",
        "instance-platform",
        "instance-type",
        "state",
        "tag-key",
        "tag:",
        "tenancy",
    ];
    let ids = params.list("CapacityReservationId");
    let filters = params.filters(KNOWN)?;
    look(world, "ec2:DescribeCapacityReservations", &[], params)?;
    world.check_reservation_ids(&ids)?;
    let all: Vec<&CapacityReservation> = world
        .reservations
        .values()
        .filter(|r| ids.is_empty() || ids.contains(&r.id.as_str()))
        .filter(|r| filters.iter().all(|f| passes(f, r)))
        .collect();
    let (page, next) = params.page(&all, 100)?;
    x.list("capacityReservationSet", page, |x, r| one(x, world, r));
    x.opt("nextToken", next);
    Ok(())
}

fn passes(filter: &Filter, r: &CapacityReservation) -> bool {
    if let Some(answer) = tags_pass(filter, &r.tags) {
        return answer;
    }
    filter.takes(match filter.name.as_str() {
        "availability-zone" => &r.zone,
        "instance-platform" => &r.platform,
        "instance-type" => r.instance_type.as_str(),
        "state" => &r.state,
        "tenancy" => &r.tenancy,
        _ => return false,
    })
}

pub(super) fn cancel(
    world: &mut World,
    params: &Params,
    now: Timestamp,
    x: &mut Xml,
) -> Result<(), AwsError> {
    let id = params.need("CapacityReservationId")?;
    world.cancel_reservation(id, params.flag("DryRun")?, now)?;
    x.leaf("return", true);
    Ok(())
}

fn one(x: &mut Xml, world: &World, r: &CapacityReservation) {
    x.leaf("capacityReservationId", &r.id);
    x.leaf("ownerId", &world.account);
    x.leaf(
        "capacityReservationArn",
        format_args!(
            "arn:aws:ec2:{}:{}:capacity-reservation/{}",
            world.region, world.account, r.id
        ),
    );
    x.leaf("instanceType", &r.instance_type);
    x.leaf("instancePlatform", &r.platform);
    x.leaf("availabilityZone", &r.zone);
    x.leaf("tenancy", &r.tenancy);
    x.leaf("totalInstanceCount", r.total);
    x.leaf("availableInstanceCount", world.available(r));
    x.leaf("ebsOptimized", r.ebs_optimized);
    x.leaf("ephemeralStorage", false);
    x.leaf("state", &r.state);
    x.leaf("startDate", moment(r.created_at));
    x.opt("endDate", r.ends_at.map(moment));
    let kind = r.ends_at.map_or("unlimited", |_| "limited");
    x.leaf("endDateType", kind);
    x.leaf("instanceMatchCriteria", &r.criteria);
    x.leaf("createDate", moment(r.created_at));
    tag_set(x, &r.tags);
}
