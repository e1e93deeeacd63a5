//! `check` and `check --fix`, for people.

use super::super::print::Reply;
use super::super::views::{CheckData, FixData};
use super::super::{Ink, Paper};
use super::{plan, seconds};
use crate::model::Outcome;
use crate::plan::CheckStatus;

/// Every check, and what follows from them. What refuses stands on stderr, with what to do.
pub(super) fn check(reply: &Reply, data: &CheckData) -> Paper {
    let mut paper = Paper::new();
    for check in &data.plan.checks {
        match check.status {
            // Of the way back, what is fine is summed up below.
            CheckStatus::Ok if check.message.starts_with("rollback: ") => {}
            CheckStatus::Ok => {
                paper
                    .put(Ink::Green, "  ✓ ")
                    .put(Ink::Dim, &format!("{}: {}", check.name, check.message))
                    .end();
            }
            CheckStatus::Warn => plan::warning(&mut paper, check),
            CheckStatus::Refuse => {}
        }
    }
    if reply.outcome != Outcome::Done {
        return paper;
    }
    paper.end();
    for change in &data.plan.changes {
        paper.line(&format!("would change  {change}"));
    }
    match data.plan.expected_downtime_seconds {
        0 => {}
        down => {
            let down = seconds(down as f64);
            paper.line(&format!("services would be down for about {down}"));
        }
    }
    paper.put(Ink::Green, "An update could go ahead.").end();
    way_back(&mut paper, data);
    paper
}

fn way_back(paper: &mut Paper, data: &CheckData) {
    let (ink, text) = match (&data.rollback.snapshot_id, data.rollback.status) {
        (None, _) => (Ink::Dim, "There is nothing to roll back to yet.".to_owned()),
        (Some(id), Some(CheckStatus::Ok)) => {
            (Ink::Green, format!("A rollback to {id} could go ahead."))
        }
        (Some(id), _) => (
            Ink::Yellow,
            format!("A rollback to {id} could go ahead, with the warnings above."),
        ),
    };
    paper.put(ink, &text).end();
}

/// What would be done, before it is agreed to.
pub fn drop_in(data: &FixData) -> Paper {
    let mut paper = Paper::new();
    if !data.waits && !data.text.is_empty() {
        paper.heading(&data.file);
        paper.block("  ", Ink::Plain, &data.text);
    }
    if !data.images_held.is_empty() {
        paper.line(&format!("hold {}", images(data)));
    }
    paper
}

fn images(data: &FixData) -> String {
    let ids = data.images_held.iter();
    let short: Vec<&str> = ids.map(|id| &id.as_str()[..19]).collect();
    format!("the images {}", short.join(", "))
}

pub(super) fn fix(data: &FixData) -> Paper {
    let mut paper = Paper::new();
    let unit = &data.unit;
    if data.written {
        paper.put(Ink::Green, &format!("{} is written", data.file));
        paper.line(&format!("; Docker waits for {unit} at a boot."));
        paper.line("Docker was not restarted: it matters at the next boot.");
    } else if !unit.is_empty() {
        paper.line(&format!(
            "Docker waits for {unit} already; nothing was written."
        ));
    }
    if !data.images_held.is_empty() {
        paper.put(Ink::Green, &format!("Held: {}", images(data)));
        paper.line("; `docker image prune -a` leaves them.");
    }
    paper
}
