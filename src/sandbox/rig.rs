//! The whole sandbox in memory: the state machine without wire, folder and shell, for the fast tests.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use bytes::Bytes;

use super::host::HostContext;
use super::host::memory::{HostWorld, MemoryHost};
use super::memory::{MemoryCloud, VirtualClock};
use super::world::{SEED_INSTANCE, World};
use super::{connector, wire};
use crate::cloud::Clock;
use crate::cloud::aws::{Aws, in_process};
use crate::host::{HELD_CONTAINER, HostError};
use crate::model::{Deployment, InstanceId, RunState};

/// A world in memory with its clock.
pub struct Memory {
    world: Arc<Mutex<World>>,
    clock: VirtualClock,
}

impl Memory {
    /// The seeded sandbox.
    ///
    /// # Panics
    /// When the built-in template is wrong.
    pub fn seeded(clock: &VirtualClock) -> Self {
        let now = clock.now();
        let mut world = World::new(now);
        let mut files = std::mem::take(
            &mut world
                .hosts
                .get_mut(SEED_INSTANCE)
                .expect("seeded")
                .memory
                .files,
        );
        world
            .seed_stack(&mut files, now)
            .expect("the built-in template");
        world
            .hosts
            .get_mut(SEED_INSTANCE)
            .expect("seeded")
            .memory
            .files = files;
        Self {
            world: Arc::new(Mutex::new(world)),
            clock: clock.clone(),
        }
    }

    /// The world itself, for tests that change something behind our back.
    pub fn world(&self) -> MutexGuard<'_, World> {
        self.world.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// EC2 and EFS.
    pub fn cloud(&self) -> Arc<MemoryCloud> {
        Arc::new(MemoryCloud::new(
            Arc::clone(&self.world),
            Arc::new(self.clock.clone()),
        ))
    }

    /// The real SDK over the real wire, answered by this world: the same as [`cloud`](Self::cloud), the long way.
    ///
    /// # Panics
    /// When the SDK takes no configuration.
    pub fn sdk(&self) -> Aws {
        self.sdk_heard(|_| ())
    }

    /// The same, and each request is told before it is answered: to be written down, or to take its time.
    ///
    /// # Panics
    /// When the SDK takes no configuration.
    pub fn sdk_heard(&self, heard: impl Fn(&http::Request<Bytes>) + Send + Sync + 'static) -> Aws {
        let (world, clock) = (Arc::clone(&self.world), self.clock.clone());
        let region = self.world().region.clone();
        let http = connector::over(move |request| {
            heard(request);
            let mut world = world.lock().unwrap_or_else(PoisonError::into_inner);
            Ok(wire::handle(&mut world, request, clock.now()))
        });
        Aws::new(&in_process(http, &region)).expect("a region")
    }

    /// The host.
    pub fn host(&self) -> Arc<MemoryHost<Self>> {
        Arc::new(MemoryHost(Arc::new(Self {
            world: Arc::clone(&self.world),
            clock: self.clock.clone(),
        })))
    }

    /// The seeded deployment.
    pub fn deployment(&self) -> Deployment {
        self.world().seeded_deployment(self.clock.now())
    }

    /// What "as before" means: type, run state, and for each container its image, whether it runs, its
    /// restart policy; the files.
    pub fn stack(&self) -> BTreeMap<String, String> {
        let now = self.clock.now();
        let mut world = self.world();
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
        // What holds an image is residue, and not of the stack.
        let held = |name: &str| name.starts_with(HELD_CONTAINER);
        for c in host.engine.containers.iter().filter(|c| !held(&c.name)) {
            let state = format!(
                "{} {} running={} policy={:?}",
                c.image,
                c.image_id,
                c.running(),
                c.restart_policy
            );
            out.insert(format!("container {}", c.name), state);
        }
        out.extend(
            host.memory
                .files
                .0
                .iter()
                .map(|(path, text)| (format!("file {path}"), text.clone())),
        );
        out
    }

    /// The instance is stopped by somebody, and has reached it.
    pub fn stop(&self) {
        let now = self.clock.now();
        self.world()
            .stop_instances(&[SEED_INSTANCE], false, false, now)
            .expect("it runs");
        self.clock.advance(std::time::Duration::from_secs(600));
        let now = self.clock.now();
        let mut world = self.world();
        world.advance(now);
        assert_eq!(world.instances[SEED_INSTANCE].state, RunState::Stopped);
    }
}

impl HostWorld for Memory {
    fn with_host<R>(
        &self,
        on: &InstanceId,
        work: impl FnOnce(&mut HostContext<'_>) -> R,
    ) -> Result<R, HostError> {
        let now = self.clock.now();
        let mut world = self.world();
        world.advance(now);
        let online = world
            .instances
            .get(on.as_str())
            .is_some_and(|i| i.agent_online(now));
        if !online {
            return Err(HostError::Unreachable(format!(
                "the agent of {on} is not online"
            )));
        }
        world
            .host(on.as_str(), now)
            .map(|mut at| work(&mut at))
            .ok_or_else(|| HostError::Unreachable(format!("{on} has no host")))
    }
}
