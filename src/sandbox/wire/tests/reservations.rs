use aws_sdk_ec2::types::{
    CapacityReservation, CapacityReservationInstancePlatform as Platform,
    CapacityReservationState as State, EndDateType, Filter, InstanceMatchCriteria, InstanceType,
    ResourceType, Tag, TagSpecification,
};
use aws_smithy_types::DateTime;

use super::*;

fn tagged(value: &str) -> TagSpecification {
    TagSpecification::builder()
        .resource_type(ResourceType::CapacityReservation)
        .tags(Tag::builder().key("of").value(value).build())
        .build()
}

async fn create(
    kit: &Kit,
    token: &str,
) -> Result<
    CapacityReservation,
    aws_sdk_ec2::error::SdkError<
        aws_sdk_ec2::operation::create_capacity_reservation::CreateCapacityReservationError,
    >,
> {
    let end = kit.clock.now().as_second() + 7200;
    let answer = kit
        .ec2()
        .create_capacity_reservation()
        .client_token(token)
        .instance_type("t3.large")
        .instance_platform(Platform::LinuxUnix)
        .availability_zone("us-east-1a")
        .instance_count(1)
        .instance_match_criteria(InstanceMatchCriteria::Open)
        .end_date_type(EndDateType::Limited)
        .end_date(DateTime::from_secs(end))
        .tag_specifications(tagged("me"))
        .send()
        .await?;
    Ok(answer.capacity_reservation().expect("one").clone())
}

async fn described(kit: &Kit, name: &str, value: &str) -> Vec<CapacityReservation> {
    let filter = Filter::builder().name(name).values(value).build();
    let call = kit.ec2().describe_capacity_reservations().filters(filter);
    call.send().await.unwrap().capacity_reservations().to_vec()
}

#[tokio::test]
async fn a_reservation_is_made_seen_used_and_cancelled_over_the_wire() {
    let kit = Kit::new();
    let made = create(&kit, "once").await.unwrap();
    let id = made.capacity_reservation_id().unwrap().to_owned();
    assert_eq!(made.state(), Some(&State::Active));
    assert_eq!(made.instance_type(), Some("t3.large"));
    assert_eq!(made.end_date_type(), Some(&EndDateType::Limited));
    assert_eq!(made.end_date().unwrap().to_string(), "2026-11-20T12:00:00Z");
    let counts = |r: &CapacityReservation| (r.total_instance_count(), r.available_instance_count());
    assert_eq!(counts(&made), (Some(1), Some(1)));
    assert_eq!(
        create(&kit, "once")
            .await
            .unwrap()
            .capacity_reservation_id(),
        Some(id.as_str())
    );
    for (name, value, expected) in [
        ("tag:of", "me", 1),
        ("tag:of", "you", 0),
        ("state", "active", 1),
        ("instance-type", "t3.large", 1),
        ("availability-zone", "us-east-1b", 0),
    ] {
        assert_eq!(
            described(&kit, name, value).await.len(),
            expected,
            "{name}={value}"
        );
    }

    kit.stop().await;
    let retype = kit.ec2().modify_instance_attribute().instance_id(ID);
    let large = aws_sdk_ec2::types::AttributeValue::builder().value("t3.large");
    retype.instance_type(large.build()).send().await.unwrap();
    kit.start().await;
    let seen = &described(&kit, "tag:of", "me").await[0];
    assert_eq!(counts(seen), (Some(1), Some(0)));
    let look = kit
        .ec2()
        .describe_instances()
        .instance_ids(ID)
        .send()
        .await
        .unwrap();
    let instance = &look.reservations()[0].instances()[0];
    assert_eq!(instance.instance_type(), Some(&InstanceType::T3Large));
    assert_eq!(instance.capacity_reservation_id(), Some(id.as_str()));
    assert_eq!(instance.platform_details(), Some("Linux/UNIX"));
    let preference = instance.capacity_reservation_specification().unwrap();
    assert_eq!(
        preference
            .capacity_reservation_preference()
            .unwrap()
            .as_str(),
        "open"
    );

    let cancel = || {
        kit.ec2()
            .cancel_capacity_reservation()
            .capacity_reservation_id(&id)
            .send()
    };
    assert_eq!(cancel().await.unwrap().r#return(), Some(true));
    assert_eq!(
        described(&kit, "tag:of", "me").await[0].state(),
        Some(&State::Cancelled)
    );
    assert_eq!(code(cancel().await), "IncorrectState");
}

#[tokio::test]
async fn what_is_no_reservation_and_what_is_not_modelled_is_refused() {
    let kit = Kit::new();
    let cancel = |id: &str| {
        kit.ec2()
            .cancel_capacity_reservation()
            .capacity_reservation_id(id)
            .send()
    };
    assert_eq!(
        code(cancel("cr-1").await),
        "InvalidCapacityReservationId.Malformed"
    );
    assert_eq!(
        code(cancel("cr-0123456789abcdef0").await),
        "InvalidCapacityReservationId.NotFound"
    );
    kit.fault(
        "ec2:CreateCapacityReservation@t3.large=InsufficientInstanceCapacity",
        Some(1),
    );
    assert_eq!(
        code(create(&kit, "a").await),
        "InsufficientInstanceCapacity"
    );
    create(&kit, "a").await.unwrap();
    let outpost = kit
        .ec2()
        .create_capacity_reservation()
        .instance_type("t3.large")
        .instance_platform(Platform::LinuxUnix)
        .availability_zone("us-east-1a")
        .instance_count(1);
    assert_eq!(
        code(outpost.clone().outpost_arn("arn:x").send().await),
        "UnsupportedOperation"
    );
    let half = outpost.end_date_type(EndDateType::Limited).send().await;
    assert_eq!(code(half), "InvalidParameterCombination");
}
