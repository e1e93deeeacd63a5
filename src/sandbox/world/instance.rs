//! An instance: what EC2 knows of it, and when the next thing happens to it.

use std::collections::BTreeMap;

use jiff::SignedDuration;
use serde::{Deserialize, Serialize};

use crate::cloud::StatusChecks;
use crate::model::{
    AutoScalingFacts, InstanceFacts, InstanceId, InstanceType, PlacementGroup, RunState, Timestamp,
};
use crate::sandbox::boot::BadBoot;

/// How often the agent pings while it is there (Systems Manager User Guide: every five minutes).
const PING_EVERY_S: i64 = 300;

/// An EC2 instance. The plain fields are facts that a test may set before it begins.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Instance {
    /// `InstanceId`.
    pub id: InstanceId,
    /// `InstanceType`.
    pub instance_type: InstanceType,
    /// `State`.
    pub state: RunState,
    /// When the present transition ends (pending, stopping, shutting-down), or a terminated instance is
    /// forgotten. None: it stays as it is.
    pub due_at: Option<Timestamp>,
    /// With this the start ends in `stopped` instead of `running`.
    pub start_will_fail: Option<StateReason>,
    /// `StateReason`.
    pub state_reason: Option<StateReason>,
    /// `StateTransitionReason`, empty where nobody asked for the state.
    pub transition_reason: String,
    /// `LaunchTime`: launched or last started.
    pub launched_at: Timestamp,
    /// Since when it is `running`.
    pub running_since: Option<Timestamp>,
    /// When its status checks are (or were) decided after the start.
    pub checked_at: Option<Timestamp>,
    /// From when the agent is online; None while the instance is not running.
    pub agent_at: Option<Timestamp>,
    /// The last ping of the agent before it went away; None: it was never registered.
    pub last_ping: Option<Timestamp>,
    /// Whether an agent is installed that can reach Systems Manager.
    pub agent_installed: bool,
    /// `ImageId`.
    pub image_id: String,
    /// `Architecture`.
    pub architecture: String,
    /// `VirtualizationType`.
    pub virtualization: String,
    /// `CurrentInstanceBootMode`.
    pub boot_mode: String,
    /// `RootDeviceType`.
    pub root_device_type: String,
    /// `RootDeviceName`.
    pub root_device_name: String,
    /// `EnaSupport`.
    pub ena_support: bool,
    /// `EbsOptimized`.
    pub ebs_optimized: bool,
    /// `BlockDeviceMappings`.
    pub volumes: Vec<Volume>,
    /// `NetworkInterfaces`, the primary one first.
    pub interfaces: Vec<Interface>,
    /// `InstanceLifecycle` is spot, and of which kind.
    pub spot: Option<Spot>,
    /// `HibernationOptions.Configured`.
    pub hibernation: bool,
    /// Attribute `disableApiStop`.
    pub stop_protection: bool,
    /// Attribute `disableApiTermination`.
    pub termination_protection: bool,
    /// `Operator.Principal`: managed by a service provider.
    pub operator: Option<String>,
    /// The system on it ignores the ACPI shutdown: only a forced stop gets it out of `stopping`.
    pub ignores_shutdown: bool,
    /// Its instance status check fails.
    pub impaired: bool,
    /// What is wrong with its present boot.
    #[serde(default)]
    pub bad_boot: BadBoot,
    /// Its Auto Scaling group has it in standby.
    pub auto_scaling_standby: bool,
    /// The processes of its Auto Scaling group that are suspended.
    #[serde(default)]
    pub suspended_processes: Vec<String>,
    /// `Placement.Tenancy`.
    pub tenancy: String,
    /// `Placement.GroupName`, and how that group places (`Strategy`).
    #[serde(default)]
    pub placement_group: Option<(String, String)>,
    /// `Placement.AvailabilityZone`.
    pub zone: String,
    /// `VpcId`.
    pub vpc_id: String,
    /// `SubnetId`.
    pub subnet_id: String,
    /// `KeyName`.
    pub key_name: Option<String>,
    /// Attribute `userData`, in base64.
    pub user_data: Option<String>,
    /// Its public IPv4 address while it has an automatic one.
    pub public_ip: Option<String>,
    /// The Elastic IP that is attached; it survives a stop.
    pub elastic_ip: Option<ElasticIp>,
    /// Its tags.
    pub tags: BTreeMap<String, String>,
    /// `CapacityReservationPreference`: `open` or `none`.
    #[serde(default = "open")]
    pub reservation_preference: String,
    /// The capacity reservation that it runs in.
    #[serde(default)]
    pub reservation: Option<String>,
}

pub(super) fn open() -> String {
    "open".into()
}

/// `StateReason`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct StateReason {
    /// Such as `Server.InsufficientInstanceCapacity`.
    pub code: String,
    /// In words.
    pub message: String,
}

/// How long a Spot request lasts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Spot {
    /// The instance cannot be stopped.
    OneTime,
    /// It can.
    Persistent,
}

/// An attached EBS volume.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Volume {
    /// `VolumeId`.
    pub id: String,
    /// `DeviceName`.
    pub device: String,
    /// Size in GiB.
    pub size_gib: u32,
    /// Its tags.
    pub tags: BTreeMap<String, String>,
}

/// An attached network interface.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Interface {
    /// `NetworkInterfaceId`.
    pub id: String,
    /// Its private IPv4 address.
    pub private_ip: String,
    /// `Attachment.NetworkCardIndex`.
    #[serde(default)]
    pub card: u32,
}

/// An Elastic IP that is attached.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ElasticIp {
    /// The address.
    pub address: String,
    /// `AllocationId`.
    pub allocation_id: String,
    /// `AssociationId`.
    pub association_id: String,
}

impl Instance {
    /// The address it is reached at from outside now.
    pub fn address(&self) -> Option<&str> {
        self.elastic_ip
            .as_ref()
            .map(|e| e.address.as_str())
            .or(self.public_ip.as_deref())
    }

    /// The Auto Scaling group it belongs to: the tag that only AWS can set.
    pub fn auto_scaling_group(&self) -> Option<&str> {
        self.tags
            .get("aws:autoscaling:groupName")
            .map(String::as_str)
    }

    /// `SpotInstanceRequestId`, of a Spot instance.
    pub fn spot_request_id(&self) -> Option<String> {
        let tail = &self.id.as_str()[self.id.as_str().len() - 8..];
        let mark = if self.spot? == Spot::OneTime {
            "o"
        } else {
            "p"
        };
        Some(format!("sir-{mark}{tail}"))
    }

    /// Whether its Auto Scaling group sees that it does not run, and replaces it (Amazon EC2 Auto Scaling User Guide,
    /// "Suspend and resume processes"; an instance in standby is not looked at).
    pub fn is_replaced(&self) -> bool {
        let off = |process: &&str| self.suspended_processes.iter().any(|p| p == process);
        self.auto_scaling_group().is_some()
            && !self.auto_scaling_standby
            && !["HealthCheck", "ReplaceUnhealthy", "Terminate"]
                .iter()
                .any(off)
    }

    /// `LifecycleState` in its Auto Scaling group.
    pub fn lifecycle(&self) -> &'static str {
        match (self.auto_scaling_standby, self.state) {
            (_, RunState::Terminated | RunState::ShuttingDown) => "Terminating",
            (true, _) => "Standby",
            (false, _) => "InService",
        }
    }

    /// Whether the agent takes commands.
    pub fn agent_online(&self, now: Timestamp) -> bool {
        self.agent_installed
            && self.state == RunState::Running
            && self.agent_at.is_some_and(|at| at <= now)
    }

    /// `LastPingDateTime`: while online every five minutes since the agent came up, else the last one
    /// before it went.
    pub fn last_ping(&self, now: Timestamp) -> Option<Timestamp> {
        match self.agent_at {
            Some(at) if self.agent_online(now) => {
                let since = now.duration_since(at).as_secs();
                Some(at + SignedDuration::from_secs(since - since % PING_EVERY_S))
            }
            _ => self.last_ping,
        }
    }

    /// `PingStatus`, or None while the agent never registered. Systems Manager notices a silent agent only
    /// when a ping is missing: right after a stop, and after the start that follows, it still says `Online`.
    pub fn ping_status(&self, now: Timestamp) -> Option<&'static str> {
        let last = self.last_ping(now)?;
        let silent = now.duration_since(last).as_secs();
        Some(if self.agent_online(now) || silent < PING_EVERY_S {
            "Online"
        } else {
            "ConnectionLost"
        })
    }

    /// The two status checks.
    pub fn status_checks(&self, now: Timestamp) -> StatusChecks {
        let (instance, system) = match (self.state, self.checked_at) {
            (RunState::Running, Some(at)) if at <= now => {
                let impaired = self.impaired || self.bad_boot.checks;
                (if impaired { "impaired" } else { "ok" }, "ok")
            }
            (RunState::Running | RunState::Pending, _) => ("initializing", "initializing"),
            _ => ("not-applicable", "not-applicable"),
        };
        StatusChecks {
            instance: instance.into(),
            system: system.into(),
        }
    }

    /// What its serial console shows of the present boot; None while it does not run.
    pub fn console(&self) -> Option<String> {
        let since = self.running_since?;
        Some(format!(
            "[    0.000000] Linux ({}), {}\r\n[    0.100000] boot of {} at {since}\r\n{}",
            self.architecture,
            self.instance_type,
            self.id,
            self.bad_boot.console()
        ))
    }

    /// `DescribeInstances` in the nouns of the program.
    pub fn facts(&self, account: &str, region: &str) -> InstanceFacts {
        InstanceFacts {
            id: self.id.clone(),
            account: account.to_owned(),
            region: region.to_owned(),
            zone: self.zone.clone(),
            instance_type: self.instance_type.clone(),
            state: self.state,
            state_reason: self
                .state_reason
                .as_ref()
                .map(|r| format!("{}: {}", r.code, r.message)),
            architecture: self.architecture.clone(),
            virtualization: self.virtualization.clone(),
            boot_mode: Some(self.boot_mode.clone()),
            root_device_type: self.root_device_type.clone(),
            ena_support: self.ena_support,
            ebs_optimized: self.ebs_optimized,
            network_interfaces: count(self.interfaces.len()),
            network_cards: self.interfaces.iter().map(|i| i.card).max().unwrap_or(0) + 1,
            volumes: count(self.volumes.len()),
            spot: self.spot.is_some(),
            spot_request: None,
            hibernation: self.hibernation,
            stop_protection: None,
            auto_scaling_group: self.auto_scaling_group().map(str::to_owned),
            auto_scaling: None,
            operator_managed: self.operator.is_some(),
            tenancy: self.tenancy.clone(),
            placement_group: self
                .placement_group
                .as_ref()
                .map(|(name, _)| PlacementGroup {
                    name: name.clone(),
                    strategy: None,
                }),
            public_ip: self.address().map(str::to_owned),
            elastic_ip: self.elastic_ip.is_some(),
            private_ip: self.interfaces.first().map(|i| i.private_ip.clone()),
            launched_at: Some(self.launched_at),
            platform: "Linux/UNIX".into(),
            reservation_preference: Some(self.reservation_preference.clone()),
            reservation: self.reservation.clone(),
        }
    }

    /// The same with what other calls than `DescribeInstances` say.
    pub fn complete(&self, mut facts: InstanceFacts) -> InstanceFacts {
        facts.stop_protection = Some(self.stop_protection);
        if let (Some(group), Some((_, strategy))) =
            (&mut facts.placement_group, &self.placement_group)
        {
            group.strategy = Some(strategy.clone());
        }
        facts.spot_request = self.spot.map(|kind| kind.as_str().to_owned());
        facts.auto_scaling = self.auto_scaling_group().map(|_| AutoScalingFacts {
            lifecycle: self.lifecycle().to_owned(),
            suspended: self.suspended_processes.clone(),
        });
        facts
    }
}

impl Spot {
    /// EC2's own word for it (`SpotInstanceType`).
    pub fn as_str(self) -> &'static str {
        match self {
            Spot::OneTime => "one-time",
            Spot::Persistent => "persistent",
        }
    }
}

fn count(n: usize) -> u32 {
    u32::try_from(n).unwrap_or(u32::MAX)
}
