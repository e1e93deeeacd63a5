//! EC2: what stop, modify and start refuse, and what they lose.

use super::*;

#[test]
fn fact_1_the_type_changes_only_while_stopped() {
    let mut w = world();
    assert_eq!(
        code(w.modify(ID, &to("t3.large"))),
        "IncorrectInstanceState"
    );
    w.stop(ID, false, t0()).unwrap();
    assert_eq!(
        code(w.modify(ID, &to("t3.large"))),
        "IncorrectInstanceState"
    );
    w.advance(after(59));
    assert_eq!(w.instances[ID].state, RunState::Stopping);
    w.advance(after(60));
    w.modify(ID, &to("t3.large")).unwrap();
    assert_eq!(w.instances[ID].instance_type.as_str(), "t3.large");
    w.start(ID, after(70)).unwrap();
    assert_eq!(
        code(w.modify(ID, &to("t3.medium"))),
        "IncorrectInstanceState"
    );
}

#[test]
fn fact_2_a_type_that_cannot_be_is_refused_at_the_modify() {
    let mut w = stopped();
    for kind in ["t3.enormous", "t4g.large", "", "mac1.metal"] {
        assert_eq!(
            code(w.modify(ID, &to(kind))),
            "InvalidInstanceAttributeValue",
            "{kind}"
        );
    }
    instance(&mut w).virtualization = "paravirtual".into();
    assert_eq!(
        code(w.modify(ID, &to("t3.large"))),
        "InvalidInstanceAttributeValue"
    );
    assert_eq!(w.instances[ID].instance_type.as_str(), "t3.medium");
}

#[test]
fn fact_2_a_dry_run_checks_permission_and_does_nothing() {
    let mut w = world();
    // It would be refused (running, and no such type), and the dry run does not see it.
    let dry = w.modify_instance(ID, &to("t3.enormous"), true);
    assert_eq!(code(dry), "DryRunOperation");
    assert_eq!(
        code(w.stop_instances(&[ID], false, true, t0())),
        "DryRunOperation"
    );
    assert_eq!(
        code(w.terminate_instances(&[ID], true, t0())),
        "DryRunOperation"
    );
    assert_eq!(
        code(w.reboot_instances(&[ID], true, t0())),
        "DryRunOperation"
    );
    assert_eq!(w.instances[ID], World::new(t0()).instances[ID]);
    let mut w = stopped();
    assert_eq!(
        code(w.start_instances(&[ID], true, after(100))),
        "DryRunOperation"
    );
    assert_eq!(w.instances[ID].state, RunState::Stopped);
}

#[test]
fn a_fault_leaves_a_dry_run_alone_unless_it_is_one_of_authorization() {
    let mut w = stopped();
    fault(
        &mut w,
        "ec2:StartInstances",
        None,
        "InsufficientInstanceCapacity",
        Some(1),
    );
    assert_eq!(
        code(w.start_instances(&[ID], true, after(100))),
        "DryRunOperation"
    );
    fault(
        &mut w,
        "ec2:StartInstances",
        None,
        "UnauthorizedOperation",
        None,
    );
    assert_eq!(
        code(w.start_instances(&[ID], true, after(100))),
        "UnauthorizedOperation"
    );
    // The first one was not used up by the dry runs.
    let real = w.start_instances(&[ID], false, after(100));
    assert_eq!(code(real), "InsufficientInstanceCapacity");
}

#[test]
fn fact_3_the_race_of_a_start_after_a_change_of_type_is_a_fault() {
    let mut w = stopped();
    fault(
        &mut w,
        "ec2:StartInstances",
        None,
        "InvalidParameterValue",
        Some(1),
    );
    let error = w.start_instances(&[ID], false, after(100)).unwrap_err();
    assert_eq!(
        error.to_string(),
        "InvalidParameterValue: LaunchPlan instance type does not match attribute value"
    );
    w.start_instances(&[ID], false, after(100)).unwrap();
}

#[test]
fn fact_4_what_the_type_cannot_carry_is_refused_at_the_start() {
    type Set = fn(&mut Instance);
    let table: &[(&str, Set, &str)] = &[
        (
            "t3.large",
            |i| i.ena_support = false,
            "InvalidParameterCombination",
        ),
        (
            "t3.large",
            |i| i.boot_mode = "uefi-preferred".into(),
            "InvalidParameterCombination",
        ),
        ("t3.large", |i| i.zone = "us-east-1e".into(), "Unsupported"),
        (
            "t3.large",
            |i| i.interfaces = vec![i.interfaces[0].clone(); 4],
            "AttachmentLimitExceeded",
        ),
    ];
    for (kind, set, expected) in table {
        let mut w = stopped();
        w.modify(ID, &to(kind)).unwrap();
        set(instance(&mut w));
        assert_eq!(code(w.start(ID, after(100))), *expected);
        assert_eq!(w.instances[ID].state, RunState::Stopped);
    }
}

#[test]
fn fact_5_an_ebs_optimized_instance_does_not_start_as_a_type_without_it() {
    let mut w = stopped();
    w.modify(ID, &Attribute::EbsOptimized(true)).unwrap();
    w.modify(ID, &to("t2.micro")).unwrap();
    assert_eq!(code(w.start(ID, after(100))), "Unsupported");
    w.modify(ID, &to("t3.medium")).unwrap();
    w.start(ID, after(100)).unwrap();
}

#[test]
fn fact_6_what_cannot_be_stopped_or_resized_is_refused() {
    type Set = fn(&mut Instance);
    let table: &[(Set, &str)] = &[
        (|i| i.stop_protection = true, "OperationNotPermitted"),
        (|i| i.spot = Some(Spot::OneTime), "UnsupportedOperation"),
        (
            |i| i.root_device_type = "instance-store".into(),
            "UnsupportedOperation",
        ),
    ];
    for (set, expected) in table {
        let mut w = world();
        set(instance(&mut w));
        assert_eq!(code(w.stop(ID, false, t0())), *expected);
        assert_eq!(
            code(w.stop(ID, true, t0())),
            *expected,
            "force is no way round"
        );
        assert_eq!(w.instances[ID].state, RunState::Running);
    }
    let mut w = world();
    instance(&mut w).spot = Some(Spot::Persistent);
    w.stop(ID, false, t0()).unwrap();
    let mut w = stopped();
    instance(&mut w).hibernation = true;
    assert_eq!(code(w.modify(ID, &to("t3.large"))), "UnsupportedOperation");
    let mut w = stopped();
    instance(&mut w).operator = Some("eks.amazonaws.com".into());
    assert_eq!(code(w.modify(ID, &to("t3.large"))), "OperationNotPermitted");
    let mut w = world();
    instance(&mut w).termination_protection = true;
    assert_eq!(code(w.terminate(ID, t0())), "OperationNotPermitted");
}

#[test]
fn fact_6_an_auto_scaling_group_replaces_a_member_that_is_stopped() {
    let health: &[&str] = &["HealthCheck"];
    for (standby, suspended, expected) in [
        (false, &[] as &[&str], RunState::Terminated),
        (false, &["Launch", "AZRebalance"], RunState::Terminated),
        (true, &[], RunState::Stopped),
        (false, health, RunState::Stopped),
        (false, &["ReplaceUnhealthy"], RunState::Stopped),
        (false, &["Terminate"], RunState::Stopped),
    ] {
        let mut w = world();
        let member = instance(&mut w);
        member
            .tags
            .insert("aws:autoscaling:groupName".into(), "workers".into());
        member.auto_scaling_standby = standby;
        member.suspended_processes = suspended.iter().map(|p| (*p).to_owned()).collect();
        w.stop(ID, false, t0()).unwrap();
        w.advance(after(10_000));
        assert_eq!(w.instances[ID].state, expected);
    }
}

#[test]
fn fact_7_a_stop_loses_the_automatic_address_and_keeps_an_elastic_one() {
    let mut w = world();
    let before = w.instances[ID].facts("", "");
    assert!(before.public_ip.is_some() && !before.elastic_ip);
    w.stop(ID, false, t0()).unwrap();
    w.advance(after(100));
    assert_eq!(w.instances[ID].facts("", "").public_ip, None);
    w.start(ID, after(100)).unwrap();
    let again = w.instances[ID].facts("", "");
    assert!(again.public_ip.is_some());
    assert_ne!(again.public_ip, before.public_ip);
    assert_eq!(again.private_ip, before.private_ip);

    let mut w = world();
    instance(&mut w).elastic_ip = Some(ElasticIp {
        address: "198.51.100.7".into(),
        allocation_id: "eipalloc-0123456789abcdef0".into(),
        association_id: "eipassoc-0123456789abcdef0".into(),
    });
    for (at, start) in [(0, false), (100, true), (300, false)] {
        if start {
            w.start(ID, after(at)).unwrap();
        } else {
            w.stop(ID, false, after(at)).unwrap();
        }
        let facts = w.instances[ID].facts("", "");
        assert_eq!(facts.public_ip.as_deref(), Some("198.51.100.7"));
        assert!(facts.elastic_ip);
        w.advance(after(at + 90));
    }
}

#[test]
fn fact_8_a_stop_can_hang_until_it_is_forced() {
    let mut w = world();
    instance(&mut w).ignores_shutdown = true;
    w.stop(ID, false, t0()).unwrap();
    w.advance(after(3_600_000));
    assert_eq!(w.instances[ID].state, RunState::Stopping);
    w.stop(ID, false, after(3_600_000)).unwrap();
    w.advance(after(3_700_000));
    assert_eq!(w.instances[ID].state, RunState::Stopping);
    w.stop(ID, true, after(3_700_000)).unwrap();
    w.advance(after(3_700_060));
    assert_eq!(w.instances[ID].state, RunState::Stopped);
}

#[test]
fn fact_9_a_start_is_refused_for_want_of_capacity_or_quota() {
    for word in [
        "InsufficientInstanceCapacity",
        "InstanceLimitExceeded",
        "VcpuLimitExceeded",
    ] {
        let mut w = stopped();
        fault(&mut w, "ec2:StartInstances", Some("t3.large"), word, None);
        w.start_instances(&[ID], false, after(100)).unwrap();
        w.advance(after(1000));
        w.stop(ID, false, after(1000)).unwrap();
        w.advance(after(2000));
        w.modify(ID, &to("t3.large")).unwrap();
        assert_eq!(code(w.start_instances(&[ID], false, after(2000))), word);
        assert_eq!(w.instances[ID].state, RunState::Stopped);
    }
}

#[test]
fn fact_9_a_start_that_falls_back_says_why() {
    let mut w = stopped();
    fault(
        &mut w,
        "ec2:StartInstances",
        None,
        "Server.InsufficientInstanceCapacity",
        Some(1),
    );
    let change = w.start_instances(&[ID], false, after(100)).unwrap();
    assert_eq!(change[0].current, RunState::Pending);
    w.advance(after(1000));
    let facts = w.instances[ID].facts("", "");
    assert_eq!(facts.state, RunState::Stopped);
    assert_eq!(facts.public_ip, None);
    let reason = facts.state_reason.unwrap();
    assert!(
        reason.starts_with("Server.InsufficientInstanceCapacity: "),
        "{reason}"
    );
    w.start_instances(&[ID], false, after(1000)).unwrap();
    w.advance(after(2000));
    assert_eq!(w.instances[ID].state, RunState::Running);
    assert_eq!(w.instances[ID].state_reason, None);
}

#[test]
fn calls_in_the_wrong_state_are_refused_and_idle_ones_are_fine() {
    let mut w = world();
    assert_eq!(w.start(ID, t0()).unwrap().current, RunState::Running);
    w.stop(ID, false, t0()).unwrap();
    assert_eq!(
        w.stop(ID, false, t0()).unwrap().previous,
        RunState::Stopping
    );
    assert_eq!(code(w.start(ID, t0())), "IncorrectInstanceState");
    assert_eq!(code(w.reboot(ID, t0())), "IncorrectInstanceState");
    w.advance(after(100));
    assert_eq!(
        w.stop(ID, false, after(100)).unwrap().current,
        RunState::Stopped
    );
    w.start(ID, after(100)).unwrap();
    assert_eq!(w.start(ID, after(100)).unwrap().current, RunState::Pending);
    assert_eq!(
        code(w.stop(ID, false, after(100))),
        "IncorrectInstanceState"
    );
    w.terminate(ID, after(200)).unwrap();
    assert_eq!(code(w.start(ID, after(200))), "IncorrectInstanceState");
    w.advance(after(1000));
    assert_eq!(code(w.start(ID, after(1000))), "IncorrectInstanceState");
    assert_eq!(
        code(w.stop(ID, false, after(1000))),
        "IncorrectInstanceState"
    );
    assert_eq!(
        w.terminate(ID, after(1000)).unwrap().current,
        RunState::Terminated
    );
    w.advance(after(1000 + 3_700_000));
    assert_eq!(
        code(w.start(ID, after(5_000_000))),
        "InvalidInstanceID.NotFound"
    );
}

#[test]
fn ids_that_are_none_and_ids_of_nothing_are_told_apart() {
    let w = world();
    for (id, expected) in [
        ("i-123", "InvalidInstanceID.Malformed"),
        ("../../x", "InvalidInstanceID.Malformed"),
        ("i-0123456789abcdef0", "InvalidInstanceID.NotFound"),
    ] {
        assert_eq!(code(w.instance(id)), expected);
    }
}

#[test]
fn several_instances_start_and_stop_together_or_not_at_all() {
    let mut w = world();
    let other = "i-0123456789abcdef0";
    let mut protected = Instance::running(
        InstanceId::new(other).unwrap(),
        "t3.small",
        "us-east-1b",
        t0(),
    );
    protected.stop_protection = true;
    w.add_instance(protected);
    let stop = w.stop_instances(&[ID, other], false, false, t0());
    assert_eq!(code(stop), "OperationNotPermitted");
    assert_eq!(w.instances[ID].state, RunState::Running);
    // A fault for a type strikes when any of them has it.
    fault(
        &mut w,
        "ec2:StopInstances",
        Some("t3.small"),
        "InternalError",
        Some(1),
    );
    w.stop_instances(&[ID], false, false, t0()).unwrap();
    assert_eq!(
        code(w.stop_instances(&[ID, other], false, false, t0())),
        "InternalError"
    );
}

#[test]
fn everything_due_happens_in_order_at_its_own_moment() {
    let mut w = stopped();
    w.start(ID, after(100)).unwrap();
    // Nobody looks for a long time.
    w.advance(after(60_000));
    let i = &w.instances[ID];
    assert_eq!(i.running_since, Some(after(160)));
    assert_eq!(i.agent_at, Some(after(220)));
    assert_eq!(i.status_checks(after(239)).instance, "initializing");
    assert_eq!(i.status_checks(after(240)).instance, "ok");
    let before = serde_json::to_string(&w).unwrap();
    w.advance(after(60_000));
    w.advance(after(10));
    assert_eq!(serde_json::to_string(&w).unwrap(), before);
}

#[test]
fn status_checks_can_be_impaired_and_do_not_apply_while_stopped() {
    let mut w = world();
    instance(&mut w).impaired = true;
    let checks = w.instances[ID].status_checks(t0());
    assert_eq!(
        (checks.instance.as_str(), checks.system.as_str()),
        ("impaired", "ok")
    );
    assert_eq!(
        stopped().instances[ID].status_checks(after(100)).instance,
        "not-applicable"
    );
}
