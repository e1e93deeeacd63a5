use std::collections::BTreeMap;

use super::super::testing::{Asked, canned, ec2_error, ec2_reply};
use crate::cloud::{
    CloudErrorKind, Effect, Reservation, ReservationOwner, Reserve, WhichReservations,
};
use crate::model::{DeploymentName, InstanceId, InstanceType, OperationId, Permit, ReservationId};

const ID: &str = "cr-0123456789abcdef0";

fn owner() -> ReservationOwner {
    ReservationOwner {
        deployment: DeploymentName::new("web").unwrap(),
        instance: InstanceId::new("i-0123456789abcdef0").unwrap(),
        operation: Some(OperationId::new("20261120-100730-1a2b").unwrap()),
    }
}

pub(super) fn ask() -> Reserve {
    Reserve {
        instance_type: InstanceType::new("t3.large").unwrap(),
        zone: "us-east-1a".into(),
        platform: "Linux/UNIX".into(),
        tenancy: "default".into(),
        ends_at: "2026-11-20T12:00:00Z".parse().unwrap(),
        token: "geusemaker-1".into(),
        owner: owner(),
    }
}

pub(super) fn id() -> ReservationId {
    ReservationId::new(ID).unwrap()
}

pub(super) fn mine() -> WhichReservations {
    WhichReservations::Of(owner())
}

/// The form of a request, in the order of its names.
fn form(asked: &Asked) -> Vec<(String, String)> {
    let all: BTreeMap<String, String> = form_urlencoded::parse(asked.body.as_bytes())
        .into_owned()
        .filter(|(k, _)| k != "Action" && k != "Version")
        .collect();
    all.into_iter().collect()
}

fn pairs(all: &[(&str, &str)]) -> Vec<(String, String)> {
    all.iter()
        .map(|(k, v)| ((*k).to_owned(), (*v).to_owned()))
        .collect()
}

/// As EC2 writes it (EC2 API, `CapacityReservation`), cut.
fn item(state: &str, available: u32) -> String {
    format!(
        "<capacityReservationId>{ID}</capacityReservationId><instanceType>t3.large</instanceType>\
         <instancePlatform>Linux/UNIX</instancePlatform><availabilityZone>us-east-1a</availabilityZone>\
         <tenancy>default</tenancy><totalInstanceCount>1</totalInstanceCount>\
         <availableInstanceCount>{available}</availableInstanceCount><state>{state}</state>\
         <endDate>2026-11-20T12:00:00.000Z</endDate><endDateType>limited</endDateType>\
         <instanceMatchCriteria>open</instanceMatchCriteria>"
    )
}

fn reservation(state: &str, available: u32) -> Reservation {
    Reservation {
        id: id(),
        instance_type: InstanceType::new("t3.large").unwrap(),
        state: state.into(),
        total: 1,
        available,
        ends_at: Some("2026-11-20T12:00:00Z".parse().unwrap()),
    }
}

const OWNER: [(&str, &str); 3] = [
    ("geusemaker:deployment", "web"),
    ("geusemaker:instance", "i-0123456789abcdef0"),
    ("geusemaker:operation", "20261120-100730-1a2b"),
];

#[tokio::test]
async fn a_reservation_is_open_for_one_instance_limited_tagged_and_safe_to_repeat() {
    let (aws, log) = canned(|_| {
        let one = item("active", 1);
        ec2_reply(
            "CreateCapacityReservation",
            &format!("<capacityReservation>{one}</capacityReservation>"),
        )
    });
    assert_eq!(aws.ec2.reserve(&ask()).await, Ok(reservation("active", 1)));
    let mut expected = pairs(&[
        ("AvailabilityZone", "us-east-1a"),
        ("ClientToken", "geusemaker-1"),
        ("EndDate", "2026-11-20T12:00:00Z"),
        ("EndDateType", "limited"),
        ("InstanceCount", "1"),
        ("InstanceMatchCriteria", "open"),
        ("InstancePlatform", "Linux/UNIX"),
        ("InstanceType", "t3.large"),
        ("TagSpecifications.1.ResourceType", "capacity-reservation"),
        ("Tenancy", "default"),
    ]);
    for (n, (key, value)) in (1..).zip(OWNER) {
        expected.push((format!("TagSpecifications.1.Tag.{n}.Key"), key.into()));
        expected.push((format!("TagSpecifications.1.Tag.{n}.Value"), value.into()));
    }
    expected.sort();
    let sent = form(&log.only("ec2:CreateCapacityReservation"));
    assert_eq!(sent, expected);

    // The dry run is the same request.
    let (aws, log) = canned(|_| ec2_error(412, "DryRunOperation", "would have succeeded"));
    let instance = owner().instance;
    let permit = aws.ec2.permits(&instance, &Effect::Reserve(ask())).await;
    assert_eq!(permit, Ok(Permit::Yes));
    expected.push(("DryRun".into(), "true".into()));
    expected.sort();
    assert_eq!(form(&log.only("ec2:CreateCapacityReservation")), expected);
}

#[tokio::test]
async fn no_capacity_and_a_quota_are_told_apart_and_neither_is_tried_again() {
    for (status, code, quota) in [
        (500, "InsufficientInstanceCapacity", false),
        (400, "VcpuLimitExceeded", true),
        (400, "InstanceLimitExceeded", true),
    ] {
        let (aws, log) = canned(move |_| ec2_error(status, code, "no"));
        let e = aws.ec2.reserve(&ask()).await.unwrap_err();
        assert_eq!(
            (e.kind, e.is_quota()),
            (CloudErrorKind::Capacity, quota),
            "{code}"
        );
        assert_eq!(log.calls().len(), 1, "{code}");
    }
}

#[tokio::test]
async fn those_of_an_operation_are_found_by_their_tags_over_all_pages() {
    let (aws, log) = canned(|asked| {
        let last = form(asked).iter().any(|(k, _)| k == "NextToken");
        let next = if last {
            ""
        } else {
            "<nextToken>page-2</nextToken>"
        };
        let items = format!("<item>{}</item>", item("active", u32::from(last)));
        ec2_reply(
            "DescribeCapacityReservations",
            &format!("<capacityReservationSet>{items}</capacityReservationSet>{next}"),
        )
    });
    let found = aws.ec2.reservations(&mine()).await.unwrap();
    assert_eq!(found, [reservation("active", 0), reservation("active", 1)]);
    let mut expected = pairs(&[
        ("Filter.1.Name", "state"),
        ("Filter.1.Value.1", "active"),
        ("Filter.1.Value.2", "pending"),
    ]);
    for (n, (key, value)) in (2..).zip(OWNER) {
        expected.push((format!("Filter.{n}.Name"), format!("tag:{key}")));
        expected.push((format!("Filter.{n}.Value.1"), value.into()));
    }
    expected.sort();
    assert_eq!(form(&log.all()[0]), expected);
}

#[tokio::test]
async fn one_that_is_not_known_is_left_out_of_those_that_are_asked_about() {
    let (aws, log) = canned(|asked| {
        if asked.body.contains(ID) {
            let one = item("expired", 0);
            return ec2_reply(
                "DescribeCapacityReservations",
                &format!("<capacityReservationSet><item>{one}</item></capacityReservationSet>"),
            );
        }
        ec2_error(400, "InvalidCapacityReservationId.NotFound", "no such")
    });
    let other = ReservationId::new("cr-0fedcba9876543210").unwrap();
    let asked = WhichReservations::Ids(vec![other, id()]);
    let found = aws.ec2.reservations(&asked).await;
    assert_eq!(found, Ok(vec![reservation("expired", 0)]));
    assert_eq!(log.calls().len(), 2);
}

#[tokio::test]
async fn a_release_names_the_reservation() {
    let (aws, log) = canned(|_| ec2_reply("CancelCapacityReservation", "<return>true</return>"));
    aws.ec2.release(&id()).await.unwrap();
    let sent = form(&log.only("ec2:CancelCapacityReservation"));
    assert_eq!(sent, pairs(&[("CapacityReservationId", ID)]));
}
