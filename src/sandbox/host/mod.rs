//! The host of a sandbox instance: its Docker, its mounts, its folder.
//!
//! [`HostState`] is the part of the world that is a function of (state, now). A host's folder on disk is
//! the root of everything that a script sees; [`HostState::write_files`] puts there what a kernel,
//! systemd and efs-utils would show. [`memory`] is the same host without folder and shell.

pub mod agent;
mod confine;
mod disk;
pub mod docker;
mod files;
pub mod memory;
mod mounts;
mod seed;
mod state;
mod timer;
mod timer_unit;
mod units;

pub use agent::{
    AgentCommand, AgentSettings, HostStore, host_folder, run_agent, shim, spawn_agent,
};
pub use files::{Folder, HostFiles, MemoryFiles};
pub use mounts::{EfsMount, MountKind};
pub use seed::{COMPOSE_FILE, DEV_TEMPLATE, ENV_FILE, RUNTIME_ENV, Seed, seed_host};
pub use state::{HostContext, HostState};
pub use timer::{RestoreTimer, Tick};
pub use timer_unit::{SERVICE, TIMER, TimerUnit};
