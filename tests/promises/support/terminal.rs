//! The real binary on a terminal of its own, with itself in the foreground.

use std::io::{Read, Write};
use std::process::{Child, Command};

use pty_process::blocking::{Command as OnPty, Pty, open};
use rustix::termios::{LocalModes, tcgetattr};

/// A terminal with one command on it. Dropped, it is hung up.
pub struct Terminal {
    pty: Pty,
    /// The command.
    pub child: Child,
    /// Everything that was shown so far.
    pub shown: String,
    /// Up to where it was looked through.
    seen: usize,
}

impl Terminal {
    /// Starts the command: stdin, stdout and stderr are the terminal where the command says nothing else.
    pub fn run(mut command: Command, piped: impl FnOnce(OnPty) -> OnPty) -> Self {
        let (pty, pts) = open().expect("a terminal");
        pty.resize(pty_process::Size::new(24, 80)).expect("a size");
        command.env("TERM", "xterm");
        let child = piped(OnPty::from(command))
            .spawn(pts)
            .expect("the binary runs");
        Self {
            pty,
            child,
            shown: String::new(),
            seen: 0,
        }
    }

    /// Reads until this is shown, after what was shown before. Panics where the command ends without it.
    #[track_caller]
    pub fn until(&mut self, text: &str) {
        loop {
            if let Some(at) = self.shown[self.seen..].find(text) {
                self.seen += at + text.len();
                return;
            }
            assert!(self.more(), "it never showed {text:?}:\n{}", self.shown);
        }
    }

    /// Reads what comes next; false at the end. Linux answers EIO when the last one has closed the terminal.
    fn more(&mut self) -> bool {
        let mut bytes = [0; 4096];
        match self.pty.read(&mut bytes) {
            Ok(0) | Err(_) => false,
            Ok(n) => {
                self.shown.push_str(&String::from_utf8_lossy(&bytes[..n]));
                true
            }
        }
    }

    /// Types.
    pub fn types(&mut self, bytes: &[u8]) {
        self.pty.write_all(bytes).expect("the terminal takes it");
    }

    /// Sends a signal to the command alone.
    pub fn signal(&self, name: &str) {
        signal(&self.child, name);
    }

    /// Reads to the end; the exit code (-1: a signal).
    pub fn end(&mut self) -> i32 {
        while self.more() {}
        self.child.wait().expect("its end").code().unwrap_or(-1)
    }

    /// Closes the terminal under the command, and waits for its end.
    pub fn close(self) -> i32 {
        let Self { pty, mut child, .. } = self;
        drop(pty);
        child.wait().expect("its end").code().unwrap_or(-1)
    }

    /// Whether the terminal takes whole lines and shows what is typed, as a shell wants it.
    pub fn is_as_a_shell_wants_it(&self) -> bool {
        let modes = tcgetattr(&self.pty).expect("a terminal").local_modes;
        modes.contains(LocalModes::ICANON | LocalModes::ECHO | LocalModes::ISIG)
    }
}

/// Sends a signal to this process alone.
pub fn signal(child: &Child, name: &str) {
    let sent = Command::new("kill")
        .args(["-s", name, &child.id().to_string()])
        .status()
        .expect("kill runs");
    assert!(sent.success());
}
