//! The crash matrix: every plan × every fault × a controller that dies before or behind each effect and each line of
//! the journal, up to twice, × how it is taken up. It ends as wanted, as before, or stuck where an undo was made to
//! fail, with its step and reason, and as before once that is mended.
//!
//! A controller leaves nothing but the world and its journal. So a run is made once, and the state is kept at each
//! point where it could have died; the next controller begins from there. Points between which nothing changed have one
//! state, compared whole, and share what follows: they are tuples of their own, and one run.

mod bugs;
mod case;
mod check;
mod fault;
mod ports;
mod run;
mod site;
mod tape;
mod walk;

use std::collections::BTreeMap;
use std::io::Write;
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Instant;

use bugs::{BUGS, Bug};
use case::{Case, Shape, shapes};
use fault::Fault;
use run::Lab;
use walk::{Counted, Reach, Taken, Walk};

/// Not by a macro: those are captured. In one piece.
fn say(text: &str) {
    let _ = std::io::stderr().write_all(format!("{text}\n").as_bytes());
}

/// Walks over all of these on both processors.
fn walk(cases: &[Case], work: &[(usize, Fault, Reach)], bug: Option<Bug>) -> Counted {
    let next = AtomicUsize::new(0);
    let all = Mutex::new(Counted::default());
    let threads = std::thread::available_parallelism().map_or(2, |n| n.get().max(2));
    std::thread::scope(|scope| {
        for _ in 0..threads {
            scope.spawn(|| {
                let lab = Lab::new();
                loop {
                    let n = next.fetch_add(1, Ordering::Relaxed);
                    let Some((case, fault, reach)) = work.get(n) else {
                        break;
                    };
                    let mut walk = Walk {
                        lab: &lab,
                        case: &cases[*case],
                        fault,
                        bug,
                        reach: *reach,
                        counted: Counted::default(),
                        stops: bug.is_some(),
                    };
                    walk.go(n);
                    let mut all = all.lock().expect("nobody panics");
                    all.add(walk.counted);
                    if bug.is_some() && !all.wrong.is_empty() {
                        break;
                    }
                }
            });
        }
    });
    all.into_inner().expect("nobody panics")
}

impl Counted {
    fn add(&mut self, other: Self) {
        self.tuples.extend(other.tuples);
        self.ways += other.ways;
        self.struck += other.struck;
        self.runs += other.runs;
        for (end, n) in other.ends {
            *self.ends.entry(end).or_default() += n;
        }
        self.wrong.extend(other.wrong);
    }

    /// The first of what is wrong, each kind once.
    fn shown(&self) -> String {
        let mut kinds: BTreeMap<&str, (usize, &str)> = BTreeMap::new();
        for one in &self.wrong {
            let kind = one.rsplit_once(" × ").map_or(one.as_str(), |(_, end)| end);
            let kind = kind.split_once(": ").map_or(kind, |(_, what)| what);
            kinds.entry(kind).or_insert((0, one)).0 += 1;
        }
        let lines = kinds.values().take(25);
        let lines = lines.map(|(n, one)| format!("{n} times, first: {one}"));
        lines.collect::<Vec<_>>().join("\n")
    }
}

/// The shapes that show a bug soon.
const SOWN: [&str; 4] = ["type", "both", "rollback", "a tag that has moved"];

/// Pairs of plan and fault that the control walks: the bugs show in the first of them.
const CONTROL: usize = 24;

/// These plans; without names all of them.
fn cases(bug: Option<Bug>, names: &[&str]) -> Vec<Case> {
    let lab = Lab::new();
    let of = |shape: &Shape| Case::new(&lab, shape, bug);
    let wanted = |shape: &&Shape| names.is_empty() || names.contains(&shape.name);
    shapes().iter().filter(wanted).map(of).collect()
}

/// What is walked.
#[derive(PartialEq)]
enum Which {
    /// What CI has time for.
    Spread,
    /// Each fault with each single crash; without a fault each pair of crashes.
    Once,
    /// Each fault with each pair of crashes.
    All,
    /// The same, of the pairs of plan and fault whose name holds this text.
    Named(String),
}

impl Which {
    fn asked() -> Self {
        let asked = std::env::var("GEUSEMAKER_MATRIX").unwrap_or_default();
        match asked.as_str() {
            "" => Self::Spread,
            "once" => Self::Once,
            "all" => Self::All,
            _ => Self::Named(asked),
        }
    }

    /// By the number of steps: a short plan costs little, and is walked more closely.
    fn reach(&self, is_fault: bool, steps: usize) -> Reach {
        let every = |shared, lone| Taken::Every { shared, lone };
        let (first, second, ways, again) = match (self, is_fault) {
            (Self::Spread, _) if steps < 6 => (Taken::All, Taken::All, 4, 1),
            (Self::Spread, true) => (Taken::Few(3), every(6, 45), 2, 1),
            (Self::Spread, false) if steps < 12 => (Taken::All, every(1, 8), 4, 1),
            (Self::Spread, false) => (Taken::All, every(2, 10), 4, 1),
            (Self::Once, true) => (Taken::All, Taken::None, 4, 2),
            (Self::Once, false) | (Self::All | Self::Named(_), _) => (Taken::All, Taken::All, 4, 2),
        };
        Reach {
            first,
            second,
            ways,
            again,
        }
    }
}

/// Each pair of plan and fault, with how much of it is walked.
fn work(cases: &[Case], which: &Which) -> Vec<(usize, Fault, Reach)> {
    let mut work = Vec::new();
    for (n, case) in cases.iter().enumerate() {
        for fault in &case.faults {
            let pair = format!("{} × {}", case.shape.name, fault.name);
            if matches!(which, Which::Named(text) if !pair.contains(text.as_str())) {
                continue;
            }
            work.push((
                n,
                fault.clone(),
                which.reach(fault.is_some(), case.plan.steps.len()),
            ));
        }
    }
    // The long ones first: no processor is left alone at the end.
    work.sort_by_key(|(_, fault, _)| fault.is_some());
    work
}

#[test]
fn every_crash_of_every_plan_with_every_fault_ends_as_wanted_or_as_before() {
    let which = Which::asked();
    let began = Instant::now();
    let cases = cases(None, &[]);
    let work = work(&cases, &which);
    let mut counted = walk(&cases, &work, None);
    // Each is one of its own.
    counted.tuples.sort_unstable();
    counted.tuples.dedup();
    say(&format!(
        "matrix: {} tuples, {} with the ways in which they were taken up, in {} of these the fault struck, {} runs, {} plans, {} pairs of plan and fault, ends {:?}, in {:.0} s",
        counted.tuples.len(),
        counted.ways,
        counted.struck,
        counted.runs,
        cases.len(),
        work.len(),
        counted.ends,
        began.elapsed().as_secs_f64(),
    ));
    let wrong = counted.wrong.len();
    assert!(wrong == 0, "{wrong} are wrong\n{}", counted.shown());
    let tuples = counted.tuples.len();
    assert!(
        matches!(which, Which::Named(_)) || tuples >= 100_000,
        "only {tuples} tuples"
    );
}

#[test]
fn what_is_so_already_is_no_plan_and_nothing_to_crash() {
    assert!(case::no_op(&Lab::new()));
}

#[test]
fn the_matrix_catches_each_of_the_bugs_that_are_sown() {
    let began = Instant::now();
    let reach = Reach {
        first: Taken::Every { shared: 7, lone: 7 },
        second: Taken::None,
        ways: 4,
        again: 2,
    };
    let walked = |bug: Option<Bug>| {
        let cases = cases(bug, &SOWN);
        let mut work = work(&cases, &Which::All);
        work.iter_mut().for_each(|(_, _, r)| *r = reach);
        // Most bugs show without a fault, or where one stays.
        work.sort_by_key(|(_, fault, _)| (fault.is_some(), !fault.always));
        // Without a bug all of it would take as long as the matrix itself.
        work.truncate(if bug.is_some() { work.len() } else { CONTROL });
        walk(&cases, &work, bug)
    };
    // The same walk finds nothing where nothing is sown.
    let control = walked(None);
    assert!(control.wrong.is_empty(), "{}", control.shown());
    let (mut missed, mut runs) = (Vec::new(), 0);
    for (bug, name) in BUGS {
        let counted = walked(Some(bug));
        runs += counted.runs;
        match counted.wrong.first() {
            // Shown where this test is run with --nocapture.
            Some(first) => println!("{bug:?}, {name}: run {}: {first}", counted.runs),
            None => missed.push(format!("{bug:?}, {name}: {} runs", counted.runs)),
        }
    }
    say(&format!(
        "matrix: {} bugs sown, {} caught, {runs} runs, in {:.0} s",
        BUGS.len(),
        BUGS.len() - missed.len(),
        began.elapsed().as_secs_f64(),
    ));
    assert!(missed.is_empty(), "not caught: {missed:#?}");
}
