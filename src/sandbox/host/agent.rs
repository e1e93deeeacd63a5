//! The agent of a host: a process of its own that comes for commands and runs them, one after another.
//!
//! It behaves as amazon-ssm-agent 3.3 was seen to: a script runs as root by `/bin/sh FILE` (a first line
//! `#!…` is honoured) with three variables and a search path; its status is that of its last command; a time limit
//! is a SIGKILL to the process group (137); a child in the background that holds standard output keeps the
//! invocation open; what left the group lives on until the power goes off.

mod machine;
mod run;
mod shims;
#[cfg(test)]
pub(crate) mod test_kit;

use std::fs::TryLockError;
use std::io;
use std::path::{Path, PathBuf};
use std::process::{Command as Process, Stdio};
use std::time::{Duration, Instant};

use fs_err as fs;
use fs_err::os::unix::fs::OpenOptionsExt;
use jiff::SignedDuration;

pub use shims::shim;

use super::files::Folder;
use super::state::HostContext;
use super::timer::Tick;
use crate::sandbox::store::{Files, private_folder};
use machine::Machine;
use run::{End, Room};

/// How often the agent comes for work while there is some, and when there was none for a while.
const BUSY: Duration = Duration::from_millis(15);
const QUIET: Duration = Duration::from_millis(100);

/// The agent ends after so long without a command even while something lives on the host: a probe that
/// hangs on a dead mount never ends.
const LINGER: Duration = Duration::from_secs(600);

/// Commands wait for so long while the service of the host's timer runs. From then on both go on, as they do on a host.
const HEAD_START: Duration = Duration::from_secs(20);

/// The agent waits for the host's timer when it elapses this soon. One that is further away finds another agent:
/// whoever looks at the world then starts it.
const SOON: SignedDuration = SignedDuration::from_secs(2);

/// Where the agent finds its host and its commands.
pub trait HostStore: Send + Sync {
    /// What the world was saved as last; None where that is not known, and it has to be looked at.
    fn saved(&self) -> Option<Files> {
        None
    }

    /// Works on a host under the world's lock, after all that was due has happened.
    ///
    /// # Errors
    /// [`io::ErrorKind::NotFound`] for an instance that does not exist (any more); other errors of the store.
    fn on_host<R>(
        &self,
        instance: &str,
        work: impl FnOnce(&mut HostContext<'_>) -> R,
    ) -> io::Result<R>;

    /// An agent process has started: what an earlier one was in the middle of is to be delivered again.
    ///
    /// # Errors
    /// Errors of the store.
    fn arrived(&self, instance: &str) -> io::Result<()>;

    /// The next command, in progress from here on; None while there is none or the agent is not online.
    ///
    /// # Errors
    /// Errors of the store.
    fn next_command(&self, instance: &str) -> io::Result<Option<AgentCommand>>;

    /// Whether there is a command for [`HostStore::next_command`]; takes none.
    ///
    /// # Errors
    /// Errors of the store.
    fn waiting(&self, instance: &str) -> io::Result<bool>;

    /// Whether a command in progress is to be cancelled.
    ///
    /// # Errors
    /// Errors of the store.
    fn cancel_asked(&self, instance: &str, id: &str) -> io::Result<bool>;

    /// How a command ended. The output is whole (but for 1 MiB); cutting it is the cloud's.
    ///
    /// # Errors
    /// Errors of the store.
    fn finish_command(
        &self,
        instance: &str,
        id: &str,
        exit: i32,
        stdout: &str,
        stderr: &str,
    ) -> io::Result<()>;
}

/// A command for the agent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AgentCommand {
    /// Its id.
    pub id: String,
    /// The script.
    pub script: String,
    /// Where it runs; None is the root folder.
    pub working_directory: Option<String>,
    /// It is killed after this time.
    pub execution_timeout: Duration,
}

/// Who the agent is.
#[derive(Debug, Clone)]
pub struct AgentSettings {
    /// The sandbox's folder.
    pub dir: PathBuf,
    /// The instance.
    pub instance: String,
    /// Its region, for the scripts' environment.
    pub region: String,
    /// This program: what the stand-ins for docker and systemctl run, with
    /// `sandbox-docker DIR INSTANCE ROOT PROGRAM ARG…`.
    pub program: PathBuf,
    /// Where the system gives no confinement: whether this script may run all the same.
    pub allow: fn(&str) -> bool,
    /// Whether confinement is tried at all.
    pub confine: bool,
    /// It ends when there was nothing to do, and nothing lived on the host, for so long.
    pub idle: Duration,
}

/// The folder of a host.
pub fn host_folder(dir: &Path, instance: &str) -> PathBuf {
    dir.join("hosts").join(instance)
}

fn lock_file(dir: &Path, instance: &str) -> PathBuf {
    dir.join("hosts").join(format!("{instance}.agent"))
}

/// The lock that the one agent of a host holds.
fn lock(dir: &Path, instance: &str) -> io::Result<Option<fs::File>> {
    private_folder(&dir.join("hosts"))?;
    let file = fs::OpenOptions::new()
        .create(true)
        .append(true)
        .mode(0o600)
        .open(lock_file(dir, instance))?;
    match file.file().try_lock() {
        Ok(()) => Ok(Some(file)),
        Err(TryLockError::WouldBlock) => Ok(None),
        Err(TryLockError::Error(e)) => Err(e),
    }
}

/// Starts the agent of an instance, unless it runs: `PROGRAM sandbox-agent DIR INSTANCE`, in a session of its
/// own, without the caller's environment, outliving it. Answers whether one was started.
///
/// # Errors
/// The program or the lock cannot be opened.
pub fn spawn_agent(program: &Path, dir: &Path, instance: &str) -> io::Result<bool> {
    let Some(free) = lock(dir, instance)? else {
        return Ok(false);
    };
    drop(free);
    // It outlives the caller: a pipe that it had open would have no end for whoever reads it.
    close_fds::set_fds_cloexec(3, &[]);
    let path = std::env::var_os("PATH").unwrap_or_else(|| "/usr/bin:/bin".into());
    let start = |mut process: Process| {
        process
            .env_clear()
            .env("PATH", &path)
            .current_dir("/")
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
    };
    let arguments = |process: &mut Process| {
        process.arg("sandbox-agent").arg(dir).arg(instance);
    };
    let mut process = Process::new("setsid");
    process.arg(program);
    arguments(&mut process);
    let child = match start(process) {
        // Not every system has setsid; a process group of its own keeps at least Ctrl-C away.
        Err(e) if e.kind() == io::ErrorKind::NotFound => {
            let mut process = Process::new(program);
            arguments(&mut process);
            std::os::unix::process::CommandExt::process_group(&mut process, 0);
            start(process)?
        }
        other => other?,
    };
    // A caller that lives long must not keep it as a zombie.
    std::thread::spawn(move || {
        let mut child = child;
        child.wait()
    });
    Ok(true)
}

/// Runs the agent of an instance until there is nothing to do. A second one for the same host ends at once.
///
/// # Errors
/// Errors of the store and of the host's folder. What a script does is never an error of the agent.
pub async fn run_agent<S: HostStore>(store: &S, settings: &AgentSettings) -> io::Result<()> {
    let instance = settings.instance.as_str();
    let root = host_folder(&settings.dir, instance);
    while let Some(lock) = lock(&settings.dir, instance)? {
        match store.on_host(instance, |at| at.host.prepare_folder(&root)) {
            Err(e) if e.kind() == io::ErrorKind::NotFound => return Ok(()),
            prepared => prepared??,
        }
        store.arrived(instance)?;
        store.on_host(instance, |at| at.host.timer.interrupt())?;
        let served = serve(store, settings, &root).await?;
        drop(lock);
        // A command may have come between the last look and the release, whose sender saw an agent. What
        // comes after the release starts another one.
        if !served || !store.waiting(instance)? {
            return Ok(());
        }
    }
    Ok(())
}

/// The boot id of a host that is on, with its files brought up to date, and what its timer has started.
fn glance<S: HostStore>(
    store: &S,
    instance: &str,
    root: &Path,
) -> io::Result<Option<(String, Option<Tick>)>> {
    store.on_host(instance, |at| {
        at.settle();
        if !at.host.powered {
            return Ok(None);
        }
        at.host.read_units_of_boot(&Folder(root.to_path_buf()));
        at.host.write_files(root)?;
        at.advance();
        Ok(Some((at.host.boot_id.clone(), at.host.timer.take())))
    })?
}

/// Whether the host's timer elapses within [`SOON`].
fn due_soon<S: HostStore>(store: &S, instance: &str) -> io::Result<bool> {
    store.on_host(instance, |at| {
        let due = at.host.timer.due();
        due.is_some_and(|due| due.duration_since(at.now) <= SOON)
    })
}

/// Comes for commands, and for what the host's timer starts, until there were none for a while; false when the instance is no more.
async fn serve<S: HostStore>(store: &S, settings: &AgentSettings, root: &Path) -> io::Result<bool> {
    let instance = settings.instance.as_str();
    let mut room: Option<Room> = None;
    let (mut busy, mut last_command) = (Instant::now(), Instant::now());
    let (mut saved, mut looked) = (None, Instant::now());
    let elsewhere = store.on_host(instance, |at| at.host.elsewhere.clone())?;
    if !elsewhere.is_empty() && glance(store, instance, root)?.is_none() {
        Machine::off(&elsewhere).await?;
    }
    loop {
        // A sandbox that was deleted is not made anew by looking into it.
        if !lock_file(&settings.dir, instance).exists() {
            if let Some(room) = room.take() {
                room.end().await?;
            }
            return Ok(false);
        }
        // Nobody saved anything: what time brings about waits for the next look.
        let now = store.saved();
        if now.is_some() && now == saved && looked.elapsed() < QUIET {
            tokio::time::sleep(BUSY).await;
            continue;
        }
        (saved, looked) = (now, Instant::now());
        let boot = match glance(store, instance, root) {
            Err(e) if e.kind() == io::ErrorKind::NotFound => None,
            other => Some(other?),
        };
        // Another boot, or none: everything that ran is dead.
        if room
            .as_ref()
            .is_some_and(|room| !matches!(&boot, Some(Some((boot, _))) if *boot == room.boot_id))
            && let Some(room) = room.take()
        {
            room.end().await?;
        }
        let Some(boot) = boot else {
            return Ok(false);
        };
        if let Some((boot, Some(tick))) = &boot {
            let mut here = match room.take() {
                Some(room) => room,
                None => Room::open(store, settings, root, boot.clone()).await?,
            };
            if let Err(why) = here.start_tick(settings, tick) {
                tracing::warn!(%why, "the timer's service could not be started");
                store.on_host(instance, |at| at.host.timer.end(at.now))?;
            }
            room = Some(here);
        }
        if let Some(room) = &mut room {
            if room.tick_ended()? {
                store.on_host(instance, |at| at.host.timer.end(at.now))?;
            }
            // First what the host does by itself: who looks after a deadline sees what became of it.
            if room.ticking().is_some_and(|since| since < HEAD_START) {
                tokio::time::sleep(BUSY).await;
                continue;
            }
        }
        // A machine of its own boots with the power, and not with the first command.
        if let (Some((boot, _)), None, false) = (&boot, &room, elsewhere.is_empty()) {
            room = Some(Room::open(store, settings, root, boot.clone()).await?);
        }
        let command = match &boot {
            Some(_) => store.next_command(instance)?,
            None => None,
        };
        if let (Some((boot, _)), Some(command)) = (boot, command) {
            let here = match room.take() {
                Some(room) => room,
                None => Room::open(store, settings, root, boot).await?,
            };
            match here.run(store, settings, &command).await? {
                End::Exited {
                    code,
                    stdout,
                    stderr,
                } => {
                    store.finish_command(instance, &command.id, code, &stdout, &stderr)?;
                    room = Some(here);
                }
                End::PowerOff => here.end().await?,
            }
            (busy, last_command) = (Instant::now(), Instant::now());
            continue;
        }
        let lingers = last_command.elapsed() < LINGER;
        if lingers && room.as_ref().is_some_and(Room::lives) {
            busy = Instant::now();
        } else if busy.elapsed() >= settings.idle && !(lingers && due_soon(store, instance)?) {
            if let Some(room) = room.take() {
                room.leave().await?;
            }
            return Ok(true);
        }
        // By the commands alone: what lives on the host needs no agent that hurries.
        let quiet = last_command.elapsed() > Duration::from_secs(1);
        tokio::time::sleep(if quiet { QUIET } else { BUSY }).await;
    }
}

#[cfg(test)]
mod tests;
