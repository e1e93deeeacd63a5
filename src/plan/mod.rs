//! The decision, as data: what would be done, in which order, and how each step is taken back. Pure.

mod check;

pub use check::{Check, CheckStatus};
