//! Nouns, no I/O: what is asked, what is seen, what is wanted.
//!
//! Everything here is data that can be written down. Nothing here reads a clock, a file, the
//! environment or the network.

mod data;
mod deployment;
mod desired;
mod duration;
mod hash;
mod health;
mod ids;
mod image;
mod observed;
mod outcome;
mod request;
mod restore;
mod secret;

pub use data::*;
pub use deployment::*;
pub use desired::*;
pub use duration::duration_ms;
pub use hash::*;
pub use health::*;
pub use ids::*;
pub use image::*;
pub use observed::*;
pub use outcome::*;
pub use request::*;
pub use restore::*;
pub use secret::*;

/// A moment in UTC, written as RFC 3339 with `Z`.
pub use jiff::Timestamp;
