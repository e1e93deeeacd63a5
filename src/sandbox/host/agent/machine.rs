//! A host that is a machine of its own: what the tests with a real Docker Engine put behind the sandbox's EC2 and
//! Systems Manager (`tests/engine/up`, docs/engine.md). Nothing else sets [`super::super::HostState::elsewhere`].
//!
//! Power and boot id are the world's. The program is called with `boot BOOT_ID` (makes it run with that boot id,
//! and prints the number of its first process) and `off`.

use std::io;
use std::path::PathBuf;
use std::process::Stdio;

use tokio::process::Command;

use crate::sandbox::host::confine::OUTSIDE_PATH;

/// The search path of a script on it.
const PATH: &str = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

/// A machine that is on.
#[derive(Debug)]
pub(super) struct Machine {
    program: Vec<String>,
    first: u32,
}

impl Machine {
    /// Makes it run with this boot id.
    ///
    /// # Errors
    /// What the program says.
    pub(super) async fn boot(program: &[String], boot_id: &str) -> io::Result<Self> {
        let said = call(program, &["boot", boot_id]).await?;
        let first = said.trim().parse().map_err(io::Error::other)?;
        Ok(Self {
            program: program.to_vec(),
            first,
        })
    }

    /// Powers it off in good order.
    ///
    /// # Errors
    /// What the program says.
    pub(super) async fn off(program: &[String]) -> io::Result<()> {
        call(program, &["off"]).await.map(drop)
    }

    /// The same for this one.
    ///
    /// # Errors
    /// What the program says.
    pub(super) async fn end(&self) -> io::Result<()> {
        Self::off(&self.program).await
    }

    /// Its root folder, as it is seen from here.
    pub(super) fn root(&self) -> PathBuf {
        format!("/proc/{}/root", self.first).into()
    }

    /// A command that runs on it as root. The caller adds program and arguments; the environment is as empty as
    /// the agent's.
    pub(super) fn command(&self) -> Command {
        let mut command = Command::new("nsenter");
        command
            .arg(format!("--target={}", self.first))
            .args(["--mount", "--uts", "--ipc", "--net", "--pid", "--cgroup"])
            .arg("--")
            .env_clear()
            .env("PATH", PATH);
        command
    }
}

async fn call(program: &[String], verb: &[&str]) -> io::Result<String> {
    let (name, words) = program
        .split_first()
        .ok_or_else(|| io::Error::other("no program"))?;
    let output = Command::new(name)
        .args(words)
        .args(verb)
        .env_clear()
        .env("PATH", OUTSIDE_PATH)
        .stdin(Stdio::null())
        .output()
        .await?;
    if output.status.success() {
        Ok(String::from_utf8_lossy(&output.stdout).into_owned())
    } else {
        let why = String::from_utf8_lossy(&output.stderr);
        Err(io::Error::other(why.trim().to_owned()))
    }
}
