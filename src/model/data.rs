//! The data of services: a few files of each of their folders, as they were seen.

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};

use super::ServiceName;

/// What was seen of the services' data before anything was changed.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
pub struct DataSample {
    /// The folders that services bind, on the deployment's file system.
    pub folders: Vec<FolderSample>,
    /// Folders for which there was no room.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub left_out: Vec<String>,
    /// Why none was taken, where none was.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub not_taken: Option<String>,
}

/// One folder (or one file) that services work on.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
pub struct FolderSample {
    /// Its path on the host.
    pub folder: String,
    /// The services that bind it.
    pub services: BTreeSet<ServiceName>,
    /// What was seen.
    #[serde(flatten)]
    pub seen: FolderSeen,
}

/// What was seen of a folder.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(tag = "state", rename_all = "snake_case")]
pub enum FolderSeen {
    /// It is there.
    Seen {
        /// Whether it lies on another file system than the mount point (something is mounted over it).
        apart: bool,
        /// Its files with content, as far as they were counted.
        count: u32,
        /// Some of them.
        files: Vec<FileSeen>,
    },
    /// There is no such folder.
    Gone,
    /// It could not be looked at.
    NotSeen {
        /// Why.
        why: String,
    },
}

/// One file of a sample.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
pub struct FileSeen {
    /// Its path below the folder; its own name, where the folder is a file.
    pub name: String,
    /// Its size in bytes.
    pub size: u64,
    /// SHA-256 (hex) of its first bytes; None where it could not be read.
    pub sha256: Option<String>,
}

/// How the data of the services is now, against the sample from before.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct DataCompared {
    /// The worst of the folders.
    pub state: DataState,
    /// Why nothing was compared, where nothing was.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub why: Option<String>,
    /// Each folder.
    pub folders: Vec<FolderCompared>,
    /// Folders for which there was no room in the sample.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub left_out: Vec<String>,
}

/// How data is, against before. The later, the worse.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum DataState {
    /// There was nothing to compare, or it could not be looked at.
    NotCompared,
    /// Every file that was looked at is the same.
    Same,
    /// Some are not: a running service writes.
    Changed,
    /// There were files, and now there is none, no folder, or another file system.
    Lost,
}

/// One folder, against before.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct FolderCompared {
    /// Its path on the host.
    pub folder: String,
    /// The services that bind it.
    pub services: BTreeSet<ServiceName>,
    /// How it is.
    pub state: DataState,
    /// How many files were compared.
    pub files: usize,
    /// How many of them have the same size, and the same first bytes.
    pub same: usize,
    /// Those that have not.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub changed: Vec<String>,
    /// Those that are not there any more.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub gone: Vec<String>,
    /// What is lost, or why it was not compared.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub why: Option<String>,
}

impl DataCompared {
    /// Nothing was compared, for this reason.
    pub fn not_compared(why: impl Into<String>) -> Self {
        Self {
            state: DataState::NotCompared,
            why: Some(why.into()),
            folders: Vec::new(),
            left_out: Vec::new(),
        }
    }
}
