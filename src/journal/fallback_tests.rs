use super::super::next::{Next, next};
use super::super::samples::*;
use super::*;
use crate::model::Outcome;
use crate::plan::Step;

/// The sample plan whose undo may turn to two other types.
fn plan() -> Plan {
    let mut plan = resize_and_image();
    let on = plan.steps[STOP].on.clone();
    let part = |number, action| Step {
        on: on.clone(),
        action,
        undo: vec![],
        fallback: Some(number),
    };
    let parts = [
        part(1, set_type("t3.medium", "t3.xlarge")),
        part(1, Action::StartInstance {}),
        part(2, set_type("t3.xlarge", "m5.large")),
        part(2, Action::StartInstance {}),
    ];
    plan.steps[STOP].undo.splice(1..1, parts);
    plan
}

/// Goes on, and fails at these parts of the undo of `stop_instance`, with these codes; each once.
fn run(plan: &Plan, entries: &mut Vec<Entry>, fail: &[(usize, &str)]) -> (Vec<String>, Outcome) {
    let mut fail = fail.to_vec();
    let mut did = Vec::new();
    loop {
        let pair = match next(plan, entries.iter()) {
            Next::Run(i) => [started(i), done(i)],
            Next::Confirm(i) => {
                if did.last().is_none_or(|last| last != "confirm") {
                    did.push("confirm".to_owned());
                }
                [confirm_started(i), confirm_done(i)]
            }
            Next::Undo { step, part } => {
                let undo = &plan.steps[step].undo[part];
                let what = match &undo.action {
                    Action::SetInstanceType { to, .. } => to.to_string(),
                    other => other.name().to_owned(),
                };
                did.push(what);
                let bad = (step == STOP).then(|| fail.iter().position(|(p, _)| *p == part));
                let end = match bad.flatten() {
                    Some(at) => Entry::UndoFailed {
                        step,
                        part,
                        failure: failure(fail.remove(at).1),
                    },
                    None => undo_done(step, part),
                };
                [undo_started(step, part), end]
            }
            Next::Finished(outcome) => return (did, outcome),
        };
        entries.extend(pair);
        assert!(entries.len() < 200, "no end: {did:?}");
    }
}

fn failed_forward(plan: &Plan) -> Vec<Entry> {
    let mut entries = vec![opened(plan)];
    for step in 0..START {
        entries.extend([started(step), done(step)]);
    }
    entries.extend([started(START), failed(START)]);
    entries
}

const NO: &str = "insufficient_capacity";

#[test]
fn what_starts_at_the_old_type_needs_no_fallback() {
    let plan = plan();
    let mut entries = failed_forward(&plan);
    let (did, outcome) = run(&plan, &mut entries, &[]);
    let expected = [
        "quiesce",
        "stop_instance",
        "t3.medium",
        "start_instance",
        "await_host",
        "apply_images",
        "confirm",
    ];
    assert_eq!(
        (did, outcome),
        (expected.map(String::from).to_vec(), Outcome::RolledBack)
    );
    assert_eq!(fallback(&plan, &entries), None);
}

#[test]
fn the_types_are_tried_in_order_until_one_starts() {
    let plan = plan();
    for (fail, tried, up) in [
        (
            &[(0, NO)][..],
            &["t3.xlarge", "start_instance"][..],
            Some("t3.xlarge"),
        ),
        (
            &[(0, "limit_exceeded"), (2, "start_fell_back")],
            &["t3.xlarge", "start_instance", "m5.large", "start_instance"],
            Some("m5.large"),
        ),
        // A type that cannot be set is passed over.
        (
            &[(0, "unsupported"), (1, "denied")],
            &["t3.xlarge", "m5.large", "start_instance"],
            Some("m5.large"),
        ),
        (
            &[(0, NO), (2, NO), (4, NO)],
            &["t3.xlarge", "start_instance", "m5.large", "start_instance"],
            None,
        ),
    ] {
        let mut entries = failed_forward(&plan);
        let (did, outcome) = run(&plan, &mut entries, fail);
        assert_eq!(
            did[..4],
            ["quiesce", "stop_instance", "t3.medium", "start_instance"]
        );
        let mut expected: Vec<&str> = tried.to_vec();
        if up.is_some() {
            expected.extend(["await_host", "apply_images", "confirm"]);
        }
        // The services are up on it, and that is not "as before".
        assert_eq!(did[4..], expected);
        assert_eq!(outcome, Outcome::Stuck);
        assert_eq!(fallback(&plan, &entries).map(|t| t.as_str()), up);
    }
}

#[test]
fn what_another_type_does_not_help_is_stuck_at_once() {
    let plan = plan();
    for code in ["instance_timeout", "denied", "instance_gone"] {
        let mut entries = failed_forward(&plan);
        let (did, outcome) = run(&plan, &mut entries, &[(0, code)]);
        assert_eq!((did.len(), outcome), (4, Outcome::Stuck), "{code}");
    }
    // A host that does not come back on the fallback, too.
    let mut entries = failed_forward(&plan);
    let (did, outcome) = run(&plan, &mut entries, &[(0, NO), (5, "host_not_back")]);
    assert_eq!(
        (did.last().map(String::as_str), outcome),
        (Some("await_host"), Outcome::Stuck)
    );
    // Nor where none was named.
    let plain = resize_and_image();
    let mut entries = failed_forward(&plain);
    let (did, outcome) = run(&plain, &mut entries, &[(0, NO)]);
    assert_eq!((did.len(), outcome), (4, Outcome::Stuck));
}

#[test]
fn a_resume_of_what_ended_on_a_fallback_tries_the_old_type_again() {
    let plan = plan();
    let all = [
        "quiesce",
        "stop_instance",
        "t3.medium",
        "start_instance",
        "await_host",
        "apply_images",
        "confirm",
    ];
    for fail in [
        &[(0, NO)][..],
        &[(0, NO), (2, NO), (4, NO)],
        &[(0, NO), (5, "host_not_back")],
    ] {
        let mut entries = failed_forward(&plan);
        run(&plan, &mut entries, fail);
        entries.push(resumed(true));
        let mut again = entries.clone();
        let (did, outcome) = run(&plan, &mut again, &[]);
        assert_eq!(
            (did, outcome),
            (all.map(String::from).to_vec(), Outcome::RolledBack)
        );
        assert_eq!(fallback(&plan, &again), None);
        // And where there is still none, it turns to the same ones again.
        let (_, outcome) = run(&plan, &mut entries, &[(0, NO)]);
        assert_eq!(outcome, Outcome::Stuck);
        assert_eq!(
            fallback(&plan, &entries).map(|t| t.as_str()),
            Some("t3.xlarge")
        );
    }
}

#[test]
fn one_that_was_cut_off_goes_on_where_it_was() {
    let plan = plan();
    let mut whole = failed_forward(&plan);
    run(&plan, &mut whole, &[(0, NO), (2, NO)]);
    let turned = whole
        .iter()
        .position(|e| matches!(e, Entry::UndoFailed { .. }))
        .expect("it failed");
    // At every line behind the first turn, up to the last check.
    for cut in turned + 1..whole.len() {
        let mut entries = whole[..cut].to_vec();
        let ahead = next(&plan, &entries);
        entries.push(resumed(false));
        match (next(&plan, &entries), ahead) {
            // What was as before may not be so now: looked at again.
            (Next::Confirm(0), Next::Confirm(_)) => {}
            (now, ahead) => assert_eq!(now, ahead, "cut off at line {cut}"),
        }
        let failed = |e: &Entry| {
            matches!(
                e,
                Entry::UndoFailed {
                    step: STOP,
                    part: 2,
                    ..
                }
            )
        };
        let rest: &[(usize, &str)] = if entries.iter().any(failed) {
            &[]
        } else {
            &[(2, NO)]
        };
        let (_, outcome) = run(&plan, &mut entries, rest);
        assert_eq!(outcome, Outcome::Stuck, "cut off at line {cut}");
        assert!(fallback(&plan, &entries).is_some());
    }
}
