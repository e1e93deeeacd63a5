//! Documents for the tests of the renderers.

use std::collections::{BTreeMap, BTreeSet};

use super::*;
use crate::model::*;
use crate::plan::*;

pub(crate) fn name() -> DeploymentName {
    DeploymentName::new("my-dev-stack").unwrap()
}

pub(crate) fn instance() -> InstanceId {
    InstanceId::new("i-0123456789abcdef0").unwrap()
}

pub(crate) fn at(minute: u32) -> Timestamp {
    format!("2026-11-20T10:{minute:02}:00Z").parse().unwrap()
}

pub(crate) fn service(name: &str) -> ServiceName {
    ServiceName::new(name).unwrap()
}

fn image(tag: &str, id: Option<char>) -> PlannedImage {
    let sha = |c: char| Sha256Id::new(format!("sha256:{}", c.to_string().repeat(64))).unwrap();
    PlannedImage {
        reference: ImageRef::new(format!("n8nio/n8n:{tag}")).unwrap(),
        id: id.map(sha),
        digest: None,
    }
}

fn stack(instance_type: &str, tag: &str, id: Option<char>) -> StackState {
    StackState {
        instance_type: InstanceType::new(instance_type).unwrap(),
        ebs_optimized: None,
        state: RunState::Running,
        images: BTreeMap::from([(service("n8n"), image(tag, id))]),
        compose_sha256: None,
        running: BTreeSet::from([service("n8n")]),
    }
}

fn step(action: Action) -> Step {
    Step {
        on: instance(),
        action,
        undo: Vec::new(),
        fallback: None,
    }
}

pub(crate) fn plan() -> Plan {
    let (before, after) = (
        stack("t3.medium", "1.19.0", Some('a')),
        stack("t3.large", "1.20.0", None),
    );
    Plan {
        schema: PLAN_SCHEMA.into(),
        deployment: name(),
        purpose: Purpose::Update,
        changes: vec![
            "instance_type: t3.medium -> t3.large".into(),
            "image: n8n: n8nio/n8n:1.19.0 -> n8nio/n8n:1.20.0".into(),
        ],
        steps: vec![
            step(Action::WriteSnapshot {
                snapshot: SnapshotId::new("s-1").unwrap(),
                reuse: false,
            }),
            step(Action::StopInstance {
                force_after_ms: crate::model::STOP_MS,
            }),
            step(Action::SetInstanceType {
                from: before.instance_type.clone(),
                to: after.instance_type.clone(),
            }),
            step(Action::StartInstance {}),
            step(Action::AwaitHost {
                mount_point: Some("/mnt/efs".into()),
                file_system: None,
            }),
        ],
        before,
        after,
        after_undo: Vec::new(),
        undo_on_failure: true,
        red_before: BTreeSet::new(),
        boot: None,
        public_ip: None,
        list_prices: true,
        expected_downtime_seconds: 95,
        warnings: vec!["the public address 203.0.113.9 will change".into()],
    }
}

pub(crate) fn checks() -> Vec<Check> {
    vec![
        Check::ok("type_exists", "t4g.large exists"),
        Check::warn("disk", "little disk", "1 GB", "2 GB", "free some"),
        Check::refuse(
            "type_architecture",
            "t4g.large cannot run this instance's system",
            "arm64",
            "x86_64",
            "take a type of the same architecture, like t3.large",
        ),
    ]
}

pub(crate) const DIFF: &str =
    "@@ -3 +3 @@\n-    image: n8nio/n8n:1.19.0\n+    image: n8nio/n8n:1.20.0\n";

pub(crate) fn steps(statuses: &[(&'static str, StepStatus)]) -> Vec<StepData> {
    statuses
        .iter()
        .map(|(name, status)| StepData {
            name,
            on: instance(),
            status: *status,
            seconds: 1.25,
        })
        .collect()
}

pub(crate) fn change(outcome: Outcome) -> ChangeData {
    use StepStatus::*;
    let success = outcome.exit_code() == 0;
    let began = !matches!(outcome, Outcome::Unchanged | Outcome::Refused);
    let state = |instance_type: &str, tag: &str| StateData {
        instance_type: InstanceType::new(instance_type).unwrap(),
        images: BTreeMap::from([(service("n8n"), image(tag, Some('a')))]),
    };
    ChangeData {
        operation_id: began.then(|| "op-1".into()),
        success,
        changes_applied: if success && began {
            plan().changes
        } else {
            Vec::new()
        },
        previous_state: Some(state("t3.medium", "1.19.0")),
        new_state: began.then(|| state("t3.large", "1.20.0")),
        snapshot_id: began.then(|| "s-1".into()),
        steps: if began {
            steps(&[
                ("write_snapshot", Done),
                ("stop_instance", if success { Done } else { Undone }),
                (
                    "set_instance_type",
                    if outcome == Outcome::Stuck {
                        UndoFailed
                    } else {
                        Undone
                    },
                ),
                ("start_instance", if success { Done } else { Failed }),
                ("await_host", Planned),
            ])
        } else {
            Vec::new()
        },
        verified: began.then(|| Verified {
            instance_type: if success { "t3.large" } else { "t3.medium" }.into(),
            state: "running".into(),
            images: Some(BTreeMap::new()),
            compose_sha256: None,
            mounts: BTreeMap::from([("/mnt/efs".into(), "ok".into())]),
            data: Some(data(outcome == Outcome::Stuck)),
            health: BTreeMap::from([
                (service("n8n"), "green".into()),
                (service("ollama"), "red".into()),
            ]),
            public_ip: Some("203.0.113.10".into()),
        }),
        addresses: None,
        cost: None,
        downtime_seconds: if began { 12.3 } else { 0.0 },
        duration_seconds: if began { 125.0 } else { 0.0 },
        warnings: vec!["ollama was red before".into()],
        plan: (outcome == Outcome::Refused).then(|| PlanData::new(None, checks())),
    }
}

/// Of two folders: one changed, the other is as before or lost.
fn data(lost: bool) -> DataCompared {
    let folder = |name: &str, state, same, changed: &[&str]| FolderCompared {
        folder: format!("/mnt/efs/{name}"),
        services: [service(name)].into(),
        state,
        files: same + changed.len(),
        same,
        changed: changed.iter().map(|c| (*c).to_owned()).collect(),
        gone: vec![],
        why: (state == DataState::Lost).then(|| "is empty now".to_owned()),
    };
    let n8n = folder("n8n", DataState::Changed, 7, &["database.sqlite"]);
    let (state, ollama) = match lost {
        true => (DataState::Lost, folder("ollama", DataState::Lost, 0, &[])),
        false => (
            DataState::Changed,
            folder("ollama", DataState::Same, 8, &[]),
        ),
    };
    DataCompared {
        state,
        why: None,
        folders: vec![n8n, ollama],
        left_out: vec![],
    }
}

pub(crate) fn error(outcome: Outcome) -> Option<ErrorDocument> {
    (outcome.exit_code() != 0).then(|| ErrorDocument {
        code: match outcome {
            Outcome::RolledBack => "insufficient_capacity",
            other => other.as_str(),
        }
        .into(),
        message: format!("{} \u{1b}[2J", outcome.as_str()),
        causes: vec!["ec2:StartInstances: InsufficientInstanceCapacity".into()],
        help: Vec::new(),
    })
}

pub(crate) fn reply(outcome: Outcome) -> Reply {
    let reply = Reply::new("update")
        .of(&name())
        .outcome(outcome)
        .body(Body::Change(Box::new(change(outcome))));
    match error(outcome) {
        Some(error) => reply.error(error),
        None => reply,
    }
}

fn instance_view() -> InstanceView {
    InstanceView {
        id: instance(),
        state: RunState::Running,
        instance_type: InstanceType::new("t3.medium").unwrap(),
        public_ip: Some("203.0.113.9".into()),
    }
}

fn services() -> Vec<ServiceView> {
    vec![
        ServiceView {
            name: service("n8n"),
            image: "n8nio/n8n:1.19.0".into(),
            digest: None,
            state: "running".into(),
            health: Some("healthy".into()),
            probe: None,
            restarts: 0,
        },
        ServiceView {
            name: service("crawl4ai"),
            image: "unclecode/crawl4ai:0.7".into(),
            digest: None,
            state: "exited\u{1b}[2J".into(),
            health: None,
            probe: None,
            restarts: 3,
        },
    ]
}

pub(crate) fn open() -> OpenOperation {
    OpenOperation {
        id: OperationId::new("op-1").unwrap(),
        kind: "update".into(),
        status: "paused".into(),
        started_at: at(0),
        changes: plan().changes,
        steps: steps(&[
            ("stop_instance", StepStatus::Done),
            ("start_instance", StepStatus::Failed),
        ]),
        error: error(Outcome::Paused),
    }
}

pub(crate) fn status() -> StatusData {
    StatusData {
        name: name(),
        status: "unhealthy".into(),
        instances: vec![instance_view()],
        mounts: vec![MountView {
            point: "/mnt/efs".into(),
            file_system_id: Some(FileSystemId::new("fs-0123456789abcdef0").unwrap()),
            state: "ok".into(),
        }],
        services: services(),
        drift: vec![DriftView {
            what: "instance_type".into(),
            recorded: "t3.large".into(),
            found: "t3.medium".into(),
        }],
        restore: None,
        lease: None,
        operation: Some(open()),
    }
}

pub(crate) fn list() -> ListData {
    ListData {
        deployments: vec![ListRow {
            name: name(),
            status: "updated".into(),
            region: "us-east-1".into(),
            instance_type: InstanceType::new("t3.large").unwrap(),
            instances: vec![instance()],
            images: BTreeMap::from([("n8n".into(), "n8nio/n8n:1.20.0".into())]),
            updated_at: at(5),
        }],
    }
}

pub(crate) fn history() -> HistoryData {
    let row = |id: &str, outcome: Option<Outcome>| OperationRow {
        id: OperationId::new(id).unwrap(),
        kind: "update".into(),
        outcome,
        started_at: at(1),
        duration_seconds: outcome.map(|_| 20.1),
        changes: vec!["instance_type: t3.medium -> t3.large".into()],
        snapshot_id: Some(SnapshotId::new("s-1").unwrap()),
        steps: None,
        error: None,
        warnings: None,
    };
    HistoryData {
        operations: vec![row("op-2", None), row("op-1", Some(Outcome::Updated))],
        snapshots: vec![SnapshotRow {
            id: SnapshotId::new("s-1").unwrap(),
            taken_at: at(1),
            healthy: true,
            instance_type: InstanceType::new("t3.medium").unwrap(),
            images: BTreeMap::from([(service("n8n"), "n8nio/n8n:1.19.0".into())]),
        }],
    }
}

pub(crate) fn inspect() -> InspectData {
    InspectData {
        deployment: Deployment {
            schema: DEPLOYMENT_SCHEMA.into(),
            name: name(),
            account: "123456789012".into(),
            region: "us-east-1".into(),
            instance_id: instance(),
            file_system_id: None,
            mount_point: None,
            compose: ComposeIdentity {
                project: "root".into(),
                file: "/root/docker-compose.yml".into(),
                more_files: Vec::new(),
            },
            created_at: at(0),
            cache: DeploymentCache {
                status: "adopted".into(),
                instance_type: InstanceType::new("t3.medium").unwrap(),
                public_ip: None,
                images: BTreeMap::from([("n8n".into(), "n8nio/n8n:1.19.0".into())]),
                updated_at: at(0),
            },
            unknown: BTreeMap::new(),
        },
        operation: None,
        history: Some(history()),
    }
}

pub(crate) fn checked() -> CheckData {
    let back = Check::ok("rollback_target", "rollback: it would go to snapshot x");
    let mut checks = checks();
    checks.retain(|c| c.status != CheckStatus::Refuse);
    checks.push(back);
    CheckData {
        plan: PlanData::new(Some(&plan()), checks),
        rollback: WayBack {
            snapshot_id: Some(SnapshotId::new("20261120-090000-0001").unwrap()),
            status: Some(CheckStatus::Warn),
            changes: vec!["instance_type: t3.large -> t3.medium".into()],
        },
    }
}

pub(crate) fn mended() -> FixData {
    FixData {
        file: crate::efs::DROP_IN_FILE.into(),
        text: crate::efs::drop_in_text("/mnt/efs"),
        unit: "mnt-efs.mount".into(),
        written: true,
        requires: vec!["mnt-efs.mount".into()],
        waits: true,
        images_held: vec![],
    }
}

pub(crate) fn adopted() -> AdoptData {
    AdoptData {
        name: name(),
        account: "123456789012".into(),
        region: "us-east-1".into(),
        instance: instance_view(),
        compose: ComposeIdentity {
            project: "root".into(),
            file: "/root/docker-compose.yml".into(),
            more_files: Vec::new(),
        },
        file_system_id: None,
        mount_point: None,
        services: services(),
    }
}

pub(crate) fn sandbox() -> SandboxData {
    use crate::sandbox::fault::Fault;
    let fault = |key: &str, only: Option<&str>, code: &str, times: Option<u32>| Fault {
        key: key.into(),
        instance_type: only.map(str::to_owned),
        code: code.into(),
        times,
    };
    SandboxData {
        folder: "/home/me/.geusemaker/sandbox".into(),
        deployments: vec![name()],
        instances: vec![instance_view()],
        faults: vec![
            (&fault("mount", None, "hang", Some(1))).into(),
            (&fault(
                "ec2:StartInstances",
                Some("t3.large"),
                "InsufficientInstanceCapacity",
                None,
            ))
                .into(),
        ],
        latency: crate::sandbox::latency::Latency::FAST,
    }
}

/// Everything, in every format, as (stdout, stderr).
pub(crate) fn printed(reply: &Reply, format: OutputFormat) -> (String, String) {
    let how = Printing {
        format,
        color_out: false,
        color_err: false,
        quiet: false,
        events: false,
        words: Words {
            program: "geusemaker --sandbox".into(),
        },
    };
    let (mut out, mut err) = (Vec::new(), Vec::new());
    print(reply, &how, &mut out, &mut err).unwrap();
    (
        String::from_utf8(out).unwrap(),
        String::from_utf8(err).unwrap(),
    )
}
