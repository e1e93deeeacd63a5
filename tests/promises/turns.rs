//! The turns of `.ci/turn`: each test is in one of them at least, and what stands for the others is in all.

use std::process::{Command, Output};

use tempfile::NamedTempFile;

const SCRIPT: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/.ci/turn");

/// Of a family that takes turns and of one that does not, one that stands for the others, and what only looks like a family.
const NAMES: [&str; 9] = [
    "engine::a_bump_replaces_one_container_of_five",
    "engine::a_private_registry_wants_its_sign_in",
    "engine::healthy_and_then_not_is_taken_back",
    "faults::a_read_only_mount_is_refused",
    "killed::a_torn_last_line_is_dropped_and_resume_goes_on",
    "locks::a_killed_update_is_taken_back",
    "matrix::the_matrix_catches_each_of_the_bugs_that_are_sown",
    "matrix::killed::not_of_that_family",
    "shells::not_of_that_family_either",
];

fn turn(which: &str) -> Output {
    let list = NamedTempFile::new().expect("a file");
    let lines: String = NAMES.iter().map(|n| format!("{n}: test\n")).collect();
    fs_err::write(&list, lines + "\n9 tests, 0 benchmarks\n").expect("written");
    let mut command = Command::new(SCRIPT);
    let command = command.arg(list.path()).env("GEUSEMAKER_TURN", which);
    command.output().expect("bash")
}

/// Those that run in it.
fn runs(which: &str) -> Vec<&'static str> {
    let output = turn(which);
    assert!(output.status.success(), "{output:?}");
    let later = String::from_utf8(output.stdout).expect("text");
    let is_later = |name: &str| later.lines().any(|line| line == name);
    NAMES.into_iter().filter(|name| !is_later(name)).collect()
}

#[test]
fn every_test_has_its_turn_and_what_takes_none_runs_always() {
    let turns = ["0", "1", "2"].map(runs);
    for name in NAMES {
        let times = turns.iter().filter(|turn| turn.contains(&name)).count();
        let takes_turns = ["engine::a_p", "engine::h", "faults", "locks"];
        let takes_turns = takes_turns.iter().any(|one| name.starts_with(one));
        assert_eq!(times, if takes_turns { 1 } else { 3 }, "{name}");
    }
    assert_eq!(runs("all"), NAMES);
}

#[test]
fn a_turn_that_there_is_not_is_refused() {
    for which in ["3", "both", "-1", "0 1"] {
        let output = turn(which);
        assert_eq!(output.status.code(), Some(2), "{which}: {output:?}");
    }
}
