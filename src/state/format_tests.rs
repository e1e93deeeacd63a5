//! The on-disk format as `state/` shows it: schemas and example are made from the code, and a difference
//! fails the build. `GEUSEMAKER_BLESS=1` writes them anew.

use std::path::{Path, PathBuf};

use super::StateDir;
use crate::journal::samples::*;
use crate::journal::{Evidence, Journal, Line, Pulled, Summary, append_log};
use crate::model::{
    Deployment, DeploymentName, OperationId, Outcome, ServiceName, Sha256Id, SnapshotId,
};
use crate::plan::Plan;
use crate::snapshot::Snapshot;

fn home() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("state")
}

/// Compares, or writes where that is asked for.
fn same(file: &Path, text: &str) {
    if std::env::var_os("GEUSEMAKER_BLESS").is_some() {
        fs_err::create_dir_all(file.parent().unwrap()).unwrap();
        fs_err::write(file, text).unwrap();
    }
    let found = fs_err::read_to_string(file).unwrap_or_default();
    assert!(
        found == text,
        "{} is not what the code makes; GEUSEMAKER_BLESS=1 cargo test --lib format writes it anew",
        file.display()
    );
}

#[test]
fn the_schemas_are_those_of_the_code() {
    let table = [
        ("deployment", schemars::schema_for!(Deployment)),
        ("snapshot", schemars::schema_for!(Snapshot)),
        ("journal-line", schemars::schema_for!(Line)),
        ("plan", schemars::schema_for!(Plan)),
    ];
    for (name, schema) in table {
        let text = serde_json::to_string_pretty(&schema).unwrap() + "\n";
        same(&home().join(format!("schema/{name}.schema.json")), &text);
    }
}

const DEPLOYMENT: &str = "\
schema: geusemaker.deployment/3
name: my-dev-stack
account: '111122223333'
region: us-east-1
instance_id: i-0123456789abcdef0
file_system_id: fs-0123456789abcdef0
mount_point: /mnt/efs
compose:
  project: stack
  file: /opt/stack/compose.yml
created_at: 2026-11-01T00:00:00Z
cache:
  status: updated
  instance_type: t3.large
  public_ip: 203.0.113.9
  images:
    n8n: n8nio/n8n:1.20.0
  updated_at: 2026-11-20T10:08:25Z
";

fn snapshot() -> String {
    format!(
        "\
schema: geusemaker.snapshot/1
id: {SNAPSHOT}
deployment: my-dev-stack
taken_at: 2026-11-20T10:07:29Z
healthy: true
instance_id: i-0123456789abcdef0
instance_type: t3.medium
state: running
zone: us-east-1a
account: '111122223333'
region: us-east-1
file_system_id: fs-0123456789abcdef0
mount_point: /mnt/efs
compose:
  project: stack
  file: /opt/stack/compose.yml
  env_files:
  - /opt/stack/runtime.env
  sha256: {file}
services:
  n8n:
    image:
      ref: n8nio/n8n:1.19.0
      id: sha256:{id}
      digest: sha256:{digest}
    container: n8n
    running: true
    colour: green
    restarts: 0
    health: healthy
boot_id: 9c1f0f5e-3a52-4c8e-8a0e-0b1a1c7d2e3f
",
        file = "a1".repeat(32),
        id = "a".repeat(64),
        digest = "d".repeat(64),
    )
}

/// The journal of an update of type and image that went well.
fn journal() -> Vec<Line> {
    let plan = resize_and_image();
    let pulled = Pulled {
        id: Sha256Id::new(format!("sha256:{}", "b".repeat(64))).unwrap(),
        digest: Some(Sha256Id::new(format!("sha256:{}", "e".repeat(64))).unwrap()),
    };
    let evidence = |step: usize| match step {
        PULL => Evidence {
            pulled: [(ServiceName::new("n8n").unwrap(), pulled.clone())].into(),
            ..Evidence::default()
        },
        VERIFY => Evidence {
            green_at: Some(at(45)),
            warnings: vec!["the public address is 203.0.113.9 now".into()],
            ..Evidence::default()
        },
        _ => Evidence::default(),
    };
    let took = [1, 0, 6, 3, 14, 1, 9, 6, 4, 11];
    let mut lines = vec![Line {
        at: at(0),
        entry: opened(&plan),
    }];
    let mut now = 0;
    for (step, seconds) in took.into_iter().enumerate() {
        lines.push(Line {
            at: at(now),
            entry: started(step),
        });
        now += seconds;
        lines.push(Line {
            at: at(now),
            entry: done_with(step, evidence(step)),
        });
    }
    lines.push(Line {
        at: at(now),
        entry: crate::journal::Entry::Closed {
            outcome: Outcome::Updated,
        },
    });
    lines
}

#[test]
fn the_example_is_what_the_code_writes_and_reads() {
    // Written by the code into a fresh folder, so that the example is real to the byte.
    let scratch = tempfile::tempdir().unwrap();
    let (state, _) = StateDir::open(scratch.path()).unwrap();
    let name = DeploymentName::new("my-dev-stack").unwrap();
    let operation = OperationId::new(OPERATION).unwrap();
    let deployment: Deployment = serde_yaml::from_str(DEPLOYMENT).unwrap();
    state.save(&deployment).unwrap();
    let seen: Snapshot = serde_yaml::from_str(&snapshot()).unwrap();
    state.snapshots(&name).write(&seen).unwrap();
    let lines = journal();
    let mut writer =
        Journal::create(&state.operations_folder(&name), &operation, &lines[0]).unwrap();
    lines[1..].iter().for_each(|l| writer.append(l).unwrap());
    append_log(
        &state.log_file(&name, &operation),
        "2026-11-20T10:07:31Z pull_images i-0123456789abcdef0: n8nio/n8n:1.20.0 pulled\n",
    )
    .unwrap();

    let example = home().join("example");
    let snapshot_id = SnapshotId::new(SNAPSHOT).unwrap();
    for file in [
        state.deployment_file(&name),
        state.snapshots(&name).file(&snapshot_id),
        state.journal_file(&name, &operation),
        state.log_file(&name, &operation),
    ] {
        let place = example.join(file.strip_prefix(scratch.path()).unwrap());
        same(&place, &fs_err::read_to_string(&file).unwrap());
    }

    let (state, _) = StateDir::open(&example).unwrap();
    assert_eq!(state.deployments().unwrap().items, [deployment]);
    assert_eq!(state.snapshots(&name).list().unwrap().items, [seen]);
    assert_eq!(state.open_operation(&name).unwrap(), None);
    let operations = state.operations(&name).unwrap();
    assert!(operations.damaged.is_empty());
    assert_eq!(operations.items[0].lines, lines);
    let summary = Summary::of(&operations.items[0].lines).unwrap();
    assert_eq!(summary.outcome, Outcome::Updated);
    assert_eq!(summary.downtime_seconds, 38.0);
}
