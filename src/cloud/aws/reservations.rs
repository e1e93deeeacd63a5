//! Capacity reservations over the SDK.

use aws_sdk_ec2::Client;
use aws_sdk_ec2::operation::create_capacity_reservation::builders::CreateCapacityReservationFluentBuilder;
use aws_sdk_ec2::types::{
    CapacityReservation, CapacityReservationInstancePlatform as Platform,
    CapacityReservationTenancy as Tenancy, EndDateType, Filter, InstanceMatchCriteria,
    ResourceType, Tag, TagSpecification,
};
use aws_smithy_types::DateTime;

use super::errors::{incomplete, sort};
use super::facts::timestamp;
use super::pages::Pages;
use crate::cloud::{CloudError, CloudErrorKind, Reservation, Reserve, WhichReservations};
use crate::model::{InstanceType, ReservationId};

const CREATE: &str = "ec2:CreateCapacityReservation";

/// The request; the dry run sends the same.
pub(super) fn create(client: &Client, ask: &Reserve) -> CreateCapacityReservationFluentBuilder {
    let tag = |(key, value): (&str, &str)| Tag::builder().key(key).value(value).build();
    let tags = ask.owner.tags().into_iter().map(tag).collect();
    client
        .create_capacity_reservation()
        .client_token(&ask.token)
        .instance_type(ask.instance_type.as_str())
        .instance_platform(Platform::from(ask.platform.as_str()))
        .availability_zone(&ask.zone)
        .tenancy(Tenancy::from(ask.tenancy.as_str()))
        .instance_count(1)
        .instance_match_criteria(InstanceMatchCriteria::Open)
        .end_date_type(EndDateType::Limited)
        .end_date(DateTime::from_secs(ask.ends_at.as_second()))
        .tag_specifications(
            TagSpecification::builder()
                .resource_type(ResourceType::CapacityReservation)
                .set_tags(Some(tags))
                .build(),
        )
}

pub(super) async fn reserve(client: &Client, ask: &Reserve) -> Result<Reservation, CloudError> {
    let reply = create(client, ask).send().await;
    let reply = reply.map_err(|e| sort(CREATE, e))?;
    let made = reply
        .capacity_reservation()
        .ok_or_else(|| incomplete(CREATE, "expected a reservation, found none"))?;
    reservation(made).map_err(|missing| incomplete(CREATE, missing))
}

pub(super) async fn reservations(
    client: &Client,
    of: &WhichReservations,
) -> Result<Vec<Reservation>, CloudError> {
    match of {
        WhichReservations::Of(owner) => {
            let filter = |name: String, values: Vec<String>| {
                let filter = Filter::builder().name(name);
                filter.set_values(Some(values)).build()
            };
            let mut filters = vec![filter(
                "state".into(),
                ["active", "pending"].map(str::to_owned).into(),
            )];
            filters.extend(
                owner
                    .tags()
                    .into_iter()
                    .map(|(key, value)| filter(format!("tag:{key}"), vec![value.to_owned()])),
            );
            described(client, filters, Vec::new()).await
        }
        WhichReservations::Ids(ids) => {
            let mut found = Vec::new();
            // One that is not known fails the whole call: each is asked about by itself.
            for id in ids {
                match described(client, Vec::new(), vec![id.to_string()]).await {
                    Ok(one) => found.extend(one),
                    Err(e) if e.kind == CloudErrorKind::NotFound => {}
                    Err(e) => return Err(e),
                }
            }
            Ok(found)
        }
    }
}

async fn described(
    client: &Client,
    filters: Vec<Filter>,
    ids: Vec<String>,
) -> Result<Vec<Reservation>, CloudError> {
    const CALL: &str = "ec2:DescribeCapacityReservations";
    let mut pages = client
        .describe_capacity_reservations()
        .set_filters((!filters.is_empty()).then_some(filters))
        .set_capacity_reservation_ids((!ids.is_empty()).then_some(ids))
        .into_paginator()
        .send();
    let (mut listing, mut found) = (Pages::of(CALL), Vec::new());
    while let Some(page) = pages.next().await {
        let page = listing.take(page, |p| p.next_token())?;
        for one in page.capacity_reservations() {
            found.push(reservation(one).map_err(|missing| incomplete(CALL, missing))?);
        }
    }
    Ok(found)
}

pub(super) async fn release(client: &Client, id: &ReservationId) -> Result<(), CloudError> {
    client
        .cancel_capacity_reservation()
        .capacity_reservation_id(id.as_str())
        .send()
        .await
        .map(drop)
        .map_err(|e| sort("ec2:CancelCapacityReservation", e))
}

/// An error is the sentence that says what the reply lacks.
fn reservation(r: &CapacityReservation) -> Result<Reservation, String> {
    let id = r.capacity_reservation_id().unwrap_or_default();
    let count = |n: Option<i32>| n.and_then(|n| u32::try_from(n).ok()).unwrap_or_default();
    Ok(Reservation {
        id: ReservationId::new(id).map_err(|e| e.to_string())?,
        instance_type: InstanceType::new(r.instance_type().unwrap_or_default())
            .map_err(|e| format!("{id}: {e}"))?,
        state: r
            .state()
            .ok_or_else(|| format!("expected a state of {id}, found none"))?
            .as_str()
            .to_owned(),
        total: count(r.total_instance_count()),
        available: count(r.available_instance_count()),
        ends_at: r.end_date().and_then(timestamp),
    })
}
