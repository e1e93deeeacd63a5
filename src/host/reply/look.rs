//! The reply of look.

use std::collections::BTreeMap;

use serde::Deserialize;

use super::containers::{inspected, projects};
use super::mount::MountReply;
use super::{bytes, docker_json, read, text};
use crate::containers::pending_edits;
use crate::host::envelope::garbled;
use crate::host::scripts::Verb;
use crate::host::{HostError, LookRequest};
use crate::model::sha256_hex;
use crate::model::{FileFacts, HostFacts, ImageFacts, ImageRef, Secret, Sha256Id};

const LOOK: Verb = Verb::Look;

#[derive(Deserialize)]
struct LookReply {
    boot: String,
    machine: String,
    restore: String,
    #[serde(flatten)]
    rest: Option<Rest>,
}

#[derive(Deserialize)]
struct Rest {
    docker: String,
    compose: Option<String>,
    disk_kib: u64,
    containers: String,
    files: Vec<Option<FileReply>>,
    digests: String,
    images: Vec<Option<ImageReply>>,
    #[serde(default)]
    pending: Option<String>,
    mount: Option<MountReply>,
}

#[derive(Deserialize)]
struct FileReply {
    path: String,
    text: String,
}

#[derive(Deserialize)]
struct ImageReply {
    #[serde(rename = "ref")]
    reference: String,
    is: String,
}

#[derive(Deserialize)]
struct ImageJson {
    id: Sha256Id,
    digests: Option<Vec<String>>,
    architecture: String,
}

/// Reads the document of `look`.
///
/// # Errors
/// [`HostError::Script`] when the script could not look, [`HostError::Garbled`] when the document is not what
/// was asked for.
pub fn parse_look(ask: &LookRequest, document: &str) -> Result<HostFacts, HostError> {
    let reply: LookReply = read(LOOK, None, document)?;
    let mut facts = HostFacts {
        boot_id: text(LOOK, &reply.boot)?.trim().to_owned(),
        machine: text(LOOK, &reply.machine)?,
        docker: String::new(),
        compose: None,
        disk_free: 0,
        projects: Vec::new(),
        other_containers: Vec::new(),
        mount: None,
        images: BTreeMap::new(),
        restore: super::restore::state(LOOK, &text(LOOK, &reply.restore)?)?,
        pending: None,
    };
    if facts.boot_id.is_empty() {
        return Err(garbled(LOOK, "a boot id", "none".to_owned()));
    }
    if ask.only_boot {
        return Ok(facts);
    }
    let rest = reply
        .rest
        .ok_or_else(|| garbled(LOOK, "the whole look", "another document".to_owned()))?;
    facts.docker = text(LOOK, &rest.docker)?;
    facts.compose = rest.compose.map(|c| text(LOOK, &c)).transpose()?;
    facts.disk_free = rest.disk_kib.saturating_mul(1024);

    let containers = inspected(LOOK, &text(LOOK, &rest.containers)?)?;
    facts.mount = rest.mount.map(|m| m.facts(LOOK, &containers)).transpose()?;
    let digests = digests(&text(LOOK, &rest.digests)?)?;
    (facts.projects, facts.other_containers) = projects(LOOK, containers, &digests)?;

    let pending = rest.pending.map(|p| text(LOOK, &p)).transpose()?;
    facts.pending = pending.map(|document| pending_edits(&document));
    let mut files = BTreeMap::new();
    for file in rest.files.into_iter().flatten() {
        files.insert(text(LOOK, &file.path)?, bytes(LOOK, &file.text)?);
    }
    for project in &mut facts.projects {
        let read = |path: &String| {
            let bytes = files.get(path);
            FileFacts {
                path: path.clone(),
                text: bytes.and_then(|b| std::str::from_utf8(b).ok().map(Secret::new)),
                sha256: bytes.map(sha256_hex),
            }
        };
        let mut all = project.files.iter().map(read);
        if let Some(first) = all.next() {
            (project.text, project.sha256) = (first.text, first.sha256);
        }
        project.more = all.collect();
    }
    for image in rest.images.into_iter().flatten() {
        let typed = text(LOOK, &image.reference)?;
        let reference = ImageRef::new(typed)
            .map_err(|e| garbled(LOOK, "a reference that was asked for", e.to_string()))?;
        let is: ImageJson = docker_json(LOOK, "an image", &text(LOOK, &image.is)?)?;
        let is = ImageFacts {
            id: is.id,
            digests: is.digests.unwrap_or_default(),
            architecture: is.architecture,
        };
        facts.images.insert(reference.normalized(), is);
    }
    Ok(facts)
}

/// Lines `ID ["repo@sha256:…"]`.
fn digests(lines: &str) -> Result<BTreeMap<String, Vec<String>>, HostError> {
    lines
        .lines()
        .filter_map(|line| line.split_once(' '))
        .map(|(id, json)| {
            let digests: Option<Vec<String>> = docker_json(LOOK, "the digests of an image", json)?;
            Ok((id.to_owned(), digests.unwrap_or_default()))
        })
        .collect()
}
