use super::*;
use crate::journal::samples::{done_with, lines, opened, plan, resumed, started};

fn kind(name: &str) -> InstanceType {
    InstanceType::new(name).unwrap()
}

fn id(n: u32) -> ReservationId {
    ReservationId::new(format!("cr-{n:017x}")).unwrap()
}

fn one(n: u32, name: &str) -> Reserved {
    Reserved {
        id: id(n),
        instance_type: kind(name),
        ends_at: "2026-11-20T12:00:00Z".parse().unwrap(),
    }
}

#[test]
fn similar_types_are_of_the_same_series_and_size() {
    for (name, pattern, series) in [
        ("t3.large", "t*.large", "t"),
        ("m6i.2xlarge", "m*.2xlarge", "m"),
        ("inf1.xlarge", "inf*.xlarge", "inf"),
        ("u-12tb1.112xlarge", "u*.112xlarge", "u"),
    ] {
        let found = similar(&kind(name)).unwrap();
        assert_eq!(found, (pattern.to_owned(), series.to_owned()));
    }
    // The pattern takes more than the series has.
    for (name, same) in [
        ("t3a.large", true),
        ("t2.large", true),
        ("trn1.large", false),
    ] {
        assert_eq!(of_series(&kind(name)) == "t", same, "{name}");
    }
}

#[test]
fn an_error_means_no_capacity_a_quota_or_nothing_of_the_kind() {
    use CloudErrorKind as Kind;
    for (kind, code, expected) in [
        (Kind::Capacity, "InsufficientInstanceCapacity", No::Capacity),
        (Kind::Capacity, "VcpuLimitExceeded", No::Quota),
        (Kind::Capacity, "InstanceLimitExceeded", No::Quota),
        (Kind::Denied, "UnauthorizedOperation", No::NotReservable),
        (Kind::Other, "Unsupported", No::NotReservable),
        (Kind::Other, "InvalidParameterValue", No::NotReservable),
        (Kind::Other, "InternalError", No::Other),
        (Kind::Throttled, "RequestLimitExceeded", No::Other),
    ] {
        let error = CloudError {
            kind,
            code: Some(code.into()),
            ..not_active_error()
        };
        assert_eq!(means(&error), expected, "{code}");
    }
}

#[test]
fn the_end_and_the_token_are_the_same_in_a_repeat_and_others_once_half_of_the_time_is_over() {
    let hours = |n: u64| Duration::from_secs(n * 3600);
    let plan = plan(vec![]);
    let mut all = lines([opened(&plan), started(0)]);
    let began = all[0].at;
    let end = |lines: &[Line], after: u64| ends_at(lines, later(began, hours(after)), hours(2));
    assert_eq!(end(&all, 0), later(began, hours(2)));
    assert_eq!(
        end(&all, 1),
        later(began, hours(2)),
        "good for an hour still"
    );
    assert_eq!(end(&all, 3), later(began, hours(5)), "of this moment");
    let mut again = lines([resumed(false)]);
    again[0].at = later(began, hours(3));
    all.extend(again);
    assert_eq!(end(&all, 3), later(began, hours(5)));
    assert_eq!(end(&all, 4), later(began, hours(5)), "of the resume");

    let operation = OperationId::new("20261120-100730-1a2b").unwrap();
    let of = |name: &str, hour: u64, again: u32| {
        token(&operation, &kind(name), later(began, hours(hour)), again)
    };
    let first = of("t3.large", 2, 0);
    assert_eq!(first, of("t3.large", 2, 0));
    assert!(first.len() <= 64 && first.is_ascii(), "{first}");
    let all: BTreeSet<String> = [
        first,
        of("t3.medium", 2, 0),
        of("t3.large", 5, 0),
        of("t3.large", 2, 1),
    ]
    .into();
    assert_eq!(all.len(), 4);
}

#[test]
fn what_is_left_is_what_no_line_says_to_be_released() {
    let plan = plan(vec![]);
    let reserved = |all: &[Reserved]| Evidence {
        reserved: all.to_vec(),
        ..Evidence::default()
    };
    let released = Evidence {
        released: [id(1)].into(),
        ..Evidence::default()
    };
    let (large, medium) = (one(1, "t3.large"), one(2, "t3.medium"));
    let both = reserved(&[large.clone(), medium.clone()]);
    let mut all = vec![opened(&plan)];
    assert!(left(&lines(all.clone())).is_empty());
    let now = lines(all.clone())[0].at;
    assert_eq!(stays(&lines(all.clone()), now), None);
    all.push(done_with(0, both.clone()));
    // Taken up again: the same ones.
    all.push(done_with(0, both));
    assert_eq!(left(&lines(all.clone())), [large, medium.clone()]);
    let says = stays(&lines(all.clone()), now).unwrap();
    assert!(
        says.contains("t3.large (cr-00000000000000001), t3.medium"),
        "{says}"
    );
    assert!(says.contains("2026-11-20 12:00 UTC"), "{says}");
    let past = later(now, Duration::from_secs(24 * 3600));
    assert_eq!(stays(&lines(all.clone()), past), None, "both have ended");
    all.push(done_with(1, released));
    assert_eq!(left(&lines(all)), [medium]);
}
