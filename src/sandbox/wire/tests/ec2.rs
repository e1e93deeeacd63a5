use aws_sdk_ec2::types::{
    AttributeBooleanValue, AttributeValue, Filter, InstanceAttributeName, InstanceStateName,
    InstanceType, LocationType, ResourceType, SummaryStatus, Tag,
};

use super::*;
use crate::sandbox::world::{ElasticIp, Spot};

fn filter(name: &str, value: &str) -> Filter {
    Filter::builder().name(name).values(value).build()
}

async fn look(kit: &Kit) -> aws_sdk_ec2::types::Instance {
    let describe = kit.ec2().describe_instances().instance_ids(ID);
    let answer = describe.send().await.unwrap();
    answer.reservations()[0].instances()[0].clone()
}

fn value(text: &str) -> AttributeValue {
    AttributeValue::builder().value(text).build()
}

fn truth(on: bool) -> AttributeBooleanValue {
    AttributeBooleanValue::builder().value(on).build()
}

#[tokio::test]
async fn describe_instances_says_what_fitting_needs() {
    let kit = Kit::new();
    kit.set(|i| {
        i.tags.insert("a<b>&\"c".into(), "x\ny é".into());
        i.operator = Some("eks.amazonaws.com".into());
        i.spot = Some(Spot::Persistent);
    });
    let i = look(&kit).await;
    assert_eq!(i.instance_id(), Some(ID));
    assert_eq!(i.instance_type(), Some(&InstanceType::T3Medium));
    assert_eq!(i.state().unwrap().name(), Some(&InstanceStateName::Running));
    assert_eq!(i.state().unwrap().code(), Some(16));
    assert_eq!(i.architecture().unwrap().as_str(), "x86_64");
    assert_eq!(i.virtualization_type().unwrap().as_str(), "hvm");
    assert_eq!(
        i.current_instance_boot_mode().unwrap().as_str(),
        "legacy-bios"
    );
    assert_eq!(i.root_device_type().unwrap().as_str(), "ebs");
    assert_eq!(i.ena_support(), Some(true));
    assert_eq!(i.ebs_optimized(), Some(false));
    assert_eq!(i.network_interfaces().len(), 1);
    assert_eq!(i.block_device_mappings().len(), 1);
    assert_eq!(i.instance_lifecycle().unwrap().as_str(), "spot");
    assert_eq!(i.hibernation_options().unwrap().configured(), Some(false));
    assert_eq!(i.operator().unwrap().managed(), Some(true));
    assert_eq!(
        i.placement().unwrap().availability_zone(),
        Some("us-east-1a")
    );
    assert_eq!(
        i.placement().unwrap().tenancy().unwrap().as_str(),
        "default"
    );
    assert_eq!(i.public_ip_address(), Some("203.0.113.2"));
    let owner = i.network_interfaces()[0].association().unwrap();
    assert_eq!(
        (owner.public_ip(), owner.ip_owner_id()),
        (Some("203.0.113.2"), Some("amazon"))
    );
    assert_eq!(i.private_ip_address(), Some("172.31.16.10"));
    assert_eq!(i.launch_time().unwrap().to_string(), "2026-11-19T08:00:00Z");
    let tags: Vec<_> = i
        .tags()
        .iter()
        .map(|t| (t.key().unwrap(), t.value().unwrap()))
        .collect();
    assert_eq!(tags, [("Name", "my-dev-stack"), ("a<b>&\"c", "x\ny é")]);
    let answer = kit.ec2().describe_instances().send().await.unwrap();
    assert_eq!(answer.reservations()[0].owner_id(), Some("123456789012"));
}

#[tokio::test]
async fn describe_instances_filters_and_refuses_filters_it_does_not_know() {
    let kit = Kit::new();
    let count = async |name: &str, value: &str| {
        let describe = kit.ec2().describe_instances().filters(filter(name, value));
        describe.send().await.map(|a| a.reservations().len())
    };
    for (name, value, expected) in [
        ("tag:Name", "my-*", 1),
        ("tag:Name", "other", 0),
        ("tag-key", "Name", 1),
        ("instance-state-name", "running", 1),
        ("instance-state-name", "stopped", 0),
        ("instance-state-code", "16", 1),
        ("instance-type", "t3.*", 1),
        ("availability-zone", "us-east-1b", 0),
        ("instance-lifecycle", "spot", 0),
        ("private-ip-address", "172.31.16.10", 1),
    ] {
        assert_eq!(
            count(name, value).await.unwrap(),
            expected,
            "{name}={value}"
        );
    }
    assert_eq!(code(count("colour", "red").await), "InvalidParameterValue");
}

#[tokio::test]
async fn an_instance_becomes_another_type_over_the_wire() {
    let kit = Kit::new();
    let ec2 = kit.ec2();
    let retype = |to: &str| {
        ec2.modify_instance_attribute()
            .instance_id(ID)
            .instance_type(value(to))
            .send()
    };
    assert_eq!(code(retype("t3.large").await), "IncorrectInstanceState");
    let stop = ec2.stop_instances().instance_ids(ID).send().await.unwrap();
    let change = &stop.stopping_instances()[0];
    assert_eq!(
        change.current_state().unwrap().name(),
        Some(&InstanceStateName::Stopping)
    );
    assert_eq!(
        change.previous_state().unwrap().name(),
        Some(&InstanceStateName::Running)
    );
    let start = ec2.start_instances().instance_ids(ID).send().await;
    assert_eq!(code(start), "IncorrectInstanceState");
    kit.pass(60);
    let i = look(&kit).await;
    assert_eq!(i.state().unwrap().name(), Some(&InstanceStateName::Stopped));
    assert_eq!(i.public_ip_address(), None);
    assert_eq!(
        i.state_reason().unwrap().code(),
        Some("Client.UserInitiatedShutdown")
    );
    assert_eq!(
        i.state_transition_reason(),
        Some("User initiated (2026-11-20 10:00:00 GMT)")
    );
    assert_eq!(
        code(retype("t4g.large").await),
        "InvalidInstanceAttributeValue"
    );
    assert_eq!(
        code(retype("t3.enormous").await),
        "InvalidInstanceAttributeValue"
    );
    retype("t3.large").await.unwrap();
    let start = ec2.start_instances().instance_ids(ID).send().await.unwrap();
    let change = &start.starting_instances()[0];
    assert_eq!(
        change.current_state().unwrap().name(),
        Some(&InstanceStateName::Pending)
    );
    kit.pass(60);
    let i = look(&kit).await;
    assert_eq!(i.instance_type(), Some(&InstanceType::T3Large));
    assert_eq!(i.public_ip_address(), Some("203.0.113.3"));
    assert_eq!(
        i.launch_time().unwrap().to_string(),
        "2026-11-20T10:00:00.06Z"
    );
}

#[tokio::test]
async fn modify_instance_attribute_sets_one_attribute_a_call() {
    let kit = Kit::new();
    let modify = || kit.ec2().modify_instance_attribute().instance_id(ID);
    let two = modify()
        .instance_type(value("t3.large"))
        .ebs_optimized(truth(true));
    assert_eq!(code(two.send().await), "InvalidParameterCombination");
    assert_eq!(code(modify().send().await), "InvalidParameterCombination");
    let other = modify().source_dest_check(truth(false));
    assert_eq!(code(other.send().await), "UnsupportedOperation");
    modify().disable_api_stop(truth(true)).send().await.unwrap();
    let stop = kit.ec2().stop_instances().instance_ids(ID).send().await;
    assert_eq!(code(stop), "OperationNotPermitted");
    let plain = modify()
        .attribute(InstanceAttributeName::DisableApiStop)
        .value("false");
    plain.send().await.unwrap();
    kit.stop().await;
    modify().ebs_optimized(truth(true)).send().await.unwrap();
    let small = modify()
        .attribute(InstanceAttributeName::InstanceType)
        .value("t2.micro");
    small.send().await.unwrap();
    let start = kit.ec2().start_instances().instance_ids(ID).send().await;
    assert_eq!(code(start), "Unsupported");
}

#[tokio::test]
async fn describe_instance_attribute_reads_them_back() {
    let kit = Kit::new();
    kit.set(|i| {
        i.stop_protection = true;
        i.user_data = Some("IyEvYmluL3No".into());
    });
    let read = async |name| {
        let describe = kit.ec2().describe_instance_attribute().instance_id(ID);
        describe.attribute(name).send().await.unwrap()
    };
    let stop = read(InstanceAttributeName::DisableApiStop).await;
    assert_eq!(stop.disable_api_stop().unwrap().value(), Some(true));
    assert_eq!(stop.instance_id(), Some(ID));
    let kind = read(InstanceAttributeName::InstanceType).await;
    assert_eq!(kind.instance_type().unwrap().value(), Some("t3.medium"));
    let data = read(InstanceAttributeName::UserData).await;
    assert_eq!(data.user_data().unwrap().value(), Some("IyEvYmluL3No"));
    let ebs = read(InstanceAttributeName::EbsOptimized).await;
    assert_eq!(ebs.ebs_optimized().unwrap().value(), Some(false));
}

#[tokio::test]
async fn fact_12_status_leaves_out_what_does_not_run_unless_asked() {
    let kit = Kit::new();
    let status = async |all| {
        let describe = kit.ec2().describe_instance_status().instance_ids(ID);
        let answer = describe.include_all_instances(all).send().await.unwrap();
        answer.instance_statuses().to_vec()
    };
    let running = &status(false).await[0];
    assert_eq!(
        running.instance_status().unwrap().status(),
        Some(&SummaryStatus::Ok)
    );
    assert_eq!(
        running.system_status().unwrap().status(),
        Some(&SummaryStatus::Ok)
    );
    kit.stop().await;
    assert_eq!(status(false).await, []);
    let stopped = &status(true).await[0];
    let instance_status = stopped.instance_status().unwrap().status();
    assert_eq!(instance_status, Some(&SummaryStatus::NotApplicable));
    let start = kit.ec2().start_instances().instance_ids(ID);
    start.send().await.unwrap();
    kit.pass(60);
    let fresh = &status(false).await[0];
    let instance_status = fresh.instance_status().unwrap().status();
    assert_eq!(instance_status, Some(&SummaryStatus::Initializing));
}

#[tokio::test]
async fn fact_10_types_are_described_and_offered_by_zone() {
    let kit = Kit::new();
    let ec2 = kit.ec2();
    let types = ec2
        .describe_instance_types()
        .instance_types(InstanceType::T3Large)
        .instance_types(InstanceType::G5Xlarge)
        .send()
        .await
        .unwrap();
    assert_eq!(types.instance_types().len(), 2);
    let large = types
        .instance_types()
        .iter()
        .find(|t| t.instance_type() == Some(&InstanceType::T3Large))
        .unwrap();
    let archs = large.processor_info().unwrap().supported_architectures();
    assert_eq!(archs[0].as_str(), "x86_64");
    assert_eq!(large.v_cpu_info().unwrap().default_v_cpus(), Some(2));
    assert_eq!(large.memory_info().unwrap().size_in_mib(), Some(8192));
    let network = large.network_info().unwrap();
    assert_eq!(network.ena_support().unwrap().as_str(), "required");
    assert_eq!(network.maximum_network_interfaces(), Some(3));
    let ebs = large.ebs_info().unwrap();
    assert_eq!(ebs.nvme_support().unwrap().as_str(), "required");
    assert_eq!(ebs.ebs_optimized_support().unwrap().as_str(), "default");
    assert_eq!(ebs.maximum_ebs_attachments(), Some(27));
    assert_eq!(large.supported_boot_modes().len(), 2);
    assert_eq!(large.supported_usage_classes().len(), 2);
    assert_eq!(large.supported_virtualization_types()[0].as_str(), "hvm");
    assert_eq!(large.supported_root_device_types()[0].as_str(), "ebs");
    assert!(large.gpu_info().is_none());
    assert!(
        types
            .instance_types()
            .iter()
            .any(|t| t.gpu_info().is_some())
    );
    let unknown = ec2
        .describe_instance_types()
        .instance_types(InstanceType::from("t3.enormous"))
        .send()
        .await;
    assert_eq!(code(unknown), "InvalidInstanceType");

    for (zone, expected) in [("us-east-1a", 1), ("us-east-1e", 0)] {
        let offered = ec2
            .describe_instance_type_offerings()
            .location_type(LocationType::AvailabilityZone)
            .filters(filter("location", zone))
            .filters(filter("instance-type", "t3.large"))
            .send()
            .await
            .unwrap();
        assert_eq!(offered.instance_type_offerings().len(), expected, "{zone}");
    }
}

#[tokio::test]
async fn all_types_come_in_pages() {
    let kit = Kit::new();
    let pages = kit
        .ec2()
        .describe_instance_types()
        .into_paginator()
        .items()
        .send();
    let all: Vec<_> = pages.collect::<Result<Vec<_>, _>>().await.unwrap();
    assert_eq!(all.len(), 1243);
}

#[tokio::test]
async fn a_reboot_keeps_the_address_and_needs_a_running_instance() {
    let kit = Kit::new();
    let reboot = || kit.ec2().reboot_instances().instance_ids(ID).send();
    reboot().await.unwrap();
    let i = look(&kit).await;
    assert_eq!(i.public_ip_address(), Some("203.0.113.2"));
    assert_eq!(i.state().unwrap().name(), Some(&InstanceStateName::Running));
    assert!(!kit.with(|w| w.instances[ID].agent_online(kit.clock.now())));
    kit.stop().await;
    assert_eq!(code(reboot().await), "IncorrectInstanceState");
}

#[tokio::test]
async fn a_terminated_instance_cannot_be_revived() {
    let kit = Kit::new();
    let terminate = || kit.ec2().terminate_instances().instance_ids(ID).send();
    kit.set(|i| i.termination_protection = true);
    assert_eq!(code(terminate().await), "OperationNotPermitted");
    kit.set(|i| i.termination_protection = false);
    let answer = terminate().await.unwrap();
    let change = &answer.terminating_instances()[0];
    assert_eq!(
        change.current_state().unwrap().name(),
        Some(&InstanceStateName::ShuttingDown)
    );
    kit.pass(100);
    let i = look(&kit).await;
    assert_eq!(
        i.state().unwrap().name(),
        Some(&InstanceStateName::Terminated)
    );
    let start = kit.ec2().start_instances().instance_ids(ID).send().await;
    assert_eq!(code(start), "IncorrectInstanceState");
}

#[tokio::test]
async fn tags_are_made_found_and_taken_away() {
    let kit = Kit::new();
    let ec2 = kit.ec2();
    let tag = |key: &str| Tag::builder().key(key).value("v 1").build();
    let create = |key| ec2.create_tags().resources(ID).tags(tag(key)).send();
    create("stage").await.unwrap();
    assert_eq!(
        code(create("aws:autoscaling:groupName").await),
        "InvalidParameterValue"
    );
    let nowhere = ec2.create_tags().resources("vol-00000000").tags(tag("x"));
    assert_eq!(code(nowhere.send().await), "InvalidVolume.NotFound");
    let found = ec2
        .describe_tags()
        .filters(filter("key", "stage"))
        .send()
        .await
        .unwrap();
    assert_eq!(found.tags().len(), 1);
    assert_eq!(
        found.tags()[0].resource_type(),
        Some(&ResourceType::Instance)
    );
    assert_eq!(found.tags()[0].value(), Some("v 1"));
    let other = Tag::builder().key("stage").value("other").build();
    ec2.delete_tags()
        .resources(ID)
        .tags(other)
        .send()
        .await
        .unwrap();
    assert_eq!(ec2.describe_tags().send().await.unwrap().tags().len(), 2);
    let any = Tag::builder().key("stage").build();
    ec2.delete_tags()
        .resources(ID)
        .tags(any)
        .send()
        .await
        .unwrap();
    assert_eq!(ec2.describe_tags().send().await.unwrap().tags().len(), 1);
}

#[tokio::test]
async fn the_small_looks() {
    let kit = Kit::new();
    let ec2 = kit.ec2();
    let zones = ec2.describe_availability_zones().send().await.unwrap();
    assert_eq!(zones.availability_zones().len(), 6);
    let bad = ec2
        .describe_availability_zones()
        .zone_names("us-east-1z")
        .send();
    assert_eq!(code(bad.await), "InvalidParameterValue");
    let regions = ec2.describe_regions().send().await.unwrap();
    assert_eq!(regions.regions()[0].region_name(), Some("us-east-1"));
    let volumes = ec2
        .describe_volumes()
        .filters(filter("attachment.instance-id", ID))
        .send()
        .await
        .unwrap();
    assert_eq!(volumes.volumes()[0].size(), Some(60));
    assert_eq!(
        volumes.volumes()[0].attachments()[0].instance_id(),
        Some(ID)
    );
    let none = ec2
        .describe_volumes()
        .volume_ids("vol-00000000")
        .send()
        .await;
    assert_eq!(code(none), "InvalidVolume.NotFound");
    let console = ec2
        .get_console_output()
        .instance_id(ID)
        .send()
        .await
        .unwrap();
    assert!(console.output().is_some());

    assert_eq!(
        ec2.describe_addresses()
            .send()
            .await
            .unwrap()
            .addresses()
            .len(),
        0
    );
    kit.set(|i| {
        i.elastic_ip = Some(ElasticIp {
            address: "198.51.100.7".into(),
            allocation_id: "eipalloc-0123456789abcdef0".into(),
            association_id: "eipassoc-0123456789abcdef0".into(),
        });
    });
    let addresses = ec2.describe_addresses().send().await.unwrap();
    assert_eq!(addresses.addresses()[0].public_ip(), Some("198.51.100.7"));
    let i = look(&kit).await;
    let owner = i.network_interfaces()[0]
        .association()
        .unwrap()
        .ip_owner_id();
    assert_eq!(
        owner,
        Some("123456789012"),
        "an Elastic IP belongs to the account"
    );
}

#[tokio::test]
async fn a_dry_run_of_every_change_does_nothing() {
    let kit = Kit::new();
    let ec2 = kit.ec2();
    let before = kit.with(|w| serde_json::to_string(&w.instances).unwrap());
    let stop = ec2
        .stop_instances()
        .instance_ids(ID)
        .dry_run(true)
        .send()
        .await;
    assert_eq!(code(stop), "DryRunOperation");
    let start = ec2
        .start_instances()
        .instance_ids(ID)
        .dry_run(true)
        .send()
        .await;
    assert_eq!(code(start), "DryRunOperation");
    let reboot = ec2
        .reboot_instances()
        .instance_ids(ID)
        .dry_run(true)
        .send()
        .await;
    assert_eq!(code(reboot), "DryRunOperation");
    let terminate = ec2
        .terminate_instances()
        .instance_ids(ID)
        .dry_run(true)
        .send()
        .await;
    assert_eq!(code(terminate), "DryRunOperation");
    let modify = ec2
        .modify_instance_attribute()
        .instance_id(ID)
        .dry_run(true);
    let modify = modify.instance_type(value("t3.large")).send().await;
    assert_eq!(code(modify), "DryRunOperation");
    let tag = Tag::builder().key("k").value("v").build();
    let create = ec2
        .create_tags()
        .resources(ID)
        .tags(tag.clone())
        .dry_run(true);
    assert_eq!(code(create.send().await), "DryRunOperation");
    let delete = ec2.delete_tags().resources(ID).tags(tag).dry_run(true);
    assert_eq!(code(delete.send().await), "DryRunOperation");
    let describe = ec2.describe_instances().dry_run(true).send().await;
    assert_eq!(code(describe), "DryRunOperation");
    assert_eq!(
        kit.with(|w| serde_json::to_string(&w.instances).unwrap()),
        before
    );
}
