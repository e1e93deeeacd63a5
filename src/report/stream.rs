//! The bytes of somebody else's program, on their way to a terminal or a pipe.

use std::io::{self, Write};

use super::escape::is_unsafe;

/// Writes what a program on the host printed. A pipe gets the bytes as they are: what reads them is a program. On a
/// terminal nothing of it moves the cursor, changes colours or turns the reading order around; tabs stay.
pub struct Raw<W> {
    to: W,
    harmless: bool,
    /// The beginning of a character whose end has not come yet.
    carry: Vec<u8>,
    /// Nobody reads any more.
    gone: bool,
}

impl<W: Write> Raw<W> {
    /// To a terminal, or not.
    pub fn new(to: W, terminal: bool) -> Self {
        Self {
            to,
            harmless: terminal,
            carry: Vec::new(),
            gone: false,
        }
    }

    /// Writes on.
    ///
    /// # Errors
    /// It cannot be written. A reader that went away is none: see [`Raw::is_gone`].
    pub fn put(&mut self, bytes: &[u8]) -> io::Result<()> {
        if self.gone {
            return Ok(());
        }
        let written = if self.harmless {
            self.carry.extend_from_slice(bytes);
            let text = harmless(&mut self.carry);
            self.to.write_all(text.as_bytes())
        } else {
            self.to.write_all(bytes)
        };
        match written.and_then(|()| self.to.flush()) {
            Err(error) if error.kind() == io::ErrorKind::BrokenPipe => {
                self.gone = true;
                Ok(())
            }
            other => other,
        }
    }

    /// Whether nobody reads it any more.
    pub fn is_gone(&self) -> bool {
        self.gone
    }
}

/// Takes all whole characters out; what is none is shown as U+FFFD.
fn harmless(carry: &mut Vec<u8>) -> String {
    let mut out = String::new();
    let mut rest = Vec::new();
    for chunk in carry.utf8_chunks() {
        for c in chunk.valid().chars() {
            if is_unsafe(c) && c != '\n' && c != '\t' {
                out.extend(c.escape_default());
            } else {
                out.push(c);
            }
        }
        let bad = chunk.invalid();
        let at_the_end = carry.ends_with(bad) && bad.len() < 4;
        let is_beginning = std::str::from_utf8(bad).is_err_and(|e| e.error_len().is_none());
        if !bad.is_empty() && at_the_end && is_beginning {
            rest = bad.to_vec();
        } else if !bad.is_empty() {
            out.push('\u{fffd}');
        }
    }
    *carry = rest;
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    fn written(terminal: bool, parts: &[&[u8]]) -> Vec<u8> {
        let mut out = Vec::new();
        let mut raw = Raw::new(&mut out, terminal);
        for part in parts {
            raw.put(part).unwrap();
        }
        out
    }

    #[test]
    fn a_pipe_gets_the_bytes_and_a_terminal_nothing_that_acts() {
        let parts: &[&[u8]] = &[
            b"a\tb\x1b[2J\n",
            "gr\u{fc}n \u{1f980}".as_bytes(),
            b"\xff\xc3",
            b"\xa9\x9b",
        ];
        assert_eq!(written(false, parts), parts.concat());
        let shown = String::from_utf8(written(true, parts)).unwrap();
        assert_eq!(
            shown,
            "a\tb\\u{1b}[2J\ngr\u{fc}n \u{1f980}\u{fffd}\u{e9}\u{fffd}"
        );
    }
}
