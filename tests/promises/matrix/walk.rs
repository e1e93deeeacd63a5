//! The tree of all states that a controller, and the one behind it, could have died in.

use std::collections::BTreeMap;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::sync::Arc;

use geusemaker::model::Outcome;

use super::bugs::Bug;
use super::case::Case;
use super::check;
use super::fault::Fault;
use super::run::{How, Lab, Ran};
use super::site::State;
use super::tape::Point;

/// Which states of a run are gone on from.
#[derive(Clone, Copy)]
pub enum Taken {
    All,
    None,
    /// Of those at which two points and more meet, and of those of one point, every so many-th.
    Every {
        shared: usize,
        lone: usize,
    },
    /// So many, evenly.
    Few(usize),
}

/// How much of the tree is walked.
#[derive(Clone, Copy)]
pub struct Reach {
    /// The states of a first crash, and of a second one.
    pub first: Taken,
    pub second: Taken,
    /// In how many of the four ways a first one is taken up, and of the two a second one.
    pub ways: usize,
    pub again: usize,
}

/// How it is taken up behind a first crash.
const WAYS: [How; 4] = [How::On, How::Back, How::OnLater, How::BackLater];
/// And behind a second one.
const WAYS_AGAIN: [How; 2] = [How::On, How::Back];

/// What was counted.
#[derive(Default)]
pub struct Counted {
    /// The tuples, by hash: plan, fault and crash points. A second point is one of the process that took up the first, so
    /// the way of that is part of it; how the last one is taken up is not.
    pub tuples: Vec<u64>,
    /// The tuples, each as often as it was taken up in another way.
    pub ways: usize,
    /// Of these, those in which the fault was seen to strike; of one of the sandbox that stays it is not seen.
    pub struck: usize,
    /// Controllers that were run.
    pub runs: usize,
    /// Ends by outcome.
    pub ends: BTreeMap<String, usize>,
    pub wrong: Vec<String>,
}

/// A state, with the points that it is the state of.
type Shared = (Arc<State>, Vec<usize>);

/// The states of a run, as far as they are taken.
fn states(points: &[Point], taken: Taken, turn: usize) -> Vec<Shared> {
    let mut all: Vec<Shared> = Vec::new();
    for (n, point) in points.iter().enumerate() {
        match all.last_mut() {
            Some((state, of)) if Arc::ptr_eq(state, &point.state) => of.push(n),
            _ => all.push((Arc::clone(&point.state), vec![n])),
        }
    }
    let step = match taken {
        Taken::Few(k) => all.len().div_ceil(k).max(1),
        _ => 1,
    };
    let mut counts = [turn; 2];
    all.retain(|(_, of)| {
        let meet = of.len() > 1;
        let (kind, every) = match taken {
            Taken::All => return true,
            Taken::None => return false,
            Taken::Few(_) => (0, step),
            Taken::Every { shared, .. } if meet => (1, shared),
            Taken::Every { lone, .. } => (0, lone),
        };
        counts[kind] += 1;
        counts[kind].is_multiple_of(every)
    });
    all
}

fn hash(tuple: impl Hash) -> u64 {
    let mut hasher = DefaultHasher::new();
    tuple.hash(&mut hasher);
    hasher.finish()
}

/// A walk over one plan with one fault.
pub struct Walk<'a> {
    pub lab: &'a Lab,
    pub case: &'a Case,
    pub fault: &'a Fault,
    pub bug: Option<Bug>,
    pub reach: Reach,
    pub counted: Counted,
    /// It ends with the first that is wrong.
    pub stops: bool,
}

impl Walk<'_> {
    /// All of it; `turn` shifts which states are taken where not all are.
    pub fn go(&mut self, turn: usize) {
        let start = self.start();
        let mut first = self.run(&start, How::First, true);
        self.counted.struck += usize::from(self.struck(&first.end));
        let name = hash((self.case.shape.name, self.fault.name.as_str()));
        self.ends(&mut first, How::First, "");
        self.counted.tuples.push(name);
        self.counted.ways += 1;
        let all = states(&first.points, self.reach.first, turn);
        for (n, (state, of)) in all.iter().enumerate() {
            for (w, how) in WAYS.iter().enumerate() {
                // Another way with each state and each fault.
                if (w + n + turn) % WAYS.len() >= self.reach.ways {
                    continue;
                }
                if self.stops && !self.counted.wrong.is_empty() {
                    return;
                }
                let again = !matches!(self.reach.second, Taken::None);
                let mut second = self.run(state, *how, again);
                self.counted.struck += of.len() * usize::from(self.struck(&second.end));
                let at = format!("{}, {how:?}", first.points[of[0]].name);
                self.ends(&mut second, *how, &at);
                self.counted.ways += of.len();
                for one in of {
                    self.counted.tuples.push(hash((name, one)));
                }
                if again {
                    self.second((name, of, *how), &second, &at, n + w + turn);
                }
            }
        }
    }

    fn second(&mut self, (name, of, how): (u64, &[usize], How), ran: &Ran, at: &str, turn: usize) {
        let all = states(&ran.points, self.reach.second, turn);
        for (n, (state, and)) in all.iter().enumerate() {
            for (w, again) in WAYS_AGAIN.iter().enumerate() {
                if (w + n + turn) % WAYS_AGAIN.len() >= self.reach.again {
                    continue;
                }
                if self.stops && !self.counted.wrong.is_empty() {
                    return;
                }
                let mut third = self.run(state, *again, false);
                let struck = usize::from(self.struck(&third.end));
                self.counted.struck += of.len() * and.len() * struck;
                let at = format!("{at}; {}, {again:?}", ran.points[and[0]].name);
                self.ends(&mut third, *again, &at);
                self.counted.ways += of.len() * and.len();
                for one in of {
                    for two in and {
                        self.counted.tuples.push(hash((name, one, how, two)));
                    }
                }
            }
        }
    }

    fn start(&self) -> State {
        let mut start = self.case.start.clone();
        start.world.faults.0.extend(self.fault.world.clone());
        start
    }

    fn struck(&self, end: &State) -> bool {
        let of_the_world = self.fault.world.as_ref();
        let used = of_the_world.is_some_and(|f| !end.world.faults.0.contains(f));
        used || !end.spent.struck.is_empty()
    }

    fn run(&mut self, from: &State, how: How, keeps: bool) -> Ran {
        self.counted.runs += 1;
        self.lab
            .process(self.case, from, how, self.fault, self.bug, keeps)
    }

    /// Judges an end. What was stopped by a fault goes on when that is mended.
    fn ends(&mut self, ran: &mut Ran, how: How, at: &str) {
        let place = format!("{} × {} × {at}", self.case.shape.name, self.fault.name);
        let wrong = check::end(self.case, self.fault, how, ran);
        let said = wrong.into_iter().map(|w| format!("{place}: {w}"));
        self.counted.wrong.extend(said);
        let word = match &ran.outcome {
            Ok(outcome) => outcome.as_str(),
            Err(_) => "not taken up",
        };
        *self.counted.ends.entry(word.to_owned()).or_default() += 1;
        let how = match ran.outcome {
            Ok(Outcome::Paused) => how.again(),
            Ok(Outcome::Stuck) => How::Back,
            _ => return,
        };
        if ran.end.spent.mended {
            return;
        }
        let mut mended = ran.end.clone();
        mended.mend();
        let mut next = self.run(&mended, how, false);
        self.ends(&mut next, how, &format!("{at}, mended, {how:?}"));
    }
}
