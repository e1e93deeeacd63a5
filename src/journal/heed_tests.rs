use super::super::samples::*;
use super::*;
use crate::plan::Step;

/// The journal up to where this step was started, or done.
fn up_to(plan: &Plan, i: usize, is_done: bool) -> Vec<Entry> {
    let mut entries = vec![opened(plan)];
    for step in 0..i {
        entries.extend([started(step), done(step)]);
    }
    entries.push(started(i));
    entries.extend(is_done.then(|| done(i)));
    entries
}

/// In a word: `pause`, `pause!` where something was changed, `on` or `on+` to the step, `undo`.
fn word(heed: &Heed) -> String {
    match heed {
        Heed::Pause { changed: false } => "pause".into(),
        Heed::Pause { changed: true } => "pause!".into(),
        Heed::GoOn { until, more, .. } => format!("on{} {until}", if *more { "+" } else { "" }),
        Heed::Undo { .. } => "undo".into(),
    }
}

/// The plan with one more step behind the last.
fn with_tail(mut plan: Plan) -> Plan {
    let tail: Step = plan.steps[0].clone();
    plan.steps.push(tail);
    plan
}

fn without(plan: &Plan, gone: &[usize]) -> Plan {
    let mut plan = plan.clone();
    let mut at = 0;
    plan.steps.retain(|_| {
        at += 1;
        !gone.contains(&(at - 1))
    });
    plan
}

#[test]
fn the_outage_is_from_the_first_step_that_takes_down_to_the_end_of_the_health_check() {
    let whole = resize_and_image();
    let image_only = without(&whole, &[QUIESCE, STOP, TYPE, START, START + 1]);
    let tail = with_tail(whole.clone());
    let verify = whole.steps.len() - 1;
    for (name, plan, step, is_done, expected) in [
        ("nothing down yet", &whole, 0, false, "pause"),
        ("just before", &whole, QUIESCE - 1, true, "pause"),
        ("the first that takes down", &whole, QUIESCE, false, "on 9"),
        ("done is down all the more", &whole, QUIESCE, true, "on 9"),
        ("stopped", &whole, STOP, true, "on 9"),
        ("typed", &whole, TYPE, false, "on 9"),
        ("started again, not verified", &whole, APPLY, true, "on 9"),
        ("being verified", &whole, verify, false, "on 9"),
        ("verified", &whole, verify, true, "pause!"),
        ("with a step behind", &tail, STOP, false, "on+ 9"),
        (
            "verified, with a step behind",
            &tail,
            verify,
            true,
            "pause!",
        ),
        ("an image alone, before", &image_only, 2, false, "pause"),
        ("an image alone", &image_only, 3, false, "on 4"),
    ] {
        let entries = up_to(plan, step, is_done);
        assert_eq!(word(&heed(plan, &entries)), expected, "{name}");
    }
}

#[test]
fn what_is_taken_back_is_taken_back_to_its_end() {
    let plan = resize_and_image();
    let mut entries = up_to(&plan, STOP, false);
    entries.push(failed(STOP));
    assert_eq!(word(&heed(&plan, &entries)), "undo");
    entries.extend([undo_started(STOP, 0), undo_done(STOP, 0)]);
    assert_eq!(word(&heed(&plan, &entries)), "undo");
    // Asked to go back while nothing was changed: there is nothing to take back, and nothing is down.
    let entries = [opened(&plan), paused(), resumed(true)];
    let Heed::Undo { down } = heed(&plan, &entries) else {
        panic!("unwinding");
    };
    assert!(down.is_empty());
}

#[test]
fn a_resume_in_the_outage_is_still_in_it() {
    let plan = resize_and_image();
    let mut entries = up_to(&plan, STOP, false);
    entries.extend([paused(), resumed(false)]);
    assert_eq!(word(&heed(&plan, &entries)), "on 9");
}

#[test]
fn it_names_what_is_down() {
    let plan = resize_and_image();
    let all = &plan.before.running;
    let Heed::GoOn { down, .. } = heed(&plan, &up_to(&plan, QUIESCE, false)) else {
        panic!("the outage");
    };
    assert_eq!(down, *all);
    assert!(!all.is_empty());
    let image_only = without(&plan, &[QUIESCE, STOP, TYPE, START, START + 1]);
    let Heed::GoOn { down, .. } = heed(&image_only, &up_to(&image_only, 3, false)) else {
        panic!("the outage");
    };
    let names: Vec<&str> = down.iter().map(ServiceName::as_str).collect();
    assert_eq!(names, ["n8n"], "only what is replaced");
}

#[test]
fn what_is_said() {
    let plan = resize_and_image();
    let heed = |entries: &[Entry]| heed(&plan, entries);
    assert_eq!(
        heed(&up_to(&plan, 2, false)).say(&plan, "pull_images"),
        "interrupted: nothing was changed yet; pausing after pull_images; a second interrupt leaves at once"
    );
    let outage = heed(&up_to(&plan, STOP, false));
    let said = outage.say(&plan, "stop_instance");
    assert!(said.starts_with("interrupted: down now: n8n"), "{said}");
    for part in [
        "going on to the end of verify_health, where the stack is up, the end of it",
        "leaves at once, with that down",
    ] {
        assert!(said.contains(part), "{said}");
    }
    let left = outage.left("stop_instance");
    assert!(
        left.starts_with("interrupted twice: left in the middle of stop_instance; down now: n8n"),
        "{left}"
    );
    let mut entries = up_to(&plan, STOP, false);
    entries.push(failed(STOP));
    let said = heed(&entries).say(&plan, "start_instance");
    assert!(
        said.contains("is being taken back (down now: n8n"),
        "{said}"
    );
}
