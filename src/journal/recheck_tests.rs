use std::collections::BTreeSet;

use super::super::samples::*;
use super::super::seen::SeenContainer;
use super::*;
use crate::journal::{Entry, Evidence};
use crate::model::{InstanceType, Timestamp};
use crate::plan::{ArmRestore, Boot, Step};

const OLD: &str = "a";
const NEW: &str = "c";

fn id(digit: &str) -> Sha256Id {
    Sha256Id::new(format!("sha256:{}", digit.repeat(64))).unwrap()
}

fn operation() -> OperationId {
    OperationId::new(OPERATION).unwrap()
}

/// The plan of the samples with an armed host; `ARM` stands before `QUIESCE`.
fn plan() -> Plan {
    let mut plan = resize_and_image();
    let Action::ApplyImages(restore) = apply("1.20.0", "1.19.0", true, true) else {
        unreachable!()
    };
    let arm = Action::ArmRestore(Box::new(ArmRestore {
        declared: vec![],
        probes: vec![],
        restore: *restore,
        green: vec!["n8n".into()],
    }));
    plan.steps.insert(QUIESCE, step(arm, vec![]));
    plan.before.compose_sha256 = Some("a1".repeat(32));
    plan.after.compose_sha256 = Some("b2".repeat(32));
    plan
}

/// The place of a step of the samples, behind the inserted one.
fn place(step: usize) -> usize {
    if step >= QUIESCE { step + 1 } else { step }
}
const ARM: usize = QUIESCE;

fn seen(instance_type: &str, state: RunState, host: Option<SeenHost>) -> Seen {
    Seen {
        ebs_optimized: Some(false),
        instance_type: InstanceType::new(instance_type).unwrap(),
        state,
        host,
    }
}

fn armed() -> RestoreState {
    RestoreState::Armed {
        operation: operation(),
        deadline: Timestamp::UNIX_EPOCH,
    }
}

/// A host: the text of the file by its SHA-256, the image of n8n, whether it runs.
fn host(sha: &str, image: &str, running: bool) -> SeenHost {
    SeenHost {
        boot: Boot {
            id: "boot".into(),
            launched_at: None,
        },
        compose_sha256: Some(sha.repeat(32)),
        containers: vec![SeenContainer {
            service: "n8n".parse().unwrap(),
            name: "n8n".into(),
            image_id: id(image),
            running,
            finished: false,
        }],
        images: BTreeSet::from([id(NEW)]),
        restore: armed(),
    }
}

/// The journal of a run up to and with the step of the samples that is named here.
fn up_to(plan: &Plan, last: usize) -> Vec<Entry> {
    let mut entries = vec![opened(plan)];
    for at in 0..=place(last) {
        entries.push(started(at));
        let mut evidence = Evidence::default();
        if at == PULL {
            let pulled = Pulled {
                id: id(NEW),
                digest: None,
            };
            evidence.pulled.insert("n8n".parse().unwrap(), pulled);
        }
        entries.push(done_with(at, evidence));
    }
    entries
}

fn check(plan: &Plan, entries: &[Entry], unwind: bool, seen: &Seen) -> Recheck {
    recheck(plan, &operation(), entries, unwind, seen)
}

#[test]
fn what_is_not_so_any_more_is_done_again_and_nothing_else() {
    use RunState::{Running, Stopped};
    let plan = plan();
    let medium = "t3.medium";
    let large = "t3.large";
    let down = || Some(host("a1", OLD, false));
    let here = |s: &[usize]| s.iter().map(|s| place(*s)).collect::<Vec<_>>();
    // What was done last, what is seen, what is done again.
    let table: Vec<(&str, usize, Seen, Vec<usize>)> = vec![
        (
            "killed behind the quiesce: the mount is looked at again",
            QUIESCE,
            seen(medium, Running, down()),
            vec![CHECK],
        ),
        (
            "somebody started the containers",
            QUIESCE,
            seen(medium, Running, Some(host("a1", OLD, true))),
            here(&[CHECK, QUIESCE]),
        ),
        (
            "stopped, and is stopped",
            STOP,
            seen(medium, Stopped, None),
            vec![],
        ),
        (
            "stopped, and somebody started it",
            STOP,
            seen(medium, Running, None),
            here(&[QUIESCE, STOP]),
        ),
        (
            "the type was set, and is not any more",
            TYPE,
            seen(medium, Stopped, None),
            here(&[QUIESCE, STOP, TYPE]),
        ),
        (
            "all is as it was left",
            TYPE,
            seen(large, Stopped, None),
            vec![],
        ),
        (
            "started, and stopped by somebody",
            AWAIT,
            seen(large, Stopped, None),
            here(&[START, AWAIT]),
        ),
        (
            "applied, and all is so",
            APPLY,
            seen(large, Running, Some(host("b2", NEW, true))),
            vec![],
        ),
        (
            "applied, and stopped by hand",
            APPLY,
            seen(large, Running, Some(host("b2", NEW, false))),
            here(&[APPLY]),
        ),
        (
            "applied, and the file is the old one again",
            APPLY,
            seen(large, Running, Some(host("a1", NEW, true))),
            here(&[APPLY]),
        ),
    ];
    for (name, last, seen, again) in table {
        let entries = up_to(&plan, last);
        let found = check(&plan, &entries, false, &seen);
        let places: Vec<usize> = found.redo.iter().map(|r| r.step).collect();
        assert_eq!(places, again, "{name}");
        assert!(found.drift.is_empty() && found.unwind.is_none(), "{name}");
    }
}

#[test]
fn an_attribute_that_is_not_so_any_more_is_set_again_from_the_stop_on() {
    let mut plan = plan();
    let at = place(TYPE);
    let set = |from, to| Action::SetEbsOptimized { from, to };
    let flag = step(set(true, false), vec![set(false, true)]);
    plan.steps.insert(at, flag);
    let mut entries = vec![opened(&plan)];
    for done in 0..=at {
        entries.extend([started(done), done_with(done, Evidence::default())]);
    }
    let again = |on: Option<bool>| -> Vec<usize> {
        let mut seen = seen("t3.medium", RunState::Stopped, None);
        seen.ebs_optimized = on;
        let found = check(&plan, &entries, false, &seen);
        found.redo.iter().map(|r| r.step).collect()
    };
    assert_eq!(again(Some(false)), [0; 0]);
    assert_eq!(again(None), [0; 0], "a look of an older version");
    assert_eq!(again(Some(true)), [place(QUIESCE), place(STOP), at]);
}

#[test]
fn what_a_step_that_was_cut_off_has_overtaken_is_not_done_again() {
    use RunState::{Pending, Running};
    let plan = plan();
    let here = |s: &[usize]| s.iter().map(|s| place(*s)).collect::<Vec<_>>();
    // What was done last, what was begun after it, what is seen, what is done again.
    let table: Vec<(&str, usize, usize, Seen, Vec<usize>)> = vec![
        (
            "the start was sent, and nobody waited for it",
            TYPE,
            START,
            seen("t3.large", Pending, None),
            vec![],
        ),
        (
            "the same, and the host is up already",
            TYPE,
            START,
            seen("t3.large", Running, Some(host("a1", OLD, false))),
            vec![CHECK],
        ),
        (
            "a stop that was sent to one that somebody started",
            QUIESCE,
            STOP,
            seen("t3.medium", Running, Some(host("a1", OLD, true))),
            here(&[CHECK, QUIESCE]),
        ),
        (
            "the containers come up again, one by one",
            AWAIT,
            APPLY,
            seen("t3.large", Running, Some(host("b2", NEW, true))),
            vec![CHECK],
        ),
    ];
    for (name, last, cut, seen, again) in table {
        let mut entries = up_to(&plan, last);
        entries.push(started(place(cut)));
        let found = check(&plan, &entries, false, &seen);
        let places: Vec<usize> = found.redo.iter().map(|r| r.step).collect();
        assert_eq!(places, again, "{name}");
    }
    // On the way back the same: the old type, and the start of the undo cut off.
    let mut entries = up_to(&plan, AWAIT);
    entries.push(failed(place(APPLY)));
    for (at, part) in [(START, 0), (START, 1), (TYPE, 0)] {
        entries.extend([undo_started(place(at), part), undo_done(place(at), part)]);
    }
    entries.push(undo_started(place(STOP), 0));
    let pending = seen("t3.medium", Pending, None);
    assert_eq!(check(&plan, &entries, true, &pending).redo, []);
}

#[test]
fn an_image_that_was_pruned_is_pulled_again_and_a_host_that_forgot_is_armed_again() {
    let plan = plan();
    let entries = up_to(&plan, QUIESCE);
    let mut bare = host("a1", OLD, false);
    bare.images.clear();
    bare.restore = RestoreState::Idle;
    let seen = seen("t3.medium", RunState::Running, Some(bare));
    let again: Vec<usize> = check(&plan, &entries, false, &seen)
        .redo
        .iter()
        .map(|r| r.step)
        .collect();
    assert_eq!(again, [CHECK, PULL, ARM]);
}

#[test]
fn what_nobody_planned_is_drift_and_named() {
    use RunState::{Running, Stopped, Terminated};
    let plan = plan();
    let up = |sha, image| Some(host(sha, image, true));
    let table = [
        (
            "instance_type",
            APPLY,
            seen("m5.xlarge", Running, up("b2", NEW)),
        ),
        ("instance_state", QUIESCE, seen("t3.medium", Stopped, None)),
        ("instance_state", APPLY, seen("t3.large", Terminated, None)),
        (
            "compose_file",
            APPLY,
            seen("t3.large", Running, up("c3", NEW)),
        ),
        ("image", APPLY, seen("t3.large", Running, up("b2", "d"))),
    ];
    for (name, last, seen) in table {
        for unwind in [false, true] {
            let found = check(&plan, &up_to(&plan, last), unwind, &seen);
            let names: Vec<&str> = found.drift.iter().map(|c| c.name.as_str()).collect();
            assert_eq!(names, [name]);
            assert!(found.drift[0].help.contains("--accept"), "{name}");
            assert_eq!(found.redo, [], "{name}");
        }
    }
}

#[test]
fn a_host_that_went_back_by_itself_means_unwind_and_is_reported() {
    let plan = plan();
    let entries = up_to(&plan, APPLY);
    let states = [
        (armed(), false, false),
        (RestoreState::Idle, false, false),
        (
            RestoreState::Restored {
                operation: operation(),
                by_itself: true,
            },
            true,
            true,
        ),
        (
            RestoreState::Restored {
                operation: operation(),
                by_itself: false,
            },
            true,
            false,
        ),
        (
            RestoreState::Restored {
                operation: OperationId::new("another").unwrap(),
                by_itself: true,
            },
            false,
            false,
        ),
        (
            RestoreState::Committed {
                operation: operation(),
                by_itself: true,
            },
            false,
            true,
        ),
    ];
    for (restore, unwinds, noted) in states {
        let mut there = host("a1", OLD, true);
        there.restore = restore.clone();
        let seen = seen("t3.large", RunState::Running, Some(there));
        let found = check(&plan, &entries, false, &seen);
        assert_eq!(found.unwind.is_some(), unwinds, "{restore:?}");
        assert_eq!(!found.notes.is_empty(), noted, "{restore:?}");
        assert_eq!(found.drift, [], "{restore:?}");
    }
}

#[test]
fn on_the_way_back_what_was_undone_is_looked_at_again() {
    let plan = plan();
    // All was undone, and then somebody stopped the instance again.
    let mut entries = up_to(&plan, APPLY);
    entries.push(failed(place(VERIFY)));
    for at in (0..plan.steps.len()).rev() {
        for part in 0..plan.steps[at].undo.len() {
            entries.extend([undo_started(at, part), undo_done(at, part)]);
        }
    }
    let stopped = seen("t3.medium", RunState::Stopped, None);
    let again = check(&plan, &entries, true, &stopped).redo;
    let names: Vec<&str> = again
        .iter()
        .map(|r| plan.steps[r.step].undo[r.part.unwrap()].action.name())
        .collect();
    assert_eq!(names, ["start_instance", "await_host", "apply_images"]);
    let as_before = seen("t3.medium", RunState::Running, Some(host("a1", OLD, true)));
    assert_eq!(check(&plan, &entries, true, &as_before).redo, []);
}

#[test]
fn containers_that_lie_stopped_and_replicas_of_another_image_are_no_drift() {
    let plan = plan();
    let entries = up_to(&plan, APPLY);
    let mut there = host("b2", NEW, true);
    let other = |running| SeenContainer {
        name: "n8n-2".into(),
        image_id: id("d"),
        running,
        ..there.containers[0].clone()
    };
    let (stopped, runs) = (other(false), other(true));
    there.containers.push(stopped);
    let large = |host| seen("t3.large", RunState::Running, Some(host));
    assert_eq!(
        check(&plan, &entries, false, &large(there.clone())).drift,
        []
    );
    there.containers[1] = runs.clone();
    let found = check(&plan, &entries, false, &large(there.clone()));
    assert_eq!(found.drift[0].name, "image");
    // It ran this image before the operation.
    let mut with_replica = plan.clone();
    for undo in with_replica.steps.iter_mut().flat_map(|s| &mut s.undo) {
        if let Action::ApplyImages(back) = &mut undo.action {
            let mut target = back.services[0].clone();
            target.id = Some(runs.image_id.clone());
            back.services.push(target);
        }
    }
    let found = check(&with_replica, &entries, false, &large(there));
    assert_eq!(found.drift, []);
}

/// The plan with its last step, the disarming.
fn with_commit() -> Plan {
    let mut plan = plan();
    let on = plan.steps[0].on.clone();
    plan.steps.push(Step {
        on,
        action: Action::CommitHost {},
        undo: vec![],
        fallback: None,
    });
    plan
}

#[test]
fn a_host_that_went_back_behind_the_commit_takes_it_back() {
    let plan = with_commit();
    let mut entries = up_to(&plan, VERIFY);
    let by_itself = true;
    let operation = operation();
    for restore in [
        RestoreState::Restoring {
            operation: operation.clone(),
        },
        RestoreState::Restored {
            operation: operation.clone(),
            by_itself,
        },
    ] {
        let mut there = host("a1", OLD, true);
        there.restore = restore.clone();
        let seen = seen("t3.large", RunState::Running, Some(there));
        let found = check(&plan, &entries, false, &seen);
        assert!(
            found.unwind.is_some() && found.drift.is_empty(),
            "{restore:?}"
        );
        let verify = Redo {
            step: place(VERIFY),
            part: None,
        };
        assert_eq!(
            found.redo,
            [verify],
            "the gate's word does not count any more"
        );
    }
    entries.push(Entry::Resumed {
        unwind: true,
        fence: 2,
        redo: vec![Redo {
            step: place(VERIFY),
            part: None,
        }],
        notes: vec![],
    });
    assert!(
        matches!(
            crate::journal::next(&plan, &entries),
            crate::journal::Next::Undo { .. }
        ),
        "it is undone, and not told as updated"
    );
}

#[test]
fn behind_the_commit_nothing_is_judged() {
    let plan = with_commit();
    let entries = up_to(&plan, VERIFY);
    let other = seen("m5.xlarge", RunState::Stopped, None);
    assert_eq!(check(&plan, &entries, true, &other), Recheck::default());
}
