use super::super::testing::{canned, ec2_error, ec2_reply};
use crate::cloud::CloudErrorKind;
use crate::model::{InstanceFacts, InstanceId, InstanceType, RunState};

/// As EC2 writes it (EC2 API, `DescribeInstances`), cut to what is read and a little around it.
const INSTANCE: &str = r#"<reservationSet><item>
  <reservationId>r-0f00ba41111111111</reservationId><ownerId>123456789012</ownerId><groupSet/>
  <instancesSet><item>
    <instanceId>i-0123456789abcdef0</instanceId><imageId>ami-0abcdef1234567890</imageId>
    <instanceState><code>80</code><name>stopped</name></instanceState>
    <reason>User initiated (2026-11-01 10:00:00 GMT)</reason>
    <amiLaunchIndex>0</amiLaunchIndex><productCodes/>
    <instanceType>t3.medium</instanceType><launchTime>2026-11-01T09:00:00.000Z</launchTime>
    <placement><availabilityZone>us-east-1a</availabilityZone><groupName/><tenancy>default</tenancy></placement>
    <monitoring><state>disabled</state></monitoring>
    <privateIpAddress>10.0.0.5</privateIpAddress><ipAddress>198.51.100.7</ipAddress>
    <stateReason><code>Client.UserInitiatedShutdown</code><message>Client.UserInitiatedShutdown: User initiated shutdown</message></stateReason>
    <architecture>x86_64</architecture><rootDeviceType>ebs</rootDeviceType><rootDeviceName>/dev/xvda</rootDeviceName>
    <blockDeviceMapping>
      <item><deviceName>/dev/xvda</deviceName><ebs><volumeId>vol-01</volumeId><status>attached</status></ebs></item>
      <item><deviceName>/dev/sdf</deviceName><ebs><volumeId>vol-02</volumeId><status>attached</status></ebs></item>
    </blockDeviceMapping>
    <virtualizationType>hvm</virtualizationType>
    <tagSet><item><key>Name</key><value>my-dev-stack</value></item>
      <item><key>aws:autoscaling:groupName</key><value>web</value></item></tagSet>
    <hypervisor>xen</hypervisor><platformDetails>Red Hat Enterprise Linux</platformDetails>
    <capacityReservationId>cr-0123456789abcdef0</capacityReservationId>
    <capacityReservationSpecification><capacityReservationPreference>open</capacityReservationPreference></capacityReservationSpecification>
    <networkInterfaceSet><item><networkInterfaceId>eni-01</networkInterfaceId>
      <association><publicIp>198.51.100.7</publicIp><publicDnsName/><ipOwnerId>123456789012</ipOwnerId></association>
    </item></networkInterfaceSet>
    <ebsOptimized>true</ebsOptimized><enaSupport>true</enaSupport>
    <hibernationOptions><configured>false</configured></hibernationOptions>
    <bootMode>uefi-preferred</bootMode><currentInstanceBootMode>uefi</currentInstanceBootMode>
    <operator><managed>false</managed></operator>
  </item></instancesSet></item></reservationSet>"#;

const PROTECTED: &str = "<instanceId>i-0123456789abcdef0</instanceId><disableApiStop><value>true</value></disableApiStop>";

fn id() -> InstanceId {
    InstanceId::new("i-0123456789abcdef0").unwrap()
}

fn type_(name: &str) -> InstanceType {
    InstanceType::new(name).unwrap()
}

/// The facts of an instance whose XML was changed here and there.
async fn seen(edit: fn(String) -> String) -> InstanceFacts {
    let (aws, _) = canned(move |asked| match asked.call.as_str() {
        "ec2:DescribeInstances" => ec2_reply("DescribeInstances", &edit(INSTANCE.to_owned())),
        _ => ec2_reply("DescribeInstanceAttribute", PROTECTED),
    });
    aws.ec2.instance(&id()).await.unwrap().unwrap()
}

#[tokio::test]
async fn all_facts_of_an_instance_are_read() {
    let expected = InstanceFacts {
        id: id(),
        account: "123456789012".into(),
        region: "us-east-1".into(),
        zone: "us-east-1a".into(),
        instance_type: type_("t3.medium"),
        state: RunState::Stopped,
        state_reason: Some("Client.UserInitiatedShutdown: User initiated shutdown".into()),
        architecture: "x86_64".into(),
        virtualization: "hvm".into(),
        boot_mode: Some("uefi".into()),
        root_device_type: "ebs".into(),
        ena_support: true,
        ebs_optimized: true,
        network_interfaces: 1,
        network_cards: 1,
        volumes: 2,
        spot: false,
        spot_request: None,
        hibernation: false,
        stop_protection: None,
        auto_scaling_group: Some("web".into()),
        auto_scaling: None,
        operator_managed: false,
        tenancy: "default".into(),
        placement_group: None,
        public_ip: Some("198.51.100.7".into()),
        elastic_ip: true,
        private_ip: Some("10.0.0.5".into()),
        launched_at: Some("2026-11-01T09:00:00Z".parse().unwrap()),
        platform: "Red Hat Enterprise Linux".into(),
        reservation_preference: Some("open".into()),
        reservation: Some("cr-0123456789abcdef0".into()),
    };
    assert_eq!(seen(|xml| xml).await, expected);
}

#[tokio::test]
async fn an_address_of_amazons_is_not_elastic() {
    let facts = seen(|xml| xml.replace("<ipOwnerId>123456789012", "<ipOwnerId>amazon")).await;
    assert!(!facts.elastic_ip);
    assert_eq!(facts.public_ip.as_deref(), Some("198.51.100.7"));
}

#[tokio::test]
async fn an_instance_that_is_bound_to_a_reservation_says_so() {
    let bound = seen(|xml| {
        let open = "<capacityReservationPreference>open</capacityReservationPreference>";
        let target = "<capacityReservationTarget><capacityReservationId>cr-1</capacityReservationId></capacityReservationTarget>";
        assert!(xml.contains(open));
        xml.replace(open, target)
    })
    .await;
    assert_eq!(bound.reservation_preference.as_deref(), Some("targeted"));
    let plain = seen(|xml| xml.replace("platformDetails", "other")).await;
    assert_eq!(plain.platform, "Linux/UNIX");
}

#[tokio::test]
async fn what_forbids_a_stop_is_read() {
    let spot = seen(|xml| {
        xml.replace(
            "<hypervisor>",
            "<instanceLifecycle>spot</instanceLifecycle><hypervisor>",
        )
    });
    assert!(spot.await.spot);
    let hibernation = seen(|xml| xml.replace("<configured>false", "<configured>true"));
    assert!(hibernation.await.hibernation);
    let operator = seen(|xml| {
        xml.replace(
            "<managed>false</managed>",
            "<managed>true</managed><principal>eks.amazonaws.com</principal>",
        )
    });
    assert!(operator.await.operator_managed);
    let host = seen(|xml| xml.replace("<tenancy>default", "<tenancy>host"));
    assert_eq!(host.await.tenancy, "host");
}

#[tokio::test]
async fn a_look_asks_once_and_the_preflight_asks_the_rest() {
    let spot = |_: &str| {
        INSTANCE
            .replace("<groupName/>", "<groupName>near</groupName>")
            .replace(
                "<hypervisor>",
                "<instanceLifecycle>spot</instanceLifecycle><hypervisor>",
            )
    };
    let (aws, log) = canned(move |asked| match asked.call.as_str() {
        "ec2:DescribeInstances" => ec2_reply("DescribeInstances", &spot("")),
        "ec2:DescribePlacementGroups" => ec2_reply(
            "DescribePlacementGroups",
            "<placementGroupSet><item><groupName>near</groupName><strategy>spread</strategy></item></placementGroupSet>",
        ),
        "ec2:DescribeSpotInstanceRequests" => ec2_reply(
            "DescribeSpotInstanceRequests",
            "<spotInstanceRequestSet><item><spotInstanceRequestId>sir-1</spotInstanceRequestId><type>persistent</type>\
             <instanceId>i-0123456789abcdef0</instanceId></item></spotInstanceRequestSet>",
        ),
        _ => ec2_reply("DescribeInstanceAttribute", PROTECTED),
    });
    let seen = aws.ec2.instance(&id()).await.unwrap().unwrap();
    assert_eq!(log.calls(), ["ec2:DescribeInstances"]);
    let seen = aws.ec2.complete(seen).await.unwrap();
    assert_eq!(seen.stop_protection, Some(true));
    assert_eq!(
        seen.placement_group.unwrap().strategy.as_deref(),
        Some("spread")
    );
    assert_eq!(seen.spot_request.as_deref(), Some("persistent"));
}

#[tokio::test]
async fn what_the_preflight_may_not_read_stays_unknown() {
    let (aws, _) = canned(|asked| match asked.call.as_str() {
        "ec2:DescribeInstances" => ec2_reply("DescribeInstances", INSTANCE),
        _ => ec2_error(403, "UnauthorizedOperation", "You are not authorized"),
    });
    let seen = aws.ec2.instance(&id()).await.unwrap().unwrap();
    assert_eq!(aws.ec2.complete(seen.clone()).await, Ok(seen));
    let (aws, _) = canned(|asked| match asked.call.as_str() {
        "ec2:DescribeInstances" => ec2_reply("DescribeInstances", INSTANCE),
        _ => ec2_error(400, "ExpiredToken", "The token has expired"),
    });
    let seen = aws.ec2.instance(&id()).await.unwrap().unwrap();
    let e = aws.ec2.complete(seen).await.unwrap_err();
    assert_eq!(e.kind, CloudErrorKind::Credentials);
}

#[tokio::test]
async fn an_unknown_instance_is_none_and_a_denied_look_is_an_error() {
    let (aws, _) = canned(|_| {
        ec2_error(
            400,
            "InvalidInstanceID.NotFound",
            "The instance ID does not exist",
        )
    });
    assert_eq!(aws.ec2.instance(&id()).await, Ok(None));
    let (aws, _) = canned(|_| ec2_error(403, "UnauthorizedOperation", "You are not authorized"));
    let e = aws.ec2.instance(&id()).await.unwrap_err();
    assert_eq!(
        (e.call, e.kind),
        ("ec2:DescribeInstances", CloudErrorKind::Denied)
    );
    let (aws, _) = canned(|_| ec2_reply("DescribeInstances", "<reservationSet/>"));
    assert_eq!(aws.ec2.instance(&id()).await, Ok(None));
}

#[tokio::test]
async fn a_state_that_ec2_does_not_document_is_an_error_that_names_it() {
    let (aws, _) = canned(|asked| match asked.call.as_str() {
        "ec2:DescribeInstances" => ec2_reply(
            "DescribeInstances",
            &INSTANCE.replace("<name>stopped", "<name>dreaming"),
        ),
        _ => ec2_reply("DescribeInstanceAttribute", PROTECTED),
    });
    let e = aws.ec2.instance(&id()).await.unwrap_err();
    assert_eq!(
        e.message,
        "expected a state of i-0123456789abcdef0, found 'dreaming'"
    );
}
