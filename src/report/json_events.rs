//! Progress as JSON, one event a line.

use std::io::Write;
use std::sync::Mutex;

use serde::Serialize;

use super::escape;
use super::event::{EVENT_SCHEMA, Event, Listener};
use super::print::Words;
use super::result::ErrorDocument;
use crate::model::Timestamp;

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
        if let Ok(line) = line(event) {
            let mut to = self
                .0
                .lock()
                .unwrap_or_else(|poisoned| poisoned.into_inner());
            let _ = to.write_all(line.as_bytes());
            let _ = to.flush();
        }
    }
}

/// A document on one line, with its end.
fn line(document: &impl Serialize) -> serde_json::Result<String> {
    let json = serde_json::to_string(document)?;
    Ok(format!("{}\n", escape::json(&json)))
}

/// What is said beside the events of an operation, on the same stream and in the same form.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(tag = "event", rename_all = "snake_case")]
pub enum Remark {
    /// A text for people, which may have several lines: a plan, an operation that is open.
    Message {
        /// The text.
        message: String,
    },
    /// Something a person should know.
    Warning {
        /// What.
        message: String,
    },
    /// Why it did not do what was asked.
    Error {
        /// The same document as in the result.
        error: ErrorDocument,
    },
}

impl Remark {
    /// With every next step as it must be typed here; that of an error has been worded before.
    #[must_use]
    pub fn worded(self, words: &Words) -> Self {
        match self {
            Self::Message { message } => Self::Message {
                message: words.say(&message),
            },
            Self::Warning { message } => Self::Warning {
                message: words.say(&message),
            },
            error => error,
        }
    }

    /// As the line that says it on its own, with its end: an event where those are wanted, else text.
    pub fn line(&self, events: bool, at: Timestamp) -> String {
        match events {
            true => self.json(at, None),
            false => self.text(),
        }
    }

    fn text(&self) -> String {
        let (kind, text) = match self {
            Self::Message { message } => ("", message),
            Self::Warning { message } => ("warning: ", message),
            Self::Error { error } => ("error: ", &error.message),
        };
        format!("{kind}{}\n", escape::line(text))
    }

    /// As one line of `geusemaker.event/1`, with its end; `operation_id` is null where there is no operation.
    pub fn json(&self, at: Timestamp, operation_id: Option<&str>) -> String {
        #[derive(Serialize)]
        struct Document<'a> {
            schema: &'static str,
            at: Timestamp,
            operation_id: Option<&'a str>,
            #[serde(flatten)]
            remark: &'a Remark,
        }
        let document = Document {
            schema: EVENT_SCHEMA,
            at,
            operation_id,
            remark: self,
        };
        line(&document).expect("string keys and a time")
    }
}
