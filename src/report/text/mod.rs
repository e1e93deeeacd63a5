//! Results for people.

mod change;
mod check;
mod look;
mod plan;
mod unlock;

pub use change::headline;
pub use check::drop_in;
pub use look::open_operation;
pub use plan::plan;

use super::print::{Body, Reply, Words};
use super::result::ErrorDocument;
use super::{Ink, Paper};
use crate::plan::{Check, CheckStatus};

/// What goes to stdout.
pub(super) fn reply(reply: &Reply, words: &Words) -> Paper {
    match &reply.body {
        // Of `logs` and `exec` the text went to stdout as it came.
        Body::None | Body::Value(_) | Body::Written | Body::Logs(_) | Body::Exec(_) => Paper::new(),
        Body::Change(data) => change::change(reply, data, words),
        Body::DryRun {
            data,
            ready: Some((ready, diff)),
        } => plan::dry_run(ready, data, diff),
        // Nothing differs, refused (said on stderr), or shown already and declined.
        Body::DryRun { data, ready: None } => plan::no_plan(reply, data),
        Body::Check(data) => check::check(reply, data),
        Body::Fix(data) => check::fix(data),
        Body::List(data) => look::list(data, words),
        Body::Status(data) => look::status(data, words),
        Body::History(data) => look::history(data),
        Body::Inspect(data) => look::inspect(data),
        Body::Adopt(data) => look::adopt(data, words),
        Body::Unlock(data) => unlock::unlock(reply, data),
        Body::Sandbox { data, only_faults } => look::sandbox(data, *only_faults),
        Body::Raw { text, .. } => {
            // Our own text: a completion script holds tabs, which are no danger but must stay.
            Paper::verbatim(text)
        }
    }
}

/// What goes to stderr.
pub(super) fn error(error: &ErrorDocument, body: &Body) -> Paper {
    let mut paper = Paper::new();
    paper.block("error: ", Ink::Red, &error.message);
    for cause in &error.causes {
        paper.block("  because: ", Ink::Dim, cause);
    }
    let checks = match body {
        Body::Change(data) => data.plan.as_ref().map(|plan| plan.checks.as_slice()),
        Body::DryRun { data, .. } => Some(data.checks.as_slice()),
        Body::Check(data) => Some(data.plan.checks.as_slice()),
        _ => None,
    };
    for check in checks.unwrap_or_default() {
        if check.status == CheckStatus::Refuse {
            refusal(&mut paper, check);
        }
    }
    for help in &error.help {
        paper.block("  help: ", Ink::Green, help);
    }
    paper
}

fn refusal(paper: &mut Paper, check: &Check) {
    paper
        .put(Ink::Red, "  ✗ ")
        .put(Ink::Bold, &check.name)
        .put(Ink::Plain, ": ");
    paper.line(&check.message);
    for (what, text) in [
        ("      found:    ", &check.found),
        ("      expected: ", &check.expected),
        ("      help:     ", &check.help),
    ] {
        if !text.is_empty() {
            paper.block(what, Ink::Dim, text);
        }
    }
}

/// Seconds for people: `0.2 s`, `20 s`, `2 min 5 s`.
pub fn seconds(seconds: f64) -> String {
    if seconds < 9.95 {
        format!("{:.1} s", seconds.max(0.0))
    } else if seconds < 59.5 {
        format!("{seconds:.0} s")
    } else {
        let whole = seconds.round() as u64;
        let (hours, minutes, seconds) = (whole / 3600, whole / 60 % 60, whole % 60);
        match (hours, minutes, seconds) {
            (0, minutes, 0) => format!("{minutes} min"),
            (0, minutes, seconds) => format!("{minutes} min {seconds} s"),
            (hours, 0, _) => format!("{hours} h"),
            (hours, minutes, _) => format!("{hours} h {minutes} min"),
        }
    }
}

#[cfg(test)]
mod tests {
    #[test]
    fn seconds_for_people() {
        for (seconds, expected) in [
            (0.0, "0.0 s"),
            (0.24, "0.2 s"),
            (9.96, "10 s"),
            (59.4, "59 s"),
            (59.6, "1 min"),
            (125.0, "2 min 5 s"),
            (3600.0, "1 h"),
            (3725.0, "1 h 2 min"),
        ] {
            assert_eq!(super::seconds(seconds), expected);
        }
    }
}
