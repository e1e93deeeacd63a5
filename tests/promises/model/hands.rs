//! What somebody does by hand, past this program: on the console of EC2, in a shell on the host, in a registry.

use std::collections::BTreeSet;
use std::time::Duration;

use geusemaker::cloud::Clock;
use geusemaker::model::{ImageRef, InstanceType, RunState};
use geusemaker::sandbox::world::{Attribute, SEED_INSTANCE};
use geusemaker::state::StateDir;

use super::commands::{Hand, IMAGES, MACHINES, TYPES};
use super::reference::{FILE, Stack, write_image};
use crate::saga::Rig;

/// Long enough for a stop, a start, and containers that become healthy.
const A_WHILE: Duration = Duration::from_secs(60);

pub fn wait(rig: &Rig, how_long: Duration) {
    rig.clock.advance(how_long);
    rig.memory.world().advance(rig.clock.now());
}

fn power(rig: &Rig, on: bool) -> bool {
    let now = rig.clock.now();
    let mut world = rig.memory.world();
    world.advance(now);
    let was = world.instances[SEED_INSTANCE].state == RunState::Running;
    if was != on {
        let ids = [SEED_INSTANCE];
        match on {
            true => world.start_instances(&ids, false, now),
            false => world.stop_instances(&ids, false, false, now),
        }
        .expect("it can be");
        drop(world);
        wait(rig, A_WHILE);
    }
    was
}

/// Does it. Answers what it may have touched.
pub fn does(rig: &Rig, hand: Hand) -> BTreeSet<String> {
    let container = |s: usize| BTreeSet::from([format!("container {}", IMAGES[s].0)]);
    let reference = |s: usize, t: usize| ImageRef::new(IMAGES[s].1[t]).expect("a reference");
    let everything = || BTreeSet::from(["*".to_owned()]);
    match hand {
        Hand::Type(to) => {
            wait(rig, A_WHILE);
            let was = power(rig, false);
            let to = Attribute::InstanceType(TYPES[to].into());
            let modified = rig
                .memory
                .world()
                .modify_instance(SEED_INSTANCE, &to, false);
            modified.expect("it is stopped");
            if was {
                power(rig, true);
            }
            everything()
        }
        Hand::Stop | Hand::Start => {
            wait(rig, A_WHILE);
            power(rig, hand == Hand::Start);
            everything()
        }
        Hand::MoveTag(s, t) => {
            rig.memory.world().registry.move_tag(&reference(s, t));
            container(s)
        }
        Hand::Comment => {
            edit(rig, |stack| {
                stack.get_mut(FILE).expect("it").push_str("# mine\n")
            });
            BTreeSet::from([FILE.to_owned()])
        }
        Hand::EditImage(s, t) => {
            edit(rig, |stack| write_image(stack, IMAGES[s].0, IMAGES[s].1[t]));
            BTreeSet::from([FILE.to_owned()])
        }
        Hand::RunImage(s, t) => {
            let mut guard = rig.memory.world();
            let world = &mut *guard;
            let image = world
                .registry
                .find(&reference(s, t), "amd64")
                .expect("it is there");
            let engine = &mut world.hosts.get_mut(SEED_INSTANCE).expect("it").engine;
            engine.take(&reference(s, t), &image);
            let container_of = engine.container(IMAGES[s].0).expect("it");
            container_of.image = IMAGES[s].1[t].into();
            container_of.image_id = image.id;
            container(s)
        }
        Hand::StopContainer(s) | Hand::StartContainer(s) => {
            let now = rig.clock.now();
            let mut world = rig.memory.world();
            world.advance(now);
            let runs = world.instances[SEED_INSTANCE].state == RunState::Running;
            let engine = &mut world.hosts.get_mut(SEED_INSTANCE).expect("it").engine;
            let is_up = engine.container(IMAGES[s].0).expect("it").running();
            match (runs, is_up, matches!(hand, Hand::StartContainer(_))) {
                (true, true, false) => engine.stop(IMAGES[s].0, now).expect("it stops"),
                (true, false, true) => engine.start(IMAGES[s].0, now).expect("it starts"),
                _ => {}
            }
            drop(world);
            wait(rig, Duration::from_secs(5));
            container(s)
        }
        Hand::Record(to) => {
            for host in MACHINES {
                let folder = rig.laptop(host).state_dir;
                let (state, _) = StateDir::open(&folder).expect("a folder");
                let mut deployment = state.load(&rig.memory.deployment().name).expect("it");
                deployment.cache.instance_type = InstanceType::new(TYPES[to]).expect("a type");
                state.save(&deployment).expect("it is written");
            }
            BTreeSet::new()
        }
    }
}

/// Edits the compose file on the host.
fn edit(rig: &Rig, does: impl FnOnce(&mut Stack)) {
    let path = FILE.strip_prefix("file ").expect("a path");
    let mut guard = rig.memory.world();
    let host = guard.hosts.get_mut(SEED_INSTANCE).expect("it");
    let text = host.memory.files.0.get_mut(path).expect("it");
    let mut stack = Stack::from([(FILE.to_owned(), text.clone())]);
    does(&mut stack);
    text.clone_from(&stack[FILE]);
}
