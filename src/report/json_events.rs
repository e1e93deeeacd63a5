//! Progress as JSON, one event a line.

use std::io::Write;
use std::sync::Mutex;

use super::escape;
use super::event::{Event, Listener};

/// `geusemaker.event/1`, a line each.
pub struct JsonEvents<W>(Mutex<W>);

impl<W: Write + Send> JsonEvents<W> {
    /// Onto this stream. A stream that is closed is ignored.
    pub fn new(to: W) -> Self {
        Self(Mutex::new(to))
    }
}

impl<W: Write + Send> Listener for JsonEvents<W> {
    fn event(&self, event: &Event) {
        if let Ok(json) = serde_json::to_string(event) {
            let mut to = self
                .0
                .lock()
                .unwrap_or_else(|poisoned| poisoned.into_inner());
            let _ = to.write_all(format!("{}\n", escape::json(&json)).as_bytes());
            let _ = to.flush();
        }
    }
}
