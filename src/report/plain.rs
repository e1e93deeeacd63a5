//! Progress as plain lines: for logs of CI, pipes, and people who scroll back.

use std::io::Write;
use std::sync::Mutex;

use jiff::SignedDuration;

use super::event::{Event, EventKind, Listener, Phase, StepStatus};
use super::{escape, text};
use crate::model::Timestamp;

/// What is seen while a step goes on is said when nothing else was for so long: a line a poll would bury the rest.
pub(super) const SILENCE: SignedDuration = SignedDuration::from_secs(5);

/// One line an event.
pub struct Plain<W>(Mutex<State<W>>);

struct State<W> {
    to: W,
    last: Option<Timestamp>,
}

impl<W: Write + Send> Plain<W> {
    /// Onto this stream. A stream that is closed is ignored.
    pub fn new(to: W) -> Self {
        Self(Mutex::new(State { to, last: None }))
    }
}

impl<W: Write + Send> Listener for Plain<W> {
    fn event(&self, event: &Event) {
        let Some(line) = line(&event.kind) else {
            return;
        };
        let mut state = self
            .0
            .lock()
            .unwrap_or_else(|poisoned| poisoned.into_inner());
        let silent = |last: Timestamp| event.at.duration_since(last) >= SILENCE;
        if matches!(event.kind, EventKind::StepProgress { .. }) && !state.last.is_none_or(silent) {
            return;
        }
        state.last = Some(event.at);
        // One write a line, so that lines of others do not run into it.
        let _ = state
            .to
            .write_all(format!("{}\n", escape::line(&line)).as_bytes());
        let _ = state.to.flush();
    }
}

/// What is said of an event, on one line; some are not worth one.
pub(super) fn line(kind: &EventKind) -> Option<String> {
    Some(match kind {
        EventKind::OperationStarted { .. } | EventKind::OperationFinished { .. } => return None,
        EventKind::StepStarted {
            step,
            detail,
            phase,
            number,
            of,
            ..
        } => format!("{}[{number}/{of}] {step}: {detail}", direction(*phase)),
        EventKind::StepProgress { step, message, .. } => format!("  {step}: {message}"),
        EventKind::StepFinished {
            step,
            phase,
            status,
            seconds,
            message,
            ..
        } => {
            let why = message
                .as_ref()
                .map(|why| format!(": {why}"))
                .unwrap_or_default();
            format!(
                "  {step} {} in {}{why}",
                ended(*phase, *status),
                text::seconds(*seconds)
            )
        }
        EventKind::Warning { message } => format!("warning: {message}"),
        EventKind::Waiting { message } => message.clone(),
        EventKind::UndoStarted { reason } => format!("taking back what was done: {reason}"),
    })
}

/// The direction, where it is not forward.
pub(super) fn direction(phase: Phase) -> &'static str {
    match phase {
        Phase::Forward => "",
        Phase::Undo => "undo ",
        Phase::Confirm => "confirm ",
    }
}

/// How it ended, in words.
pub(super) fn ended(phase: Phase, status: StepStatus) -> &'static str {
    match (phase, status) {
        (_, StepStatus::Done) if phase == Phase::Confirm => "confirmed",
        (_, StepStatus::Done) => "done",
        (_, StepStatus::Already) => "was so already",
        (_, StepStatus::Failed) => "failed",
        (_, StepStatus::Undone) => "undone",
        (_, StepStatus::UndoFailed) => "could not be undone",
        (_, StepStatus::Planned) => "not reached",
    }
}
