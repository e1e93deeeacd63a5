//! The state of a host, and what power and time do to it.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::docker::Engine;
use super::memory::MemoryRecord;
use super::mounts::{EfsMount, MountKind};
use super::timer::RestoreTimer;
use crate::model::sha256_hex;
use crate::sandbox::boot::BadBoot;
use crate::sandbox::fault::Faults;
use crate::sandbox::latency::Latency;
use crate::sandbox::registry::{Registry, fault_key, strike_ref};

/// All that a host is, beside its folder on disk. Part of the world; changed only under its lock.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct HostState {
    /// Another one after each boot.
    pub boot_id: String,
    /// How often it has booted.
    pub boots: u64,
    /// Whether it is on.
    pub powered: bool,
    /// `uname -m`: `x86_64` or `aarch64`.
    pub machine: String,
    /// `Requires=` of docker.service, as systemd resolves it.
    pub docker_requires: Vec<String>,
    /// The boot in which systemd last read its unit files.
    pub units_of_boot: String,
    /// Whether fstab has a line for the file system. Only what systemd makes of it depends on this.
    pub fstab_line: bool,
    /// The EFS file system that belongs on it; None where the stack keeps its data on the root volume.
    pub efs: Option<EfsMount>,
    /// What is at the mount point now.
    pub mount: MountKind,
    /// Free space where Docker keeps its images, in bytes.
    pub disk_free: u64,
    /// Whether docker.service is active. It is not after a boot whose mount failed, where it requires that mount.
    pub docker_active: bool,
    /// Its Docker.
    pub engine: Engine,
    /// What the host scripts would keep in `/var/lib/geusemaker`, for a host in memory.
    pub memory: MemoryRecord,
    /// Its timer; the rest of its systemd is not there.
    pub timer: RestoreTimer,
    /// What is wrong with the present boot.
    pub bad_boot: BadBoot,
    /// A program with its first arguments that switches a real machine on and off, on which all runs instead: a setting
    /// of tests, empty in every sandbox (docs/engine.md).
    pub elsewhere: Vec<String>,
    /// A boot at this moment, whose mount was not decided yet.
    pub(super) undecided_boot: Option<Timestamp>,
}

impl Default for HostState {
    fn default() -> Self {
        let requires = ["system.slice", "docker.socket", "sysinit.target"];
        Self {
            boot_id: String::new(),
            boots: 0,
            powered: false,
            machine: "x86_64".to_owned(),
            docker_requires: requires.map(str::to_owned).to_vec(),
            units_of_boot: String::new(),
            fstab_line: true,
            efs: None,
            mount: MountKind::Ok,
            disk_free: 40_000_000_000,
            docker_active: false,
            engine: Engine::default(),
            memory: MemoryRecord::default(),
            timer: RestoreTimer::default(),
            bad_boot: BadBoot::default(),
            elsewhere: Vec::new(),
            undecided_boot: None,
        }
    }
}

impl HostState {
    /// A shutdown begins (the instance is `stopping`): systemd ends Docker, and Docker its containers, long before the power
    /// is off.
    pub fn shut_down(&mut self, now: Timestamp) {
        // A daemon that never came up has nothing to stop, and still knows what ran before.
        if self.docker_active {
            self.engine.power_off(now);
        }
        self.docker_active = false;
    }

    /// The power goes off (the instance reached `stopped`): what still runs stops, every process dies.
    pub fn power_off(&mut self, now: Timestamp) {
        self.powered = false;
        self.shut_down(now);
        self.timer.power_off();
        self.undecided_boot = None;
    }

    /// The instance reached `running`: mounts, Docker, and the containers whose policy says so. What
    /// faults do to them is decided by [`HostState::settle`], which has to follow before anyone looks.
    pub fn boot(&mut self, now: Timestamp) {
        self.boots += 1;
        let hex = sha256_hex(format!("{} {} {now}", self.boot_id, self.boots));
        self.boot_id = format!(
            "{}-{}-4{}-a{}-{}",
            &hex[..8],
            &hex[8..12],
            &hex[13..16],
            &hex[17..20],
            &hex[20..32]
        );
        self.powered = true;
        // The files of a host in memory are here; those of a folder are read when its agent comes up.
        if !self.memory.files.0.is_empty() {
            let files = std::mem::take(&mut self.memory.files);
            self.read_units(&files);
            self.memory.files = files;
        }
        self.timer.boot(now);
        self.undecided_boot = Some(now);
    }

    /// Whether docker.service requires a mount that is not there.
    pub fn docker_waits_for_mount(&self) -> bool {
        self.mount == MountKind::Gone
            && self
                .efs
                .as_ref()
                .is_some_and(|efs| self.docker_requires.contains(&efs.unit()))
    }

    /// The daemon starts, if it is down: containers come up as their policies say.
    pub fn start_docker(&mut self, now: Timestamp) {
        if self.powered && !self.docker_active {
            self.docker_active = true;
            self.engine.boot(now);
        }
    }

    /// Lets the faults in force have their effect: `mount` on the mount, `health:SERVICE@REF` on the
    /// containers. A fault with a count is used up by one at a boot (`mount`) or at a container's start
    /// (`health`); one that holds always also meets what runs already.
    pub fn settle(&mut self, faults: &mut Faults) {
        let code = faults.active("mount").map(str::to_owned);
        self.mount = code
            .as_deref()
            .and_then(MountKind::parse)
            .unwrap_or_default();
        if self.bad_boot.mount {
            self.mount = MountKind::Gone;
        }
        if let Some(at) = self.undecided_boot.take() {
            // Where the mount fails, a Docker that requires it stays inactive, and does not try again when
            // the mount comes; without the requirement it starts on the empty folder. (Seen.)
            if !self.docker_waits_for_mount() {
                self.start_docker(at);
            }
            if faults.counted("mount") {
                faults.strike("mount", None);
            }
        }
        let any = faults.0.iter().any(|f| f.key.starts_with("health:"));
        for container in &mut self.engine.containers {
            container.held_sick = false;
            if !container.running() {
                continue;
            }
            if !any {
                container.sees.get_or_insert(self.mount);
                container.sick.get_or_insert(self.bad_boot.health);
                continue;
            }
            let service = container.service().unwrap_or(&container.name);
            let prefix = format!("health:{service}@");
            container.sees.get_or_insert(self.mount);
            let image = container.image.as_str();
            if container.sick.is_none() {
                container.sick = Some(match fault_key(faults, &prefix, image) {
                    Some(key) if faults.counted(&key) => {
                        strike_ref(faults, &prefix, image).is_some()
                    }
                    _ => self.bad_boot.health,
                });
            }
            container.held_sick =
                fault_key(faults, &prefix, image).is_some_and(|key| !faults.counted(&key));
        }
    }

    /// The architecture that Docker pulls for: `amd64` or `arm64`.
    pub fn architecture(&self) -> &'static str {
        if self.machine == "aarch64" {
            "arm64"
        } else {
            "amd64"
        }
    }
}

/// A host with all that acts on it, under the world's lock.
pub struct HostContext<'a> {
    /// The host.
    pub host: &'a mut HostState,
    /// What can be pulled.
    pub registry: &'a mut Registry,
    /// The faults in force.
    pub faults: &'a mut Faults,
    /// How long things take.
    pub latency: Latency,
    /// Now.
    pub now: Timestamp,
}

impl HostContext<'_> {
    /// [`HostState::settle`].
    pub fn settle(&mut self) {
        self.host.settle(self.faults);
    }

    /// Lets happen what the host does by itself when its time has come.
    pub fn advance(&mut self) {
        if self.host.powered {
            self.host.timer.advance(self.now);
            self.advance_restore();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sandbox::fault::Fault;
    use crate::sandbox::host::docker::test_kit::{at, container, image};

    fn fault(key: &str, code: &str, times: Option<u32>) -> Fault {
        Fault {
            key: key.to_owned(),
            instance_type: None,
            code: code.to_owned(),
            times,
        }
    }

    #[test]
    fn each_boot_has_an_id_of_its_own_in_the_form_of_a_uuid() {
        let mut host = HostState::default();
        let mut seen = std::collections::BTreeSet::new();
        for n in 0..3 {
            host.boot(at(n));
            assert_eq!(host.boot_id.len(), 36);
            assert_eq!(host.boot_id.matches('-').count(), 4);
            assert!(seen.insert(host.boot_id.clone()));
            host.power_off(at(n));
        }
    }

    #[test]
    fn a_container_sees_what_was_mounted_when_it_started() {
        let mut host = HostState::default();
        let mut faults = Faults::default();
        let draft = container("a", &image("postgres:15"));
        host.engine.create(draft, at(0)).unwrap();
        host.engine.start("a", at(0)).unwrap();
        host.settle(&mut faults);
        faults.0.push(fault("mount", "gone", None));
        host.settle(&mut faults);
        assert_eq!(host.mount, MountKind::Gone);
        assert_eq!(host.engine.containers[0].sees, Some(MountKind::Ok));
        host.engine.stop("a", at(1)).unwrap();
        host.engine.start("a", at(2)).unwrap();
        host.settle(&mut faults);
        faults.0.clear();
        host.settle(&mut faults);
        assert_eq!(host.mount, MountKind::Ok);
        assert_eq!(host.engine.containers[0].sees, Some(MountKind::Gone));
    }

    #[test]
    fn docker_waits_for_a_mount_that_it_requires() {
        for (requires, active) in [(true, false), (false, true)] {
            let mut host = HostState {
                efs: Some(EfsMount::new("fs-0123456789abcdef0", "/mnt/efs")),
                ..HostState::default()
            };
            if requires {
                host.docker_requires.push("mnt-efs.mount".to_owned());
            }
            let mut faults = Faults::default();
            host.boot(at(0));
            host.settle(&mut faults);
            let mut draft = container("a", &image("postgres:15"));
            draft.restart_policy = "unless-stopped".to_owned();
            host.engine.create(draft, at(0)).unwrap();
            host.engine.start("a", at(0)).unwrap();
            host.settle(&mut faults);
            host.power_off(at(1));
            faults.0.push(fault("mount", "gone", Some(1)));
            host.boot(at(2));
            host.settle(&mut faults);
            assert_eq!(host.docker_active, active, "requires: {requires}");
            assert_eq!(host.engine.containers[0].running(), active);
            if active {
                // On the empty folder, and it stays there when the mount comes.
                assert_eq!(host.engine.containers[0].sees, Some(MountKind::Gone));
            }
            host.settle(&mut faults);
            assert_eq!((host.mount, host.docker_active), (MountKind::Ok, active));
            // The next boot is a good one, and what ran before comes up.
            host.power_off(at(3));
            host.boot(at(4));
            host.settle(&mut faults);
            assert!(host.engine.containers[0].running());
            assert_eq!(host.engine.containers[0].sees, Some(MountKind::Ok));
        }
    }

    #[test]
    fn health_is_a_function_of_time_and_faults() {
        let latency = Latency::FAST;
        let mut host = HostState::default();
        let mut faults = Faults::default();
        let mut draft = container("n8n", &image("n8nio/n8n:1.20.0"));
        draft.healthcheck = true;
        draft.image = "n8nio/n8n:1.20.0".to_owned();
        host.engine.create(draft, at(0)).unwrap();
        let health = |host: &HostState, ms| host.engine.containers[0].health(&latency, at(ms));
        assert_eq!(health(&host, 0), None, "never started");
        host.engine.start("n8n", at(0)).unwrap();
        host.settle(&mut faults);
        let healthy = latency.healthy as i64;
        assert_eq!(health(&host, healthy - 1), Some("starting"));
        assert_eq!(health(&host, healthy), Some("healthy"));
        let key = "health:n8n@docker.io/n8nio/n8n:1.20.0";
        // One that always holds meets a running container, and is gone when it is cleared.
        faults.0.push(fault(key, "unhealthy", None));
        host.settle(&mut faults);
        assert_eq!(health(&host, healthy), Some("unhealthy"));
        faults.0.clear();
        host.settle(&mut faults);
        assert_eq!(health(&host, healthy), Some("healthy"));
        // A counted one meets the next start, once.
        faults.0.push(fault(key, "unhealthy", Some(1)));
        host.settle(&mut faults);
        assert_eq!(health(&host, healthy), Some("healthy"));
        for (from, expected) in [(1000, "unhealthy"), (2000, "healthy")] {
            host.engine.stop("n8n", at(from)).unwrap();
            assert_eq!(health(&host, from), Some("unhealthy"), "stopped");
            host.engine.start("n8n", at(from)).unwrap();
            host.settle(&mut faults);
            assert_eq!(health(&host, from + healthy), Some(expected));
        }
        assert!(faults.0.is_empty());
    }
}
