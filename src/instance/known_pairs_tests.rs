//! Pairs of types with the answer that AWS's documentation gives, each with its source.

use super::tests::{not_ok, on};
use super::*;
use crate::instance::types::type_facts;
use crate::model::PlacementGroup;
use crate::plan::CheckStatus::{self, Refuse, Warn};

// Pages of the EC2 User Guide.
const RESIZE: &str = "Compatibility for changing the instance type";
const BOOT: &str = "Requirements to launch an EC2 instance in UEFI boot mode";
const DEFAULT_BOOT: &str = "Instance launch behavior with Amazon EC2 boot modes";
const VIRTUALIZATION: &str = "Virtualization types";
const VOLUMES: &str = "Amazon EBS volume limits for Amazon EC2 instances";
const OPTIMIZED: &str = "Amazon EBS-optimized instance types";
const PLACEMENT: &str = "Placement strategies for your placement groups";
const MAC: &str = "Amazon EC2 Mac instances";
const STOP: &str = "Stop and start Amazon EC2 instances";

struct Known {
    from: &'static str,
    to: &'static str,
    /// What the instance is besides.
    is: fn(&mut InstanceFacts),
    /// What is not fine.
    said: &'static [(&'static str, CheckStatus)],
    source: &'static str,
    /// What the source says, in short.
    because: &'static str,
}

const fn known(
    from: &'static str,
    to: &'static str,
    is: fn(&mut InstanceFacts),
    said: &'static [(&'static str, CheckStatus)],
    source: &'static str,
    because: &'static str,
) -> Known {
    Known {
        from,
        to,
        is,
        said,
        source,
        because,
    }
}

fn as_launched(_: &mut InstanceFacts) {}

fn paravirtual(i: &mut InstanceFacts) {
    i.virtualization = "paravirtual".into();
}

fn of_32_bits(i: &mut InstanceFacts) {
    i.architecture = "i386".into();
}

fn uefi(i: &mut InstanceFacts) {
    i.boot_mode = Some("uefi".into());
}

fn with_ena(i: &mut InstanceFacts) {
    i.ena_support = true;
}

const NVME: (&str, CheckStatus) = ("type_nvme", Warn);

#[rustfmt::skip]
const TABLE: &[Known] = &[
    known("t3.medium", "m5.large", as_launched, &[], RESIZE, "same architecture, both Nitro"),
    known("c6g.large", "m8g.large", as_launched, &[], RESIZE, "Arm to Arm"),
    known("t3.medium", "t4g.medium", as_launched, &[("type_architecture", Refuse), ("type_boot_mode", Refuse)], RESIZE, "x86 to Arm"),
    known("m7g.large", "m7i.large", as_launched, &[("type_architecture", Refuse)], RESIZE, "Arm to x86"),
    known("g5g.xlarge", "g5.xlarge", as_launched, &[("type_architecture", Refuse)], RESIZE, "Arm to x86, GPU or not"),
    known("t2.micro", "c3.large", of_32_bits, &[], RESIZE, "both take 32-bit images"),
    known("t2.medium", "m4.large", of_32_bits, &[("type_architecture", Refuse)], RESIZE, "m4 is not among the types for 32-bit images"),
    known("m3.medium", "c3.large", paravirtual, &[("instance_store", Warn)], VIRTUALIZATION, "C3 and M3 take PV images"),
    known("m3.medium", "m4.large", paravirtual, &[("type_virtualization", Refuse), ("instance_store", Warn)], RESIZE, "from a PV image to a type for HVM alone"),
    known("t2.medium", "t3.medium", as_launched, &[("type_ena", Refuse), NVME], RESIZE, "a type with enhanced networking needs its driver"),
    known("t2.medium", "t3.medium", with_ena, &[NVME], RESIZE, "on Nitro volumes are NVMe devices: the driver is needed"),
    known("m4.large", "m5.large", with_ena, &[NVME], RESIZE, "Xen to Nitro"),
    known("m5.large", "c5.large", uefi, &[], BOOT, "Nitro types support both modes"),
    known("m6a.large", "m6i.metal", uefi, &[("type_boot_mode", Refuse)], BOOT, "bare metal has no UEFI"),
    known("m5.large", "g4ad.xlarge", uefi, &[("type_boot_mode", Refuse)], BOOT, "G4ad has no UEFI"),
    known("m5.large", "p4d.24xlarge", uefi, &[("type_boot_mode", Refuse)], BOOT, "P4 has no UEFI"),
    known("m5.large", "p4d.24xlarge", as_launched, &[], DEFAULT_BOOT, "Intel and AMD types boot with legacy BIOS"),
    known("p4d.24xlarge", "g4dn.xlarge", |i| i.network_cards = 4, &[("type_network_cards", Refuse), ("instance_store", Warn)], RESIZE, "the type must support as many network cards"),
    known("m5.xlarge", "m5.large", |i| (i.volumes, i.network_interfaces) = (26, 3), &[("type_volumes", Refuse)], VOLUMES, "a shared limit: interfaces count"),
    known("m5.xlarge", "m7i.large", |i| (i.volumes, i.network_interfaces) = (32, 3), &[], VOLUMES, "M7i has a dedicated limit, of 32"),
    known("t3.medium", "t2.medium", |i| i.ebs_optimized = true, &[NVME, ("type_ebs_optimized", Warn)], OPTIMIZED, "T2 does not support it; it is switched off"),
    known("c5.large", "t3.large", |i| i.placement_group = cluster(), &[("type_placement_group", Refuse)], PLACEMENT, "burstable types are in no cluster group"),
    known("c5.large", "m5.large", |i| i.placement_group = cluster(), &[], PLACEMENT, "current types but a few may be in a cluster group"),
    known("t3.medium", "mac1.metal", as_launched, &[("type_architecture", Refuse)], MAC, "macOS alone, on Dedicated Hosts"),
    known("m5.large", "mac2.metal", |i| i.spot = true, &[("type_architecture", Refuse), ("type_usage_class", Refuse)], MAC, "On-Demand alone"),
    known("m5d.large", "m5.large", as_launched, &[("instance_store", Warn)], STOP, "data on instance store volumes is lost"),
];

fn cluster() -> Option<PlacementGroup> {
    Some(PlacementGroup {
        name: "near".into(),
        strategy: Some("cluster".into()),
    })
}

#[test]
fn known_pairs_get_the_answer_of_the_documentation() {
    assert!(TABLE.len() >= 20);
    for pair in TABLE {
        let mut seen = on(pair.from);
        (pair.is)(&mut seen);
        let (from, to) = (type_facts(pair.from), type_facts(pair.to));
        let place = format!(
            "{} to {}: {} ({})",
            pair.from, pair.to, pair.because, pair.source
        );
        let mut said = not_ok(&fits(&seen, Some(&from), &to))
            .into_iter()
            .map(|(name, status)| (name.to_owned(), status))
            .collect::<Vec<_>>();
        let mut expected: Vec<_> = pair
            .said
            .iter()
            .map(|(n, s)| ((*n).to_owned(), *s))
            .collect();
        said.sort_by(|a, b| a.0.cmp(&b.0));
        expected.sort_by(|a, b| a.0.cmp(&b.0));
        assert_eq!(said, expected, "{place}");
        if pair.source == OPTIMIZED {
            assert!(!ebs_optimized_at(&seen, &to, None), "{place}");
        }
    }
}
