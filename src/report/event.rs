//! What happens during an operation, as one stream with many readers: text, bars, JSON, the log.

use serde::Serialize;

use crate::model::{InstanceId, OperationId, Outcome, Timestamp};

/// The schema of an event.
pub const EVENT_SCHEMA: &str = "geusemaker.event/1";

/// One event.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Event {
    /// `geusemaker.event/1`.
    pub schema: &'static str,
    /// When.
    pub at: Timestamp,
    /// The operation.
    pub operation_id: OperationId,
    /// What happened.
    #[serde(flatten)]
    pub kind: EventKind,
}

/// What happened.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(tag = "event", rename_all = "snake_case")]
pub enum EventKind {
    /// The journal is open; the first step comes next.
    OperationStarted {
        /// What is changed, one line each.
        changes: Vec<String>,
        /// How many steps there are.
        steps: usize,
    },
    /// A step begins.
    StepStarted {
        /// Its public name.
        step: &'static str,
        /// The instance.
        on: InstanceId,
        /// What it does, in words.
        detail: String,
        /// Which direction: `forward`, `undo` or `confirm`.
        phase: Phase,
        /// Its number, from 1, among the steps of this direction.
        number: usize,
        /// How many there are in this direction.
        of: usize,
    },
    /// Something to see while it goes on.
    StepProgress {
        /// Its public name.
        step: &'static str,
        /// What is seen.
        message: String,
        /// How much of it is done, of `total`, in `unit`, where it can be counted.
        #[serde(flatten)]
        count: Option<Count>,
    },
    /// A step ended.
    StepFinished {
        /// Its public name.
        step: &'static str,
        /// The instance.
        on: InstanceId,
        /// Which direction.
        phase: Phase,
        /// How it ended.
        status: StepStatus,
        /// How long it took.
        seconds: f64,
        /// Why it failed, where it did.
        #[serde(skip_serializing_if = "Option::is_none")]
        message: Option<String>,
    },
    /// Something a person should know.
    Warning {
        /// What.
        message: String,
    },
    /// Somebody else may hold the deployment; it is being found out.
    Waiting {
        /// What is waited for.
        message: String,
    },
    /// What was done is being taken back, because of this.
    UndoStarted {
        /// Why.
        reason: String,
    },
    /// The end.
    OperationFinished {
        /// How.
        outcome: Outcome,
    },
}

/// How far something is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct Count {
    /// So much is done.
    pub done: u64,
    /// So much there is to do.
    pub total: u64,
    /// Of what.
    pub unit: &'static str,
}

/// Which direction the operation goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Phase {
    /// Toward what is wanted.
    Forward,
    /// Back.
    Undo,
    /// Checking that it is as before.
    Confirm,
}

/// How a step ended (`steps[].status`).
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, Serialize, serde::Deserialize, schemars::JsonSchema,
)]
#[serde(rename_all = "snake_case")]
pub enum StepStatus {
    /// It was done.
    Done,
    /// It was so already.
    Already,
    /// It failed.
    Failed,
    /// It was done and taken back.
    Undone,
    /// It could not be taken back.
    UndoFailed,
    /// It was not reached.
    Planned,
}

/// A reader of events. Readers must not fail and not block for long.
pub trait Listener: Send + Sync {
    /// Takes one event.
    fn event(&self, event: &Event);

    /// The process ends at once, in the middle: what is drawn is taken away.
    fn leave(&self) {}
}

/// Nobody listens.
#[derive(Debug, Clone, Copy, Default)]
pub struct Silent;

impl Listener for Silent {
    fn event(&self, _event: &Event) {}
}
