//! One attribute of an instance, read or set.

use super::{AwsError, Params, Timestamp, World, Xml};
use crate::sandbox::wire::params::parse_bool;
use crate::sandbox::world::Attribute;

pub(super) fn describe(
    world: &mut World,
    params: &Params,
    _now: Timestamp,
    x: &mut Xml,
) -> Result<(), AwsError> {
    let id = params.need("InstanceId")?;
    let attribute = params.need("Attribute")?;
    let dry_run = params.flag("DryRun")?;
    world.gate_ids("ec2:DescribeInstanceAttribute", &[id], dry_run)?;
    let i = world.instance(id)?;
    x.leaf("instanceId", id);
    let value = match attribute {
        "instanceType" => Some(i.instance_type.to_string()),
        "disableApiStop" => Some(i.stop_protection.to_string()),
        "disableApiTermination" => Some(i.termination_protection.to_string()),
        "ebsOptimized" => Some(i.ebs_optimized.to_string()),
        "enaSupport" => Some(i.ena_support.to_string()),
        "instanceInitiatedShutdownBehavior" => Some("stop".into()),
        "rootDeviceName" => Some(i.root_device_name.clone()),
        "sourceDestCheck" => Some("true".into()),
        "userData" => i.user_data.clone(),
        "kernel" | "ramdisk" | "sriovNetSupport" => None,
        other => {
            return Err(AwsError::new(
                "InvalidParameterValue",
                format!("Value ({other}) for parameter attribute is invalid. Unknown attribute."),
            ));
        }
    };
    x.node(attribute, |x| x.opt("value", value));
    Ok(())
}

pub(super) fn modify(
    world: &mut World,
    params: &Params,
    _now: Timestamp,
    x: &mut Xml,
) -> Result<(), AwsError> {
    let id = params.need("InstanceId")?;
    let attribute = attribute(params)?;
    world.modify_instance(id, &attribute, params.flag("DryRun")?)?;
    x.leaf("return", true);
    Ok(())
}

/// Each attribute comes as `NAME.Value=…` (in two cases also plain), or all of them as
/// `Attribute=name&Value=…`; one a call.
fn attribute(params: &Params) -> Result<Attribute, AwsError> {
    const NAMES: [(&str, &str); 6] = [
        ("InstanceType", "instanceType"),
        ("DisableApiStop", "disableApiStop"),
        ("DisableApiTermination", "disableApiTermination"),
        ("EbsOptimized", "ebsOptimized"),
        ("EnaSupport", "enaSupport"),
        ("UserData", "userData"),
    ];
    const OTHERS: [&str; 7] = [
        "SourceDestCheck",
        "InstanceInitiatedShutdownBehavior",
        "Kernel",
        "Ramdisk",
        "SriovNetSupport",
        "GroupId.1",
        "BlockDeviceMapping.1.DeviceName",
    ];
    let mut found: Vec<(&str, &str)> = Vec::new();
    for (name, attribute) in NAMES {
        let value = params
            .get(&format!("{name}.Value"))
            .or_else(|| params.get(name));
        found.extend(value.map(|value| (attribute, value)));
    }
    if let Some(attribute) = params.get("Attribute") {
        found.push((attribute, params.need("Value")?));
    }
    let other = OTHERS
        .iter()
        .find(|name| params.get(name).is_some() || params.get(&format!("{name}.Value")).is_some());
    if let Some(other) = other {
        return Err(AwsError::new(
            "UnsupportedOperation",
            format!("The sandbox does not model the attribute {other}."),
        ));
    }
    match found[..] {
        [] => Err(AwsError::new(
            "InvalidParameterCombination",
            "No attributes specified.",
        )),
        [(name, value)] => match name {
            "instanceType" => Ok(Attribute::InstanceType(value.to_owned())),
            "disableApiStop" => Ok(Attribute::StopProtection(parse_bool(name, value)?)),
            "disableApiTermination" => {
                Ok(Attribute::TerminationProtection(parse_bool(name, value)?))
            }
            "ebsOptimized" => Ok(Attribute::EbsOptimized(parse_bool(name, value)?)),
            "enaSupport" => Ok(Attribute::EnaSupport(parse_bool(name, value)?)),
            "userData" => Ok(Attribute::UserData(value.to_owned())),
            other => Err(AwsError::new(
                "InvalidParameterValue",
                format!("Value ({other}) for parameter attribute is invalid. Unknown attribute."),
            )),
        },
        _ => Err(AwsError::new(
            "InvalidParameterCombination",
            "Fields for multiple attribute types specified",
        )),
    }
}
