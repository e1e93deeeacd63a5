//! Change a running cloud instance in place, and never strand it.

pub mod cloud;
pub mod containers;
pub mod efs;
pub mod health;
pub mod host;
pub mod instance;
pub mod journal;
pub mod model;
pub mod plan;
pub mod report;
pub mod sandbox;
pub mod snapshot;
pub mod state;
