//! The real binary lives on while its scripts and jobs are killed on the host, or the engine is restarted under them.

use std::process::Command;

use geusemaker::sandbox::world::SEED_INSTANCE;
use serde_json::Value;

use super::{BAD, Before, GOOD, diagnosis, points, prepare, side_by_side, spread};
use crate::engine::hook::Point;
use crate::engine::real::Real;

/// What is asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Asked {
    /// The good image.
    Update,
    /// The one that is never healthy.
    Bad,
    /// The good image, and from there back.
    Rollback,
    /// Another type, and the good image: with a stop.
    Type,
}

impl Asked {
    fn words(self, real: &Real) -> Vec<String> {
        let image = format!("n8n={}", if self == Asked::Bad { BAD } else { GOOD });
        let gate = ["--health-timeout", "60s", "--stable-for", "1s"];
        let mut words = match self {
            Asked::Rollback => vec!["rollback", "my-dev-stack", "--force"],
            _ => vec!["update", "my-dev-stack", "--force", "--image", &image],
        };
        if self != Asked::Rollback {
            words.extend(gate);
        }
        if self == Asked::Type {
            words.extend(["--instance-type", another_type(real)]);
        }
        words.into_iter().map(str::to_owned).collect()
    }

    /// How it ends when nobody is disturbed.
    fn outcome(self) -> &'static str {
        match self {
            Asked::Update | Asked::Type => "updated",
            Asked::Bad => "rolled_back",
            Asked::Rollback => "rolled_back_as_asked",
        }
    }

    /// Up to where the point lies.
    fn prepared(self, real: &Real) {
        if self == Asked::Rollback {
            assert_eq!(run(real, &Asked::Update.words(real))["outcome"], "updated");
        }
    }
}

fn another_type(real: &Real) -> &'static str {
    let now = real
        .sandbox
        .world(|world| world.instances[SEED_INSTANCE].instance_type.to_string());
    if now == "t3.large" {
        "t3.medium"
    } else {
        "t3.large"
    }
}

/// Runs it to its end; its document.
fn run(real: &Real, words: &[String]) -> Value {
    let words: Vec<&str> = words.iter().map(String::as_str).collect();
    real.sandbox
        .run(&[&words[..], &["-o", "json"]].concat())
        .json()
}

/// What the tool knows, put back as it was: so every run has the same steps.
struct Memory {
    state: std::path::PathBuf,
    kept: std::path::PathBuf,
}

impl Memory {
    fn of(real: &Real) -> Self {
        real.sandbox.json(&["status", "my-dev-stack"], 0);
        let memory = Self {
            state: real.sandbox.path().join("sandbox/state"),
            kept: real.sandbox.path().join("kept"),
        };
        copy(&memory.state, &memory.kept);
        memory
    }

    fn again(&self) {
        copy(&self.kept, &self.state);
    }
}

fn copy(from: &std::path::Path, to: &std::path::Path) {
    let _ = fs_err::remove_dir_all(to);
    let done = Command::new("cp").arg("-a").arg(from).arg(to).status();
    assert!(done.unwrap().success());
}

/// The steps of somebody in an undisturbed run.
fn steps(real: &Real, asked: Asked, whose: &[(&str, &[&'static str], usize)]) -> Vec<Point> {
    let (before, memory) = (Before::of(real), Memory::of(real));
    prepare(real);
    asked.prepared(real);
    real.count_anew();
    let result = run(real, &asked.words(real));
    assert_eq!(result["outcome"], asked.outcome(), "{result}");
    let effects = real.effects();
    before.again(real);
    memory.again();
    let of = |(who, hows, most): &(&str, &[&'static str], usize)| {
        spread(points(&effects, who, hows), *most)
    };
    whose.iter().flat_map(of).collect()
}

/// One run that is struck. It ends by itself or after it is taken up again, and what it says is so.
fn struck(real: &Real, asked: Asked, point: &Point) -> Value {
    let (before, memory) = (Before::of(real), Memory::of(real));
    asked.prepared(real);
    real.count_anew();
    let words = asked.words(real);
    real.kill_at(point);
    let mut result = run(real, &words);
    assert!(
        real.comes_to_that(),
        "{point}: {result}\n{}",
        diagnosis(real)
    );
    let resume = ["resume", "my-dev-stack", "--force"].map(str::to_owned);
    for _ in 0..3 {
        if ["updated", "refused", "rolled_back", "rolled_back_as_asked"]
            .iter()
            .any(|o| result["outcome"] == *o)
        {
            break;
        }
        println!("{point}: taken up again after {result}");
        result = run(real, &resume);
    }
    // The rollback begins at what is new to us.
    let ends = match (asked, result["outcome"].as_str()) {
        (Asked::Update | Asked::Type, Some("updated")) => "new",
        (Asked::Rollback, Some("rolled_back" | "refused")) => "new",
        (Asked::Rollback, Some("rolled_back_as_asked")) => "old",
        (Asked::Update | Asked::Type | Asked::Bad, Some("rolled_back" | "refused")) => "old",
        _ => panic!("{point}: {result}\n{}", diagnosis(real)),
    };
    assert_eq!(
        before.ends(real, &point.to_string()),
        ends,
        "{point}: {result}"
    );
    let state = real.read("/var/lib/geusemaker/restore/state");
    let waits = state.starts_with("armed") || state.starts_with("restoring");
    assert!(!waits, "{point}: {state}\n{result}");
    let left = real.sh("ls /var/lib/geusemaker/policies 2>/dev/null || :");
    assert_eq!(left, "", "{point}");
    before.again(real);
    memory.again();
    result
}

fn each(real: &Real, work: Vec<(Asked, Point)>, as_asked: bool) {
    side_by_side(real, work, |real, (asked, point)| {
        let result = struck(real, asked, &point);
        if as_asked {
            assert_eq!(result["outcome"], asked.outcome(), "{point}: {result}");
        }
    });
}

fn work(
    real: &Real,
    asked: Asked,
    whose: &[(&str, &[&'static str], usize)],
) -> Vec<(Asked, Point)> {
    let points = steps(real, asked, whose).into_iter();
    points.map(|point| (asked, point)).collect()
}

/// Every script that does something in an update.
pub fn scripts(real: &Real) {
    let work = work(real, Asked::Update, &[("script", &["group"], 3)]);
    each(real, work, true);
}

const KILLS: [&str; 2] = ["group", "unit"];

/// A job that is killed is started again: it ends as asked.
pub fn jobs(real: &Real) {
    let mut all = work(
        real,
        Asked::Update,
        &[("pull", &KILLS, 1), ("apply", &KILLS, 2)],
    );
    all.extend(work(real, Asked::Bad, &[("restore", &KILLS, 1)]));
    all.extend(work(real, Asked::Rollback, &[("apply", &KILLS, 1)]));
    each(real, all, true);
}

/// Before a real power-off.
pub fn quiesce(real: &Real) {
    let work = work(real, Asked::Type, &[("quiesce", &KILLS, 2)]);
    each(real, work, true);
}

/// Under an apply, and under the way back.
pub fn engine_restarts(real: &Real) {
    const RESTARTS: &[&str] = &["engine"];
    let mut all = work(real, Asked::Update, &[("apply", RESTARTS, 1)]);
    all.extend(work(real, Asked::Bad, &[("restore", RESTARTS, 1)]));
    each(real, all, false);
}
