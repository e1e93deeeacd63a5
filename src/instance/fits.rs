//! Whether an instance can become another type and still start.
//!
//! `ModifyInstanceAttribute` takes types on which the instance then does not start or does not boot, and
//! `DryRun` checks permissions alone: what decides is read before the stop (EC2 User Guide,
//! "compatibility for changing the instance type").

use crate::model::{InstanceFacts, TypeFacts};
use crate::plan::Check;

/// Compares the instance with the type it is to become; `current` is what is known of its type now. One
/// check each, `ok` ones included, in a fixed order.
pub fn fits(
    instance: &InstanceFacts,
    current: Option<&TypeFacts>,
    target: &TypeFacts,
) -> Vec<Check> {
    let mut checks = vec![
        architecture(instance, target),
        virtualization(instance, target),
        boot_mode(instance, target),
        root_device(instance, target),
        ena(instance, target),
        nvme(current, target),
        interfaces(instance, target),
        network_cards(instance, target),
        volumes(instance, target),
        ebs_optimized(instance, current, target),
        usage_class(instance, target),
    ];
    checks.extend(placement_group(instance, target));
    checks.extend(instance_storage(current));
    checks.extend(dedicated_host(instance, target));
    checks
}

/// One of a list of words: the commonest form of a comparison here.
fn one_of(
    name: &str,
    what: &str,
    found: &str,
    supported: &[String],
    target: &TypeFacts,
    help: &str,
) -> Check {
    let to = &target.name;
    if supported.iter().any(|word| word == found) {
        Check::ok(name, format!("{to} takes {what} {found}"))
    } else {
        let expected = format!("{to} takes {}", supported.join(" or "));
        Check::refuse(
            name,
            format!("{to} does not take {what} {found}"),
            found,
            expected,
            help,
        )
    }
}

fn architecture(instance: &InstanceFacts, target: &TypeFacts) -> Check {
    let help = format!(
        "choose a type of architecture {}, or deploy a new stack on the other one: an installed system cannot change it",
        instance.architecture
    );
    one_of(
        "type_architecture",
        "architecture",
        &instance.architecture,
        &target.architectures,
        target,
        &help,
    )
}

fn virtualization(instance: &InstanceFacts, target: &TypeFacts) -> Check {
    let help = format!(
        "choose a type with {} virtualization, or move the stack to an instance from an HVM image",
        instance.virtualization
    );
    one_of(
        "type_virtualization",
        "virtualization",
        &instance.virtualization,
        &target.virtualization,
        target,
        &help,
    )
}

fn boot_mode(instance: &InstanceFacts, target: &TypeFacts) -> Check {
    let name = "type_boot_mode";
    let to = &target.name;
    match instance.boot_mode.as_deref() {
        Some(mode) => {
            let help = format!("choose a type that boots with {mode}");
            one_of(name, "boot mode", mode, &target.boot_modes, target, &help)
        }
        None if target.boot_modes.len() > 1 => Check::ok(
            name,
            format!("{to} boots with {}", target.boot_modes.join(" or ")),
        ),
        None => Check::warn(
            name,
            format!("EC2 does not say how the instance boots, and {to} boots in one way alone"),
            "boot mode not known",
            target.boot_modes.join(" or "),
            "see `describe-instances` for CurrentInstanceBootMode; a system that does not boot is taken back to the old type",
        ),
    }
}

fn root_device(instance: &InstanceFacts, target: &TypeFacts) -> Check {
    let help = "choose a type that takes this root device; only an EBS root survives a stop";
    one_of(
        "type_root_device",
        "root device",
        &instance.root_device_type,
        &target.root_devices,
        target,
        help,
    )
}

fn ena(instance: &InstanceFacts, target: &TypeFacts) -> Check {
    let name = "type_ena";
    let to = &target.name;
    if target.ena == "required" && !instance.ena_support {
        Check::refuse(
            name,
            format!("{to} needs enhanced networking (ENA), which is off on the instance"),
            "EnaSupport is false",
            "EnaSupport is true",
            format!(
                "install the ena driver on the host, then, while it is stopped, `aws ec2 modify-instance-attribute --instance-id {} --ena-support`; or choose a type that does not need ENA",
                instance.id
            ),
        )
    } else {
        Check::ok(name, format!("enhanced networking suits {to}"))
    }
}

/// Xen → Nitro changes the names of the disks and needs the NVMe driver in the initramfs. Neither can be
/// seen from outside, but every type that requires NVMe also requires ENA, so an image that passed
/// [`ena`] is of an age that has the driver. So it warns: a system that does not come back is undone.
fn nvme(current: Option<&TypeFacts>, target: &TypeFacts) -> Check {
    let name = "type_nvme";
    let to = &target.name;
    let help = "make sure that /etc/fstab names disks by UUID or label and that the initramfs has the nvme driver; if the host does not come back it is taken back to the old type";
    match (current.map(|c| c.nvme.as_str()), target.nvme.as_str()) {
        (Some(was), is) if was == is => Check::ok(name, format!("{to} has its disks as before")),
        (Some("required"), "supported")
        | (Some("supported"), "unsupported")
        | (Some("unsupported"), "supported") => {
            Check::ok(name, format!("{to} can have its disks as before"))
        }
        (Some(_), "required") => Check::warn(
            name,
            format!("{to} has its disks as NVMe devices, with other names than now (Xen to Nitro)"),
            "disks without NVMe now",
            "NVMe driver in the initramfs, fstab by UUID or label",
            help,
        ),
        (Some(_), _) => Check::warn(
            name,
            format!("{to} has its disks as Xen devices, with other names than now (Nitro to Xen)"),
            "NVMe disks now",
            "fstab by UUID or label",
            help,
        ),
        (None, is) => Check::warn(
            name,
            "the type that the instance has now is not known, so its disks may get other names",
            "NVMe support of the current type not known",
            format!("the same as {to}: NVMe {is}"),
            help,
        ),
    }
}

fn interfaces(instance: &InstanceFacts, target: &TypeFacts) -> Check {
    let name = "type_interfaces";
    let (has, max, to) = (
        instance.network_interfaces,
        target.max_interfaces,
        &target.name,
    );
    if has > max {
        Check::refuse(
            name,
            format!("{to} takes {max} network interfaces, the instance has {has}"),
            format!("{has} interfaces"),
            format!("at most {max}"),
            "detach network interfaces, or choose a larger type",
        )
    } else {
        Check::ok(name, format!("{to} takes {max} network interfaces"))
    }
}

/// Interfaces on a card beyond the first attach only where the type has that card (EC2 User Guide, "Network cards").
fn network_cards(instance: &InstanceFacts, target: &TypeFacts) -> Check {
    let name = "type_network_cards";
    let (has, max, to) = (instance.network_cards, target.max_cards, &target.name);
    if has > max {
        Check::refuse(
            name,
            format!("{to} has {max} network cards, the interfaces of the instance use {has}"),
            format!("{has} network cards"),
            format!("at most {max}"),
            "detach the interfaces of the further cards, or choose a type with as many",
        )
    } else {
        Check::ok(name, format!("{to} has {max} network cards"))
    }
}

/// Where `AttachmentLimitType` is `shared`, each network interface beyond the first takes the place of a volume (EC2
/// User Guide, "EBS volume limits"). Where it is not said, only volumes alone refuse.
fn volumes(instance: &InstanceFacts, target: &TypeFacts) -> Check {
    let name = "type_volumes";
    let to = &target.name;
    let Some(max) = target.max_volumes else {
        return Check::ok(name, format!("AWS names no limit of volumes for {to}"));
    };
    let has = instance.volumes;
    let more = instance.network_interfaces.saturating_sub(1);
    let shared = has.saturating_add(more);
    let help = "detach volumes, or choose a type that takes more";
    if has > max {
        Check::refuse(
            name,
            format!("{to} takes {max} EBS volumes, the instance has {has}"),
            format!("{has} volumes"),
            format!("at most {max}"),
            help,
        )
    } else if shared > max && target.shared_attachments == Some(true) {
        Check::refuse(
            name,
            format!(
                "{to} takes {max} volumes and further network interfaces together, the instance has {shared}"
            ),
            format!("{has} volumes and {more} further interfaces"),
            format!("at most {max} together"),
            "detach volumes or network interfaces, or choose a type that takes more",
        )
    } else if shared > max && target.shared_attachments.is_none() {
        Check::warn(
            name,
            format!("{to} takes {max} attachments, and on many types interfaces count too"),
            format!(
                "{has} volumes and {} interfaces",
                instance.network_interfaces
            ),
            format!("at most {max} together, besides the first interface"),
            help,
        )
    } else {
        Check::ok(name, format!("{to} takes {max} EBS volumes"))
    }
}

/// What `EbsOptimized` of the instance is to be at this type. With it a type that does not support it does not start
/// (`Unsupported`); at one that has it by default it changes nothing; at the others it costs by the hour, so it is not
/// switched on unasked (Amazon EBS User Guide, "EBS-optimized instance types"). `wanted`: as it was in a snapshot.
pub fn ebs_optimized_at(
    instance: &InstanceFacts,
    target: &TypeFacts,
    wanted: Option<bool>,
) -> bool {
    target.ebs_optimized != "unsupported" && wanted.unwrap_or(instance.ebs_optimized)
}

/// Never refused: [`ebs_optimized_at`] becomes a step of the plan where it differs from what is so.
fn ebs_optimized(
    instance: &InstanceFacts,
    current: Option<&TypeFacts>,
    target: &TypeFacts,
) -> Check {
    let name = "type_ebs_optimized";
    let to = &target.name;
    let by_default = current.is_some_and(|c| c.ebs_optimized == "default");
    let has_it = instance.ebs_optimized || by_default;
    let help = "where the disks are busy, choose a type that is EBS-optimized by default";
    match target.ebs_optimized.as_str() {
        "unsupported" if has_it => Check::warn(
            name,
            format!("{to} has no bandwidth of its own for EBS volumes, the instance has some now"),
            "EBS-optimized now",
            "an EBS-optimized type",
            help,
        ),
        "supported" if by_default && !instance.ebs_optimized => Check::warn(
            name,
            format!(
                "{to} has bandwidth of its own for EBS volumes only where EbsOptimized is on, for an hourly fee"
            ),
            "EBS-optimized by default now, EbsOptimized is false",
            "an EBS-optimized type",
            help,
        ),
        _ => Check::ok(name, format!("EBS optimization suits {to}")),
    }
}

fn usage_class(instance: &InstanceFacts, target: &TypeFacts) -> Check {
    let class = if instance.spot { "spot" } else { "on-demand" };
    one_of(
        "type_usage_class",
        "usage class",
        class,
        &target.usage_classes,
        target,
        "choose a type that is sold this way",
    )
}

/// A type outside of the group's strategy does not start in it (EC2 User Guide, "Placement strategies": burstable types
/// are in no cluster group, for one).
fn placement_group(instance: &InstanceFacts, target: &TypeFacts) -> Option<Check> {
    let group = instance.placement_group.as_ref()?;
    let name = "type_placement_group";
    let to = &target.name;
    let help = format!(
        "choose a type that the group takes; or, while it is stopped, `aws ec2 modify-instance-placement --instance-id {} --group-name ''`",
        instance.id
    );
    let takes = || target.placement.join(" or ");
    Some(match &group.strategy {
        Some(strategy) => one_of(
            name,
            "the placement strategy",
            strategy,
            &target.placement,
            target,
            &help,
        ),
        None => Check::warn(
            name,
            format!(
                "how the placement group {} places could not be read",
                group.name
            ),
            "strategy not known",
            format!("{to} takes {}", takes()),
            "allow ec2:DescribePlacementGroups; a type that does not fit does not start, and is taken back",
        ),
    })
}

/// EC2 does not say whether anything is on them.
fn instance_storage(current: Option<&TypeFacts>) -> Option<Check> {
    let current = current.filter(|c| c.instance_storage)?;
    Some(Check::warn(
        "instance_store",
        format!(
            "{} has disks of its own (instance store): what is on them is lost in the stop",
            current.name
        ),
        "instance store volumes",
        "nothing on them that is needed",
        "copy what is needed to an EBS volume or to the file system before; see `lsblk` for disks of the model \"Amazon EC2 NVMe Instance Storage\"",
    ))
}

/// Only some types can be on a Dedicated Host; whether this very host takes it, [`super::stoppable`] warns of.
fn dedicated_host(instance: &InstanceFacts, target: &TypeFacts) -> Option<Check> {
    let name = "type_dedicated_host";
    let to = &target.name;
    (instance.tenancy == "host").then(|| {
        if target.dedicated_hosts {
            return Check::ok(name, format!("{to} can be on a Dedicated Host"));
        }
        Check::refuse(
            name,
            format!("the instance is on a Dedicated Host, and {to} cannot be on one"),
            "tenancy host, DedicatedHostsSupported is false",
            "a type that can be on a Dedicated Host",
            "choose a type that a Dedicated Host can carry; or move the instance off its host first: see `aws ec2 modify-instance-placement`",
        )
    })
}

#[cfg(test)]
#[path = "fits_tests.rs"]
mod tests;

#[cfg(test)]
#[path = "known_pairs_tests.rs"]
mod known_pairs;
