//! Every refusal, gathered: what refuses an update or a rollback before anything is changed.
//!
//! | file | asks |
//! |---|---|
//! | `instance.rs` | is it the right instance, in a state to begin with, and does the new type fit? |
//! | `capacity.rs` | can capacity be proved before the stop? |
//! | `host.rs` | does the host answer, and is the compose project there as it was adopted? |
//! | `needs.rs` | do the services that run find the GPU and the memory that they ask for? |
//! | `images.rs` | do the services exist, and can their images be changed in the file? |
//! | `namespaces.rs` | does nobody lose the network, the processes or the memory that it shares with another? |
//! | `postgres.rs` | does a database keep its major version? |
//! | `health.rs` | how is the health now, and can what is declared of it be read and asked? |
//! | `mounts.rs` | is the data there, now and after a boot? |
//! | `pending.rs` | what else would the new container bring? |
//! | `any.rs` | what would any change need, when none is asked for? |
//!
//! Whether anything is to be done at all is not decided here, and an image's architecture is known only
//! after the pull.

mod any;
mod capacity;
mod health;
mod host;
mod images;
mod instance;
mod mounts;
mod namespaces;
mod needs;
mod pending;
mod postgres;

pub use any::any_change;
pub(super) use capacity::provable;
pub use host::DISK_FLOOR;

use crate::model::{Deployment, Desired, Observed, RunState};
use crate::plan::Check;

/// Judges what was observed against what is wanted. All findings at once: `ok`, `warn` and `refuse`; one
/// refusal is enough for nothing to be changed.
pub fn check(observed: &Observed, desired: &Desired, deployment: &Deployment) -> Vec<Check> {
    judged(&Ask::new(observed, desired, deployment))
}

fn judged(ask: &Ask) -> Vec<Check> {
    let mut checks = instance::check(ask);
    checks.extend(capacity::check(ask));
    checks.extend(host::check(ask));
    checks.extend(needs::check(ask));
    checks.extend(images::check(ask));
    checks.extend(namespaces::check(ask));
    checks.extend(pending::check(ask));
    checks.extend(health::check(ask));
    checks.extend(mounts::check(ask));
    // The same fact can be found on two ways; it is said once.
    let mut said: Vec<Check> = Vec::new();
    for check in checks {
        if !said.contains(&check) {
            said.push(check);
        }
    }
    said
}

/// What all rules look at.
struct Ask<'a> {
    observed: &'a Observed,
    desired: &'a Desired,
    deployment: &'a Deployment,
    /// Whether the type is to become another one.
    type_changes: bool,
    /// Whether images are wanted at all.
    wants_images: bool,
    /// Whether the plan would stop a running instance.
    stops_instance: bool,
}

impl<'a> Ask<'a> {
    fn new(observed: &'a Observed, desired: &'a Desired, deployment: &'a Deployment) -> Self {
        let type_changes = desired
            .instance_type
            .as_ref()
            .is_some_and(|wanted| wanted != &observed.instance.instance_type);
        Self {
            observed,
            desired,
            deployment,
            type_changes,
            wants_images: !desired.images.is_empty(),
            stops_instance: type_changes && observed.instance.state == RunState::Running,
        }
    }

    /// The project of the deployment, where the host answered and has it.
    fn project(&self) -> Option<&'a crate::model::ProjectFacts> {
        let facts = self.observed.host.facts()?;
        let name = &self.deployment.compose.project;
        facts.projects.iter().find(|p| &p.name == name)
    }
}

#[cfg(test)]
mod tests;
