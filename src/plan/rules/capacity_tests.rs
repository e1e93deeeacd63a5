use super::*;
use crate::model::{InstanceFacts, PlacementGroup};
use crate::plan::CheckStatus::{self, Ok as Fine, Warn};
use crate::plan::fixtures::{deployment, desired_update, observed};
use crate::plan::rules;

type Change = fn(&mut Observed, &mut Desired);

fn instance(o: &mut Observed, change: fn(&mut InstanceFacts)) {
    change(&mut o.instance);
}

fn group(o: &mut Observed, strategy: Option<&str>) {
    o.instance.placement_group = Some(PlacementGroup {
        name: "near".into(),
        strategy: strategy.map(str::to_owned),
    });
}

/// What is changed in a healthy stack; what is said, and whether the plan proves.
/// What is asked, of what, what the check says, and whether it is reserved.
type Row = (
    &'static str,
    Change,
    Option<(CheckStatus, &'static str)>,
    bool,
);

const TABLE: &[Row] = &[
    (
        "the default",
        |_, _| {},
        Some((
            Fine,
            "capacity for t3.large, and for t3.medium as the way back, is reserved in us-east-1a",
        )),
        true,
    ),
    (
        "the person leaves it out",
        |_, d| d.capacity = Capacity::Skip,
        Some((Fine, "not proved before the stop: --capacity skip")),
        false,
    ),
    (
        "not permitted: it goes on without",
        |o, _| {
            drop(
                o.permits
                    .insert(RESERVE, Permit::No("UnauthorizedOperation".into())),
            )
        },
        Some((
            Warn,
            "capacity is not proved before the stop: ec2:CreateCapacityReservation is not permitted",
        )),
        false,
    ),
    (
        "permitted",
        |o, _| drop(o.permits.insert(RESERVE, Permit::Yes)),
        Some((Fine, "capacity for t3.large")),
        true,
    ),
    (
        "whether it is permitted is not known: it is tried",
        |o, _| {
            drop(
                o.permits
                    .insert(RESERVE, Permit::Unknown("RequestLimitExceeded".into())),
            )
        },
        Some((
            Warn,
            "whether ec2:CreateCapacityReservation is permitted could not be asked; it is tried",
        )),
        true,
    ),
    (
        "Spot",
        |o, _| instance(o, |i| i.spot = true),
        Some((
            Warn,
            "capacity is not proved before the stop: a Spot instance",
        )),
        false,
    ),
    (
        "a dedicated host",
        |o, _| instance(o, |i| i.tenancy = "host".into()),
        Some((
            Warn,
            "capacity is not proved before the stop: there is no capacity reservation for a dedicated host",
        )),
        false,
    ),
    (
        "dedicated tenancy is one that reservations know",
        |o, _| instance(o, |i| i.tenancy = "dedicated".into()),
        Some((Fine, "capacity for t3.large")),
        true,
    ),
    (
        "a spread placement group",
        |o, _| group(o, Some("spread")),
        Some((
            Warn,
            "capacity is not proved before the stop: no capacity reservation serves a spread or partition",
        )),
        false,
    ),
    (
        "a partition placement group",
        |o, _| group(o, Some("partition")),
        Some((
            Warn,
            "capacity is not proved before the stop: no capacity reservation serves a spread or partition",
        )),
        false,
    ),
    (
        "a cluster placement group takes only its own",
        |o, _| group(o, Some("cluster")),
        Some((
            Warn,
            "capacity is not proved before the stop: a reservation serves a cluster placement group only",
        )),
        false,
    ),
    (
        "an instance that takes no open reservation",
        |o, _| instance(o, |i| i.reservation_preference = Some("none".into())),
        Some((
            Warn,
            "capacity is not proved before the stop: the instance takes no open reservation",
        )),
        false,
    ),
    (
        "an instance that starts in reservations alone",
        |o, _| {
            instance(o, |i| {
                i.reservation_preference = Some("capacity-reservations-only".into())
            })
        },
        Some((Fine, "capacity for t3.large")),
        true,
    ),
    (
        "a stopped instance stays stopped",
        |o, _| instance(o, |i| i.state = RunState::Stopped),
        None,
        false,
    ),
    ("the type stays", |_, d| d.instance_type = None, None, false),
];

#[test]
fn capacity_is_proved_where_it_can_be_and_nothing_of_it_refuses() {
    for (what, change, said, proves) in TABLE {
        let mut seen = observed();
        let mut desired = desired_update(Some("t3.large"), &[]);
        change(&mut seen, &mut desired);
        let checks = rules::check(&seen, &desired, &deployment());
        let found: Vec<_> = checks.iter().filter(|c| c.name == NAME).collect();
        match (said, found.as_slice()) {
            (None, []) => {}
            (Some((status, begins)), [one]) => {
                assert_eq!(one.status, *status, "{what}: {one:?}");
                assert!(one.message.starts_with(begins), "{what}: {}", one.message);
                let is_warning = *status == Warn;
                assert_eq!(is_warning, !one.help.is_empty(), "{what}: {one:?}");
                assert_eq!(is_warning, !one.found.is_empty(), "{what}: {one:?}");
            }
            other => panic!("{what}: {other:?}"),
        }
        let proved = matches!(provable(&seen, &desired), Some(Ok(())));
        assert_eq!(proved, *proves, "{what}");
        // A missing right to reserve is no refusal, as the other rights are.
        let refused = checks
            .iter()
            .any(|c| c.name == "permission" && c.message.contains("Reservation"));
        assert!(!refused, "{what}");
    }
}
