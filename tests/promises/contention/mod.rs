//! Two to sixteen operators on one deployment, while processes freeze, machines sleep, clocks jump, the wire is cut and
//! processes are killed: never two writers at once, never a lease that is lost for ever.

mod cloud;
mod files;
mod history;
mod operator;
mod sim;

use std::sync::{Arc, Mutex};

use geusemaker::cloud::Clock;
use geusemaker::model::DeploymentName;

use self::cloud::{Account, Cut, How, OwnClock, Wire};
use self::operator::{Desk, LEASE, Machine};
use self::sim::{Sim, Span, Still, Task};
use crate::killed::Random;

/// What goes wrong.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Trouble {
    /// Processes stand still (SIGSTOP).
    Freezes,
    /// Machines sleep.
    Sleeps,
    /// Wall clocks jump, ahead and back.
    Jumps,
    /// The wire is cut.
    Cuts,
    /// Processes are killed.
    Kills,
    /// All of these.
    All,
    /// All of these, machines that do not come back, and `unlock --force`.
    Broken,
}

const TROUBLES: [Trouble; 7] = [
    Trouble::Freezes,
    Trouble::Sleeps,
    Trouble::Jumps,
    Trouble::Cuts,
    Trouble::Kills,
    Trouble::All,
    Trouble::Broken,
];

const OPERATORS: [usize; 5] = [2, 3, 4, 8, 16];

/// For so long things go wrong, in milliseconds; the rest of the time nothing does.
const TROUBLED: u64 = 90_000;
/// Nobody begins anything new behind this.
const LAST: u64 = TROUBLED + 5 * LEASE;
const END: u64 = LAST + 12 * LEASE;

/// What came of a run.
#[derive(Debug, Default, Clone, Copy)]
struct Counted {
    runs: usize,
    holds: usize,
    effects: usize,
    lost: usize,
    late: usize,
    elsewhere: usize,
    broken: usize,
    unanswered: usize,
}

/// How often each is run: twice in a merge.
fn rounds() -> u64 {
    let rounds = std::env::var("GEUSEMAKER_CONTENTION");
    rounds.map_or(2, |text| text.parse().expect("a number"))
}

fn spans(random: &mut Random, lengths: &[u64]) -> Vec<Span> {
    let mut spans = Vec::new();
    let mut from = random.next() % 20_000;
    while from < TROUBLED {
        let to = from + lengths[random.below(lengths.len())];
        spans.push(Span {
            from,
            to: to.min(TROUBLED),
        });
        from = to + 1 + random.next() % 30_000;
    }
    spans
}

/// One run. The lease of a holder that announces nothing may be taken when it has run out.
fn run(trouble: Trouble, operators: usize, announces: bool, seed: u64) -> Counted {
    let what = format!("{trouble:?}, {operators} operators, announces {announces}, seed {seed}");
    let mut random = Random(seed);
    let is = |one: Trouble| [one, Trouble::All, Trouble::Broken].contains(&trouble);
    let lengths = [300, 4_000, 9_000, 11_000, 16_000, 40_000];
    let still = |random: &mut Random| {
        let mut all: Vec<Still> = Vec::new();
        if is(Trouble::Freezes) {
            let spans = spans(random, &lengths).into_iter();
            all.extend(spans.map(|span| Still {
                span,
                asleep: false,
            }));
        }
        if is(Trouble::Sleeps) {
            let spans = spans(random, &lengths).into_iter();
            let apart = |s: &Span| {
                !all.iter()
                    .any(|o| o.span.from <= s.to && s.from <= o.span.to)
            };
            let more: Vec<Span> = spans.filter(apart).collect();
            all.extend(more.into_iter().map(|span| Still { span, asleep: true }));
        }
        all
    };
    let still: Vec<_> = (0..operators).map(|_| still(&mut random)).collect();
    let sim = Arc::new(Sim::new(random.next(), still));
    let name = DeploymentName::new("web").expect("a name");
    let account = Arc::new(Account::new(&sim, &name));
    let machines: Arc<Vec<Mutex<Machine>>> =
        Arc::new((0..operators).map(|_| Mutex::default()).collect());
    let mut wires = Vec::new();
    let mut clocks: Vec<Arc<dyn Clock>> = Vec::new();
    let mut gone = false;
    for operator in 0..operators {
        let mut cuts = Vec::new();
        if is(Trouble::Cuts) {
            let hows = [How::Refused, How::Lost, How::Unanswered, How::Late];
            let spans = spans(&mut random, &lengths).into_iter();
            cuts.extend(spans.map(|span| Cut {
                span,
                how: hows[random.below(4)],
            }));
        }
        let mut jumps = Vec::new();
        if is(Trouble::Jumps) {
            // Small ones, as of a clock that is corrected all the time, and large ones.
            let wrong = [40, 700, 3_000, 14_000, 3_600_000, 86_400_000];
            let (mut at, mut by) = (random.next() % 3_000, 0);
            let back = random.below(3);
            while at < TROUBLED {
                let ahead = if back == 0 || random.below(2) == 0 {
                    -1
                } else {
                    1
                };
                by += ahead * wrong[random.below(if back == 0 { 3 } else { wrong.len() })];
                jumps.push((at, by));
                at += 1 + random.next() % 5_000;
            }
        }
        if is(Trouble::Kills) {
            for span in spans(&mut random, &[1, 2_000, 20_000]) {
                sim.kill(span.from, operator, true);
            }
            // One machine is lost, where somebody may give up what it began.
            if trouble == Trouble::Broken && !gone && random.below(3) == 0 {
                gone = true;
                sim.kill(TROUBLED, operator, false);
            }
        }
        wires.push(Arc::new(Wire {
            sim: Arc::clone(&sim),
            account: Arc::clone(&account),
            operator,
            cuts,
            asked: Mutex::new(0),
        }));
        clocks.push(Arc::new(OwnClock {
            sim: Arc::clone(&sim),
            operator,
            jumps,
        }));
    }
    let spawn = |operator: usize| -> Task {
        let desk = Desk {
            sim: Arc::clone(&sim),
            account: Arc::clone(&account),
            operator,
            wire: Arc::clone(&wires[operator]),
            clock: Arc::clone(&clocks[operator]),
            name: name.clone(),
            machines: Arc::clone(&machines),
            announces,
            breaks: trouble == Trouble::Broken,
            patient: TROUBLED,
            until: LAST,
        };
        Box::pin(desk.live())
    };
    sim.run(operators, END, &spawn);

    let history = account.history.lock().expect("no panic");
    let broken = trouble == Trouble::Broken;
    history.judge(announces, broken, LEASE, &what);
    // When all is quiet again, somebody gets it within four leases, and goes on getting it.
    let quiet = |from: u64, to: u64| history.effects.iter().any(|e| (from..to).contains(&e.at));
    assert!(
        quiet(TROUBLED, TROUBLED + 4 * LEASE),
        "{what}: the lease is lost"
    );
    // What was begun has come to its end, but on a machine that is gone.
    let open = machines
        .iter()
        .filter(|m| m.lock().expect("no panic").open.is_some());
    assert!(
        open.count() <= usize::from(gone),
        "{what}: an operation stays open: {machines:?}"
    );
    // Nobody who was not kept from it loses the lease, whatever the clocks say.
    if trouble == Trouble::Jumps {
        assert_eq!(history.lost, [], "{what}");
    }
    Counted {
        runs: 1,
        holds: history.holds.len(),
        effects: history.effects.len(),
        lost: history.lost.len(),
        late: history.out_of_order().len(),
        elsewhere: history.elsewhere,
        broken: history.broken.len(),
        unanswered: history.unanswered,
    }
}

fn all(troubles: &[Trouble], first_seed: u64) -> Counted {
    let mut sum = Counted::default();
    for trouble in troubles {
        for operators in OPERATORS {
            for announces in [true, false] {
                let mut here = Counted::default();
                for seed in 0..rounds() {
                    here = here.and(run(*trouble, operators, announces, first_seed + seed));
                }
                println!("{trouble:?}, {operators} operators, announces {announces}: {here:?}");
                sum = sum.and(here);
            }
        }
    }
    println!("all: {sum:?}");
    sum
}

impl Counted {
    fn and(self, more: Self) -> Self {
        Self {
            runs: self.runs + more.runs,
            holds: self.holds + more.holds,
            effects: self.effects + more.effects,
            lost: self.lost + more.lost,
            late: self.late + more.late,
            elsewhere: self.elsewhere + more.elsewhere,
            broken: self.broken + more.broken,
            unanswered: self.unanswered + more.unanswered,
        }
    }
}

#[test]
fn never_two_writers_and_never_a_lease_that_is_lost() {
    let sum = all(&TROUBLES[..6], 1);
    // The troubles are real ones: leases were lost, calls unanswered and late, operations told elsewhere.
    assert!(
        sum.lost > 0 && sum.unanswered > 0 && sum.late > 0 && sum.elsewhere > 0,
        "{sum:?}"
    );
}

#[test]
fn a_lock_that_is_broken_leaves_its_holder_that_one_call_and_no_more() {
    let sum = all(&TROUBLES[6..], 1_000_000);
    assert!(sum.broken > 0 && sum.late > 0, "{sum:?}");
}
