use std::os::unix::fs::PermissionsExt;
use std::sync::atomic::{AtomicUsize, Ordering};

use proptest::prelude::*;

use super::super::samples::*;
use super::*;
use crate::model::Outcome;

/// The lines of an operation that failed, was undone and closed.
fn whole() -> Vec<Line> {
    let plan = resize_and_image();
    lines([
        opened(&plan),
        started(QUIESCE),
        done(QUIESCE),
        started(STOP),
        failed(STOP),
        undo_started(STOP, 0),
        undo_deferred(STOP, 0),
        undo_done(STOP, 1),
        paused(),
        resumed(true),
        undo_failed(QUIESCE, 0),
        confirm_started(1),
        confirm_done(1),
        Entry::Closed {
            outcome: Outcome::Stuck,
        },
    ])
}

fn operation() -> OperationId {
    OperationId::new(OPERATION).unwrap()
}

fn text(lines: &[Line]) -> Vec<u8> {
    lines.iter().map(to_text).collect::<String>().into_bytes()
}

/// A journal file with this text.
fn with(bytes: &[u8]) -> (tempfile::TempDir, PathBuf) {
    let root = tempfile::tempdir().unwrap();
    let path = root.path().join("journal.jsonl");
    fs_err::write(&path, bytes).unwrap();
    (root, path)
}

#[test]
fn what_is_appended_is_read_again() {
    let root = tempfile::tempdir().unwrap();
    let operations = root.path().join("web/operations");
    let all = whole();
    let mut journal = Journal::create(&operations, &operation(), &all[0]).unwrap();
    journal.reserve(1000).unwrap();
    let reserve = journal.path().with_file_name("reserve");
    for (n, line) in all.iter().enumerate().skip(1) {
        let set_aside = fs_err::metadata(&reserve).unwrap().len();
        assert_eq!(set_aside, RESERVE_BYTES as u64, "from the first line on");
        journal.append(line).unwrap();
        assert_eq!(Journal::read(journal.path()).unwrap(), all[..=n]);
    }
    assert!(!reserve.exists(), "given back at the end");
    let mode = |path: &Path| fs_err::metadata(path).unwrap().permissions().mode() & 0o777;
    assert_eq!(mode(journal.path()), 0o600);
    assert_eq!(mode(journal.path().parent().unwrap()), 0o700);
    let error = Journal::create(&operations, &operation(), &all[0]).unwrap_err();
    assert!(matches!(error, StateError::Exists { .. }), "{error}");
    assert_eq!(Journal::open(journal.path()).unwrap().1, all);
}

#[test]
fn a_torn_last_line_is_dropped_and_overwritten_by_the_next() {
    let all = whole();
    let torn: [&[u8]; 4] = [
        b"{\"at\":\"2026-11-20T10:0",
        b"\0\0\0\0\0\0",
        b"\0\0\0\0\0\0\"}\n",
        // Whole, but its line end was not written: nobody was told that it is on the disk.
        b"{\"at\":\"2026-11-20T10:07:30Z\",\"entry\":\"started\",\"step\":2}",
    ];
    for rest in torn {
        let (_root, path) = with(&[&text(&all[..3])[..], rest].concat());
        assert_eq!(Journal::read(&path).unwrap(), all[..3]);
        let before = fs_err::read(&path).unwrap();
        let (mut journal, lines) = Journal::open(&path).unwrap();
        assert_eq!(lines, all[..3]);
        assert_eq!(
            fs_err::read(&path).unwrap(),
            before,
            "opening changes nothing"
        );
        journal.append(&all[3]).unwrap();
        journal.append(&all[4]).unwrap();
        assert_eq!(fs_err::read(&path).unwrap(), text(&all[..5]));
    }
}

#[test]
fn any_other_damage_names_file_line_and_what_to_do_and_changes_nothing() {
    let plan = resize_and_image();
    let good = |entries: Vec<Entry>| String::from_utf8(text(&lines(entries))).unwrap();
    let first = good(vec![opened(&plan)]);
    let line = r#"{"at":"2026-11-20T10:07:31Z","entry":"started","step":0}"#;
    let table: Vec<(&str, String, &str, &str)> = vec![
        (
            "empty",
            String::new(),
            "state_damaged",
            ":1:1: found no whole line",
        ),
        (
            "first torn",
            first[..200].into(),
            "state_damaged",
            ":1:1: found no whole line",
        ),
        ("first no JSON", "hello\n".into(), "state_damaged", ":1:"),
        (
            "first no plan",
            format!("{line}\n"),
            "state_foreign",
            ":1: found no schema, expected schema geusemaker.journal/1",
        ),
        (
            "newer journal",
            first.replace("geusemaker.journal/1", "geusemaker.journal/2"),
            "state_newer",
            ":1: found schema geusemaker.journal/2, this version knows up to geusemaker.journal/1",
        ),
        (
            "newer plan",
            first.replace("geusemaker.plan/1", "geusemaker.plan/3"),
            "state_newer",
            ":1: found schema geusemaker.plan/3",
        ),
        (
            "newer, with steps that are not known",
            first
                .replace("geusemaker.journal/1", "geusemaker.journal/2")
                .replace("stop_instance", "hibernate"),
            "state_newer",
            ":1: found schema geusemaker.journal/2",
        ),
        (
            "in the middle",
            format!("{first}{{\"at\n{line}\n"),
            "state_damaged",
            ":2:",
        ),
        (
            "an empty line in the middle",
            format!("{first}\n{line}\n"),
            "state_damaged",
            ":2:",
        ),
        (
            "an entry that is not known, also at the end",
            format!("{first}{line}\n{}\n", line.replace("started", "danced")),
            "state_damaged",
            ":3:",
        ),
        (
            "opened twice",
            format!("{first}{first}"),
            "state_damaged",
            ":2:1: found 'opened' again",
        ),
        (
            "a step that is not in the plan",
            good(vec![opened(&plan), started(10)]),
            "state_damaged",
            ":2:1: found step 10, expected less than 10",
        ),
        (
            "an undo of a step that is not in the plan",
            good(vec![opened(&plan), undo_started(10, 0)]),
            "state_damaged",
            ":2:1: found step 10",
        ),
        (
            "an undo that is not in the plan",
            good(vec![opened(&plan), undo_done(STOP, 2)]),
            "state_damaged",
            ":2:1: found part of an undo 2, expected less than 2",
        ),
        (
            "a check that is not in the plan",
            good(vec![opened(&plan), confirm_done(2)]),
            "state_damaged",
            ":2:1: found check 2, expected less than 2",
        ),
    ];
    for (case, text, code, message) in table {
        let (_root, path) = with(text.as_bytes());
        let error = Journal::open(&path).unwrap_err();
        assert_eq!(error.code(), code, "{case}: {error}");
        assert!(
            error
                .to_string()
                .contains(&format!("{}{message}", path.display())),
            "{case}: {error}"
        );
        assert!(error.help().contains("left as it is"), "{case}");
        assert_eq!(fs_err::read_to_string(&path).unwrap(), text, "{case}");
    }
}

/// A journal whose writes fail when `count` says so; half of the bytes are written all the same.
fn failing(
    path: &Path,
    fails: impl Fn(usize) -> Option<io::ErrorKind> + Send + 'static,
) -> Journal {
    let (mut journal, _) = Journal::open(path).unwrap();
    let count = AtomicUsize::new(0);
    journal.write = Box::new(move |file, bytes| {
        let now = count.fetch_add(1, Ordering::SeqCst);
        match fails(now) {
            Some(kind) => {
                file.write_all(&bytes[..bytes.len() / 2])?;
                Err(kind.into())
            }
            None => file.write_all(bytes),
        }
    });
    journal
}

#[test]
fn a_full_disk_costs_the_reserve_and_not_the_entry() {
    let all = whole();
    let (_root, path) = with(&text(&all[..1]));
    let reserve = path.with_file_name("reserve");
    // Writes: 0 the reserve, 1 the first line; 2 and, with the reserve gone, 4 have no space.
    let full = |n| (n == 2 || n == 4).then_some(io::ErrorKind::StorageFull);
    let mut journal = failing(&path, full);
    journal.reserve(RESERVE_BYTES).unwrap();
    journal.append(&all[1]).unwrap();
    assert!(reserve.exists());
    journal.append(&all[2]).unwrap();
    assert!(!reserve.exists());
    let error = journal.append(&all[3]).unwrap_err();
    assert_eq!(error.code(), "disk_full");
    assert!(error.help().contains("free some space"), "{}", error.help());
    // What was half written is no line, for a reader and for the next append.
    assert_eq!(Journal::read(&path).unwrap(), all[..3]);
    journal.append(&all[4]).unwrap();
    assert_eq!(
        fs_err::read(&path).unwrap(),
        text(&[&all[..3], &all[4..5]].concat())
    );
}

#[test]
fn without_space_for_the_reserve_nothing_is_left_behind() {
    let (_root, path) = with(&text(&whole()[..1]));
    let mut journal = failing(&path, |_| Some(io::ErrorKind::StorageFull));
    assert_eq!(
        journal.reserve(RESERVE_BYTES).unwrap_err().code(),
        "disk_full"
    );
    assert!(!path.with_file_name("reserve").exists());
}

#[test]
fn another_write_error_is_an_error_and_the_reserve_stays() {
    let all = whole();
    let (_root, path) = with(&text(&all[..1]));
    let mut journal = failing(&path, |n| (n == 1).then_some(io::ErrorKind::Other));
    journal.reserve(10).unwrap();
    assert_eq!(
        journal.append(&all[1]).unwrap_err().code(),
        "state_unwritable"
    );
    assert!(path.with_file_name("reserve").exists());
    journal.append(&all[1]).unwrap();
    assert_eq!(Journal::read(&path).unwrap(), all[..2]);
}

#[test]
fn a_log_grows_and_is_for_nobody_else() {
    let root = tempfile::tempdir().unwrap();
    let log = root.path().join("op/log");
    append_log(&log, "one\n").unwrap();
    append_log(&log, "two\n").unwrap();
    assert_eq!(fs_err::read_to_string(&log).unwrap(), "one\ntwo\n");
    assert_eq!(
        fs_err::metadata(&log).unwrap().permissions().mode() & 0o777,
        0o600
    );
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(256))]

    #[test]
    fn any_truncation_opens_with_a_prefix_or_names_the_file(cut in any::<prop::sample::Index>()) {
        let all = whole();
        let bytes = text(&all);
        let cut = cut.index(bytes.len() + 1);
        let (_root, path) = with(&bytes[..cut]);
        match Journal::open(&path) {
            Ok((mut journal, lines)) => {
                prop_assert_eq!(&lines[..], &all[..lines.len()]);
                prop_assert_eq!(lines.len(), bytes[..cut].iter().filter(|b| **b == b'\n').count());
                journal.append(&all[1]).unwrap();
                prop_assert_eq!(Journal::read(&path).unwrap().len(), lines.len() + 1);
            }
            Err(e) => {
                prop_assert!(cut < to_text(&all[0]).len());
                prop_assert!(e.to_string().contains(path.to_str().unwrap()));
            }
        }
    }

    #[test]
    fn any_changed_byte_is_read_or_named_and_never_a_panic(
        at in any::<prop::sample::Index>(), byte in any::<u8>()
    ) {
        let mut bytes = text(&whole());
        let at = at.index(bytes.len());
        bytes[at] = byte;
        let (_root, path) = with(&bytes);
        match Journal::read(&path) {
            Ok(lines) => {
                let Entry::Opened { plan, .. } = &lines[0].entry else { panic!("no plan") };
                super::super::next(plan, lines.iter().map(|l| &l.entry));
            }
            Err(e) => prop_assert!(e.to_string().contains(path.to_str().unwrap())),
        }
    }
}
