//! Probes, baseline and the gate. The gate is pure: looks in, a verdict out.

mod gate;

pub use gate::{Gate, Verdict};
