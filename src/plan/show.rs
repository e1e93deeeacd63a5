//! A plan in words.

use super::step::{Action, HourlyCost, Plan, ReserveCapacity};
use crate::instance::dollars;

impl Plan {
    /// For each step, whether services can be down while it runs: from the first step that takes one
    /// down to the last.
    pub fn outages(&self) -> Vec<bool> {
        let first = self.steps.iter().position(|s| s.action.takes_down());
        let last = self.steps.iter().rposition(|s| s.action.outage());
        (0..self.steps.len())
            .map(|i| matches!((first, last), (Some(first), Some(last)) if first <= i && i <= last))
            .collect()
    }

    /// How long a service must be green without a break, in milliseconds.
    pub fn stable_ms(&self) -> u64 {
        let gates = self.steps.iter().filter_map(|s| match &s.action {
            Action::VerifyHealth(verify) => Some(verify.gate.stable_ms),
            _ => None,
        });
        gates.max().unwrap_or_default()
    }
}

impl Action {
    /// Whether services that ran may be down from here on.
    pub fn takes_down(&self) -> bool {
        match self {
            Action::Quiesce { containers, .. } => !containers.is_empty(),
            // The image of a service that does not run changes in the file alone.
            Action::ApplyImages(apply) => {
                apply.start
                    && apply
                        .services
                        .iter()
                        .any(|s| apply.edits.contains_key(&s.service))
            }
            Action::StopInstance { .. } => true,
            _ => false,
        }
    }

    /// What it does, in words: one line.
    pub fn detail(&self) -> String {
        match self {
            Action::CheckMounts(c) => match (&c.file_system, &c.mount_point) {
                (Some(fs), Some(point)) if c.host => {
                    format!(
                        "{fs} is available in {} and mounted at {point}; sentinel written and read",
                        c.zone
                    )
                }
                (Some(fs), _) => format!(
                    "{fs} is available in {}; the mount cannot be seen, the instance does not run",
                    c.zone
                ),
                _ => "no file system: no bind mount lies under a path that is not mounted".into(),
            },
            Action::WriteSnapshot {
                snapshot,
                reuse: false,
            } => format!("write {snapshot}"),
            Action::WriteSnapshot {
                snapshot,
                reuse: true,
            } => format!("{snapshot} holds this very state"),
            Action::HoldImages { .. } => "keep the images to go back to from being pruned".into(),
            Action::PullImages {
                images,
                progress_ms,
            } => {
                let patience = match progress_ms {
                    0 => String::new(),
                    ms => format!("; given up after {} without progress", duration(*ms)),
                };
                list(
                    "pull ",
                    images.iter().map(|i| i.reference.to_string()),
                    &format!(" (nothing is down yet{patience})"),
                )
            }
            Action::ReserveCapacity(reserve) => reserve.detail(),
            Action::ReleaseCapacity {} => "release what was reserved".into(),
            Action::ArmRestore(_) => {
                "tell the host how to go back by itself, should it hear nothing more".into()
            }
            Action::CommitHost {} => "tell the host that it stays as it is".into(),
            Action::Quiesce { containers, .. } => list(
                "stop ",
                containers.iter().map(|c| c.name.clone()),
                match containers.iter().any(|c| c.comes_up) {
                    true => " in this order; what restarts by itself comes up with the boot",
                    false => " in this order",
                },
            ),
            Action::StopInstance { force_after_ms: 0 } => {
                "stop the instance, by ACPI shutdown".into()
            }
            Action::StopInstance { force_after_ms } => format!(
                "stop the instance, by ACPI shutdown; forced after {}",
                duration(*force_after_ms)
            ),
            Action::SetInstanceType { from, to } => format!("{from} -> {to}"),
            Action::SetEbsOptimized { from, to } => {
                format!("EBS optimization {} -> {}", on(*from), on(*to))
            }
            Action::StartInstance {} => "start the instance".into(),
            Action::AwaitHost {
                mount_point: Some(point),
                ..
            } => {
                format!("wait for the host: a new boot answers, {point} is mounted again")
            }
            Action::AwaitHost {
                mount_point: None, ..
            } => "wait for the host: a new boot answers".into(),
            Action::ApplyImages(apply) if !apply.start => {
                format!("put {} back as it was; start nothing yet", apply.file)
            }
            Action::ApplyImages(apply) if apply.edits.is_empty() => list(
                "start ",
                apply.services.iter().map(|s| s.service.to_string()),
                "",
            ),
            Action::ApplyImages(apply) => list(
                "",
                apply
                    .edits
                    .iter()
                    .map(|(service, edit)| format!("{service}: {} -> {}", edit.from, edit.to)),
                "; then exactly the services that ran before run",
            ),
            Action::VerifyHealth(verify) if !verify.host => {
                "read back the type; health cannot be seen, the instance stays stopped".into()
            }
            Action::VerifyHealth(verify) => format!(
                "{} green for {}, at the latest after {}",
                list("", verify.must.iter().map(|s| s.to_string()), ""),
                duration(verify.gate.stable_ms),
                duration(verify.gate.timeout_ms)
            ),
        }
    }
}

fn on(flag: bool) -> &'static str {
    if flag { "on" } else { "off" }
}

impl ReserveCapacity {
    fn detail(&self) -> String {
        let Self { to, back, zone, .. } = self;
        let cost = match &self.cost {
            Some(HourlyCost { micro_usd, as_of }) => {
                let hourly = dollars(*micro_usd);
                format!("at most {hourly} an hour while held (list prices of {as_of})")
            }
            None => "billed at the on-demand rate while held (not known here)".into(),
        };
        format!("{to}, then {back} for the way back, in {zone}; {cost}")
    }
}

fn list(before: &str, items: impl Iterator<Item = String>, after: &str) -> String {
    let items: Vec<String> = items.collect();
    if items.is_empty() {
        format!("{before}nothing{after}")
    } else {
        format!("{before}{}{after}", items.join(", "))
    }
}

/// A duration for people: `1.5 s`, `5 min`.
pub fn duration(ms: u64) -> String {
    match ms {
        ms if ms % 60_000 == 0 && ms > 0 => format!("{} min", ms / 60_000),
        ms if ms % 1000 == 0 => format!("{} s", ms / 1000),
        ms => format!("{:.1} s", ms as f64 / 1000.0),
    }
}
