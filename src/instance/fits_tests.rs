use std::collections::BTreeMap;

use super::*;
use crate::instance::types::type_facts;
use crate::model::PlacementGroup;
use crate::plan::CheckStatus::{self, Ok, Refuse, Warn};
use crate::plan::fixtures::{instance, instance_type};
use crate::sandbox::catalog;

/// An instance as one of this type would be.
pub(super) fn on(name: &str) -> InstanceFacts {
    like(&type_facts(name))
}

fn like(facts: &TypeFacts) -> InstanceFacts {
    InstanceFacts {
        instance_type: facts.name.clone(),
        architecture: facts.architectures.last().expect("one").clone(),
        virtualization: "hvm".into(),
        boot_mode: facts.boot_modes.first().cloned(),
        ena_support: facts.ena == "required",
        ..instance()
    }
}

fn group(strategy: Option<&str>) -> Option<PlacementGroup> {
    Some(PlacementGroup {
        name: "near".into(),
        strategy: strategy.map(str::to_owned),
    })
}

fn refusals(checks: &[Check]) -> Vec<&str> {
    let refused = checks.iter().filter(|c| c.status == Refuse);
    refused.map(|c| c.name.as_str()).collect()
}

pub(super) fn not_ok(checks: &[Check]) -> Vec<(&str, CheckStatus)> {
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
        ("g4dn.xlarge", "t3.medium", &[("instance_store", Warn)]),
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
        ("m4.large", "t2.medium", &[("type_ebs_optimized", Warn)]),
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
            &[("type_nvme", Warn), ("type_ebs_optimized", Warn)],
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
            &[("type_volumes", Refuse)],
        ),
        (
            "40 volumes",
            |i| {
                i.volumes = 40;
                i.network_interfaces = 2
            },
            "t2.medium",
            &[
                ("type_nvme", Warn),
                ("type_volumes", Refuse),
                ("type_ebs_optimized", Warn),
            ],
        ),
        (
            "a second network card",
            |i| i.network_cards = 2,
            "t3.large",
            &[("type_network_cards", Refuse)],
        ),
        (
            "a second network card",
            |i| {
                i.network_cards = 2;
                i.network_interfaces = 2
            },
            "p4d.24xlarge",
            &[],
        ),
        (
            "a cluster group and a burstable type",
            |i| i.placement_group = group(Some("cluster")),
            "t3.large",
            &[("type_placement_group", Refuse)],
        ),
        (
            "a spread group",
            |i| i.placement_group = group(Some("spread")),
            "t3.large",
            &[],
        ),
        (
            "a group that could not be read",
            |i| i.placement_group = group(None),
            "t3.large",
            &[("type_placement_group", Warn)],
        ),
        (
            "EBS-optimized",
            |i| i.ebs_optimized = true,
            "t2.medium",
            &[("type_nvme", Warn), ("type_ebs_optimized", Warn)],
        ),
        (
            "on a Dedicated Host",
            |i| i.tenancy = "host".into(),
            "t3.large",
            &[],
        ),
        (
            "on a Dedicated Host",
            |i| i.tenancy = "host".into(),
            "t3a.large",
            &[("type_dedicated_host", Refuse)],
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
fn volumes_and_interfaces_count_together_only_where_aws_says_so() {
    let seen = InstanceFacts {
        volumes: 27,
        network_interfaces: 2,
        ..instance()
    };
    let shared = type_facts("t3.large");
    let table: &[(Option<bool>, Said)] = &[
        (Some(true), &[("type_volumes", Refuse)]),
        (Some(false), &[]),
        (None, &[("type_volumes", Warn)]),
    ];
    for (shared_attachments, expected) in table {
        let target = TypeFacts {
            shared_attachments: *shared_attachments,
            ..shared.clone()
        };
        let checks = fits(&seen, Some(&type_facts("t3.medium")), &target);
        assert_eq!(not_ok(&checks), *expected, "{shared_attachments:?}");
    }
}

#[test]
fn disks_of_its_own_are_emptied_by_a_stop() {
    let on_own_disks = catalog::find("m5d.large").unwrap().facts();
    let checks = fits(&instance(), Some(&on_own_disks), &type_facts("m5.large"));
    assert_eq!(not_ok(&checks), [("instance_store", Warn)]);
}

/// The types that there are, one of each kind: of those whose facts differ in name and size alone, the first.
fn kinds() -> Vec<TypeFacts> {
    let mut kinds = BTreeMap::new();
    for row in catalog::rows() {
        let facts = row.facts();
        let kind = TypeFacts {
            name: instance_type("t3.any"),
            vcpus: 0,
            memory_mib: 0,
            ..facts.clone()
        };
        kinds.entry(format!("{kind:?}")).or_insert(facts);
    }
    kinds.into_values().collect()
}

/// The rules read a name and a size into their messages alone, so that one of each kind stands for all pairs of types.
#[test]
fn every_pair_of_real_types_has_words_for_what_is_wrong() {
    let kinds = kinds();
    assert!(kinds.len() > 100, "{}", kinds.len());
    for from in &kinds {
        let seen = like(from);
        assert_eq!(
            refusals(&fits(&seen, Some(from), from)),
            [""; 0],
            "{from:?}"
        );
        for to in &kinds {
            for check in fits(&seen, Some(from), to) {
                let words = [&check.found, &check.expected, &check.help];
                let silent = words.iter().filter(|w| w.is_empty()).count();
                let expected = if check.status == Ok { words.len() } else { 0 };
                assert_eq!(silent, expected, "{check:?}");
            }
        }
    }
}

/// Of each kind the other types have the very answers of the first, as the old type and as the new one.
#[test]
fn the_kind_of_a_type_decides_and_not_its_name_or_size() {
    let kinds = kinds();
    let key = |facts: &TypeFacts| {
        let bare = TypeFacts {
            name: instance_type("t3.any"),
            vcpus: 0,
            memory_mib: 0,
            ..facts.clone()
        };
        format!("{bare:?}")
    };
    let of_kind: BTreeMap<String, &TypeFacts> = kinds.iter().map(|k| (key(k), k)).collect();
    let others: Vec<&TypeFacts> = kinds.iter().step_by(kinds.len().div_ceil(9)).collect();
    let answers = |from: &TypeFacts, to: &TypeFacts| -> Vec<(String, CheckStatus)> {
        let checks = fits(&like(from), Some(from), to).into_iter();
        checks.map(|c| (c.name, c.status)).collect()
    };
    let mut types = 0;
    for row in catalog::rows() {
        let facts = row.facts();
        let first = of_kind[&key(&facts)];
        types += 1;
        for other in &others {
            let place = format!("{} as {} and {}", facts.name, first.name, other.name);
            assert_eq!(answers(&facts, other), answers(first, other), "{place}");
            assert_eq!(answers(other, &facts), answers(other, first), "{place}");
        }
    }
    assert_eq!(types, 1263);
}

/// Where two instances have the same architecture, virtualization and boot mode, each may become what the other is, as
/// far as those three go; and where one of the three stands against the one way, it stands against the other.
#[test]
fn architecture_virtualization_and_boot_mode_are_symmetric() {
    let three = ["type_architecture", "type_virtualization", "type_boot_mode"];
    let said = |seen: &InstanceFacts, to: &TypeFacts| -> Vec<String> {
        let checks = fits(seen, None, to);
        let refused = refusals(&checks).into_iter();
        let ours = refused.filter(|name| three.contains(name));
        ours.map(str::to_owned).collect()
    };
    let (kinds, mut equal) = (kinds(), 0);
    for a in &kinds {
        for b in &kinds {
            let (of_a, of_b) = (like(a), like(b));
            let facts = |i: &InstanceFacts| {
                (
                    i.architecture.clone(),
                    i.virtualization.clone(),
                    i.boot_mode.clone(),
                )
            };
            if facts(&of_a) == facts(&of_b) {
                equal += 1;
                assert_eq!(said(&of_a, b), [""; 0], "{} {}", a.name, b.name);
            }
            if said(&of_a, b).contains(&three[0].to_owned()) {
                assert!(
                    said(&of_b, a).contains(&three[0].to_owned()),
                    "{} {}",
                    a.name,
                    b.name
                );
            }
        }
    }
    assert!(equal > kinds.len(), "{equal}");
}
