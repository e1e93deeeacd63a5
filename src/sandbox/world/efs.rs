//! EFS: file systems and their mount targets.

use serde::{Deserialize, Serialize};

use super::{AwsError, World};
use crate::model::{FileSystemFacts, FileSystemId, MountTargetFacts, Timestamp};

/// A file system.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct FileSystem {
    /// `FileSystemId`.
    pub id: FileSystemId,
    /// Tag `Name`.
    pub name: String,
    /// `LifeCycleState`.
    pub state: String,
    /// `CreationTime`.
    pub created_at: Timestamp,
    /// `SizeInBytes.Value`.
    pub size_bytes: u64,
    /// Its mount targets.
    pub mount_targets: Vec<MountTarget>,
}

/// A mount target.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct MountTarget {
    /// `MountTargetId`.
    pub id: String,
    /// `AvailabilityZoneName`.
    pub zone: String,
    /// `LifeCycleState`.
    pub state: String,
    /// `IpAddress`.
    pub ip: String,
    /// `SubnetId`.
    pub subnet_id: String,
}

impl FileSystem {
    /// The same in the nouns of the program.
    pub fn facts(&self) -> FileSystemFacts {
        FileSystemFacts {
            id: self.id.clone(),
            state: self.state.clone(),
            mount_targets: self
                .mount_targets
                .iter()
                .map(|target| MountTargetFacts {
                    id: target.id.clone(),
                    zone: target.zone.clone(),
                    state: target.state.clone(),
                })
                .collect(),
        }
    }
}

impl World {
    /// `DescribeFileSystems` of one.
    ///
    /// # Errors
    /// `FileSystemNotFound`; `BadRequest` for what is no id.
    pub fn file_system(&self, id: &str) -> Result<&FileSystem, AwsError> {
        if FileSystemId::new(id).is_err() {
            return Err(AwsError::new(
                "BadRequest",
                format!("invalid file system ID: {id}"),
            ));
        }
        self.file_systems.get(id).ok_or_else(|| {
            AwsError::new(
                "FileSystemNotFound",
                format!("File system '{id}' does not exist."),
            )
        })
    }

    /// A mount target and its file system.
    ///
    /// # Errors
    /// `MountTargetNotFound`.
    pub fn mount_target(&self, id: &str) -> Result<(&FileSystem, &MountTarget), AwsError> {
        self.file_systems
            .values()
            .flat_map(|fs| fs.mount_targets.iter().map(move |target| (fs, target)))
            .find(|(_, target)| target.id == id)
            .ok_or_else(|| {
                AwsError::new(
                    "MountTargetNotFound",
                    format!("Mount target '{id}' does not exist."),
                )
            })
    }
}
