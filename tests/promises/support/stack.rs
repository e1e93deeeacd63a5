//! What a stack is, read from the sandbox's world and its host's folder, behind the back of the program.

use std::collections::BTreeMap;
use std::path::Path;
use std::process::Command;

use geusemaker::host::HELD_CONTAINER;
use geusemaker::sandbox::host::docker::Container;
use geusemaker::sandbox::place::Place;
use geusemaker::sandbox::world::{SEED_INSTANCE, World};
use serde_json::Value;

use super::Sandbox;

/// What must be equal for "as before": the cloud's side, each container, the files.
pub type Stack = BTreeMap<String, String>;

/// The containers of the stack: what holds an image is residue, and none of it.
pub fn containers(world: &World) -> impl Iterator<Item = &Container> {
    let all = world.hosts[SEED_INSTANCE].engine.containers.iter();
    all.filter(|c| !c.name.starts_with(HELD_CONTAINER))
}

impl Sandbox {
    /// The world, under its lock.
    pub fn world<T>(&self, work: impl FnOnce(&mut World) -> T) -> T {
        let place = Place::open(&self.path().join("sandbox")).expect("a sandbox");
        place.with(|world, _| work(world)).expect("a world")
    }

    /// Another one, as this one is now.
    pub fn copy(&self) -> Self {
        let copy = Self::new();
        // Nobody writes meanwhile: the world is locked.
        let copied = self.world(|_| {
            let from = self.path().join("sandbox");
            Command::new("cp")
                .arg("-a")
                .arg(from)
                .arg(copy.path())
                .status()
        });
        assert!(copied.expect("cp runs").success());
        copy
    }

    /// Type, run state, and of each container: image, whether it runs, its restart policy; the compose file.
    pub fn stack(&self) -> Stack {
        let mut stack = self.world(|world| {
            let instance = &world.instances[SEED_INSTANCE];
            let cloud = [
                ("type", instance.instance_type.to_string()),
                ("state", instance.state.as_str().to_owned()),
            ];
            let mut stack: Stack = cloud.map(|(key, value)| (key.to_owned(), value)).into();
            stack.extend(containers(world).map(|c| {
                let what = format!(
                    "{} {} running={} restart={}:{}",
                    c.image,
                    c.image_id,
                    c.running(),
                    c.restart_policy,
                    c.restart_max
                );
                (format!("container {}", c.name), what)
            }));
            stack
        });
        stack.insert("compose".into(), self.compose());
        stack
    }

    /// What an operation that has come to its end must not leave behind: an open journal, a lease, an armed host,
    /// a restart policy that is put back later, a capacity reservation.
    pub fn leftovers(&self) -> Vec<String> {
        let mut left = Vec::new();
        for journal in self.journals() {
            let lines = lines(&journal);
            if lines.last().is_none_or(|l| l["entry"] != "closed") {
                left.push(format!("{} is open: {:?}", journal.display(), lines.last()));
            }
            if journal.with_file_name("reserve").exists() {
                left.push(format!("{} has its reserve yet", journal.display()));
            }
        }
        let (leases, timer, reserved) = self.world(|world| {
            let of = |name: &str| name.starts_with("/geusemaker/my-dev-stack/lock/");
            let all = world.parameters.all.values().filter(|p| of(&p.name));
            let leases: Vec<Value> = all
                .map(|p| serde_json::from_str(&p.value).expect("a lease"))
                .collect();
            let all = world.reservations.iter();
            let active = all.filter(|(_, r)| r.is_active());
            let reserved: Vec<String> = active.map(|(id, _)| id.clone()).collect();
            (leases, world.hosts[SEED_INSTANCE].timer.active(), reserved)
        });
        left.extend(reserved.iter().map(|id| format!("the reservation {id}")));
        if let Some(newest) = leases.last()
            && (newest["phase"] != "released" || !newest["open_operation"].is_null())
        {
            left.push(format!("the lease {newest}"));
        }
        if timer {
            left.push("the host's timer".into());
        }
        let host = self.host().join("var/lib/geusemaker");
        let word = restore_word(&host);
        if !["idle", "committed", "restored"].contains(&word.as_str()) {
            left.push(format!("the host is {word}"));
        }
        let policies = fs_err::read_dir(host.join("policies"));
        left.extend(
            policies
                .into_iter()
                .flatten()
                .map(|entry| format!("the policy {:?}", entry.expect("readable").file_name())),
        );
        left
    }

    /// The journals of its deployment, oldest first.
    pub fn journals(&self) -> Vec<std::path::PathBuf> {
        let folder = self.path().join("sandbox/state/my-dev-stack/operations");
        let mut all: Vec<_> = fs_err::read_dir(folder)
            .into_iter()
            .flatten()
            .map(|entry| entry.expect("readable").path().join("journal.jsonl"))
            .filter(|journal| journal.exists())
            .collect();
        all.sort();
        all
    }

    /// The newest journal's lines.
    pub fn journal(&self) -> Vec<Value> {
        self.journals().last().map(|j| lines(j)).unwrap_or_default()
    }

    /// The word of the host's restore state.
    pub fn restore_word(&self) -> String {
        restore_word(&self.host().join("var/lib/geusemaker"))
    }
}

fn restore_word(folder: &Path) -> String {
    let text = fs_err::read_to_string(folder.join("restore/state")).unwrap_or_default();
    text.split_whitespace().next().unwrap_or("idle").to_owned()
}

/// The whole lines of a journal.
pub fn lines(journal: &Path) -> Vec<Value> {
    let text = fs_err::read_to_string(journal).expect("a journal");
    let whole = text.split_inclusive('\n').filter(|l| l.ends_with('\n'));
    whole
        .filter_map(|line| serde_json::from_str(line).ok())
        .collect()
}
