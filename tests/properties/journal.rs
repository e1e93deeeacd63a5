//! A journal: each pure question of a resume has an answer for whatever lines can be read.

use std::path::Path;

use geusemaker::journal::{
    Entry, Heed, Journal, Summary, can_defer, changed, committed, downtime, finished, heed, next,
    pulled,
};

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
    let Entry::Opened { plan, .. } = &lines[0].entry else {
        panic!("the first line is not the plan");
    };
    let entries = || lines.iter().map(|line| &line.entry);
    let _ = next(plan, entries());
    let _ = (changed(plan, entries()), committed(plan, entries()));
    let _ = (
        finished(plan, entries(), false),
        finished(plan, entries(), true),
    );
    let _ = pulled(entries());
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
