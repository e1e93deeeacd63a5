//! A sandbox whose instance is a real one: EC2 and Systems Manager are the sandbox's, the host is not.

use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::sync::atomic::{AtomicUsize, Ordering};

use geusemaker::sandbox::place::Place;
use geusemaker::sandbox::world::SEED_INSTANCE;
use serde_json::Value;

use crate::support::Sandbox;

/// The compose file on the instance.
pub const FILE: &str = "/opt/geusemaker/runtime/docker-compose.yml";
const WAKE: &str = include_str!("wake.sh");
pub const UP: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/engine/up");

/// Whether all that the tests need is in this folder, and of this state of the project.
pub fn ready(engine: &Path) -> bool {
    let asked = Command::new(UP).arg(engine).arg("ready").status();
    asked.is_ok_and(|status| status.success())
}

/// Whether its instances are small: without systemd.
pub fn small(engine: &Path) -> bool {
    fs_err::read_to_string(engine.join("kind")).is_ok_and(|kind| kind.trim() == "small")
}

/// The instance of one test. It ends with the test.
pub struct Real {
    pub sandbox: Sandbox,
    engine: PathBuf,
    host: PathBuf,
}

/// A container, as far as a test compares it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Seen {
    pub name: String,
    pub id: String,
    pub started: String,
    pub image: String,
    pub image_id: String,
    pub state: String,
    pub policy: String,
}

impl Real {
    /// With five services that are up and green (`stack.yml`), known to the sandbox as `my-dev-stack`.
    pub fn new(engine: &Path, name: &str) -> Self {
        static MADE: AtomicUsize = AtomicUsize::new(0);
        let made = MADE.fetch_add(1, Ordering::SeqCst);
        let host = engine
            .join("hosts")
            .join(format!("{name}-{}-{made}", std::process::id()));
        let real = Self {
            sandbox: Sandbox::new(),
            engine: engine.to_owned(),
            host,
        };
        real.up(&["clone"]);
        let boot = real
            .place()
            .with(|world, _| world.hosts[SEED_INSTANCE].boot_id.clone());
        real.up(&["boot", &boot.unwrap()]);
        real.sh(WAKE);
        real.place()
            .with(|world, _| {
                let host = world.hosts.get_mut(SEED_INSTANCE).unwrap();
                host.elsewhere = vec![UP.to_owned(), real.host.to_string_lossy().into_owned()];
            })
            .unwrap();
        real
    }

    /// Another one beside it.
    pub fn another(&self) -> Self {
        Self::new(&self.engine, "another")
    }

    /// Its folder.
    pub fn host(&self) -> &Path {
        &self.host
    }

    /// The sandbox on disk.
    pub fn place(&self) -> Place {
        Place::open(&self.sandbox.path().join("sandbox")).unwrap()
    }

    /// The script, with one of its verbs for this instance.
    pub fn script(&self, words: &[&str]) -> Command {
        let mut command = Command::new(UP);
        command.arg(&self.host).args(words).stdin(Stdio::null());
        command
    }

    /// What one of its verbs says, however it ends.
    pub fn output(&self, words: &[&str]) -> Output {
        self.script(words).output().unwrap()
    }

    /// The same, to go well.
    #[track_caller]
    pub fn up(&self, words: &[&str]) -> String {
        done(self.output(words), &words.join(" "))
    }

    /// Runs a shell script on the instance; its standard output.
    #[track_caller]
    pub fn sh(&self, script: &str) -> String {
        self.up(&["run", "/bin/sh", "-c", script])
    }

    /// The same while it may go off or not be there yet.
    pub fn try_sh(&self, script: &str) -> Option<String> {
        let output = self
            .script(&["run", "/bin/sh", "-c", script])
            .output()
            .ok()?;
        let done = output.status.success();
        done.then(|| String::from_utf8_lossy(&output.stdout).into_owned())
    }

    /// Writes a file on the instance.
    pub fn write(&self, path: &str, text: &str) {
        let script = "mkdir -p \"${1%/*}\" && printf %s \"$2\" >\"$1\"";
        self.up(&["run", "/bin/sh", "-c", script, "write", path, text]);
    }

    /// Its root folder, as it is seen from here.
    pub fn root(&self) -> PathBuf {
        let pid = fs_err::read_to_string(self.host.join("pid")).unwrap();
        let (pid, _) = pid.split_once(' ').unwrap();
        format!("/proc/{pid}/root").into()
    }

    /// A file on the instance; empty where there is none. Without a process there: for those who wait.
    pub fn read(&self, path: &str) -> String {
        fs_err::read_to_string(self.root().join(path.trim_start_matches('/'))).unwrap_or_default()
    }

    /// The compose file, byte for byte.
    pub fn compose(&self) -> String {
        self.sh(&format!("cat {FILE}"))
    }

    /// All containers but those that hold images, by name.
    pub fn containers(&self) -> Vec<Seen> {
        let mut all = self.every_container();
        all.retain(|c| !c.name.starts_with("geusemaker-held-"));
        all
    }

    /// The ids of the images that are held by a name and a container of ours.
    pub fn held(&self) -> Vec<String> {
        let mut all = self.every_container();
        all.retain(|c| c.name.starts_with("geusemaker-held-my-dev-stack-"));
        let names = self.sh("docker image ls --no-trunc --format '{{.ID}}' geusemaker/held | sort");
        let mut ids: Vec<String> = all.into_iter().map(|c| c.image_id).collect();
        ids.sort();
        assert_eq!(names.lines().collect::<Vec<_>>(), ids);
        ids
    }

    /// From here on the registry of this instance has a store of its own: what is pushed or lost is no other's.
    pub fn own_registry(&self) {
        self.sh("systemctl stop registry && cp -a /var/lib/docker-registry /srv/registry && mount --bind /srv/registry /var/lib/docker-registry && systemctl start registry");
        self.registry_answers();
    }

    /// Waits until it does.
    pub fn registry_answers(&self) {
        self.sh("n=0; until busybox wget -q -O /dev/null http://127.0.0.1:5000/v2/ 2>/dev/null; do n=$((n + 1)); [ $n -lt 200 ] || exit 1; sleep 0.1; done");
    }

    fn every_container(&self) -> Vec<Seen> {
        let format = "{{.Name}} {{.ID}} {{.State.StartedAt}} {{.Config.Image}} {{.Image}} {{.State.Status}}{{if .State.Health}}/{{.State.Health.Status}}{{end}} {{.HostConfig.RestartPolicy.Name}}:{{.HostConfig.RestartPolicy.MaximumRetryCount}}";
        let text = self.sh(&format!(
            "docker ps -aq --no-trunc | xargs -r docker inspect --format '{format}' | sort"
        ));
        let read = |line: &str| {
            let words: Vec<&str> = line.split(' ').collect();
            let [name, id, started, image, image_id, state, policy] = words[..] else {
                panic!("{line}");
            };
            let own = |text: &str| text.trim_start_matches('/').to_owned();
            Seen {
                name: own(name),
                id: own(id),
                started: own(started),
                image: own(image),
                image_id: own(image_id),
                state: own(state),
                policy: own(policy),
            }
        };
        text.lines().map(read).collect()
    }

    /// One of them.
    pub fn container(&self, name: &str) -> Seen {
        let all = self.containers();
        let one = all.iter().find(|c| c.name == name);
        one.unwrap_or_else(|| panic!("no {name} in {all:?}"))
            .clone()
    }

    /// An update with `-o json`, which is to end with this code.
    #[track_caller]
    pub fn update(&self, args: &[&str], code: i32) -> Value {
        let words = [
            "update",
            "my-dev-stack",
            "--force",
            "--health-timeout",
            "20s",
        ];
        let words: Vec<&str> = words.iter().chain(args).copied().collect();
        self.sandbox.json(&words, code)
    }
}

impl Drop for Real {
    fn drop(&mut self) {
        if std::env::var_os("GEUSEMAKER_ENGINE_KEEP").is_none() || !std::thread::panicking() {
            let _ = self.script(&["remove"]).status();
        }
    }
}

#[track_caller]
fn done(output: Output, what: &str) -> String {
    assert!(
        output.status.success(),
        "{what}: {}\n{}{}",
        output.status,
        String::from_utf8_lossy(&output.stdout),
        String::from_utf8_lossy(&output.stderr)
    );
    String::from_utf8(output.stdout).unwrap()
}
