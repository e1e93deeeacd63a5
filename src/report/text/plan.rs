//! A plan, before it is agreed to.

use std::collections::BTreeSet;

use super::super::print::Reply;
use super::super::result::PlanData;
use super::super::{Ink, Paper};
use super::seconds;
use crate::model::{Outcome, Purpose};
use crate::plan::{Check, CheckStatus, Plan};

/// What is now and what would be, the diff, the steps with their outage, and the checks.
pub fn plan(plan: &Plan, checks: &[Check], compose_diff: &str) -> Paper {
    let mut paper = Paper::new();
    let what = match &plan.purpose {
        Purpose::Update => format!("update of {}", plan.deployment),
        Purpose::Rollback { to, .. } => format!("rollback of {} to {to}", plan.deployment),
    };
    paper.heading(&what).end();
    side_by_side(&mut paper, plan);
    if !compose_diff.trim().is_empty() {
        paper.end();
        diff(&mut paper, compose_diff);
    }
    paper.end();
    steps(&mut paper, plan, checks);
    warnings(&mut paper, checks);
    paper
}

fn warnings(paper: &mut Paper, checks: &[Check]) {
    let warns = |check: &&Check| check.status == CheckStatus::Warn;
    for check in checks.iter().filter(warns) {
        warning(paper, check);
    }
}

/// A check that warns, with its help.
pub(super) fn warning(paper: &mut Paper, check: &Check) {
    paper
        .put(Ink::Yellow, "  ! ")
        .put(Ink::Bold, &check.name)
        .put(Ink::Plain, ": ");
    paper.line(&check.message);
    if !check.help.is_empty() {
        paper.block("    ", Ink::Dim, &check.help);
    }
}

/// The same for `--dry-run`.
pub(super) fn dry_run(ready: &Plan, data: &PlanData, compose_diff: &str) -> Paper {
    let mut paper = plan(ready, &data.checks, compose_diff);
    paper.end().line("Nothing was changed: this was a dry run.");
    paper
}

/// A dry run that has no plan to show.
pub(super) fn no_plan(reply: &Reply, data: &PlanData) -> Paper {
    let mut paper = Paper::new();
    if reply.outcome == Outcome::Unchanged {
        let name = reply.deployment.as_ref().map(|name| name.as_str());
        paper.line(&format!("{}.", super::headline(reply.outcome, name)));
        warnings(&mut paper, &data.checks);
    }
    paper
}

/// Only what differs, and the type in any case.
fn side_by_side(paper: &mut Paper, plan: &Plan) {
    let (before, after) = (&plan.before, &plan.after);
    let mut rows = vec![vec![
        "instance type".to_owned(),
        before.instance_type.to_string(),
        after.instance_type.to_string(),
    ]];
    let services: BTreeSet<_> = before.images.keys().chain(after.images.keys()).collect();
    for service in services {
        let (now, new) = (before.images.get(service), after.images.get(service));
        // A tag that has moved: the reference is the same, the image is not.
        let moved = now.zip(new).is_some_and(|(now, new)| {
            now.reference == new.reference && new.id.is_some() && now.id != new.id
        });
        let show = |image: Option<&crate::plan::PlannedImage>| match image {
            Some(image) => match image.id.as_ref().filter(|_| moved) {
                Some(id) => format!("{} ({})", image.reference, short(id.as_str())),
                None => image.reference.to_string(),
            },
            None => "-".into(),
        };
        if moved || now.map(|i| &i.reference) != new.map(|i| &i.reference) {
            rows.push(vec![service.to_string(), show(now), show(new)]);
        }
    }
    for row in &mut rows {
        if row[1] == row[2] {
            row[2] = "(stays)".into();
        }
    }
    paper.table(&["", "CURRENT", "NEW"], rows);
}

fn short(id: &str) -> String {
    id.chars().take("sha256:".len() + 12).collect()
}

fn diff(paper: &mut Paper, diff: &str) {
    for line in diff.trim_end().split('\n') {
        let ink = match line.as_bytes().first() {
            Some(b'+') => Ink::Green,
            Some(b'-') => Ink::Red,
            Some(b'@') => Ink::Dim,
            _ => Ink::Plain,
        };
        // A tab of the file is no danger, and lines must stay where they are.
        paper.put(ink, &line.replace('\t', "    ")).end();
    }
}

fn steps(paper: &mut Paper, plan: &Plan, checks: &[Check]) {
    let outages = plan.outages();
    for (at, (step, outage)) in plan.steps.iter().zip(&outages).enumerate() {
        let mark = if *outage { "▼ " } else { "  " };
        paper
            .put(Ink::Yellow, mark)
            .put(
                Ink::Plain,
                &format!("{:>2}  {:<17}  ", at + 1, step.action.name()),
            )
            .put(Ink::Plain, &step.action.detail())
            .end();
    }
    paper.end();
    match (
        outages.iter().any(|down| *down),
        plan.expected_downtime_seconds,
    ) {
        (true, about) => {
            let about = seconds(about as f64);
            paper.line(&format!(
                "▼ services can be down here, together about {about}"
            ));
        }
        (false, _) => {
            paper.line("No service goes down.");
        }
    }
    let types: Vec<&str> = plan.fallback_types().iter().map(|t| t.as_str()).collect();
    if !types.is_empty() {
        let (old, types) = (&plan.before.instance_type, types.join(", then "));
        paper.line(&format!(
            "If going back finds no capacity at {old} either, the services go up on {types}."
        ));
    }
    if !plan.undo_on_failure {
        paper
            .put(
                Ink::Yellow,
                "A failure is not undone (--no-rollback): it pauses.",
            )
            .end();
    }
    // What a check warns of is said below, with its help.
    let of_a_check = |warning: &str| {
        let mut warn = checks.iter().filter(|c| c.status == CheckStatus::Warn);
        warn.any(|check| check.message == warning)
    };
    for warning in plan.warnings.iter().filter(|w| !of_a_check(w)) {
        paper.block("! ", Ink::Yellow, warning);
    }
}
