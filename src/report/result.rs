//! The result of a command: one document, printed as text, JSON or YAML.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::model::{DataCompared, InstanceId, InstanceType, Outcome, ServiceName};
use crate::plan::{Check, Plan, PlannedImage};

use super::cost::Cost;
use super::event::StepStatus;

/// The schema of a result document.
pub const RESULT_SCHEMA: &str = "geusemaker.result/1";

/// What a command ended with. `data` is one of the documents of this module (or of the command's own).
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct CommandResult {
    /// `geusemaker.result/1`.
    pub schema: &'static str,
    /// The command, e.g. `update`.
    pub command: String,
    /// The deployment, where there is one.
    pub deployment: Option<String>,
    /// How it ended.
    pub outcome: Outcome,
    /// The exit code of the process.
    pub exit_code: u8,
    /// What was asked for.
    pub data: serde_json::Value,
    /// What a person should know.
    pub warnings: Vec<String>,
    /// Null on success.
    pub error: Option<ErrorDocument>,
}

/// An error, for people and programs.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
pub struct ErrorDocument {
    /// A stable word, e.g. `insufficient_capacity`.
    pub code: String,
    /// One sentence.
    pub message: String,
    /// What lies under it, outermost first.
    pub causes: Vec<String>,
    /// What to do.
    pub help: Vec<String>,
}

/// `data` of `update`, `rollback` and `resume`. The default is what a command that did nothing has.
#[derive(Debug, Clone, Default, PartialEq, Serialize)]
pub struct ChangeData {
    /// The operation; None where none was opened (unchanged, refused in the preflight).
    pub operation_id: Option<String>,
    /// Whether what was asked for is so.
    pub success: bool,
    /// What is changed now, one line each; empty unless it succeeded.
    pub changes_applied: Vec<String>,
    /// What was observed before.
    pub previous_state: Option<StateData>,
    /// What was read back at the end.
    pub new_state: Option<StateData>,
    /// The snapshot of the state before.
    pub snapshot_id: Option<String>,
    /// The steps.
    pub steps: Vec<StepData>,
    /// What was read back at the end, after an undo as after an update.
    pub verified: Option<Verified>,
    /// The public address before and after; None where nothing was looked at.
    pub addresses: Option<Addresses>,
    /// What the instance costs, before and after; None where nothing was looked at.
    pub cost: Option<Cost>,
    /// From the first effect that takes a service down to the first green probe of all, in seconds.
    pub downtime_seconds: f64,
    /// From the first entry of the journal to the last, in seconds.
    pub duration_seconds: f64,
    /// What a person should know.
    pub warnings: Vec<String>,
    /// The plan and its checks, where it was refused. (A dry run has them also where nothing is to be done.)
    #[serde(skip_serializing_if = "Option::is_none")]
    pub plan: Option<PlanData>,
}

/// The public address before and after. Without an Elastic IP it changes over a stop and a start; the private one does
/// not (EC2 User Guide, "Stop and start").
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Addresses {
    /// What was observed; None: it had none.
    pub before: Option<String>,
    /// What was read back at the end; None: it has none, or it was not read back.
    pub after: Option<String>,
}

impl Addresses {
    /// Both, in words: one where it stayed.
    pub fn said(&self) -> Option<String> {
        match (&self.before, &self.after) {
            (Some(was), Some(is)) if was != is => Some(format!("{is} (it was {was})")),
            (_, Some(is)) => Some(is.clone()),
            (_, None) => None,
        }
    }
}

/// A state of the stack, in reports.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct StateData {
    /// The type.
    pub instance_type: InstanceType,
    /// Service → image.
    pub images: BTreeMap<ServiceName, PlannedImage>,
}

/// One step, in reports.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct StepData {
    /// Its public name.
    pub name: &'static str,
    /// The instance.
    pub on: InstanceId,
    /// How it ended.
    pub status: StepStatus,
    /// How long it took, undo not counted.
    pub seconds: f64,
}

/// What was read back at the end.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Verified {
    /// The type.
    #[serde(rename = "type")]
    pub instance_type: String,
    /// The run state of the instance.
    pub state: String,
    /// Service → reference, id and digest. Null where the host could not be asked (a stopped instance).
    pub images: Option<BTreeMap<ServiceName, PlannedImage>>,
    /// SHA-256 of the compose file.
    pub compose_sha256: Option<String>,
    /// Mount point → `ok` or what is wrong.
    pub mounts: BTreeMap<String, String>,
    /// The services' data against a sample from before the first change: the same, changed, lost. Null in what an older
    /// version wrote, and where an operation was closed on what was there.
    #[serde(default)]
    pub data: Option<DataCompared>,
    /// Service → `green`, `yellow`, `red`, `finished`.
    pub health: BTreeMap<ServiceName, String>,
    /// The public address at the end.
    pub public_ip: Option<String>,
}

/// `data.plan` of a dry run and of a refusal.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct PlanData {
    /// The steps; empty where there is no plan.
    pub steps: Vec<PlanStep>,
    /// What changes, one line each.
    pub changes: Vec<String>,
    /// Every check, refusals included.
    pub checks: Vec<Check>,
    /// About how long services are down, in seconds.
    pub expected_downtime_seconds: u64,
}

/// One planned step.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct PlanStep {
    /// Its public name.
    pub name: &'static str,
    /// The instance.
    pub on: InstanceId,
    /// What it does, in words.
    pub detail: String,
    /// Whether services can be down while it runs.
    pub outage: bool,
}

impl PlanData {
    /// The plan as a document; `None` where every way is refused.
    pub fn new(plan: Option<&Plan>, checks: Vec<Check>) -> Self {
        Self {
            steps: plan
                .map(|plan| {
                    let outages = plan.outages();
                    plan.steps
                        .iter()
                        .zip(outages)
                        .map(|(step, outage)| PlanStep {
                            name: step.action.name(),
                            on: step.on.clone(),
                            detail: step.action.detail(),
                            outage,
                        })
                        .collect()
                })
                .unwrap_or_default(),
            changes: plan.map(|p| p.changes.clone()).unwrap_or_default(),
            checks,
            expected_downtime_seconds: plan.map_or(0, |p| p.expected_downtime_seconds),
        }
    }
}
