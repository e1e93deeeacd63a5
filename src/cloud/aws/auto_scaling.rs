//! Auto Scaling, read-only: how an instance is in its group.

use aws_config::SdkConfig;
use aws_sdk_autoscaling::Client;

use super::errors::sort;
use super::whole::WholeReply;
use crate::cloud::CloudError;
use crate::model::{AutoScalingFacts, InstanceId};

/// The part of Auto Scaling that the preflight needs.
#[derive(Debug, Clone)]
pub(super) struct AutoScaling {
    client: Client,
}

impl AutoScaling {
    /// A client; nothing is sent yet.
    pub(super) fn new(config: &SdkConfig) -> Self {
        let config = aws_sdk_autoscaling::config::Builder::from(config)
            .interceptor(WholeReply)
            .build();
        Self {
            client: Client::from_conf(config),
        }
    }

    /// `DescribeAutoScalingInstances` and `DescribeAutoScalingGroups`. `None`: it may not be read, could not be, or is in
    /// no group (any more).
    ///
    /// # Errors
    /// What fails every other call too.
    pub(super) async fn of(&self, id: &InstanceId) -> Result<Option<AutoScalingFacts>, CloudError> {
        match self.read(id).await {
            Err(e) if e.stops_everything() => Err(e),
            read => Ok(read.ok().flatten()),
        }
    }

    async fn read(&self, id: &InstanceId) -> Result<Option<AutoScalingFacts>, CloudError> {
        let instances = self
            .client
            .describe_auto_scaling_instances()
            .instance_ids(id.as_str())
            .send()
            .await
            .map_err(|e| sort("autoscaling:DescribeAutoScalingInstances", e))?;
        let mut members = instances.auto_scaling_instances().iter();
        let Some(member) = members.find(|m| m.instance_id() == Some(id.as_str())) else {
            return Ok(None);
        };
        let (Some(group), Some(lifecycle)) =
            (member.auto_scaling_group_name(), member.lifecycle_state())
        else {
            return Ok(None);
        };
        let groups = self
            .client
            .describe_auto_scaling_groups()
            .auto_scaling_group_names(group)
            .send()
            .await
            .map_err(|e| sort("autoscaling:DescribeAutoScalingGroups", e))?;
        let mut groups = groups.auto_scaling_groups().iter();
        let Some(found) = groups.find(|g| g.auto_scaling_group_name() == Some(group)) else {
            return Ok(None);
        };
        let suspended = found.suspended_processes().iter();
        Ok(Some(AutoScalingFacts {
            lifecycle: lifecycle.to_owned(),
            suspended: suspended
                .filter_map(|p| p.process_name().map(str::to_owned))
                .collect(),
        }))
    }
}
