//! `hold`.

use std::collections::BTreeSet;

use super::jobs::run;
use super::looks::docker_down;
use crate::host::{HELD_CONTAINER, HoldFacts, HoldRequest, HostError};
use crate::model::Sha256Id;
use crate::sandbox::host::state::HostContext;

/// The repository of our names.
const NAMES: &str = "geusemaker/held";

pub(super) fn hold(
    at: &mut HostContext<'_>,
    write: bool,
    ask: &HoldRequest,
) -> Result<HoldFacts, HostError> {
    if !at.host.docker_active {
        return Err(docker_down("hold"));
    }
    let owner = ask.owner();
    let mut facts = HoldFacts::default();
    if write {
        keep(at, &owner, &ask.images, &mut facts);
        let_go(at, &owner, &ask.images);
    }
    for id in &ask.images {
        let set = match (at.host.engine.image(id.as_str()), is_held(at, &owner, id)) {
            (None, _) => &mut facts.gone,
            (Some(_), true) => &mut facts.held,
            (Some(_), false) => &mut facts.missing,
        };
        set.insert(id.clone());
    }
    let wanted = |id: &str| ask.images.iter().any(|w| w.as_str() == id);
    let boxes = boxes(at, &owner).into_iter().map(|(_, image)| image);
    let named = names(at, &owner).into_iter().map(|(_, image)| image);
    facts.extra = boxes
        .chain(named)
        .filter(|id| !wanted(id))
        .filter_map(|id| Sha256Id::new(id).ok())
        .collect();
    Ok(facts)
}

fn keep(at: &mut HostContext<'_>, owner: &str, images: &BTreeSet<Sha256Id>, facts: &mut HoldFacts) {
    for id in images {
        if at.host.engine.image(id.as_str()).is_none() || is_held(at, owner, id) {
            continue;
        }
        let short = short(owner, id);
        let (name, label) = (
            format!("{HELD_CONTAINER}{short}"),
            format!("geusemaker.held={owner}"),
        );
        let boxed = boxes(at, owner).iter().any(|(_, i)| i == id.as_str());
        let mut calls = Vec::new();
        if !boxed {
            calls.push(vec![
                "create",
                "--name",
                &name,
                "--label",
                &label,
                "--network",
                "none",
            ]);
            calls[0].extend([id.as_str(), "geusemaker-held"]);
        }
        let tag = format!("{NAMES}:{short}");
        calls.push(vec!["tag", id.as_str(), &tag]);
        for call in calls {
            let answer = run(at, &call);
            if answer.code != 0 {
                facts
                    .why
                    .insert(id.clone(), answer.stderr.trim().to_owned());
            }
        }
    }
}

fn let_go(at: &mut HostContext<'_>, owner: &str, images: &BTreeSet<Sha256Id>) {
    let wanted = |id: &str| images.iter().any(|w| w.as_str() == id);
    for (container, image) in boxes(at, owner) {
        if !wanted(&image) {
            run(at, &["rm", "-v", &container]);
        }
    }
    for (tag, image) in names(at, owner) {
        if !wanted(&image) {
            run(at, &["rmi", &tag]);
        }
    }
}

fn short(owner: &str, id: &Sha256Id) -> String {
    format!("{owner}-{}", &id.as_str()["sha256:".len()..][..12])
}

fn is_held(at: &HostContext<'_>, owner: &str, id: &Sha256Id) -> bool {
    let tag = format!("{NAMES}:{}", short(owner, id));
    let boxed = boxes(at, owner).iter().any(|(_, i)| i == id.as_str());
    boxed && names(at, owner).contains(&(tag, id.to_string()))
}

/// The containers that hold, each with its image.
fn boxes(at: &HostContext<'_>, owner: &str) -> Vec<(String, String)> {
    let ours = |c: &&crate::sandbox::host::docker::Container| {
        c.labels.get("geusemaker.held").is_some_and(|o| o == owner)
    };
    let all = at.host.engine.containers.iter().filter(ours);
    all.map(|c| (c.id.clone(), c.image_id.clone())).collect()
}

/// Our names, each with its image.
fn names(at: &HostContext<'_>, owner: &str) -> Vec<(String, String)> {
    let prefix = format!("{NAMES}:{owner}-");
    let ours = |tag: &&String| {
        tag.strip_prefix(&prefix)
            .is_some_and(|rest| rest.len() == 12 && rest.bytes().all(|b| b.is_ascii_hexdigit()))
    };
    let images = at.host.engine.images.iter();
    images
        .flat_map(|i| {
            i.tags
                .iter()
                .filter(ours)
                .map(|t| (t.clone(), i.id.clone()))
        })
        .collect()
}
