//! EC2's replies as our nouns. An error is the sentence that says what the reply lacks.

use aws_sdk_ec2::types::{
    CapacityReservationSpecificationResponse, Instance, InstanceLifecycleType, InstanceTypeInfo,
};
use aws_smithy_types::DateTime;

use crate::model::{
    InstanceFacts, InstanceId, InstanceType, PlacementGroup, RunState, Timestamp, TypeFacts,
};

/// The tag that Auto Scaling sets on its instances (Auto Scaling User Guide, "Tag Auto Scaling groups").
const AUTO_SCALING_TAG: &str = "aws:autoscaling:groupName";

pub(super) fn instance(
    id: &InstanceId,
    i: &Instance,
    account: &str,
    region: &str,
) -> Result<InstanceFacts, String> {
    let state = i
        .state()
        .and_then(|s| s.name())
        .map(|n| n.as_str())
        .unwrap_or_default();
    let type_name = i.instance_type().map(|t| t.as_str()).unwrap_or_default();
    let placement = i.placement();
    let public_ip = i.public_ip_address();
    Ok(InstanceFacts {
        id: id.clone(),
        account: account.to_owned(),
        region: region.to_owned(),
        zone: placement
            .and_then(|p| p.availability_zone())
            .ok_or_else(|| format!("expected the zone of {id}, found none"))?
            .to_owned(),
        instance_type: InstanceType::new(type_name).map_err(|e| format!("{id}: {e}"))?,
        state: RunState::parse(state)
            .ok_or_else(|| format!("expected a state of {id}, found '{state}'"))?,
        state_reason: i.state_reason().and_then(reason),
        architecture: word(i.architecture().map(|a| a.as_str())),
        virtualization: word(i.virtualization_type().map(|v| v.as_str())),
        boot_mode: i
            .current_instance_boot_mode()
            .map(|m| m.as_str().to_owned()),
        root_device_type: word(i.root_device_type().map(|d| d.as_str())),
        ena_support: i.ena_support().unwrap_or(false),
        ebs_optimized: i.ebs_optimized().unwrap_or(false),
        network_interfaces: count(i.network_interfaces().len()),
        network_cards: i
            .network_interfaces()
            .iter()
            .filter_map(|n| n.attachment()?.network_card_index())
            .filter_map(|index| u32::try_from(index).ok())
            .max()
            .unwrap_or(0)
            .saturating_add(1),
        volumes: count(
            i.block_device_mappings()
                .iter()
                .filter(|m| m.ebs().is_some())
                .count(),
        ),
        spot: i.instance_lifecycle() == Some(&InstanceLifecycleType::Spot),
        spot_request: None,
        hibernation: i
            .hibernation_options()
            .and_then(|h| h.configured())
            .unwrap_or(false),
        stop_protection: None,
        auto_scaling_group: i
            .tags()
            .iter()
            .find(|t| t.key() == Some(AUTO_SCALING_TAG))
            .and_then(|t| t.value())
            .map(str::to_owned),
        auto_scaling: None,
        operator_managed: i.operator().and_then(|o| o.managed()).unwrap_or(false),
        tenancy: placement
            .and_then(|p| p.tenancy())
            .map_or("default", |t| t.as_str())
            .to_owned(),
        placement_group: placement
            .and_then(|p| p.group_name())
            .filter(|name| !name.is_empty())
            .map(|name| PlacementGroup {
                name: name.to_owned(),
                strategy: None,
            }),
        public_ip: public_ip.map(str::to_owned),
        elastic_ip: i
            .network_interfaces()
            .iter()
            .filter_map(|n| n.association())
            .any(|a| {
                // An automatic address belongs to "amazon", an Elastic IP to an account.
                a.public_ip() == public_ip && a.ip_owner_id().is_some_and(|o| o != "amazon")
            }),
        private_ip: i.private_ip_address().map(str::to_owned),
        launched_at: i.launch_time().and_then(timestamp),
        platform: platform(i.platform_details()),
        reservation_preference: i
            .capacity_reservation_specification()
            .and_then(reservation_preference),
        reservation: i.capacity_reservation_id().map(str::to_owned),
    })
}

pub(super) fn instance_type(t: &InstanceTypeInfo) -> Result<TypeFacts, String> {
    let name = t.instance_type().map(|n| n.as_str()).unwrap_or_default();
    let name = InstanceType::new(name).map_err(|e| e.to_string())?;
    let number = |n: Option<i64>, what: &str| {
        n.and_then(|n| u64::try_from(n).ok())
            .ok_or_else(|| format!("expected {what} of {name}, found none"))
    };
    let vcpus = number(
        t.v_cpu_info()
            .and_then(|v| v.default_v_cpus())
            .map(i64::from),
        "the vCPUs",
    )?;
    let memory_mib = number(t.memory_info().and_then(|m| m.size_in_mib()), "the memory")?;
    let network = t.network_info();
    let ebs = t.ebs_info();
    Ok(TypeFacts {
        architectures: t
            .processor_info()
            .map(|p| words(p.supported_architectures().iter().map(|a| a.as_str())))
            .unwrap_or_default(),
        virtualization: words(
            t.supported_virtualization_types()
                .iter()
                .map(|v| v.as_str()),
        ),
        boot_modes: words(t.supported_boot_modes().iter().map(|m| m.as_str())),
        root_devices: words(t.supported_root_device_types().iter().map(|d| d.as_str())),
        ena: support(network.and_then(|n| n.ena_support()).map(|e| e.as_str())),
        nvme: support(ebs.and_then(|e| e.nvme_support()).map(|n| n.as_str())),
        ebs_optimized: support(
            ebs.and_then(|e| e.ebs_optimized_support())
                .map(|o| o.as_str()),
        ),
        max_interfaces: network
            .and_then(|n| n.maximum_network_interfaces())
            .and_then(|n| u32::try_from(n).ok())
            .unwrap_or(1),
        max_cards: network
            .and_then(|n| n.maximum_network_cards())
            .and_then(|n| u32::try_from(n).ok())
            .unwrap_or(1),
        shared_attachments: ebs
            .and_then(|e| e.attachment_limit_type())
            .map(|t| t.as_str() == "shared"),
        placement: t
            .placement_group_info()
            .map(|p| words(p.supported_strategies().iter().map(|s| s.as_str())))
            .unwrap_or_default(),
        instance_storage: t.instance_storage_supported().unwrap_or(false),
        max_volumes: ebs
            .and_then(|e| e.maximum_ebs_attachments())
            .and_then(|n| u32::try_from(n).ok()),
        usage_classes: words(t.supported_usage_classes().iter().map(|c| c.as_str())),
        vcpus: u32::try_from(vcpus).unwrap_or(u32::MAX),
        memory_mib,
        gpu: t.gpu_info().is_some_and(|g| !g.gpus().is_empty()),
        gpu_maker: t
            .gpu_info()
            .and_then(|g| g.gpus().first()?.manufacturer())
            .map(str::to_owned),
        dedicated_hosts: t.dedicated_hosts_supported().unwrap_or(false),
        name,
    })
}

/// `PlatformDetails` and a reservation's `InstancePlatform` say the same, but for a word (EC2 API).
fn platform(details: Option<&str>) -> String {
    match details {
        None | Some("") => "Linux/UNIX",
        Some("Red Hat Enterprise Linux with HA") => "RHEL with HA",
        Some(other) => other,
    }
    .to_owned()
}

fn reservation_preference(s: &CapacityReservationSpecificationResponse) -> Option<String> {
    match s.capacity_reservation_target() {
        Some(_) => Some("targeted".into()),
        None => Some(s.capacity_reservation_preference()?.as_str().to_owned()),
    }
}

/// `Server.InsufficientInstanceCapacity: …`: the message mostly repeats the code.
fn reason(r: &aws_sdk_ec2::types::StateReason) -> Option<String> {
    match (r.code(), r.message()) {
        (Some(code), Some(text)) if text.starts_with(code) => Some(text.to_owned()),
        (Some(code), Some(text)) if !text.is_empty() => Some(format!("{code}: {text}")),
        (Some(code), _) => Some(code.to_owned()),
        (None, text) => text.map(str::to_owned),
    }
    .filter(|t| !t.is_empty())
}

pub(super) fn timestamp(t: &DateTime) -> Option<Timestamp> {
    Timestamp::new(t.secs(), i32::try_from(t.subsec_nanos()).ok()?).ok()
}

fn count(n: usize) -> u32 {
    u32::try_from(n).unwrap_or(u32::MAX)
}

fn word(w: Option<&str>) -> String {
    w.unwrap_or_default().to_owned()
}

fn support(w: Option<&str>) -> String {
    w.unwrap_or("unsupported").to_owned()
}

fn words<'a>(all: impl Iterator<Item = &'a str>) -> Vec<String> {
    all.map(str::to_owned).collect()
}
