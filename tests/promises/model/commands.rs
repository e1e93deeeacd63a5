//! What the sequences are made of. Each value prints as it is written, so that a failure is a test at once.

use proptest::prelude::*;

use super::ports::{What, When, Why};

pub const TYPES: [&str; 4] = ["t3.medium", "t3.large", "t3.xlarge", "m6g.large"];
pub const MACHINES: [&str; 2] = ["ann-laptop", "bob-laptop"];
/// Service, and the tags that are asked for; the last one is in no registry.
pub const IMAGES: [(&str, &[&str]); 2] = [
    (
        "n8n",
        &[
            "n8nio/n8n:1.19.4",
            "n8nio/n8n:1.20.0",
            "n8nio/n8n:1.21.0",
            "n8nio/n8n:nightly",
        ],
    ),
    (
        "qdrant",
        &["qdrant/qdrant:v1.12.4", "qdrant/qdrant:v1.13.0"],
    ),
];
/// What the sandbox is asked to break, for one command.
pub const FAULTS: [&str; 8] = [
    "ec2:StartInstances@t3.large=InsufficientInstanceCapacity",
    "ec2:StartInstances=InsufficientInstanceCapacity",
    "ec2:ModifyInstanceAttribute=InternalError",
    "ec2:StopInstances=RequestLimitExceeded",
    "ec2:CreateCapacityReservation=InsufficientInstanceCapacity",
    "pull:n8nio/n8n:1.20.0=missing",
    "health:n8n@n8nio/n8n:1.21.0=unhealthy",
    "ec2:DescribeInstanceStatus=ExpiredToken",
];

/// What is asked for: indices into [`TYPES`] and [`IMAGES`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Ask {
    Update {
        to: Option<usize>,
        images: Vec<(usize, usize)>,
        no_rollback: bool,
    },
    /// `to`: one of the snapshots that there are, by number; `only`: one service alone.
    Rollback {
        to: Option<usize>,
        only: Option<usize>,
    },
    Resume,
    Unwind,
    Accept,
    GiveUp,
}

/// Somebody's hand, past this program.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Hand {
    Type(usize),
    Stop,
    Start,
    MoveTag(usize, usize),
    Comment,
    /// The file alone, not applied.
    EditImage(usize, usize),
    /// The container alone, as by `docker run`.
    RunImage(usize, usize),
    StopContainer(usize),
    StartContainer(usize),
    /// The recorded type in the state files.
    Record(usize),
}

/// What goes wrong while a command runs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Wrong {
    Nothing,
    /// A fault of the sandbox; the number of times, 0: always.
    Fault(usize, u32),
    /// At the k-th call, or the k-th effect.
    At {
        k: i64,
        effects: bool,
        what: What,
    },
    /// At the k-th call the other machine tries this, to its end.
    Other(i64, Box<Ask>),
    /// At the k-th call somebody does this by hand.
    Drift(i64, Hand),
    /// At the k-th call the machine sleeps for so many minutes.
    Asleep(i64, u64),
    /// While the question is open.
    AtTheQuestion(Hand),
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Command {
    /// By one of [`MACHINES`].
    Does(usize, Ask, Wrong),
    Hand(Hand),
    /// So many minutes pass.
    Passes(u64),
}

fn image() -> impl Strategy<Value = (usize, usize)> {
    (0..IMAGES.len()).prop_flat_map(|s| (Just(s), 0..IMAGES[s].1.len()))
}

/// One that is in the registry.
fn real_image() -> impl Strategy<Value = (usize, usize)> {
    image().prop_filter("it can be pulled", |(s, t)| {
        !IMAGES[*s].1[*t].ends_with("nightly")
    })
}

fn update() -> impl Strategy<Value = Ask> {
    let images = proptest::collection::vec(image(), 0..=2).prop_map(|mut images| {
        images.sort_unstable();
        images.dedup_by_key(|(s, _)| *s);
        images
    });
    let to = prop_oneof![3 => Just(None), 9 => (0..3usize).prop_map(Some), 1 => Just(Some(3))];
    (to, images, proptest::bool::weighted(0.15))
        .prop_filter("nothing named", |(to, images, _)| {
            to.is_some() || !images.is_empty()
        })
        .prop_map(|(to, images, no_rollback)| Ask::Update {
            to,
            images,
            no_rollback,
        })
}

fn ask() -> impl Strategy<Value = Ask> {
    let to = proptest::option::weighted(0.3, 0..4usize);
    let only = proptest::option::weighted(0.2, 0..IMAGES.len());
    prop_oneof![
        12 => update(),
        4 => (to, only).prop_map(|(to, only)| Ask::Rollback { to, only }),
        1 => Just(Ask::Resume),
        1 => Just(Ask::Unwind),
        1 => Just(Ask::Accept),
        1 => Just(Ask::GiveUp),
    ]
}

fn hand() -> impl Strategy<Value = Hand> {
    prop_oneof![
        1 => (0..3usize).prop_map(Hand::Type),
        1 => Just(Hand::Stop),
        3 => Just(Hand::Start),
        1 => real_image().prop_map(|(s, t)| Hand::MoveTag(s, t)),
        1 => Just(Hand::Comment),
        1 => real_image().prop_map(|(s, t)| Hand::EditImage(s, t)),
        1 => real_image().prop_map(|(s, t)| Hand::RunImage(s, t)),
        1 => (0..IMAGES.len()).prop_map(Hand::StopContainer),
        1 => (0..IMAGES.len()).prop_map(Hand::StartContainer),
        1 => (0..3usize).prop_map(Hand::Record),
    ]
}

fn wrong() -> impl Strategy<Value = Wrong> {
    let when = prop_oneof![Just(When::Before), Just(When::After)];
    let why = prop_oneof![
        Just(Why::Denied),
        Just(Why::Internal),
        Just(Why::Expired),
        Just(Why::Silent)
    ];
    let what = prop_oneof![
        2 => when.clone().prop_map(What::Killed),
        2 => (when, why, any::<bool>()).prop_map(|(when, why, always)| What::Fails(when, why, always)),
    ];
    let place = prop_oneof![
        1 => (20..=120i64).prop_map(|k| (k, false)),
        2 => (1..=16i64).prop_map(|k| (k, true))
    ];
    prop_oneof![
        3 => Just(Wrong::Nothing),
        3 => (0..FAULTS.len(), 0..3u32).prop_map(|(f, times)| Wrong::Fault(f, times)),
        9 => (place, what).prop_map(|((k, effects), what)| Wrong::At { k, effects, what }),
        // The first one stands still meanwhile, its heartbeat too. Whoever breaks a live holder's lock may meet one call that is under way: see docs/guarantees.md.
        1 => (1..=120i64, ask().prop_filter("breaks nothing", |ask| *ask != Ask::GiveUp))
            .prop_map(|(k, ask)| Wrong::Other(k, Box::new(ask))),
        1 => (1..=120i64, hand()).prop_map(|(k, hand)| Wrong::Drift(k, hand)),
        1 => (1..=120i64, 1..=30u64).prop_map(|(k, minutes)| Wrong::Asleep(k, minutes)),
        1 => hand().prop_map(Wrong::AtTheQuestion),
    ]
}

fn command() -> impl Strategy<Value = Command> {
    prop_oneof![
        8 => (prop_oneof![2 => Just(0usize), 1 => Just(1usize)], ask(), wrong())
            .prop_map(|(who, ask, wrong)| Command::Does(who, ask, wrong)),
        2 => hand().prop_map(Command::Hand),
        1 => (1..=30u64).prop_map(Command::Passes),
    ]
}

/// An update or a rollback in trouble, perhaps with something in between, and then it is taken up where it began, again
/// and again in trouble.
fn taken_up() -> impl Strategy<Value = Vec<Command>> {
    let way = prop_oneof![3 => Just(Ask::Resume), 2 => Just(Ask::Unwind), 1 => Just(Ask::Accept)];
    let between = prop_oneof![
        1 => hand().prop_map(Command::Hand),
        1 => (1..=30u64).prop_map(Command::Passes),
        1 => (ask(), Just(Wrong::Nothing)).prop_map(|(ask, wrong)| Command::Does(1, ask, wrong)),
    ];
    let between = proptest::option::weighted(0.4, between);
    let ways = proptest::collection::vec((way, wrong()), 1..=2);
    (update(), any::<bool>(), wrong(), between, ways).prop_map(
        |(ask, back, wrong, between, ways)| {
            let mut all = Vec::new();
            if back {
                all.push(Command::Does(0, ask, Wrong::Nothing));
                let back = Ask::Rollback {
                    to: None,
                    only: None,
                };
                all.push(Command::Does(0, back, wrong));
            } else {
                all.push(Command::Does(0, ask, wrong));
            }
            all.extend(between);
            all.extend(
                ways.into_iter()
                    .map(|(way, wrong)| Command::Does(0, way, wrong)),
            );
            all
        },
    )
}

pub fn sequence() -> impl Strategy<Value = Vec<Command>> {
    let scene = prop_oneof![2 => command().prop_map(|c| vec![c]), 1 => taken_up()];
    proptest::collection::vec(scene, 1..=3).prop_map(|scenes| scenes.concat())
}
