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
        volumes(instance, target),
        ebs_optimized(instance, target),
        usage_class(instance, target),
    ];
    checks.extend(gpu(current, target));
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

/// On most types volumes share their places with network interfaces beyond the first (EC2 User Guide,
/// "volume limits"). Whether a type does, is not among the facts: only volumes alone refuse.
fn volumes(instance: &InstanceFacts, target: &TypeFacts) -> Check {
    let name = "type_volumes";
    let to = &target.name;
    let Some(max) = target.max_volumes else {
        return Check::ok(name, format!("AWS names no limit of volumes for {to}"));
    };
    let has = instance.volumes;
    let shared = has + instance.network_interfaces.saturating_sub(1);
    let help = "detach volumes, or choose a type that takes more";
    if has > max {
        Check::refuse(
            name,
            format!("{to} takes {max} EBS volumes, the instance has {has}"),
            format!("{has} volumes"),
            format!("at most {max}"),
            help,
        )
    } else if shared > max {
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

/// The start fails with `Unsupported` otherwise.
fn ebs_optimized(instance: &InstanceFacts, target: &TypeFacts) -> Check {
    let name = "type_ebs_optimized";
    let to = &target.name;
    if instance.ebs_optimized && target.ebs_optimized == "unsupported" {
        Check::refuse(
            name,
            format!(
                "the instance is EBS-optimized, and {to} does not support it: it would not start"
            ),
            "EbsOptimized is true",
            "EbsOptimized is false",
            format!(
                "while it is stopped, `aws ec2 modify-instance-attribute --instance-id {} --no-ebs-optimized`; or choose another type",
                instance.id
            ),
        )
    } else {
        Check::ok(name, format!("EBS optimization suits {to}"))
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

fn gpu(current: Option<&TypeFacts>, target: &TypeFacts) -> Option<Check> {
    (current.is_some_and(|c| c.gpu) && !target.gpu).then(|| {
        Check::warn(
            "type_gpu",
            format!("{} has no GPU, the type of now has one", target.name),
            "a GPU now",
            "no container that needs one",
            "make sure that no service reserves a GPU, or choose a type with one",
        )
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::instance::types::{all, type_facts};
    use crate::plan::CheckStatus::{self, Ok, Refuse, Warn};
    use crate::plan::fixtures::{instance, instance_type};

    /// An instance as one of this type would be.
    fn on(name: &str) -> InstanceFacts {
        let facts = type_facts(name);
        InstanceFacts {
            instance_type: facts.name,
            architecture: facts.architectures.last().expect("one").clone(),
            virtualization: "hvm".into(),
            boot_mode: facts.boot_modes.first().cloned(),
            ena_support: facts.ena == "required",
            ..instance()
        }
    }

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
    fn between_real_types() {
        let table: &[(&str, &str, Said)] = &[
            ("t3.medium", "t3.large", &[]),
            ("t3.medium", "m5.large", &[]),
            ("t3.medium", "g4dn.xlarge", &[]),
            ("g4dn.xlarge", "t3.medium", &[("type_gpu", Warn)]),
            ("t3.medium", "m5.metal", &[]),
            ("t3.medium", "t3.nano", &[]),
            ("t4g.medium", "c6g.large", &[]),
            (
                "t3.medium",
                "t4g.medium",
                &[("type_architecture", Refuse), ("type_boot_mode", Refuse)],
            ),
            ("c6g.large", "m5.large", &[("type_architecture", Refuse)]),
            (
                "c6g.large",
                "m4.large",
                &[
                    ("type_architecture", Refuse),
                    ("type_boot_mode", Refuse),
                    ("type_nvme", Warn),
                ],
            ),
            ("t3.medium", "m4.large", &[("type_nvme", Warn)]),
            ("t3.medium", "r4.large", &[("type_nvme", Warn)]),
            ("t3.medium", "i3.large", &[]),
            ("m4.large", "t2.medium", &[]),
            ("t2.medium", "m4.16xlarge", &[]),
            (
                "t2.medium",
                "t3.medium",
                &[("type_ena", Refuse), ("type_nvme", Warn)],
            ),
            ("t2.medium", "c1.medium", &[]),
            ("t3.medium", "mac1.metal", &[("type_architecture", Refuse)]),
            (
                "t4g.medium",
                "mac2.metal",
                &[("type_architecture", Refuse), ("type_boot_mode", Refuse)],
            ),
            ("t3.medium", "p4d.24xlarge", &[]),
            ("t3.medium", "hpc7a.12xlarge", &[]),
        ];
        for (from, to, expected) in table {
            let checks = fits(&on(from), Some(&type_facts(from)), &type_facts(to));
            assert_eq!(not_ok(&checks), *expected, "{from} to {to}");
        }
    }

    #[test]
    fn each_fact_decides() {
        type Change = fn(&mut InstanceFacts);
        let table: &[(&str, Change, &str, Said)] = &[
            (
                "paravirtual stays on old types",
                |i| i.virtualization = "paravirtual".into(),
                "m1.small",
                &[("type_nvme", Warn)],
            ),
            (
                "paravirtual",
                |i| i.virtualization = "paravirtual".into(),
                "t3.large",
                &[("type_virtualization", Refuse)],
            ),
            (
                "uefi",
                |i| i.boot_mode = Some("uefi".into()),
                "m5.metal",
                &[("type_boot_mode", Refuse)],
            ),
            (
                "boot mode not known",
                |i| i.boot_mode = None,
                "m5.metal",
                &[("type_boot_mode", Warn)],
            ),
            (
                "boot mode not known, both fit",
                |i| i.boot_mode = None,
                "t3.large",
                &[],
            ),
            (
                "instance store",
                |i| i.root_device_type = "instance-store".into(),
                "t3.large",
                &[("type_root_device", Refuse)],
            ),
            (
                "no ENA",
                |i| i.ena_support = false,
                "t3.large",
                &[("type_ena", Refuse)],
            ),
            (
                "no ENA needed",
                |i| i.ena_support = false,
                "m4.16xlarge",
                &[("type_nvme", Warn)],
            ),
            (
                "three interfaces",
                |i| i.network_interfaces = 3,
                "t3.nano",
                &[("type_interfaces", Refuse)],
            ),
            (
                "28 volumes",
                |i| i.volumes = 28,
                "t3.large",
                &[("type_volumes", Refuse)],
            ),
            ("27 volumes", |i| i.volumes = 27, "t3.large", &[]),
            (
                "27 volumes, two interfaces",
                |i| {
                    i.volumes = 27;
                    i.network_interfaces = 2
                },
                "t3.large",
                &[("type_volumes", Warn)],
            ),
            (
                "EBS-optimized",
                |i| i.ebs_optimized = true,
                "t2.medium",
                &[("type_nvme", Warn), ("type_ebs_optimized", Refuse)],
            ),
            (
                "EBS-optimized by default",
                |i| i.ebs_optimized = true,
                "t3.large",
                &[],
            ),
            (
                "spot",
                |i| i.spot = true,
                "hpc7a.12xlarge",
                &[("type_usage_class", Refuse)],
            ),
        ];
        for (what, change, to, expected) in table {
            let mut seen = instance();
            change(&mut seen);
            let checks = fits(&seen, Some(&type_facts("t3.medium")), &type_facts(to));
            assert_eq!(not_ok(&checks), *expected, "{what}");
        }
        let unknown = fits(&instance(), None, &type_facts("t3.large"));
        assert_eq!(not_ok(&unknown), [("type_nvme", Warn)]);
    }

    #[test]
    fn every_pair_of_the_table_has_words_for_what_is_wrong() {
        for from in all() {
            assert_eq!(
                not_ok(&fits(&on(from.name.as_str()), Some(&from), &from)),
                [],
                "{} to itself",
                from.name
            );
            for to in all() {
                for check in fits(&on(from.name.as_str()), Some(&from), &to) {
                    let words = [&check.found, &check.expected, &check.help];
                    assert_eq!(
                        words.iter().all(|w| w.is_empty()),
                        check.status == Ok,
                        "{check:?}"
                    );
                    assert_eq!(
                        words.iter().all(|w| !w.is_empty()),
                        check.status != Ok,
                        "{check:?}"
                    );
                }
            }
        }
        assert_eq!(instance().instance_type, instance_type("t3.medium"));
    }
}
