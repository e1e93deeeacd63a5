//! Is it well? What the compose file declares, and the gate.

mod declared;
mod gate;
mod probes;

pub use declared::{BadHealth, declared};
pub use gate::{Gate, Verdict, not_green};
pub use probes::{Answers, Declared, asked_of, attach, questions, sorted};
