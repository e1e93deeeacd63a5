//! Bugs that are sown, one at a time: as what surrounds the controller (its journal, its ports), or as another plan.

use geusemaker::journal::{Entry, Evidence, Line};
use geusemaker::model::{InstanceFacts, InstanceType, Outcome};
use geusemaker::plan::{Action, ApplyImages, Plan, Step};
use geusemaker::sandbox::world::SEED_INSTANCE;

use super::tape::{Shared, Tape};

/// A bug.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Bug {
    LosesTheLastLine,
    DoneFirst,
    WritesTwice,
    WritesOutOfOrder,
    HidesAFailedUndo,
    SaysAlready,
    ForgetsTheLastStarted,
    SameFence,
    GoesOnInsteadOfBack,
    SaysUpdated,
    NoUndoOfTheStop,
    UndoPartsSwapped,
    StepsSwapped,
    ArmsTooLate,
    WrongFrom,
    WrongType,
    NoRelease,
    NoSnapshot,
    NoVerify,
    NoRetag,
    KeepsTheNewFile,
    LeavesOthersDown,
    Toggles,
    SaysReleased,
    NeverArms,
    NeverDisarms,
    KeepsDown,
}

/// Each, in words.
pub const BUGS: [(Bug, &str); 27] = [
    (
        Bug::LosesTheLastLine,
        "a dropped fsync: the last line is said to be on disk, and is not",
    ),
    (Bug::DoneFirst, "a step is called done before its effect"),
    (Bug::WritesTwice, "a line is written twice"),
    (
        Bug::WritesOutOfOrder,
        "two lines are written in the other order",
    ),
    (Bug::HidesAFailedUndo, "an undo that failed is called done"),
    (
        Bug::SaysAlready,
        "what was cut off is called done already, without a look",
    ),
    (
        Bug::ForgetsTheLastStarted,
        "a resume ignores what was begun last",
    ),
    (
        Bug::SameFence,
        "a resume has the fencing number of the controller before",
    ),
    (Bug::GoesOnInsteadOfBack, "a resume --unwind goes on"),
    (
        Bug::SaysUpdated,
        "what was taken back is reported as updated",
    ),
    (Bug::NoUndoOfTheStop, "a skipped undo: the stop has none"),
    (
        Bug::UndoPartsSwapped,
        "the parts of an undo in the other order",
    ),
    (
        Bug::StepsSwapped,
        "a swapped order: the start before the new type",
    ),
    (
        Bug::ArmsTooLate,
        "the host is armed after the services are down",
    ),
    (Bug::WrongFrom, "what it was before is recorded wrong"),
    (Bug::WrongType, "another type than the one asked for is set"),
    (Bug::NoRelease, "the reservations are not released"),
    (Bug::NoSnapshot, "no snapshot is written"),
    (Bug::NoVerify, "health is not looked at"),
    (Bug::NoRetag, "a tag that has moved is not set back"),
    (
        Bug::KeepsTheNewFile,
        "the way back leaves the new compose file",
    ),
    (
        Bug::LeavesOthersDown,
        "only the first service is started again",
    ),
    (
        Bug::Toggles,
        "an inverse that toggles: it sets the other type than the one that is there",
    ),
    (
        Bug::SaysReleased,
        "a reservation is called released, and EC2 was not asked",
    ),
    (Bug::NeverArms, "the host is called armed, and was not told"),
    (
        Bug::NeverDisarms,
        "the host is called disarmed, and was not told",
    ),
    (Bug::KeepsDown, "restart policies are not put back"),
];

impl Bug {
    /// The plan with the bug.
    pub fn plans(self, plan: &mut Plan) {
        let at = |plan: &Plan, name: &str| plan.steps.iter().position(|s| s.action.name() == name);
        let swap = |plan: &mut Plan, a: &str, b: &str| {
            if let (Some(a), Some(b)) = (at(plan, a), at(plan, b)) {
                plan.steps.swap(a, b);
            }
        };
        let without = |plan: &mut Plan, name: &str| {
            plan.steps.retain(|s| s.action.name() != name);
        };
        match self {
            Bug::NoUndoOfTheStop => each(plan, "stop_instance", |s| s.undo.clear()),
            Bug::UndoPartsSwapped => each(plan, "stop_instance", |s| s.undo.reverse()),
            Bug::StepsSwapped => swap(plan, "set_instance_type", "start_instance"),
            Bug::ArmsTooLate => swap(plan, "arm_restore", "quiesce"),
            Bug::WrongFrom => each(plan, "set_instance_type", |s| {
                for part in &mut s.undo {
                    if let Action::SetInstanceType { to, .. } = &mut part.action {
                        *to = InstanceType::new("t3.small").expect("a type");
                    }
                }
            }),
            Bug::WrongType => each(plan, "set_instance_type", |s| {
                if let Action::SetInstanceType { to, .. } = &mut s.action {
                    *to = InstanceType::new("t3.xlarge").expect("a type");
                }
            }),
            Bug::NoRelease => without(plan, "release_capacity"),
            Bug::NoSnapshot => without(plan, "write_snapshot"),
            Bug::NoVerify => without(plan, "verify_health"),
            Bug::NoRetag => each_undo(plan, |apply| apply.tags.clear()),
            Bug::KeepsTheNewFile => {
                each_undo(plan, |apply| apply.to_sha256 = apply.from_sha256.clone());
            }
            Bug::LeavesOthersDown => each(plan, "apply_images", |s| {
                if let Action::ApplyImages(apply) = &mut s.action {
                    apply.services.truncate(1);
                }
            }),
            _ => {}
        }
    }

    /// A line is said to be written.
    pub fn append(self, tape: &mut Tape, line: &Line) {
        let started = |line: &Line| matches!(line.entry, Entry::Started { .. });
        match self {
            Bug::LosesTheLastLine => {
                let held = std::mem::take(&mut tape.held);
                tape.lines.extend(held);
                tape.held.push(line.clone());
            }
            Bug::WritesOutOfOrder => {
                let held = std::mem::take(&mut tape.held);
                if started(line) && held.is_empty() {
                    tape.held.push(line.clone());
                    return;
                }
                tape.lines.push(line.clone());
                tape.lines.extend(held);
            }
            Bug::WritesTwice => {
                tape.lines.push(line.clone());
                tape.lines.push(line.clone());
            }
            Bug::DoneFirst => {
                let changes = |step: &usize| tape.plan.steps[*step].action.changes();
                match &line.entry {
                    Entry::Started { step } if changes(step) => {
                        let done = Entry::Done {
                            step: *step,
                            evidence: Evidence::default(),
                        };
                        tape.lines.push(line.clone());
                        tape.lines.push(Line {
                            at: line.at,
                            entry: done,
                        });
                    }
                    Entry::Done { step, .. } if changes(step) => {}
                    _ => tape.lines.push(line.clone()),
                }
            }
            Bug::HidesAFailedUndo => {
                let entry = match &line.entry {
                    Entry::UndoFailed { step, part, .. } => Entry::UndoDone {
                        step: *step,
                        part: *part,
                        evidence: Evidence::default(),
                    },
                    other => other.clone(),
                };
                tape.lines.push(Line { at: line.at, entry });
            }
            _ => tape.lines.push(line.clone()),
        }
    }

    /// The journal, as a resume reads it.
    pub fn reads(self, lines: &mut Vec<Line>) {
        let Some(last) = lines.last().cloned() else {
            return;
        };
        match (self, last.entry) {
            (Bug::SaysAlready, Entry::Started { step }) => {
                let evidence = Evidence {
                    already: true,
                    ..Evidence::default()
                };
                lines.push(Line {
                    at: last.at,
                    entry: Entry::Done { step, evidence },
                });
            }
            (
                Bug::ForgetsTheLastStarted,
                Entry::Started { .. } | Entry::UndoStarted { .. } | Entry::ConfirmStarted { .. },
            ) => {
                lines.pop();
            }
            _ => {}
        }
    }

    /// What is said of the instance.
    pub fn sees(self, tape: &Shared, mut seen: InstanceFacts) -> InstanceFacts {
        let tape = tape.lock().expect("one thread");
        if self == Bug::Toggles
            && tape.done > 0
            && let Some((Entry::UndoStarted { .. }, Action::SetInstanceType { from, to })) =
                tape.announced()
        {
            let acted = tape.effects.last().map(|(call, _)| *call);
            let acted = acted == Some("ec2:ModifyInstanceAttribute");
            seen.instance_type = if acted { to } else { from }.clone();
        }
        seen
    }

    /// The type that is set.
    pub fn sets(self, tape: &Shared, wanted: &InstanceType) -> InstanceType {
        let tape = tape.lock().expect("one thread");
        let is = tape.site.world().instances[SEED_INSTANCE]
            .instance_type
            .clone();
        match tape.announced() {
            Some((Entry::UndoStarted { .. }, Action::SetInstanceType { from, to }))
                if self == Bug::Toggles =>
            {
                if is == *to { from } else { to }.clone()
            }
            _ => wanted.clone(),
        }
    }

    /// Behind the work on the host.
    pub fn behind(self, tape: &Shared, call: &str) {
        if self != Bug::KeepsDown || !matches!(call, "host:apply" | "host:restore") {
            return;
        }
        let tape = tape.lock().expect("one thread");
        let mut world = tape.site.world();
        let host = world.hosts.get_mut(SEED_INSTANCE).expect("seeded");
        for container in &mut host.engine.containers {
            if container.restart_policy == "always" {
                container.restart_policy = "no".into();
            }
        }
    }

    /// What is reported.
    pub fn reports(self, outcome: Outcome) -> Outcome {
        match (self, outcome) {
            (Bug::SaysUpdated, Outcome::RolledBack) => Outcome::Updated,
            _ => outcome,
        }
    }
}

fn each(plan: &mut Plan, name: &str, change: impl Fn(&mut Step)) {
    plan.steps
        .iter_mut()
        .filter(|s| s.action.name() == name)
        .for_each(change);
}

fn each_undo(plan: &mut Plan, change: impl Fn(&mut ApplyImages)) {
    for part in plan.steps.iter_mut().flat_map(|s| &mut s.undo) {
        if let Action::ApplyImages(apply) = &mut part.action {
            change(apply);
        }
    }
}
