//! Tags of instances, volumes and capacity reservations.

use std::collections::BTreeMap;

use super::{AwsError, Params, Timestamp, World, Xml, dry, look};

/// At most so many tags on a resource (EC2 User Guide, tag restrictions).
const MOST: usize = 50;

pub(super) fn create(
    world: &mut World,
    params: &Params,
    _now: Timestamp,
    x: &mut Xml,
) -> Result<(), AwsError> {
    let (resources, tags) = asked(world, params, "ec2:CreateTags")?;
    for resource in &resources {
        let mut after = world.tags_mut(resource)?.clone();
        for (key, value) in &tags {
            after.insert((*key).to_owned(), value.unwrap_or_default().to_owned());
        }
        if after.keys().filter(|k| !k.starts_with("aws:")).count() > MOST {
            return Err(AwsError::new(
                "TagLimitExceeded",
                format!("More than {MOST} tags on {resource}."),
            ));
        }
        *world.tags_mut(resource)? = after;
    }
    x.leaf("return", true);
    Ok(())
}

pub(super) fn delete(
    world: &mut World,
    params: &Params,
    _now: Timestamp,
    x: &mut Xml,
) -> Result<(), AwsError> {
    let (resources, tags) = asked(world, params, "ec2:DeleteTags")?;
    for resource in &resources {
        let known = world.tags_mut(resource)?;
        // A value that was given must be the tag's.
        known.retain(|key, value| {
            !tags
                .iter()
                .any(|(k, v)| k == key && v.is_none_or(|v| v == value))
        });
    }
    x.leaf("return", true);
    Ok(())
}

pub(super) fn describe(
    world: &mut World,
    params: &Params,
    _now: Timestamp,
    x: &mut Xml,
) -> Result<(), AwsError> {
    const KNOWN: &[&str] = &["key", "resource-id", "resource-type", "tag:", "value"];
    let filters = params.filters(KNOWN)?;
    look(world, "ec2:DescribeTags", &[], params)?;
    let instances = world
        .instances
        .values()
        .map(|i| (i.id.as_str(), "instance", &i.tags));
    let volumes = world
        .instances
        .values()
        .flat_map(|i| &i.volumes)
        .map(|v| (v.id.as_str(), "volume", &v.tags));
    let reservations = world.reservations.values();
    let reservations = reservations.map(|r| (r.id.as_str(), "capacity-reservation", &r.tags));
    let all = instances
        .chain(volumes)
        .chain(reservations)
        .flat_map(|(id, kind, tags)| tags.iter().map(move |(key, value)| (id, kind, key, value)));
    let wanted = all.filter(|(id, kind, key, value)| {
        filters.iter().all(|f| match f.name.as_str() {
            "key" => f.takes(key),
            "resource-id" => f.takes(id),
            "resource-type" => f.takes(kind),
            "value" => f.takes(value),
            _ => f.after("tag:") == Some(key.as_str()) && f.takes(value),
        })
    });
    x.list("tagSet", wanted, |x, (id, kind, key, value)| {
        x.leaf("resourceId", id);
        x.leaf("resourceType", kind);
        x.leaf("key", key);
        x.leaf("value", value);
    });
    Ok(())
}

type Asked<'a> = (Vec<&'a str>, BTreeMap<&'a str, Option<&'a str>>);

/// The resources and tags of a change, through the gate; every resource is there.
fn asked<'a>(world: &mut World, params: &'a Params, call: &str) -> Result<Asked<'a>, AwsError> {
    let resources = params.list("ResourceId");
    if resources.is_empty() {
        params.need("ResourceId")?;
    }
    let mut tags = BTreeMap::new();
    for n in params.members("Tag") {
        let key = params.need(&format!("Tag.{n}.Key"))?;
        if key.starts_with("aws:") {
            return Err(AwsError::new(
                "InvalidParameterValue",
                "Tag keys starting with 'aws:' are reserved for internal use",
            ));
        }
        tags.insert(key, params.get(&format!("Tag.{n}.Value")));
    }
    if tags.is_empty() {
        params.need("Tag.1.Key")?;
    }
    let dry_run = params.flag("DryRun")?;
    world.gate(call, &[], dry_run)?;
    for resource in &resources {
        world.tags_mut(resource)?;
    }
    dry(dry_run)?;
    Ok((resources, tags))
}
