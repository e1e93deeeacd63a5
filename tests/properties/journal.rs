//! A journal: each pure question of a resume has an answer for whatever lines can be read.

use std::path::Path;

use geusemaker::journal::{
    Entry, Heed, Journal, Line, Summary, can_defer, changed, committed, downtime, fallback,
    finished, heed, next, pulled, recheck,
};
use geusemaker::model::OperationId;
use geusemaker::plan::Plan;

pub fn holds(input: &[u8]) -> bool {
    let file = Path::new("/state/of/journal.jsonl");
    let lines = match Journal::parse(file, input) {
        Ok(lines) => lines,
        Err(error) => {
            let said = super::said(&error, 2000);
            assert!(said.starts_with("/state/of/journal.jsonl:"), "{said}");
            return false;
        }
    };
    let again: String = lines
        .iter()
        .map(|line| serde_json::to_string(line).expect("it can be written") + "\n")
        .collect();
    let again = Journal::parse(file, again.as_bytes()).expect("and read again");
    assert_eq!(again, lines);
    let Entry::Opened {
        plan, operation, ..
    } = &lines[0].entry
    else {
        panic!("the first line is not the plan");
    };
    let entries = || lines.iter().map(|line| &line.entry);
    let _ = next(plan, entries());
    let _ = (changed(plan, entries()), committed(plan, entries()));
    let _ = (
        finished(plan, entries(), false),
        finished(plan, entries(), true),
    );
    let _ = (pulled(entries()), fallback(plan, entries()));
    rechecked(plan, operation, &lines);
    for (at, step) in plan.steps.iter().enumerate() {
        for part in 0..step.undo.len() {
            let _ = can_defer(plan, entries(), (at, part));
        }
    }
    let heeded: Heed = heed(plan, entries());
    let _ = heeded.say(plan, "stop_instance");
    assert!(downtime(plan, &lines) >= 0.0);
    if let Some(summary) = Summary::of(&lines) {
        let _ = (summary.kind(), summary.success(), summary.change_data());
    }
    true
}

/// What was seen once is judged by what had happened until then, and by all of it.
fn rechecked(plan: &Plan, operation: &OperationId, lines: &[Line]) {
    let looks = lines.iter().enumerate().filter_map(|(at, line)| {
        let Entry::Observed { seen } = &line.entry else {
            return None;
        };
        Some((at, seen))
    });
    // The first of many: each is judged by every line.
    for (at, seen) in looks.take(8) {
        for until in [at, lines.len()] {
            let entries = || lines[..until].iter().map(|line| &line.entry);
            for unwind in [false, true] {
                let judged = recheck(plan, operation, entries(), unwind, seen);
                // What is changed by somebody else is not performed again.
                assert!(judged.drift.is_empty() || judged.redo.is_empty());
            }
        }
    }
}
