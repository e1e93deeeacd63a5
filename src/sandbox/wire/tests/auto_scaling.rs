use super::*;
use crate::cloud::aws::Aws;
use crate::model::InstanceId;
use crate::sandbox::catalog;
use crate::sandbox::world::Spot;

#[tokio::test]
async fn a_member_and_its_group_are_described_and_others_are_not() {
    let kit = Kit::new();
    let client = aws_sdk_autoscaling::Client::new(&kit.config);
    let ask = || {
        client
            .describe_auto_scaling_instances()
            .instance_ids(ID)
            .send()
    };
    assert!(ask().await.unwrap().auto_scaling_instances().is_empty());
    kit.set(|i| {
        i.tags
            .insert("aws:autoscaling:groupName".into(), "workers".into());
        i.suspended_processes = vec!["HealthCheck".into()];
    });
    let found = ask().await.unwrap();
    let member = &found.auto_scaling_instances()[0];
    assert_eq!(member.auto_scaling_group_name(), Some("workers"));
    assert_eq!(member.lifecycle_state(), Some("InService"));
    for (name, expected) in [("workers", Some("HealthCheck")), ("others", None)] {
        let call = client.describe_auto_scaling_groups();
        let found = call.auto_scaling_group_names(name).send().await.unwrap();
        let groups = found.auto_scaling_groups();
        let process = groups
            .first()
            .and_then(|g| g.suspended_processes()[0].process_name());
        assert_eq!(process, expected, "{name}");
    }
    assert_eq!(
        code(client.describe_policies().send().await),
        "InvalidAction"
    );
    kit.fault(
        "autoscaling:DescribeAutoScalingInstances=AccessDenied",
        None,
    );
    assert_eq!(code(ask().await), "AccessDenied");
}

/// The adapters over the wire see what the world in memory says, so that a test of one holds for the other.
#[tokio::test]
async fn the_wire_and_the_world_in_memory_say_the_same() {
    let kit = Kit::new();
    let aws = Aws::new(&kit.config).unwrap();
    let id = InstanceId::new(ID).unwrap();
    kit.set(|i| {
        i.tags
            .insert("aws:autoscaling:groupName".into(), "workers".into());
        i.suspended_processes = vec!["ReplaceUnhealthy".into()];
        i.spot = Some(Spot::Persistent);
        i.placement_group = Some(("near".into(), "cluster".into()));
        i.stop_protection = true;
        i.ebs_optimized = true;
    });
    let (seen, whole) = kit.with(|world| {
        let i = &world.instances[ID];
        let seen = i.facts(&world.account, &world.region);
        (seen.clone(), i.complete(seen))
    });
    assert_eq!(aws.ec2.instance(&id).await.unwrap(), Some(seen.clone()));
    assert_eq!(aws.ec2.complete(seen).await.unwrap(), whole);
    assert_eq!(whole.spot_request.as_deref(), Some("persistent"));

    let rows: Vec<_> = catalog::all().step_by(11).map(|row| row.facts()).collect();
    assert!(rows.iter().any(|t| t.gpu), "one with a GPU is among them");
    let names: Vec<_> = rows.iter().map(|t| t.name.clone()).collect();
    let mut types = aws.ec2.types(&names).await.unwrap();
    types.sort_by(|a, b| a.name.cmp(&b.name));
    assert_eq!(types, rows);
}
