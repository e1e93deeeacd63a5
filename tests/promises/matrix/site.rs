//! What outlives a controller: the cloud and its host, the time, the journal on disk, the snapshot.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};

use geusemaker::cloud::Clock;
use geusemaker::host::HostError;
use geusemaker::journal::Line;
use geusemaker::model::{InstanceId, RunState, Timestamp};
use geusemaker::sandbox::boot::BadBoot;
use geusemaker::sandbox::host::HostContext;
use geusemaker::sandbox::host::memory::HostWorld;
use geusemaker::sandbox::memory::VirtualClock;
use geusemaker::sandbox::world::{SEED_INSTANCE, World};
use jiff::SignedDuration;

use super::fault::Spent;
use crate::support::stack::containers;

/// Everything that is there when the controller is gone. Two that are equal go on alike: all that a controller
/// decides from is in here.
#[derive(Clone)]
pub struct State {
    pub world: World,
    pub now: Timestamp,
    /// The journal as its controller left it in the end: at this moment the first `synced` lines were on disk.
    pub lines: Arc<OnceLock<Vec<Line>>>,
    pub synced: usize,
    /// The file of the snapshot of the state before, where it is written.
    pub snapshot: Option<Arc<str>>,
    /// How far the fault has struck.
    pub spent: Spent,
    /// How many controllers there were.
    pub controllers: u64,
}

impl State {
    pub fn journal(&self) -> &[Line] {
        let all = self.lines.get().expect("its controller has ended");
        &all[..self.synced]
    }

    /// The stack now, at its end: what a fault of the sandbox would still do to it by itself is not of the stack.
    pub fn stack(&mut self) -> BTreeMap<String, String> {
        self.world.faults.0.clear();
        if let Some(mut at) = self.world.host(SEED_INSTANCE, self.now) {
            at.settle();
        }
        stack(&mut self.world, self.now)
    }

    /// Somebody has mended what failed: the fault is gone, a boot that went wrong was made again, a container that is sick
    /// was mended.
    pub fn mend(&mut self) {
        self.spent.mended = true;
        self.world.faults.0.clear();
        let (mut now, world) = (self.now, &mut self.world);
        let bad = world.instances[SEED_INSTANCE].bad_boot != BadBoot::default();
        if bad && world.instances[SEED_INSTANCE].state == RunState::Running {
            let all = [SEED_INSTANCE];
            world
                .stop_instances(&all, false, false, now)
                .expect("it runs");
            now += SignedDuration::from_mins(1);
            world.advance(now);
            world
                .start_instances(&all, false, now)
                .expect("it is stopped");
            now += SignedDuration::from_mins(1);
            world.advance(now);
        }
        let host = world.hosts.get_mut(SEED_INSTANCE).expect("seeded");
        for container in &mut host.engine.containers {
            container.sick = container.sick.map(|_| false);
        }
        self.now = now;
    }
}

/// A world that a controller acts on.
pub struct Site {
    world: Arc<Mutex<World>>,
    pub clock: VirtualClock,
}

impl Site {
    pub fn new(world: World, now: Timestamp) -> Self {
        Self {
            world: Arc::new(Mutex::new(world)),
            clock: VirtualClock::at(now),
        }
    }

    pub fn world(&self) -> MutexGuard<'_, World> {
        self.world.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The same, for the ports of the cloud.
    pub fn world_of(&self) -> Arc<Mutex<World>> {
        Arc::clone(&self.world)
    }

    /// The world, once nobody acts on it any more.
    pub fn take(&self) -> World {
        self.at(|world, now| std::mem::replace(world, World::new(now)))
    }

    /// The world, with all that was due by now.
    pub fn at<T>(&self, work: impl FnOnce(&mut World, Timestamp) -> T) -> T {
        let now = self.clock.now();
        let mut world = self.world();
        world.advance(now);
        work(&mut world, now)
    }
}

impl HostWorld for Site {
    fn with_host<R>(
        &self,
        on: &InstanceId,
        work: impl FnOnce(&mut HostContext<'_>) -> R,
    ) -> Result<R, HostError> {
        self.at(|world, now| {
            let instance = world.instances.get(on.as_str());
            if !instance.is_some_and(|i| i.agent_online(now)) {
                return Err(HostError::Unreachable(format!("{on} is not online")));
            }
            let mut host = world.host(on.as_str(), now).expect("an instance has one");
            Ok(work(&mut host))
        })
    }
}

/// What "as before" and "updated" mean: type, attribute, run state; of each container its image, whether it runs, its policy, its health and the mount that it sees; each file, byte for byte.
pub fn stack(world: &mut World, now: Timestamp) -> BTreeMap<String, String> {
    world.advance(now);
    let instance = &world.instances[SEED_INSTANCE];
    let mut out = BTreeMap::from([
        ("type".to_owned(), instance.instance_type.to_string()),
        (
            "ebs_optimized".to_owned(),
            instance.ebs_optimized.to_string(),
        ),
        ("state".to_owned(), instance.state.as_str().to_owned()),
    ]);
    let host = &world.hosts[SEED_INSTANCE];
    for c in containers(world) {
        let state = format!(
            "image={} id={} running={} policy={} health={:?} sees={:?}",
            c.image,
            c.image_id,
            c.running(),
            c.restart_policy,
            c.running().then(|| c.health(&world.latency, now)).flatten(),
            c.running().then_some(c.sees).flatten(),
        );
        out.insert(format!("container {}", c.name), state);
    }
    let files = host.memory.files.0.iter();
    out.extend(files.map(|(path, text)| (format!("file {path}"), text.clone())));
    out
}

/// What differs, for people.
pub fn differing(a: &BTreeMap<String, String>, b: &BTreeMap<String, String>) -> String {
    let short = |text: Option<&String>| -> String {
        let text = text.map_or("nothing", String::as_str);
        text.chars().take(160).collect()
    };
    let keys: std::collections::BTreeSet<_> = a.keys().chain(b.keys()).collect();
    let all = keys.into_iter().filter(|k| a.get(*k) != b.get(*k));
    all.map(|k| format!("{k}: {} / {}", short(a.get(k)), short(b.get(k))))
        .collect::<Vec<_>>()
        .join("; ")
}
