//! Sequences of requests, faults, crashes, second operators and hands behind our back, drawn at random, against a small
//! reference ([`reference`]). Two machines, each with a state folder of its own, one account and one host in memory.
//!
//! `GEUSEMAKER_MODEL=5000` tries so many sequences, `5000:7` with another seed. A failure prints the shortest sequence
//! that still fails, what came of each command, and the same as a value for [`found`].

pub mod commands;
mod found;
pub mod hands;
mod ports;
pub mod reference;
mod run;

use std::collections::BTreeMap;
use std::sync::Mutex;
use std::sync::atomic::{AtomicU32, Ordering};

use geusemaker::model::Outcome;
use proptest::test_runner::{
    Config, RngAlgorithm, RngSeed, TestCaseError, TestError, TestRng, TestRunner,
};

use self::commands::{Command, sequence};
use self::run::Run;
use crate::saga::block_on;

/// So many sequences in CI.
const CASES: u32 = 60;
/// So many are drawn in a row.
const ROW: u32 = 100;

/// What came of the commands so far.
static CAME: Mutex<BTreeMap<String, u32>> = Mutex::new(BTreeMap::new());

/// Counts how a command ended; None: its process was killed.
fn count(outcome: Option<Outcome>) {
    let word = outcome.map_or("killed", Outcome::as_str).to_owned();
    *CAME.lock().expect("it").entry(word).or_default() += 1;
}

/// Performs a sequence; how it went wrong, with its story.
pub fn tried(commands: &[Command]) -> Result<(), String> {
    let went = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
        block_on(async {
            let mut run = Run::new();
            let ended = run.all(commands).await;
            ended.map_err(|why| format!("{why}\n{}", run.story.join("\n")))
        })
    }));
    went.unwrap_or_else(|panic| {
        let text = panic.downcast_ref::<String>().cloned();
        Err(text.unwrap_or_else(|| "a panic".into()))
    })
}

/// So many sequences; with a seed and a place, the same ones. The error is the shortest one that fails, with its story.
fn draw(cases: u32, seed: u8, place: u32) -> Result<(), String> {
    let config = Config {
        cases,
        failure_persistence: None,
        max_shrink_iters: 400,
        rng_seed: RngSeed::Fixed(seed.into()),
        ..Config::default()
    };
    let mut bytes = [seed; 32];
    for (byte, more) in bytes.iter_mut().zip(place.to_le_bytes()) {
        *byte ^= more;
    }
    let rng = TestRng::from_seed(RngAlgorithm::ChaCha, &bytes);
    let ended = TestRunner::new_with_rng(config, rng).run(&sequence(), |commands| {
        tried(&commands).map_err(TestCaseError::fail)
    });
    let Err(TestError::Fail(why, commands)) = ended else {
        return Ok(());
    };
    let commands: Vec<String> = commands.iter().map(|c| format!("    {c:?},\n")).collect();
    let commands = commands.concat();
    Err(format!(
        "{why}\n\nthe shortest sequence that fails:\n[\n{commands}]"
    ))
}

#[test]
fn random_sequences_end_as_the_reference_says() {
    let asked = std::env::var("GEUSEMAKER_MODEL").unwrap_or_default();
    let (cases, seed) = asked.split_once(':').unwrap_or((&asked, "1"));
    let seed: u8 = seed.parse().expect("a seed from 0 to 255");
    let cases: u32 = match cases {
        "" => CASES,
        some => some.parse().expect("a number of sequences"),
    };
    let at_once = match cases {
        ..=CASES => 1,
        _ => std::thread::available_parallelism().map_or(1, usize::from),
    };
    // A hundred in a row are drawn from one place on: one that fails hides no later ones.
    let places = cases.div_ceil(ROW);
    let next = AtomicU32::new(0);
    let failed = Mutex::new(Vec::new());
    std::thread::scope(|scope| {
        for _ in 0..at_once {
            scope.spawn(|| {
                loop {
                    let place = next.fetch_add(1, Ordering::SeqCst);
                    if place >= places {
                        break;
                    }
                    let row = ROW.min(cases - place * ROW);
                    if let Err(why) = draw(row, seed, place) {
                        eprintln!("model: place {place} of seed {seed}: {why}");
                        failed.lock().expect("it").push(why);
                    }
                }
            });
        }
    });
    let failed = failed.into_inner().expect("it");
    assert!(failed.is_empty(), "{}", failed.join("\n\n"));
    let came = CAME.lock().expect("it").clone();
    eprintln!("model: {cases} sequences: {came:?}");
    // Nothing is shown by sequences that are all refused.
    for word in [
        "updated",
        "rolled_back_as_asked",
        "rolled_back",
        "refused",
        "paused",
        "killed",
    ] {
        assert!(came.contains_key(word), "no command was {word}: {came:?}");
    }
}
