//! The decision, as data: what would be done, in which order, and how each step is taken back. Pure.

mod check;
#[cfg(test)]
pub mod fixtures;
mod show;
mod step;

pub use check::{Check, CheckStatus};
pub use show::duration;
pub use step::*;
