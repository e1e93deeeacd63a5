//! The person's edits that an update would apply with the image: said, and no reason to refuse.

use super::Ask;
use crate::model::{DesiredImage, HostFacts, ProjectFacts, ServiceName};
use crate::plan::Check;

const NAME: &str = "pending_edits";

pub(super) fn check(ask: &Ask) -> Vec<Check> {
    let (Some(facts), Some(project)) = (ask.observed.host.facts(), ask.project()) else {
        return Vec::new();
    };
    let wanted = ask.desired.images.iter();
    let mut made_anew = wanted.filter(|(name, want)| anew(facts, project, name, want));
    match &facts.pending {
        None => Vec::new(),
        Some(Err(why)) if made_anew.next().is_some() => vec![Check::warn(
            NAME,
            "it is not known whether the update would apply edits of the compose file besides the image",
            why.as_str(),
            "the compose file as the containers were made from it",
            "see what changed since: `docker compose config` on the host shows what Compose makes of the files",
        )],
        Some(Err(_)) => Vec::new(),
        Some(Ok(edits)) => made_anew
            .filter_map(|(name, _)| {
                let all = edits.get(name).filter(|all| !all.is_empty())?;
                let all: Vec<String> = all.iter().map(|one| format!("{name}.{one}")).collect();
                Some(Check::warn(
                    NAME,
                    format!(
                        "{name} is made anew from the compose file as it is now, which was edited since its container was made: {}",
                        all.join(", ")
                    ),
                    all.join(", "),
                    "the compose file, and its env files, as the container was made from them",
                    format!(
                        "if that is meant it is applied with the image, and a rollback of the image does not take it back; if not, put it back first, or apply it alone: `docker compose up -d --no-deps {name}`"
                    ),
                ))
            })
            .collect(),
    }
}

/// Whether its container would be made anew: what runs, and is to run another image.
fn anew(
    facts: &HostFacts,
    project: &ProjectFacts,
    name: &ServiceName,
    wanted: &DesiredImage,
) -> bool {
    let mut all = project.containers.iter();
    let Some(container) = all.find(|c| c.service == *name && c.running() && !c.one_off) else {
        return false;
    };
    let known = facts.images.get(&wanted.reference.normalized());
    let meant = wanted.id.as_ref().or(known.map(|image| &image.id));
    meant != Some(&container.image_id)
}
