//! Capacity reservations.

use super::*;

fn ask(kind: &str, token: &str) -> CreateReservation {
    CreateReservation {
        instance_type: kind.into(),
        zone: "us-east-1a".into(),
        platform: "Linux/UNIX".into(),
        tenancy: "default".into(),
        count: 1,
        ebs_optimized: false,
        ends_at: Some(after(7_200_000)),
        criteria: "open".into(),
        token: Some(token.into()),
        tags: BTreeMap::new(),
    }
}

fn make(w: &mut World, kind: &str) -> CapacityReservation {
    w.create_reservation(&ask(kind, kind), false, t0()).unwrap()
}

fn free(w: &World, one: &CapacityReservation) -> u32 {
    w.available(&w.reservations[one.id.as_str()])
}

#[test]
fn fact_11_an_open_reservation_is_used_by_what_runs_and_by_what_is_started() {
    let mut w = world();
    let new = make(&mut w, "t3.large");
    assert_eq!((new.state.as_str(), free(&w, &new)), ("active", 1));
    // Ours runs: the one of the old type is taken at once, and free when it has stopped.
    let old = make(&mut w, "t3.medium");
    assert_eq!(free(&w, &old), 0);
    assert_eq!(
        w.instances[ID].reservation.as_deref(),
        Some(old.id.as_str())
    );
    w.stop(ID, false, t0()).unwrap();
    w.advance(after(100));
    assert_eq!((free(&w, &old), free(&w, &new)), (1, 1));
    w.modify(ID, &to("t3.large")).unwrap();
    w.start_instances(&[ID], false, after(100)).unwrap();
    assert_eq!((free(&w, &old), free(&w, &new)), (1, 0));
    // It runs on when its reservation is cancelled.
    w.cancel_reservation(new.id.as_str(), false, after(100))
        .unwrap();
    w.advance(after(1000));
    assert_eq!(w.instances[ID].state, RunState::Running);
    assert_eq!(w.instances[ID].reservation, None);
    assert_eq!(free(&w, &new), 0);
}

#[test]
fn fact_11_any_matching_instance_of_the_account_takes_it() {
    type Set = fn(&mut Instance);
    let table: &[(&str, Set, bool)] = &[
        ("the same", |_| {}, true),
        ("another zone", |i| i.zone = "us-east-1b".into(), false),
        ("another tenancy", |i| i.tenancy = "dedicated".into(), false),
        ("Spot", |i| i.spot = Some(Spot::Persistent), false),
        (
            "none by preference",
            |i| i.reservation_preference = "none".into(),
            false,
        ),
        ("stopped", |i| i.state = RunState::Stopped, false),
    ];
    for (what, set, takes) in table {
        let mut w = world();
        let id = InstanceId::new("i-0123456789abcdef0").unwrap();
        let mut other = Instance::running(id, "t3.large", "us-east-1a", t0());
        set(&mut other);
        w.add_instance(other);
        let new = make(&mut w, "t3.large");
        assert_eq!(free(&w, &new), u32::from(!takes), "{what}");
    }
}

#[test]
fn fact_11_a_repeat_with_the_same_token_is_the_same_one() {
    let mut w = world();
    let first = make(&mut w, "t3.large");
    // Also when there is no capacity any more.
    fault(
        &mut w,
        "ec2:CreateCapacityReservation",
        None,
        "InsufficientInstanceCapacity",
        None,
    );
    assert_eq!(make(&mut w, "t3.large").id, first.id);
    let other = ask("t3.xlarge", "t3.large");
    assert_eq!(
        code(w.create_reservation(&other, false, t0())),
        "IdempotentParameterMismatch"
    );
    let other = ask("t3.large", "another");
    assert_eq!(
        code(w.create_reservation(&other, false, t0())),
        "InsufficientInstanceCapacity"
    );
    assert_eq!(w.reservations.len(), 1);
}

#[test]
fn fact_11_it_ends_by_itself_and_is_forgotten() {
    let mut w = world();
    let old = make(&mut w, "t3.medium");
    w.advance(after(7_199_999));
    assert!(w.reservations[old.id.as_str()].is_active());
    w.advance(after(7_200_000));
    let ended = &w.reservations[old.id.as_str()];
    assert_eq!(ended.state, "expired");
    assert_eq!(w.instances[ID].reservation, None);
    assert_eq!(
        code(w.cancel_reservation(old.id.as_str(), false, after(7_200_000))),
        "IncorrectState"
    );
    w.advance(after(7_200_000 + 3_600_000));
    assert_eq!(
        code(w.cancel_reservation(old.id.as_str(), false, after(10_800_000))),
        "InvalidCapacityReservationId.NotFound"
    );
}

#[test]
fn what_cannot_be_reserved_is_refused() {
    type Set = fn(&mut CreateReservation);
    let table: &[(Set, &str)] = &[
        (
            |a| a.instance_type = "t3.enormous".into(),
            "InvalidParameterValue",
        ),
        (|a| a.zone = "eu-west-1a".into(), "InvalidParameterValue"),
        (|a| a.zone = "us-east-1e".into(), "Unsupported"),
        (|a| a.tenancy = "host".into(), "InvalidParameterValue"),
        (|a| a.count = 0, "InvalidParameterValue"),
        (|a| a.ends_at = Some(t0()), "InvalidParameterValue"),
    ];
    for (set, expected) in table {
        let mut w = world();
        let mut asked = ask("t3.large", "t");
        set(&mut asked);
        assert_eq!(code(w.create_reservation(&asked, false, t0())), *expected);
        assert!(w.reservations.is_empty());
    }
    let mut w = world();
    assert_eq!(
        code(w.cancel_reservation("cr-1", false, t0())),
        "InvalidCapacityReservationId.Malformed"
    );
}

#[test]
fn a_dry_run_of_a_reservation_checks_permission_and_makes_none() {
    let mut w = world();
    // There is no capacity, and the dry run does not see it.
    fault(
        &mut w,
        "ec2:CreateCapacityReservation",
        None,
        "InsufficientInstanceCapacity",
        None,
    );
    let dry = |w: &mut World| code(w.create_reservation(&ask("t3.large", "t"), true, t0()));
    assert_eq!(dry(&mut w), "DryRunOperation");
    fault(
        &mut w,
        "ec2:CreateCapacityReservation",
        None,
        "UnauthorizedOperation",
        None,
    );
    assert_eq!(dry(&mut w), "UnauthorizedOperation");
    assert!(w.reservations.is_empty());
}
