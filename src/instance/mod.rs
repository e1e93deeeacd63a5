//! The instance: stopped, typed, running, each "make it so"; whether it may be stopped, and whether a type
//! fits it.

mod auto_scaling;
mod console;
mod ebs;
mod error;
mod fits;
mod price;
mod retry;
#[cfg(test)]
mod scripted;
mod service;
mod settings;
mod start;
mod stoppable;
#[cfg(test)]
pub mod types;

pub use console::console_tail;
pub use error::InstanceError;
pub use fits::{ebs_optimized_at, fits};
pub use price::{Price, dollars, price};
pub use service::{InstanceService, Made};
pub use settings::Settings;
pub use stoppable::{state, stoppable};
