//! One line of the journal.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

use super::seen::Seen;
use crate::model::{
    DataSample, InstanceType, OperationId, Outcome, ReservationId, ServiceName, Sha256Id, Timestamp,
};
use crate::plan::{Boot, Check, Plan};

/// The schema of a journal, named in its first line.
pub const JOURNAL_SCHEMA: &str = "geusemaker.journal/1";

/// One line: when, and what.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, schemars::JsonSchema)]
pub struct Line {
    /// When it was written.
    pub at: Timestamp,
    /// What happened, or is about to.
    #[serde(flatten)]
    pub entry: Entry,
}

/// What happened. Each is synced to disk before the effect that it announces, and after the effect that
/// it records.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(tag = "entry", rename_all = "snake_case")]
pub enum Entry {
    /// The first line: the whole plan.
    Opened {
        /// `geusemaker.journal/1`.
        schema: String,
        /// The operation.
        operation: OperationId,
        /// The fencing number of its lock.
        fence: u64,
        /// The version of geusemaker that wrote the plan.
        version: String,
        /// The plan.
        plan: Box<Plan>,
    },
    /// A step is about to be performed.
    Started {
        /// Its place in `plan.steps`.
        step: usize,
    },
    /// A step is done, and what was seen.
    Done {
        /// Its place in `plan.steps`.
        step: usize,
        /// What was seen.
        evidence: Evidence,
    },
    /// A step failed.
    Failed {
        /// Its place in `plan.steps`.
        step: usize,
        /// Why.
        failure: Failure,
    },
    /// A part of a step's undo is about to be performed.
    UndoStarted {
        /// The place of the step in `plan.steps`.
        step: usize,
        /// The place of the part in the step's `undo`.
        part: usize,
    },
    /// It is done (or was best effort and could not be).
    UndoDone {
        /// The place of the step in `plan.steps`.
        step: usize,
        /// The place of the part in the step's `undo`.
        part: usize,
        /// What was seen.
        evidence: Evidence,
    },
    /// It needs the host, which does not answer: it moves behind the undo's next `await_host`.
    UndoDeferred {
        /// The place of the step in `plan.steps`.
        step: usize,
        /// The place of the part in the step's `undo`.
        part: usize,
        /// Why.
        failure: Failure,
    },
    /// It failed: a person is needed.
    UndoFailed {
        /// The place of the step in `plan.steps`.
        step: usize,
        /// The place of the part in the step's `undo`.
        part: usize,
        /// Why.
        failure: Failure,
    },
    /// A check that all is as before is about to be made.
    ConfirmStarted {
        /// Its place in `plan.after_undo`.
        step: usize,
    },
    /// It is as before.
    ConfirmDone {
        /// Its place in `plan.after_undo`.
        step: usize,
        /// What was seen.
        evidence: Evidence,
    },
    /// It is not as before.
    ConfirmFailed {
        /// Its place in `plan.after_undo`.
        step: usize,
        /// Why.
        failure: Failure,
    },
    /// Nothing can be expected to work now (credentials, network), or the user interrupted.
    Paused {
        /// Why.
        failure: Failure,
    },
    /// What `resume` saw, before it does anything.
    Observed {
        /// What was seen.
        seen: Box<Seen>,
    },
    /// `resume`: goes on.
    Resumed {
        /// True: everything is taken back (`--unwind`, or the host had gone back by itself).
        unwind: bool,
        /// The fencing number of the new lock.
        fence: u64,
        /// What was finished once and is not so any more: it is performed again.
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        redo: Vec<Redo>,
        /// What a person should know about it.
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        notes: Vec<String>,
    },
    /// `resume --accept`: the operation ends on what was observed.
    Accepted {
        /// What is not as the operation wanted it, and not as it was before.
        gave_up: Vec<String>,
        /// What was observed, in the form of what is read back at an end; None where the instance is gone.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        verified: Option<serde_json::Value>,
    },
    /// The last line.
    Closed {
        /// How it ended.
        outcome: Outcome,
    },
}

impl Entry {
    /// Whether it announces an effect.
    pub fn starts_something(&self) -> bool {
        matches!(
            self,
            Entry::Started { .. } | Entry::UndoStarted { .. } | Entry::ConfirmStarted { .. }
        )
    }

    /// What was seen, where it records that something was done.
    pub fn evidence(&self) -> Option<&Evidence> {
        match self {
            Entry::Done { evidence, .. }
            | Entry::UndoDone { evidence, .. }
            | Entry::ConfirmDone { evidence, .. } => Some(evidence),
            _ => None,
        }
    }
}

/// A step, or a part of its undo, that is performed again.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, schemars::JsonSchema,
)]
pub struct Redo {
    /// The place of the step in `plan.steps`.
    pub step: usize,
    /// The place of the part in the step's `undo`; None: the step itself.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub part: Option<usize>,
}

/// What was seen when a step was done.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, schemars::JsonSchema)]
pub struct Evidence {
    /// It was so before anything was done.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub already: bool,
    /// The boot that answered.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub boot: Option<Boot>,
    /// The images that references meant after the pull.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub pulled: BTreeMap<ServiceName, Pulled>,
    /// The images that are held on the host.
    #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
    pub held: BTreeSet<Sha256Id>,
    /// The services' data, as it was before the first change.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub data: Option<DataSample>,
    /// The capacity that is reserved for it.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub reserved: Vec<Reserved>,
    /// The reservations that reserve nothing any more.
    #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
    pub released: BTreeSet<ReservationId>,
    /// When every service was green first.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub green_at: Option<Timestamp>,
    /// What was read back at the end.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub verified: Option<serde_json::Value>,
    /// What a person should know.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub warnings: Vec<String>,
}

/// A capacity reservation.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
pub struct Reserved {
    /// Its id.
    pub id: ReservationId,
    /// Its type.
    pub instance_type: InstanceType,
    /// When EC2 ends it by itself, or up to an hour later.
    pub ends_at: Timestamp,
}

/// An image that is on the host now.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
pub struct Pulled {
    /// Its id.
    pub id: Sha256Id,
    /// The registry's digest for it, where there is one.
    pub digest: Option<Sha256Id>,
}

/// Why something failed: words for programs and for people.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
pub struct Failure {
    /// A stable word for programs, e.g. `insufficient_capacity`.
    pub code: String,
    /// One sentence.
    pub message: String,
    /// What lies under it, outermost first.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub causes: Vec<String>,
    /// What to do.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub help: Vec<String>,
    /// The checks that said no, where it is about checks.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub checks: Vec<Check>,
    /// The last lines of the containers that it is about. For the person who is there: they may hold anything, and are
    /// in no journal.
    #[serde(skip)]
    pub logs: Vec<String>,
    /// What it means for the operation.
    pub class: FailureClass,
}

/// What a failure means for the operation.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum FailureClass {
    /// The step failed: what was done is undone.
    Fails,
    /// The host does not answer. Forward it fails; in an undo it defers.
    HostUnreachable,
    /// Every call would fail (credentials, network): pause, undo nothing.
    Pauses,
}
