use std::sync::Arc;

use super::super::{Fix, Limits, Prepared, Unguarded, execute, fix, prepare_fix, prepare_update};
use super::*;
use crate::cloud::{Clock, Lasting};
use crate::efs::DROP_IN_FILE;
use crate::model::{DeploymentName, GateSettings, InstanceType, PROGRESS_MS};
use crate::plan::Pace;
use crate::report::Silent;
use crate::sandbox::host::HostState;
use crate::sandbox::memory::VirtualClock;
use crate::sandbox::rig::Memory;
use crate::state::StateDir;

const GATE: GateSettings = GateSettings {
    timeout_ms: 60_000,
    stable_ms: 1000,
};

struct Rig {
    memory: Arc<Memory>,
    world: World,
    name: DeploymentName,
    _dir: tempfile::TempDir,
}

impl Rig {
    fn new() -> Self {
        let clock = VirtualClock::at("2026-11-20T10:00:00Z".parse().unwrap());
        let memory = Arc::new(Memory::seeded(&clock));
        let dir = tempfile::tempdir().unwrap();
        let deployment = memory.deployment();
        let (state, _) = StateDir::open(dir.path()).unwrap();
        state.save(&deployment).unwrap();
        let world = World {
            ec2: memory.cloud(),
            efs: memory.cloud(),
            parameters: memory.cloud(),
            guard: Arc::new(Unguarded),
            credentials: Arc::new(Lasting),
            host: memory.host(),
            shell: Arc::new(crate::host::NoShell),
            clock: Arc::new(clock.clone()),
            listener: Arc::new(Silent),
            state_dir: dir.path().to_owned(),
            limits: Limits::FAST,
            pace: Pace::AWS,
            owner: ("somebody".into(), "somewhere".into()),
            interrupted: Arc::default(),
            default_gate: GATE,
            random: Arc::new(|| 7),
        };
        assert!(clock.now().as_second() > 0);
        Self {
            memory,
            world,
            name: deployment.name,
            _dir: dir,
        }
    }

    fn host<R>(&self, work: impl FnOnce(&mut HostState) -> R) -> R {
        work(self.memory.world().hosts.values_mut().next().unwrap())
    }

    async fn check(&self, to: Option<&str>) -> Checked {
        let request = CheckRequest {
            deployment: self.name.clone(),
            instance_type: to.map(|t| InstanceType::new(t).unwrap()),
            images: Default::default(),
            gate: GATE,
        };
        check(&self.world, &request).await.unwrap()
    }

    async fn update(&self, to: &str) {
        let request = UpdateRequest {
            deployment: self.name.clone(),
            instance_type: Some(InstanceType::new(to).unwrap()),
            images: Default::default(),
            fallback_types: vec![],
            options: ChangeOptions {
                progress_ms: PROGRESS_MS,
                capacity: Default::default(),
                stop_ms: crate::model::STOP_MS,
                force: true,
                dry_run: false,
                no_rollback: false,
                gate: GATE,
            },
        };
        let Prepared::Ready(ready) = prepare_update(&self.world, &request).await.unwrap() else {
            panic!("it can go ahead");
        };
        let ended = execute(&self.world, *ready).await;
        assert_eq!(ended.error, None);
    }

    /// Docker does not wait for the mount any more.
    fn unordered(&self) {
        self.host(|host| {
            host.memory
                .files
                .0
                .remove(DROP_IN_FILE)
                .expect("it was there");
            let files = host.memory.files.clone();
            host.read_units(&files);
        });
    }
}

#[tokio::test]
async fn a_check_leaves_the_stack_and_the_host_alone() {
    let rig = Rig::new();
    rig.update("t3.large").await;
    let (stack, kept) = (rig.memory.stack(), rig.host(|h| h.memory.clone()));
    for to in [None, Some("m5.large"), Some("t4g.large"), Some("t3.large")] {
        rig.check(to).await;
        prepare_fix(&rig.world, &rig.name).await.unwrap();
    }
    assert_eq!(rig.memory.stack(), stack);
    assert_eq!(
        rig.host(|h| h.memory.clone()),
        kept,
        "no sentinel, no fence"
    );
}

#[tokio::test]
async fn checks_of_the_way_back_are_marked_and_nothing_is_said_twice() {
    let rig = Rig::new();
    rig.update("t3.large").await;
    let checked = rig.check(None).await;
    assert_eq!(checked.error, None);
    let checks = &checked.data.plan.checks;
    let at = checks
        .iter()
        .position(|c| c.name == "rollback_target")
        .unwrap();
    assert!(checks[..at].iter().all(|c| !c.message.starts_with(BACK)));
    assert!(checks[at..].iter().all(|c| c.message.starts_with(BACK)));
    for (i, check) in checks.iter().enumerate() {
        let plain = check.message.trim_start_matches(BACK);
        let twice = checks[..i]
            .iter()
            .any(|c| c.name == check.name && c.message == plain);
        assert!(!twice, "{check:?}");
    }
    let way = checked.data.rollback;
    assert_eq!(way.changes, ["instance_type: t3.large -> t3.medium"]);
    // Without the order the way back needs a stop that is refused, and an image could still be changed.
    rig.unordered();
    let checked = rig.check(None).await;
    assert_eq!(checked.error.unwrap().code, "docker_after_mount");
    assert_eq!(checked.data.rollback.status, Some(CheckStatus::Refuse));
    let checks = checked.data.plan.checks;
    let said: Vec<_> = checks
        .iter()
        .filter(|c| c.name == "docker_after_mount")
        .collect();
    assert_eq!(
        said.iter().map(|c| c.status).collect::<Vec<_>>(),
        [CheckStatus::Warn, CheckStatus::Refuse]
    );
}

#[tokio::test]
async fn a_fix_writes_one_file_reads_it_back_and_is_safe_twice() {
    let rig = Rig::new();
    rig.unordered();
    let before = rig.host(|h| h.memory.files.0.clone());
    let Fix::Ready(plan) = prepare_fix(&rig.world, &rig.name).await.unwrap() else {
        panic!("there is something to do");
    };
    assert!(!plan.written);
    assert_eq!(rig.host(|h| h.memory.files.0.clone()), before);
    let Fix::Ready(done) = fix(&rig.world, &rig.name).await.unwrap() else {
        panic!("it is done");
    };
    assert!(done.written && done.requires.contains(&"mnt-efs.mount".to_owned()));
    let mut after = rig.host(|h| h.memory.files.0.clone());
    assert_eq!(after.remove(DROP_IN_FILE), Some(plan.text));
    assert_eq!(after, before);
    let again = fix(&rig.world, &rig.name).await.unwrap();
    assert!(
        matches!(again, Fix::Unchanged(ref data) if !data.written),
        "{again:?}"
    );
    // It holds over a boot.
    rig.update("t3.large").await;
    assert_eq!(rig.check(Some("m5.large")).await.error, None);
}

#[tokio::test]
async fn a_fix_is_refused_where_it_would_not_help() {
    type Change = fn(&Rig);
    let table: &[(&str, Change)] = &[
        ("no_mount_unit", |rig| rig.host(|h| h.fstab_line = false)),
        ("instance_running", |rig| rig.memory.stop()),
        ("account", |rig| {
            let mut deployment = rig.memory.deployment();
            deployment.account = "999999999999".into();
            StateDir::open(&rig.world.state_dir)
                .unwrap()
                .0
                .save(&deployment)
                .unwrap();
        }),
        ("no_mount_point", |rig| {
            let mut deployment = rig.memory.deployment();
            (deployment.file_system_id, deployment.mount_point) = (None, None);
            StateDir::open(&rig.world.state_dir)
                .unwrap()
                .0
                .save(&deployment)
                .unwrap();
        }),
    ];
    for (code, change) in table {
        let rig = Rig::new();
        rig.unordered();
        change(&rig);
        let before = rig.host(|h| h.memory.clone());
        for error in [
            prepare_fix(&rig.world, &rig.name).await.unwrap_err(),
            fix(&rig.world, &rig.name).await.unwrap_err(),
        ] {
            assert_eq!(error.document.code, *code);
            assert_eq!(error.outcome, crate::model::Outcome::Refused);
            assert!(!error.document.help.is_empty(), "{code}");
        }
        assert_eq!(rig.host(|h| h.memory.clone()), before, "{code}");
    }
}
