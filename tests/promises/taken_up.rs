//! What `resume` makes of what it finds: in memory, with the host's own judgement and with other machines.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_trait::async_trait;
use geusemaker::cloud::Clock;
use geusemaker::host::{ArmRequest, Host, HostError, Tag};
use geusemaker::journal::{Entry, Line};
use geusemaker::model::{
    ImageRef, InstanceId, InstanceType, Outcome, RestoreState, ServiceName, UpdateRequest,
};
use geusemaker::orchestrator::{
    Ended, Interrupt, Prepared, Way, World, execute, list, prepare_update, resume, unlock,
};
use geusemaker::plan::{Action, Plan};
use geusemaker::report::{Event, EventKind, Listener};
use geusemaker::sandbox::fault::Fault;
use geusemaker::sandbox::rig::Memory;
use geusemaker::snapshot::Snapshot;

use crate::model::commands::Hand;
use crate::model::hands;
use crate::saga::{Rig, SHAPES, begin, block_on, good, opened, options};
use crate::support::over::{HostOver, Over};

const NEW: &str = "n8nio/n8n:1.20.0";

fn fault(rig: &Rig, key: &str, code: &str) {
    rig.memory.world().faults.0.push(Fault {
        key: key.into(),
        instance_type: None,
        code: code.into(),
        times: None,
    });
}

fn request(rig: &Rig, instance_type: Option<&str>, image: Option<&str>) -> UpdateRequest {
    let n8n = || ServiceName::new("n8n").expect("a service");
    let image = image.map(|i| (n8n(), ImageRef::new(i).expect("a reference")));
    UpdateRequest {
        deployment: rig.memory.deployment().name,
        instance_type: instance_type.map(|t| InstanceType::new(t).expect("a type")),
        images: image.into_iter().collect(),
        fallback_types: vec![],
        options: options(),
    }
}

async fn update(world: &World, request: &UpdateRequest) -> Ended {
    match prepare_update(world, request)
        .await
        .expect("it can be seen")
    {
        Prepared::Ready(ready) => execute(world, *ready).await,
        _ => panic!("it can go ahead"),
    }
}

/// An update of type and image whose power goes right behind the gate: the host is still armed.
async fn gone_behind_the_gate() -> (Rig, Plan, Snapshot, Vec<Line>) {
    let shape = SHAPES.iter().find(|s| s.name == "both").expect("it is one");
    let gate = |plan: &Plan, l: &Line| is_done(plan, l, |a| matches!(a, Action::VerifyHealth(_)));
    let (rig, plan, snapshot) = begin(shape).await;
    let (world, first) = (rig.plain_world(), opened(&plan, &rig));
    let (outcome, lines) = rig.process(&world, &plan, &snapshot, first, 0, None).await;
    assert!(good(outcome));
    let passed = lines.iter().position(|l| gate(&plan, l));
    let power = passed.expect("the gate") as i64 + 1;

    let (rig, plan, snapshot) = begin(shape).await;
    let (world, first) = (rig.plain_world(), opened(&plan, &rig));
    let (_, lines) = rig
        .process(&world, &plan, &snapshot, first, power, None)
        .await;
    assert!(gate(&plan, lines.last().expect("lines")));
    (rig, plan, snapshot, lines)
}

/// The same world, with a host that answers only after so many calls.
fn late(world: World, calls: i64) -> World {
    let below = world.host.clone();
    let late = Late {
        below,
        looks: calls.into(),
    };
    World {
        host: Arc::new(Over(Arc::new(late))),
        ..world
    }
}

/// An update of the type, paused before its first change.
async fn paused_with_nothing_changed(rig: &Rig, world: &World) {
    fault(rig, "ec2:CreateCapacityReservation", "RequestTimeTooSkewed");
    let paused = update(world, &request(rig, Some("t3.large"), None)).await;
    assert_eq!(paused.outcome, Outcome::Paused);
    rig.memory.world().faults.0.clear();
}

fn is_done(plan: &Plan, line: &Line, is: fn(&Action) -> bool) -> bool {
    matches!(line.entry, Entry::Done { step, .. } if is(&plan.steps[step].action))
}

#[test]
fn a_host_that_went_back_after_the_gate_is_told_as_rolled_back_and_never_as_updated() {
    block_on(async {
        // Asleep until then; or killed, and resumed both ways. And each with a host that is silent at first.
        for (resume, silent) in [
            (None, 0),
            (Some(false), 0),
            (Some(true), 0),
            (None, 5),
            (Some(false), 5),
        ] {
            let (rig, plan, snapshot, lines) = gone_behind_the_gate().await;
            // The new version falls ill while the host hears nothing.
            fault(&rig, &format!("health:n8n@{NEW}"), "unhealthy");
            rig.clock.advance(Duration::from_secs(3600));
            let went_back = rig.stack()["container n8n"].contains("1.19");
            assert!(went_back, "the host went back");
            let world = late(rig.plain_world(), silent);
            let (outcome, lines) = rig
                .process(&world, &plan, &snapshot, lines, 0, resume)
                .await;
            let place = format!("{resume:?} {silent}: {lines:#?}");
            assert_eq!(outcome, Outcome::RolledBack, "{place}");
            assert_eq!(rig.stack(), plan_before(&plan).await, "{place}");
        }
    });
}

/// The stack that this plan began with.
async fn plan_before(plan: &Plan) -> std::collections::BTreeMap<String, String> {
    let shape = SHAPES.iter().find(|s| s.name == "both").expect("it is one");
    let (rig, same, _) = begin(shape).await;
    assert_eq!(same.before, plan.before);
    rig.stack()
}

#[test]
fn behind_the_gate_a_host_that_stays_silent_is_never_told_as_updated() {
    block_on(async {
        let (rig, plan, snapshot, lines) = gone_behind_the_gate().await;
        rig.clock.advance(Duration::from_secs(3600));
        agent_is(&rig, false);
        let (began, world) = (rig.clock.now(), rig.plain_world());
        let still = rig.process(&world, &plan, &snapshot, lines, 0, Some(false));
        let (outcome, lines) = still.await;
        assert_eq!(outcome, Outcome::Paused, "{lines:#?}");
        let waited = rig.clock.now().duration_since(began).unsigned_abs();
        assert!(waited >= world.limits.answer, "{waited:?}");
        // It was green all the time, and has stayed.
        agent_is(&rig, true);
        let (outcome, lines) = rig
            .process(&world, &plan, &snapshot, lines, 0, Some(false))
            .await;
        assert_eq!(outcome, Outcome::Updated, "{lines:#?}");
        assert!(rig.stack()["container n8n"].contains("1.20"));
    });
}

#[test]
fn a_host_that_cannot_go_back_behind_the_gate_is_never_told_as_updated() {
    block_on(async {
        let (rig, plan, snapshot, lines) = gone_behind_the_gate().await;
        fault(&rig, &format!("health:n8n@{NEW}"), "unhealthy");
        // It cannot: its file is nobody's any more.
        for host in rig.memory.world().hosts.values_mut() {
            let mut files = host.memory.files.0.iter_mut();
            let (_, text) = files
                .find(|(path, _)| path.ends_with("compose.yml"))
                .expect("the compose file");
            text.push_str("# by hand\n");
        }
        rig.clock.advance(Duration::from_secs(3600));
        let state: Vec<RestoreState> = {
            let mut world = rig.memory.world();
            world.advance(rig.clock.now());
            let of = world.hosts.values().map(|h| h.memory.restore.state.clone());
            of.collect()
        };
        assert!(
            matches!(state[..], [RestoreState::Restoring { .. }]),
            "{state:?}"
        );
        // The look before the commit is lost; the commit itself would be heard.
        let world = late(rig.plain_world(), 1);
        let (outcome, lines) = rig.process(&world, &plan, &snapshot, lines, 0, None).await;
        assert_eq!(outcome, Outcome::Stuck, "{lines:#?}");
    });
}

#[test]
fn accepted_in_the_outage_it_names_what_is_down_and_keeps_nothing_down_over_a_boot() {
    block_on(async {
        let rig = Rig::new();
        let world = rig.laptop("ann-laptop");
        let before = rig.stack();
        fault(&rig, "ec2:StopInstances", "RequestTimeTooSkewed");
        let paused = update(&world, &request(&rig, Some("t3.large"), None)).await;
        assert_eq!(paused.outcome, Outcome::Paused);
        rig.memory.world().faults.0.clear();
        fault(&rig, "ec2:DescribeInstances", "ExpiredToken");
        let name = rig.memory.deployment().name;
        let still = resume(&world, &name, Way::On).await.err().expect("not yet");
        assert_eq!(still.outcome, Outcome::Paused);
        rig.memory.world().faults.0.clear();
        let policy = |stack: &std::collections::BTreeMap<String, String>| {
            let text = &stack["container n8n"];
            text[text.find("policy=").expect("one")..].to_owned()
        };
        let ended = resume(&world, &name, Way::Accept).await.expect("it closes");
        assert_eq!(ended.outcome, Outcome::Done);
        let said = ended.data.warnings.join("; ");
        for service in ["n8n", "postgres", "qdrant", "ollama", "crawl4ai"] {
            assert!(said.contains(&format!("{service} does not run")), "{said}");
        }
        let now = rig.stack();
        assert!(now["container n8n"].contains("running=false"));
        assert_eq!(
            policy(&now),
            policy(&before),
            "a boot brings up what it brought up before"
        );
        rig.clock.advance(Duration::from_secs(3600));
        assert_eq!(rig.stack(), now, "the host goes back to nothing");
    });
}

#[test]
fn accepted_where_all_is_as_it_was_to_be_gives_nothing_up() {
    block_on(async {
        let rig = Rig::new();
        let world = rig.laptop("ann-laptop");
        fault(&rig, "ec2:DescribeInstanceStatus", "ExpiredToken");
        let paused = update(&world, &request(&rig, None, Some(NEW))).await;
        assert_eq!(paused.outcome, Outcome::Paused, "{:?}", paused.error);
        rig.memory.world().faults.0.clear();
        let name = rig.memory.deployment().name;
        let ended = resume(&world, &name, Way::Accept).await.expect("it closes");
        assert_eq!(ended.outcome, Outcome::Done);
        let of_the_plan = "data that a new version writes is not taken back by a rollback";
        assert_eq!(ended.data.warnings, [of_the_plan]);
    });
}

#[test]
fn what_another_machine_gave_up_is_not_resumed_and_can_be_closed() {
    block_on(async {
        let rig = Rig::new();
        let (ann, bob) = (rig.laptop("ann-laptop"), rig.laptop("bob-laptop"));
        let name = rig.memory.deployment().name;
        fault(&rig, "ec2:StartInstances", "RequestTimeTooSkewed");
        let paused = update(&ann, &request(&rig, Some("t3.large"), None)).await;
        rig.memory.world().faults.0.clear();
        let id = paused.data.operation_id.expect("an operation");
        unlock(&bob, &name, true).await.expect("it is told to");
        // Whatever is done in between, it is remembered.
        unlock(&bob, &name, true).await.expect("nobody holds it");
        let stack = rig.stack();
        for way in [Way::On, Way::Unwind, Way::On] {
            let ended = resume(&ann, &name, way).await.expect("a refusal");
            assert_eq!(ended.outcome, Outcome::Refused);
            let check = &ended.data.plan.expect("its checks").checks[0];
            assert_eq!(check.name, "given_up");
            assert!(check.message.contains(&id), "{}", check.message);
            assert!(check.found.contains("'bob-laptop'"), "{}", check.found);
            assert!(check.help.contains("--accept"), "{}", check.help);
            assert_eq!(rig.stack(), stack);
        }
        let ended = resume(&ann, &name, Way::Accept).await.expect("it closes");
        assert_eq!(ended.outcome, Outcome::Done);
        let ended = resume(&ann, &name, Way::On).await.expect("nothing is open");
        assert_eq!(ended.outcome, Outcome::Unchanged);
    });
}

#[test]
fn the_newest_six_that_were_given_up_are_remembered_and_the_oldest_is_not() {
    block_on(async {
        let rig = Rig::new();
        let bob = rig.laptop("bob-laptop");
        let name = rig.memory.deployment().name;
        fault(
            &rig,
            "ec2:CreateCapacityReservation",
            "RequestTimeTooSkewed",
        );
        let mut machines = Vec::new();
        for n in 1..=7 {
            // Another second is another operation's id.
            rig.clock.advance(Duration::from_secs(1));
            let ann = rig.laptop(&format!("ann-{n}"));
            let paused = update(&ann, &request(&rig, Some("t3.large"), None)).await;
            assert_eq!(paused.outcome, Outcome::Paused);
            let done = unlock(&bob, &name, true).await.expect("it is told to");
            let given_up = done.data.given_up.expect("it says which");
            assert_eq!(paused.data.operation_id, Some(given_up.id.to_string()));
            machines.push(ann);
        }
        rig.memory.world().faults.0.clear();
        let stack = rig.stack();
        for (n, ann) in machines.iter().enumerate().skip(1) {
            let ended = resume(ann, &name, Way::On).await.expect("a refusal");
            assert_eq!(ended.outcome, Outcome::Refused, "machine {n}");
            let checks = ended.data.plan.expect("its checks").checks;
            assert_eq!(checks[0].name, "given_up", "machine {n}");
            assert_eq!(rig.stack(), stack);
        }
        let ended = resume(&machines[0], &name, Way::On).await.expect("it goes");
        assert_eq!(ended.outcome, Outcome::Updated, "{:?}", ended.error);
    });
}

/// Of who may not read the lease nothing is known there; of who may not write it nothing is written.
#[test]
fn without_the_right_to_the_lease_nothing_that_was_given_up_is_remembered() {
    for call in ["ssm:GetParametersByPath", "ssm:PutParameter"] {
        for from_the_beginning in [true, false] {
            block_on(async {
                let rig = Rig::new();
                let (ann, bob) = (rig.laptop("ann-laptop"), rig.laptop("bob-laptop"));
                let name = rig.memory.deployment().name;
                fault(&rig, "ec2:StartInstances", "RequestTimeTooSkewed");
                if from_the_beginning {
                    fault(&rig, call, "AccessDeniedException");
                }
                let paused = update(&ann, &request(&rig, Some("t3.large"), None)).await;
                assert_eq!(paused.outcome, Outcome::Paused);
                if !from_the_beginning {
                    fault(&rig, call, "AccessDeniedException");
                }
                if let Ok(done) = unlock(&bob, &name, true).await {
                    assert!(done.data.given_up.is_none(), "{call}");
                }
                rig.memory.world().faults.0.clear();
                let ended = resume(&ann, &name, Way::On).await.expect("it goes on");
                assert_eq!(ended.outcome, Outcome::Updated, "{:?}", ended.error);
            });
        }
    }
}

/// The operation stands before its reservation: nothing of it was changed, so the plan must still fit.
#[test]
fn a_plan_is_given_up_where_the_stack_moved_before_anything_was_changed() {
    block_on(async {
        for hand in [
            Hand::Type(2),
            Hand::Stop,
            Hand::RunImage(1, 1),
            Hand::Comment,
            Hand::StopContainer(1),
        ] {
            let rig = Rig::new();
            let world = rig.laptop("ann-laptop");
            let name = rig.memory.deployment().name;
            paused_with_nothing_changed(&rig, &world).await;
            hands::does(&rig, hand);
            let (handed, launched) = (rig.stack(), launched(&rig));
            let ended = resume(&world, &name, Way::On).await.expect("it ends");
            assert_eq!(ended.outcome, Outcome::Refused, "{hand:?}");
            let said = ended.data.warnings.join("; ");
            assert!(said.contains("the plan is given up"), "{hand:?}: {said}");
            assert_eq!(rig.stack(), handed, "{hand:?}");
            assert_eq!(launched, self::launched(&rig), "{hand:?}");
            assert_eq!(rig.reserved(), [""; 0], "{hand:?}");
            let again = resume(&world, &name, Way::On).await.expect("it is closed");
            assert_eq!(again.outcome, Outcome::Unchanged, "{hand:?}");
        }
    });
}

fn launched(rig: &Rig) -> geusemaker::model::Timestamp {
    let world = rig.memory.world();
    world.instances.values().next().expect("one").launched_at
}

#[test]
fn what_was_killed_on_another_machine_is_told_and_is_not_nothing_to_resume() {
    block_on(async {
        let rig = Rig::new();
        let bob = rig.laptop("bob-laptop");
        let name = rig.memory.deployment().name;
        // Ann's process was killed in its middle: its lease was never released.
        let mut lease = serde_json::json!({
            "schema": "geusemaker.lease/1", "user": "ann", "host": "ann-laptop", "place": "there",
            "pid": 7, "started": 1, "operation": "op-1", "reason": "update",
            "since": "2026-11-20T09:59:00Z", "lease_ms": 15_000, "phase": "held", "beat": 4,
            "open_operation": { "id": "op-1", "host": "ann-laptop", "user": "ann", "kind": "update",
                "began_at": "2026-11-20T09:59:00Z" },
        });
        let parameter = "/geusemaker/my-dev-stack/lock/1700000000";
        let text = lease.to_string();
        let create = bob.parameters.create(parameter, &text);
        assert!(create.await.expect("it is made"));
        let told = async || {
            resume(&bob, &name, Way::On)
                .await
                .err()
                .map(|e| e.document.code)
        };
        assert_eq!(told().await.as_deref(), Some("open_elsewhere"));
        let mut dry = request(&rig, Some("t3.large"), None);
        dry.options.dry_run = true;
        let Prepared::Refused(_, error) = prepare_update(&bob, &dry).await.expect("seen") else {
            panic!("it could not go ahead");
        };
        assert_eq!(error.code, "open_elsewhere");
        // She is at work: that is another thing.
        let beats = async {
            for beat in 5..8 {
                lease["beat"] = beat.into();
                let text = lease.to_string();
                bob.parameters
                    .overwrite(parameter, &text)
                    .await
                    .expect("hers");
                tokio::task::yield_now().await;
            }
        };
        let (told, ()) = tokio::join!(told(), beats);
        assert_eq!(told.as_deref(), Some("locked"));
    });
}

#[test]
fn a_host_that_has_seen_a_higher_number_is_reached_by_the_next_resume() {
    block_on(async {
        let rig = Rig::new();
        let world = rig.laptop("ann-laptop");
        let name = rig.memory.deployment().name;
        // A machine without a lease was at work a moment ago: it counts by the clock.
        let now = u64::try_from(rig.clock.now().as_second()).expect("after 1970");
        for host in rig.memory.world().hosts.values_mut() {
            host.memory.last = Some((now + 60, 7));
        }
        let paused = update(&world, &request(&rig, Some("t3.large"), None)).await;
        assert_eq!(paused.outcome, Outcome::Paused);
        assert_eq!(paused.error.expect("why").code, "fenced");
        rig.clock.advance(Duration::from_secs(120));
        // This one still has the old number's successor, or a higher one already.
        let ended = resume(&world, &name, Way::On).await.expect("it goes on");
        let ended = match ended.outcome {
            Outcome::Paused => resume(&world, &name, Way::On).await.expect("it goes on"),
            _ => ended,
        };
        assert_eq!(ended.outcome, Outcome::Updated, "{:?}", ended.error);
    });
}

/// A host on which another script of ours has the lock, and does not end; with a world, it goes back by itself meanwhile.
struct Locked(Arc<dyn Host>, Option<Arc<Memory>>);

#[async_trait]
impl HostOver for Locked {
    fn below(&self) -> &dyn Host {
        self.0.as_ref()
    }
    async fn arm(
        &self,
        _: &InstanceId,
        tag: &Tag,
        _: &ArmRequest,
    ) -> Result<RestoreState, HostError> {
        if let Some(memory) = &self.1 {
            for host in memory.world().hosts.values_mut() {
                host.memory.restore.state = RestoreState::Restoring {
                    operation: tag.operation.clone(),
                };
            }
        }
        Err(HostError::Script {
            verb: "arm",
            code: "busy".into(),
            message: "another script of ours has held the lock for 5 s".into(),
        })
    }
}

#[test]
fn a_host_that_cannot_be_armed_is_said_to_go_back_only_where_it_does() {
    block_on(async {
        for going_back in [true, false] {
            let rig = Rig::new();
            let mut world = rig.laptop("ann-laptop");
            let memory = going_back.then(|| rig.memory.clone());
            world.host = Arc::new(Over(Arc::new(Locked(world.host.clone(), memory))));
            let refused = update(&world, &request(&rig, None, Some(NEW))).await;
            assert_eq!(refused.outcome, Outcome::Refused);
            let expected = match going_back {
                true => "host_going_back",
                false => "host_script",
            };
            assert_eq!(refused.error.expect("why").code, expected);
        }
    });
}

/// The word of the host's restore state.
fn armed(rig: &Rig) -> &'static str {
    let world = rig.memory.world();
    let host = world.hosts.values().next().expect("a host");
    host.memory.restore.state.as_str()
}

/// A host that cannot write down that it is disarmed.
struct Full(Arc<dyn Host>);

#[async_trait]
impl HostOver for Full {
    fn below(&self) -> &dyn Host {
        self.0.as_ref()
    }
    async fn commit(&self, _: &InstanceId, _: &Tag) -> Result<RestoreState, HostError> {
        Err(HostError::Script {
            verb: "commit",
            code: "write_failed".into(),
            message: "No space left on device".into(),
        })
    }
}

/// Only the scripts of its own operation move a host's deadline out: in the next update's pull it would have gone back.
#[test]
fn no_update_begins_on_a_host_that_is_armed_by_an_operation_that_was_closed() {
    block_on(async {
        let rig = Rig::new();
        let mut world = rig.laptop("ann-laptop");
        let name = rig.memory.deployment().name;
        fault(&rig, "ec2:StopInstances", "RequestTimeTooSkewed");
        let paused = update(&world, &request(&rig, Some("t3.large"), None)).await;
        assert_eq!(paused.outcome, Outcome::Paused);
        rig.memory.world().faults.0.clear();
        let host = world.host.clone();
        world.host = Arc::new(Over(Arc::new(Full(host.clone()))));
        let accepted = resume(&world, &name, Way::Accept).await.expect("it closes");
        assert_eq!(accepted.outcome, Outcome::Done);
        world.host = host;
        assert_eq!(armed(&rig), "armed");
        let again = || request(&rig, None, Some(NEW));
        let refused = match prepare_update(&world, &again()).await {
            Ok(Prepared::Refused(_, error)) => error,
            _ => panic!("the host is armed"),
        };
        assert!(refused.causes.iter().any(|c| c.starts_with("host_armed")));
        let told = resume(&world, &name, Way::Accept).await.expect("it hears");
        assert_eq!(told.outcome, Outcome::Unchanged);
        assert_eq!(armed(&rig), "committed");
        let prepared = prepare_update(&world, &again()).await.expect("a look");
        if let Prepared::Refused(_, error) = prepared {
            assert!(!error.causes.iter().any(|c| c.starts_with("host_armed")));
        }
        let now = rig.stack();
        rig.clock.advance(Duration::from_secs(3600));
        assert_eq!(rig.stack(), now, "the host goes back to nothing");
    });
}

/// Paused in the outage, with capacity reserved.
async fn paused_in_the_outage(rig: &Rig, world: &World) {
    fault(rig, "ec2:ModifyInstanceAttribute", "RequestTimeTooSkewed");
    let paused = update(world, &request(rig, Some("t3.large"), None)).await;
    assert_eq!(paused.outcome, Outcome::Paused);
    assert_eq!(rig.reserved().len(), 2);
    rig.memory.world().faults.0.clear();
}

#[test]
fn an_operation_whose_instance_is_gone_can_be_closed_and_leaves_nothing_reserved() {
    block_on(async {
        // EC2 shows what was terminated for an hour, and then knows nothing of it.
        for shown in [true, false] {
            let rig = Rig::new();
            let world = rig.laptop("ann-laptop");
            let name = rig.memory.deployment().name;
            paused_in_the_outage(&rig, &world).await;
            let id = rig.memory.deployment().instance_id;
            let terminated = (rig.memory.world()).terminate(id.as_str(), rig.clock.now());
            terminated.expect("it is not protected");
            rig.clock.advance(Duration::from_secs(60));
            if !shown {
                rig.memory.world().instances.clear();
                for way in [Way::On, Way::Unwind] {
                    let refused = resume(&world, &name, way).await.err().expect("it is gone");
                    assert_eq!(refused.outcome, Outcome::Refused);
                    let help = refused.document.help.join("\n");
                    assert!(help.contains("resume my-dev-stack --accept"), "{help}");
                }
            }
            let ended = resume(&world, &name, Way::Accept).await.expect("it closes");
            assert_eq!(ended.outcome, Outcome::Done, "{:?}", ended.error);
            let said = ended.data.warnings.join("\n");
            assert!(said.contains(&format!("{id} is gone")), "{said}");
            let file_system = rig.memory.deployment().file_system_id.expect("one");
            assert!(said.contains(file_system.as_str()), "{said}");
            assert_eq!(rig.reserved(), [""; 0]);
            let bob = rig.laptop("bob-laptop");
            let nothing = resume(&bob, &name, Way::On).await;
            assert_eq!(nothing.expect("it is told").outcome, Outcome::Unchanged);
        }
    });
}

#[test]
fn an_operation_is_not_closed_in_an_account_that_has_not_heard_of_it() {
    block_on(async {
        let (rig, other) = (Rig::new(), Rig::new());
        let world = rig.laptop("ann-laptop");
        let name = rig.memory.deployment().name;
        paused_in_the_outage(&rig, &world).await;
        other.memory.world().instances.clear();
        let wrong = World {
            state_dir: world.state_dir.clone(),
            ..other.plain_world()
        };
        let refused = resume(&wrong, &name, Way::Accept).await;
        let refused = refused.err().expect("it may be there");
        assert_eq!(refused.outcome, Outcome::Refused);
        let help = refused.document.help.join("\n");
        assert!(help.contains("--profile"), "{help}");
        assert!(help.contains("names operation"), "{help}");
        assert_eq!(rig.reserved().len(), 2);
        let ended = resume(&world, &name, Way::On).await.expect("it goes on");
        assert_eq!(ended.outcome, Outcome::Updated, "{:?}", ended.error);
    });
}

fn agent_is(rig: &Rig, installed: bool) {
    for instance in rig.memory.world().instances.values_mut() {
        instance.agent_installed = installed;
    }
}

/// A host that comes back after so many looks at it.
struct Late {
    below: Arc<dyn Host>,
    looks: std::sync::atomic::AtomicI64,
}

#[async_trait]
impl HostOver for Late {
    fn below(&self) -> &dyn Host {
        self.below.as_ref()
    }
    fn before(&self) -> Result<(), HostError> {
        match self.looks.fetch_sub(1, std::sync::atomic::Ordering::SeqCst) > 0 {
            true => Err(HostError::Unreachable("InvalidInstanceId".into())),
            false => Ok(()),
        }
    }
}

#[test]
fn a_host_that_is_silent_while_nothing_was_changed_is_waited_for_and_its_plan_is_kept() {
    block_on(async {
        let rig = Rig::new();
        let world = rig.laptop("ann-laptop");
        let name = rig.memory.deployment().name;
        paused_with_nothing_changed(&rig, &world).await;
        // For longer than any answer is waited for: it stays as it is, with its plan.
        agent_is(&rig, false);
        let (began, stack) = (rig.clock.now(), rig.stack());
        let still = resume(&world, &name, Way::On).await.err().expect("not yet");
        assert_eq!(still.outcome, Outcome::Paused);
        assert_eq!(still.document.code, "host_unreachable");
        let waited = rig.clock.now().duration_since(began).unsigned_abs();
        assert!(waited >= world.limits.answer, "{waited:?}");
        assert!(waited < world.limits.answer * 2, "{waited:?}");
        agent_is(&rig, true);
        assert_eq!(rig.stack(), stack);
        // For some looks only: it goes on with that plan.
        let world = late(world, 5);
        let ended = resume(&world, &name, Way::On).await.expect("it goes on");
        assert_eq!(ended.outcome, Outcome::Updated, "{:?}", ended.error);
    });
}

fn listed(world: &World) -> String {
    let (data, _) = list(&world.state_dir).expect("a list");
    data.deployments[0].status.clone()
}

#[test]
fn a_host_that_is_silent_holds_up_neither_the_way_back_nor_the_end() {
    block_on(async {
        for (way, outcome) in [
            (Way::Unwind, Outcome::Refused),
            (Way::Accept, Outcome::Done),
        ] {
            let rig = Rig::new();
            let world = rig.laptop("ann-laptop");
            let name = rig.memory.deployment().name;
            let at_first = listed(&world);
            paused_with_nothing_changed(&rig, &world).await;
            assert_eq!(listed(&world), "paused");
            agent_is(&rig, false);
            let ended = resume(&world, &name, way).await.expect("it ends");
            assert_eq!(ended.outcome, outcome, "{:?}", ended.error);
            let said = ended.data.warnings.join("\n");
            assert!(!said.contains("given up"), "{said}");
            // Where nothing was done, the word of what was done before.
            let word = match outcome {
                Outcome::Refused => at_first.as_str(),
                _ => "done",
            };
            assert_eq!(listed(&world), word);
        }
    });
}

/// What stands there for a second interrupt, at the beginning of each step.
struct Stands {
    interrupted: Arc<Interrupt>,
    seen: Mutex<Vec<(&'static str, Vec<String>)>>,
}

impl Listener for Stands {
    fn event(&self, event: &Event) {
        if let EventKind::StepStarted { step, .. } = event.kind {
            let now = self.interrupted.standing().expect("it has begun");
            self.seen.lock().expect("steps").push((step, now.help));
        }
    }
}

#[test]
fn who_leaves_behind_the_gate_is_not_told_to_unwind() {
    // It would have been refused (`committed`).
    block_on(async {
        let rig = Rig::new();
        let world = rig.laptop("ann-laptop");
        let stands = Arc::new(Stands {
            interrupted: Arc::clone(&world.interrupted),
            seen: Mutex::default(),
        });
        let world = World {
            listener: stands.clone(),
            ..world
        };
        let ended = update(&world, &request(&rig, Some("t3.large"), None)).await;
        assert_eq!(ended.outcome, Outcome::Updated);
        let seen = stands.seen.lock().expect("steps");
        let gate = seen.iter().position(|(step, _)| *step == "verify_health");
        let (before, behind) = seen.split_at(gate.expect("the gate") + 1);
        assert!(before.iter().all(|(_, help)| help.is_empty()), "{before:?}");
        assert!(!behind.is_empty());
        for (step, help) in behind {
            let [help] = &help[..] else {
                panic!("{step}: {help:?}");
            };
            assert!(help.starts_with("geusemaker resume "), "{help}");
            assert!(help.contains("geusemaker rollback "), "{help}");
        }
    });
}
