//! The images that the kept snapshots need are held on the host, and let go with them.

use std::collections::BTreeSet;
use std::sync::atomic::Ordering;

use super::drive::Operation;
use super::finish::snapshot_of_success;
use super::perform::Performer;
use super::world::World;
use crate::host::{HoldFacts, HoldRequest, HostError};
use crate::journal::{Entry, Evidence, Failure, Line};
use crate::model::{Deployment, InstanceId, ServiceName, Sha256Id, SnapshotId};
use crate::plan::{Action, Check, Plan};
use crate::snapshot::Snapshot;
use crate::state::{StateDir, StateError};

/// What is to be held.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Needed {
    /// The images, by id.
    pub images: BTreeSet<Sha256Id>,
    /// Whether every snapshot could be read: else nothing is let go.
    pub whole: bool,
}

/// The images of the healthy snapshots that are kept, and of those that a rollback would go to.
pub(super) fn needed(state: &StateDir, deployment: &Deployment) -> Result<Needed, StateError> {
    let name = &deployment.name;
    let operations = state.operations(name)?;
    let targets: BTreeSet<SnapshotId> = operations
        .items
        .iter()
        .filter_map(|o| snapshot_of_success(&o.lines))
        .take(2)
        .collect();
    let listing = state.snapshots(name).list()?;
    let wanted = |s: &&Snapshot| s.healthy || targets.contains(&s.id);
    Ok(Needed {
        images: listing.items.iter().filter(wanted).flat_map(ids).collect(),
        whole: listing.damaged.is_empty() && operations.damaged.is_empty(),
    })
}

fn ids(snapshot: &Snapshot) -> impl Iterator<Item = Sha256Id> {
    let images = snapshot.services.values();
    images.filter_map(|s| s.image.id.clone())
}

/// Holds exactly these; where not every snapshot could be read, whatever is held already as well.
async fn hold(
    performer: &Performer<'_>,
    on: &InstanceId,
    mut needed: Needed,
) -> Result<HoldFacts, Failure> {
    let mut silence = None;
    loop {
        let ask = HoldRequest {
            deployment: performer.deployment.name.clone(),
            images: needed.images.clone(),
        };
        let answer = if needed.whole {
            let tag = performer.tag();
            performer.world.host.hold(on, Some(&tag), &ask).await
        } else {
            performer.world.host.hold(on, None, &ask).await
        };
        match answer {
            Ok(seen) if !needed.whole => {
                needed.images.extend(seen.extra);
                needed.whole = true;
            }
            Ok(facts) => return Ok(facts),
            Err(error) => {
                let what = "images cannot be held on the host";
                performer.wait_out(on, what, &error, &mut silence).await?;
            }
        }
    }
}

impl Performer<'_> {
    /// Before anything is changed. An image that cannot be held is a warning: it runs, and is on the host.
    pub(super) async fn hold_images(
        &self,
        on: &InstanceId,
        images: &std::collections::BTreeMap<ServiceName, Sha256Id>,
    ) -> Result<Evidence, Failure> {
        let found = StateDir::open(&self.world.state_dir)
            .and_then(|(state, _)| needed(&state, self.deployment));
        let mut needed = found.unwrap_or_default();
        needed.images.extend(images.values().cloned());
        let facts = match hold(self, on, needed).await {
            Ok(facts) => facts,
            // Docker or the script said no: without it the update is as safe as it was before.
            Err(failure) if failure.code == "host_script" => {
                return Ok(Evidence {
                    warnings: vec![format!(
                        "the images that run now are not held on the host, and `docker image prune -a` could take them: {}",
                        failure.message
                    )],
                    ..Evidence::default()
                });
            }
            Err(failure) => return Err(failure),
        };
        let lost = |id: &Sha256Id| facts.missing.contains(id) || facts.gone.contains(id);
        let warnings = images.iter().filter(|(_, id)| lost(id));
        let warnings = warnings.map(|(service, id)| {
            let why = facts.why.get(id).map_or("", String::as_str);
            let why = match why {
                "" if facts.gone.contains(id) => "it is not among the images of the host",
                "" => "Docker did not say why",
                why => why,
            };
            format!("the image of {service} is not held on the host, and `docker image prune -a` could take it: {why}")
        });
        Ok(Evidence {
            warnings: warnings.collect(),
            held: facts.held,
            ..Evidence::default()
        })
    }
}

impl Operation<'_> {
    /// What no snapshot needs any more is let go, at the end. Residue: what fails is a warning.
    pub(super) async fn let_go_of_images(&self, state: &StateDir, plan: &Plan) -> Option<String> {
        let held = held(plan, &self.lines);
        if held.is_empty() || without_instance(&self.lines) {
            return None;
        }
        let needed = match needed(state, self.deployment) {
            // Not known: then nothing is let go.
            Ok(Needed { whole: false, .. }) | Err(_) => return None,
            Ok(needed) if held.is_subset(&needed.images) => return None,
            Ok(needed) => needed,
        };
        let on = &self.deployment.instance_id;
        let performer = self.at_the_end(plan);
        // Above all that the last step has sent.
        performer.seq.fetch_add(1000, Ordering::Relaxed);
        let left = hold(&performer, on, needed).await.err()?;
        Some(format!(
            "images that no snapshot needs any more are still held on the host: {}; the next operation lets them go",
            left.message
        ))
    }
}

/// Whether it was closed where the instance is gone: its images are gone with it.
fn without_instance(lines: &[Line]) -> bool {
    let accepted = |l: &Line| matches!(l.entry, Entry::Accepted { verified: None, .. });
    lines.iter().any(accepted)
}

/// What this operation held, or may have.
fn held(plan: &Plan, lines: &[Line]) -> BTreeSet<Sha256Id> {
    let mut held = BTreeSet::new();
    for line in lines {
        match &line.entry {
            Entry::Started { step } => {
                if let Some(Action::HoldImages { images }) =
                    plan.steps.get(*step).map(|s| &s.action)
                {
                    held.extend(images.values().cloned());
                }
            }
            Entry::Done { evidence, .. } => held.extend(evidence.held.iter().cloned()),
            _ => {}
        }
    }
    held
}

/// How the host is asked about what is needed.
pub(super) fn request(
    state: &StateDir,
    deployment: &Deployment,
) -> Result<HoldRequest, StateError> {
    Ok(HoldRequest {
        deployment: deployment.name.clone(),
        images: needed(state, deployment)?.images,
    })
}

/// What a look says of the images that are to be held; None where there are none.
pub(super) async fn check(
    world: &World,
    state: &StateDir,
    deployment: &Deployment,
) -> Result<Option<Check>, HostError> {
    // What is damaged is said by others.
    let Ok(ask) = request(state, deployment) else {
        return Ok(None);
    };
    if ask.images.is_empty() {
        return Ok(None);
    }
    let facts = world.host.hold(&deployment.instance_id, None, &ask).await?;
    Ok(Some(judge(&deployment.name, &facts)))
}

/// Pure.
fn judge(name: &crate::model::DeploymentName, facts: &HoldFacts) -> Check {
    let check = "images_held";
    let all = facts.held.len() + facts.missing.len();
    let gone = match facts.gone.len() {
        0 => String::new(),
        gone => format!("; {gone} of older snapshots are not on the host any more"),
    };
    if facts.missing.is_empty() {
        return Check::ok(
            check,
            format!("{all} images that snapshots need are held on the host{gone}"),
        );
    }
    Check::warn(
        check,
        format!(
            "images that snapshots need are not held on the host: `docker image prune -a` could take them{gone}"
        ),
        format!("{} of {all} are held", facts.held.len()),
        "all of them",
        format!("geusemaker check {name} --fix    (holds them)"),
    )
}

#[cfg(test)]
#[path = "held_tests.rs"]
mod tests;
