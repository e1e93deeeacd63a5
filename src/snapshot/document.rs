//! What a snapshot says. Pure.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::model::{
    Colour, ContainerFacts, DataSample, Deployment, DeploymentName, FileSum, FileSystemId,
    ImageRef, InstanceId, InstanceType, Observed, Probed, ProjectFacts, RunState, ServiceName,
    Sha256Id, SnapshotId, Timestamp,
};
use crate::plan::PlannedImage;

/// The schema that this version writes.
pub const SNAPSHOT_SCHEMA: &str = "geusemaker.snapshot/1";

/// A state that was seen. Never edited once it is written. The compose text is not in it: it may hold
/// secrets, and stays on the host.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, schemars::JsonSchema)]
pub struct Snapshot {
    /// `geusemaker.snapshot/1`.
    pub schema: String,
    /// Its id, the same as its file's name.
    pub id: SnapshotId,
    /// The deployment.
    pub deployment: DeploymentName,
    /// When the look began.
    pub taken_at: Timestamp,
    /// True only if the host was asked, something ran, and every service that ran was green.
    pub healthy: bool,
    /// The instance.
    pub instance_id: InstanceId,
    /// Its type.
    pub instance_type: InstanceType,
    /// Its `EbsOptimized`; None in a snapshot of an older version.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ebs_optimized: Option<bool>,
    /// Its state.
    pub state: RunState,
    /// Its availability zone.
    pub zone: String,
    /// The account that owns it.
    pub account: String,
    /// Its region.
    pub region: String,
    /// The file system with the data; None: the data is on the root volume.
    pub file_system_id: Option<FileSystemId>,
    /// Where it is mounted.
    pub mount_point: Option<String>,
    /// The compose project.
    pub compose: ComposeEvidence,
    /// Its services; empty where the host could not be asked.
    pub services: BTreeMap<ServiceName, ServiceEvidence>,
    /// The boot that answered; None where the host could not be asked.
    pub boot_id: Option<String>,
    /// A sample of the services' data at that time; None where none was taken.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub data: Option<DataSample>,
    /// Fields of a later version.
    #[serde(flatten)]
    #[schemars(skip)]
    pub unknown: BTreeMap<String, serde_yaml::Value>,
}

/// The compose project, as it was seen.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
pub struct ComposeEvidence {
    /// `com.docker.compose.project`.
    pub project: String,
    /// The compose file on the host; the first, where there are several.
    pub file: String,
    /// Its env files, by name.
    pub env_files: Vec<String>,
    /// SHA-256 of the compose file, in hex; None where the host could not be asked. Of several files, that of what
    /// `sha256sum` prints of them in their order.
    pub sha256: Option<String>,
    /// Each file with its SHA-256, where there are several.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub files: Vec<FileSum>,
}

/// One service, as it was seen.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
pub struct ServiceEvidence {
    /// The image that its container was made from: reference, id and digest.
    pub image: PlannedImage,
    /// The name of its container.
    pub container: String,
    /// Whether the container ran.
    pub running: bool,
    /// How it looked.
    pub colour: Colour,
    /// Docker's restart count.
    pub restarts: u32,
    /// What its health check said; None without one.
    pub health: Option<String>,
    /// What its declared health said; None where the compose file declares none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub probed: Option<Probed>,
}

impl ComposeEvidence {
    /// What each file said, by path; empty where it is not known.
    pub fn sums(&self) -> Vec<FileSum> {
        match &self.sha256 {
            Some(sha256) if self.files.is_empty() => {
                vec![FileSum::new(self.file.clone(), sha256.clone())]
            }
            _ => self.files.clone(),
        }
    }
}

impl Snapshot {
    /// What was observed of a deployment. Where the host could not be asked the services are empty and it
    /// is not healthy.
    pub fn of(observed: &Observed, deployment: &Deployment, id: SnapshotId) -> Self {
        let facts = observed.host.facts();
        let project = facts.and_then(|facts| {
            facts
                .projects
                .iter()
                .find(|p| p.name == deployment.compose.project)
        });
        let containers: Vec<&ContainerFacts> = project
            .iter()
            .flat_map(|p| &p.containers)
            .filter(|c| !c.one_off)
            .collect();
        let services = containers
            .iter()
            .map(|c| &c.service)
            .filter_map(|service| {
                let all = || containers.iter().filter(|c| &c.service == service);
                let one = all().find(|c| c.running()).or_else(|| all().next())?;
                Some((service.clone(), evidence(one)?))
            })
            .collect();
        // Crash loops and frozen containers count as having run; what lies stopped does not.
        let mut ran = containers
            .iter()
            .filter(|c| !matches!(c.status.as_str(), "exited" | "created"))
            .peekable();
        let healthy = ran.peek().is_some() && ran.all(|c| c.colour() == Colour::Green);
        let instance = &observed.instance;
        Self {
            schema: SNAPSHOT_SCHEMA.into(),
            id,
            deployment: deployment.name.clone(),
            taken_at: observed.at,
            healthy,
            instance_id: instance.id.clone(),
            instance_type: instance.instance_type.clone(),
            ebs_optimized: Some(instance.ebs_optimized),
            state: instance.state,
            zone: instance.zone.clone(),
            account: instance.account.clone(),
            region: instance.region.clone(),
            file_system_id: deployment.file_system_id.clone(),
            mount_point: deployment.mount_point.clone(),
            compose: ComposeEvidence {
                project: deployment.compose.project.clone(),
                file: deployment.compose.file.clone(),
                env_files: project.map(|p| p.env_files.clone()).unwrap_or_default(),
                sha256: project.and_then(ProjectFacts::compose_sha256),
                files: project
                    .and_then(ProjectFacts::sums)
                    .filter(|sums| sums.len() > 1)
                    .unwrap_or_default(),
            },
            services,
            boot_id: facts.map(|f| f.boot_id.clone()),
            data: None,
            unknown: BTreeMap::new(),
        }
    }

    /// Whether the same state was seen: all is equal but id, time, restart counts, boot and data.
    pub fn same_state(&self, other: &Self) -> bool {
        let bare = |snapshot: &Self| {
            let mut bare = snapshot.clone();
            bare.id = self.id.clone();
            bare.taken_at = self.taken_at;
            bare.boot_id = None;
            // Services write: it is evidence, and no part of the state.
            bare.data = None;
            for service in bare.services.values_mut() {
                service.restarts = 0;
                // Its colour is compared; the words of a red one may change with each look.
                service.probed = None;
            }
            bare
        };
        bare(self) == bare(other)
    }

    /// The newest of the snapshots, if it holds this very state: then none needs to be written. An older
    /// equal one is not taken, for the order of snapshots is the order of what happened.
    pub fn newest_equal<'s>(&self, newest_first: &'s [Snapshot]) -> Option<&'s Snapshot> {
        newest_first
            .first()
            .filter(|newest| newest.same_state(self))
    }

    /// The services that ran and were green: what a rollback to this snapshot must bring back.
    pub fn green(&self) -> Vec<ServiceName> {
        self.services
            .iter()
            .filter(|(_, s)| s.running && s.colour == Colour::Green)
            .map(|(name, _)| name.clone())
            .collect()
    }
}

fn evidence(container: &ContainerFacts) -> Option<ServiceEvidence> {
    // A container can have been made from a bare image id.
    let reference = ImageRef::new(&container.image)
        .or_else(|_| ImageRef::new(container.image_id.as_str()))
        .ok()?;
    Some(ServiceEvidence {
        image: PlannedImage {
            id: Some(container.image_id.clone()),
            digest: digest(&reference, &container.digests),
            reference,
        },
        container: container.name.clone(),
        running: container.running(),
        colour: container.colour(),
        restarts: container.restarts,
        health: container.health.clone(),
        probed: container.probed.clone(),
    })
}

/// The digest under which the reference's own registry knows the image, else any.
fn digest(reference: &ImageRef, digests: &[String]) -> Option<Sha256Id> {
    let known: Vec<ImageRef> = digests
        .iter()
        .filter_map(|d| ImageRef::new(d).ok())
        .collect();
    known
        .iter()
        .find(|d| d.same_repository(reference))
        .or_else(|| known.first())
        .and_then(|d| Sha256Id::new(d.digest()?).ok())
}

#[cfg(test)]
#[path = "document_tests.rs"]
mod tests;
