//! What the decision sees of the stack on a host that answered.

use std::collections::BTreeMap;

use super::check::Check;
use super::order::start_order;
use super::step::{ImageEdit, PlannedImage};
use super::toward::Input;
use crate::containers::{ServiceDoc, read_project, set_project_images, unified_diff};
use crate::health::{Declared, declared};
use crate::host::FileSwap;
use crate::model::{
    ContainerFacts, Desired, DesiredImage, FileSum, HostFacts, ImageRef, ProjectFacts, ServiceName,
    Sha256Id, sha256_hex,
};

/// The stack on a host that answered.
pub(super) struct Stack<'a> {
    pub(super) host: &'a HostFacts,
    pub(super) project: &'a ProjectFacts,
    /// The containers that run, in the order in which they start.
    pub(super) running: Vec<&'a ContainerFacts>,
    /// What the compose files say of each service; nothing where they cannot be read.
    services: BTreeMap<ServiceName, ServiceDoc>,
    /// What the compose file declares; nothing where it cannot be read ([`super::rules`] says so).
    pub(super) declared: Declared,
}

/// The change of the compose files.
#[derive(Default)]
pub(super) struct FileEdit {
    pub(super) edits: BTreeMap<ServiceName, ImageEdit>,
    /// Each file and what it is to say; empty where they cannot be read.
    pub(super) files: Vec<FileSum>,
    pub(super) diff: String,
}

impl<'a> Stack<'a> {
    pub(super) fn new(input: Input<'a>) -> Option<Self> {
        let host = input.observed.host.facts()?;
        let project = host
            .projects
            .iter()
            .find(|p| p.name == input.deployment.compose.project)?;
        let texts = project.texts();
        let services = texts.as_ref().and_then(|texts| read_project(texts).ok());
        let services = services.unwrap_or_default();
        let declared = texts.and_then(|texts| declared(&texts).ok());
        Some(Self {
            host,
            project,
            running: start_order(&project.containers, &services),
            services,
            declared: declared.unwrap_or_default(),
        })
    }

    /// The wanted images that are not so already: another text, or another image behind the same text.
    pub(super) fn changed_images(&self, desired: &Desired) -> BTreeMap<ServiceName, DesiredImage> {
        desired
            .images
            .iter()
            .filter(|(name, want)| {
                // What lies stopped or was made by `compose run` is not what runs.
                let mut all = self.project.containers.iter();
                let container = all.find(|c| c.service == **name && c.running() && !c.one_off);
                let meant = want.id.as_ref().or_else(|| {
                    self.host
                        .images
                        .get(&want.reference.normalized())
                        .map(|i| &i.id)
                });
                let runs_it = match (container, meant) {
                    (Some(container), Some(id)) => container.image_id == *id,
                    // Nothing runs, so nothing runs the wrong image.
                    (None, _) => true,
                    // The reference means nothing on the host: what runs cannot be it.
                    (Some(_), None) => false,
                };
                !says(self.services.get(*name), container, &want.reference) || !runs_it
            })
            .map(|(name, want)| (name.clone(), want.clone()))
            .collect()
    }

    /// What goes down with the instance besides this stack, by name.
    pub(super) fn outside(&self) -> Vec<&'a str> {
        let others = self.host.projects.iter().flat_map(|p| {
            let ours = p.name == self.project.name;
            p.containers.iter().filter(move |c| c.one_off || !ours)
        });
        let mut names: Vec<&str> = others
            .filter(|c| c.running())
            .map(|c| c.name.as_str())
            .chain(self.host.other_containers.iter().map(String::as_str))
            .collect();
        names.sort_unstable();
        names
    }

    /// The containers of the stack that a boot would bring up, stopped by hand or not (seen: restart policy
    /// `always`; `on-failure` too where the stop ended with a code). By name.
    pub(super) fn boot_starts(&self) -> Vec<&'a ContainerFacts> {
        let starts = |c: &&ContainerFacts| {
            c.restart_policy == "always" || c.restart_policy.starts_with("on-failure")
        };
        let all = self.project.containers.iter().filter(|c| !c.one_off);
        let mut up: Vec<_> = all.filter(starts).collect();
        up.sort_by(|a, b| a.name.cmp(&b.name));
        up
    }

    pub(super) fn edit(
        &self,
        images: &BTreeMap<ServiceName, DesiredImage>,
        desired: &Desired,
    ) -> Result<FileEdit, Box<Check>> {
        let sums = self.project.sums().unwrap_or_default();
        let Some(texts) = self.project.texts().filter(|_| !images.is_empty()) else {
            return Ok(FileEdit {
                files: sums,
                ..FileEdit::default()
            });
        };
        let wanted: BTreeMap<ServiceName, ImageRef> = images
            .iter()
            .map(|(name, want)| (name.clone(), want.reference.clone()))
            .collect();
        let refuse = |error: String| {
            Box::new(Check::refuse(
                "compose_edit",
                "the compose file cannot be edited safely",
                error,
                "one plain image value for each service",
                "write the image as a plain value, apply it once by hand, then try again",
            ))
        };
        let services = read_project(&texts).map_err(|e| refuse(e.to_string()))?;
        let was = |sum: &FileSum| {
            let known = desired.files.iter().find(|f| f.path == sum.path);
            known.map(|f| f.sha256.as_str())
        };
        let was: Vec<_> = sums.iter().map(was).collect();
        let after = set_project_images(&texts, &wanted, &was).map_err(|e| refuse(e.to_string()))?;
        let mut edits = BTreeMap::new();
        for (name, to) in wanted {
            let from = services
                .get(&name)
                .and_then(|s| s.image.as_deref())
                .and_then(|i| ImageRef::new(i).ok())
                .ok_or_else(|| refuse(format!("{name} has no plain image")))?;
            edits.insert(name, ImageEdit { from, to });
        }
        let diffs = texts.iter().zip(&after).zip(&sums);
        let diffs = diffs.map(|((text, after), file)| match unified_diff(text, after) {
            diff if diff.is_empty() || sums.len() == 1 => diff,
            diff => format!("--- {}\n{diff}", file.path),
        });
        let diff = diffs.collect();
        let files = sums.iter().zip(&after);
        let files = files.map(|(file, text)| FileSum::new(file.path.clone(), sha256_hex(text)));
        Ok(FileEdit {
            edits,
            files: files.collect(),
            diff,
        })
    }

    /// The further files: what they say, and what they are to say.
    pub(super) fn more_files(&self, edit: &FileEdit, back: bool) -> Vec<FileSwap> {
        let sums = self.project.sums().unwrap_or_default();
        let pairs = sums.iter().zip(&edit.files).skip(1);
        let swap = |(from, to): (&FileSum, &FileSum)| {
            let (from, to) = if back { (to, from) } else { (from, to) };
            FileSwap {
                path: from.path.clone(),
                from_sha256: from.sha256.clone(),
                to_sha256: to.sha256.clone(),
            }
        };
        pairs.map(swap).collect()
    }
}

impl FileEdit {
    /// SHA-256 of the first file afterwards.
    pub(super) fn to_sha256(&self) -> String {
        let first = self.files.first();
        first.map(|f| f.sha256.clone()).unwrap_or_default()
    }
}

/// Whether the files say this reference. What they do not say in so many words (interpolated, built, from an included
/// or extended file) is what the container was made from.
pub(super) fn says(
    doc: Option<&ServiceDoc>,
    container: Option<&ContainerFacts>,
    reference: &ImageRef,
) -> bool {
    match doc.and_then(|doc| doc.image.as_deref()) {
        Some(written) if !written.contains('$') => written == reference.as_str(),
        _ => container.is_some_and(|c| c.image == reference.as_str()),
    }
}

/// The digest part of the first `repo@sha256:…`.
pub fn first_digest(digests: &[String]) -> Option<Sha256Id> {
    digests
        .iter()
        .filter_map(|d| d.split_once('@'))
        .find_map(|(_, digest)| Sha256Id::new(digest).ok())
}

pub(super) fn running_images(running: &[&ContainerFacts]) -> BTreeMap<ServiceName, PlannedImage> {
    running
        .iter()
        .filter_map(|c| {
            let reference = ImageRef::new(c.image.clone()).ok()?;
            let image = PlannedImage {
                reference,
                id: Some(c.image_id.clone()),
                digest: first_digest(&c.digests),
            };
            Some((c.service.clone(), image))
        })
        .collect()
}
