use super::*;
use crate::journal::samples::{at, done, opened, paused, resize_and_image, started};
use crate::model::Outcome;

fn world() -> (tempfile::TempDir, StateDir, DeploymentName) {
    let root = tempfile::tempdir().unwrap();
    let (state, _) = StateDir::open(root.path().join("s")).unwrap();
    (root, state, DeploymentName::new("web").unwrap())
}

/// Writes a journal that begins at that second.
fn put(state: &StateDir, name: &DeploymentName, id: &str, second: i64, entries: &[Entry]) {
    begun_under(7, state, name, id, second, entries);
}

/// The same, under the lock with this number. Its plan writes the snapshot `before-ID`.
fn begun_under(
    number: u64,
    state: &StateDir,
    name: &DeploymentName,
    id: &str,
    second: i64,
    entries: &[Entry],
) {
    let mut plan = resize_and_image();
    for step in &mut plan.steps {
        if let Action::WriteSnapshot { snapshot, .. } = &mut step.action {
            *snapshot = before(id);
        }
    }
    let mut first = opened(&plan);
    let Entry::Opened {
        operation, fence, ..
    } = &mut first
    else {
        unreachable!()
    };
    let id = OperationId::new(id).unwrap();
    (*operation, *fence) = (id.clone(), number);
    let line = |entry: &Entry| Line {
        at: at(second),
        entry: entry.clone(),
    };
    let mut journal = Journal::create(&state.operations_folder(name), &id, &line(&first)).unwrap();
    entries
        .iter()
        .for_each(|e| journal.append(&line(e)).unwrap());
}

fn before(id: &str) -> SnapshotId {
    SnapshotId::new(format!("before-{id}")).unwrap()
}

fn snapshot(id: SnapshotId, second: i64) -> Snapshot {
    let text = serde_json::json!({
        "schema": crate::snapshot::SNAPSHOT_SCHEMA, "id": id, "deployment": "web", "taken_at": at(second),
        "healthy": true, "instance_id": "i-0123456789abcdef0", "instance_type": "t3.medium",
        "state": "running", "zone": "us-east-1a", "account": "1", "region": "us-east-1",
        "file_system_id": null, "mount_point": null, "services": {}, "boot_id": null,
        "compose": { "project": "p", "file": "/c.yml", "env_files": [], "sha256": null },
    });
    serde_json::from_value(text).unwrap()
}

const CLOSED: Entry = Entry::Closed {
    outcome: Outcome::Updated,
};

#[test]
fn operations_of_one_number_are_newest_first_by_their_first_line() {
    let (_root, state, name) = world();
    assert!(state.operations(&name).unwrap().items.is_empty());
    assert_eq!(state.open_operation(&name).unwrap(), None);
    assert!(!state.root().exists(), "a look makes nothing");
    // Within one second the id says nothing about the order.
    put(&state, &name, "20261120-100730-ffff", 0, &[CLOSED]);
    put(&state, &name, "20261120-100730-0000", 1, &[CLOSED]);
    put(&state, &name, "20261120-100740-0000", 10, &[CLOSED]);
    let ids: Vec<String> = state
        .operations(&name)
        .unwrap()
        .items
        .iter()
        .map(|o| o.id.to_string())
        .collect();
    assert_eq!(
        ids,
        [
            "20261120-100740-0000",
            "20261120-100730-0000",
            "20261120-100730-ffff"
        ]
    );
    assert_eq!(state.open_operation(&name).unwrap(), None);
}

#[test]
fn what_came_after_what_is_told_by_the_lock_and_not_by_a_clock_that_was_ahead() {
    let (_root, state, name) = world();
    // The clock was an hour ahead when `b` began, and was set right before `c`.
    for (number, id, second) in [(3, "a", 0), (4, "b", 3600), (9, "c", 60)] {
        begun_under(number, &state, &name, id, second, &[CLOSED]);
        let taken = snapshot(before(id), second);
        state.snapshots(&name).write(&taken).unwrap();
    }
    // Their operations are not there.
    for (id, second) in [("lost-1", 7200), ("lost-2", 7201)] {
        let taken = snapshot(SnapshotId::new(id).unwrap(), second);
        state.snapshots(&name).write(&taken).unwrap();
    }
    let operations = state.operations(&name).unwrap().items;
    let ids: Vec<_> = operations.iter().map(|o| o.id.as_str()).collect();
    assert_eq!(ids, ["c", "b", "a"]);
    let all = state.snapshots_newest_first(&name).unwrap().items;
    let ids: Vec<_> = all.iter().map(|s| s.id.as_str()).collect();
    assert_eq!(
        ids,
        ["before-c", "before-b", "before-a", "lost-2", "lost-1"]
    );
}

#[test]
fn an_operation_without_its_last_line_is_open() {
    for entries in [
        vec![],
        vec![started(0), done(0)],
        vec![started(0), paused()],
    ] {
        let (_root, state, name) = world();
        put(&state, &name, "a", 0, &entries);
        put(&state, &name, "b", 9, &[CLOSED]);
        assert_eq!(
            state.open_operation(&name).unwrap().unwrap().id.as_str(),
            "a"
        );
    }
}

#[test]
fn a_folder_without_a_journal_is_no_operation() {
    let (_root, state, name) = world();
    put(&state, &name, "a", 0, &[CLOSED]);
    crate::state::make_folder(&state.operations_folder(&name).join("made-and-killed")).unwrap();
    let all = state.operations(&name).unwrap();
    assert_eq!((all.items.len(), all.damaged.len()), (1, 0));
    let id = OperationId::new("other").unwrap();
    let error = state.operation(&name, &id).unwrap_err();
    assert!(
        error.to_string().contains("operation 'other' of 'web'"),
        "{error}"
    );
}

#[test]
fn a_damaged_journal_does_not_hide_the_others_but_nothing_may_be_changed() {
    let (_root, state, name) = world();
    put(&state, &name, "a", 0, &[CLOSED]);
    put(&state, &name, "b", 1, &[CLOSED]);
    let id = |text| OperationId::new(text).unwrap();
    fs_err::write(state.journal_file(&name, &id("a")), "{}\n").unwrap();
    let all = state.operations(&name).unwrap();
    assert_eq!((all.items.len(), all.damaged.len()), (1, 1));
    let error = state.open_operation(&name).unwrap_err();
    assert!(
        error.to_string().contains("operations/a/journal.jsonl:1"),
        "{error}"
    );
    // And one that was copied to another place is not taken for another operation.
    let from = state.operations_folder(&name);
    fs_err::rename(from.join("b"), from.join("c")).unwrap();
    let error = state.operation(&name, &id("c")).unwrap_err();
    assert!(
        error.to_string().contains("found name 'b', expected 'c'"),
        "{error}"
    );
}
