//! The end of an update, a rollback, a resume.

use super::super::print::{Reply, Words};
use super::super::result::{Addresses, ChangeData, StepData, Verified};
use super::super::{Ink, Paper, StepStatus};
use super::seconds;
use crate::model::{DataCompared, DataState, Outcome};

/// The outcome in one sentence.
pub fn headline(outcome: Outcome, name: Option<&str>) -> String {
    let name = name.unwrap_or("it");
    match outcome {
        Outcome::Updated => format!("{name} is updated"),
        Outcome::Unchanged => format!("{name} is as asked for already; nothing was changed"),
        Outcome::RolledBackAsAsked => format!("{name} is rolled back, as asked"),
        Outcome::Done => "done".into(),
        Outcome::Failed => "it failed".into(),
        Outcome::Usage => "the command line is wrong".into(),
        Outcome::Refused => format!("refused; nothing was changed on {name}"),
        Outcome::RolledBack => format!("the change failed; {name} is verified to be as before"),
        Outcome::Stuck => format!("{name} needs a person"),
        Outcome::Paused => format!("{name} stands between two states; resume goes on"),
        Outcome::Locked => format!("another operation holds {name}"),
        Outcome::NotFound => format!("there is no {name}"),
        Outcome::Declined => format!("declined; nothing was changed on {name}"),
    }
}

pub(super) fn change(reply: &Reply, data: &ChangeData, words: &Words) -> Paper {
    let mut paper = Paper::new();
    let name = reply.deployment.as_ref().map(|name| name.as_str());
    let ink = match reply.outcome {
        Outcome::Updated | Outcome::RolledBackAsAsked | Outcome::Unchanged | Outcome::Done => {
            Ink::Green
        }
        Outcome::RolledBack | Outcome::Paused => Ink::Yellow,
        Outcome::Stuck => Ink::Red,
        // All is said by the error.
        _ => return paper,
    };
    paper
        .put(ink, &headline(reply.outcome, name))
        .put(Ink::Plain, ".")
        .end();
    for line in &data.changes_applied {
        paper.line(&format!("  {line}"));
    }
    let bad = matches!(
        reply.outcome,
        Outcome::RolledBack | Outcome::Paused | Outcome::Stuck
    );
    if bad && !data.steps.is_empty() {
        paper.end();
        steps(&mut paper, &data.steps);
    }
    let mut facts: Vec<Vec<String>> = Vec::new();
    let mut fact = |what: &str, value: String| facts.push(vec![what.to_owned(), value]);
    if reply.outcome != Outcome::Unchanged && data.operation_id.is_some() {
        let whole = seconds(data.duration_seconds);
        fact(
            "downtime",
            format!("{} of {whole}", seconds(data.downtime_seconds)),
        );
    }
    if let Some(verified) = &data.verified {
        fact(if bad { "what is" } else { "verified" }, what_is(verified));
        if let Some(data) = &verified.data {
            fact("data", what_of(data));
        }
        let said = data.addresses.as_ref().and_then(Addresses::said);
        if let Some(address) = said.or_else(|| verified.public_ip.clone()) {
            fact("address", address);
        }
    }
    let retyped = data
        .changes_applied
        .iter()
        .any(|c| c.starts_with("instance_type: "));
    let stepped = data.steps.iter().any(|s| s.name == "set_instance_type");
    if let Some(cost) = data.cost.as_ref().filter(|_| retyped || stepped) {
        fact("cost", cost.said());
    }
    if let Some(snapshot) = &data.snapshot_id {
        fact("snapshot", snapshot.clone());
    }
    if let Some(operation) = &data.operation_id {
        fact("operation", operation.clone());
    }
    if !facts.is_empty() {
        paper.end();
        paper.table(&[], facts);
    }
    next(
        &mut paper,
        reply.outcome,
        name.unwrap_or("NAME"),
        data,
        words,
    );
    paper
}

/// What was read back, on one line.
fn what_is(verified: &Verified) -> String {
    let mut parts = vec![verified.instance_type.clone(), verified.state.clone()];
    for (point, state) in &verified.mounts {
        parts.push(format!("{point} {state}"));
    }
    let (mut green, mut other) = (0, Vec::new());
    for (service, colour) in &verified.health {
        match colour.as_str() {
            "green" | "finished" => green += 1,
            colour => other.push(format!("{service} {colour}")),
        }
    }
    if !verified.health.is_empty() {
        parts.push(format!(
            "{green} of {} services green",
            verified.health.len()
        ));
    }
    parts.extend(other);
    if verified.images.is_none() {
        parts.push("the host could not be asked".into());
    }
    parts.join(", ")
}

/// The services' data, on one line.
fn what_of(data: &DataCompared) -> String {
    if let Some(why) = &data.why {
        return format!("not compared: {why}");
    }
    let compared = || data.folders.iter().filter(|f| f.files > 0);
    let (files, same) =
        compared().fold((0, 0), |(files, same), f| (files + f.files, same + f.same));
    let folders = compared().count();
    let of = |n: usize, what: &str| format!("{n} {what}{}", if n == 1 { "" } else { "s" });
    let mut parts = Vec::new();
    if files > 0 {
        let (files, folders) = (of(files, "file"), of(folders, "folder"));
        parts.push(format!("{same} of {files} in {folders} the same"));
    }
    for folder in &data.folders {
        match (folder.state, &folder.why) {
            (DataState::Lost, Some(why)) => parts.push(format!("{} {why}", folder.folder)),
            (DataState::Changed, _) => {
                let mut said = Vec::new();
                for (what, names) in [("changed", &folder.changed), ("gone", &folder.gone)] {
                    if !names.is_empty() {
                        said.push(format!("{} {what}", names.join(", ")));
                    }
                }
                parts.push(format!("{}: {}", folder.folder, said.join(", ")));
            }
            _ => {}
        }
    }
    parts.join("; ")
}

/// The steps, one a row.
pub(super) fn steps(paper: &mut Paper, steps: &[StepData]) {
    let rows = steps
        .iter()
        .map(|step| {
            let status = match step.status {
                StepStatus::Done => "done",
                StepStatus::Already => "was so already",
                StepStatus::Failed => "FAILED",
                StepStatus::Undone => "undone",
                StepStatus::UndoFailed => "COULD NOT BE UNDONE",
                StepStatus::Planned => "not reached",
            };
            let took = match step.status {
                StepStatus::Planned => String::new(),
                _ => seconds(step.seconds),
            };
            vec![
                step.name.to_owned(),
                step.on.to_string(),
                status.to_owned(),
                took,
            ]
        })
        .collect();
    paper.table(&["STEP", "ON", "STATUS", "TOOK"], rows);
}

/// The commands that come next.
fn next(paper: &mut Paper, outcome: Outcome, name: &str, data: &ChangeData, words: &Words) {
    let program = &words.program;
    let commands: Vec<(&str, String)> = match outcome {
        Outcome::Updated => vec![("to go back", format!("{program} rollback {name}"))],
        Outcome::RolledBackAsAsked => vec![("to redo it", format!("{program} rollback {name}"))],
        Outcome::Paused | Outcome::Stuck => {
            let mut all = vec![("to look", format!("{program} status {name}"))];
            // What is stuck is on its way back already: an undo never turns forward again.
            if outcome == Outcome::Paused {
                all.push(("to go on", format!("{program} resume {name}")));
            }
            all.push(("to go back", format!("{program} resume {name} --unwind")));
            if let Some(operation) = &data.operation_id {
                all.push((
                    "what happened",
                    format!("{program} history {name} {operation}"),
                ));
            }
            all
        }
        Outcome::RolledBack => match &data.operation_id {
            Some(operation) => {
                vec![(
                    "what happened",
                    format!("{program} history {name} {operation}"),
                )]
            }
            None => Vec::new(),
        },
        _ => Vec::new(),
    };
    if !commands.is_empty() {
        paper.end();
        let rows = commands
            .into_iter()
            .map(|(what, command)| vec![format!("{what}:"), command]);
        paper.table(&[], rows.collect());
    }
}
