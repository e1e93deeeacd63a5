//! A process by which a lease is held, and whether it is gone.

use serde::{Deserialize, Serialize};

/// A process, as another one of the same machine can find it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
pub struct Process {
    /// The user.
    pub user: String,
    /// The machine.
    pub host: String,
    /// Boot, process-id namespace and user id: only within one and the same can a process be looked up.
    /// Empty where the system does not say.
    pub place: String,
    /// Its id.
    pub pid: u32,
    /// When it started, in ticks since the boot: an id may be given anew. 0 where the system does not say.
    pub started: u64,
}

impl Process {
    /// This process.
    pub fn this(user: &str, host: &str) -> Self {
        let pid = std::process::id();
        Self {
            user: cut(user),
            host: cut(host),
            place: place().unwrap_or_default(),
            pid,
            started: stat(pid).map_or(0, |s| s.started),
        }
    }

    /// Whether it is certain that it runs no more, seen from this one: it was a process of this machine.
    pub fn is_gone(&self, here: &Self) -> bool {
        let same_place = !here.place.is_empty() && self.place == here.place && self.started != 0;
        same_place && !stat(self.pid).is_some_and(|s| s.runs && s.started == self.started)
    }
}

/// A parameter holds 4096 characters, and these are told to people.
fn cut(text: &str) -> String {
    text.chars().take(100).collect()
}

struct Stat {
    /// Not a zombie.
    runs: bool,
    started: u64,
}

/// `/proc/<pid>/stat` (proc_pid_stat(5)): the third field is the state, the 22nd the start.
fn stat(pid: u32) -> Option<Stat> {
    let text = fs_err::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    // The name may hold spaces and brackets.
    let mut fields = text.rsplit_once(')')?.1.split_ascii_whitespace();
    let runs = !matches!(fields.next()?, "Z" | "X" | "x");
    let started = fields.nth(18)?.parse().ok()?;
    Some(Stat { runs, started })
}

fn place() -> Option<String> {
    use std::os::unix::fs::MetadataExt;
    let boot = fs_err::read_to_string("/proc/sys/kernel/random/boot_id").ok()?;
    // Two containers of one machine share its boot, and do not see each other's processes.
    let namespace = fs_err::read_link("/proc/self/ns/pid").ok()?;
    // Nor does one user see those of another, where /proc is mounted so.
    let user = fs_err::metadata("/proc/self").ok()?.uid();
    Some(format!("{} {} {user}", boot.trim(), namespace.display()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_process_of_this_machine_can_be_known_to_be_gone() {
        let here = Process::this("ann", "laptop");
        assert!(!here.place.is_empty() && here.started > 0);
        assert!(!here.is_gone(&here), "it looks");
        let mut child = std::process::Command::new("sleep")
            .arg("600")
            .spawn()
            .unwrap();
        let other = Process {
            pid: child.id(),
            started: stat(child.id()).unwrap().started,
            ..here.clone()
        };
        assert!(!other.is_gone(&here));
        let elsewhere = Process {
            place: "another boot".into(),
            ..here.clone()
        };
        let unknown = Process {
            place: String::new(),
            ..here.clone()
        };
        let reused = Process {
            started: other.started - 1,
            ..other.clone()
        };
        assert!(reused.is_gone(&here), "the id was given to another process");
        child.kill().unwrap();
        // Killed, and not yet waited for: a zombie writes no more.
        while !other.is_gone(&here) {
            std::thread::yield_now();
        }
        assert!(!other.is_gone(&elsewhere) && !other.is_gone(&unknown));
        child.wait().unwrap();
        assert!(other.is_gone(&here));
    }
}
