//! The last healthy state: what was seen before a change, with its evidence, and the way back to it.

mod document;
mod store;

pub use document::*;
pub use store::SnapshotStore;
