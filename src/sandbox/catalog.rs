//! The instance types of AWS, as `DescribeInstanceTypes` and `DescribeInstanceTypeOfferings` of us-east-1
//! tell them: the fields that decide whether one type can become another. What no zone there offers is kept
//! too, for the rules, and is in no answer of the sandbox.
//!
//! `catalog.json` is made by `catalog.jq` from the instance-type data of moto 5.2.1 (Apache-2.0), which
//! are facts published by AWS. It is parsed at the first question about a type, not before.

use std::sync::OnceLock;

use serde::Deserialize;

use crate::model::{InstanceType, TypeFacts};

/// One type. In `catalog.json` it is a row in this order; lists are words between spaces.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
pub struct Row {
    /// `InstanceType`.
    pub name: &'static str,
    /// `VCpuInfo.DefaultVCpus`.
    pub vcpus: u32,
    /// `MemoryInfo.SizeInMiB`.
    pub memory_mib: u64,
    /// `ProcessorInfo.SupportedArchitectures`.
    pub architectures: &'static str,
    /// `SupportedVirtualizationTypes`.
    pub virtualization: &'static str,
    /// `SupportedBootModes`.
    pub boot_modes: &'static str,
    /// `SupportedRootDeviceTypes`.
    pub root_devices: &'static str,
    /// `SupportedUsageClasses`.
    pub usage_classes: &'static str,
    /// `NetworkInfo.EnaSupport`.
    pub ena: &'static str,
    /// `EbsInfo.NvmeSupport`.
    pub nvme: &'static str,
    /// `EbsInfo.EbsOptimizedSupport`.
    pub ebs_optimized: &'static str,
    /// `NetworkInfo.MaximumNetworkInterfaces`.
    pub max_interfaces: u32,
    /// `NetworkInfo.MaximumNetworkCards`.
    pub max_cards: u32,
    /// `EbsInfo.MaximumEbsAttachments`.
    pub max_volumes: u32,
    /// `EbsInfo.AttachmentLimitType`: `shared` or `dedicated`.
    pub attachment_limit: &'static str,
    /// `GpuInfo.TotalGpuMemoryInMiB`; 0 where there is no GPU.
    pub gpu_memory_mib: u64,
    /// `GpuInfo.Gpus[].Manufacturer`; empty where there is no GPU.
    pub gpu_maker: &'static str,
    /// `Hypervisor`; empty for bare metal.
    pub hypervisor: &'static str,
    /// `CurrentGeneration`.
    pub current_generation: bool,
    /// `BareMetal`.
    pub bare_metal: bool,
    /// `HibernationSupported`.
    pub hibernation: bool,
    /// `DedicatedHostsSupported`.
    pub dedicated_hosts: bool,
    /// `InstanceStorageSupported`.
    pub instance_storage: bool,
    /// `BurstablePerformanceSupported`.
    pub burstable: bool,
    /// `PlacementGroupInfo.SupportedStrategies`.
    pub placement: &'static str,
    /// `NetworkInfo.NetworkPerformance`.
    pub network_performance: &'static str,
    /// The last letters of the zones of us-east-1 that offer it.
    pub zone_letters: &'static str,
}

impl Row {
    /// Whether the type is offered in this zone (`us-east-1a`).
    pub fn offered_in(&self, zone: &str) -> bool {
        zone.strip_prefix("us-east-1")
            .is_some_and(|letter| letter.len() == 1 && self.zone_letters.contains(letter))
    }

    fn is_in_region(&self) -> bool {
        !self.zone_letters.is_empty()
    }

    /// Whether a list of words holds this one.
    pub fn has(words: &str, word: &str) -> bool {
        words.split(' ').any(|w| w == word)
    }

    /// The same in the nouns of the program.
    pub fn facts(&self) -> TypeFacts {
        let words = |text: &str| text.split_whitespace().map(str::to_owned).collect();
        TypeFacts {
            name: InstanceType::new(self.name).expect("the catalogue's names are types"),
            architectures: words(self.architectures),
            virtualization: words(self.virtualization),
            boot_modes: words(self.boot_modes),
            root_devices: words(self.root_devices),
            ena: self.ena.to_owned(),
            nvme: self.nvme.to_owned(),
            ebs_optimized: self.ebs_optimized.to_owned(),
            max_interfaces: self.max_interfaces,
            max_cards: self.max_cards,
            max_volumes: Some(self.max_volumes),
            shared_attachments: Some(self.attachment_limit == "shared"),
            placement: words(self.placement),
            instance_storage: self.instance_storage,
            usage_classes: words(self.usage_classes),
            vcpus: self.vcpus,
            memory_mib: self.memory_mib,
            gpu: !self.gpu_maker.is_empty(),
            gpu_maker: (!self.gpu_maker.is_empty()).then(|| self.gpu_maker.to_owned()),
            dedicated_hosts: self.dedicated_hosts,
        }
    }
}

/// Every type of the region, by name in order.
pub fn all() -> impl Iterator<Item = &'static Row> {
    rows().iter().filter(|row| row.is_in_region())
}

/// Every type that there is, by name in order.
pub fn rows() -> &'static [Row] {
    static ROWS: OnceLock<Vec<Row>> = OnceLock::new();
    ROWS.get_or_init(|| {
        serde_json::from_str(include_str!("catalog.json")).expect("tests parse the catalogue")
    })
}

/// The type with this name; None: the region has none of that name.
pub fn find(name: &str) -> Option<&'static Row> {
    let rows = rows();
    rows.binary_search_by(|row| row.name.cmp(name))
        .ok()
        .map(|at| &rows[at])
        .filter(|row| row.is_in_region())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_row_parses_and_can_be_found_by_name() {
        assert_eq!((rows().len(), all().count()), (1263, 1243));
        for row in all() {
            assert_eq!(find(row.name), Some(row));
            assert!(!row.facts().architectures.is_empty(), "{}", row.name);
            assert!(!row.zone_letters.is_empty(), "{}", row.name);
        }
        assert_eq!(find("t3.enormous"), None);
    }

    #[test]
    fn t3_large_is_what_aws_says() {
        let facts = find("t3.large").unwrap().facts();
        assert_eq!((facts.vcpus, facts.memory_mib), (2, 8192));
        assert_eq!(facts.architectures, ["x86_64"]);
        assert_eq!(facts.boot_modes, ["legacy-bios", "uefi"]);
        assert_eq!(
            (facts.ena.as_str(), facts.nvme.as_str()),
            ("required", "required")
        );
        assert_eq!((facts.max_interfaces, facts.max_volumes), (3, Some(27)));
        assert!(!facts.gpu);
        assert!(find("g5.xlarge").unwrap().facts().gpu);
    }

    #[test]
    fn an_offering_is_by_zone() {
        let row = find("t3.large").unwrap();
        assert!(row.offered_in("us-east-1a"));
        assert!(!row.offered_in("us-east-1e"));
        assert!(!row.offered_in("us-east-1"));
        assert!(!row.offered_in("eu-west-1a"));
    }
}
