//! The saga over the in-memory world: every plan shape × a failure at every call, before and after its
//! effect × each step performed twice × each undo performed twice. Ends updated, refused, or as before.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};

use async_trait::async_trait;
use geusemaker::cloud::{Clock, CloudError, CloudErrorKind, Ec2, Lasting, Reservation, Reserve};
use geusemaker::host::{
    ArmRequest, HoldFacts, HoldRequest, Host, HostError, Job, JobState, MountRequest, Tag,
};
use geusemaker::journal::{Entry, Failure, FailureClass, JOURNAL_SCHEMA, Line, committed};
use geusemaker::model::{
    Capacity, ChangeOptions, Deployment, Desired, DesiredImage, GateSettings, ImageRef, InstanceId,
    InstanceType, MountFacts, OperationId, Outcome, PROGRESS_MS, Purpose, ReservationId,
    RestoreState, RollbackRequest, ServiceName, SnapshotId, UpdateRequest,
};
use geusemaker::orchestrator::{
    Ask, Ended, Limits, Operation, Prepared, Recorder, TakenUp, Unguarded, Way, World, execute,
    observe, prepare_rollback, prepare_update, take_up,
};
use geusemaker::plan::{Decision, Input, Pace, Plan, SnapshotChoice, toward};
use geusemaker::report::Silent;
use geusemaker::sandbox::memory::VirtualClock;
use geusemaker::sandbox::rig::Memory;
use geusemaker::snapshot::Snapshot;
use geusemaker::state::StateDir;

use crate::support::over::{Ec2Over, HostOver, Over, OverEc2};

/// Which effect fails, and when.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum When {
    /// The call is refused: no effect.
    Before,
    /// The effect happens and its answer is lost.
    After,
}

/// Fails the n-th effect (StopInstances, ModifyInstanceAttribute, StartInstances, a reservation, a job, a sentinel).
struct Faulty {
    left: AtomicI64,
    /// Which script on the host is killed, besides.
    killed: AtomicI64,
    /// How many reservations are left: a release that is refused only warns.
    unreleased: AtomicI64,
    when: When,
    ec2: Arc<dyn Ec2>,
    host: Arc<dyn Host>,
}

impl Faulty {
    /// Whether it has failed one.
    fn struck(&self) -> bool {
        self.left.load(Ordering::SeqCst) <= 0
    }

    /// Whether this effect is the one.
    fn strikes(&self) -> bool {
        self.left.fetch_sub(1, Ordering::SeqCst) == 1
    }

    async fn cloud<T>(
        &self,
        call: impl Future<Output = Result<T, CloudError>>,
    ) -> Result<T, CloudError> {
        let error = CloudError {
            call: "ec2:Test",
            code: Some("OperationNotPermitted".into()),
            message: "struck by the test".into(),
            request_id: None,
            kind: CloudErrorKind::Denied,
        };
        match (self.strikes(), self.when) {
            (false, _) => call.await,
            (true, When::Before) => Err(error),
            (true, When::After) => call.await.and(Err(error)),
        }
    }

    async fn on_host<T>(
        &self,
        call: impl Future<Output = Result<T, HostError>>,
    ) -> Result<T, HostError> {
        let killed = self.killed.fetch_sub(1, Ordering::SeqCst) == 1;
        let error = HostError::Script {
            verb: "start",
            code: if killed { "exit 137" } else { "struck" }.into(),
            message: "struck by the test".into(),
        };
        match (killed || self.strikes(), self.when) {
            (false, _) => call.await,
            (true, When::Before) => Err(error),
            (true, When::After) => call.await.and(Err(error)),
        }
    }
}

#[async_trait]
impl Ec2Over for Faulty {
    fn ec2(&self) -> &dyn Ec2 {
        self.ec2.as_ref()
    }
    async fn stop(&self, id: &InstanceId, force: bool) -> Result<(), CloudError> {
        self.cloud(self.ec2.stop(id, force)).await
    }
    async fn start(&self, id: &InstanceId) -> Result<(), CloudError> {
        self.cloud(self.ec2.start(id)).await
    }
    async fn set_type(&self, id: &InstanceId, to: &InstanceType) -> Result<(), CloudError> {
        self.cloud(self.ec2.set_type(id, to)).await
    }
    async fn set_ebs_optimized(&self, id: &InstanceId, to: bool) -> Result<(), CloudError> {
        self.cloud(self.ec2.set_ebs_optimized(id, to)).await
    }
    async fn reserve(&self, ask: &Reserve) -> Result<Reservation, CloudError> {
        self.cloud(self.ec2.reserve(ask)).await
    }
    async fn release(&self, id: &ReservationId) -> Result<(), CloudError> {
        if self.left.load(Ordering::SeqCst) == 1 && self.when == When::Before {
            self.unreleased.store(1, Ordering::SeqCst);
        }
        self.cloud(self.ec2.release(id)).await
    }
}

#[async_trait]
impl HostOver for Faulty {
    fn below(&self) -> &dyn Host {
        self.host.as_ref()
    }
    async fn mount(
        &self,
        on: &InstanceId,
        tag: Option<&Tag>,
        ask: &MountRequest,
    ) -> Result<MountFacts, HostError> {
        if tag.is_none() {
            return self.host.mount(on, tag, ask).await;
        }
        self.on_host(self.host.mount(on, tag, ask)).await
    }
    async fn hold(
        &self,
        on: &InstanceId,
        tag: Option<&Tag>,
        ask: &HoldRequest,
    ) -> Result<HoldFacts, HostError> {
        if tag.is_none() {
            return self.host.hold(on, tag, ask).await;
        }
        self.on_host(self.host.hold(on, tag, ask)).await
    }
    async fn start(&self, on: &InstanceId, tag: &Tag, job: &Job) -> Result<JobState, HostError> {
        self.on_host(self.host.start(on, tag, job)).await
    }
    async fn arm(
        &self,
        on: &InstanceId,
        tag: &Tag,
        ask: &ArmRequest,
    ) -> Result<RestoreState, HostError> {
        self.on_host(self.host.arm(on, tag, ask)).await
    }
    async fn commit(&self, on: &InstanceId, tag: &Tag) -> Result<RestoreState, HostError> {
        self.on_host(self.host.commit(on, tag)).await
    }
}

/// A line that cannot be written any more.
pub fn power_gone() -> Failure {
    Failure {
        code: "power".into(),
        message: "the power is gone".into(),
        causes: vec![],
        help: vec![],
        checks: vec![],
        logs: vec![],
        class: FailureClass::Pauses,
    }
}

/// A journal in memory that loses power at its n-th line.
struct Paper {
    left: i64,
    lines: Vec<Line>,
}

impl Recorder for Paper {
    fn append(&mut self, line: &Line) -> Result<(), Failure> {
        self.left -= 1;
        if self.left == 0 {
            return Err(power_gone());
        }
        self.lines.push(line.clone());
        Ok(())
    }
}

/// A shape of a plan: what is wanted, and what happened before.
pub struct Shape {
    pub name: &'static str,
    instance_type: Option<&'static str>,
    images: &'static [(&'static str, &'static str)],
    /// The instance is EBS-optimized.
    ebs_optimized: bool,
    /// The instance is stopped first.
    stopped: bool,
    /// An update is made first, and this is its way back.
    rollback: bool,
}

pub const SHAPES: [Shape; 8] = [
    Shape {
        name: "type",
        instance_type: Some("t3.large"),
        images: &[],
        ebs_optimized: false,
        stopped: false,
        rollback: false,
    },
    Shape {
        name: "image",
        instance_type: None,
        images: &[("n8n", "n8nio/n8n:1.20.0")],
        ebs_optimized: false,
        stopped: false,
        rollback: false,
    },
    Shape {
        name: "both",
        instance_type: Some("t3.large"),
        images: &[("n8n", "n8nio/n8n:1.20.0")],
        ebs_optimized: false,
        stopped: false,
        rollback: false,
    },
    Shape {
        name: "several images",
        instance_type: None,
        images: &[
            ("n8n", "n8nio/n8n:1.20.0"),
            ("qdrant", "qdrant/qdrant:v1.13.0"),
        ],
        ebs_optimized: false,
        stopped: false,
        rollback: false,
    },
    Shape {
        name: "rollback",
        instance_type: Some("t3.large"),
        images: &[("n8n", "n8nio/n8n:1.20.0")],
        ebs_optimized: false,
        stopped: false,
        rollback: true,
    },
    Shape {
        name: "stopped",
        instance_type: Some("t3.large"),
        images: &[],
        ebs_optimized: false,
        stopped: true,
        rollback: false,
    },
    Shape {
        name: "a type without EBS optimization",
        instance_type: Some("t2.medium"),
        images: &[],
        ebs_optimized: true,
        stopped: false,
        rollback: false,
    },
    Shape {
        name: "back from a type without EBS optimization, stopped",
        instance_type: Some("t2.medium"),
        images: &[],
        ebs_optimized: true,
        stopped: true,
        rollback: true,
    },
];

/// Everything of one run.
pub struct Rig {
    pub memory: Arc<Memory>,
    pub clock: VirtualClock,
    dir: tempfile::TempDir,
    deployment: Deployment,
    /// Each process gets a higher one, as each lock does.
    fence: AtomicI64,
}

impl Rig {
    pub fn new() -> Self {
        let clock = VirtualClock::at("2026-11-20T10:00:00Z".parse().expect("a time"));
        let memory = Arc::new(Memory::seeded(&clock));
        let deployment = memory.deployment();
        Self {
            memory,
            clock,
            dir: tempfile::tempdir().expect("a folder"),
            deployment,
            fence: AtomicI64::new(0),
        }
    }

    /// The same account and host, from a machine of its own: another state folder, and another name of the host.
    pub fn laptop(&self, host: &str) -> World {
        let state_dir = self.dir.path().join(host);
        let (state, _) = StateDir::open(&state_dir).expect("a folder");
        if state.load(&self.deployment.name).is_err() {
            state.save(&self.deployment).expect("it is written");
        }
        World {
            state_dir,
            owner: ("ann".into(), host.into()),
            ..self.plain_world()
        }
    }

    /// A world in which nothing is struck by the test.
    pub fn plain_world(&self) -> World {
        self.world(0, When::Before)
    }

    fn world(&self, fail_at: i64, when: When) -> World {
        self.faulty(fail_at, when).0
    }

    fn faulty(&self, fail_at: i64, when: When) -> (World, Arc<Faulty>) {
        let ec2: Arc<dyn Ec2> = self.memory.cloud();
        let host: Arc<dyn Host> = self.memory.host();
        let faulty = Arc::new(Faulty {
            left: AtomicI64::new(fail_at),
            killed: AtomicI64::new(0),
            unreleased: AtomicI64::new(0),
            when,
            ec2,
            host,
        });
        let world = World {
            ec2: Arc::new(OverEc2(faulty.clone())),
            efs: self.memory.cloud(),
            parameters: self.memory.cloud(),
            guard: Arc::new(Unguarded),
            host: Arc::new(Over(faulty.clone())),
            shell: Arc::new(geusemaker::host::NoShell),
            credentials: Arc::new(Lasting),
            clock: Arc::new(self.clock.clone()),
            listener: Arc::new(Silent),
            state_dir: self.dir.path().to_owned(),
            limits: Limits::FAST,
            pace: Pace::AWS,
            owner: ("somebody".into(), "somewhere".into()),
            interrupted: Arc::default(),
            default_gate: GATE,
            random: Arc::new(|| 7),
        };
        (world, faulty)
    }

    /// What must be equal for "as before": the cloud's side and the host's.
    pub fn stack(&self) -> BTreeMap<String, String> {
        self.memory.stack()
    }

    /// The types that are reserved now.
    pub fn reserved(&self) -> Vec<String> {
        let mut world = self.memory.world();
        world.advance(self.clock.now());
        let all = world.reservations.values().filter(|r| r.is_active());
        all.map(|r| r.instance_type.to_string()).collect()
    }

    pub async fn plan(&self, world: &World, desired: &Desired, snapshot: &str) -> (Plan, Snapshot) {
        let ids = desired
            .images
            .values()
            .filter_map(|i| ImageRef::new(i.id.as_ref()?.as_str()).ok());
        let ask = Ask {
            services: Vec::new(),
            types: desired.instance_type.clone().into_iter().collect(),
            fallback_types: desired.fallback_types.iter().cloned().collect(),
            images: desired
                .images
                .values()
                .map(|i| i.reference.clone())
                .chain(ids)
                .collect(),
            ebs_optimized: desired.ebs_optimized,
            permits: false,
            reserve: true,
            beat: None,
        };
        let observed = observe(world, &self.deployment, &ask)
            .await
            .expect("it can be seen");
        let choice = SnapshotChoice {
            id: SnapshotId::new(snapshot).expect("an id"),
            reuse: false,
        };
        let input = Input {
            deployment: &self.deployment,
            observed: &observed,
            desired,
            snapshot: &choice,
            pace: Pace::AWS,
        };
        match toward(input) {
            Ok(Decision::Change { plan, .. }) => (
                *plan,
                Snapshot::of(&observed, &self.deployment, choice.id.clone()),
            ),
            other => panic!("no plan: {other:?}"),
        }
    }

    /// One process: opens or goes on, until the end or the loss of power. The lines are what is on disk.
    pub async fn process(
        &self,
        world: &World,
        plan: &Plan,
        snapshot: &Snapshot,
        lines: Vec<Line>,
        power: i64,
        resume: Option<bool>,
    ) -> (Outcome, Vec<Line>) {
        let mut paper = Paper { left: power, lines };
        let lines = paper.lines.clone();
        let fence = self.fence.fetch_add(1, Ordering::SeqCst) as u64 + 1;
        let mut operation = Operation {
            world,
            deployment: &self.deployment,
            id: OperationId::new("op-1").expect("an id"),
            fence,
            lines,
            recorder: &mut paper,
            snapshot: Some(snapshot.clone()),
        };
        let taken_up = match resume {
            None => Ok(TakenUp::Goes),
            Some(false) => take_up(&mut operation, plan, Way::On).await,
            Some(true) => match take_up(&mut operation, plan, Way::Unwind).await {
                // Refused, and ended as is said there.
                Ok(TakenUp::Committed) => take_up(&mut operation, plan, Way::On).await,
                other => other,
            },
        };
        let outcome = match taken_up {
            Ok(TakenUp::Goes) => operation.drive(plan).await,
            Ok(other) => panic!("nobody else changed anything: {other:?}"),
            // The power is gone.
            Err(_) => Outcome::Paused,
        };
        (outcome, paper.lines)
    }
}

const GATE: GateSettings = GateSettings {
    timeout_ms: 60_000,
    stable_ms: 1_000,
};

/// What a script says: `--force`, and a gate that does not take long.
pub fn options() -> ChangeOptions {
    ChangeOptions {
        progress_ms: PROGRESS_MS,
        capacity: Capacity::Prove,
        stop_ms: geusemaker::model::STOP_MS,
        force: true,
        dry_run: false,
        no_rollback: false,
        gate: GATE,
    }
}

pub fn update(instance_type: Option<&str>, images: &[(&str, &str)]) -> Desired {
    Desired {
        progress_ms: PROGRESS_MS,
        capacity: Capacity::Prove,
        stop_ms: geusemaker::model::STOP_MS,
        fallback_types: vec![],
        files: vec![],
        instance_type: instance_type.map(|t| InstanceType::new(t).expect("a type")),
        ebs_optimized: None,
        images: images
            .iter()
            .map(|(service, reference)| {
                let image = DesiredImage {
                    reference: ImageRef::new(*reference).expect("a reference"),
                    id: None,
                    digest: None,
                };
                (ServiceName::new(*service).expect("a service"), image)
            })
            .collect(),
        purpose: Purpose::Update,
        gate: GATE,
        undo_on_failure: true,
    }
}

pub fn opened(plan: &Plan, rig: &Rig) -> Vec<Line> {
    vec![Line {
        at: rig.clock.now(),
        entry: Entry::Opened {
            schema: JOURNAL_SCHEMA.into(),
            operation: OperationId::new("op-1").expect("an id"),
            fence: 1,
            version: "test".into(),
            plan: Box::new(plan.clone()),
        },
    }]
}

/// A rig in which the shape's plan is about to begin.
pub async fn begin(shape: &Shape) -> (Rig, Plan, Snapshot) {
    let rig = Rig::new();
    let world = rig.world(0, When::Before);
    for instance in rig.memory.world().instances.values_mut() {
        instance.ebs_optimized = shape.ebs_optimized;
    }
    if shape.stopped {
        rig.memory.stop();
    }
    let desired = update(shape.instance_type, shape.images);
    let (plan, snapshot) = rig.plan(&world, &desired, "before").await;
    if !shape.rollback {
        return (rig, plan, snapshot);
    }
    let (outcome, _) = rig
        .process(&world, &plan, &snapshot, opened(&plan, &rig), 0, None)
        .await;
    assert_eq!(outcome, Outcome::Updated, "the update before the rollback");
    let back = Desired {
        progress_ms: PROGRESS_MS,
        capacity: Capacity::Prove,
        stop_ms: geusemaker::model::STOP_MS,
        fallback_types: vec![],
        files: snapshot.compose.sums(),
        instance_type: Some(snapshot.instance_type.clone()),
        ebs_optimized: snapshot.ebs_optimized,
        images: snapshot
            .services
            .iter()
            .map(|(s, e)| {
                (
                    s.clone(),
                    DesiredImage {
                        reference: e.image.reference.clone(),
                        id: e.image.id.clone(),
                        digest: None,
                    },
                )
            })
            .collect(),
        purpose: Purpose::Rollback {
            to: snapshot.id.clone(),
            green: snapshot.green(),
        },
        gate: GATE,
        undo_on_failure: true,
    };
    let (plan, snapshot) = rig.plan(&world, &back, "between").await;
    (rig, plan, snapshot)
}

/// What was prepared goes on to its end, without a question.
pub async fn goes(world: &World, prepared: Prepared) -> Ended {
    match prepared {
        Prepared::Ready(ready) => execute(world, *ready).await,
        Prepared::Refused(data, error) => Ended {
            outcome: Outcome::Refused,
            data,
            error: Some(error),
        },
        Prepared::Unchanged(data) => Ended {
            outcome: Outcome::Unchanged,
            data,
            error: None,
        },
    }
}

pub fn good(outcome: Outcome) -> bool {
    matches!(outcome, Outcome::Updated | Outcome::RolledBackAsAsked)
}

pub fn block_on<F: Future>(future: F) -> F::Output {
    tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .expect("a runtime")
        .block_on(future)
}

#[test]
fn containers_without_a_restart_policy_are_started_again_and_not_only_called_finished() {
    // Found in review: a container stopped by us exits with 0 and looked like a one-shot that ended well.
    block_on(async {
        let rig = Rig::new();
        for c in &mut rig
            .memory
            .world()
            .hosts
            .values_mut()
            .next()
            .expect("a host")
            .engine
            .containers
        {
            c.restart_policy = "no".into();
            c.healthcheck = false;
        }
        let before = rig.stack();
        let world = rig.world(0, When::Before);
        let (plan, snapshot) = rig
            .plan(&world, &update(Some("t3.large"), &[]), "before")
            .await;
        let (outcome, _) = rig
            .process(&world, &plan, &snapshot, opened(&plan, &rig), 0, None)
            .await;
        assert_eq!(outcome, Outcome::Updated);
        let mut after = rig.stack();
        assert_eq!(
            after.insert("type".into(), "t3.medium".into()).as_deref(),
            Some("t3.large")
        );
        assert_eq!(after, before, "every container runs again");
    });
}

#[test]
fn a_tag_that_moved_in_the_registry_is_a_change_and_one_that_did_not_is_none() {
    block_on(async {
        let rig = Rig::new();
        let world = rig.plain_world();
        let (state, _) = StateDir::open(rig.dir.path()).expect("a folder");
        state.save(&rig.deployment).expect("it is written");
        let reference = ImageRef::new("n8nio/n8n:1.19.4").expect("a reference");
        let mut request = UpdateRequest {
            deployment: rig.deployment.name.clone(),
            instance_type: None,
            images: BTreeMap::from([(
                ServiceName::new("n8n").expect("a service"),
                reference.clone(),
            )]),
            fallback_types: vec![],
            options: options(),
        };
        let prepared = prepare_update(&world, &request)
            .await
            .expect("it can be known");
        assert!(matches!(prepared, Prepared::Unchanged(_)));
        rig.memory.world().registry.move_tag(&reference);
        request.options.dry_run = true;
        let prepared = prepare_update(&world, &request)
            .await
            .expect("it can be known");
        assert!(
            matches!(prepared, Prepared::Unchanged(_)),
            "a dry run pulls nothing"
        );
        request.options.dry_run = false;
        let before = rig.stack();
        let Prepared::Ready(ready) = prepare_update(&world, &request)
            .await
            .expect("it can be known")
        else {
            panic!("the tag means another image now");
        };
        assert_eq!(rig.stack(), before, "looking changed nothing of the stack");
        let change =
            "image: n8n: n8nio/n8n:1.19.4 -> n8nio/n8n:1.19.4 (the tag means another image now)";
        assert_eq!(ready.plan.changes, [change]);
        let ended = execute(&world, *ready).await;
        assert_eq!(ended.outcome, Outcome::Updated, "{:?}", ended.error);
        assert_ne!(rig.stack()["container n8n"], before["container n8n"]);
        // And back: the old bits under the same tag.
        let back = RollbackRequest {
            deployment: rig.deployment.name.clone(),
            to: None,
            services: None,
            fallback_types: vec![],
            options: request.options,
        };
        let Prepared::Ready(ready) = prepare_rollback(&world, &back)
            .await
            .expect("it can be known")
        else {
            panic!("there is something to take back");
        };
        let ended = execute(&world, *ready).await;
        assert_eq!(
            ended.outcome,
            Outcome::RolledBackAsAsked,
            "{:?}",
            ended.error
        );
        assert_eq!(
            rig.stack(),
            before,
            "the old image by id, the file byte for byte"
        );
    });
}

#[test]
fn an_update_compares_with_the_host_s_image_where_the_registry_does_not_answer() {
    block_on(async {
        for code in ["unreachable", "missing"] {
            let rig = Rig::new();
            let world = rig.laptop("here");
            let reference = ImageRef::new("n8nio/n8n:1.19.4").expect("a reference");
            let n8n = ServiceName::new("n8n").expect("a service");
            let request = UpdateRequest {
                deployment: rig.deployment.name.clone(),
                instance_type: None,
                images: BTreeMap::from([(n8n, reference.clone())]),
                fallback_types: vec![],
                options: options(),
            };
            // The tag has moved, and nobody can know.
            rig.memory.world().registry.move_tag(&reference);
            let silent = format!("pull:{reference}={code}");
            let silent = geusemaker::sandbox::fault::Fault::parse(&silent, None);
            rig.memory.world().faults.0.push(silent.expect("a fault"));
            let before = rig.stack();
            let prepared = prepare_update(&world, &request).await;
            let ended = goes(&world, prepared.expect("it is no error")).await;
            assert_eq!(ended.outcome, Outcome::Unchanged, "{code}");
            assert_eq!(rig.stack(), before);
            // It answers again: then it was a change all along.
            rig.memory.world().faults.0.clear();
            let prepared = prepare_update(&world, &request).await;
            let ended = goes(&world, prepared.expect("it can be known")).await;
            assert_eq!(ended.outcome, Outcome::Updated, "{code}: {:?}", ended.error);
        }
    });
}

/// The number of effects and of journal lines of a clean run, and the two stacks that are allowed.
async fn clean(shape: &Shape) -> (i64, i64, BTreeMap<String, String>, BTreeMap<String, String>) {
    let (rig, plan, snapshot) = begin(shape).await;
    let before = rig.stack();
    let world = rig.world(i64::MAX, When::Before);
    let (outcome, lines) = rig
        .process(&world, &plan, &snapshot, opened(&plan, &rig), 0, None)
        .await;
    assert!(good(outcome), "{}: {outcome:?} {lines:#?}", shape.name);
    assert!(rig.reserved().is_empty(), "{}", shape.name);
    let effects = 40;
    (effects, lines.len() as i64, before, rig.stack())
}

#[test]
fn a_failure_at_every_effect_ends_as_before_or_refused() {
    let mut runs = 0;
    for shape in &SHAPES {
        block_on(async {
            let (effects, _, before, after) = clean(shape).await;
            for when in [When::Before, When::After] {
                for at in 1..=effects {
                    let (rig, plan, snapshot) = begin(shape).await;
                    let (world, faulty) = rig.faulty(at, when);
                    let (outcome, lines) = rig
                        .process(&world, &plan, &snapshot, opened(&plan, &rig), 0, None)
                        .await;
                    let place = format!("{}: effect {at} fails {when:?}: {outcome:?}", shape.name);
                    runs += 1;
                    let unreleased = faulty.unreleased.load(Ordering::SeqCst);
                    assert_eq!(rig.reserved().len() as i64, unreleased, "{place}");
                    if good(outcome) {
                        assert_eq!(rig.stack(), after, "{place}");
                        // An image that could not be held only warns.
                        if faulty.struck() {
                            continue;
                        }
                        // The clean run has fewer effects than this.
                        break;
                    }
                    assert!(
                        matches!(outcome, Outcome::RolledBack | Outcome::Refused),
                        "{place}\n{:#?}",
                        lines.iter().map(|l| &l.entry).skip(1).collect::<Vec<_>>()
                    );
                    assert_eq!(rig.stack(), before, "{place}");
                }
            }
        });
    }
    assert!(runs > 60, "only {runs} runs");
}

fn entries(lines: &[Line]) -> impl Iterator<Item = &Entry> {
    lines.iter().map(|l| &l.entry)
}

#[test]
fn a_loss_of_power_at_every_line_is_picked_up_both_ways() {
    // Each step is performed twice: once before the loss, once after.
    let mut runs = 0;
    for shape in &SHAPES {
        block_on(async {
            let (_, total, before, after) = clean(shape).await;
            for unwind in [false, true] {
                for power in 1..total {
                    let (rig, plan, snapshot) = begin(shape).await;
                    let world = rig.world(0, When::Before);
                    let (first, lines) = rig
                        .process(&world, &plan, &snapshot, opened(&plan, &rig), power, None)
                        .await;
                    assert_eq!(
                        first,
                        Outcome::Paused,
                        "{}: the power is gone at line {power}",
                        shape.name
                    );
                    let (outcome, lines) = rig
                        .process(&world, &plan, &snapshot, lines, 0, Some(unwind))
                        .await;
                    let place = format!(
                        "{}: power lost at line {power}, unwind {unwind}: {outcome:?}\n{:#?}",
                        shape.name,
                        lines.iter().map(|l| &l.entry).skip(1).collect::<Vec<_>>()
                    );
                    runs += 1;
                    assert!(rig.reserved().is_empty(), "{place}");
                    match (unwind, outcome) {
                        (false, o) if good(o) => assert_eq!(rig.stack(), after, "{place}"),
                        // Behind the commit nothing is undone.
                        (true, o) if good(o) && committed(&plan, entries(&lines)) => {
                            assert_eq!(rig.stack(), after, "{place}")
                        }
                        (true, Outcome::RolledBack | Outcome::Refused) => {
                            assert_eq!(rig.stack(), before, "{place}");
                            assert!(!committed(&plan, entries(&lines)), "{place}");
                        }
                        _ => panic!("{place}"),
                    }
                }
            }
        });
    }
    assert!(runs > 100, "only {runs} runs");
}

#[test]
fn a_loss_of_power_at_every_line_of_an_undo_is_picked_up() {
    // Each undo is performed twice.
    let mut runs = 0;
    for shape in &SHAPES {
        block_on(async {
            for at in 1.. {
                // Without a loss of power, to see where the undo begins and ends.
                let (rig, plan, snapshot) = begin(shape).await;
                let before = rig.stack();
                let (world, faulty) = rig.faulty(at, When::After);
                let (outcome, lines) = rig
                    .process(&world, &plan, &snapshot, opened(&plan, &rig), 0, None)
                    .await;
                if good(outcome) {
                    // An image that could not be held only warns.
                    if faulty.struck() {
                        continue;
                    }
                    break;
                }
                let failed = lines
                    .iter()
                    .position(|l| matches!(l.entry, Entry::Failed { .. }))
                    .expect("something failed");
                for power in failed + 1..lines.len() {
                    let (rig, plan, snapshot) = begin(shape).await;
                    let world = rig.world(at, When::After);
                    let power = power as i64;
                    let (first, lines) = rig
                        .process(&world, &plan, &snapshot, opened(&plan, &rig), power, None)
                        .await;
                    assert_eq!(first, Outcome::Paused, "{}", shape.name);
                    let (outcome, lines) = rig
                        .process(&world, &plan, &snapshot, lines, 0, Some(true))
                        .await;
                    let place = format!(
                        "{}: effect {at} fails, power lost at line {power}: {outcome:?}\n{:#?}",
                        shape.name,
                        lines.iter().map(|l| &l.entry).skip(1).collect::<Vec<_>>()
                    );
                    assert!(
                        matches!(outcome, Outcome::RolledBack | Outcome::Refused),
                        "{place}"
                    );
                    assert_eq!(rig.stack(), before, "{place}");
                    assert!(rig.reserved().is_empty(), "{place}");
                    runs += 1;
                }
            }
        });
    }
    assert!(runs > 100, "only {runs} runs");
}

/// The script that does it is killed (the agent's SIGKILL), before its effect or after it, and is sent again.
#[test]
fn a_script_that_is_killed_once_is_sent_again_and_nothing_is_taken_back() {
    let mut runs = 0;
    for shape in &SHAPES {
        block_on(async {
            let (_, _, _, after) = clean(shape).await;
            for when in [When::Before, When::After] {
                for at in 1.. {
                    let (rig, plan, snapshot) = begin(shape).await;
                    let (world, faulty) = rig.faulty(0, when);
                    faulty.killed.store(at, Ordering::SeqCst);
                    let (outcome, _) = rig
                        .process(&world, &plan, &snapshot, opened(&plan, &rig), 0, None)
                        .await;
                    let place = format!("{}: script {at} killed {when:?}", shape.name);
                    assert!(good(outcome), "{place}: {outcome:?}");
                    assert_eq!(rig.stack(), after, "{place}");
                    runs += 1;
                    if faulty.killed.load(Ordering::SeqCst) > 0 {
                        break;
                    }
                }
            }
        });
    }
    assert!(runs > 40, "only {runs} runs");
}

/// The same on the way back: it ends as before, and not stuck.
#[test]
fn a_script_of_the_way_back_that_is_killed_once_is_sent_again() {
    let mut runs = 0;
    let both = &SHAPES[2];
    block_on(async {
        for fails in 1.. {
            let mut is_over = false;
            // At most five of the effects before it are EC2's: those of the way back are from here on.
            for at in (fails - 5).max(1).. {
                let (rig, plan, snapshot) = begin(both).await;
                let before = rig.stack();
                let (world, faulty) = rig.faulty(fails, When::After);
                faulty.killed.store(at, Ordering::SeqCst);
                let (outcome, _) = rig
                    .process(&world, &plan, &snapshot, opened(&plan, &rig), 0, None)
                    .await;
                let place = format!("effect {fails} fails, script {at} killed: {outcome:?}");
                // What cannot be held or disarmed only warns.
                if good(outcome) {
                    is_over = !faulty.struck();
                } else {
                    let ends = [Outcome::RolledBack, Outcome::Refused];
                    assert!(ends.contains(&outcome), "{place}");
                    assert_eq!(rig.stack(), before, "{place}");
                }
                runs += 1;
                if faulty.killed.load(Ordering::SeqCst) > 0 {
                    break;
                }
            }
            if is_over {
                break;
            }
        }
    });
    assert!(runs > 60, "only {runs} runs");
}
