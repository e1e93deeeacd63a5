//! What the benches share.

/// The one in the middle; of two, what lies between them.
pub fn median(all: &mut [f64]) -> f64 {
    all.sort_by(f64::total_cmp);
    (all[(all.len() - 1) / 2] + all[all.len() / 2]) / 2.0
}
