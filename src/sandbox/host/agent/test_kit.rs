//! A store of one host in memory with a folder on disk, for the tests.

use std::collections::VecDeque;
use std::io;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

use jiff::Timestamp;

use super::{AgentCommand, AgentSettings, HostStore, host_folder};
use crate::sandbox::fault::{Fault, Faults};
use crate::sandbox::host::{Folder, HostContext, HostState, Seed, seed_host};
use crate::sandbox::latency::Latency;
use crate::sandbox::registry::Registry;

pub const INSTANCE: &str = "i-0123456789abcdef0";

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Ended {
    pub id: String,
    pub exit: i32,
    pub stdout: String,
    pub stderr: String,
}

#[derive(Default)]
pub struct Inner {
    pub host: HostState,
    pub registry: Registry,
    pub faults: Faults,
    pub queue: VecDeque<AgentCommand>,
    pub running: Option<AgentCommand>,
    pub cancel: bool,
    pub ended: Vec<Ended>,
    pub gone: bool,
}

#[derive(Clone, Default)]
pub struct TestStore(Arc<Mutex<Inner>>);

impl TestStore {
    pub fn inner(&self) -> MutexGuard<'_, Inner> {
        self.0.lock().unwrap()
    }

    pub fn edit<R>(&self, work: impl FnOnce(&mut HostState) -> R) -> R {
        work(&mut self.inner().host)
    }

    pub fn send(&self, id: &str, script: &str) {
        self.send_within(id, script, Duration::from_secs(60));
    }

    pub fn send_within(&self, id: &str, script: &str, limit: Duration) {
        self.inner().queue.push_back(AgentCommand {
            id: id.to_owned(),
            script: script.to_owned(),
            working_directory: None,
            execution_timeout: limit,
        });
    }

    pub fn mount_fault(&self, code: Option<&str>) {
        self.inner().faults = Faults(Vec::from_iter(code.map(|code| Fault {
            key: "mount".to_owned(),
            instance_type: None,
            code: code.to_owned(),
            times: None,
        })));
    }
}

impl HostStore for TestStore {
    fn on_host<R>(&self, _: &str, work: impl FnOnce(&mut HostContext<'_>) -> R) -> io::Result<R> {
        let inner = &mut *self.inner();
        if inner.gone {
            return Err(io::ErrorKind::NotFound.into());
        }
        Ok(work(&mut HostContext {
            host: &mut inner.host,
            registry: &mut inner.registry,
            faults: &mut inner.faults,
            latency: Latency::FAST,
            now: Timestamp::now(),
        }))
    }

    fn arrived(&self, _: &str) -> io::Result<()> {
        let mut inner = self.inner();
        if let Some(cut_off) = inner.running.take() {
            inner.queue.push_front(cut_off);
        }
        Ok(())
    }

    fn next_command(&self, _: &str) -> io::Result<Option<AgentCommand>> {
        let mut inner = self.inner();
        inner.running = inner.queue.pop_front();
        Ok(inner.running.clone())
    }

    fn waiting(&self, _: &str) -> io::Result<bool> {
        Ok(!self.inner().queue.is_empty())
    }

    fn cancel_asked(&self, _: &str, _: &str) -> io::Result<bool> {
        Ok(self.inner().cancel)
    }

    fn finish_command(
        &self,
        _: &str,
        id: &str,
        exit: i32,
        stdout: &str,
        stderr: &str,
    ) -> io::Result<()> {
        let mut inner = self.inner();
        inner.running = None;
        inner.ended.push(Ended {
            id: id.to_owned(),
            exit,
            stdout: stdout.to_owned(),
            stderr: stderr.to_owned(),
        });
        Ok(())
    }
}

pub struct Kit {
    pub dir: tempfile::TempDir,
    pub store: TestStore,
}

impl Kit {
    pub fn root(&self) -> PathBuf {
        host_folder(self.dir.path(), INSTANCE)
    }

    pub fn settings(&self) -> AgentSettings {
        AgentSettings {
            dir: self.dir.path().to_path_buf(),
            instance: INSTANCE.to_owned(),
            region: "us-east-1".to_owned(),
            program: self.dir.path().join("program"),
            allow: |script| script.contains("geusemaker"),
            confine: true,
            idle: Duration::from_millis(150),
        }
    }
}

/// A host that runs the dev template, with its folder. In place of this program stands one that prints how it
/// was called.
pub fn seeded() -> Kit {
    let kit = Kit {
        dir: tempfile::tempdir().unwrap(),
        store: TestStore::default(),
    };
    let root = kit.root();
    fs_err::create_dir_all(&root).unwrap();
    let seed = Seed {
        file_system: Some("fs-0123456789abcdef0"),
        ..Seed::default()
    };
    kit.store
        .on_host(INSTANCE, |at| {
            seed_host(at, &mut Folder(root.clone()), &seed).unwrap();
            at.host.prepare_folder(&root).unwrap();
            at.host.write_files(&root).unwrap();
        })
        .unwrap();
    let program = kit.settings().program;
    fs_err::write(&program, "#!/bin/sh\necho \"$@\"\n").unwrap();
    let mode = std::os::unix::fs::PermissionsExt::from_mode(0o755);
    fs_err::set_permissions(program, mode).unwrap();
    kit
}
