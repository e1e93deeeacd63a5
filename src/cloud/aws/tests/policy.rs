use std::collections::BTreeSet;

use serde_json::Value;

use super::super::testing::{auto_scaling_reply, canned};
use super::reservations;
use crate::cloud::{CommandId, CommandRequest};
use crate::model::{FileSystemId, InstanceId, InstanceType};

const POLICY: &str = include_str!("../../../../docs/iam-policy.json");
const PAGE: &str = include_str!("../../../../docs/iam-policy.md");

fn statements() -> Vec<Value> {
    let policy: Value = serde_json::from_str(POLICY).unwrap();
    policy["Statement"].as_array().unwrap().clone()
}

fn strings(v: &Value) -> Vec<String> {
    match v {
        Value::String(one) => vec![one.clone()],
        Value::Array(all) => all.iter().flat_map(strings).collect(),
        other => panic!("expected a text or a list of them, found {other}"),
    }
}

/// The names of the calls that went over the wire when each method of each port was called once, and the
/// name under which each adapter reports them.
async fn calls() -> (BTreeSet<String>, BTreeSet<String>) {
    let (aws, sent) = canned(|_| Ok((403, String::new())));
    let on = InstanceId::new("i-0123456789abcdef0").unwrap();
    let names = [InstanceType::new("t3.large").unwrap()];
    let efs = FileSystemId::new("fs-0123456789abcdef0").unwrap();
    let script = CommandRequest {
        script: "true".into(),
        comment: String::new(),
        delivery_timeout_s: 30,
        execution_timeout_s: 10,
    };
    let id = CommandId("11111111-2222-3333-4444-555555555555".into());
    let mut reported: BTreeSet<String> = BTreeSet::new();
    let (ec2, agent) = (&aws.ec2, &aws.agent);
    let failed = [
        ec2.instance(&on).await.map(drop),
        ec2.types(&names).await.map(drop),
        ec2.offered(&names, "us-east-1a").await.map(drop),
        ec2.stop(&on, false).await,
        ec2.start(&on).await,
        ec2.set_type(&on, &names[0]).await,
        ec2.set_ebs_optimized(&on, false).await,
        ec2.status_checks(&on).await.map(drop),
        ec2.reserve(&reservations::ask()).await.map(drop),
        ec2.reservations(&reservations::mine()).await.map(drop),
        ec2.release(&reservations::id()).await,
        ec2.console(&on).await.map(drop),
        agent.ping(&on).await.map(drop),
        agent.send(&on, &script).await.map(drop),
        agent.result(&on, &id).await.map(drop),
        aws.efs.file_system(&efs).await.map(drop),
        aws.parameters
            .create("/geusemaker/web/lock/1", "{}")
            .await
            .map(drop),
        aws.parameters
            .overwrite("/geusemaker/web/lock/1", "{}")
            .await,
        aws.parameters
            .by_path("/geusemaker/web/lock")
            .await
            .map(drop),
        aws.parameters.delete("/geusemaker/web/lock/1").await,
    ];
    reported.extend(failed.into_iter().map(|r| r.unwrap_err().call.to_owned()));
    let mut wire: BTreeSet<String> = sent.calls().into_iter().collect();
    // The second call of these methods comes only after a good first one, and its refusal is one more.
    let (aws, sent) = canned(|asked| {
        if asked.call.ends_with("DescribeFileSystems") {
            let found = r#"{"FileSystems":[{"OwnerId":"1","CreationToken":"t","FileSystemId":"fs-0123456789abcdef0",
                "CreationTime":1.0,"LifeCycleState":"available","NumberOfMountTargets":0,
                "SizeInBytes":{"Value":0},"PerformanceMode":"generalPurpose","Tags":[]}]}"#;
            return Ok((200, found.to_owned()));
        }
        if asked.call.ends_with("DescribeInstances") {
            let found = "<DescribeInstancesResponse><reservationSet><item><ownerId>1</ownerId><instancesSet><item>\
                <instanceId>i-0123456789abcdef0</instanceId><instanceType>t3.large</instanceType>\
                <instanceState><code>16</code><name>running</name></instanceState><placement>\
                <availabilityZone>us-east-1a</availabilityZone><groupName>near</groupName></placement>\
                <instanceLifecycle>spot</instanceLifecycle><tagSet><item><key>aws:autoscaling:groupName</key>\
                <value>workers</value></item></tagSet>\
                </item></instancesSet></item></reservationSet></DescribeInstancesResponse>";
            return Ok((200, found.to_owned()));
        }
        if asked.call.ends_with("DescribeAutoScalingInstances") {
            let found = "<AutoScalingInstances><member><InstanceId>i-0123456789abcdef0</InstanceId>\
                <AutoScalingGroupName>workers</AutoScalingGroupName><LifecycleState>InService</LifecycleState>\
                </member></AutoScalingInstances>";
            return auto_scaling_reply("DescribeAutoScalingInstances", found);
        }
        Ok((403, String::new()))
    });
    let seen = aws.ec2.instance(&on).await.unwrap().unwrap();
    let seen = aws.ec2.complete(seen).await.unwrap();
    assert_eq!(seen.placement_group.unwrap().strategy, None);
    reported.insert(aws.efs.file_system(&efs).await.unwrap_err().call.to_owned());
    wire.extend(sent.calls());
    (wire, reported)
}

#[tokio::test]
async fn the_policy_allows_exactly_the_calls_that_are_made() {
    let (wire, mut reported) = calls().await;
    // Their refusal is not an error: what they tell is unknown then.
    for asked in [
        "ec2:DescribeInstanceAttribute",
        "ec2:DescribePlacementGroups",
        "ec2:DescribeSpotInstanceRequests",
        "autoscaling:DescribeAutoScalingInstances",
        "autoscaling:DescribeAutoScalingGroups",
    ] {
        reported.insert(asked.to_owned());
    }
    let mut allowed: BTreeSet<String> = statements()
        .iter()
        .flat_map(|s| strings(&s["Action"]))
        .collect();
    // No call of its own: EC2 asks for it where a request that makes something names tags.
    assert!(allowed.remove("ec2:CreateTags"));
    assert_eq!(allowed, wire);
    assert_eq!(reported, wire);
}

#[test]
fn what_changes_something_is_bound_to_named_resources() {
    for statement in statements() {
        assert_eq!(statement["Effect"], "Allow");
        let changes = strings(&statement["Action"]).iter().any(|a| {
            let name = a.split_once(':').unwrap().1;
            !name.starts_with("Describe") && !name.starts_with("Get")
        });
        // A reservation has no name before it is made: its tags bind it to the instance.
        let by_tag = statement["Condition"]["StringEquals"]
            .as_object()
            .is_some_and(|all| {
                all.iter().any(|(key, value)| {
                    key.ends_with("Tag/geusemaker:instance") && value == "INSTANCE_ID"
                })
            });
        for resource in strings(&statement["Resource"]) {
            assert!(
                !changes
                    || by_tag && resource.ends_with(":capacity-reservation/*")
                    || resource.contains("/INSTANCE_ID")
                    || resource.ends_with("/AWS-RunShellScript")
                    || resource.ends_with(":parameter/geusemaker/*"),
                "{resource}"
            );
        }
    }
}

#[test]
fn the_page_explains_every_action_of_the_policy() {
    for action in statements().iter().flat_map(|s| strings(&s["Action"])) {
        assert!(
            PAGE.contains(&format!("`{action}`")),
            "{action} is not explained"
        );
    }
}
