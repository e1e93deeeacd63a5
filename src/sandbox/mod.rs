//! A truthful EC2, SSM and EFS on loopback, with its host and its docker. A peer of AWS, not a mock of us.

pub mod fault;
pub mod host;
pub mod latency;
pub mod world;
