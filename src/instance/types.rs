//! Real entries of `DescribeInstanceTypes`, for tests: each family here is awkward in its own way.

use serde_json::Value;

use crate::model::{InstanceType, TypeFacts};

/// The facts of one of the types below.
pub fn type_facts(name: &str) -> TypeFacts {
    all()
        .into_iter()
        .find(|t| t.name.as_str() == name)
        .unwrap_or_else(|| panic!("no {name} in the table"))
}

/// Every type below.
pub fn all() -> Vec<TypeFacts> {
    let rows: Vec<Value> = serde_json::from_str(TYPES).expect("the table is JSON");
    rows.iter()
        .map(|row| type_facts_from_json(row).expect("the row is whole"))
        .collect()
}

/// Reads an entry of `DescribeInstanceTypes`, in AWS's own JSON.
pub fn type_facts_from_json(entry: &Value) -> Option<TypeFacts> {
    let text = |v: &Value| v.as_str().map(str::to_owned);
    let texts = |v: &Value| v.as_array()?.iter().map(text).collect::<Option<Vec<_>>>();
    let number = |v: &Value| u32::try_from(v.as_u64()?).ok();
    Some(TypeFacts {
        name: InstanceType::new(text(&entry["InstanceType"])?).ok()?,
        architectures: texts(&entry["ProcessorInfo"]["SupportedArchitectures"])?,
        virtualization: texts(&entry["SupportedVirtualizationTypes"])?,
        boot_modes: texts(&entry["SupportedBootModes"])?,
        root_devices: texts(&entry["SupportedRootDeviceTypes"])?,
        ena: text(&entry["NetworkInfo"]["EnaSupport"])?,
        nvme: text(&entry["EbsInfo"]["NvmeSupport"])?,
        ebs_optimized: text(&entry["EbsInfo"]["EbsOptimizedSupport"])?,
        max_interfaces: number(&entry["NetworkInfo"]["MaximumNetworkInterfaces"])?,
        max_volumes: number(&entry["EbsInfo"]["MaximumEbsAttachments"]),
        usage_classes: texts(&entry["SupportedUsageClasses"])?,
        vcpus: number(&entry["VCpuInfo"]["DefaultVCpus"])?,
        memory_mib: entry["MemoryInfo"]["SizeInMiB"].as_u64()?,
        gpu: entry.get("GpuInfo").is_some(),
    })
}

/// As AWS publishes them; the fields that decide whether one type can become another.
const TYPES: &str = r#"[
{"InstanceType":"t3.nano","SupportedUsageClasses":["on-demand","spot"],"SupportedRootDeviceTypes":["ebs"],"SupportedVirtualizationTypes":["hvm"],"SupportedBootModes":["legacy-bios","uefi"],"ProcessorInfo":{"SupportedArchitectures":["x86_64"]},"VCpuInfo":{"DefaultVCpus":2},"MemoryInfo":{"SizeInMiB":512},"EbsInfo":{"EbsOptimizedSupport":"default","NvmeSupport":"required","MaximumEbsAttachments":27,"AttachmentLimitType":"shared"},"NetworkInfo":{"EnaSupport":"required","MaximumNetworkInterfaces":2,"MaximumNetworkCards":1}},
{"InstanceType":"t3.medium","SupportedUsageClasses":["on-demand","spot"],"SupportedRootDeviceTypes":["ebs"],"SupportedVirtualizationTypes":["hvm"],"SupportedBootModes":["legacy-bios","uefi"],"ProcessorInfo":{"SupportedArchitectures":["x86_64"]},"VCpuInfo":{"DefaultVCpus":2},"MemoryInfo":{"SizeInMiB":4096},"EbsInfo":{"EbsOptimizedSupport":"default","NvmeSupport":"required","MaximumEbsAttachments":27,"AttachmentLimitType":"shared"},"NetworkInfo":{"EnaSupport":"required","MaximumNetworkInterfaces":3,"MaximumNetworkCards":1}},
{"InstanceType":"t3.large","SupportedUsageClasses":["on-demand","spot"],"SupportedRootDeviceTypes":["ebs"],"SupportedVirtualizationTypes":["hvm"],"SupportedBootModes":["legacy-bios","uefi"],"ProcessorInfo":{"SupportedArchitectures":["x86_64"]},"VCpuInfo":{"DefaultVCpus":2},"MemoryInfo":{"SizeInMiB":8192},"EbsInfo":{"EbsOptimizedSupport":"default","NvmeSupport":"required","MaximumEbsAttachments":27,"AttachmentLimitType":"shared"},"NetworkInfo":{"EnaSupport":"required","MaximumNetworkInterfaces":3,"MaximumNetworkCards":1}},
{"InstanceType":"t2.medium","SupportedUsageClasses":["on-demand","spot"],"SupportedRootDeviceTypes":["ebs"],"SupportedVirtualizationTypes":["hvm"],"SupportedBootModes":["legacy-bios"],"ProcessorInfo":{"SupportedArchitectures":["i386","x86_64"]},"VCpuInfo":{"DefaultVCpus":2},"MemoryInfo":{"SizeInMiB":4096},"EbsInfo":{"EbsOptimizedSupport":"unsupported","NvmeSupport":"unsupported","MaximumEbsAttachments":40,"AttachmentLimitType":"shared"},"NetworkInfo":{"EnaSupport":"unsupported","MaximumNetworkInterfaces":3,"MaximumNetworkCards":1}},
{"InstanceType":"t1.micro","SupportedUsageClasses":["on-demand","spot"],"SupportedRootDeviceTypes":["ebs"],"SupportedVirtualizationTypes":["hvm","paravirtual"],"SupportedBootModes":["legacy-bios"],"ProcessorInfo":{"SupportedArchitectures":["i386","x86_64"]},"VCpuInfo":{"DefaultVCpus":1},"MemoryInfo":{"SizeInMiB":627},"EbsInfo":{"EbsOptimizedSupport":"unsupported","NvmeSupport":"unsupported","MaximumEbsAttachments":39,"AttachmentLimitType":"shared"},"NetworkInfo":{"EnaSupport":"unsupported","MaximumNetworkInterfaces":2,"MaximumNetworkCards":1}},
{"InstanceType":"m5.large","SupportedUsageClasses":["on-demand","spot"],"SupportedRootDeviceTypes":["ebs"],"SupportedVirtualizationTypes":["hvm"],"SupportedBootModes":["legacy-bios","uefi"],"ProcessorInfo":{"SupportedArchitectures":["x86_64"]},"VCpuInfo":{"DefaultVCpus":2},"MemoryInfo":{"SizeInMiB":8192},"EbsInfo":{"EbsOptimizedSupport":"default","NvmeSupport":"required","MaximumEbsAttachments":27,"AttachmentLimitType":"shared"},"NetworkInfo":{"EnaSupport":"required","MaximumNetworkInterfaces":3,"MaximumNetworkCards":1}},
{"InstanceType":"m5.metal","SupportedUsageClasses":["on-demand","spot"],"SupportedRootDeviceTypes":["ebs"],"SupportedVirtualizationTypes":["hvm"],"SupportedBootModes":["legacy-bios"],"ProcessorInfo":{"SupportedArchitectures":["x86_64"]},"VCpuInfo":{"DefaultVCpus":96},"MemoryInfo":{"SizeInMiB":393216},"EbsInfo":{"EbsOptimizedSupport":"default","NvmeSupport":"required","MaximumEbsAttachments":31,"AttachmentLimitType":"shared"},"NetworkInfo":{"EnaSupport":"required","MaximumNetworkInterfaces":15,"MaximumNetworkCards":1}},
{"InstanceType":"m4.large","SupportedUsageClasses":["on-demand","spot"],"SupportedRootDeviceTypes":["ebs"],"SupportedVirtualizationTypes":["hvm"],"SupportedBootModes":["legacy-bios"],"ProcessorInfo":{"SupportedArchitectures":["x86_64"]},"VCpuInfo":{"DefaultVCpus":2},"MemoryInfo":{"SizeInMiB":8192},"EbsInfo":{"EbsOptimizedSupport":"default","NvmeSupport":"unsupported","MaximumEbsAttachments":40,"AttachmentLimitType":"shared"},"NetworkInfo":{"EnaSupport":"unsupported","MaximumNetworkInterfaces":2,"MaximumNetworkCards":1}},
{"InstanceType":"m4.16xlarge","SupportedUsageClasses":["on-demand","spot"],"SupportedRootDeviceTypes":["ebs"],"SupportedVirtualizationTypes":["hvm"],"SupportedBootModes":["legacy-bios"],"ProcessorInfo":{"SupportedArchitectures":["x86_64"]},"VCpuInfo":{"DefaultVCpus":64},"MemoryInfo":{"SizeInMiB":262144},"EbsInfo":{"EbsOptimizedSupport":"default","NvmeSupport":"unsupported","MaximumEbsAttachments":40,"AttachmentLimitType":"shared"},"NetworkInfo":{"EnaSupport":"supported","MaximumNetworkInterfaces":8,"MaximumNetworkCards":1}},
{"InstanceType":"r4.large","SupportedUsageClasses":["on-demand","spot"],"SupportedRootDeviceTypes":["ebs"],"SupportedVirtualizationTypes":["hvm"],"SupportedBootModes":["legacy-bios"],"ProcessorInfo":{"SupportedArchitectures":["x86_64"]},"VCpuInfo":{"DefaultVCpus":2},"MemoryInfo":{"SizeInMiB":15616},"EbsInfo":{"EbsOptimizedSupport":"default","NvmeSupport":"unsupported","MaximumEbsAttachments":40,"AttachmentLimitType":"shared"},"NetworkInfo":{"EnaSupport":"supported","MaximumNetworkInterfaces":3,"MaximumNetworkCards":1}},
{"InstanceType":"i3.large","SupportedUsageClasses":["on-demand","spot"],"SupportedRootDeviceTypes":["ebs"],"SupportedVirtualizationTypes":["hvm"],"SupportedBootModes":["legacy-bios"],"ProcessorInfo":{"SupportedArchitectures":["x86_64"]},"VCpuInfo":{"DefaultVCpus":2},"MemoryInfo":{"SizeInMiB":15616},"EbsInfo":{"EbsOptimizedSupport":"default","NvmeSupport":"supported","MaximumEbsAttachments":40,"AttachmentLimitType":"shared"},"NetworkInfo":{"EnaSupport":"supported","MaximumNetworkInterfaces":3,"MaximumNetworkCards":1}},
{"InstanceType":"c6g.large","SupportedUsageClasses":["on-demand","spot"],"SupportedRootDeviceTypes":["ebs"],"SupportedVirtualizationTypes":["hvm"],"SupportedBootModes":["uefi"],"ProcessorInfo":{"SupportedArchitectures":["arm64"]},"VCpuInfo":{"DefaultVCpus":2},"MemoryInfo":{"SizeInMiB":4096},"EbsInfo":{"EbsOptimizedSupport":"default","NvmeSupport":"required","MaximumEbsAttachments":27,"AttachmentLimitType":"shared"},"NetworkInfo":{"EnaSupport":"required","MaximumNetworkInterfaces":3,"MaximumNetworkCards":1}},
{"InstanceType":"t4g.medium","SupportedUsageClasses":["on-demand","spot"],"SupportedRootDeviceTypes":["ebs"],"SupportedVirtualizationTypes":["hvm"],"SupportedBootModes":["uefi"],"ProcessorInfo":{"SupportedArchitectures":["arm64"]},"VCpuInfo":{"DefaultVCpus":2},"MemoryInfo":{"SizeInMiB":4096},"EbsInfo":{"EbsOptimizedSupport":"default","NvmeSupport":"required","MaximumEbsAttachments":27,"AttachmentLimitType":"shared"},"NetworkInfo":{"EnaSupport":"required","MaximumNetworkInterfaces":3,"MaximumNetworkCards":1}},
{"InstanceType":"g4dn.xlarge","SupportedUsageClasses":["on-demand","spot"],"SupportedRootDeviceTypes":["ebs"],"SupportedVirtualizationTypes":["hvm"],"SupportedBootModes":["legacy-bios","uefi"],"ProcessorInfo":{"SupportedArchitectures":["x86_64"]},"VCpuInfo":{"DefaultVCpus":4},"MemoryInfo":{"SizeInMiB":16384},"EbsInfo":{"EbsOptimizedSupport":"default","NvmeSupport":"required","MaximumEbsAttachments":25,"AttachmentLimitType":"shared"},"NetworkInfo":{"EnaSupport":"required","MaximumNetworkInterfaces":3,"MaximumNetworkCards":1},"GpuInfo":{}},
{"InstanceType":"c1.medium","SupportedUsageClasses":["on-demand","spot"],"SupportedRootDeviceTypes":["ebs","instance-store"],"SupportedVirtualizationTypes":["hvm","paravirtual"],"SupportedBootModes":["legacy-bios"],"ProcessorInfo":{"SupportedArchitectures":["i386","x86_64"]},"VCpuInfo":{"DefaultVCpus":2},"MemoryInfo":{"SizeInMiB":1740},"EbsInfo":{"EbsOptimizedSupport":"unsupported","NvmeSupport":"unsupported","MaximumEbsAttachments":39,"AttachmentLimitType":"shared"},"NetworkInfo":{"EnaSupport":"unsupported","MaximumNetworkInterfaces":2,"MaximumNetworkCards":1}},
{"InstanceType":"m1.small","SupportedUsageClasses":["on-demand","spot"],"SupportedRootDeviceTypes":["ebs","instance-store"],"SupportedVirtualizationTypes":["hvm","paravirtual"],"SupportedBootModes":["legacy-bios"],"ProcessorInfo":{"SupportedArchitectures":["i386","x86_64"]},"VCpuInfo":{"DefaultVCpus":1},"MemoryInfo":{"SizeInMiB":1740},"EbsInfo":{"EbsOptimizedSupport":"unsupported","NvmeSupport":"unsupported","MaximumEbsAttachments":39,"AttachmentLimitType":"shared"},"NetworkInfo":{"EnaSupport":"unsupported","MaximumNetworkInterfaces":2,"MaximumNetworkCards":1}},
{"InstanceType":"m3.medium","SupportedUsageClasses":["on-demand","spot"],"SupportedRootDeviceTypes":["ebs","instance-store"],"SupportedVirtualizationTypes":["hvm","paravirtual"],"SupportedBootModes":["legacy-bios"],"ProcessorInfo":{"SupportedArchitectures":["x86_64"]},"VCpuInfo":{"DefaultVCpus":1},"MemoryInfo":{"SizeInMiB":3840},"EbsInfo":{"EbsOptimizedSupport":"unsupported","NvmeSupport":"unsupported","MaximumEbsAttachments":39,"AttachmentLimitType":"shared"},"NetworkInfo":{"EnaSupport":"unsupported","MaximumNetworkInterfaces":2,"MaximumNetworkCards":1}},
{"InstanceType":"mac1.metal","SupportedUsageClasses":["on-demand"],"SupportedRootDeviceTypes":["ebs"],"SupportedVirtualizationTypes":["hvm"],"SupportedBootModes":["legacy-bios"],"ProcessorInfo":{"SupportedArchitectures":["x86_64_mac"]},"VCpuInfo":{"DefaultVCpus":12},"MemoryInfo":{"SizeInMiB":32768},"EbsInfo":{"EbsOptimizedSupport":"default","NvmeSupport":"required","MaximumEbsAttachments":16,"AttachmentLimitType":"shared"},"NetworkInfo":{"EnaSupport":"required","MaximumNetworkInterfaces":8,"MaximumNetworkCards":1}},
{"InstanceType":"mac2.metal","SupportedUsageClasses":["on-demand"],"SupportedRootDeviceTypes":["ebs"],"SupportedVirtualizationTypes":["hvm"],"SupportedBootModes":["legacy-bios"],"ProcessorInfo":{"SupportedArchitectures":["arm64_mac"]},"VCpuInfo":{"DefaultVCpus":8},"MemoryInfo":{"SizeInMiB":16384},"EbsInfo":{"EbsOptimizedSupport":"default","NvmeSupport":"required","MaximumEbsAttachments":10,"AttachmentLimitType":"shared"},"NetworkInfo":{"EnaSupport":"required","MaximumNetworkInterfaces":8,"MaximumNetworkCards":1}},
{"InstanceType":"p4d.24xlarge","SupportedUsageClasses":["capacity-block","on-demand","spot"],"SupportedRootDeviceTypes":["ebs"],"SupportedVirtualizationTypes":["hvm"],"SupportedBootModes":["legacy-bios"],"ProcessorInfo":{"SupportedArchitectures":["x86_64"]},"VCpuInfo":{"DefaultVCpus":96},"MemoryInfo":{"SizeInMiB":1179648},"EbsInfo":{"EbsOptimizedSupport":"default","NvmeSupport":"required","MaximumEbsAttachments":28,"AttachmentLimitType":"dedicated"},"NetworkInfo":{"EnaSupport":"required","MaximumNetworkInterfaces":60,"MaximumNetworkCards":4},"GpuInfo":{}},
{"InstanceType":"hpc7a.12xlarge","SupportedUsageClasses":["on-demand"],"SupportedRootDeviceTypes":["ebs"],"SupportedVirtualizationTypes":["hvm"],"SupportedBootModes":["legacy-bios","uefi"],"ProcessorInfo":{"SupportedArchitectures":["x86_64"]},"VCpuInfo":{"DefaultVCpus":24},"MemoryInfo":{"SizeInMiB":786432},"EbsInfo":{"EbsOptimizedSupport":"default","NvmeSupport":"required","MaximumEbsAttachments":27,"AttachmentLimitType":"dedicated"},"NetworkInfo":{"EnaSupport":"required","MaximumNetworkInterfaces":4,"MaximumNetworkCards":2}}
]"#;
