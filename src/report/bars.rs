//! Progress as bars on a terminal. The only file that uses `indicatif`.

use std::time::Duration;

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

use super::event::{Event, EventKind, Listener, StepStatus};
use super::paper::{Ink, Paper};
use super::{plain, text};

/// One line that moves, with the steps that ended above it. Drawn on stderr, and only on a terminal.
pub struct Bars {
    bar: ProgressBar,
    color: bool,
}

impl Bars {
    /// A bar that is not yet drawn.
    pub fn new(color: bool) -> Self {
        Self::on(ProgressDrawTarget::stderr(), color)
    }

    fn on(target: ProgressDrawTarget, color: bool) -> Self {
        let bar = ProgressBar::with_draw_target(Some(1), target);
        let template = "{spinner} {prefix} {wide_msg} {elapsed}";
        bar.set_style(ProgressStyle::with_template(template).expect("a constant that parses"));
        Self { bar, color }
    }

    fn above(&self, ink: Ink, mark: &str, line: &str) {
        let mut paper = Paper::new();
        paper
            .put(ink, mark)
            .put(Ink::Plain, " ")
            .put(Ink::Plain, line);
        self.bar.println(paper.render(self.color));
    }

    /// Progress is data of elsewhere: escaped, as everything.
    fn now(&self, line: &str) {
        self.bar.set_message(super::escape::line(line).into_owned());
    }
}

impl Listener for Bars {
    fn event(&self, event: &Event) {
        match &event.kind {
            EventKind::OperationStarted { steps, .. } => {
                self.bar.set_length(*steps as u64);
                self.bar.enable_steady_tick(Duration::from_millis(100));
            }
            EventKind::StepStarted {
                step,
                detail,
                phase,
                number,
                of,
                ..
            } => {
                self.bar.reset_elapsed();
                let way = plain::direction(*phase);
                self.bar.set_prefix(format!("{way}[{number}/{of}] {step}"));
                self.now(detail);
            }
            EventKind::StepProgress { message, .. } => self.now(message),
            EventKind::StepFinished {
                step,
                phase,
                status,
                seconds,
                message,
                ..
            } => {
                let (ink, mark) = match status {
                    StepStatus::Done | StepStatus::Already => (Ink::Green, "✓"),
                    StepStatus::Undone => (Ink::Yellow, "↩"),
                    StepStatus::Failed | StepStatus::UndoFailed => (Ink::Red, "✗"),
                    StepStatus::Planned => (Ink::Dim, "·"),
                };
                let ended = plain::ended(*phase, *status);
                let why = message
                    .as_ref()
                    .map(|why| format!(": {why}"))
                    .unwrap_or_default();
                let line = format!("{step} {ended} in {}{why}", text::seconds(*seconds));
                self.above(ink, mark, &line);
            }
            EventKind::Warning { message } => self.above(Ink::Yellow, "!", message),
            EventKind::Waiting { message } => self.above(Ink::Yellow, "…", message),
            EventKind::UndoStarted { reason } => {
                self.above(
                    Ink::Yellow,
                    "↩",
                    &format!("taking back what was done: {reason}"),
                );
            }
            EventKind::OperationFinished { .. } => self.bar.finish_and_clear(),
        }
    }

    fn leave(&self) {
        self.bar.finish_and_clear();
    }
}

impl Drop for Bars {
    fn drop(&mut self) {
        // An operation that ends without its last event leaves no half-drawn line.
        self.bar.finish_and_clear();
    }
}
