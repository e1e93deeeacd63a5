//! The containers of a deployment: the compose file, and what is done with its services.

mod compose;

pub use compose::*;
