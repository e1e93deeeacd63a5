//! What a loss of power and a full disk leave: the journal is never behind what was done, and `resume` goes on from it.

mod disk;
mod full;
mod power;
mod truncated;

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::path::Path;
use std::rc::Rc;

use geusemaker::cloud::Clock;
use geusemaker::model::{
    DeploymentName, ImageRef, InstanceType, Outcome, RollbackRequest, ServiceName, Timestamp,
    UpdateRequest,
};
use geusemaker::orchestrator::{Ended, Way, World, prepare_rollback, prepare_update, resume};
use geusemaker::sandbox::fault::Fault;
use geusemaker::sandbox::world::World as Account;
use geusemaker::state::disk::{Touch, watch};

use crate::saga::{Rig, goes, options};

/// What is done, and how it ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Work {
    /// Type and image.
    Update,
    /// The same, and the new type has no capacity.
    Undone,
    /// Back from it.
    Rollback,
}

const WORKS: [Work; 3] = [Work::Update, Work::Undone, Work::Rollback];

/// Whether everything is tried, and not a spread of it.
fn everything() -> bool {
    std::env::var("GEUSEMAKER_POWER").is_ok_and(|text| text == "all")
}

/// Just before it begins.
async fn ready(work: Work) -> (Rig, World) {
    let rig = Rig::new();
    let world = rig.laptop("ann-laptop");
    if work == Work::Rollback {
        let ended = doing(&rig, &world, Work::Update).await;
        assert_eq!(ended.outcome, Outcome::Updated, "{:?}", ended.error);
    }
    if work == Work::Undone {
        rig.memory.world().faults.0.push(Fault {
            key: "ec2:StartInstances".into(),
            instance_type: Some("t3.large".into()),
            code: "InsufficientInstanceCapacity".into(),
            times: None,
        });
    }
    (rig, world)
}

/// Does it, as the command does.
async fn doing(rig: &Rig, world: &World, work: Work) -> Ended {
    let deployment = rig.memory.deployment().name;
    let prepared = match work {
        Work::Rollback => {
            let request = RollbackRequest {
                deployment,
                to: None,
                services: None,
                fallback_types: vec![],
                options: options(),
            };
            prepare_rollback(world, &request).await
        }
        Work::Update | Work::Undone => {
            let n8n = ServiceName::new("n8n").expect("a service");
            let image = ImageRef::new("n8nio/n8n:1.20.0").expect("a reference");
            let request = UpdateRequest {
                deployment,
                instance_type: Some(InstanceType::new("t3.large").expect("a type")),
                images: BTreeMap::from([(n8n, image)]),
                fallback_types: vec![],
                options: options(),
            };
            prepare_update(world, &request).await
        }
    };
    goes(world, prepared.expect("it can be seen")).await
}

async fn resumed(rig: &Rig, world: &World) -> Ended {
    let name = name(rig);
    match resume(world, &name, Way::On).await {
        Ok(ended) => ended,
        Err(error) => panic!("{:?}: {:?}", error.outcome, error.document),
    }
}

fn name(rig: &Rig) -> DeploymentName {
    rig.memory.deployment().name
}

type Stack = BTreeMap<String, String>;

/// The two ends: as before, and as asked.
struct Ends {
    before: Stack,
    after: Stack,
}

impl Ends {
    async fn of(work: Work) -> Self {
        let (rig, world) = ready(work).await;
        let before = rig.stack();
        let ended = doing(&rig, &world, work).await;
        let good = match work {
            Work::Update => Outcome::Updated,
            Work::Undone => Outcome::RolledBack,
            Work::Rollback => Outcome::RolledBackAsAsked,
        };
        assert_eq!(ended.outcome, good, "{:?}", ended.error);
        Self {
            before,
            after: rig.stack(),
        }
    }

    /// One of the two, and the one that was said.
    fn allow(&self, outcome: Outcome, stack: &Stack, what: &str) {
        match outcome {
            Outcome::Updated | Outcome::RolledBackAsAsked => {
                assert_eq!(stack, &self.after, "{what}")
            }
            Outcome::RolledBack | Outcome::Refused => assert_eq!(stack, &self.before, "{what}"),
            Outcome::Unchanged => {
                assert!(
                    [&self.before, &self.after].contains(&stack),
                    "{what}: {stack:#?}"
                );
            }
            other => panic!("{what}: a third end: {other:?}"),
        }
    }
}

/// What was done to the disk, and how the account and the host were right before each of it.
struct Record {
    touches: Vec<Touch>,
    worlds: Vec<(Account, Timestamp)>,
}

/// Writes down what this does to the state folder.
async fn recorded<T>(rig: &Rig, work: impl Future<Output = T>) -> (T, Record) {
    let all = Rc::new(RefCell::new((Vec::new(), Vec::new())));
    let (log, memory, clock) = (Rc::clone(&all), rig.memory.clone(), rig.clock.clone());
    let watching = watch(move |touch| {
        let mut log = log.borrow_mut();
        log.0.push(touch.clone());
        log.1.push((memory.world().clone(), clock.now()));
        Ok(())
    });
    let done = work.await;
    drop(watching);
    let (touches, mut worlds) = all.take();
    worlds.push((rig.memory.world().clone(), rig.clock.now()));
    (done, Record { touches, worlds })
}

/// The same account and host at that moment, and a machine of which only the name is known.
fn at_that_moment(world: &(Account, Timestamp)) -> (Rig, World) {
    let rig = Rig::new();
    let since = world.1.duration_since(rig.clock.now());
    rig.clock.advance(since.unsigned_abs());
    *rig.memory.world() = world.0.clone();
    let laptop = rig.laptop("ann-laptop");
    (rig, laptop)
}

fn is_journal(path: &Path) -> bool {
    path.ends_with("journal.jsonl")
}
