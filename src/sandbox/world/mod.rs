//! The state machine: a function of (store, now).
//!
//! The world holds moments, never timers. Every access first calls [`World::advance`], which lets all
//! that was due by now happen, in order, at the moment it was due. So the world goes on across commands
//! and kills, and two looks at the same moment see the same.
//!
//! The methods here are AWS's calls without the wire; each refuses what AWS refuses, with AWS's code.

mod advance;
mod command;
mod ec2;
mod efs;
mod error;
#[cfg(test)]
mod facts;
mod gate;
mod instance;
mod parameter;
mod reservation;
mod seed;

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

pub use command::{Command, CommandState, SendCommand};
pub use ec2::{Attribute, StateChange};
pub use efs::{FileSystem, MountTarget};
pub use error::AwsError;
pub use gate::dry;
pub use instance::{ElasticIp, Instance, Interface, Spot, StateReason, Volume};
pub use parameter::{Parameter, Parameters, PutParameter};
pub use reservation::{CapacityReservation, CreateReservation};
pub use seed::{SEED_DEPLOYMENT, SEED_FILE_SYSTEM, SEED_INSTANCE};

use super::fault::Faults;
use super::host::{HostContext, HostState};
use super::latency::Latency;
use super::registry::Registry;
use crate::model::Timestamp;

/// The schema of `world.json`.
pub const WORLD_SCHEMA: &str = "geusemaker.sandbox/1";

/// One account in one region, with everything in it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct World {
    /// How often it was saved. First in the file, so that it can be read without the rest.
    #[serde(default)]
    pub saves: u64,
    /// `geusemaker.sandbox/1`.
    pub schema: String,
    /// The account.
    pub account: String,
    /// The region.
    pub region: String,
    /// Its availability zones.
    pub zones: Vec<String>,
    /// How long things take.
    pub latency: Latency,
    /// What fails.
    pub faults: Faults,
    /// The instances, by id.
    pub instances: BTreeMap<String, Instance>,
    /// Their hosts, by instance id.
    pub hosts: BTreeMap<String, HostState>,
    /// The EFS file systems, by id.
    pub file_systems: BTreeMap<String, FileSystem>,
    /// Run Command: one entry for each command and instance, oldest first.
    pub commands: Vec<Command>,
    /// Parameter Store.
    pub parameters: Parameters,
    /// What the hosts can pull.
    #[serde(default)]
    pub registry: Registry,
    /// Counts the public addresses given out.
    pub addresses: u32,
    /// The capacity reservations, by id; ended ones for a while.
    #[serde(default)]
    pub reservations: BTreeMap<String, CapacityReservation>,
    /// Counts those that were made.
    #[serde(default)]
    pub reserved: u32,
}

impl World {
    /// The host of an instance, with all that acts on it.
    pub fn host(&mut self, instance: &str, now: Timestamp) -> Option<HostContext<'_>> {
        Some(HostContext {
            host: self.hosts.get_mut(instance)?,
            registry: &mut self.registry,
            faults: &mut self.faults,
            latency: self.latency,
            now,
        })
    }
}
