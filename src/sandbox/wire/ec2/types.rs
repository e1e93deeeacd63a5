//! `DescribeInstanceTypes` and `DescribeInstanceTypeOfferings`, from the catalogue.

use super::{AwsError, Params, Timestamp, World, Xml, look};
use crate::sandbox::catalog::{self, Row};

pub(super) fn describe(
    world: &mut World,
    params: &Params,
    _now: Timestamp,
    x: &mut Xml,
) -> Result<(), AwsError> {
    const KNOWN: &[&str] = &[
        "current-generation",
        "instance-type",
        "processor-info.supported-architecture",
        "vcpu-info.default-vcpus",
    ];
    let asked = params.list("InstanceType");
    let filters = params.filters(KNOWN)?;
    look(world, "ec2:DescribeInstanceTypes", &asked, params)?;
    if asked.len() > 100 {
        return Err(AwsError::new(
            "InvalidParameterValue",
            "The maximum number of instance types is 100.",
        ));
    }
    let unknown: Vec<&str> = asked
        .iter()
        .copied()
        .filter(|name| catalog::find(name).is_none())
        .collect();
    if !unknown.is_empty() {
        return Err(AwsError::new(
            "InvalidInstanceType",
            format!(
                "The following supplied instance types do not exist: [{}]",
                unknown.join(", ")
            ),
        ));
    }
    let rows: Vec<&Row> = catalog::all()
        .filter(|row| asked.is_empty() || asked.contains(&row.name))
        .filter(|row| {
            filters.iter().all(|f| match f.name.as_str() {
                "current-generation" => f.takes(&row.current_generation.to_string()),
                "instance-type" => f.takes(row.name),
                "vcpu-info.default-vcpus" => f.takes(&row.vcpus.to_string()),
                _ => row.architectures.split(' ').any(|a| f.takes(a)),
            })
        })
        .collect();
    let (page, next) = params.page(&rows, 100)?;
    x.list("instanceTypeSet", page, |x, row| one(x, row));
    x.opt("nextToken", next);
    Ok(())
}

pub(super) fn offerings(
    world: &mut World,
    params: &Params,
    _now: Timestamp,
    x: &mut Xml,
) -> Result<(), AwsError> {
    let kind = params.get("LocationType").unwrap_or("region");
    let locations: Vec<(String, String)> = match kind {
        "region" => vec![(world.region.clone(), String::new())],
        "availability-zone" => world.zones.iter().map(|z| (z.clone(), z.clone())).collect(),
        other => {
            return Err(AwsError::new(
                "InvalidParameterValue",
                format!("Value ({other}) for parameter LocationType is invalid."),
            ));
        }
    };
    let filters = params.filters(&["instance-type", "location"])?;
    look(world, "ec2:DescribeInstanceTypeOfferings", &[], params)?;
    let mut all = Vec::new();
    for row in catalog::all() {
        for (location, zone) in &locations {
            let offered = zone.is_empty() || row.offered_in(zone);
            let wanted = filters.iter().all(|f| match f.name.as_str() {
                "location" => f.takes(location),
                _ => f.takes(row.name),
            });
            if offered && wanted {
                all.push((row.name, location));
            }
        }
    }
    let (page, next) = params.page(&all, 1000)?;
    x.list("instanceTypeOfferingSet", page, |x, (name, location)| {
        x.leaf("instanceType", name);
        x.leaf("locationType", kind);
        x.leaf("location", location);
    });
    x.opt("nextToken", next);
    Ok(())
}

fn one(x: &mut Xml, row: &Row) {
    x.leaf("instanceType", row.name);
    x.leaf("currentGeneration", row.current_generation);
    x.leaf("freeTierEligible", false);
    x.words("supportedUsageClasses", row.usage_classes);
    x.words("supportedRootDeviceTypes", row.root_devices);
    x.words("supportedVirtualizationTypes", row.virtualization);
    x.leaf("bareMetal", row.bare_metal);
    if !row.hypervisor.is_empty() {
        x.leaf("hypervisor", row.hypervisor);
    }
    x.node("processorInfo", |x| {
        x.words("supportedArchitectures", row.architectures)
    });
    x.node("vCpuInfo", |x| x.leaf("defaultVCpus", row.vcpus));
    x.node("memoryInfo", |x| x.leaf("sizeInMiB", row.memory_mib));
    x.leaf("instanceStorageSupported", row.instance_storage);
    x.node("ebsInfo", |x| {
        x.leaf("ebsOptimizedSupport", row.ebs_optimized);
        x.leaf("encryptionSupport", "supported");
        x.leaf("nvmeSupport", row.nvme);
        x.leaf("maximumEbsAttachments", row.max_volumes);
        x.leaf("attachmentLimitType", row.attachment_limit);
    });
    x.node("networkInfo", |x| {
        x.leaf("networkPerformance", row.network_performance);
        x.leaf("maximumNetworkInterfaces", row.max_interfaces);
        x.leaf("maximumNetworkCards", row.max_cards);
        x.leaf("enaSupport", row.ena);
    });
    if !row.gpu_maker.is_empty() {
        x.node("gpuInfo", |x| {
            x.list("gpus", [row.gpu_maker], |x, maker| {
                x.leaf("manufacturer", maker)
            });
            x.leaf("totalGpuMemoryInMiB", row.gpu_memory_mib);
        });
    }
    x.node("placementGroupInfo", |x| {
        x.words("supportedStrategies", row.placement)
    });
    x.leaf("hibernationSupported", row.hibernation);
    x.leaf("burstablePerformanceSupported", row.burstable);
    x.leaf("dedicatedHostsSupported", row.dedicated_hosts);
    x.words("supportedBootModes", row.boot_modes);
}
