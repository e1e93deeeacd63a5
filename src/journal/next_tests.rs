use super::super::samples::*;
use super::*;
use crate::model::InstanceId;
use crate::plan::ArmRestore;

/// What an action that always succeeds would add for what comes next; None at the end.
fn good(plan: &Plan, entries: &[Entry]) -> Option<[Entry; 2]> {
    Some(match next(plan, entries) {
        Next::Run(i) => [started(i), done(i)],
        Next::Undo { step, part } => [undo_started(step, part), undo_done(step, part)],
        Next::Confirm(i) => [confirm_started(i), confirm_done(i)],
        Next::Finished(_) => return None,
    })
}

/// Goes on from these entries with nothing but success; the order of what was performed, and the end.
fn run(plan: &Plan, mut entries: Vec<Entry>) -> (Vec<Next>, Outcome) {
    let mut performed = Vec::new();
    while let Some(pair) = good(plan, &entries) {
        performed.push(next(plan, &entries));
        entries.extend(pair);
        assert!(performed.len() < 100, "no end: {performed:?}");
    }
    match next(plan, &entries) {
        Next::Finished(outcome) => (performed, outcome),
        other => panic!("{other:?}"),
    }
}

/// The journal up to where step `i` was started.
fn until(plan: &Plan, i: usize) -> Vec<Entry> {
    let mut entries = vec![opened(plan)];
    for step in 0..i {
        entries.extend([started(step), done(step)]);
    }
    entries.push(started(i));
    entries
}

fn undo(parts: &[(usize, usize)]) -> Vec<Next> {
    parts
        .iter()
        .map(|(step, part)| Next::Undo {
            step: *step,
            part: *part,
        })
        .collect()
}

/// The whole undo of [`resize_and_image`], in order.
const ALL: [(usize, usize); 7] = [
    (APPLY, 0),
    (START, 0),
    (START, 1),
    (TYPE, 0),
    (STOP, 0),
    (STOP, 1),
    (QUIESCE, 0),
];

#[test]
fn a_good_run_goes_through_the_steps_in_order() {
    let plan = resize_and_image();
    let (performed, outcome) = run(&plan, vec![opened(&plan)]);
    assert_eq!(performed, (0..10).map(Next::Run).collect::<Vec<_>>());
    assert_eq!(outcome, Outcome::Updated);
}

#[test]
fn a_rollback_ends_by_its_own_name() {
    let mut plan = resize_and_image();
    plan.purpose = Purpose::Rollback {
        to: crate::model::SnapshotId::new(SNAPSHOT).unwrap(),
        green: vec![],
    };
    assert_eq!(run(&plan, vec![]).1, Outcome::RolledBackAsAsked);
    assert_eq!(
        run(&plan, vec![started(QUIESCE), failed(QUIESCE)]).1,
        Outcome::RolledBack
    );
}

#[test]
fn every_prefix_of_a_good_run_goes_on_with_the_first_step_not_done() {
    let plan = resize_and_image();
    let entries: Vec<Entry> = (0..10).flat_map(|i| [started(i), done(i)]).collect();
    for cut in 0..entries.len() {
        // 2i: before step i. 2i+1: within it, cut off by a crash; it is performed again.
        assert_eq!(next(&plan, &entries[..cut]), Next::Run(cut / 2), "{cut}");
        let resumed: Vec<Entry> = entries[..cut]
            .iter()
            .cloned()
            .chain([resumed(false)])
            .collect();
        let (performed, outcome) = run(&plan, resumed);
        // While nothing is changed, a resume looks at everything again.
        let begun = cut.div_ceil(2);
        let again = if begun > QUIESCE { cut / 2 } else { 0 };
        assert_eq!(performed.len(), 10 - again, "{cut}");
        assert_eq!(outcome, Outcome::Updated);
    }
    assert_eq!(next(&plan, &entries), Next::Finished(Outcome::Updated));
}

#[test]
fn a_failure_at_each_step_undoes_it_and_all_before_it_newest_first() {
    let plan = resize_and_image();
    for i in 0..plan.steps.len() {
        let mut entries = until(&plan, i);
        entries.push(failed(i));
        let mut expected: Vec<Next> = undo(
            &ALL.into_iter()
                .filter(|(step, _)| *step <= i)
                .collect::<Vec<_>>(),
        );
        let outcome = if i < QUIESCE {
            Outcome::Refused
        } else {
            expected.extend([Next::Confirm(0), Next::Confirm(1)]);
            Outcome::RolledBack
        };
        assert_eq!(changed(&plan, &entries), i >= QUIESCE, "{i}");
        assert_eq!(run(&plan, entries), (expected, outcome), "{i}");
    }
}

#[test]
fn every_prefix_of_every_undo_goes_on_where_it_was_cut() {
    let plan = resize_and_image();
    for i in 0..plan.steps.len() {
        let mut entries = until(&plan, i);
        entries.push(failed(i));
        let begin = entries.len();
        while let Some(pair) = good(&plan, &entries) {
            entries.extend(pair);
        }
        let (whole, outcome) = run(&plan, entries[..begin].to_vec());
        for cut in begin..=entries.len() {
            let rest = &whole[(cut - begin) / 2..];
            assert_eq!(
                run(&plan, entries[..cut].to_vec()),
                (rest.to_vec(), outcome),
                "step {i}, cut at {cut}"
            );
        }
    }
}

#[test]
fn a_step_with_residue_before_any_change_is_undone_and_refused_without_confirming() {
    let mut plan = resize_and_image();
    plan.steps[PULL].undo = vec![step(set_type("t3.medium", "t3.medium"), vec![])];
    let mut entries = until(&plan, PULL);
    entries.push(failed(PULL));
    assert_eq!(run(&plan, entries), (undo(&[(PULL, 0)]), Outcome::Refused));
}

#[test]
fn what_needs_a_host_that_is_gone_waits_for_its_await_host() {
    let plan = resize_and_image();
    let mut entries = until(&plan, VERIFY);
    entries.push(failed(VERIFY));
    assert!(can_defer(&plan, &entries, (APPLY, 0)));
    entries.extend([undo_started(APPLY, 0), undo_deferred(APPLY, 0)]);
    let mut order: Vec<Next> = undo(&[
        (START, 0),
        (START, 1),
        (TYPE, 0),
        (STOP, 0),
        (STOP, 1),
        (APPLY, 0),
        (QUIESCE, 0),
    ]);
    order.extend([Next::Confirm(0), Next::Confirm(1)]);
    assert_eq!(run(&plan, entries.clone()), (order, Outcome::RolledBack));
    for (step, part) in [(START, 0), (START, 1), (TYPE, 0), (STOP, 0), (STOP, 1)] {
        entries.extend([undo_started(step, part), undo_done(step, part)]);
    }
    // Its host is back: if it does not answer now either, a person is needed.
    assert!(!can_defer(&plan, &entries, (APPLY, 0)));
    assert!(!can_defer(&plan, &entries, (QUIESCE, 0)));
}

#[test]
fn an_await_host_is_not_put_off_itself() {
    let mut plan = resize_and_image();
    plan.steps[QUIESCE].undo.push(step(await_host(), vec![]));
    let mut entries = until(&plan, VERIFY);
    entries.push(failed(VERIFY));
    assert!(can_defer(&plan, &entries, (QUIESCE, 0)));
    assert!(!can_defer(&plan, &entries, (STOP, 1)));
    assert!(!can_defer(&plan, &entries, (QUIESCE, 1)));
}

#[test]
fn what_was_deferred_keeps_its_order() {
    let mut plan = resize_and_image();
    plan.steps[AWAIT].undo = vec![step(quiesce(true), vec![])];
    let mut entries = until(&plan, VERIFY);
    entries.push(failed(VERIFY));
    for (step, part) in [(APPLY, 0), (AWAIT, 0)] {
        entries.extend([undo_started(step, part), undo_deferred(step, part)]);
    }
    let (performed, _) = run(&plan, entries);
    assert_eq!(
        performed[..8],
        undo(&[
            (START, 0),
            (START, 1),
            (TYPE, 0),
            (STOP, 0),
            (STOP, 1),
            (APPLY, 0),
            (AWAIT, 0),
            (QUIESCE, 0),
        ])
    );
}

/// Found: once the host was back, what had waited for it moved on behind the next one.
#[test]
fn what_was_deferred_comes_right_behind_its_own_await_host_and_can_be_deferred_again() {
    let mut plan = resize_and_image();
    plan.steps[QUIESCE]
        .undo
        .insert(0, step(await_host(), vec![]));
    let mut entries = until(&plan, VERIFY);
    entries.extend([
        failed(VERIFY),
        undo_started(APPLY, 0),
        undo_deferred(APPLY, 0),
    ]);
    for (step, part) in [(START, 0), (START, 1), (TYPE, 0), (STOP, 0), (STOP, 1)] {
        entries.extend([undo_started(step, part), undo_done(step, part)]);
    }
    let at = |step, part| Next::Undo { step, part };
    assert_eq!(next(&plan, &entries), at(APPLY, 0));
    assert!(can_defer(&plan, &entries, (APPLY, 0)));
    entries.extend([undo_started(APPLY, 0), undo_deferred(APPLY, 0)]);
    assert_eq!(
        run(&plan, entries).0[..3],
        [at(QUIESCE, 0), at(APPLY, 0), at(QUIESCE, 1)]
    );
}

/// Found: another instance's host was waited for.
#[test]
fn only_the_await_host_of_the_same_instance_is_waited_for() {
    let mut plan = resize_and_image();
    plan.steps[APPLY].undo[0].on = crate::model::InstanceId::new("i-11111111").unwrap();
    let mut entries = until(&plan, VERIFY);
    entries.push(failed(VERIFY));
    assert!(!can_defer(&plan, &entries, (APPLY, 0)));
    assert!(can_defer(&plan, &entries, (START, 0)));
}

#[test]
fn a_failed_undo_is_stuck_until_it_is_resumed_and_then_goes_on_back() {
    let plan = resize_and_image();
    let mut entries = until(&plan, START);
    entries.extend([failed(START), undo_started(START, 0), undo_done(START, 0)]);
    entries.extend([undo_started(START, 1), undo_failed(START, 1)]);
    assert_eq!(next(&plan, &entries), Next::Finished(Outcome::Stuck));
    for unwind in [false, true] {
        let mut entries = entries.clone();
        entries.push(resumed(unwind));
        let (performed, outcome) = run(&plan, entries);
        assert_eq!(
            performed[0],
            Next::Undo {
                step: START,
                part: 1
            }
        );
        assert_eq!(outcome, Outcome::RolledBack);
    }
}

#[test]
fn what_is_not_as_before_is_stuck_and_all_of_it_is_looked_at_again() {
    let plan = resize_and_image();
    let mut entries = vec![started(QUIESCE), failed(QUIESCE), undo_done(QUIESCE, 0)];
    entries.extend([confirm_started(0), confirm_done(0), confirm_started(1)]);
    assert_eq!(next(&plan, &entries), Next::Confirm(1));
    entries.push(Entry::ConfirmFailed {
        step: 1,
        failure: failure("not_green"),
    });
    assert_eq!(next(&plan, &entries), Next::Finished(Outcome::Stuck));
    entries.push(resumed(false));
    assert_eq!(
        run(&plan, entries),
        (
            vec![Next::Confirm(0), Next::Confirm(1)],
            Outcome::RolledBack
        )
    );
}

#[test]
fn a_pause_undoes_nothing_and_is_resumed_both_ways() {
    let plan = resize_and_image();
    let mut entries = until(&plan, STOP);
    entries.push(paused());
    assert_eq!(next(&plan, &entries), Next::Finished(Outcome::Paused));
    let with = |unwind| {
        let mut entries = entries.clone();
        entries.push(resumed(unwind));
        run(&plan, entries)
    };
    let (on, outcome) = with(false);
    assert_eq!(
        (on[0].clone(), outcome),
        (Next::Run(STOP), Outcome::Updated)
    );
    let (back, outcome) = with(true);
    assert_eq!(back[..2], undo(&[(STOP, 0), (STOP, 1)]));
    assert_eq!(outcome, Outcome::RolledBack);
}

#[test]
fn without_rollback_a_failure_pauses_and_is_resumed_both_ways() {
    let mut plan = resize_and_image();
    plan.undo_on_failure = false;
    let mut entries = until(&plan, START);
    entries.push(failed(START));
    assert_eq!(next(&plan, &entries), Next::Finished(Outcome::Paused));
    let mut on = entries.clone();
    on.push(resumed(false));
    assert_eq!(next(&plan, &on), Next::Run(START));
    on.extend([started(START), failed(START)]);
    assert_eq!(next(&plan, &on), Next::Finished(Outcome::Paused));
    entries.push(resumed(true));
    assert_eq!(
        next(&plan, &entries),
        Next::Undo {
            step: START,
            part: 0
        }
    );
}

#[test]
fn once_it_goes_back_it_never_goes_forward_again() {
    let plan = resize_and_image();
    let mut entries = until(&plan, START);
    entries.extend([failed(START), paused(), resumed(false)]);
    assert_eq!(
        next(&plan, &entries),
        Next::Undo {
            step: START,
            part: 0
        }
    );
    let mut asked = until(&plan, START);
    asked.extend([paused(), resumed(true), paused(), resumed(false)]);
    assert_eq!(
        next(&plan, &asked),
        Next::Undo {
            step: START,
            part: 0
        }
    );
}

#[test]
fn what_was_deferred_is_tried_in_its_own_place_after_a_resume() {
    let plan = resize_and_image();
    let mut entries = until(&plan, VERIFY);
    entries.extend([
        failed(VERIFY),
        undo_deferred(APPLY, 0),
        paused(),
        resumed(false),
    ]);
    assert_eq!(
        next(&plan, &entries),
        Next::Undo {
            step: APPLY,
            part: 0
        }
    );
}

#[test]
fn behind_the_commit_nothing_is_undone_and_what_fails_only_warns() {
    let mut plan = resize_and_image();
    plan.steps.push(step(Action::CommitHost {}, vec![]));
    let last = VERIFY + 1;
    let mut entries = until(&plan, VERIFY);
    entries.push(done(VERIFY));
    assert_eq!(next(&plan, &entries), Next::Run(last));
    assert!(committed(&plan, &entries));
    entries.push(resumed(true));
    assert_eq!(next(&plan, &entries), Next::Run(last), "never back");
    entries.extend([started(last), failed(last)]);
    assert_eq!(next(&plan, &entries), Next::Finished(Outcome::Updated));
    // Unless the host says that it went back: then there is no commit.
    let mut went_back = until(&plan, VERIFY);
    let failed = Entry::Failed {
        step: last,
        failure: failure(HOST_RESTORED),
    };
    went_back.extend([done(VERIFY), started(last), failed]);
    assert!(!committed(&plan, &went_back));
    let first = Next::Undo {
        step: APPLY,
        part: 0,
    };
    assert_eq!(next(&plan, &went_back), first);
    let mut before = until(&plan, VERIFY);
    assert!(!committed(&plan, &before));
    before.push(resumed(true));
    assert_eq!(
        next(&plan, &before),
        Next::Undo {
            step: APPLY,
            part: 0
        }
    );
}

#[test]
fn what_is_to_be_done_again_is_done_again_and_the_rest_is_not() {
    let plan = resize_and_image();
    let again = |redo: Vec<Redo>, unwind| Entry::Resumed {
        unwind,
        fence: 8,
        redo,
        notes: vec![],
    };
    let forward = |step| Redo { step, part: None };
    let mut entries = until(&plan, VERIFY);
    entries.push(again(vec![forward(START), forward(AWAIT)], false));
    let mut performed = vec![];
    while let Next::Run(step) = next(&plan, &entries) {
        performed.push(step);
        entries.extend([started(step), done(step)]);
    }
    assert_eq!(performed, [START, AWAIT, VERIFY]);

    let mut entries = until(&plan, APPLY);
    entries.extend([started(APPLY), failed(APPLY)]);
    entries.extend([undo_started(APPLY, 0), undo_done(APPLY, 0)]);
    let back = Redo {
        step: APPLY,
        part: Some(0),
    };
    assert_eq!(finished(&plan, &entries, false), [back]);
    entries.push(again(vec![back], false));
    assert_eq!(
        next(&plan, &entries),
        Next::Undo {
            step: APPLY,
            part: 0
        }
    );
}

#[test]
fn the_host_is_armed_until_it_is_told_that_all_stays_on_either_way() {
    let mut plan = resize_and_image();
    let Action::ApplyImages(restore) = apply("1.20.0", "1.19.0", true, true) else {
        unreachable!()
    };
    let arm = Action::ArmRestore(Box::new(ArmRestore {
        restore: *restore,
        green: vec!["n8n".into()],
        declared: vec![],
        probes: vec![],
    }));
    let at = QUIESCE;
    plan.steps
        .insert(at, step(arm, vec![Action::CommitHost {}]));
    plan.steps.push(step(Action::CommitHost {}, vec![]));
    let last = plan.steps.len() - 1;
    let mut entries = until(&plan, at);
    assert!(!armed(&plan, &entries), "begun");
    entries.push(done(at));
    assert!(armed(&plan, &entries));
    let mut forward = until(&plan, last);
    assert!(armed(&plan, &forward));
    forward.push(done(last));
    assert!(!armed(&plan, &forward));
    entries.extend([started(at + 1), failed(at + 1), undo_done(at + 1, 0)]);
    assert!(armed(&plan, &entries), "the rest of the undo comes first");
    entries.push(undo_done(at, 0));
    assert!(!armed(&plan, &entries), "disarmed by the undo");
}

#[test]
fn what_leaves_all_down_comes_again_only_where_the_same_starts_it_behind() {
    let mut plan = resize_and_image();
    let back = |from: &str, start| step(apply(from, "1.19.0", true, start), vec![]);
    plan.steps[APPLY].undo = vec![back("1.20.0", false)];
    plan.steps[QUIESCE].undo = vec![back("1.20.0", true)];
    let entries = until(&plan, VERIFY);
    let (at, last) = ((APPLY, 0), (QUIESCE, 0));
    assert!(comes_again(&plan, &entries, at));
    assert!(!comes_again(&plan, &entries, last), "nothing is behind it");
    assert!(!comes_again(&plan, &entries, (START, 0)), "another action");
    let mut done = entries.clone();
    done.push(undo_done(last.0, last.1));
    assert!(!comes_again(&plan, &done, at), "it was done before");
    plan.steps[QUIESCE].undo = vec![back("1.21.0", true)];
    assert!(!comes_again(&plan, &entries, at), "other files");
    plan.steps[QUIESCE].undo = vec![back("1.20.0", true)];
    plan.steps[QUIESCE].undo[0].on = InstanceId::new("i-0fedcba9876543210").unwrap();
    assert!(!comes_again(&plan, &entries, at), "on another instance");
    plan.steps[QUIESCE].undo = vec![back("1.20.0", true)];
    plan.steps[APPLY].undo = vec![back("1.20.0", true)];
    assert!(!comes_again(&plan, &entries, at), "it starts them itself");
}

#[test]
fn a_closed_journal_is_finished_whatever_it_says_before() {
    let plan = resize_and_image();
    for outcome in Outcome::ALL {
        let mut entries = until(&plan, START);
        entries.extend([failed(START), Entry::Closed { outcome }]);
        assert_eq!(next(&plan, &entries), Next::Finished(outcome));
    }
}
