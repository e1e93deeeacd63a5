//! The decision, as data: what would be done, in which order, and how each step is taken back. Pure.

mod check;
mod expiry;
mod fallback;
#[cfg(test)]
pub mod fixtures;
mod namespaces;
mod order;
pub mod rules;
mod show;
mod stack;
mod step;
mod steps;
mod toward;

pub use check::{Check, CheckStatus};
pub use expiry::check_credentials;
pub use show::duration;
pub use stack::first_digest;
pub use step::*;
pub use toward::{Decision, Input, Pace, SnapshotChoice, toward};
