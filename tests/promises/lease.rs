//! Two machines, one account: one acts, the other is told; and whoever was taken over writes nothing more.

use std::collections::BTreeMap;
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use async_trait::async_trait;
use geusemaker::cloud::{Clock, CloudError, Ec2, Reservation, Reserve};
use geusemaker::model::{InstanceId, InstanceType, Outcome, ReservationId, UpdateRequest};
use geusemaker::orchestrator::{
    Ended, Prepared, Way, World, execute, prepare_update, resume, unlock,
};
use geusemaker::report::{Event, EventKind, Listener};
use geusemaker::sandbox::fault::Fault;
use geusemaker::state::StateDir;
use serde_json::Value;

use crate::locks::running;
use crate::saga::{Rig, block_on, goes, options};
use crate::support::over::{Ec2Over, OverEc2};
use crate::support::served::Served;
use crate::support::{Ran, Sandbox, bare, private_folder};

fn request(rig: &Rig) -> UpdateRequest {
    UpdateRequest {
        deployment: rig.memory.deployment().name,
        instance_type: Some(InstanceType::new("t3.large").expect("a type")),
        images: BTreeMap::new(),
        fallback_types: vec![],
        options: options(),
    }
}

async fn update(world: &World, rig: &Rig) -> Ended {
    let prepared = prepare_update(world, &request(rig)).await;
    goes(world, prepared.expect("it can be known")).await
}

fn fault(rig: &Rig, call: &str, code: &str) {
    rig.memory.world().faults.0.push(Fault {
        key: call.into(),
        instance_type: None,
        code: code.into(),
        times: None,
    });
}

/// The texts of the leases.
fn leases(rig: &Rig) -> Vec<(String, Value)> {
    let world = rig.memory.world();
    let all = world.parameters.all.values();
    all.map(|p| {
        (
            p.name.clone(),
            serde_json::from_str(&p.value).expect("JSON"),
        )
    })
    .collect()
}

#[test]
fn an_operation_that_rests_on_one_machine_is_told_on_the_other() {
    block_on(async {
        let rig = Rig::new();
        let (ann, bob) = (rig.laptop("ann-laptop"), rig.laptop("bob-laptop"));
        let name = rig.memory.deployment().name;
        // The credentials run out in the outage.
        fault(&rig, "ec2:StartInstances", "RequestTimeTooSkewed");
        assert_eq!(update(&ann, &rig).await.outcome, Outcome::Paused);
        rig.memory.world().faults.0.clear();

        let refused = update(&bob, &rig).await;
        assert_eq!(refused.outcome, Outcome::Refused);
        let checks = refused.data.plan.expect("its checks").checks;
        assert_eq!(checks[0].name, "open_elsewhere");
        for part in ["'update'", "'ann-laptop'", "'ann'", "2026-11-20T10:00"] {
            assert!(checks[0].found.contains(part), "{}", checks[0].found);
        }
        for command in [
            "geusemaker resume my-dev-stack",
            "geusemaker unlock my-dev-stack --force",
        ] {
            assert!(checks[0].help.contains(command), "{}", checks[0].help);
        }
        let refused = resume(&bob, &name, Way::On)
            .await
            .err()
            .expect("no journal here");
        assert_eq!(
            (refused.outcome, refused.document.code.as_str()),
            (Outcome::Refused, "open_elsewhere")
        );
        let looked = unlock(&bob, &name, false).await.expect("a look");
        assert_eq!(looked.outcome, Outcome::Unchanged);
        assert!(
            looked.warnings[0].contains("stays open on another machine"),
            "{:?}",
            looked.warnings
        );

        let ended = resume(&ann, &name, Way::On).await.expect("it goes on");
        assert_eq!(ended.outcome, Outcome::Updated, "{:?}", ended.error);
        let [(_, lease)] = &leases(&rig)[..] else {
            panic!("one lease is left");
        };
        assert_eq!(
            (&lease["phase"], &lease["open_operation"]),
            (&"released".into(), &Value::Null)
        );
        let free = update(&bob, &rig).await;
        assert_eq!(
            free.outcome,
            Outcome::Unchanged,
            "nothing is in the way, and it is so already"
        );
    });
}

#[test]
fn an_operation_of_a_lost_machine_is_given_up_loudly_and_only_when_told_to() {
    block_on(async {
        let rig = Rig::new();
        let (ann, bob) = (rig.laptop("ann-laptop"), rig.laptop("bob-laptop"));
        let name = rig.memory.deployment().name;
        fault(&rig, "ec2:StartInstances", "RequestTimeTooSkewed");
        let paused = update(&ann, &rig).await;
        rig.memory.world().faults.0.clear();
        let id = paused.data.operation_id.expect("an operation");
        let done = unlock(&bob, &name, true).await.expect("it is told to");
        assert_eq!(done.outcome, Outcome::Done);
        assert_eq!(done.data.given_up.expect("it says which").id.as_str(), id);
        let loud = done
            .warnings
            .iter()
            .find(|w| w.starts_with("GIVEN UP: 'update' "));
        assert!(
            loud.is_some_and(|w| w.contains(&id) && w.contains("'ann-laptop'")),
            "{:?}",
            done.warnings
        );
        // The instance is stopped, as the operation left it; its type can be changed from here now.
        let again = update(&bob, &rig).await;
        assert_ne!(
            again.error.map(|e| e.code).as_deref(),
            Some("open_elsewhere")
        );
        let nothing = unlock(&bob, &name, true).await.expect("a look");
        assert_eq!(nothing.outcome, Outcome::Unchanged);
    });
}

/// Bob breaks Ann's lock right after her StopInstances.
struct Broken {
    ec2: Arc<dyn Ec2>,
    bob: World,
    effects: Mutex<Vec<&'static str>>,
    name: geusemaker::model::DeploymentName,
}

impl Broken {
    fn did(&self, what: &'static str) {
        self.effects.lock().expect("no panic").push(what);
    }
}

#[async_trait]
impl Ec2Over for Broken {
    fn ec2(&self) -> &dyn Ec2 {
        self.ec2.as_ref()
    }
    async fn stop(&self, id: &InstanceId, force: bool) -> Result<(), CloudError> {
        self.did("stop");
        self.ec2.stop(id, force).await?;
        let broken = unlock(&self.bob, &self.name, true)
            .await
            .expect("it is told to");
        assert_eq!(broken.outcome, Outcome::Done);
        Ok(())
    }
    async fn start(&self, id: &InstanceId) -> Result<(), CloudError> {
        self.did("start");
        self.ec2.start(id).await
    }
    async fn set_type(&self, id: &InstanceId, to: &InstanceType) -> Result<(), CloudError> {
        self.did("set_type");
        self.ec2.set_type(id, to).await
    }
    async fn set_ebs_optimized(&self, id: &InstanceId, to: bool) -> Result<(), CloudError> {
        self.did("set_ebs_optimized");
        self.ec2.set_ebs_optimized(id, to).await
    }
    async fn reserve(&self, ask: &Reserve) -> Result<Reservation, CloudError> {
        self.did("reserve");
        self.ec2.reserve(ask).await
    }
    async fn release(&self, id: &ReservationId) -> Result<(), CloudError> {
        self.did("release");
        self.ec2.release(id).await
    }
}

#[test]
fn whoever_was_taken_over_does_and_writes_nothing_more() {
    // From the other machine, and from the same state folder.
    for host in ["bob-laptop", "ann-laptop"] {
        block_on(async {
            let rig = Rig::new();
            let (ann, bob) = (rig.laptop("ann-laptop"), rig.laptop(host));
            let name = rig.memory.deployment().name;
            let broken = Arc::new(Broken {
                ec2: Arc::clone(&ann.ec2),
                bob: bob.clone(),
                effects: Mutex::default(),
                name: name.clone(),
            });
            let ann = World {
                ec2: Arc::new(OverEc2(Arc::clone(&broken))),
                ..ann
            };
            let (state, _) = StateDir::open(&ann.state_dir).expect("a folder");
            let cache = fs_err::read(state.deployment_file(&name)).expect("a file");
            let ended = update(&ann, &rig).await;
            let error = ended.error.expect("why");
            assert_eq!(
                (ended.outcome, error.code.as_str()),
                (Outcome::Locked, "lock_lost")
            );
            assert!(
                error.message.contains(&format!(
                    "'unlock' (process {} on '{host}'",
                    std::process::id()
                )),
                "{}",
                error.message
            );
            let did = broken.effects.lock().expect("no panic").clone();
            assert_eq!(did, ["reserve", "reserve", "stop"]);
            let open = state
                .open_operation(&name)
                .expect("readable")
                .expect("it stays open");
            let last = serde_json::to_value(open.lines.last()).expect("JSON");
            assert_eq!(last["entry"], "started", "nothing after the effect: {last}");
            assert_eq!(
                fs_err::read(state.deployment_file(&name)).expect("a file"),
                cache
            );
            let [(_, lease)] = &leases(&rig)[..] else {
                panic!("one lease is left");
            };
            assert_eq!(
                (&lease["reason"], &lease["phase"]),
                (&"unlock".into(), &"released".into())
            );
            // Only the machine that has the journal still knows it as open.
            let kept = host == "ann-laptop";
            assert_eq!(lease["open_operation"].is_object(), kept, "{lease}");
        });
    }
}

/// Keeps the warnings.
#[derive(Default)]
struct Warnings(Mutex<Vec<String>>);

impl Listener for Warnings {
    fn event(&self, event: &Event) {
        if let EventKind::Warning { message } = &event.kind {
            self.0.lock().expect("no panic").push(message.clone());
        }
    }
}

#[test]
fn without_the_right_it_is_said_once_and_the_file_lock_stays() {
    for call in ["ssm:GetParametersByPath", "ssm:PutParameter"] {
        block_on(async {
            let rig = Rig::new();
            fault(&rig, call, "AccessDeniedException");
            let heard = Arc::new(Warnings::default());
            let ann = World {
                listener: Arc::clone(&heard) as Arc<dyn Listener>,
                ..rig.laptop("ann-laptop")
            };
            let ended = update(&ann, &rig).await;
            assert_eq!(ended.outcome, Outcome::Updated, "{:?}", ended.error);
            let count = |all: &[String]| all.iter().filter(|w| w.starts_with("no lease: ")).count();
            assert_eq!(count(&ended.data.warnings), 1, "{:?}", ended.data.warnings);
            let heard = heard.0.lock().expect("no panic");
            assert_eq!(count(&heard), 1, "{heard:?}");
            assert!(heard[0].contains(call) && heard[0].contains("file lock of this machine"));
            assert!(leases(&rig).is_empty());
        });
    }
}

#[test]
fn an_account_that_cannot_be_asked_is_an_error_and_no_reason_to_go_on_without() {
    block_on(async {
        let rig = Rig::new();
        let before = rig.stack();
        let ann = rig.laptop("ann-laptop");
        let Prepared::Ready(ready) = prepare_update(&ann, &request(&rig)).await.expect("seen")
        else {
            panic!("it can go ahead");
        };
        fault(&rig, "ssm:PutParameter", "ExpiredTokenException");
        let ended = execute(&ann, *ready).await;
        assert_eq!(ended.outcome, Outcome::Failed);
        assert_eq!(ended.error.expect("why").code, "credentials");
        let (state, _) = StateDir::open(&ann.state_dir).expect("a folder");
        let name = rig.memory.deployment().name;
        assert!(state.operations(&name).expect("readable").items.is_empty());
        assert_eq!(rig.stack(), before);
    });
}

#[test]
fn a_holder_at_work_on_the_other_machine_is_named_and_one_that_stands_still_is_taken_over() {
    block_on(async {
        let rig = Rig::new();
        let (ann, bob) = (rig.laptop("ann-laptop"), rig.laptop("bob-laptop"));
        let Prepared::Ready(ready) = prepare_update(&bob, &request(&rig)).await.expect("seen")
        else {
            panic!("it can go ahead");
        };
        // Ann's process stands still before anything was begun: no operation is open.
        let mut stood = serde_json::json!({
            "schema": "geusemaker.lease/1", "user": "ann", "host": "ann-laptop", "place": "there",
            "pid": 7, "started": 1, "operation": "op-1", "reason": "update",
            "since": "2026-11-20T09:59:00Z", "lease_ms": 15_000, "phase": "held", "beat": 4,
            "open_operation": null,
        });
        let parameter = "/geusemaker/my-dev-stack/lock/1700000000";
        ann.parameters
            .create(parameter, &stood.to_string())
            .await
            .expect("it is taken");
        let asked = async {
            let ended = execute(&bob, *ready).await;
            ended.error.map(|e| (ended.outcome, e.message))
        };
        // Her heartbeat goes on while Bob watches.
        let beats = async {
            for beat in 5..8 {
                stood["beat"] = beat.into();
                ann.parameters
                    .overwrite(parameter, &stood.to_string())
                    .await
                    .expect("hers");
                tokio::task::yield_now().await;
            }
        };
        let (asked, ()) = tokio::join!(asked, beats);
        let (outcome, message) = asked.expect("she is at work");
        assert_eq!(outcome, Outcome::Locked);
        assert!(
            message.starts_with("my-dev-stack is locked by 'update' (process 7 on 'ann-laptop', user 'ann') since 2026-11-20T09:59:00Z, until "),
            "{message}"
        );
        let ended = update(&bob, &rig).await;
        assert_eq!(ended.outcome, Outcome::Updated, "{:?}", ended.error);
        let [(number, lease)] = &leases(&rig)[..] else {
            panic!("one lease is left");
        };
        assert_eq!(
            (number.as_str(), &lease["host"]),
            (
                "/geusemaker/my-dev-stack/lock/1700000001",
                &"bob-laptop".into()
            )
        );
        let ours = bob.state_dir.join("my-dev-stack/fence");
        assert_eq!(
            fs_err::read_to_string(ours).expect("a file"),
            "1700000001\n",
            "the number is the fence"
        );
    });
}

#[test]
fn unlock_watches_and_releases_only_what_stands_still_for_a_whole_lease() {
    block_on(async {
        let rig = Rig::new();
        let (ann, bob) = (rig.laptop("ann-laptop"), rig.laptop("bob-laptop"));
        let name = rig.memory.deployment().name;
        let mut hers = serde_json::json!({
            "schema": "geusemaker.lease/1", "user": "ann", "host": "ann-laptop", "place": "there",
            "pid": 7, "started": 1, "operation": "op-1", "reason": "update",
            "since": "2026-11-20T09:59:00Z", "lease_ms": 15_000, "phase": "held", "beat": 4,
            "open_operation": null,
        });
        let parameter = "/geusemaker/my-dev-stack/lock/1700000000";
        let text = hers.to_string();
        let create = ann.parameters.create(parameter, &text);
        assert!(create.await.expect("it is made"));
        // Her heartbeat goes on while Bob watches.
        let beats = async {
            for beat in 5..8 {
                hers["beat"] = beat.into();
                let text = hers.to_string();
                let overwrite = ann.parameters.overwrite(parameter, &text);
                overwrite.await.expect("hers");
                tokio::task::yield_now().await;
            }
        };
        let (asked, ()) = tokio::join!(unlock(&bob, &name, false), beats);
        let locked = asked.err().expect("she is at work");
        assert_eq!(locked.outcome, Outcome::Locked);
        assert_eq!(locked.outcome.exit_code(), 7);
        assert_eq!(leases(&rig), [(parameter.to_owned(), hers)]);

        let began = rig.clock.now();
        let done = unlock(&bob, &name, false).await.expect("it stands still");
        let watched = rig.clock.now().duration_since(began).unsigned_abs();
        assert_eq!(done.outcome, Outcome::Done);
        assert!(done.data.released && !done.data.holders[0].alive);
        assert!(watched >= Duration::from_secs(15), "{watched:?}");
        let [(_, lease)] = &leases(&rig)[..] else {
            panic!("one lease is left");
        };
        assert_eq!(
            (&lease["host"], &lease["phase"]),
            (&"bob-laptop".into(), &"released".into())
        );
    });
}

/// A machine with the binary: a state folder of its own, and a sandbox that somebody serves as its AWS. (A process
/// that is frozen must not be the one that has the sandbox open.)
struct Laptop<'s> {
    served: &'s Served,
    state: tempfile::TempDir,
    user: &'static str,
}

impl<'s> Laptop<'s> {
    fn new(served: &'s Served, user: &'static str) -> Self {
        let laptop = Self {
            served,
            state: private_folder(),
            user,
        };
        let id = "i-0c5a1b7d9e2f34680";
        laptop.json(&["adopt", "my-dev-stack", "--instance-id", id], 0);
        laptop
    }

    fn command(&self, args: &[&str]) -> Command {
        let mut command = bare();
        command
            .env("GEUSEMAKER_STATE", self.state.path())
            .env("AWS_ACCESS_KEY_ID", self.served.text("access_key_id"))
            .env(
                "AWS_SECRET_ACCESS_KEY",
                self.served.text("secret_access_key"),
            )
            .env("USER", self.user)
            .args(["--region", self.served.text("region")])
            .args(["--endpoint-url", self.served.text("endpoint")])
            .args(args);
        command
    }

    #[track_caller]
    fn json(&self, args: &[&str], code: i32) -> Value {
        let mut command = self.command(args);
        let ran = Ran::new(
            command
                .args(["-o", "json"])
                .output()
                .expect("the binary runs"),
        );
        ran.ended(code);
        ran.json()
    }

    /// The journal of an operation, byte for byte.
    fn journal(&self, operation: &str) -> Vec<u8> {
        let file = format!("my-dev-stack/operations/{operation}/journal.jsonl");
        fs_err::read(self.state.path().join(file)).expect("a journal")
    }
}

const RETYPE: [&str; 7] = [
    "update",
    "my-dev-stack",
    "--instance-type",
    "t3.large",
    "--force",
    "--stable-for",
    "1s",
];

fn serve(sandbox: &Sandbox) -> Served {
    Served::start(sandbox.command(&["sandbox", "serve"]))
}

fn signal(child: &Child, name: &str) {
    let sent = Command::new("kill")
        .args(["-s", name, &child.id().to_string()])
        .status()
        .expect("kill runs");
    assert!(sent.success());
}

#[test]
fn a_frozen_holder_that_was_broken_from_another_machine_is_refused_before_its_next_write() {
    let sandbox = Sandbox::new();
    let served = serve(&sandbox);
    let (ann, bob) = (Laptop::new(&served, "ann"), Laptop::new(&served, "bob"));
    let (mut frozen, operation) = running(ann.command(&RETYPE), "stop_instance");
    signal(&frozen, "STOP");
    let before = ann.journal(&operation);

    // However old its heartbeat: the operation is open.
    let refused = bob.json(&RETYPE, 3);
    assert_eq!(refused["error"]["code"], "open_elsewhere", "{refused}");
    let found = &refused["data"]["plan"]["checks"][0]["found"];
    let found = found.as_str().expect("a text");
    assert!(
        found.contains(&operation) && found.contains("'ann'"),
        "{found}"
    );

    let broken = bob.json(&["unlock", "my-dev-stack", "--force"], 0);
    assert_eq!(
        broken["data"]["given_up"]["id"],
        operation.as_str(),
        "{broken}"
    );
    let loud = broken["warnings"].as_array().expect("warnings").iter();
    let mut loud = loud.filter_map(Value::as_str);
    assert!(loud.any(|w| w.starts_with("GIVEN UP: ")), "{broken}");

    signal(&frozen, "CONT");
    assert_eq!(frozen.wait().expect("its end").code(), Some(7));
    assert_eq!(ann.journal(&operation), before, "it wrote nothing more");
    let free = bob.json(&["unlock", "my-dev-stack"], 0);
    assert_eq!(free["outcome"], "unchanged", "nor a lease: {free}");
}

#[test]
fn a_frozen_holder_that_was_broken_on_its_own_machine_is_refused_and_resume_goes_on() {
    let sandbox = Sandbox::new();
    let served = serve(&sandbox);
    let ann = Laptop::new(&served, "ann");
    let (mut frozen, operation) = running(ann.command(&RETYPE), "stop_instance");
    signal(&frozen, "STOP");
    let before = ann.journal(&operation);
    // Its process lives, so it is not for others to say that it is gone.
    let held = ann.json(&["unlock", "my-dev-stack"], 7);
    let who = format!("process {} on ", frozen.id());
    let message = held["error"]["message"].as_str().expect("a text");
    assert!(message.contains(&who), "{held}");
    assert_eq!(held["data"]["holders"][0]["of"], "lock", "{held}");
    let help = held["error"]["help"][0].as_str().expect("a command");
    assert!(help.contains(" unlock my-dev-stack --force"), "{help}");

    let broken = ann.json(&["unlock", "my-dev-stack", "--force"], 0);
    assert_eq!(
        (&broken["outcome"], &broken["data"]["given_up"]),
        (&"done".into(), &Value::Null)
    );
    let open = &broken["data"]["open_operation"]["id"];
    assert_eq!(open, operation.as_str(), "it can be resumed here");
    signal(&frozen, "CONT");
    assert_eq!(frozen.wait().expect("its end").code(), Some(7));
    assert_eq!(ann.journal(&operation), before, "it wrote nothing more");

    let result = ann.json(&["resume", "my-dev-stack", "--force"], 0);
    assert_eq!(result["outcome"], "updated");
    assert_eq!(result["data"]["operation_id"], operation.as_str());
}

#[test]
fn a_holder_that_stands_still_before_its_operation_is_taken_over_by_another_machine() {
    let sandbox = Sandbox::new();
    let slow = ["sandbox", "latency", "set", "pull=10m"];
    sandbox.run(&slow).ended(0);
    let served = serve(&sandbox);
    let (ann, bob) = (Laptop::new(&served, "ann"), Laptop::new(&served, "bob"));
    // The file says this reference already: it is pulled under the lock, before there is an operation.
    let image = "n8n=n8nio/n8n:1.19.4";
    let mut frozen = ann
        .command(&["update", "my-dev-stack", "--image", image, "--force"])
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .expect("the binary runs");
    let began = Instant::now();
    let world = || fs_err::read_to_string(sandbox.path().join("sandbox/world.json"));
    while !world().is_ok_and(|text| text.contains(r#"\"phase\":\"held\""#)) {
        assert!(
            began.elapsed() < Duration::from_secs(60),
            "it takes no lease"
        );
        std::thread::sleep(Duration::from_millis(20));
    }
    signal(&frozen, "STOP");
    let ran = Ran::new(bob.command(&RETYPE).output().expect("the binary runs"));
    let pid = format!("process {} on ", frozen.id());
    frozen.kill().expect("SIGKILL");
    frozen.wait().expect("its end");
    ran.ended(0);
    for said in [
        "waiting for up to 15 s to see whether its holder is alive: ",
        "taking over from ",
        &pid,
    ] {
        assert!(ran.err.contains(said), "{}", ran.err);
    }
    assert_eq!(sandbox.seen()["type"], "t3.large");
}

#[test]
fn what_nobody_holds_is_unchanged() {
    let sandbox = Sandbox::new();
    let nothing = sandbox.json(&["unlock", "my-dev-stack"], 0);
    assert_eq!(nothing["outcome"], "unchanged");
    assert_eq!(
        nothing["data"],
        serde_json::json!({"holders": [], "released": false, "fence": null, "open_operation": null, "given_up": null})
    );
    let unknown = sandbox.json(&["unlock", "nobody"], 8);
    assert_eq!(unknown["error"]["code"], "deployment_not_found");
}
