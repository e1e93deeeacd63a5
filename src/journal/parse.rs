//! Journal text to lines, and back. Pure; the path is only for the errors.

use std::path::Path;

use super::entry::{Entry, JOURNAL_SCHEMA, Line, Redo};
use crate::plan::{PLAN_SCHEMA, Plan};
use crate::state::{StateError, check_schema};

/// What a journal says.
#[derive(Debug)]
pub(super) struct Parsed {
    /// Its lines.
    pub(super) lines: Vec<Line>,
    /// Where the last whole line ends, in bytes; what follows was torn by a crash.
    pub(super) end: usize,
}

/// One line with its line end.
pub(super) fn to_text(line: &Line) -> String {
    let mut text = serde_json::to_string(line).expect("maps with text keys");
    text.push('\n');
    text
}

/// Reads a journal. A last line without its line end, or that is no JSON, was torn by a crash: what it
/// announces was not begun, for that waits until the line is synced.
pub(super) fn parse(file: &Path, bytes: &[u8]) -> Result<Parsed, StateError> {
    let mut parsed = Parsed {
        lines: Vec::new(),
        end: 0,
    };
    let whole = bytes
        .iter()
        .rposition(|b| *b == b'\n')
        .map_or(0, |at| at + 1);
    for (at, text) in bytes[..whole].split_inclusive(|b| *b == b'\n').enumerate() {
        let number = at + 1;
        let last = parsed.end + text.len() == bytes.len();
        let line = match serde_json::from_slice::<serde_json::Value>(text) {
            Err(_) if last && at > 0 => break,
            Err(e) => return Err(bad(file, number, &e)),
            // Valid JSON is no torn line, also at the end: this version does not understand it.
            Ok(value) => {
                if at == 0 {
                    check_first(file, &value)?;
                }
                serde_json::from_slice::<Line>(text).map_err(|e| bad(file, number, &e))?
            }
        };
        check_line(file, number, &line, parsed.lines.first())?;
        parsed.lines.push(line);
        parsed.end += text.len();
    }
    if parsed.lines.is_empty() {
        return Err(StateError::damaged(
            file,
            1,
            1,
            "found no whole line, expected the plan in the first; nothing was done under it, move its folder away",
        ));
    }
    Ok(parsed)
}

fn bad(file: &Path, line: usize, e: &serde_json::Error) -> StateError {
    let problem = e.to_string();
    let problem = problem.split(" at line ").next().unwrap_or_default();
    StateError::damaged(file, line, e.column().max(1), problem)
}

/// The schemas stand in the first line: they are looked at before the rest of it must make sense.
fn check_first(file: &Path, first: &serde_json::Value) -> Result<(), StateError> {
    let text = |at: &str| first.pointer(at).and_then(serde_json::Value::as_str);
    check_schema(file, 1, text("/schema"), JOURNAL_SCHEMA)?;
    check_schema(file, 1, text("/plan/schema"), PLAN_SCHEMA)
}

/// Whether the line fits the plan of the first: a step that is not in it must not be looked up.
fn check_line(
    file: &Path,
    number: usize,
    line: &Line,
    first: Option<&Line>,
) -> Result<(), StateError> {
    let bad = |problem: String| Err(StateError::damaged(file, number, 1, problem));
    let plan: &Plan = match (first.map(|l| &l.entry), &line.entry) {
        (None, Entry::Opened { .. }) => return Ok(()),
        (None, _) => return bad("found another entry, expected 'opened' in the first line".into()),
        (Some(_), Entry::Opened { .. }) => {
            return bad("found 'opened' again, expected it in the first line only".into());
        }
        (Some(Entry::Opened { plan, .. }), _) => plan,
        (Some(_), _) => return Ok(()),
    };
    if let Entry::Resumed { redo, .. } = &line.entry {
        let known = |r: &Redo| {
            let step = plan.steps.get(r.step);
            step.is_some_and(|s| r.part.is_none_or(|part| part < s.undo.len()))
        };
        return match redo.iter().find(|r| !known(r)) {
            Some(r) => bad(format!("found {r:?}, expected a step of the plan")),
            None => Ok(()),
        };
    }
    let (kind, at, of) = match &line.entry {
        Entry::Started { step } | Entry::Done { step, .. } | Entry::Failed { step, .. } => {
            ("step", *step, plan.steps.len())
        }
        Entry::UndoStarted { step, .. }
        | Entry::UndoDone { step, .. }
        | Entry::UndoDeferred { step, .. }
        | Entry::UndoFailed { step, .. }
            if *step >= plan.steps.len() =>
        {
            ("step", *step, plan.steps.len())
        }
        Entry::UndoStarted { step, part }
        | Entry::UndoDone { step, part, .. }
        | Entry::UndoDeferred { step, part, .. }
        | Entry::UndoFailed { step, part, .. } => {
            ("part of an undo", *part, plan.steps[*step].undo.len())
        }
        Entry::ConfirmStarted { step }
        | Entry::ConfirmDone { step, .. }
        | Entry::ConfirmFailed { step, .. } => ("check", *step, plan.after_undo.len()),
        Entry::Opened { .. }
        | Entry::Observed { .. }
        | Entry::Accepted { .. }
        | Entry::Paused { .. }
        | Entry::Resumed { .. }
        | Entry::Closed { .. } => return Ok(()),
    };
    if at < of {
        Ok(())
    } else {
        bad(format!(
            "found {kind} {at}, expected less than {of}, as the plan says"
        ))
    }
}
