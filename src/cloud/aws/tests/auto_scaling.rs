use super::super::testing::{auto_scaling_reply, canned, ec2_reply};
use crate::cloud::CloudErrorKind;
use crate::model::{AutoScalingFacts, InstanceFacts, InstanceId};
use crate::plan::fixtures::instance;

const MEMBER: &str = "<AutoScalingInstances><member><InstanceId>i-0123456789abcdef0</InstanceId>\
    <AutoScalingGroupName>workers</AutoScalingGroupName><AvailabilityZone>us-east-1a</AvailabilityZone>\
    <LifecycleState>InService</LifecycleState><HealthStatus>HEALTHY</HealthStatus>\
    <ProtectedFromScaleIn>false</ProtectedFromScaleIn></member></AutoScalingInstances>";

const GROUP: &str = "<AutoScalingGroups><member><AutoScalingGroupName>workers</AutoScalingGroupName>\
    <SuspendedProcesses><member><ProcessName>HealthCheck</ProcessName><SuspensionReason>User suspended</SuspensionReason>\
    </member><member><ProcessName>ReplaceUnhealthy</ProcessName></member></SuspendedProcesses></member></AutoScalingGroups>";

fn member() -> InstanceFacts {
    InstanceFacts {
        id: InstanceId::new("i-0123456789abcdef0").unwrap(),
        auto_scaling_group: Some("workers".into()),
        ..instance()
    }
}

#[tokio::test]
async fn a_member_is_asked_after_with_its_group() {
    let (aws, log) = canned(|asked| match asked.call.as_str() {
        "autoscaling:DescribeAutoScalingInstances" => {
            auto_scaling_reply("DescribeAutoScalingInstances", MEMBER)
        }
        "autoscaling:DescribeAutoScalingGroups" => {
            auto_scaling_reply("DescribeAutoScalingGroups", GROUP)
        }
        _ => ec2_reply(
            "DescribeInstanceAttribute",
            "<disableApiStop><value>false</value></disableApiStop>",
        ),
    });
    let seen = aws.ec2.complete(member()).await.unwrap();
    let expected = AutoScalingFacts {
        lifecycle: "InService".into(),
        suspended: vec!["HealthCheck".into(), "ReplaceUnhealthy".into()],
    };
    assert_eq!(seen.auto_scaling, Some(expected));
    let asked = log.only("autoscaling:DescribeAutoScalingInstances");
    assert!(
        asked
            .body
            .contains("InstanceIds.member.1=i-0123456789abcdef0"),
        "{}",
        asked.body
    );
    let asked = log.only("autoscaling:DescribeAutoScalingGroups");
    assert!(
        asked
            .body
            .contains("AutoScalingGroupNames.member.1=workers"),
        "{}",
        asked.body
    );
    // No member, no question.
    let (aws, log) = canned(|_| ec2_reply("DescribeInstanceAttribute", ""));
    aws.ec2.complete(instance()).await.unwrap();
    assert_eq!(log.calls(), ["ec2:DescribeInstanceAttribute"]);
}

#[tokio::test]
async fn what_may_not_be_read_stays_unknown() {
    let refused = |code: &'static str| {
        let (aws, _) = canned(move |asked| match asked.call.starts_with("ec2:") {
            true => ec2_reply("DescribeInstanceAttribute", ""),
            false => Ok((
                403,
                format!(
                    "<ErrorResponse xmlns=\"http://autoscaling.amazonaws.com/doc/2011-01-01/\"><Error><Type>Sender</Type>\
                     <Code>{code}</Code><Message>no</Message></Error><RequestId>req-0001</RequestId></ErrorResponse>"
                ),
            )),
        });
        aws
    };
    let seen = refused("AccessDenied")
        .ec2
        .complete(member())
        .await
        .unwrap();
    assert_eq!(seen.auto_scaling, None);
    let e = refused("ExpiredToken")
        .ec2
        .complete(member())
        .await
        .unwrap_err();
    assert_eq!(
        (e.kind, e.call),
        (
            CloudErrorKind::Credentials,
            "autoscaling:DescribeAutoScalingInstances"
        )
    );
    let gone = auto_scaling_reply("DescribeAutoScalingInstances", "<AutoScalingInstances/>");
    let (aws, _) = canned(move |asked| match asked.call.starts_with("ec2:") {
        true => ec2_reply("DescribeInstanceAttribute", ""),
        false => Ok(gone.as_ref().expect("a reply").clone()),
    });
    assert_eq!(aws.ec2.complete(member()).await.unwrap().auto_scaling, None);
}
