use super::super::samples::*;
use super::*;
use crate::journal::Evidence;

/// Entries with the second at which each was written.
fn timed(entries: Vec<(i64, Entry)>) -> Vec<Line> {
    entries
        .into_iter()
        .map(|(second, entry)| Line {
            at: super::super::samples::at(second),
            entry,
        })
        .collect()
}

fn green(second: i64) -> Evidence {
    Evidence {
        green_at: Some(at(second)),
        ..Evidence::default()
    }
}

fn already() -> Evidence {
    Evidence {
        already: true,
        ..Evidence::default()
    }
}

fn confirmed(evidence: Evidence) -> Entry {
    Entry::ConfirmDone { step: 1, evidence }
}

fn closed(outcome: Outcome) -> Entry {
    Entry::Closed { outcome }
}

#[test]
fn downtime_is_from_the_first_effect_that_takes_down_to_the_first_green() {
    let plan = resize_and_image();
    let open = || (0, opened(&plan));
    type Row = (&'static str, f64, Vec<(i64, Entry)>);
    let table: Vec<Row> = vec![
        ("nothing begun", 0.0, vec![open()]),
        (
            "refused before any change",
            0.0,
            vec![
                open(),
                (1, started(PULL)),
                (60, failed(PULL)),
                (61, closed(Outcome::Refused)),
            ],
        ),
        (
            "a good run: the time that it must stay green is no downtime",
            40.0,
            vec![
                open(),
                (10, started(QUIESCE)),
                (15, done(QUIESCE)),
                (15, started(STOP)),
                (30, done(STOP)),
                (45, started(VERIFY)),
                (60, done_with(VERIFY, green(50))),
                (61, closed(Outcome::Updated)),
            ],
        ),
        (
            "undone",
            90.0,
            vec![
                open(),
                (10, started(QUIESCE)),
                (20, failed(QUIESCE)),
                (21, undo_started(QUIESCE, 0)),
                (30, undo_done(QUIESCE, 0)),
                (31, confirm_started(1)),
                (110, confirmed(green(100))),
                (111, closed(Outcome::RolledBack)),
            ],
        ),
        (
            "stuck: down to the last line",
            100.0,
            vec![
                open(),
                (10, started(QUIESCE)),
                (20, failed(QUIESCE)),
                (21, undo_started(QUIESCE, 0)),
                (110, undo_failed(QUIESCE, 0)),
            ],
        ),
        (
            "what was so already takes nothing down",
            5.0,
            vec![
                open(),
                (10, started(STOP)),
                (11, done_with(STOP, already())),
                (20, started(APPLY)),
                (24, done(APPLY)),
                (30, done_with(VERIFY, green(25))),
            ],
        ),
        (
            "found done after a crash: it was our doing",
            50.0,
            vec![
                open(),
                (10, started(STOP)),
                (40, resumed(false)),
                (41, started(STOP)),
                (42, done_with(STOP, already())),
                (70, done_with(VERIFY, green(60))),
            ],
        ),
        (
            "taken back after it was green: down again until green again",
            90.0,
            vec![
                open(),
                (10, started(STOP)),
                (20, done(STOP)),
                (40, done_with(VERIFY, green(30))),
                (50, resumed(true)),
                (51, undo_started(START, 1)),
                (52, undo_done(START, 1)),
                (110, confirmed(green(100))),
                (111, closed(Outcome::RolledBack)),
            ],
        ),
        (
            "taken back and not green yet",
            70.0,
            vec![
                open(),
                (10, started(STOP)),
                (40, done_with(VERIFY, green(30))),
                (50, resumed(true)),
                (51, undo_started(START, 1)),
                (80, undo_done(START, 1)),
            ],
        ),
    ];
    for (case, expected, entries) in table {
        let lines = timed(entries);
        assert_eq!(downtime(&plan, &lines), expected, "{case}");
    }
}

/// The status of each step of [`resize_and_image`] that was begun.
fn statuses(entries: Vec<Entry>) -> Vec<(usize, StepStatus)> {
    let plan = resize_and_image();
    let lines = lines([opened(&plan)].into_iter().chain(entries));
    let summary = Summary::of(&lines).unwrap();
    assert_eq!(summary.steps.len(), 10);
    summary
        .steps
        .iter()
        .enumerate()
        .filter(|(_, s)| s.status != StepStatus::Planned)
        .map(|(i, s)| (i, s.status))
        .collect()
}

#[test]
fn a_step_has_the_status_that_it_ended_with() {
    use StepStatus::{Already, Done, Failed, UndoFailed, Undone};
    type Row = (&'static str, Vec<Entry>, Vec<(usize, StepStatus)>);
    let failed_start = || {
        vec![
            started(CHECK),
            done(CHECK),
            started(STOP),
            done(STOP),
            started(START),
            failed(START),
        ]
    };
    let and = |more: Vec<Entry>| failed_start().into_iter().chain(more).collect::<Vec<_>>();
    let table: Vec<Row> = vec![
        ("none", vec![], vec![]),
        (
            "done and already",
            vec![
                started(CHECK),
                done(CHECK),
                started(PULL),
                done_with(PULL, already()),
            ],
            vec![(CHECK, Done), (PULL, Already)],
        ),
        (
            "found done after a crash: we did it",
            vec![
                started(STOP),
                resumed(false),
                started(STOP),
                done_with(STOP, already()),
            ],
            vec![(STOP, Done)],
        ),
        ("cut off", vec![started(STOP)], vec![(STOP, Failed)]),
        (
            "paused",
            vec![started(STOP), paused()],
            vec![(STOP, Failed)],
        ),
        (
            "paused and resumed",
            vec![
                started(STOP),
                paused(),
                resumed(false),
                started(STOP),
                done(STOP),
            ],
            vec![(STOP, Done)],
        ),
        (
            "half undone",
            and(vec![
                undo_done(START, 0),
                undo_done(START, 1),
                undo_done(STOP, 0),
            ]),
            vec![(CHECK, Done), (STOP, Done), (START, Failed)],
        ),
        (
            "undone: what failed is still seen",
            and(vec![
                undo_done(START, 0),
                undo_done(START, 1),
                undo_done(STOP, 0),
                undo_done(STOP, 1),
            ]),
            vec![(CHECK, Done), (STOP, Undone), (START, Failed)],
        ),
        (
            "the undo failed",
            and(vec![undo_done(START, 0), undo_failed(START, 1)]),
            vec![(CHECK, Done), (STOP, Done), (START, UndoFailed)],
        ),
        (
            "the undo failed, and then not",
            and(vec![
                undo_done(START, 0),
                undo_done(START, 1),
                undo_failed(STOP, 0),
                resumed(false),
                undo_done(STOP, 0),
                undo_done(STOP, 1),
            ]),
            vec![(CHECK, Done), (STOP, Undone), (START, Failed)],
        ),
    ];
    for (case, entries, expected) in table {
        assert_eq!(statuses(entries), expected, "{case}");
    }
}

#[test]
fn seconds_of_a_step_are_those_it_was_at_work() {
    let plan = resize_and_image();
    let lines = timed(vec![
        (0, opened(&plan)),
        (1, started(STOP)),
        (5, paused()),
        (1000, resumed(false)),
        (1001, started(STOP)),
        (1003, done(STOP)),
        (1003, started(TYPE)),
        // Cut off by a crash: how long it went on is not known.
        (5000, resumed(false)),
        (5001, started(TYPE)),
        (5002, failed(TYPE)),
        (5010, undo_started(TYPE, 0)),
        (5020, undo_done(TYPE, 0)),
    ]);
    let summary = Summary::of(&lines).unwrap();
    assert_eq!(summary.steps[STOP].seconds, 6.0);
    assert_eq!(summary.steps[TYPE].seconds, 1.0);
    assert_eq!(summary.duration_seconds, 5020.0);
}

#[test]
fn a_clock_that_was_set_back_makes_no_negative_time() {
    let plan = resize_and_image();
    let lines = timed(vec![
        (50, opened(&plan)),
        (40, started(STOP)),
        (30, done(STOP)),
    ]);
    let summary = Summary::of(&lines).unwrap();
    assert_eq!(summary.duration_seconds, 0.0);
    assert_eq!(summary.downtime_seconds, 0.0);
    assert_eq!(summary.steps[STOP].seconds, 0.0);
}

#[test]
fn the_outcome_of_what_is_not_closed_is_what_it_would_be_now() {
    let plan = resize_and_image();
    let table: Vec<(Vec<Entry>, Outcome, bool)> = vec![
        (vec![], Outcome::Paused, false),
        (vec![started(STOP)], Outcome::Paused, false),
        (vec![started(STOP), paused()], Outcome::Paused, false),
        (
            vec![started(STOP), failed(STOP), undo_failed(STOP, 0)],
            Outcome::Stuck,
            false,
        ),
        (
            vec![started(STOP), failed(STOP), closed(Outcome::RolledBack)],
            Outcome::RolledBack,
            true,
        ),
    ];
    for (entries, outcome, is_closed) in table {
        let lines = lines([opened(&plan)].into_iter().chain(entries));
        let summary = Summary::of(&lines).unwrap();
        assert_eq!((summary.outcome, summary.closed), (outcome, is_closed));
        assert!(!summary.success());
    }
    assert_eq!(Summary::of(&[]), None);
    assert_eq!(Summary::of(&lines([started(0)])), None);
}

#[test]
fn failures_are_told_apart_from_what_was_put_off() {
    let plan = resize_and_image();
    let lines = lines([
        opened(&plan),
        started(APPLY),
        failed(APPLY),
        undo_deferred(APPLY, 0),
        undo_failed(START, 0),
    ]);
    let summary = Summary::of(&lines).unwrap();
    assert_eq!(summary.cause.unwrap().code, "insufficient_capacity");
    assert_eq!(summary.failure.unwrap().code, "undo");
}

#[test]
fn a_refused_operation_has_no_snapshot_of_its_own() {
    let mut plan = resize_and_image();
    for (reuse, outcome, has) in [
        (false, Outcome::Refused, false),
        (true, Outcome::Refused, true),
        (false, Outcome::RolledBack, true),
        (true, Outcome::Updated, true),
    ] {
        plan.steps[WRITE_SNAPSHOT].action = Action::WriteSnapshot {
            snapshot: SnapshotId::new(SNAPSHOT).unwrap(),
            reuse,
        };
        let entries = [
            opened(&plan),
            started(WRITE_SNAPSHOT),
            done(WRITE_SNAPSHOT),
            closed(outcome),
        ];
        let with = lines(entries.clone());
        let summary = Summary::of(&with).unwrap();
        assert_eq!(summary.snapshot.is_some(), has, "{reuse} {outcome:?}");
        let without = lines(entries.into_iter().take(2));
        assert_eq!(Summary::of(&without).unwrap().snapshot, None);
    }
}

#[test]
fn the_result_says_what_was_read_back_and_changes_only_where_they_were_made() {
    let plan = resize_and_image();
    let read_back = |name: &str| {
        serde_json::json!({
            "type": name, "state": "running", "images": {"n8n": {"ref": "n8nio/n8n:1.20.0", "id": null, "digest": null}},
            "compose_sha256": null, "mounts": {"/mnt/efs": "ok"}, "health": {"n8n": "green"}, "public_ip": null
        })
    };
    let warned = |warning: &str, name: &str| Evidence {
        verified: Some(read_back(name)),
        warnings: vec![warning.into(), plan.warnings[0].clone()],
        ..green(1)
    };
    let good = lines([
        opened(&plan),
        started(VERIFY),
        done_with(
            VERIFY,
            warned("the public address is 203.0.113.9 now", "t3.large"),
        ),
        closed(Outcome::Updated),
    ]);
    let data = Summary::of(&good).unwrap().change_data();
    assert!(data.success);
    assert_eq!(data.operation_id.as_deref(), Some(OPERATION));
    assert_eq!(data.changes_applied, plan.changes);
    assert_eq!(
        data.previous_state.unwrap().instance_type.as_str(),
        "t3.medium"
    );
    assert_eq!(data.new_state.unwrap().instance_type.as_str(), "t3.large");
    assert_eq!(
        data.warnings,
        [
            plan.warnings[0].as_str(),
            "the public address is 203.0.113.9 now"
        ]
    );
    let undone = lines([
        opened(&plan),
        started(STOP),
        failed(STOP),
        confirmed(warned("x", "t3.medium")),
        closed(Outcome::RolledBack),
    ]);
    let data = Summary::of(&undone).unwrap().change_data();
    assert!(!data.success);
    assert!(data.changes_applied.is_empty());
    assert_eq!(data.verified.unwrap().instance_type, "t3.medium");
    let half_back = lines(good[..3].iter().map(|l| l.entry.clone()).chain([
        resumed(true),
        undo_started(TYPE, 0),
        undo_failed(TYPE, 0),
    ]));
    let data = Summary::of(&half_back).unwrap().change_data();
    assert_eq!(
        (data.verified, data.new_state),
        (None, None),
        "it is so no longer"
    );
}
