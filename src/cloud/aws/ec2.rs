//! EC2.

use async_trait::async_trait;
use aws_config::SdkConfig;
use aws_sdk_ec2::Client;
use aws_sdk_ec2::types::{
    AttributeBooleanValue, AttributeValue, Filter, InstanceAttributeName, InstanceType as SdkType,
    LocationType,
};

use base64::Engine;
use base64::engine::general_purpose::STANDARD;

use super::auto_scaling::AutoScaling;
use super::errors::{incomplete, sort};
use super::facts;
use super::pages::Pages;
use super::reservations;
use super::retry::NoCapacityIsFinal;
use super::whole::WholeReply;
use crate::cloud::{
    CloudError, CloudErrorKind, Ec2, Effect, Reservation, Reserve, StatusChecks, WhichReservations,
    permit,
};
use crate::model::{
    InstanceFacts, InstanceId, InstanceType, Permit, ReservationId, RunState, TypeFacts,
};

/// `DescribeInstanceTypes` takes at most this many names (EC2 API).
const TYPES_PER_CALL: usize = 100;

/// [`Ec2`] over the SDK.
#[derive(Debug, Clone)]
pub struct AwsEc2 {
    client: Client,
    auto_scaling: AutoScaling,
    region: String,
}

impl AwsEc2 {
    /// A client in this region; nothing is sent yet.
    pub fn new(config: &SdkConfig, region: String) -> Self {
        let auto_scaling = AutoScaling::new(config);
        let config = aws_sdk_ec2::config::Builder::from(config)
            .retry_classifier(NoCapacityIsFinal)
            .interceptor(WholeReply)
            .build();
        Self {
            client: Client::from_conf(config),
            auto_scaling,
            region,
        }
    }

    async fn describe(&self, id: &InstanceId) -> Result<Option<InstanceFacts>, CloudError> {
        const CALL: &str = "ec2:DescribeInstances";
        let reply = match self
            .client
            .describe_instances()
            .instance_ids(id.as_str())
            .send()
            .await
        {
            Ok(reply) => reply,
            Err(e) => {
                let e = sort(CALL, e);
                return if e.kind == CloudErrorKind::NotFound {
                    Ok(None)
                } else {
                    Err(e)
                };
            }
        };
        for reservation in reply.reservations() {
            let found = reservation
                .instances()
                .iter()
                .find(|i| i.instance_id() == Some(id.as_str()));
            if let Some(instance) = found {
                let account = reservation.owner_id().unwrap_or_default();
                return facts::instance(id, instance, account, &self.region)
                    .map(Some)
                    .map_err(|missing| incomplete(CALL, missing));
            }
        }
        Ok(None)
    }

    /// `None`: it may not be read, or could not be. Only what will fail every other call too is an error.
    async fn stop_protection(&self, id: &InstanceId) -> Result<Option<bool>, CloudError> {
        let reply = self
            .client
            .describe_instance_attribute()
            .instance_id(id.as_str())
            .attribute(InstanceAttributeName::DisableApiStop)
            .send()
            .await;
        match reply.map_err(|e| sort("ec2:DescribeInstanceAttribute", e)) {
            Ok(reply) => Ok(reply
                .disable_api_stop()
                .and_then(AttributeBooleanValue::value)),
            Err(e) if e.stops_everything() => Err(e),
            Err(_) => Ok(None),
        }
    }

    /// How its placement group places. `None`: it is in none, it may not be read, or could not be.
    async fn strategy(&self, group: &str) -> Result<Option<String>, CloudError> {
        let reply = self
            .client
            .describe_placement_groups()
            .group_names(group)
            .send()
            .await;
        match reply.map_err(|e| sort("ec2:DescribePlacementGroups", e)) {
            Ok(reply) => Ok(reply
                .placement_groups()
                .first()
                .and_then(|g| g.strategy())
                .map(|s| s.as_str().to_owned())),
            Err(e) if e.stops_everything() => Err(e),
            Err(_) => Ok(None),
        }
    }

    /// `one-time` or `persistent`. `None`: it may not be read, or could not be.
    async fn spot_request(&self, id: &InstanceId) -> Result<Option<String>, CloudError> {
        let by_instance = Filter::builder().name("instance-id").values(id.as_str());
        let reply = self
            .client
            .describe_spot_instance_requests()
            .filters(by_instance.build())
            .send()
            .await;
        match reply.map_err(|e| sort("ec2:DescribeSpotInstanceRequests", e)) {
            Ok(reply) => Ok(reply
                .spot_instance_requests()
                .iter()
                .filter(|r| r.instance_id() == Some(id.as_str()))
                .find_map(|r| r.r#type())
                .map(|kind| kind.as_str().to_owned())),
            Err(e) if e.stops_everything() => Err(e),
            Err(_) => Ok(None),
        }
    }

    async fn types_at_once(&self, names: &[InstanceType]) -> Result<Vec<TypeFacts>, CloudError> {
        const CALL: &str = "ec2:DescribeInstanceTypes";
        let mut pages = self
            .client
            .describe_instance_types()
            .set_instance_types(Some(
                names.iter().map(|n| SdkType::from(n.as_str())).collect(),
            ))
            .into_paginator()
            .send();
        let (mut listing, mut found) = (Pages::of(CALL), Vec::new());
        while let Some(page) = pages.next().await {
            let page = listing.take(page, |p| p.next_token())?;
            for info in page.instance_types() {
                found.push(facts::instance_type(info).map_err(|m| incomplete(CALL, m))?);
            }
        }
        found.retain(|facts: &TypeFacts| names.contains(&facts.name));
        Ok(found)
    }

    /// `names` may hold wildcards.
    async fn offerings(
        &self,
        names: Vec<String>,
        zone: &str,
    ) -> Result<Vec<InstanceType>, CloudError> {
        const CALL: &str = "ec2:DescribeInstanceTypeOfferings";
        let mut pages = self
            .client
            .describe_instance_type_offerings()
            .location_type(LocationType::AvailabilityZone)
            .filters(Filter::builder().name("location").values(zone).build())
            .filters(
                Filter::builder()
                    .name("instance-type")
                    .set_values(Some(names))
                    .build(),
            )
            .into_paginator()
            .send();
        let (mut listing, mut offered) = (Pages::of(CALL), Vec::new());
        while let Some(page) = pages.next().await {
            let page = listing.take(page, |p| p.next_token())?;
            let here = page
                .instance_type_offerings()
                .iter()
                .filter(|o| o.location() == Some(zone));
            let names = here.filter_map(|o| o.instance_type());
            offered.extend(names.filter_map(|name| InstanceType::new(name.as_str()).ok()));
        }
        Ok(offered)
    }
}

fn is_unknown_type(e: &CloudError) -> bool {
    e.code.as_deref() == Some("InvalidInstanceType")
}

#[async_trait]
impl Ec2 for AwsEc2 {
    async fn instance(&self, id: &InstanceId) -> Result<Option<InstanceFacts>, CloudError> {
        self.describe(id).await
    }

    async fn complete(&self, mut seen: InstanceFacts) -> Result<InstanceFacts, CloudError> {
        if matches!(seen.state, RunState::Terminated | RunState::ShuttingDown) {
            return Ok(seen);
        }
        seen.stop_protection = self.stop_protection(&seen.id).await?;
        if let Some(group) = &mut seen.placement_group {
            group.strategy = self.strategy(&group.name).await?;
        }
        if seen.auto_scaling_group.is_some() {
            seen.auto_scaling = self.auto_scaling.of(&seen.id).await?;
        }
        if seen.spot {
            seen.spot_request = self.spot_request(&seen.id).await?;
        }
        Ok(seen)
    }

    async fn types(&self, names: &[InstanceType]) -> Result<Vec<TypeFacts>, CloudError> {
        let mut found = Vec::new();
        for chunk in names.chunks(TYPES_PER_CALL) {
            match self.types_at_once(chunk).await {
                Ok(some) => found.extend(some),
                Err(e) if !is_unknown_type(&e) => return Err(e),
                Err(_) if chunk.len() == 1 => {}
                Err(_) => {
                    for name in chunk {
                        match self.types_at_once(std::slice::from_ref(name)).await {
                            Ok(some) => found.extend(some),
                            Err(e) if is_unknown_type(&e) => {}
                            Err(e) => return Err(e),
                        }
                    }
                }
            }
        }
        Ok(found)
    }

    async fn offered(
        &self,
        names: &[InstanceType],
        zone: &str,
    ) -> Result<Vec<InstanceType>, CloudError> {
        if names.is_empty() {
            return Ok(Vec::new());
        }
        let asked = names.iter().map(ToString::to_string).collect();
        let mut offered = self.offerings(asked, zone).await?;
        // Filters know wildcards; only what was asked for is answered.
        offered.retain(|name| names.contains(name));
        Ok(offered)
    }

    async fn offered_like(
        &self,
        pattern: &str,
        zone: &str,
    ) -> Result<Vec<InstanceType>, CloudError> {
        self.offerings(vec![pattern.to_owned()], zone).await
    }

    async fn stop(&self, id: &InstanceId, force: bool) -> Result<(), CloudError> {
        let mut call = self.client.stop_instances().instance_ids(id.as_str());
        if force {
            call = call.force(true);
        }
        call.send()
            .await
            .map(drop)
            .map_err(|e| sort("ec2:StopInstances", e))
    }

    async fn start(&self, id: &InstanceId) -> Result<(), CloudError> {
        let call = self.client.start_instances().instance_ids(id.as_str());
        call.send()
            .await
            .map(drop)
            .map_err(|e| sort("ec2:StartInstances", e))
    }

    async fn set_type(&self, id: &InstanceId, to: &InstanceType) -> Result<(), CloudError> {
        self.client
            .modify_instance_attribute()
            .instance_id(id.as_str())
            .instance_type(AttributeValue::builder().value(to.as_str()).build())
            .send()
            .await
            .map(drop)
            .map_err(|e| sort("ec2:ModifyInstanceAttribute", e))
    }

    async fn set_ebs_optimized(&self, id: &InstanceId, to: bool) -> Result<(), CloudError> {
        self.client
            .modify_instance_attribute()
            .instance_id(id.as_str())
            .ebs_optimized(AttributeBooleanValue::builder().value(to).build())
            .send()
            .await
            .map(drop)
            .map_err(|e| sort("ec2:ModifyInstanceAttribute", e))
    }

    async fn permits(&self, id: &InstanceId, effect: &Effect) -> Result<Permit, CloudError> {
        let (client, id, name) = (&self.client, id.as_str(), effect.call());
        let answer = match effect {
            Effect::Stop => {
                let call = client.stop_instances().instance_ids(id).dry_run(true);
                call.send().await.map(drop).map_err(|e| sort(name, e))
            }
            Effect::Start => {
                let call = client.start_instances().instance_ids(id).dry_run(true);
                call.send().await.map(drop).map_err(|e| sort(name, e))
            }
            Effect::SetType(to) => {
                let to = AttributeValue::builder().value(to.as_str()).build();
                let call = client.modify_instance_attribute().instance_id(id);
                let call = call.instance_type(to).dry_run(true);
                call.send().await.map(drop).map_err(|e| sort(name, e))
            }
            Effect::SetEbsOptimized(to) => {
                let to = AttributeBooleanValue::builder().value(*to).build();
                let call = client.modify_instance_attribute().instance_id(id);
                let call = call.ebs_optimized(to).dry_run(true);
                call.send().await.map(drop).map_err(|e| sort(name, e))
            }
            Effect::Reserve(ask) => {
                let call = reservations::create(client, ask).dry_run(true);
                call.send().await.map(drop).map_err(|e| sort(name, e))
            }
        };
        permit(answer)
    }

    async fn status_checks(&self, id: &InstanceId) -> Result<StatusChecks, CloudError> {
        const CALL: &str = "ec2:DescribeInstanceStatus";
        let reply = self
            .client
            .describe_instance_status()
            .instance_ids(id.as_str())
            .include_all_instances(true)
            .send()
            .await
            .map_err(|e| sort(CALL, e))?;
        let status = reply
            .instance_statuses()
            .iter()
            .find(|s| s.instance_id() == Some(id.as_str()))
            .ok_or_else(|| CloudError {
                kind: CloudErrorKind::NotFound,
                ..incomplete(CALL, format!("expected the status of {id}, found none"))
            })?;
        let word = |s: Option<&aws_sdk_ec2::types::InstanceStatusSummary>| {
            s.and_then(|s| s.status())
                .map_or("not-applicable", |s| s.as_str())
                .to_owned()
        };
        Ok(StatusChecks {
            instance: word(status.instance_status()),
            system: word(status.system_status()),
        })
    }

    async fn reserve(&self, ask: &Reserve) -> Result<Reservation, CloudError> {
        reservations::reserve(&self.client, ask).await
    }

    async fn reservations(&self, of: &WhichReservations) -> Result<Vec<Reservation>, CloudError> {
        reservations::reservations(&self.client, of).await
    }

    async fn release(&self, id: &ReservationId) -> Result<(), CloudError> {
        reservations::release(&self.client, id).await
    }

    async fn console(&self, id: &InstanceId) -> Result<Option<String>, CloudError> {
        const CALL: &str = "ec2:GetConsoleOutput";
        let ask = |latest| {
            let call = self.client.get_console_output().instance_id(id.as_str());
            call.set_latest(latest).send()
        };
        let reply = match ask(Some(true)).await.map_err(|e| sort(CALL, e)) {
            // The latest output can be had of Nitro instances alone (EC2 API, `GetConsoleOutput`).
            Err(e) if e.code.as_deref() == Some("UnsupportedOperation") => {
                ask(None).await.map_err(|e| sort(CALL, e))?
            }
            other => other?,
        };
        let text = |base64: &str| {
            let bytes = STANDARD.decode(base64.split_whitespace().collect::<String>());
            let bytes = bytes.map_err(|e| incomplete(CALL, format!("expected base64: {e}")))?;
            Ok(String::from_utf8_lossy(&bytes).into_owned())
        };
        let output = reply.output().filter(|o| !o.is_empty());
        output.map(text).transpose()
    }
}
