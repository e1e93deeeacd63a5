//! EFS, read-only.

use async_trait::async_trait;
use aws_config::SdkConfig;
use aws_sdk_efs::Client;

use super::errors::sort;
use super::pages::Pages;
use crate::cloud::{CloudError, CloudErrorKind, Efs};
use crate::model::{FileSystemFacts, FileSystemId, MountTargetFacts};

/// [`Efs`] over the SDK.
#[derive(Debug, Clone)]
pub struct AwsEfs {
    client: Client,
}

impl AwsEfs {
    /// A client; nothing is sent yet.
    pub fn new(config: &SdkConfig) -> Self {
        Self {
            client: Client::new(config),
        }
    }

    async fn mount_targets(&self, id: &FileSystemId) -> Result<Vec<MountTargetFacts>, CloudError> {
        let mut pages = self
            .client
            .describe_mount_targets()
            .file_system_id(id.as_str())
            .into_paginator()
            .send();
        let mut listing = Pages::of("elasticfilesystem:DescribeMountTargets");
        let mut targets = Vec::new();
        while let Some(page) = pages.next().await {
            let page = listing.take(page, |p| p.next_marker())?;
            targets.extend(page.mount_targets().iter().map(|t| MountTargetFacts {
                id: t.mount_target_id().to_owned(),
                zone: t.availability_zone_name().unwrap_or_default().to_owned(),
                state: t.life_cycle_state().as_str().to_owned(),
            }));
        }
        Ok(targets)
    }
}

#[async_trait]
impl Efs for AwsEfs {
    async fn file_system(&self, id: &FileSystemId) -> Result<Option<FileSystemFacts>, CloudError> {
        let reply = self
            .client
            .describe_file_systems()
            .file_system_id(id.as_str())
            .send()
            .await;
        let reply = match reply.map_err(|e| sort("elasticfilesystem:DescribeFileSystems", e)) {
            Ok(reply) => reply,
            Err(e) if e.kind == CloudErrorKind::NotFound => return Ok(None),
            Err(e) => return Err(e),
        };
        let found = reply
            .file_systems()
            .iter()
            .find(|f| f.file_system_id() == id.as_str());
        let Some(found) = found else {
            return Ok(None);
        };
        let mount_targets = match self.mount_targets(id).await {
            Ok(targets) => targets,
            // Deleted between the two calls.
            Err(e) if e.kind == CloudErrorKind::NotFound => return Ok(None),
            Err(e) => return Err(e),
        };
        Ok(Some(FileSystemFacts {
            id: id.clone(),
            state: found.life_cycle_state().as_str().to_owned(),
            mount_targets,
        }))
    }
}
