//! One script, from its file to its end, inside the walls where the system gives them.

use std::io;
use std::os::unix::process::ExitStatusExt;
use std::path::{Path, PathBuf};
use std::process::{ExitStatus, Stdio};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use fs_err as fs;
use tokio::io::{AsyncRead, AsyncReadExt};
use tokio::process::{Child, Command};
use tokio::task::JoinHandle;

use super::machine::Machine;
use super::{AgentCommand, AgentSettings, HostStore, shims};
use crate::sandbox::host::confine::{Confinement, INSIDE_PATH, kill};
use crate::sandbox::host::files::{Folder, HostFiles};
use crate::sandbox::host::timer::Tick;

/// More output than this is read and dropped. Run Command keeps 24,000 characters of it.
const KEEP: usize = 1 << 20;

/// Where scripts of one boot run.
pub(super) struct Room {
    /// The boot.
    pub(super) boot_id: String,
    root: PathBuf,
    walls: Result<Confinement, String>,
    /// All runs there instead, and nothing of the sandbox's own is used.
    machine: Option<Machine>,
    ticking: Option<Ticking>,
}

/// What the host's timer has started.
struct Ticking {
    child: Child,
    begun: Instant,
    limit: Option<Duration>,
    /// In the environment of all that comes from it; None where what it leaves behind lives on.
    mark: Option<String>,
}

/// How a process ended.
pub(super) enum End {
    Exited {
        code: i32,
        stdout: String,
        stderr: String,
    },
    /// The instance went down meanwhile: nobody hears of it.
    PowerOff,
}

impl End {
    /// It could not even begin.
    fn failed(code: i32, why: impl std::fmt::Display) -> Self {
        Self::Exited {
            code,
            stdout: String::new(),
            stderr: format!("{why}\nfailed to run commands: exit status {code}"),
        }
    }
}

impl Room {
    /// Makes the walls, or remembers why there are none, and puts the stand-ins in place.
    pub(super) async fn open<S: HostStore>(
        store: &S,
        settings: &AgentSettings,
        root: &Path,
        boot_id: String,
    ) -> io::Result<Self> {
        let (machine, file_system, elsewhere) = store.on_host(&settings.instance, |at| {
            let efs = at.host.efs.as_ref();
            (
                at.host.machine.clone(),
                efs.map(|efs| efs.file_system.clone()),
                at.host.elsewhere.clone(),
            )
        })?;
        if !elsewhere.is_empty() {
            return Ok(Self {
                machine: Some(Machine::boot(&elsewhere, &boot_id).await?),
                boot_id,
                root: root.to_path_buf(),
                walls: Err("it is a machine of its own".to_owned()),
                ticking: None,
            });
        }
        let walls = if settings.confine {
            let file_system = file_system.unwrap_or_default();
            Confinement::start(root, &settings.program, &settings.dir, &file_system)
                .await
                .map_err(|why| why.to_string())
        } else {
            Err("it is switched off".to_owned())
        };
        let mut folder = Folder(root.to_path_buf());
        let (program, dir) = (
            settings.program.to_string_lossy(),
            settings.dir.to_string_lossy(),
        );
        let outside = root.to_string_lossy();
        let seen = match &walls {
            Ok(_) => ("/.geusemaker/program", "/.geusemaker/sandbox", "/"),
            Err(_) => (&*program, &*dir, &*outside),
        };
        let hangs = walls.as_ref().is_ok_and(|walls| walls.hangs);
        shims::write(&mut folder, &settings.instance, &machine, seen, hangs)?;
        let room = Self {
            boot_id,
            root: root.to_path_buf(),
            walls,
            machine: None,
            ticking: None,
        };
        if room.walls.is_err() {
            // Nothing of an earlier boot may live on, and here no namespace has ended it.
            room.kill_strays(false);
            // No mount can be made here; a file in place of the sentinel's folder makes writing fail for root too.
            folder.write("/.efs/readonly/.geusemaker", "")?;
        }
        if !hangs {
            room.pipe_for_sentinel()?;
        }
        Ok(room)
    }

    /// Where no file system can be made to hang: a pipe that nobody writes to, in place of the sentinel.
    fn pipe_for_sentinel(&self) -> io::Result<()> {
        let folder = Folder(self.root.clone()).folder("/.efs/hang/.geusemaker")?;
        let pipe = folder.join("sentinel");
        if !pipe.exists() {
            std::process::Command::new("mkfifo").arg(pipe).status()?;
        }
        Ok(())
    }

    /// Whether a process lives on this host.
    pub(super) fn lives(&self) -> bool {
        self.ticking.is_some()
            || self.machine.is_some()
            || match &self.walls {
                Ok(walls) => walls.living() > 0,
                Err(_) => !self.strays(true).is_empty(),
            }
    }

    /// The power goes off.
    pub(super) async fn end(self) -> io::Result<()> {
        if let Some(machine) = self.machine {
            return machine.end().await;
        }
        if self.walls.is_err() {
            self.kill_strays(true);
        }
        match self.walls {
            Ok(walls) => walls.end().await,
            Err(_) => Ok(()),
        }
    }

    /// The agent goes. What it made goes with it; a machine of its own stays on.
    pub(super) async fn leave(self) -> io::Result<()> {
        match self.machine {
            Some(_) => Ok(()),
            None => self.end().await,
        }
    }

    /// Processes that have this host's root in their environment: of this boot, or of all others. (Without
    /// walls there is no better mark; needs a Linux `/proc`.)
    fn strays(&self, this_boot: bool) -> Vec<String> {
        let root = format!("GEUSEMAKER_ROOT={}", self.root.display());
        let boot = format!("GEUSEMAKER_BOOT={}", self.boot_id);
        marked(|has| has(&root) && has(&boot) == this_boot)
    }

    fn kill_strays(&self, this_boot: bool) {
        for pid in self.strays(this_boot) {
            kill(&pid);
        }
    }

    /// Runs a command to its end.
    pub(super) async fn run<S: HostStore>(
        &self,
        store: &S,
        settings: &AgentSettings,
        command: &AgentCommand,
    ) -> io::Result<End> {
        if let Err(why) = &self.walls
            && self.machine.is_none()
            && !(settings.allow)(&command.script)
        {
            return Ok(End::failed(
                126,
                format!(
                    "This system gives the sandbox no confinement ({why}), so only geusemaker's own scripts run here. See docs/sandbox.md."
                ),
            ));
        }
        let process = match self.script(settings, command) {
            Ok(process) => process,
            Err(why) => return Ok(End::failed(126, why)),
        };
        let cancelled = || store.cancel_asked(&settings.instance, &command.id);
        self.watch(
            store,
            settings,
            process,
            command.execution_timeout,
            &cancelled,
        )
        .await
    }

    /// Starts what the host's timer has elapsed for: no command of anybody's, and nobody hears what it prints.
    ///
    /// # Errors
    /// Why it cannot be started.
    pub(super) fn start_tick(&mut self, settings: &AgentSettings, tick: &Tick) -> io::Result<()> {
        if self.walls.is_err() && !self.is_allowed(settings, tick) {
            return Err(io::Error::other("not a script of geusemaker's own"));
        }
        let id = uuid::Uuid::new_v4().simple().to_string();
        let child = self
            .process("/", &tick.exec)?
            .env("INVOCATION_ID", &id)
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()?;
        self.ticking = Some(Ticking {
            child,
            begun: Instant::now(),
            limit: tick.limit.and_then(|limit| Duration::try_from(limit).ok()),
            mark: (!tick.spares_children).then(|| format!("INVOCATION_ID={id}")),
        });
        Ok(())
    }

    /// Whether what the timer runs may run without walls: a shell with a script that is our own.
    fn is_allowed(&self, settings: &AgentSettings, tick: &Tick) -> bool {
        let [shell, script, ..] = tick.exec.as_slice() else {
            return false;
        };
        let text = fs::read_to_string(self.outside(script));
        shell == "/bin/sh" && text.is_ok_and(|text| (settings.allow)(&text))
    }

    /// Since when a tick runs; None when none does.
    pub(super) fn ticking(&self) -> Option<Duration> {
        self.ticking.as_ref().map(|tick| tick.begun.elapsed())
    }

    /// Whether the tick that ran has ended.
    pub(super) fn tick_ended(&mut self) -> io::Result<bool> {
        let Some(tick) = &mut self.ticking else {
            return Ok(false);
        };
        let late = tick
            .limit
            .is_some_and(|limit| tick.begun.elapsed() >= limit);
        if late {
            kill(&format!("-{}", tick.child.id().unwrap_or_default()));
        } else if tick.child.try_wait()?.is_none() {
            return Ok(false);
        }
        // systemd kills all that is left in the service's control group.
        for pid in tick.mark.iter().flat_map(|mark| marked(|has| has(mark))) {
            kill(&pid);
        }
        self.ticking = None;
        Ok(true)
    }

    /// Watches a process to its end.
    async fn watch<S: HostStore>(
        &self,
        store: &S,
        settings: &AgentSettings,
        mut process: Command,
        limit: Duration,
        cancelled: &(dyn Fn() -> io::Result<bool> + Sync),
    ) -> io::Result<End> {
        let mut child = match process.spawn() {
            Ok(child) => child,
            Err(why) => return Ok(End::failed(127, why)),
        };
        let group = child.id().unwrap_or_default();
        let stdout = Gathered::from(child.stdout.take());
        let stderr = Gathered::from(child.stderr.take());
        let begun = Instant::now();
        let mut status: Option<ExitStatus> = None;
        let (mut saved, mut looked) = (None, Instant::now());
        // Of a machine of its own only whether it is still on is asked.
        let look = Duration::from_millis(if self.machine.is_some() { 250 } else { 50 });
        let killed = loop {
            if status.is_none() {
                status = child.try_wait()?;
            }
            // A child in the background that holds the output keeps the invocation open.
            if status.is_some() && stdout.ended() && stderr.ended() {
                break false;
            }
            if begun.elapsed() >= limit {
                break true;
            }
            let now = (looked.elapsed() >= look).then(|| store.saved());
            if let Some(now) = now
                && (now.is_none() || now != saved || looked.elapsed() >= look * 4)
            {
                (saved, looked) = (now, Instant::now());
                let on = store.on_host(&settings.instance, |at| {
                    at.settle();
                    (at.host.powered && at.host.boot_id == self.boot_id)
                        .then(|| at.host.write_files(&self.root))
                });
                match on {
                    Ok(Some(written)) => written?,
                    Ok(None) => return Ok(End::PowerOff),
                    Err(e) if e.kind() == io::ErrorKind::NotFound => return Ok(End::PowerOff),
                    Err(e) => return Err(e),
                }
                if cancelled()? {
                    break true;
                }
            }
            // What takes long is looked at less often.
            let nap = begun.elapsed() / 16;
            let nap = nap.clamp(Duration::from_millis(2), Duration::from_millis(12));
            tokio::time::sleep(nap).await;
        };
        if killed {
            kill(&format!("-{group}"));
            child.wait().await?;
            // What left the group may hold the output for ever; what was written is there by now.
            let end = Instant::now() + Duration::from_millis(200);
            while !(stdout.ended() && stderr.ended()) && Instant::now() < end {
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
        }
        let code = if killed {
            137
        } else {
            status.map_or(137, exit_code)
        };
        let mut errors = stderr.text();
        if code != 0 && !killed {
            if !errors.is_empty() && !errors.ends_with('\n') {
                errors.push('\n');
            }
            errors += &format!("failed to run commands: exit status {code}");
        }
        Ok(End::Exited {
            code,
            stdout: stdout.text(),
            stderr: errors,
        })
    }

    /// The process of a script, not started.
    fn script(&self, settings: &AgentSettings, command: &AgentCommand) -> io::Result<Command> {
        let mut folder = Folder(match &self.machine {
            Some(machine) => machine.root(),
            None => self.root.clone(),
        });
        // Where the real agent keeps it.
        let path = format!(
            "/var/lib/amazon/ssm/{}/document/orchestration/{}/awsrunShellScript/0.awsrunShellScript/_script.sh",
            settings.instance, command.id
        );
        folder.write(&path, &command.script)?;
        let mode = std::os::unix::fs::PermissionsExt::from_mode(0o700);
        fs::set_permissions(folder.at(&path), mode)?;
        let mut words = vec![path];
        if !command.script.starts_with("#!") {
            words.insert(0, "/bin/sh".to_owned());
        }
        let directory = command.working_directory.as_deref().unwrap_or("/");
        let mut process = self.process(directory, &words)?;
        process
            .env("SSM_COMMAND_ID", &command.id)
            .env("AWS_SSM_INSTANCE_ID", &settings.instance)
            .env("AWS_SSM_REGION_NAME", &settings.region);
        Ok(process)
    }

    /// A path of the host as it is outside of the walls; any other word as it is.
    fn outside(&self, word: &str) -> PathBuf {
        let path = Folder(self.root.clone()).at(word);
        if word.starts_with('/') && path.exists() {
            path
        } else {
            word.into()
        }
    }

    /// A process on the host, not started. Without walls a path of the host is one below its folder.
    fn process(&self, directory: &str, words: &[String]) -> io::Result<Command> {
        let inside = match (&self.machine, &self.walls) {
            (Some(machine), _) => Some(machine.command()),
            (None, Ok(walls)) => Some(walls.command()),
            (None, Err(_)) => None,
        };
        let mut process = match inside {
            Some(mut process) => {
                process.args(["env", "-C", directory]).args(words);
                process
            }
            None => {
                let folder = Folder(self.root.clone());
                let outside = |word: &String| self.outside(word);
                // The shell is the machine's own; a script may be its own program.
                let mut process = match words {
                    [shell, ..] if shell == "/bin/sh" => Command::new(shell),
                    _ => Command::new(words.first().map(outside).unwrap_or_default()),
                };
                let words = words.iter().skip(1).map(outside);
                let first = folder.at("/.geusemaker/bin");
                let rest = INSIDE_PATH.split_once(':').map_or("", |(_, rest)| rest);
                process
                    .args(words)
                    .current_dir(folder.folder(directory)?)
                    .env_clear()
                    .env("PATH", format!("{}:{rest}", first.display()))
                    .env("GEUSEMAKER_ROOT", &self.root)
                    .env("GEUSEMAKER_BOOT", &self.boot_id);
                process
            }
        };
        process
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .process_group(0);
        Ok(process)
    }
}

/// Processes whose environment is so. Needs a Linux `/proc`.
fn marked(wanted: impl Fn(&dyn Fn(&str) -> bool) -> bool) -> Vec<String> {
    let all = fs::read_dir("/proc").into_iter().flatten().flatten();
    all.filter_map(|entry| entry.file_name().into_string().ok())
        .filter(|name| name.bytes().all(|b| b.is_ascii_digit()))
        .filter(|pid| {
            let environment = fs::read(format!("/proc/{pid}/environ")).unwrap_or_default();
            wanted(&|what| environment.split(|b| *b == 0).any(|e| e == what.as_bytes()))
        })
        .collect()
}

fn exit_code(status: ExitStatus) -> i32 {
    status
        .code()
        .or_else(|| status.signal().map(|signal| 128 + signal))
        .unwrap_or(-1)
}

/// What a pipe has brought so far.
struct Gathered {
    text: Arc<Mutex<Vec<u8>>>,
    reader: JoinHandle<()>,
}

impl Gathered {
    fn from(pipe: Option<impl AsyncRead + Unpin + Send + 'static>) -> Self {
        let text = Arc::new(Mutex::new(Vec::new()));
        let into = Arc::clone(&text);
        let reader = tokio::spawn(async move {
            let Some(mut pipe) = pipe else { return };
            let mut part = vec![0; 16 * 1024];
            while let Ok(n @ 1..) = pipe.read(&mut part).await {
                let mut text = into
                    .lock()
                    .unwrap_or_else(std::sync::PoisonError::into_inner);
                let room = KEEP.saturating_sub(text.len()).min(n);
                text.extend_from_slice(&part[..room]);
            }
        });
        Self { text, reader }
    }

    fn ended(&self) -> bool {
        self.reader.is_finished()
    }

    fn text(&self) -> String {
        let text = self
            .text
            .lock()
            .unwrap_or_else(std::sync::PoisonError::into_inner);
        String::from_utf8_lossy(&text).into_owned()
    }
}

impl Drop for Gathered {
    fn drop(&mut self) {
        self.reader.abort();
    }
}
