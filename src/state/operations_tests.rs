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
    let plan = resize_and_image();
    let id = OperationId::new(id).unwrap();
    let Entry::Opened {
        schema,
        fence,
        version,
        plan,
        ..
    } = opened(&plan)
    else {
        unreachable!()
    };
    let first = Entry::Opened {
        schema,
        operation: id.clone(),
        fence,
        version,
        plan,
    };
    let line = |entry: &Entry| Line {
        at: at(second),
        entry: entry.clone(),
    };
    let mut journal = Journal::create(&state.operations_folder(name), &id, &line(&first)).unwrap();
    entries
        .iter()
        .for_each(|e| journal.append(&line(e)).unwrap());
}

const CLOSED: Entry = Entry::Closed {
    outcome: Outcome::Updated,
};

#[test]
fn operations_are_newest_first_by_their_first_line() {
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
