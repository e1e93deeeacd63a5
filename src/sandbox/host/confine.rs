//! The walls around what runs on a host: a root of its own, no capabilities, and namespaces that end with
//! the power. Made by `unshare`, `mount`, `pivot_root`, `nsenter` and `setpriv` (util-linux).

use std::io;
use std::path::Path;
use std::process::Stdio;
use std::time::Duration;

use fs_err as fs;
use tokio::io::{AsyncBufReadExt, BufReader};
use tokio::process::{Child, ChildStdin, Command};

const LAUNCHER: &str = include_str!("launcher.sh");

/// The search path of a script inside: first the stand-ins for docker and systemctl.
pub(super) const INSIDE_PATH: &str =
    "/.geusemaker/bin:/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

/// Where the programs that make the walls are.
pub(super) const OUTSIDE_PATH: &str =
    "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

/// SIGKILL to a process, or with a `-` before it to a group.
pub(super) fn kill(whom: &str) {
    // The shell's own: not every system has a program of that name that takes groups. One that is
    // gone already is no error.
    let _ = std::process::Command::new("/bin/sh")
        .args(["-c", "kill -s KILL -- \"$1\"", "kill", whom])
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .status();
}

/// Namespaces with the host's folder as their root. All that runs in them ends with this value.
#[derive(Debug)]
pub(super) struct Confinement {
    outer: Child,
    /// Its end is the end of the first process inside.
    _lifeline: ChildStdin,
    /// The first process inside, by its number outside.
    first: u32,
    /// Whether `.efs/hang` really blocks.
    pub(super) hangs: bool,
}

impl Confinement {
    /// Makes the namespaces. `program` is this program, `sandbox` the sandbox's folder, both seen inside
    /// under `/.geusemaker`; `file_system` is the name of the folder in `.efs` with the data.
    ///
    /// # Errors
    /// What this system refuses, in the words of the program that met it.
    pub(super) async fn start(
        root: &Path,
        program: &Path,
        sandbox: &Path,
        file_system: &str,
    ) -> io::Result<Self> {
        let mut outer = Command::new("unshare")
            .args([
                "--user",
                "--map-root-user",
                "--mount",
                "--pid",
                // Also keeps it from what listens on the machine, a Docker among it.
                "--net",
                "--ipc",
                "--fork",
                "--kill-child",
            ])
            .args(["/bin/sh", "-c", LAUNCHER, "launcher"])
            .args([root, program, sandbox])
            .arg(file_system)
            .env_clear()
            .env("PATH", OUTSIDE_PATH)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .kill_on_drop(true)
            .spawn()?;
        let stdin = outer.stdin.take();
        let stdout = outer
            .stdout
            .take()
            .ok_or_else(|| io::Error::other("no standard output"))?;
        let mut line = String::new();
        BufReader::new(stdout).read_line(&mut line).await?;
        let words: Vec<&str> = line.split_whitespace().collect();
        let (["ready", first, hangs], Some(lifeline)) = (words.as_slice(), stdin) else {
            let output = outer.wait_with_output().await?;
            let why = String::from_utf8_lossy(&output.stderr);
            return Err(io::Error::other(why.trim().to_owned()));
        };
        let first = first.parse().map_err(io::Error::other)?;
        Ok(Self {
            outer,
            _lifeline: lifeline,
            first,
            hangs: *hangs == "yes",
        })
    }

    /// A command that runs inside, as root of the namespaces and without any capability. The caller
    /// adds program and arguments; the environment is empty.
    pub(super) fn command(&self) -> Command {
        let mut command = Command::new("nsenter");
        command
            .arg(format!("--target={}", self.first))
            .args(["--user", "--mount", "--pid", "--net", "--ipc"])
            .args(["--preserve-credentials", "--"])
            .args([
                "setpriv",
                "--inh-caps=-all",
                "--ambient-caps=-all",
                "--bounding-set=-all",
            ])
            .args(["--no-new-privs", "--"])
            .env_clear()
            .env("PATH", INSIDE_PATH);
        command
    }

    /// How many processes live inside, beside the two that keep the namespaces.
    pub(super) fn living(&self) -> usize {
        let space = |pid: &str| fs::read_link(format!("/proc/{pid}/ns/pid")).ok();
        let Some(ours) = space(&self.first.to_string()) else {
            return 0;
        };
        let all = fs::read_dir("/proc").into_iter().flatten().flatten();
        let inside = all
            .filter_map(|entry| entry.file_name().into_string().ok())
            .filter(|name| name.bytes().all(|b| b.is_ascii_digit()))
            .filter(|pid| space(pid).as_ref() == Some(&ours));
        inside.count().saturating_sub(2)
    }

    /// The power goes off: everything inside is killed, and gone when this returns.
    pub(super) async fn end(mut self) -> io::Result<()> {
        // The end of the first process is over only when all others are gone, and then `unshare` ends.
        kill(&self.first.to_string());
        match tokio::time::timeout(Duration::from_secs(5), self.outer.wait()).await {
            Ok(ended) => ended.map(drop),
            Err(_) => self.outer.kill().await,
        }
    }
}
