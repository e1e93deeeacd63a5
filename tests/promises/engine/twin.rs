//! One body, two hosts: what is asked of a host, the real one and the sandbox's with the same stack.

use geusemaker::model::{ImageRef, sha256_hex};
use geusemaker::sandbox::host::docker::Engine;
use geusemaker::sandbox::host::{Folder, Seed, seed_host};
use geusemaker::sandbox::place::Place;
use geusemaker::sandbox::registry::RegistryImage;
use geusemaker::sandbox::world::{SEED_FILE_SYSTEM, SEED_INSTANCE};
use serde_json::Value;

use super::images;
use super::real::{Real, Seen};
use crate::support::Sandbox;

/// A host with the stack of `stack.yml`, behind the sandbox's EC2 and Systems Manager.
pub trait Host {
    fn sandbox(&self) -> &Sandbox;

    /// All containers, by name.
    fn containers(&self) -> Vec<Seen>;

    /// The compose file, byte for byte.
    fn compose(&self) -> String;

    /// From here on nothing can be pulled.
    fn registry_down(&self);

    /// `docker tag`, by somebody.
    fn tag(&self, from: &str, to: &str);

    fn container(&self, name: &str) -> Seen {
        let all = self.containers();
        let one = all.iter().find(|c| c.name == name);
        one.unwrap_or_else(|| panic!("no {name} in {all:?}"))
            .clone()
    }

    /// An update with `-o json`, which is to end with this code.
    #[track_caller]
    fn update(&self, args: &[&str], code: i32) -> Value {
        let words = ["update", "my-dev-stack", "--force", "--health-timeout"];
        let words: Vec<&str> = words.iter().chain(&["20s"]).chain(args).copied().collect();
        self.sandbox().json(&words, code)
    }
}

impl Host for Real {
    fn sandbox(&self) -> &Sandbox {
        &self.sandbox
    }

    fn containers(&self) -> Vec<Seen> {
        Real::containers(self)
    }

    fn compose(&self) -> String {
        Real::compose(self)
    }

    fn registry_down(&self) {
        self.sh("systemctl stop registry");
    }

    fn tag(&self, from: &str, to: &str) {
        self.sh(&format!("docker tag {from} {to}"));
    }
}

/// The sandbox's own host.
pub struct Twin {
    sandbox: Sandbox,
}

/// Its registry: what the real one has, as far as a test here asks for it.
const IMAGES: [(&str, bool, &str); 11] = [
    ("n8nio/n8n:1.0.0", true, "amd64"),
    ("n8nio/n8n:1.1.0", true, "amd64"),
    ("n8nio/n8n:1.2.0-unhealthy", true, "amd64"),
    ("n8nio/n8n:1.2.0-slow", true, "amd64"),
    ("n8nio/n8n:1.1.0-s390x", true, "s390x"),
    ("ollama/ollama:1.0.0", false, "amd64"),
    ("qdrant/qdrant:1.0.0", true, "amd64"),
    ("qdrant/qdrant:1.1.0", true, "amd64"),
    ("unclecode/crawl4ai:1.0.0", false, "amd64"),
    ("postgres:15.1", true, "amd64"),
    ("postgres:15.2", true, "amd64"),
];

impl Twin {
    /// With five services that are up and green.
    pub fn new() -> Self {
        let twin = Self {
            sandbox: Sandbox::new(),
        };
        // The first use makes it, with another stack.
        let place = twin.place();
        let mut folder = Folder(twin.sandbox.host());
        place
            .with(|world, now| {
                for (name, healthcheck, architecture) in IMAGES {
                    let image = RegistryImage {
                        id: format!("sha256:{}", sha256_hex(format!("config {name}"))),
                        digest: format!("sha256:{}", sha256_hex(format!("manifest {name}"))),
                        architecture: architecture.into(),
                        size: 2_000_000,
                        healthcheck,
                    };
                    world.registry.add(&ImageRef::new(name).unwrap(), image);
                }
                let mut at = world.host(SEED_INSTANCE, now).unwrap();
                at.host.engine = Engine::default();
                let seed = Seed {
                    template: include_str!("stack.yml"),
                    env: "POSTGRES_PASSWORD=s3cret\n",
                    file_system: Some(SEED_FILE_SYSTEM),
                    ..Seed::default()
                };
                seed_host(&mut at, &mut folder, &seed).unwrap();
            })
            .unwrap();
        for fault in [
            "pull:n8nio/n8n:9.9.9=missing",
            "health:n8n@n8nio/n8n:1.2.0-unhealthy=unhealthy",
        ] {
            twin.fault(fault);
        }
        twin
    }

    /// The sandbox on disk.
    pub fn place(&self) -> Place {
        Place::open(&self.sandbox.path().join("sandbox")).unwrap()
    }

    /// The folder that is its host's root.
    pub fn folder(&self) -> std::path::PathBuf {
        self.sandbox.host()
    }

    fn fault(&self, fault: &str) {
        let words = ["sandbox", "fault", "add", fault];
        self.sandbox.run(&words).ended(0);
    }
}

impl Host for Twin {
    fn sandbox(&self) -> &Sandbox {
        &self.sandbox
    }

    fn containers(&self) -> Vec<Seen> {
        let read = self.place().with(|world, now| {
            let at = world.host(SEED_INSTANCE, now).unwrap();
            let of = |c: &geusemaker::sandbox::host::docker::Container| {
                let state = c.status.as_str();
                let state = match c.health(&at.latency, now) {
                    Some(health) => format!("{state}/{health}"),
                    None => state.to_owned(),
                };
                Seen {
                    name: c.name.clone(),
                    id: c.id.clone(),
                    started: c.started_at.map(|at| at.to_string()).unwrap_or_default(),
                    image: c.image.clone(),
                    image_id: c.image_id.clone(),
                    state,
                    policy: format!("{}:{}", c.restart_policy, c.restart_max),
                }
            };
            let mut all: Vec<Seen> = at.host.engine.containers.iter().map(of).collect();
            all.retain(|c| !c.name.starts_with("geusemaker-held-"));
            all.sort_by(|a, b| a.name.cmp(&b.name));
            all
        });
        read.unwrap()
    }

    fn compose(&self) -> String {
        self.sandbox.compose()
    }

    fn registry_down(&self) {
        for (name, ..) in IMAGES {
            self.fault(&format!("pull:{name}=missing"));
        }
    }

    fn tag(&self, from: &str, to: &str) {
        let to = ImageRef::new(to).unwrap();
        let tag = |world: &mut geusemaker::sandbox::world::World, now| {
            let at = world.host(SEED_INSTANCE, now).unwrap();
            at.host.engine.tag(from, &to)
        };
        self.place().with(tag).unwrap().unwrap();
    }
}

#[test]
fn a_bump_replaces_one_container_of_five() {
    images::bump(&Twin::new());
}

#[test]
fn an_image_that_is_missing_touches_nothing() {
    images::missing(&Twin::new());
}

#[test]
fn an_image_of_another_architecture_touches_nothing() {
    images::architecture(&Twin::new());
}

#[test]
fn an_image_that_is_never_healthy_is_taken_back() {
    images::unhealthy(&Twin::new());
}

#[test]
fn an_image_that_is_slow_is_waited_for() {
    let twin = Twin::new();
    let words = ["sandbox", "latency", "set", "healthy=2s"];
    twin.sandbox.run(&words).ended(0);
    images::slow(&twin);
}

#[test]
fn a_rollback_brings_the_old_bits_back() {
    images::rollback(&Twin::new());
}
