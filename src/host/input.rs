//! The input of a script: lines of `key base64`, and nothing that a shell could take for text.

use std::fmt::Write;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;

/// Lines of a key and one or more values.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Input(String);

impl Input {
    /// No line yet.
    pub fn new() -> Self {
        Self::default()
    }

    /// A line with one value.
    pub fn text(self, key: &'static str, value: &str) -> Self {
        self.fields(key, &[value])
    }

    /// A line with a value that is base64 already (of bytes that are no text).
    pub(super) fn coded(mut self, key: &'static str, base64: &str) -> Self {
        let _ = writeln!(
            self.0,
            "{key} {}",
            if base64.is_empty() { "-" } else { base64 }
        );
        self
    }

    /// A line with several values.
    pub fn fields(mut self, key: &'static str, values: &[&str]) -> Self {
        self.0.push_str(key);
        for value in values {
            // The empty text has an empty base64, which a shell would not see as a field.
            let coded = if value.is_empty() {
                "-".to_owned()
            } else {
                STANDARD.encode(value)
            };
            let _ = write!(self.0, " {coded}");
        }
        self.0.push('\n');
        self
    }

    /// These lines, then those.
    pub fn and(mut self, other: &Input) -> Self {
        self.0.push_str(&other.0);
        self
    }

    /// The lines, each with its newline.
    pub fn lines(&self) -> &str {
        &self.0
    }
}

/// Whether a line is a key and base64 values.
pub(super) fn is_data_line(line: &str) -> bool {
    let mut words = line.split(' ');
    let key = words.next().unwrap_or_default();
    let mut values = words.peekable();
    !key.is_empty()
        && key
            .bytes()
            .all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'_')
        && values.peek().is_some()
        && values.all(|v| v == "-" || (!v.is_empty() && STANDARD.decode(v).is_ok()))
}
