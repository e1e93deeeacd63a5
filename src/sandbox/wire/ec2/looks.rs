//! The small looks: zones, regions, volumes, addresses, the console.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;

use super::{AwsError, Params, Timestamp, World, Xml, look, moment, tag_set, tags_pass};

pub(super) fn zones(
    world: &mut World,
    params: &Params,
    _now: Timestamp,
    x: &mut Xml,
) -> Result<(), AwsError> {
    let names = params.list("ZoneName");
    let filters = params.filters(&["region-name", "state", "zone-name"])?;
    look(world, "ec2:DescribeAvailabilityZones", &[], params)?;
    if let Some(bad) = names.iter().find(|n| !world.zones.iter().any(|z| z == *n)) {
        return Err(AwsError::new(
            "InvalidParameterValue",
            format!("Invalid availability zone: [{bad}]"),
        ));
    }
    let region = &world.region;
    let shown = world.zones.iter().enumerate().filter(|(_, zone)| {
        (names.is_empty() || names.contains(&zone.as_str()))
            && filters.iter().all(|f| match f.name.as_str() {
                "region-name" => f.takes(region),
                "state" => f.takes("available"),
                _ => f.takes(zone),
            })
    });
    x.list("availabilityZoneInfo", shown, |x, (at, zone)| {
        x.leaf("zoneName", zone);
        x.leaf("zoneState", "available");
        x.leaf("regionName", region);
        x.leaf("zoneId", format_args!("use1-az{}", at + 1));
        x.leaf("zoneType", "availability-zone");
        x.leaf("groupName", format_args!("{region}-zg-1"));
        x.leaf("networkBorderGroup", region);
        x.leaf("optInStatus", "opt-in-not-required");
        x.node("messageSet", |_| {});
    });
    Ok(())
}

/// The groups that instances are in: there are no others.
pub(super) fn placement_groups(
    world: &mut World,
    params: &Params,
    _now: Timestamp,
    x: &mut Xml,
) -> Result<(), AwsError> {
    let names = params.list("GroupName");
    params.filters(&[])?;
    look(world, "ec2:DescribePlacementGroups", &[], params)?;
    let all: std::collections::BTreeMap<&str, &str> = world
        .instances
        .values()
        .filter_map(|i| i.placement_group.as_ref())
        .map(|(name, strategy)| (name.as_str(), strategy.as_str()))
        .collect();
    if let Some(bad) = names.iter().find(|n| !all.contains_key(**n)) {
        return Err(AwsError::new(
            "InvalidPlacementGroup.Unknown",
            format!("The placement group '{bad}' is unknown."),
        ));
    }
    let shown = all
        .into_iter()
        .filter(|(name, _)| names.is_empty() || names.contains(name));
    x.list("placementGroupSet", shown, |x, (name, strategy)| {
        x.leaf("groupName", name);
        x.leaf("strategy", strategy);
        x.leaf("state", "available");
    });
    Ok(())
}

/// The requests behind the Spot instances: each runs or lies stopped, so each is active.
pub(super) fn spot_requests(
    world: &mut World,
    params: &Params,
    _now: Timestamp,
    x: &mut Xml,
) -> Result<(), AwsError> {
    let ids = params.list("SpotInstanceRequestId");
    let filters = params.filters(&["instance-id", "type"])?;
    look(world, "ec2:DescribeSpotInstanceRequests", &[], params)?;
    let all: Vec<_> = world
        .instances
        .values()
        .filter_map(|i| Some((i, i.spot?, i.spot_request_id()?)))
        .collect();
    if let Some(bad) = ids.iter().find(|id| !all.iter().any(|(.., r)| r == **id)) {
        return Err(AwsError::new(
            "InvalidSpotInstanceRequestID.NotFound",
            format!("The spot instance request ID '{bad}' does not exist"),
        ));
    }
    let shown = all.into_iter().filter(|(i, kind, request)| {
        (ids.is_empty() || ids.contains(&request.as_str()))
            && filters.iter().all(|f| match f.name.as_str() {
                "instance-id" => f.takes(i.id.as_str()),
                _ => f.takes(kind.as_str()),
            })
    });
    x.list("spotInstanceRequestSet", shown, |x, (i, kind, request)| {
        x.leaf("spotInstanceRequestId", request);
        x.leaf("type", kind.as_str());
        x.leaf("state", "active");
        x.leaf("instanceId", &i.id);
        x.leaf("launchedAvailabilityZone", &i.zone);
    });
    Ok(())
}

pub(super) fn regions(
    world: &mut World,
    params: &Params,
    _now: Timestamp,
    x: &mut Xml,
) -> Result<(), AwsError> {
    let names = params.list("RegionName");
    let filters = params.filters(&["region-name"])?;
    look(world, "ec2:DescribeRegions", &[], params)?;
    let region = &world.region;
    if let Some(bad) = names.iter().find(|n| *n != region) {
        return Err(AwsError::new(
            "InvalidParameterValue",
            format!("Invalid region provided: [{bad}]"),
        ));
    }
    let shown = filters.iter().all(|f| f.takes(region)).then_some(region);
    x.list("regionInfo", shown, |x, region| {
        x.leaf("regionName", region);
        x.leaf("regionEndpoint", format_args!("ec2.{region}.amazonaws.com"));
        x.leaf("optInStatus", "opt-in-not-required");
    });
    Ok(())
}

pub(super) fn volumes(
    world: &mut World,
    params: &Params,
    _now: Timestamp,
    x: &mut Xml,
) -> Result<(), AwsError> {
    const KNOWN: &[&str] = &["attachment.instance-id", "tag-key", "tag:", "volume-id"];
    let ids = params.list("VolumeId");
    let filters = params.filters(KNOWN)?;
    look(world, "ec2:DescribeVolumes", &[], params)?;
    let all: Vec<_> = world
        .instances
        .values()
        .filter(|i| i.state != crate::model::RunState::Terminated)
        .flat_map(|i| i.volumes.iter().map(move |v| (i, v)))
        .collect();
    if let Some(bad) = ids.iter().find(|id| !all.iter().any(|(_, v)| v.id == **id)) {
        return Err(AwsError::new(
            "InvalidVolume.NotFound",
            format!("The volume '{bad}' does not exist."),
        ));
    }
    let shown = all.into_iter().filter(|(i, v)| {
        (ids.is_empty() || ids.contains(&v.id.as_str()))
            && filters.iter().all(|f| match f.name.as_str() {
                "attachment.instance-id" => f.takes(i.id.as_str()),
                "volume-id" => f.takes(&v.id),
                _ => tags_pass(f, &v.tags).unwrap_or(false),
            })
    });
    x.list("volumeSet", shown, |x, (i, v)| {
        x.leaf("volumeId", &v.id);
        x.leaf("size", v.size_gib);
        x.leaf("snapshotId", "");
        x.leaf("availabilityZone", &i.zone);
        x.leaf("status", "in-use");
        x.leaf("createTime", moment(i.launched_at));
        x.leaf("volumeType", "gp3");
        x.leaf("encrypted", false);
        x.leaf("multiAttachEnabled", false);
        x.list("attachmentSet", [i], |x, i| {
            x.leaf("volumeId", &v.id);
            x.leaf("instanceId", &i.id);
            x.leaf("device", &v.device);
            x.leaf("status", "attached");
            x.leaf("attachTime", moment(i.launched_at));
            x.leaf("deleteOnTermination", v.device == i.root_device_name);
        });
        tag_set(x, &v.tags);
    });
    Ok(())
}

pub(super) fn addresses(
    world: &mut World,
    params: &Params,
    _now: Timestamp,
    x: &mut Xml,
) -> Result<(), AwsError> {
    let filters = params.filters(&["allocation-id", "instance-id", "public-ip"])?;
    let (ips, ids) = (params.list("PublicIp"), params.list("AllocationId"));
    look(world, "ec2:DescribeAddresses", &[], params)?;
    let all: Vec<_> = world
        .instances
        .values()
        .filter_map(|i| i.elastic_ip.as_ref().map(|e| (i, e)))
        .collect();
    if let Some(bad) = ips
        .iter()
        .find(|ip| !all.iter().any(|(_, e)| e.address == **ip))
    {
        return Err(AwsError::new(
            "InvalidAddress.NotFound",
            format!("Address '{bad}' not found."),
        ));
    }
    if let Some(bad) = ids
        .iter()
        .find(|id| !all.iter().any(|(_, e)| e.allocation_id == **id))
    {
        return Err(AwsError::new(
            "InvalidAllocationID.NotFound",
            format!("The allocation ID '{bad}' does not exist"),
        ));
    }
    let region = &world.region;
    let shown = all.into_iter().filter(|(i, e)| {
        (ips.is_empty() || ips.contains(&e.address.as_str()))
            && (ids.is_empty() || ids.contains(&e.allocation_id.as_str()))
            && filters.iter().all(|f| match f.name.as_str() {
                "allocation-id" => f.takes(&e.allocation_id),
                "instance-id" => f.takes(i.id.as_str()),
                _ => f.takes(&e.address),
            })
    });
    x.list("addressesSet", shown, |x, (i, e)| {
        x.leaf("publicIp", &e.address);
        x.leaf("allocationId", &e.allocation_id);
        x.leaf("associationId", &e.association_id);
        x.leaf("domain", "vpc");
        x.leaf("instanceId", &i.id);
        x.opt("networkInterfaceId", i.interfaces.first().map(|n| &n.id));
        x.opt(
            "privateIpAddress",
            i.interfaces.first().map(|n| &n.private_ip),
        );
        x.leaf("networkBorderGroup", region);
    });
    Ok(())
}

pub(super) fn console(
    world: &mut World,
    params: &Params,
    now: Timestamp,
    x: &mut Xml,
) -> Result<(), AwsError> {
    let id = params.need("InstanceId")?;
    world.gate_ids("ec2:GetConsoleOutput", &[id], params.flag("DryRun")?)?;
    let instance = world.instance(id)?;
    x.leaf("instanceId", id);
    x.leaf("timestamp", moment(instance.running_since.unwrap_or(now)));
    if let Some(text) = instance.console() {
        x.leaf("output", STANDARD.encode(text));
    }
    Ok(())
}
