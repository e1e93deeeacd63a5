use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU32, Ordering};

use super::super::testing::{Asked, canned, ec2_error, ec2_reply};
use crate::cloud::{CloudErrorKind, StatusChecks};
use crate::model::{InstanceId, InstanceType, TypeFacts};

/// As EC2 writes it (EC2 API, `DescribeInstanceTypes`), cut.
const T3_LARGE: &str = "<item><instanceType>t3.large</instanceType><currentGeneration>true</currentGeneration>
    <supportedUsageClasses><item>on-demand</item><item>spot</item></supportedUsageClasses>
    <supportedRootDeviceTypes><item>ebs</item></supportedRootDeviceTypes>
    <supportedVirtualizationTypes><item>hvm</item></supportedVirtualizationTypes>
    <bareMetal>false</bareMetal><hypervisor>nitro</hypervisor>
    <processorInfo><supportedArchitectures><item>x86_64</item></supportedArchitectures></processorInfo>
    <vCpuInfo><defaultVCpus>2</defaultVCpus><defaultCores>1</defaultCores></vCpuInfo>
    <memoryInfo><sizeInMiB>8192</sizeInMiB></memoryInfo>
    <ebsInfo><ebsOptimizedSupport>default</ebsOptimizedSupport><encryptionSupport>supported</encryptionSupport>
      <nvmeSupport>required</nvmeSupport><maximumEbsAttachments>27</maximumEbsAttachments></ebsInfo>
    <networkInfo><maximumNetworkInterfaces>3</maximumNetworkInterfaces><enaSupport>required</enaSupport></networkInfo>
    <supportedBootModes><item>legacy-bios</item><item>uefi</item></supportedBootModes></item>";

const T2_MICRO: &str = "<item><instanceType>t2.micro</instanceType>
    <processorInfo><supportedArchitectures><item>i386</item><item>x86_64</item></supportedArchitectures></processorInfo>
    <vCpuInfo><defaultVCpus>1</defaultVCpus></vCpuInfo><memoryInfo><sizeInMiB>1024</sizeInMiB></memoryInfo></item>";

fn id() -> InstanceId {
    InstanceId::new("i-0123456789abcdef0").unwrap()
}

fn types(names: &[&str]) -> Vec<InstanceType> {
    names
        .iter()
        .map(|n| InstanceType::new(*n).unwrap())
        .collect()
}

/// The form of an EC2 request, without what every request has.
fn form(asked: &Asked) -> BTreeMap<String, String> {
    form_urlencoded::parse(asked.body.as_bytes())
        .into_owned()
        .filter(|(k, _)| k != "Action" && k != "Version")
        .collect()
}

fn pairs(all: &[(&str, &str)]) -> BTreeMap<String, String> {
    all.iter()
        .map(|(k, v)| ((*k).to_owned(), (*v).to_owned()))
        .collect()
}

/// Answers like EC2, which refuses the whole call when one of the types does not exist.
fn catalogue(asked: &Asked) -> super::super::testing::Answer {
    let mut items = String::new();
    for (key, name) in form(asked) {
        assert!(key.starts_with("InstanceType."), "{key}");
        match name.as_str() {
            "t3.large" => items += T3_LARGE,
            "t2.micro" => items += T2_MICRO,
            other => {
                let text = format!("The following supplied instance types do not exist: [{other}]");
                return ec2_error(400, "InvalidInstanceType", &text);
            }
        }
    }
    ec2_reply(
        "DescribeInstanceTypes",
        &format!("<instanceTypeSet>{items}</instanceTypeSet>"),
    )
}

#[tokio::test]
async fn all_facts_of_a_type_are_read() {
    let (aws, _) = canned(catalogue);
    let found = aws
        .ec2
        .types(&types(&["t3.large", "t2.micro"]))
        .await
        .unwrap();
    let words = |all: &[&str]| all.iter().map(|w| (*w).to_owned()).collect::<Vec<_>>();
    let large = TypeFacts {
        name: types(&["t3.large"]).remove(0),
        architectures: words(&["x86_64"]),
        virtualization: words(&["hvm"]),
        boot_modes: words(&["legacy-bios", "uefi"]),
        root_devices: words(&["ebs"]),
        ena: "required".into(),
        nvme: "required".into(),
        ebs_optimized: "default".into(),
        max_interfaces: 3,
        max_cards: 1,
        shared_attachments: None,
        placement: Vec::new(),
        instance_storage: false,
        max_volumes: Some(27),
        usage_classes: words(&["on-demand", "spot"]),
        vcpus: 2,
        memory_mib: 8192,
        gpu: false,
        gpu_maker: None,
        dedicated_hosts: false,
    };
    assert_eq!(found[0], large);
    // What the reply leaves out is not supported, or not known.
    assert_eq!(found[1].ena, "unsupported");
    assert_eq!(found[1].max_volumes, None);
}

#[tokio::test]
async fn a_type_that_does_not_exist_is_left_out_and_the_others_are_asked_one_by_one() {
    let (aws, log) = canned(catalogue);
    let found = aws
        .ec2
        .types(&types(&["t3.large", "t3.enormous", "t2.micro"]))
        .await
        .unwrap();
    let names: Vec<_> = found.iter().map(|t| t.name.as_str()).collect();
    assert_eq!(names, ["t3.large", "t2.micro"]);
    assert_eq!(log.calls().len(), 4);
    // A single one is not asked twice.
    let (aws, log) = canned(catalogue);
    assert_eq!(
        aws.ec2.types(&types(&["t3.enormous"])).await,
        Ok(Vec::new())
    );
    assert_eq!(log.calls().len(), 1);
    // And nothing asked is nothing sent: without names EC2 would answer with all of them.
    assert_eq!(aws.ec2.types(&[]).await, Ok(Vec::new()));
    assert_eq!(log.calls().len(), 1);
}

#[tokio::test]
async fn any_other_error_about_types_is_an_error() {
    let (aws, _) = canned(|_| ec2_error(403, "UnauthorizedOperation", "no"));
    let e = aws
        .ec2
        .types(&types(&["t3.large", "t2.micro"]))
        .await
        .unwrap_err();
    assert_eq!(
        (e.call, e.kind),
        ("ec2:DescribeInstanceTypes", CloudErrorKind::Denied)
    );
}

#[tokio::test]
async fn offerings_are_asked_by_zone_over_all_pages() {
    let (aws, log) = canned(|asked| {
        let item = |name: &str, at: &str| {
            format!(
                "<item><instanceType>{name}</instanceType><locationType>availability-zone</locationType>\
                 <location>{at}</location></item>"
            )
        };
        let (items, next) = if form(asked).contains_key("NextToken") {
            (item("t3.large", "us-east-1a"), "")
        } else {
            (
                item("t2.micro", "us-east-1b"),
                "<nextToken>page-2</nextToken>",
            )
        };
        ec2_reply(
            "DescribeInstanceTypeOfferings",
            &format!("<instanceTypeOfferingSet>{items}</instanceTypeOfferingSet>{next}"),
        )
    });
    let asked = types(&["t3.large", "t2.micro"]);
    assert_eq!(
        aws.ec2.offered(&asked, "us-east-1a").await.unwrap(),
        types(&["t3.large"])
    );
    assert_eq!(log.all().len(), 2);
    assert_eq!(
        form(&log.all()[0]),
        pairs(&[
            ("LocationType", "availability-zone"),
            ("Filter.1.Name", "location"),
            ("Filter.1.Value.1", "us-east-1a"),
            ("Filter.2.Name", "instance-type"),
            ("Filter.2.Value.1", "t3.large"),
            ("Filter.2.Value.2", "t2.micro"),
        ])
    );
    assert_eq!(aws.ec2.offered(&[], "us-east-1a").await, Ok(Vec::new()));
    assert_eq!(log.all().len(), 2);
}

#[tokio::test]
async fn offerings_are_asked_by_a_pattern() {
    let (aws, log) = canned(|_| {
        let item = |name: &str, at: &str| {
            format!("<item><instanceType>{name}</instanceType><location>{at}</location></item>")
        };
        let items = item("t3a.large", "us-east-1a") + &item("t2.large", "us-east-1b");
        ec2_reply(
            "DescribeInstanceTypeOfferings",
            &format!("<instanceTypeOfferingSet>{items}</instanceTypeOfferingSet>"),
        )
    });
    let found = aws.ec2.offered_like("t*.large", "us-east-1a").await;
    assert_eq!(found, Ok(types(&["t3a.large"])));
    let asked = form(&log.only("ec2:DescribeInstanceTypeOfferings"));
    assert_eq!(asked["Filter.2.Value.1"], "t*.large");
}

#[tokio::test]
async fn effects_send_what_they_say_and_nothing_more() {
    let (aws, log) = canned(|asked| {
        let call = asked.call.trim_start_matches("ec2:");
        ec2_reply(call, "<instancesSet/><return>true</return>")
    });
    let ec2 = &aws.ec2;
    ec2.stop(&id(), false).await.unwrap();
    ec2.stop(&id(), true).await.unwrap();
    ec2.start(&id()).await.unwrap();
    ec2.set_type(&id(), &types(&["t3.large"])[0]).await.unwrap();
    ec2.set_ebs_optimized(&id(), false).await.unwrap();
    let sent: Vec<_> = log
        .all()
        .iter()
        .map(|a| (a.call.clone(), form(a)))
        .collect();
    let on = ("InstanceId.1", "i-0123456789abcdef0");
    let expected = [
        ("ec2:StopInstances", pairs(&[on])),
        ("ec2:StopInstances", pairs(&[on, ("Force", "true")])),
        ("ec2:StartInstances", pairs(&[on])),
        (
            "ec2:ModifyInstanceAttribute",
            pairs(&[("InstanceId", on.1), ("InstanceType.Value", "t3.large")]),
        ),
        (
            "ec2:ModifyInstanceAttribute",
            pairs(&[("InstanceId", on.1), ("EbsOptimized.Value", "false")]),
        ),
    ];
    assert_eq!(sent, expected.map(|(call, form)| (call.to_owned(), form)));
}

#[tokio::test]
async fn status_checks_are_asked_for_instances_in_any_state() {
    let (aws, log) = canned(|_| {
        ec2_reply(
            "DescribeInstanceStatus",
            "<instanceStatusSet><item><instanceId>i-0123456789abcdef0</instanceId>
             <instanceState><code>16</code><name>running</name></instanceState>
             <systemStatus><status>ok</status></systemStatus>
             <instanceStatus><status>initializing</status></instanceStatus></item></instanceStatusSet>",
        )
    });
    let expected = StatusChecks {
        instance: "initializing".into(),
        system: "ok".into(),
    };
    assert_eq!(aws.ec2.status_checks(&id()).await, Ok(expected));
    let asked = form(&log.only("ec2:DescribeInstanceStatus"));
    assert_eq!(asked["IncludeAllInstances"], "true");

    let (aws, _) = canned(|_| ec2_reply("DescribeInstanceStatus", "<instanceStatusSet/>"));
    let e = aws.ec2.status_checks(&id()).await.unwrap_err();
    assert_eq!(e.kind, CloudErrorKind::NotFound);
}

#[tokio::test]
async fn no_capacity_is_said_at_once_and_an_internal_error_is_tried_again() {
    let (aws, log) = canned(|_| ec2_error(500, "InsufficientInstanceCapacity", "no capacity"));
    let e = aws.ec2.start(&id()).await.unwrap_err();
    assert_eq!(e.kind, CloudErrorKind::Capacity);
    assert_eq!(log.calls().len(), 1);

    let tries = AtomicU32::new(0);
    let (aws, log) = canned(move |_| {
        if tries.fetch_add(1, Ordering::Relaxed) < 2 {
            ec2_error(500, "InternalError", "An internal error has occurred")
        } else {
            ec2_reply("StartInstances", "<instancesSet/>")
        }
    });
    aws.ec2.start(&id()).await.unwrap();
    assert_eq!(log.calls().len(), 3);
}

#[tokio::test]
async fn the_console_is_the_latest_that_there_is() {
    // As EC2 wraps it: base64 in lines.
    let (aws, log) = canned(|asked| {
        let latest = form(asked).contains_key("Latest");
        match latest {
            true => ec2_error(400, "UnsupportedOperation", "not on this instance type"),
            false => ec2_reply("GetConsoleOutput", "<output>Ym9v\ndCD/\n</output>"),
        }
    });
    let console = aws.ec2.console(&id()).await.unwrap();
    assert_eq!(console.as_deref(), Some("boot \u{fffd}"));
    assert_eq!(log.calls().len(), 2);

    let (aws, log) = canned(|_| ec2_reply("GetConsoleOutput", ""));
    assert_eq!(aws.ec2.console(&id()).await, Ok(None));
    assert_eq!(form(&log.only("ec2:GetConsoleOutput"))["Latest"], "true");

    let (aws, _) = canned(|_| ec2_error(403, "UnauthorizedOperation", "no"));
    let e = aws.ec2.console(&id()).await.unwrap_err();
    assert_eq!(e.kind, CloudErrorKind::Denied);
}
