//! The loop: what comes next is decided by the journal, done here, and written down. The only writer of
//! the journal.

use std::sync::atomic::{AtomicU32, AtomicU64};

use super::failure::fails;
use super::guard::still_armed;
use super::perform::Performer;
use super::prepare::expiry;
use super::world::World;
use crate::journal::{
    Entry, Evidence, Failure, FailureClass, Heed, Line, Next, can_defer, comes_again, committed,
    heed, next,
};
use crate::model::{Deployment, OperationId, Outcome, RestoreState};
use crate::plan::{Action, CheckStatus, Plan, Step};
use crate::report::{EVENT_SCHEMA, Event, EventKind, Phase, StepStatus};
use crate::snapshot::Snapshot;

/// Where entries go. `append` returns only when the entry would survive a loss of power.
pub trait Recorder: Send {
    /// Writes one line.
    ///
    /// # Errors
    /// A failure of class `Pauses`: without a memory nothing may be done.
    fn append(&mut self, line: &Line) -> Result<(), Failure>;
}

/// An operation that is under way.
pub struct Operation<'w> {
    /// What it acts on.
    pub world: &'w World,
    /// Who it is about.
    pub deployment: &'w Deployment,
    /// Its id.
    pub id: OperationId,
    /// The fencing number of its lock.
    pub fence: u64,
    /// Everything written so far, the first line included.
    pub lines: Vec<Line>,
    /// Where entries go.
    pub recorder: &'w mut dyn Recorder,
    /// The state before, to be written by `write_snapshot`.
    pub snapshot: Option<Snapshot>,
}

impl Operation<'_> {
    /// Goes on until nothing comes next. The outcome `paused` or `stuck` leaves the operation open; `locked`
    /// says that somebody took over, and nothing may be written any more.
    pub async fn drive(&mut self, plan: &Plan) -> Outcome {
        let mut said_undo = false;
        loop {
            if self.world.guard.before_entry().await.is_err() {
                return Outcome::Locked;
            }
            let entries = self.lines.iter().map(|l| &l.entry);
            let (step, phase, number, of) = match next(plan, entries) {
                Next::Finished(outcome) => return outcome,
                Next::Run(i) => (&plan.steps[i], Place::Run(i), i + 1, plan.steps.len()),
                Next::Undo { step, part } => {
                    if !said_undo {
                        said_undo = true;
                        self.emit(EventKind::UndoStarted {
                            reason: self.reason(),
                        });
                    }
                    let (number, of) = self.undo_count(plan);
                    (
                        &plan.steps[step].undo[part],
                        Place::Undo(step, part),
                        number,
                        of,
                    )
                }
                Next::Confirm(i) => (
                    &plan.after_undo[i],
                    Place::Confirm(i),
                    i + 1,
                    plan.after_undo.len(),
                ),
            };
            let forward = matches!(phase, Place::Run(_));
            if forward && let Some(message) = self.is_interrupted(plan, step) {
                let failure = fails("interrupted", message);
                let _ = self.append(Entry::Paused {
                    failure: Failure {
                        class: FailureClass::Pauses,
                        ..failure
                    },
                });
                return Outcome::Paused;
            }
            if let Place::Run(i) = phase {
                self.warn_of_expiry(plan, i).await;
            }
            if let Err(failure) = self.one(plan, step, phase, number, of).await {
                if self.world.guard.lost().is_some() {
                    return Outcome::Locked;
                }
                // For the report alone: on disk there is no place for it.
                let (at, entry) = (self.world.clock.now(), Entry::Paused { failure });
                self.lines.push(Line { at, entry });
                return Outcome::Paused;
            }
        }
    }

    /// Whether an interrupt is heeded here, before this step: how it stands then.
    fn is_interrupted(&self, plan: &Plan, step: &Step) -> Option<String> {
        if !self.world.interrupted.is_asked() {
            return None;
        }
        match heed(plan, self.lines.iter().map(|l| &l.entry)) {
            Heed::Pause { changed: false } => {
                Some("interrupted before anything was changed".into())
            }
            Heed::Pause { changed: true } => Some(format!(
                "interrupted where nothing is down; {} is still to be done",
                step.action.name()
            )),
            Heed::GoOn { .. } | Heed::Undo { .. } => None,
        }
    }

    /// Before the first step that takes something down: credentials that may have become too old meanwhile.
    async fn warn_of_expiry(&self, plan: &Plan, at: usize) {
        let first = plan.steps.iter().position(|s| s.action.takes_down());
        if first == Some(at)
            && let Some(check) = expiry(self.world, plan, at).await
            && check.status == CheckStatus::Warn
        {
            let message = format!("{} ({}; {})", check.message, check.found, check.help);
            self.emit(EventKind::Warning { message });
        }
    }

    /// Right before the first step that takes something down: is what was reserved still held?
    async fn warn_of_capacity(&self, plan: &Plan, step: &Step, place: Place) -> Vec<String> {
        let first = plan.steps.iter().position(|s| s.action.takes_down());
        let begun = |at: usize| {
            let mut entries = self.lines.iter().map(|l| &l.entry);
            entries.any(|e| matches!(e, Entry::Started { step } if *step == at))
        };
        match place {
            Place::Run(at) if first == Some(at) && !begun(at) => {}
            _ => return Vec::new(),
        }
        let not_held = self.performer(plan, place).not_held(&step.on).await;
        for message in &not_held {
            let message = message.clone();
            self.emit(EventKind::Warning { message });
        }
        not_held
    }

    /// Says what an interrupt does in this step.
    fn stand(&self, plan: &Plan, step: &'static str) {
        let World {
            interrupted,
            listener,
            ..
        } = self.world;
        let entries = || self.lines.iter().map(|l| &l.entry);
        let heed = heed(plan, entries());
        let name = &self.deployment.name;
        // Behind the last health check nothing is undone.
        let help = match committed(plan, entries()) {
            true => vec![format!(
                "geusemaker resume {name}    # goes on to its end; then geusemaker rollback {name} goes back"
            )],
            false => Vec::new(),
        };
        interrupted.stand(&self.id, listener, plan, &heed, step, help);
    }

    /// One step, from the entry before to the entry after. `Err`: it could not be written down.
    async fn one(
        &mut self,
        plan: &Plan,
        step: &Step,
        place: Place,
        number: usize,
        of: usize,
    ) -> Result<(), Failure> {
        let name = step.action.name();
        let not_held = self.warn_of_capacity(plan, step, place).await;
        self.append(place.started())?;
        self.stand(plan, name);
        let began = self.world.clock.now();
        self.emit(EventKind::StepStarted {
            step: name,
            on: step.on.clone(),
            detail: step.action.detail(),
            phase: place.phase(),
            number,
            of,
        });
        let result = self.performer(plan, place).perform(step).await;
        let (mut entry, status, message) = self.judge(plan, step, place, result);
        match &mut entry {
            Entry::Done { evidence, .. } => evidence.warnings.extend(not_held),
            Entry::Failed { failure, .. } => failure.causes.extend(not_held),
            _ => {}
        }
        self.world.guard.before_entry().await?;
        self.append(entry)?;
        let seconds =
            (self.world.clock.now().as_millisecond() - began.as_millisecond()) as f64 / 1000.0;
        self.emit(EventKind::StepFinished {
            step: name,
            on: step.on.clone(),
            phase: place.phase(),
            status,
            seconds,
            message,
        });
        Ok(())
    }

    /// Lets go of the host, outside of any step: the restart policies as they were, and no way back any more.
    ///
    /// # Errors
    /// When it could not be told.
    pub(super) async fn let_go(&self, plan: &Plan, armed: &RestoreState) -> Result<(), Failure> {
        let on = &self.deployment.instance_id;
        let performer = self.performer(plan, Place::Confirm(0));
        let began = |l: &Line| match l.entry {
            Entry::Started { step } => Some(&plan.steps[step]),
            Entry::UndoStarted { step, part } => Some(&plan.steps[step].undo[part]),
            _ => None,
        };
        let mut begun = self.lines.iter().filter_map(began);
        let policies = match begun.any(|s| matches!(s.action, Action::Quiesce { .. })) {
            true => performer.put_policies(on).await,
            false => Ok(()),
        };
        if armed.operation() == Some(&self.id) {
            let told = performer.commit(on).await.map_err(|f| Failure {
                message: still_armed(&f.message),
                ..f
            })?;
            if let Some(warning) = told.warnings.into_iter().next() {
                return Err(fails("not_disarmed", warning));
            }
        }
        policies
    }

    /// For what is done when nothing comes next.
    pub(super) fn at_the_end<'a>(&'a self, plan: &'a Plan) -> Performer<'a> {
        self.performer(plan, Place::Confirm(0))
    }

    fn performer<'a>(&'a self, plan: &'a Plan, place: Place) -> Performer<'a> {
        // Each perform has numbers of its own: a later one is always higher, also after a resume.
        let performs = self
            .lines
            .iter()
            .filter(|l| l.entry.starts_something())
            .count() as u64;
        Performer {
            world: self.world,
            plan,
            deployment: self.deployment,
            operation: &self.id,
            fence: self.fence,
            seq: AtomicU64::new(performs * 1000),
            pauses: AtomicU32::new(0),
            lines: &self.lines,
            snapshot: self.snapshot.as_ref(),
            forward: matches!(place, Place::Run(_)),
        }
    }

    /// What a result means, in this place.
    fn judge(
        &self,
        plan: &Plan,
        step: &Step,
        place: Place,
        result: Result<Evidence, Failure>,
    ) -> (Entry, StepStatus, Option<String>) {
        let failure = match result {
            Ok(evidence) => {
                for message in &evidence.warnings {
                    self.emit(EventKind::Warning {
                        message: message.clone(),
                    });
                }
                let status = match (place, evidence.already) {
                    (Place::Undo(..), _) => StepStatus::Undone,
                    (_, true) => StepStatus::Already,
                    (_, false) => StepStatus::Done,
                };
                return (place.done(evidence), status, None);
            }
            Err(failure) => failure,
        };
        let message = Some(failure.message.clone());
        if failure.class == FailureClass::Pauses {
            return (Entry::Paused { failure }, StepStatus::Failed, message);
        }
        match place {
            Place::Run(step) => (Entry::Failed { step, failure }, StepStatus::Failed, message),
            Place::Confirm(step) => (
                Entry::ConfirmFailed { step, failure },
                StepStatus::Failed,
                message,
            ),
            Place::Undo(at, part) => {
                let entries = self.lines.iter().map(|l| &l.entry);
                if matches!(
                    step.action,
                    Action::Quiesce {
                        best_effort: true,
                        ..
                    }
                ) {
                    let warning = format!("not stopped in good order: {}", failure.message);
                    (place.done(warns(warning)), StepStatus::Undone, message)
                } else if failure.class == FailureClass::HostUnreachable
                    && can_defer(plan, entries, (at, part))
                {
                    (
                        Entry::UndoDeferred {
                            step: at,
                            part,
                            failure,
                        },
                        StepStatus::Planned,
                        message,
                    )
                } else if failure.class != FailureClass::HostUnreachable
                    && comes_again(plan, self.lines.iter().map(|l| &l.entry), (at, part))
                {
                    // Stuck here, all would stay down, and at the new type.
                    let warning = format!(
                        "tried again when the containers are started: {}",
                        failure.message
                    );
                    (place.done(warns(warning)), StepStatus::Undone, message)
                } else {
                    (
                        Entry::UndoFailed {
                            step: at,
                            part,
                            failure,
                        },
                        StepStatus::UndoFailed,
                        message,
                    )
                }
            }
        }
    }

    /// Writes an entry: to disk first, then into memory.
    ///
    /// # Errors
    /// When it cannot be written.
    pub fn append(&mut self, entry: Entry) -> Result<(), Failure> {
        let line = Line {
            at: self.world.clock.now(),
            entry,
        };
        self.recorder.append(&line)?;
        self.lines.push(line);
        Ok(())
    }

    /// Tells the listener.
    pub fn emit(&self, kind: EventKind) {
        let event = Event {
            schema: EVENT_SCHEMA,
            at: self.world.clock.now(),
            operation_id: self.id.clone(),
            kind,
        };
        self.world.listener.event(&event);
    }

    fn reason(&self) -> String {
        self.lines
            .iter()
            .rev()
            .find_map(|l| match &l.entry {
                Entry::Failed { failure, .. } => Some(failure.message.clone()),
                Entry::Resumed { unwind: true, .. } => Some("asked to go back".into()),
                _ => None,
            })
            .unwrap_or_default()
    }

    fn undo_count(&self, plan: &Plan) -> (usize, usize) {
        let started: std::collections::BTreeSet<usize> = self
            .lines
            .iter()
            .filter_map(|l| match l.entry {
                Entry::Started { step } => Some(step),
                _ => None,
            })
            .collect();
        let counts = |i: &usize| {
            let parts = plan.steps[*i].undo.iter();
            parts.filter(|part| part.fallback.is_none()).count()
        };
        let of: usize = started.iter().map(counts).sum();
        let done = self
            .lines
            .iter()
            .filter(|l| matches!(l.entry, Entry::UndoDone { .. }))
            .count();
        // Another type that is tried is one more.
        (done + 1, of.max(done + 1))
    }
}

/// Where in the plan a step stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Place {
    Run(usize),
    Undo(usize, usize),
    Confirm(usize),
}

impl Place {
    fn phase(self) -> Phase {
        match self {
            Place::Run(_) => Phase::Forward,
            Place::Undo(..) => Phase::Undo,
            Place::Confirm(_) => Phase::Confirm,
        }
    }

    fn started(self) -> Entry {
        match self {
            Place::Run(step) => Entry::Started { step },
            Place::Undo(step, part) => Entry::UndoStarted { step, part },
            Place::Confirm(step) => Entry::ConfirmStarted { step },
        }
    }

    fn done(self, evidence: Evidence) -> Entry {
        match self {
            Place::Run(step) => Entry::Done { step, evidence },
            Place::Undo(step, part) => Entry::UndoDone {
                step,
                part,
                evidence,
            },
            Place::Confirm(step) => Entry::ConfirmDone { step, evidence },
        }
    }
}

/// What is done, but for what this says.
fn warns(warning: String) -> Evidence {
    Evidence {
        warnings: vec![warning],
        ..Evidence::default()
    }
}
