//! One stream, several readers.

use std::sync::Arc;

use super::{Event, Listener};

/// Passes each event to each of its readers, in order.
#[derive(Default)]
pub struct Fanout(pub Vec<Arc<dyn Listener>>);

impl Listener for Fanout {
    fn event(&self, event: &Event) {
        for reader in &self.0 {
            reader.event(event);
        }
    }

    fn leave(&self) {
        for reader in &self.0 {
            reader.leave();
        }
    }
}
