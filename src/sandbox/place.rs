//! The sandbox on disk, whole: its cloud, its hosts and the deployments that only it has. Made on first use.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use super::endpoint::{Endpoint, Wake};
use super::host::agent::{AgentCommand, AgentSettings, HostStore, host_folder, spawn_agent};
use super::host::{Folder, HostContext};
use super::store::{Files, Store, StoreError, private_folder};
use super::world::{SEED_INSTANCE, World};
use crate::cloud::SystemClock;
use crate::host::scripts::{is_our_program, runs_ours};
use crate::model::Timestamp;
use crate::state::{StateDir, StateError};

/// Why the sandbox cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum PlaceError {
    /// Its world cannot be read or written.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// Its host's folder cannot be made.
    #[error("the sandbox cannot be made: {0}")]
    Io(#[from] io::Error),
    /// Its deployment cannot be written.
    #[error(transparent)]
    State(#[from] StateError),
}

/// A sandbox: `<state>/sandbox`.
#[derive(Debug, Clone)]
pub struct Place {
    store: Store,
}

impl Place {
    /// The sandbox in this folder, made and seeded when there is none.
    ///
    /// # Errors
    /// The folder cannot be written, or what is there is damaged.
    pub fn open(dir: &Path) -> Result<Self, PlaceError> {
        let place = Self {
            store: Store::new(dir),
        };
        if !place.store.file().exists() {
            place.seed()?;
        }
        Ok(place)
    }

    /// Throws it away and makes it anew. Agents of its hosts end by themselves.
    ///
    /// # Errors
    /// As for [`Place::open`].
    pub fn reset(dir: &Path) -> Result<Self, PlaceError> {
        let place = Self {
            store: Store::new(dir),
        };
        // The world first: what still runs finds that its instance is gone.
        for name in ["world.json", "history.json", "hosts", "state"] {
            let path = dir.join(name);
            let removed = if path.is_dir() {
                fs_err::remove_dir_all(&path)
            } else {
                fs_err::remove_file(&path)
            };
            match removed {
                Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error.into()),
                _ => {}
            }
        }
        place.seed()?;
        Ok(place)
    }

    /// Cloud, host and deployment under the world's lock: of two first uses at once only one seeds.
    fn seed(&self) -> Result<(), PlaceError> {
        self.with(|world, now| {
            let fresh = world
                .hosts
                .get(SEED_INSTANCE)
                .is_some_and(|host| host.boots == 0);
            if !fresh {
                return Ok(());
            }
            let root = host_folder(self.store.dir(), SEED_INSTANCE);
            // Nobody else's business; what is in the host's own root has the modes that a host has.
            private_folder(&self.store.dir().join("hosts"))?;
            fs_err::create_dir_all(&root)?;
            world.seed_stack(&mut Folder(root.clone()), now)?;
            let host = &world.hosts[SEED_INSTANCE];
            host.prepare_folder(&root)?;
            host.write_files(&root)?;
            let (state, _) = StateDir::open(self.deployments())?;
            state.save(&world.seeded_deployment(now))?;
            Ok(())
        })?
    }

    /// Its own deployments.
    pub fn deployments(&self) -> PathBuf {
        self.store.dir().join("state")
    }

    /// Its folder.
    pub fn dir(&self) -> &Path {
        self.store.dir()
    }

    /// Works on the world, under its lock.
    ///
    /// # Errors
    /// The world cannot be read or written.
    pub fn with<T>(&self, f: impl FnOnce(&mut World, Timestamp) -> T) -> Result<T, StoreError> {
        self.store.with(&SystemClock, f)
    }

    /// Something for the SDK, or a server, to ask; starts `program sandbox-agent …` when a command waits.
    pub fn endpoint(&self, program: PathBuf) -> Endpoint {
        let agents = Agents {
            program,
            dir: self.store.dir().to_path_buf(),
        };
        Endpoint::new(self.store.clone(), Arc::new(SystemClock)).waking(Arc::new(agents))
    }

    /// Who the agent of an instance is.
    ///
    /// # Errors
    /// The world cannot be read.
    pub fn agent(&self, instance: &str, program: PathBuf) -> Result<AgentSettings, StoreError> {
        Ok(AgentSettings {
            dir: self.store.dir().to_path_buf(),
            instance: instance.to_owned(),
            region: self
                .store
                .without_history(&SystemClock, |world, _| world.region.clone())?,
            program,
            allow: |script| runs_ours(script) || is_our_program(script),
            confine: true,
            idle: Duration::from_secs(20),
        })
    }
}

/// Starts the agents.
struct Agents {
    program: PathBuf,
    dir: PathBuf,
}

impl Wake for Agents {
    fn wake(&self, instance: &str) {
        // One that cannot be started shows as a command that nobody takes: TimedOut, as on AWS.
        if let Err(error) = spawn_agent(&self.program, &self.dir, instance) {
            tracing::warn!(instance, %error, "the agent of the sandbox's host could not be started");
        }
    }
}

fn other(error: StoreError) -> io::Error {
    match error {
        StoreError::Io(error) => error,
        damaged => io::Error::other(damaged.to_string()),
    }
}

fn gone(instance: &str) -> io::Error {
    io::Error::new(
        io::ErrorKind::NotFound,
        format!("{instance} is not in this sandbox"),
    )
}

impl Place {
    fn of<T>(&self, instance: &str, f: impl FnOnce(&mut World, Timestamp) -> T) -> io::Result<T> {
        self.store
            .without_history(&SystemClock, |world, now| {
                world
                    .instances
                    .contains_key(instance)
                    .then(|| f(world, now))
            })
            .map_err(other)?
            .ok_or_else(|| gone(instance))
    }
}

impl HostStore for Place {
    fn saved(&self) -> Option<Files> {
        self.store.files()
    }

    fn on_host<R>(
        &self,
        instance: &str,
        work: impl FnOnce(&mut HostContext<'_>) -> R,
    ) -> io::Result<R> {
        self.of(instance, |world, now| {
            let mut at = world.host(instance, now)?;
            at.settle();
            Some(work(&mut at))
        })?
        .ok_or_else(|| gone(instance))
    }

    fn arrived(&self, instance: &str) -> io::Result<()> {
        self.of(instance, |world, _| world.interrupt_commands(instance))
    }

    fn next_command(&self, instance: &str) -> io::Result<Option<AgentCommand>> {
        let next = self.of(instance, |world, now| world.next_command(instance, now))?;
        Ok(next.map(|command| AgentCommand {
            id: command.id,
            script: command.script.to_string(),
            working_directory: command.working_directory,
            execution_timeout: Duration::from_secs(u64::from(command.execution_timeout_s)),
        }))
    }

    fn waiting(&self, instance: &str) -> io::Result<bool> {
        self.of(instance, |world, now| {
            world.waiting(now).iter().any(|id| id == instance)
        })
    }

    fn cancel_asked(&self, instance: &str, id: &str) -> io::Result<bool> {
        self.of(instance, |world, _| world.cancel_asked(instance, id))
    }

    fn finish_command(
        &self,
        instance: &str,
        id: &str,
        exit: i32,
        stdout: &str,
        stderr: &str,
    ) -> io::Result<()> {
        self.of(instance, |world, now| {
            world.finish_command(instance, id, exit, stdout, stderr, now)
        })
    }
}
