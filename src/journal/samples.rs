//! Small plans and journals for tests.

use std::collections::{BTreeMap, BTreeSet};

use super::entry::{Entry, Evidence, Failure, FailureClass, JOURNAL_SCHEMA, Line};
use crate::host::QuiesceContainer;
use crate::model::{
    DeploymentName, FileSystemId, GateSettings, ImageRef, InstanceId, InstanceType, OperationId,
    Purpose, RunState, ServiceName, Sha256Id, SnapshotId, Timestamp,
};
use crate::plan::{
    Action, ApplyImages, ApplyTarget, Boot, CheckMounts, ImageEdit, PLAN_SCHEMA, Plan,
    PlannedImage, PullImage, StackState, Step, VerifyHealth,
};

pub(crate) const OPERATION: &str = "20261120-100730-1a2b";
pub(crate) const SNAPSHOT: &str = "20261120-100731-3c4d";

/// Places of the steps of [`resize_and_image`].
pub(crate) const CHECK: usize = 0;
pub(crate) const WRITE_SNAPSHOT: usize = 1;
pub(crate) const PULL: usize = 2;
pub(crate) const QUIESCE: usize = 3;
pub(crate) const STOP: usize = 4;
pub(crate) const TYPE: usize = 5;
pub(crate) const START: usize = 6;
pub(crate) const AWAIT: usize = 7;
pub(crate) const APPLY: usize = 8;
pub(crate) const VERIFY: usize = 9;

pub(crate) fn instance() -> InstanceId {
    InstanceId::new("i-0123456789abcdef0").unwrap()
}

fn service() -> ServiceName {
    ServiceName::new("n8n").unwrap()
}

fn image(tag: &str) -> ImageRef {
    ImageRef::new(format!("n8nio/n8n:{tag}")).unwrap()
}

fn instance_type(name: &str) -> InstanceType {
    InstanceType::new(name).unwrap()
}

fn id(digit: &str) -> Sha256Id {
    Sha256Id::new(format!("sha256:{}", digit.repeat(64))).unwrap()
}

pub(crate) fn step(action: Action, undo: Vec<Action>) -> Step {
    let step = |action| Step {
        on: instance(),
        action,
        undo: vec![],
        fallback: None,
    };
    Step {
        undo: undo.into_iter().map(step).collect(),
        ..step(action)
    }
}

fn check_mounts() -> Action {
    Action::CheckMounts(CheckMounts {
        file_system: Some(FileSystemId::new("fs-0123456789abcdef0").unwrap()),
        mount_point: Some("/mnt/efs".into()),
        zone: "us-east-1a".into(),
        host: true,
        stops_instance: true,
    })
}

pub(crate) fn quiesce(best_effort: bool) -> Action {
    Action::Quiesce {
        containers: vec![QuiesceContainer {
            name: "n8n".into(),
            restart_policy: "unless-stopped".into(),
            comes_up: false,
        }],
        best_effort,
    }
}

pub(crate) fn set_type(from: &str, to: &str) -> Action {
    Action::SetInstanceType {
        from: instance_type(from),
        to: instance_type(to),
    }
}

pub(crate) fn await_host() -> Action {
    Action::AwaitHost {
        mount_point: Some("/mnt/efs".into()),
        file_system: Some(FileSystemId::new("fs-0123456789abcdef0").unwrap()),
    }
}

/// `from` and `to` are tags; equal ones leave the file as it is.
pub(crate) fn apply(from: &str, to: &str, back: bool, start: bool) -> Action {
    let sha256 = |tag: &str| if tag == "1.19.0" { "a1" } else { "b2" }.repeat(32);
    let edits = (from != to).then(|| {
        let edit = ImageEdit {
            from: image(from),
            to: image(to),
        };
        (service(), edit)
    });
    Action::ApplyImages(Box::new(ApplyImages {
        project: "stack".into(),
        file: "/opt/stack/compose.yml".into(),
        env_files: vec!["/opt/stack/runtime.env".into()],
        edits: edits.into_iter().collect(),
        from_sha256: sha256(from),
        to_sha256: sha256(to),
        more_files: vec![],
        back,
        tags: vec![],
        services: vec![ApplyTarget {
            service: service(),
            container: "n8n".into(),
            reference: image(to),
            id: (to == "1.19.0").then(|| id("a")),
        }],
        policies: vec![],
        start,
    }))
}

fn state(name: &str, tag: &str) -> StackState {
    StackState {
        instance_type: instance_type(name),
        ebs_optimized: None,
        state: RunState::Running,
        images: BTreeMap::from([(
            service(),
            PlannedImage {
                reference: image(tag),
                id: (tag == "1.19.0").then(|| id("a")),
                digest: None,
            },
        )]),
        compose_sha256: None,
        running: BTreeSet::from([service()]),
    }
}

pub(crate) fn verify(name: &str, tag: &str) -> Action {
    Action::VerifyHealth(VerifyHealth {
        gate: GateSettings {
            timeout_ms: 300_000,
            stable_ms: 10_000,
        },
        must: BTreeSet::from([service()]),
        must_run: BTreeSet::new(),
        may_be_red: BTreeSet::new(),
        declared: Default::default(),
        expect: state(name, tag),
        host: true,
        mount_point: Some("/mnt/efs".into()),
        file_system: None,
    })
}

/// A plan with these steps.
pub(crate) fn plan(steps: Vec<Step>) -> Plan {
    Plan {
        schema: PLAN_SCHEMA.into(),
        deployment: DeploymentName::new("my-dev-stack").unwrap(),
        purpose: Purpose::Update,
        before: state("t3.medium", "1.19.0"),
        after: state("t3.large", "1.20.0"),
        changes: vec![
            "instance_type: t3.medium -> t3.large".into(),
            "image: n8n: n8nio/n8n:1.19.0 -> n8nio/n8n:1.20.0".into(),
        ],
        steps,
        after_undo: vec![
            step(check_mounts(), vec![]),
            step(verify("t3.medium", "1.19.0"), vec![]),
        ],
        undo_on_failure: true,
        red_before: BTreeSet::new(),
        boot: Some(Boot {
            id: "9c1f0f5e-3a52-4c8e-8a0e-0b1a1c7d2e3f".into(),
            launched_at: Some("2026-11-01T00:00:00Z".parse().unwrap()),
        }),
        public_ip: None,
        list_prices: true,
        expected_downtime_seconds: 60,
        warnings: vec!["the public address will change: it is not an Elastic IP".into()],
    }
}

/// Type and image in one update: every kind of step and of undo.
pub(crate) fn resize_and_image() -> Plan {
    plan(vec![
        step(check_mounts(), vec![]),
        step(
            Action::WriteSnapshot {
                snapshot: SnapshotId::new(SNAPSHOT).unwrap(),
                reuse: false,
            },
            vec![],
        ),
        step(
            Action::PullImages {
                progress_ms: crate::model::PROGRESS_MS,
                images: vec![PullImage {
                    service: service(),
                    reference: image("1.20.0"),
                    id: None,
                    digest: None,
                }],
            },
            vec![],
        ),
        step(quiesce(false), vec![apply("1.19.0", "1.19.0", false, true)]),
        step(
            Action::StopInstance {
                force_after_ms: crate::model::STOP_MS,
            },
            vec![Action::StartInstance {}, await_host()],
        ),
        step(
            set_type("t3.medium", "t3.large"),
            vec![set_type("t3.large", "t3.medium")],
        ),
        step(
            Action::StartInstance {},
            vec![
                quiesce(true),
                Action::StopInstance {
                    force_after_ms: crate::model::STOP_MS,
                },
            ],
        ),
        step(await_host(), vec![]),
        step(
            apply("1.19.0", "1.20.0", false, true),
            vec![apply("1.20.0", "1.19.0", true, false)],
        ),
        step(verify("t3.large", "1.20.0"), vec![]),
    ])
}

pub(crate) fn failure(code: &str) -> Failure {
    Failure {
        code: code.into(),
        message: format!("it failed: {code}"),
        causes: vec![],
        help: vec![],
        checks: vec![],
        logs: vec![],
        class: FailureClass::Fails,
    }
}

pub(crate) fn opened(plan: &Plan) -> Entry {
    Entry::Opened {
        schema: JOURNAL_SCHEMA.into(),
        operation: OperationId::new(OPERATION).unwrap(),
        fence: 7,
        version: "0.1.0".into(),
        plan: Box::new(plan.clone()),
    }
}

pub(crate) fn started(step: usize) -> Entry {
    Entry::Started { step }
}

pub(crate) fn done(step: usize) -> Entry {
    done_with(step, Evidence::default())
}

pub(crate) fn done_with(step: usize, evidence: Evidence) -> Entry {
    Entry::Done { step, evidence }
}

pub(crate) fn failed(step: usize) -> Entry {
    Entry::Failed {
        step,
        failure: failure("insufficient_capacity"),
    }
}

pub(crate) fn undo_started(step: usize, part: usize) -> Entry {
    Entry::UndoStarted { step, part }
}

pub(crate) fn undo_done(step: usize, part: usize) -> Entry {
    Entry::UndoDone {
        step,
        part,
        evidence: Evidence::default(),
    }
}

pub(crate) fn undo_deferred(step: usize, part: usize) -> Entry {
    Entry::UndoDeferred {
        step,
        part,
        failure: failure("host_unreachable"),
    }
}

pub(crate) fn undo_failed(step: usize, part: usize) -> Entry {
    Entry::UndoFailed {
        step,
        part,
        failure: failure("undo"),
    }
}

pub(crate) fn confirm_started(step: usize) -> Entry {
    Entry::ConfirmStarted { step }
}

pub(crate) fn confirm_done(step: usize) -> Entry {
    Entry::ConfirmDone {
        step,
        evidence: Evidence::default(),
    }
}

pub(crate) fn paused() -> Entry {
    Entry::Paused {
        failure: failure("interrupted"),
    }
}

pub(crate) fn resumed(unwind: bool) -> Entry {
    Entry::Resumed {
        unwind,
        fence: 8,
        redo: vec![],
        notes: vec![],
    }
}

/// That many seconds after the first line.
pub(crate) fn at(seconds: i64) -> Timestamp {
    let zero: Timestamp = "2026-11-20T10:07:30Z".parse().unwrap();
    zero + std::time::Duration::from_secs(seconds.unsigned_abs())
}

/// The lines of these entries, one second apart.
pub(crate) fn lines(entries: impl IntoIterator<Item = Entry>) -> Vec<Line> {
    (0..)
        .zip(entries)
        .map(|(second, entry)| Line {
            at: at(second),
            entry,
        })
        .collect()
}
