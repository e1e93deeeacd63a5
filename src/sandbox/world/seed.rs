//! What a new sandbox holds: one instance on which a stack has long been running, and its file system.

use std::collections::BTreeMap;

use jiff::SignedDuration;

use super::instance::open;
use super::{
    FileSystem, Instance, Interface, MountTarget, Parameters, Volume, WORLD_SCHEMA, World,
};
use crate::model::{FileSystemId, InstanceId, InstanceType, RunState, Timestamp};
use crate::sandbox::boot::BadBoot;
use crate::sandbox::fault::Faults;
use crate::sandbox::host::HostState;
use crate::sandbox::latency::Latency;
use crate::sandbox::registry::Registry;

/// The deployment that a new sandbox has.
pub const SEED_DEPLOYMENT: &str = "my-dev-stack";
/// Its instance.
pub const SEED_INSTANCE: &str = "i-0c5a1b7d9e2f34680";
/// Its file system.
pub const SEED_FILE_SYSTEM: &str = "fs-0a8d64c2e1f7b3590";

impl World {
    /// A new sandbox.
    pub fn new(now: Timestamp) -> Self {
        let launched_at = whole_second(now) - SignedDuration::from_hours(26);
        let mut world = Self {
            saves: 0,
            schema: WORLD_SCHEMA.into(),
            account: "123456789012".into(),
            region: "us-east-1".into(),
            zones: ["a", "b", "c", "d", "e", "f"]
                .map(|letter| format!("us-east-1{letter}"))
                .into(),
            latency: Latency::FAST,
            faults: Faults::default(),
            instances: BTreeMap::new(),
            hosts: BTreeMap::new(),
            file_systems: BTreeMap::new(),
            commands: Vec::new(),
            parameters: Parameters::default(),
            registry: Registry::default(),
            addresses: 0,
            reservations: BTreeMap::new(),
            reserved: 0,
        };
        let id = InstanceId::new(SEED_INSTANCE).expect("a constant");
        let mut instance = Instance::running(id, "t3.medium", "us-east-1a", launched_at);
        instance.tags.insert("Name".into(), SEED_DEPLOYMENT.into());
        instance.public_ip = Some(world.next_address());
        world.add_instance(instance);
        let id = FileSystemId::new(SEED_FILE_SYSTEM).expect("a constant");
        let file_system = FileSystem::available(id, SEED_DEPLOYMENT, &world.zones, launched_at);
        world
            .file_systems
            .insert(SEED_FILE_SYSTEM.into(), file_system);
        world
    }

    /// Puts an instance into the world, with a host of its own.
    pub fn add_instance(&mut self, instance: Instance) {
        let id = instance.id.to_string();
        self.hosts.insert(id.clone(), HostState::default());
        self.instances.insert(id, instance);
    }

    /// A public address that was not given out lately. They are from 203.0.113.0/24, which belongs to
    /// nobody (RFC 5737): whoever calls it reaches nothing.
    pub(super) fn next_address(&mut self) -> String {
        self.addresses = self.addresses % 253 + 1;
        format!("203.0.113.{}", self.addresses + 1)
    }
}

impl Instance {
    /// A plain instance that has been running since `launched_at`: x86_64, hvm, EBS root, ENA, one
    /// volume, one interface, an agent that is online. It has no public address yet.
    pub fn running(
        id: InstanceId,
        instance_type: &str,
        zone: &str,
        launched_at: Timestamp,
    ) -> Self {
        let tail = id.as_str().trim_start_matches("i-").to_owned();
        let up_at = launched_at + SignedDuration::from_secs(60);
        Self {
            instance_type: InstanceType::new(instance_type).expect("a type's alphabet"),
            state: RunState::Running,
            due_at: None,
            start_will_fail: None,
            state_reason: None,
            transition_reason: String::new(),
            launched_at,
            running_since: Some(up_at),
            checked_at: Some(up_at),
            agent_at: Some(up_at),
            last_ping: None,
            agent_installed: true,
            image_id: "ami-0e2c8caa4b6378d8c".into(),
            architecture: "x86_64".into(),
            virtualization: "hvm".into(),
            boot_mode: "legacy-bios".into(),
            root_device_type: "ebs".into(),
            root_device_name: "/dev/sda1".into(),
            ena_support: true,
            ebs_optimized: false,
            volumes: vec![Volume {
                id: format!("vol-{tail}"),
                device: "/dev/sda1".into(),
                size_gib: 60,
                tags: BTreeMap::new(),
            }],
            interfaces: vec![Interface {
                card: 0,
                id: format!("eni-{tail}"),
                private_ip: "172.31.16.10".into(),
            }],
            spot: None,
            hibernation: false,
            stop_protection: false,
            termination_protection: false,
            operator: None,
            ignores_shutdown: false,
            impaired: false,
            bad_boot: BadBoot::default(),
            auto_scaling_standby: false,
            suspended_processes: Vec::new(),
            tenancy: "default".into(),
            placement_group: None,
            zone: zone.to_owned(),
            vpc_id: "vpc-0d1f4e6a2b7c93850".into(),
            subnet_id: format!(
                "subnet-0{}1f4e6a2b7c93850",
                zone.chars().last().unwrap_or('a')
            ),
            key_name: None,
            user_data: None,
            public_ip: None,
            elastic_ip: None,
            tags: BTreeMap::new(),
            reservation_preference: open(),
            reservation: None,
            id,
        }
    }
}

impl FileSystem {
    /// A file system that is available, with a mount target in each of the zones.
    pub fn available(
        id: FileSystemId,
        name: &str,
        zones: &[String],
        created_at: Timestamp,
    ) -> Self {
        let tail: String = id.as_str().chars().rev().take(8).collect();
        let mount_targets = zones
            .iter()
            .zip(0u8..)
            .map(|(zone, n)| MountTarget {
                id: format!("fsmt-0{n:08x}{tail}"),
                zone: zone.clone(),
                state: "available".into(),
                ip: format!("172.31.{}.5", 16 * (u16::from(n) + 1)),
                subnet_id: format!(
                    "subnet-0{}1f4e6a2b7c93850",
                    zone.chars().last().unwrap_or('a')
                ),
            })
            .collect();
        Self {
            id,
            name: name.to_owned(),
            state: "available".into(),
            created_at,
            size_bytes: 6_291_456,
            mount_targets,
        }
    }
}

fn whole_second(now: Timestamp) -> Timestamp {
    Timestamp::from_second(now.as_second()).unwrap_or(now)
}
