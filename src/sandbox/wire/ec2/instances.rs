//! `DescribeInstances` and `DescribeInstanceStatus`.

use super::change::{code, state};
use super::{AwsError, Filter, Params, Timestamp, World, Xml, moment, tag_set, tags_pass};
use crate::model::RunState;
use crate::sandbox::catalog;
use crate::sandbox::world::Instance;

/// The filters that the sandbox knows; others are refused, never ignored.
const FILTERS: &[&str] = &[
    "architecture",
    "availability-zone",
    "image-id",
    "instance-id",
    "instance-lifecycle",
    "instance-state-code",
    "instance-state-name",
    "instance-type",
    "ip-address",
    "private-ip-address",
    "root-device-type",
    "subnet-id",
    "tag-key",
    "tag:",
    "virtualization-type",
    "vpc-id",
];

pub(super) fn describe(
    world: &mut World,
    params: &Params,
    _now: Timestamp,
    x: &mut Xml,
) -> Result<(), AwsError> {
    let chosen = choose(world, params, "ec2:DescribeInstances", FILTERS)?;
    let account = &world.account;
    x.list("reservationSet", chosen, |x, id| {
        let i = &world.instances[id.as_str()];
        x.leaf("reservationId", format_args!("r-{}", &i.id.as_str()[2..]));
        x.leaf("ownerId", account);
        x.node("groupSet", |_| {});
        x.list("instancesSet", [i], |x, i| instance(x, i, account));
    });
    Ok(())
}

pub(super) fn status(
    world: &mut World,
    params: &Params,
    now: Timestamp,
    x: &mut Xml,
) -> Result<(), AwsError> {
    const KNOWN: &[&str] = &[
        "availability-zone",
        "instance-state-code",
        "instance-state-name",
    ];
    let all = params.flag("IncludeAllInstances")?;
    let chosen = choose(world, params, "ec2:DescribeInstanceStatus", KNOWN)?;
    let shown = chosen.iter().map(|id| &world.instances[id.as_str()]);
    x.list(
        "instanceStatusSet",
        shown.filter(|i| all || i.state == RunState::Running),
        |x, i| {
            let checks = i.status_checks(now);
            x.leaf("instanceId", &i.id);
            x.leaf("availabilityZone", &i.zone);
            state(x, "instanceState", i.state);
            for (tag, status) in [
                ("systemStatus", &checks.system),
                ("instanceStatus", &checks.instance),
            ] {
                x.node(tag, |x| {
                    x.leaf("status", status);
                    let detail = match status.as_str() {
                        "ok" => Some("passed"),
                        "impaired" => Some("failed"),
                        "initializing" => Some("initializing"),
                        _ => None,
                    };
                    if let Some(detail) = detail {
                        x.list("details", [detail], |x, detail| {
                            x.leaf("name", "reachability");
                            x.leaf("status", detail);
                        });
                    }
                });
            }
        },
    );
    Ok(())
}

/// The ids of the instances that are asked for, through the gate.
fn choose(
    world: &mut World,
    params: &Params,
    call: &str,
    known: &[&str],
) -> Result<Vec<String>, AwsError> {
    let ids = params.list("InstanceId");
    let filters = params.filters(known)?;
    world.gate_ids(call, &ids, params.flag("DryRun")?)?;
    let all: Vec<String> = world
        .instances
        .values()
        .filter(|i| ids.is_empty() || ids.contains(&i.id.as_str()))
        .filter(|i| filters.iter().all(|f| passes(f, i)))
        .map(|i| i.id.to_string())
        .collect();
    Ok(all)
}

fn passes(filter: &Filter, i: &Instance) -> bool {
    if let Some(answer) = tags_pass(filter, &i.tags) {
        return answer;
    }
    let number;
    let text = match filter.name.as_str() {
        "architecture" => &i.architecture,
        "availability-zone" => &i.zone,
        "image-id" => &i.image_id,
        "instance-id" => i.id.as_str(),
        "instance-lifecycle" if i.spot.is_some() => "spot",
        "instance-state-code" => {
            number = code(i.state).to_string();
            &number
        }
        "instance-state-name" => i.state.as_str(),
        "instance-type" => i.instance_type.as_str(),
        "ip-address" => i.address().unwrap_or_default(),
        "private-ip-address" => return i.interfaces.iter().any(|n| filter.takes(&n.private_ip)),
        "root-device-type" => &i.root_device_type,
        "subnet-id" => &i.subnet_id,
        "virtualization-type" => &i.virtualization,
        "vpc-id" => &i.vpc_id,
        _ => return false,
    };
    filter.takes(text)
}

fn instance(x: &mut Xml, i: &Instance, account: &str) {
    let gone = i.state == RunState::Terminated;
    x.leaf("instanceId", &i.id);
    x.leaf("imageId", &i.image_id);
    state(x, "instanceState", i.state);
    let primary = i.interfaces.first().filter(|_| !gone);
    let dashed = |ip: &str| ip.replace('.', "-");
    x.leaf(
        "privateDnsName",
        primary.map_or(String::new(), |n| {
            format!("ip-{}.ec2.internal", dashed(&n.private_ip))
        }),
    );
    x.leaf(
        "dnsName",
        i.address().map_or(String::new(), |ip| {
            format!("ec2-{}.compute-1.amazonaws.com", dashed(ip))
        }),
    );
    x.leaf("reason", &i.transition_reason);
    x.opt("keyName", i.key_name.as_ref());
    x.leaf("amiLaunchIndex", 0);
    x.node("productCodes", |_| {});
    x.leaf("instanceType", &i.instance_type);
    x.leaf("launchTime", moment(i.launched_at));
    x.node("placement", |x| {
        x.leaf("availabilityZone", &i.zone);
        let group = i.placement_group.as_ref();
        x.leaf("groupName", group.map_or("", |(name, _)| name));
        x.leaf("tenancy", &i.tenancy);
    });
    x.node("monitoring", |x| x.leaf("state", "disabled"));
    if !gone {
        x.leaf("subnetId", &i.subnet_id);
        x.leaf("vpcId", &i.vpc_id);
        x.opt("privateIpAddress", primary.map(|n| &n.private_ip));
    }
    x.opt("ipAddress", i.address());
    x.leaf("sourceDestCheck", true);
    x.node("groupSet", |_| {});
    if let Some(reason) = &i.state_reason {
        x.node("stateReason", |x| {
            x.leaf("code", &reason.code);
            x.leaf("message", &reason.message);
        });
    }
    x.leaf("architecture", &i.architecture);
    x.leaf("rootDeviceType", &i.root_device_type);
    x.leaf("rootDeviceName", &i.root_device_name);
    x.list(
        "blockDeviceMapping",
        i.volumes.iter().filter(|_| !gone),
        |x, volume| {
            x.leaf("deviceName", &volume.device);
            x.node("ebs", |x| {
                x.leaf("volumeId", &volume.id);
                x.leaf("status", "attached");
                x.leaf("attachTime", moment(i.launched_at));
                x.leaf("deleteOnTermination", volume.device == i.root_device_name);
            });
        },
    );
    x.leaf("virtualizationType", &i.virtualization);
    if let Some(request) = i.spot_request_id() {
        x.leaf("instanceLifecycle", "spot");
        x.leaf("spotInstanceRequestId", request);
    }
    x.leaf("clientToken", "");
    tag_set(x, &i.tags);
    x.leaf("hypervisor", "xen");
    x.list(
        "networkInterfaceSet",
        i.interfaces.iter().filter(|_| !gone).enumerate(),
        |x, (at, n)| {
            x.leaf("networkInterfaceId", &n.id);
            x.leaf("subnetId", &i.subnet_id);
            x.leaf("vpcId", &i.vpc_id);
            x.leaf("ownerId", account);
            x.leaf("status", "in-use");
            x.leaf("privateIpAddress", &n.private_ip);
            x.leaf("sourceDestCheck", true);
            x.leaf("interfaceType", "interface");
            x.node("attachment", |x| {
                x.leaf("attachmentId", n.id.replacen("eni-", "eni-attach-", 1));
                x.leaf("deviceIndex", at);
                x.leaf("status", "attached");
                x.leaf("attachTime", moment(i.launched_at));
                x.leaf("deleteOnTermination", at == 0);
                x.leaf("networkCardIndex", n.card);
            });
            if let (0, Some(ip)) = (at, i.address()) {
                // An automatic address belongs to Amazon, an Elastic IP to the account.
                let owner = if i.elastic_ip.is_some() {
                    account
                } else {
                    "amazon"
                };
                x.node("association", |x| {
                    x.leaf("publicIp", ip);
                    x.leaf("ipOwnerId", owner);
                });
            }
        },
    );
    x.leaf("ebsOptimized", i.ebs_optimized);
    x.leaf("enaSupport", i.ena_support);
    if let Some(row) = catalog::find(i.instance_type.as_str()) {
        x.node("cpuOptions", |x| {
            x.leaf("coreCount", row.vcpus.div_ceil(2));
            x.leaf("threadsPerCore", if row.vcpus > 1 { 2 } else { 1 });
        });
    }
    x.node("hibernationOptions", |x| {
        x.leaf("configured", i.hibernation)
    });
    x.opt("capacityReservationId", i.reservation.as_ref());
    x.node("capacityReservationSpecification", |x| {
        x.leaf("capacityReservationPreference", &i.reservation_preference);
    });
    x.leaf("currentInstanceBootMode", &i.boot_mode);
    x.leaf("platformDetails", "Linux/UNIX");
    x.leaf("usageOperation", "RunInstances");
    x.node("operator", |x| {
        x.leaf("managed", i.operator.is_some());
        x.opt("principal", i.operator.as_ref());
    });
}
