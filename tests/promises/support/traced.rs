//! How each program was called that a command began, itself and all below it, by `strace`: a look at /proc now and then
//! misses what runs for milliseconds.

use std::cell::Cell;
use std::path::PathBuf;
use std::process::{Command, Stdio};

/// Longer than the kernel lets one argument be: none is cut.
const LONGEST: &str = "131072";

/// Where the calls of commands are written down, a file for each command.
pub struct Calls {
    folder: tempfile::TempDir,
    commands: Cell<usize>,
    /// Whether there is an strace. One that may not trace is a failure of what it runs.
    pub there: bool,
}

impl Calls {
    /// Of no command yet.
    pub fn new() -> Self {
        let version = Command::new("strace").arg("-V").output();
        Self {
            folder: tempfile::tempdir().expect("a folder"),
            commands: Cell::default(),
            there: version.is_ok(),
        }
    }

    /// The command, traced where that can be. It stays the child of whoever starts it, so that killing the child kills it; what
    /// holds its output open to the end is the tracer, which has written everything down by then.
    pub fn of(&self, command: Command) -> Command {
        if !self.there {
            return command;
        }
        let mut traced = Command::new("strace");
        traced
            .args(["-D", "-f", "--seccomp-bpf", "-qqq"])
            .args(["-e", "trace=execve,execveat", "-e", "signal=none"])
            .args(["-s", LONGEST, "-o"])
            .arg(self.folder.path().join(self.commands.get().to_string()))
            .arg(command.get_program())
            .args(command.get_args());
        self.commands.set(self.commands.get() + 1);
        with_environment_of(&command, traced)
    }

    /// Each call so far, and how many of them began a program: one that is not there in the first folder of a search path is
    /// called there all the same.
    pub fn seen(&self) -> (Vec<String>, usize) {
        let (mut calls, mut begun) = (Vec::new(), 0);
        for file in self.files() {
            let text = fs_err::read(file).expect("a trace");
            let text = String::from_utf8_lossy(&text);
            // What runs now may be in the middle of its line.
            let whole = text.rsplit_once('\n').map_or("", |(whole, _)| whole);
            for line in whole.lines() {
                begun += usize::from(line.ends_with(" = 0"));
                if line.contains("<... execve") {
                    continue;
                }
                assert!(line.contains("\", [\""), "without its arguments: {line}");
                calls.push(line.to_owned());
            }
        }
        (calls, begun)
    }

    fn files(&self) -> Vec<PathBuf> {
        let numbers = 0..self.commands.get();
        numbers
            .map(|number| self.folder.path().join(number.to_string()))
            .collect()
    }
}

/// The environment of a command, and no other, for another one.
pub fn with_environment_of(command: &Command, mut other: Command) -> Command {
    let set = command.get_envs().filter_map(|(k, v)| Some((k, v?)));
    other.env_clear().envs(set).stdin(Stdio::null());
    other
}
