//! The two hosts that are asked: the real engine, and the sandbox's `docker`.

use std::time::{Duration, Instant};

use geusemaker::sandbox::fault::Fault;
use geusemaker::sandbox::host::docker::docker;
use geusemaker::sandbox::host::{Folder, HostFiles};
use geusemaker::sandbox::world::SEED_INSTANCE;

use super::super::engine::real::Real;
use super::super::engine::twin::Twin;

/// The compose file and the env file of the stack.
pub const FILE: &str = "/opt/geusemaker/runtime/docker-compose.yml";
pub const ENV_FILE: &str = "/opt/geusemaker/runtime/runtime.env";

/// What one call printed, and its exit code.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Said {
    pub stdout: String,
    pub stderr: String,
    pub code: i32,
}

/// A host with the stack of five.
pub trait Host {
    fn docker(&self, call: &[String]) -> Said;
    fn read(&self, path: &str) -> String;
    fn write(&self, path: &str, text: &str);
    fn registry(&self, there: bool);
    fn engine(&self, there: bool);

    /// The same, to go well; its lines.
    fn lines(&self, call: &[&str]) -> Vec<String> {
        let call: Vec<String> = call.iter().map(|w| (*w).to_owned()).collect();
        let said = self.docker(&call);
        assert_eq!((said.code, said.stderr.as_str()), (0, ""), "{call:?}");
        said.stdout.lines().map(str::to_owned).collect()
    }

    /// Until a container says so.
    fn wait(&self, name: &str, state: &str) {
        let until = Instant::now() + Duration::from_secs(30);
        let format =
            "{{.State.Status}} {{if .State.Health}}{{.State.Health.Status}}{{else}}none{{end}}";
        while self.lines(&["inspect", "--type", "container", "--format", format, name]) != [state] {
            assert!(Instant::now() < until, "{name} is not {state}");
            std::thread::sleep(Duration::from_millis(50));
        }
    }
}

impl Host for Real {
    fn docker(&self, call: &[String]) -> Said {
        let mut words = vec!["run", "/usr/bin/docker"];
        words.extend(call.iter().map(String::as_str));
        let output = self.output(&words);
        Said {
            stdout: String::from_utf8_lossy(&output.stdout).into_owned(),
            stderr: String::from_utf8_lossy(&output.stderr).into_owned(),
            code: output.status.code().unwrap_or(-1),
        }
    }

    fn read(&self, path: &str) -> String {
        self.sh(&format!("cat {path}"))
    }

    fn write(&self, path: &str, text: &str) {
        Real::write(self, path, text);
    }

    fn registry(&self, there: bool) {
        if there {
            self.sh("systemctl start registry");
            self.registry_answers();
        } else {
            self.sh("systemctl stop registry");
        }
    }

    fn engine(&self, there: bool) {
        if there {
            self.sh("systemctl start docker.socket docker");
        } else {
            self.sh("systemctl stop docker.socket docker 2>/dev/null");
        }
    }
}

impl Host for Twin {
    fn docker(&self, call: &[String]) -> Said {
        let files = Folder(self.folder());
        let said = self.place().with(|world, now| {
            let mut at = world.host(SEED_INSTANCE, now).unwrap();
            docker(&mut at, &files, call)
        });
        let said = said.unwrap();
        Said {
            stdout: said.stdout,
            stderr: said.stderr,
            code: said.code,
        }
    }

    fn read(&self, path: &str) -> String {
        Folder(self.folder()).read(path).unwrap()
    }

    fn write(&self, path: &str, text: &str) {
        Folder(self.folder()).write(path, text).unwrap();
    }

    fn registry(&self, there: bool) {
        let down = |world: &mut geusemaker::sandbox::world::World, _| {
            world.faults.0.retain(|f| !f.key.starts_with("pull:"));
            for fault in faults(there) {
                world.faults.0.push(Fault::parse(fault, None).unwrap());
            }
        };
        self.place().with(down).unwrap();
    }

    fn engine(&self, _: bool) {}
}

/// The sandbox has every release of the images that it knows, and no other registry: what is not there is a fault.
pub fn faults(registry: bool) -> &'static [&'static str] {
    if registry {
        &[
            "pull:127.0.0.1:5000/n8nio/n8n:9.9.9=missing",
            "pull:127.0.0.1:5000/nobody/nothing:1=missing",
        ]
    } else {
        &[
            "pull:127.0.0.1:5000/n8nio/n8n:1.1.0=unreachable",
            "pull:qdrant/qdrant:1.1.0=unreachable",
        ]
    }
}
