//! A truthful EC2, SSM and EFS on loopback, with its host and its docker. A peer of AWS, not a mock of us.

pub mod boot;
pub mod catalog;
pub mod connector;
pub mod endpoint;
pub mod fault;
pub mod host;
pub mod latency;
pub mod memory;
pub mod place;
pub mod registry;
pub mod rig;
mod seed;
pub mod serve;
pub mod store;
pub mod wire;
pub mod world;
