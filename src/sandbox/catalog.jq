# Makes catalog.json from a list of DescribeInstanceTypes documents that also say, under `_Zones_us_east_1`,
# where each type is offered. A row a line; the order of the fields is that of `catalog::Row`.
#   jq -rf catalog.jq instance-types.json > catalog.json
[ sort_by(.InstanceType)[] | [
    .InstanceType,
    .VCpuInfo.DefaultVCpus,
    .MemoryInfo.SizeInMiB,
    (.ProcessorInfo.SupportedArchitectures | join(" ")),
    (.SupportedVirtualizationTypes | join(" ")),
    (.SupportedBootModes | join(" ")),
    (.SupportedRootDeviceTypes | join(" ")),
    (.SupportedUsageClasses | join(" ")),
    .NetworkInfo.EnaSupport,
    .EbsInfo.NvmeSupport,
    .EbsInfo.EbsOptimizedSupport,
    .NetworkInfo.MaximumNetworkInterfaces,
    .NetworkInfo.MaximumNetworkCards,
    .EbsInfo.MaximumEbsAttachments,
    .EbsInfo.AttachmentLimitType,
    (.GpuInfo.TotalGpuMemoryInMiB // 0),
    (.GpuInfo.Gpus[0].Manufacturer // ""),
    (.Hypervisor // ""),
    .CurrentGeneration, .BareMetal, .HibernationSupported, .DedicatedHostsSupported, .InstanceStorageSupported, .BurstablePerformanceSupported,
    (.PlacementGroupInfo.SupportedStrategies | join(" ")),
    .NetworkInfo.NetworkPerformance,
    (._Zones_us_east_1 | map(.[-1:]) | join(""))
  ] | tojson ] | "[\n" + join(",\n") + "\n]"
