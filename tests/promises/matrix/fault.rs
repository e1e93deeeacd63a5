//! The faults: what fails, at which effect, and for how long.

use std::collections::{BTreeMap, BTreeSet};

use geusemaker::cloud::{CloudError, CloudErrorKind};
use geusemaker::host::HostError;
use geusemaker::plan::{Plan, StackState};
use geusemaker::sandbox::fault::Fault as WorldFault;

/// How an effect fails.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Kind {
    /// The call is refused: no effect.
    Refused,
    /// The effect happens, and its answer says no.
    Lost,
    /// The cloud is busy.
    Throttled,
    /// The cloud has done it, and its answer does not arrive.
    ThrottledAfter,
    /// No credentials any more: nothing is undone for that.
    Expired,
    /// The start is accepted, and falls back to `stopped`.
    FallsBack,
    /// The script is killed before its effect.
    Killed,
    /// The script is killed behind its effect.
    KilledAfter,
    /// The agent is gone for this once.
    Away,
    /// The script did its work, and nobody heard of it.
    TimedOut,
}

use Kind::*;

impl Kind {
    pub const CLOUD: [Self; 5] = [Refused, Lost, Throttled, ThrottledAfter, Expired];
    pub const HOST: [Self; 6] = [Refused, Lost, Killed, KilledAfter, Away, TimedOut];

    /// Whether the effect happens.
    pub fn happens(self) -> bool {
        matches!(
            self,
            Lost | ThrottledAfter | KilledAfter | TimedOut | FallsBack
        )
    }

    /// Whether it is asked again, and so does not fail anything.
    pub fn passes(self) -> bool {
        matches!(
            self,
            Throttled | ThrottledAfter | Killed | KilledAfter | Away | TimedOut
        )
    }

    pub fn cloud(self) -> CloudError {
        let (code, kind) = match self {
            Throttled | ThrottledAfter => ("RequestLimitExceeded", CloudErrorKind::Throttled),
            Expired => ("ExpiredToken", CloudErrorKind::Credentials),
            _ => ("OperationNotPermitted", CloudErrorKind::Denied),
        };
        CloudError {
            call: "ec2:Test",
            code: Some(code.into()),
            message: "struck by the test".into(),
            request_id: None,
            kind,
        }
    }

    pub fn host(self) -> HostError {
        let code = match self {
            Away => return HostError::Unreachable("struck by the test".into()),
            TimedOut => {
                return HostError::Timeout {
                    verb: "start",
                    seconds: 10,
                };
            }
            Killed | KilledAfter => "exit 137",
            _ => "struck",
        };
        HostError::Script {
            verb: "start",
            code: code.into(),
            message: "struck by the test".into(),
        }
    }
}

/// One fault.
#[derive(Debug, Clone, Default)]
pub struct Fault {
    pub name: String,
    /// Of this call, the n-th one, counted from 1 over all controllers.
    pub at: Option<(&'static str, u32, Kind)>,
    /// That one and all that follow.
    pub always: bool,
    /// A fault of the sandbox: what it meets, it meets by itself.
    pub world: Option<WorldFault>,
    /// It may meet an undo, or what looks behind it, for good.
    pub back: bool,
}

/// How far it has struck. Over all controllers.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Spent {
    /// How often each call was made.
    pub calls: BTreeMap<&'static str, u32>,
    /// What was struck.
    pub struck: BTreeSet<&'static str>,
    /// It struck while something was taken back, or looked at behind that.
    pub back: bool,
    /// It struck so that it pauses.
    pub pauses: bool,
    /// It is over: somebody has mended it.
    pub mended: bool,
}

impl Fault {
    pub fn none() -> Self {
        Self {
            name: "none".into(),
            ..Self::default()
        }
    }

    pub fn at(call: &'static str, nth: u32, kind: Kind, always: bool) -> Self {
        let times = if always { "always" } else { "once" };
        Self {
            name: format!("{call} {nth} {kind:?} {times}"),
            at: Some((call, nth, kind)),
            always,
            ..Self::default()
        }
    }

    pub fn world(text: &str, times: Option<u32>, back: bool) -> Self {
        let times_said = times.map_or("always".to_owned(), |n| format!("{n} times"));
        Self {
            name: format!("{text} {times_said}"),
            world: Some(WorldFault::parse(text, times).expect("a fault of the sandbox")),
            back,
            ..Self::default()
        }
    }

    /// Whether there is one.
    pub fn is_some(&self) -> bool {
        self.at.is_some() || self.world.is_some()
    }

    /// Whether this call, the next of its name, is struck.
    pub fn strikes(&self, spent: &mut Spent, call: &'static str, back: bool) -> Option<Kind> {
        let seen = spent.calls.entry(call).or_default();
        *seen += 1;
        let (name, nth, kind) = self.at?;
        let meets = name == call && (*seen == nth || (self.always && *seen > nth));
        if !meets || spent.mended {
            return None;
        }
        spent.struck.insert(call);
        spent.back |= back;
        spent.pauses |= kind == Expired;
        Some(kind)
    }
}

/// Every fault of a plan, from the effects that it has when nothing fails.
pub fn faults(effects: &[(&'static str, u32)], plan: &Plan) -> Vec<Fault> {
    let mut all = vec![Fault::none()];
    for &(call, nth) in effects {
        let kinds: &[Kind] = if call.starts_with("ec2:") {
            &Kind::CLOUD
        } else {
            &Kind::HOST
        };
        all.extend(kinds.iter().map(|k| Fault::at(call, nth, *k, false)));
        if call == "ec2:StartInstances" {
            all.push(Fault::at(call, nth, FallsBack, false));
        }
        if nth == 1 {
            all.push(Fault::at(call, nth, Refused, true));
        }
        // What is done forward, and cannot be done on the way back.
        all.push(Fault::at(call, nth + 1, Refused, true));
        all.push(Fault::at(call, nth + 1, Refused, false));
    }
    // What only the way back sends.
    for kind in Kind::HOST {
        all.push(Fault::at("host:restore", 1, kind, false));
    }
    all.push(Fault::at("host:restore", 1, Refused, true));
    all.extend(of_the_world(effects, plan));
    all
}

/// Those of the sandbox, at the new type and image (where the way back leaves them) and at the old ones.
fn of_the_world(effects: &[(&'static str, u32)], plan: &Plan) -> Vec<Fault> {
    let mut all = Vec::new();
    let mut both = |text: String, back: bool| {
        all.extend([Some(1), None].map(|times| Fault::world(&text, times, back)));
    };
    let has = |call: &str| effects.iter().any(|(c, _)| *c == call);
    let (old, new) = (&plan.before, &plan.after);
    for (state, back) in [(new, false), (old, true)] {
        let kind = &state.instance_type;
        if has("ec2:StartInstances") {
            both(
                format!("ec2:StartInstances@{kind}=InsufficientInstanceCapacity"),
                back,
            );
            both(format!("boot:agent@{kind}=never"), back);
            both(format!("boot:checks@{kind}=impaired"), back);
            both(format!("boot:mount@{kind}=gone"), back);
            both(format!("boot:health@{kind}=unhealthy"), back);
        }
        if has("ec2:CreateCapacityReservation") {
            let call = "ec2:CreateCapacityReservation";
            both(format!("{call}@{kind}=InsufficientInstanceCapacity"), false);
        }
    }
    let image = |state: &StackState| {
        let (_, image) = state.images.iter().find(|(s, _)| s.as_str() == "n8n")?;
        Some(image.reference.to_string())
    };
    let (was, wanted) = (image(old), image(new));
    let moves = was != wanted;
    if let Some(reference) = &wanted {
        if has("host:pull") {
            both(format!("pull:{reference}=missing"), false);
        }
        both(format!("health:n8n@{reference}=unhealthy"), !moves);
    }
    if let Some(reference) = was.filter(|_| moves) {
        both(format!("health:n8n@{reference}=unhealthy"), true);
    }
    both("mount:gone".into(), true);
    all
}
