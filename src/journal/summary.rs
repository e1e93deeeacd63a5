//! What a journal tells about its operation, for reports and history. Pure.

use std::collections::BTreeMap;

use super::entry::{Entry, Failure, Line};
use super::next::{Next, next};
use crate::model::{OperationId, Outcome, SnapshotId, Timestamp};
use crate::plan::{Action, Plan, StackState};
use crate::report::{Addresses, ChangeData, StateData, StepData, StepStatus, Verified};

/// An operation, told from its journal.
#[derive(Debug, Clone, PartialEq)]
pub struct Summary<'j> {
    /// Its id.
    pub operation: &'j OperationId,
    /// Its plan.
    pub plan: &'j Plan,
    /// How it ended; how it would end if nothing more were done, where it is not closed.
    pub outcome: Outcome,
    /// Whether its journal has its last line.
    pub closed: bool,
    /// The time of the first line.
    pub started_at: Timestamp,
    /// From the first line to the last, in seconds.
    pub duration_seconds: f64,
    /// How long services were down, in seconds; see [`downtime`].
    pub downtime_seconds: f64,
    /// The steps of the plan.
    pub steps: Vec<StepData>,
    /// The plan's warnings and what the steps added, each once.
    pub warnings: Vec<String>,
    /// The snapshot of the state before, where it was written or is used again.
    pub snapshot: Option<&'j SnapshotId>,
    /// The last step that failed: why it was undone, or stopped.
    pub cause: Option<&'j Failure>,
    /// The last failure of any kind: for a stuck operation the undo's, for a paused one the pause's.
    pub failure: Option<&'j Failure>,
    /// What was read back at the end; None where something was changed again after that.
    pub verified: Option<&'j serde_json::Value>,
}

impl<'j> Summary<'j> {
    /// Tells it; None where the lines do not begin with a plan.
    pub fn of(lines: &'j [Line]) -> Option<Self> {
        let (first, last) = (lines.first()?, lines.last()?);
        let Entry::Opened {
            operation, plan, ..
        } = &first.entry
        else {
            return None;
        };
        let closed = lines
            .iter()
            .any(|l| matches!(l.entry, Entry::Closed { .. }));
        let outcome = match next(plan, lines.iter().map(|l| &l.entry)) {
            Next::Finished(outcome) => outcome,
            // Cut off: `resume` goes on.
            Next::Run(_) | Next::Undo { .. } | Next::Confirm(_) => Outcome::Paused,
        };
        Some(Self {
            operation,
            plan,
            outcome,
            closed,
            started_at: first.at,
            duration_seconds: seconds(first.at, last.at),
            downtime_seconds: downtime(plan, lines),
            steps: steps(plan, lines),
            warnings: warnings(plan, lines),
            snapshot: snapshot(plan, lines, outcome),
            cause: lines.iter().rev().find_map(|l| match &l.entry {
                Entry::Failed { failure, .. } => Some(failure),
                _ => None,
            }),
            failure: lines.iter().rev().find_map(|l| match &l.entry {
                Entry::Failed { failure, .. }
                | Entry::UndoFailed { failure, .. }
                | Entry::ConfirmFailed { failure, .. }
                | Entry::Paused { failure } => Some(failure),
                _ => None,
            }),
            verified: verified(plan, lines),
        })
    }

    /// `update` or `rollback`.
    pub fn kind(&self) -> &'static str {
        self.plan.purpose.name()
    }

    /// Whether what was asked for is so.
    pub fn success(&self) -> bool {
        matches!(self.outcome, Outcome::Updated | Outcome::RolledBackAsAsked)
    }

    /// Whether it was closed on what is there (`resume --accept`).
    pub fn accepted(&self) -> bool {
        self.outcome == Outcome::Done
    }

    /// `data` of `update`, `rollback` and `resume`.
    pub fn change_data(&self) -> ChangeData {
        let verified: Option<Verified> = self
            .verified
            .and_then(|value| serde_json::from_value(value.clone()).ok());
        ChangeData {
            operation_id: Some(self.operation.to_string()),
            success: self.success() || self.accepted(),
            changes_applied: if self.success() {
                self.plan.changes.clone()
            } else {
                Vec::new()
            },
            previous_state: Some(state_data(&self.plan.before)),
            new_state: verified.as_ref().and_then(|v| {
                Some(StateData {
                    instance_type: v.instance_type.parse().ok()?,
                    images: v.images.clone().unwrap_or_default(),
                })
            }),
            snapshot_id: self.snapshot.map(ToString::to_string),
            steps: self.steps.clone(),
            addresses: Some(Addresses {
                before: self.plan.public_ip.clone(),
                after: verified.as_ref().and_then(|v| v.public_ip.clone()),
            }),
            verified,
            // By the region, which no journal names.
            cost: None,
            downtime_seconds: self.downtime_seconds,
            duration_seconds: self.duration_seconds,
            warnings: self.warnings.clone(),
            plan: None,
        }
    }
}

fn state_data(state: &StackState) -> StateData {
    StateData {
        instance_type: state.instance_type.clone(),
        images: state.images.clone(),
    }
}

/// Rounded to milliseconds, and never negative: the wall clock can be set back.
fn seconds(from: Timestamp, to: Timestamp) -> f64 {
    (to.duration_since(from).as_millis().max(0) as f64) / 1000.0
}

/// How long services were down, in seconds: from the first effect that takes one down to when all were first
/// seen green after the last such effect, or to the last line where they were not. A step that found its
/// work done took nothing down.
pub fn downtime(plan: &Plan, lines: &[Line]) -> f64 {
    let mut first: Option<Timestamp> = None;
    let mut green: Option<Timestamp> = None;
    for (at, line) in lines.iter().enumerate() {
        match &line.entry {
            entry
                if begun(plan, entry).is_some_and(Action::takes_down)
                    && !was_so(&lines[at + 1..], entry) =>
            {
                first.get_or_insert(line.at);
                green = None;
            }
            Entry::Done { step, evidence } if verifies(&plan.steps[*step].action) => {
                green = evidence.green_at.or(green);
            }
            Entry::ConfirmDone { step, evidence } if verifies(&plan.after_undo[*step].action) => {
                green = evidence.green_at.or(green);
            }
            _ => {}
        }
    }
    match (first, green.or(lines.last().map(|l| l.at))) {
        (Some(first), Some(up)) => seconds(first, up),
        _ => 0.0,
    }
}

fn verifies(action: &Action) -> bool {
    matches!(action, Action::VerifyHealth(_))
}

/// What is performed from this entry on, in whichever direction.
fn begun<'p>(plan: &'p Plan, entry: &Entry) -> Option<&'p Action> {
    match entry {
        Entry::Started { step } => Some(&plan.steps[*step].action),
        Entry::UndoStarted { step, part } => Some(&plan.steps[*step].undo[*part].action),
        _ => None,
    }
}

fn verified<'j>(plan: &Plan, lines: &'j [Line]) -> Option<&'j serde_json::Value> {
    let mut verified = None;
    for line in lines {
        if begun(plan, &line.entry).is_some_and(Action::changes) {
            verified = None;
        }
        verified = match &line.entry {
            // Also where there is nothing any more to read back.
            Entry::Accepted { verified, .. } => verified.as_ref(),
            entry => entry
                .evidence()
                .and_then(|e| e.verified.as_ref())
                .or(verified),
        };
    }
    verified
}

/// Whether what was started turned out to be so already. One that was cut off and then found done had its
/// effect.
fn was_so(after: &[Line], started: &Entry) -> bool {
    match (started, after.first().map(|l| &l.entry)) {
        (Entry::Started { step: a }, Some(Entry::Done { step: b, evidence })) => {
            a == b && evidence.already
        }
        (
            Entry::UndoStarted { step: a, part: p },
            Some(Entry::UndoDone {
                step: b,
                part: q,
                evidence,
            }),
        ) => (a, p) == (b, q) && evidence.already,
        _ => false,
    }
}

/// What is known of one step.
#[derive(Default)]
struct Track {
    attempts: usize,
    since: Option<Timestamp>,
    seconds: f64,
    ended: Option<StepStatus>,
    undone: BTreeMap<usize, bool>,
}

fn steps(plan: &Plan, lines: &[Line]) -> Vec<StepData> {
    let mut tracks: Vec<Track> = plan.steps.iter().map(|_| Track::default()).collect();
    for line in lines {
        match &line.entry {
            Entry::Started { step } => {
                tracks[*step].attempts += 1;
                tracks[*step].since = Some(line.at);
                tracks[*step].ended = None;
            }
            Entry::Done { step, evidence } => {
                let track = &mut tracks[*step];
                // Found done on the second attempt: the first one had done it.
                let status = if evidence.already && track.attempts <= 1 {
                    StepStatus::Already
                } else {
                    StepStatus::Done
                };
                track.end(line.at, status);
            }
            Entry::Failed { step, .. } => tracks[*step].end(line.at, StepStatus::Failed),
            Entry::Paused { .. } => {
                for track in tracks.iter_mut().filter(|t| t.since.is_some()) {
                    track.end(line.at, StepStatus::Failed);
                }
            }
            // How long it went on before it was cut off, nobody knows.
            Entry::Resumed { .. } => tracks.iter_mut().for_each(|t| t.since = None),
            // That another type was found does not mean that the step was taken back.
            Entry::UndoDone { step, part, .. }
                if plan.steps[*step].undo[*part].fallback.is_none() =>
            {
                tracks[*step].undone.insert(*part, true);
            }
            Entry::UndoFailed { step, part, .. } => {
                tracks[*step].undone.insert(*part, false);
            }
            _ => {}
        }
    }
    plan.steps
        .iter()
        .zip(tracks)
        .map(|(step, track)| StepData {
            name: step.action.name(),
            on: step.on.clone(),
            status: track.status(step.undo.iter().filter(|p| p.fallback.is_none()).count()),
            seconds: track.seconds,
        })
        .collect()
}

impl Track {
    fn end(&mut self, at: Timestamp, status: StepStatus) {
        if let Some(since) = self.since.take() {
            self.seconds += seconds(since, at);
        }
        self.ended = Some(status);
    }

    fn status(&self, parts: usize) -> StepStatus {
        if self.undone.values().any(|done| !done) {
            return StepStatus::UndoFailed;
        }
        let undone = parts > 0 && self.undone.len() == parts;
        match self.ended {
            // It stays visible which step failed, also when what it left was taken back.
            Some(StepStatus::Failed) => StepStatus::Failed,
            _ if undone => StepStatus::Undone,
            Some(status) => status,
            // Begun and cut off.
            None if self.attempts > 0 => StepStatus::Failed,
            None => StepStatus::Planned,
        }
    }
}

fn warnings(plan: &Plan, lines: &[Line]) -> Vec<String> {
    let mut all: Vec<String> = Vec::new();
    let seen = lines.iter().flat_map(|line| match &line.entry {
        Entry::Resumed { notes, .. } => notes.as_slice(),
        Entry::Accepted { gave_up, .. } => gave_up.as_slice(),
        entry => entry.evidence().map_or(&[][..], |e| &e.warnings),
    });
    for warning in plan.warnings.iter().chain(seen) {
        if !all.contains(warning) {
            all.push(warning.clone());
        }
    }
    all
}

/// A refused operation removes the snapshot that it wrote, and not one that it used again.
fn snapshot<'j>(plan: &'j Plan, lines: &[Line], outcome: Outcome) -> Option<&'j SnapshotId> {
    lines.iter().find_map(|line| match &line.entry {
        Entry::Done { step, .. } => match &plan.steps[*step].action {
            Action::WriteSnapshot { snapshot, reuse } if *reuse || outcome != Outcome::Refused => {
                Some(snapshot)
            }
            _ => None,
        },
        _ => None,
    })
}

#[cfg(test)]
#[path = "summary_tests.rs"]
mod tests;
