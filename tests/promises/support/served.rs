//! The sandbox on loopback.

use std::io::{BufRead, BufReader, Read};
use std::process::{Child, ChildStdout, Command, Stdio};

use serde_json::Value;

/// `sandbox serve`, ended with this value.
pub struct Served {
    child: Child,
    out: BufReader<ChildStdout>,
    line: Value,
}

impl Served {
    /// Starts it, and reads its one line.
    pub fn start(mut command: Command) -> Self {
        let mut child = command
            .stdout(Stdio::piped())
            .spawn()
            .expect("the binary runs");
        let mut out = BufReader::new(child.stdout.take().expect("a pipe"));
        let mut line = String::new();
        out.read_line(&mut line).expect("a line");
        let line = serde_json::from_str(&line).unwrap_or_else(|e| panic!("{e}: {line}"));
        Self { child, out, line }
    }

    /// That line.
    pub fn line(&self) -> &Value {
        &self.line
    }

    /// A value of it.
    pub fn text(&self, key: &str) -> &str {
        self.line[key]
            .as_str()
            .unwrap_or_else(|| panic!("{key} in {}", self.line))
    }

    /// Ends it, and gives what it printed after its one line.
    pub fn end(mut self) -> String {
        self.child.kill().expect("it runs");
        let mut rest = String::new();
        self.out.read_to_string(&mut rest).expect("UTF-8");
        rest
    }
}

impl Drop for Served {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
