//! A property under many inputs, in a process of its own: what that process has used at most is the property's.

use std::io::Write;
use std::process::Command;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use proptest::test_runner::{Config, RngAlgorithm, TestCaseError, TestRng, TestRunner};

use super::mutate;
use super::seeds::{self, is_refusal};
use crate::properties::ALL;

/// Says which property a process of this program is for.
const CHILD: &str = "GEUSEMAKER_INPUTS_OF";
/// How many inputs; so many unless it is set.
const INPUTS: &str = "GEUSEMAKER_INPUTS";
const FEW: u32 = 1000;
/// The number from which they are drawn.
const SEED: &str = "GEUSEMAKER_INPUTS_SEED";

/// No input takes longer, on a machine that does much else.
const HANG: Duration = Duration::from_secs(20);
/// The most that the process may have in memory, in KiB.
const MOST_KIB: u64 = 100 * 1024;

/// Runs the property's test again in a process of its own, and reads what it used.
#[track_caller]
pub fn run(name: &'static str) {
    if std::env::var_os(CHILD).is_some_and(|of| of == name) {
        return inputs(name);
    }
    let thread = std::thread::current();
    let test = thread.name().expect("the name of the test");
    let output = Command::new(std::env::current_exe().expect("this program"))
        .args(["--exact", test, "--nocapture", "--test-threads=1"])
        .env(CHILD, name)
        .output()
        .expect("it runs");
    let said = String::from_utf8_lossy(&output.stdout).into_owned();
    let failed = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(
        output.status.success(),
        "{name}: {}\n{said}\n{failed}",
        output.status
    );
    let told = said.lines().find_map(|line| line.split_once("hostile: "));
    let (_, told) = told.unwrap_or_else(|| panic!("{name} did not run:\n{said}\n{failed}"));
    // Past the harness, which keeps what a test that passes says.
    let _ = writeln!(std::io::stderr(), "hostile: {told}");
    let words: Vec<&str> = told.split(' ').collect();
    let of = |word: &str| -> u64 {
        let at = words.iter().position(|w| *w == word);
        let number = at.and_then(|at| words[at + 1].parse().ok());
        number.unwrap_or_else(|| panic!("{word} in {told}"))
    };
    assert!(of("kib") < MOST_KIB, "{told}");
    // Most are refused. Were none taken, nothing behind the first check would have been reached.
    assert!(of("taken") * 200 >= of("inputs"), "{told}");
}

fn number(name: &str, unless_set: u32) -> u32 {
    match std::env::var(name) {
        Ok(text) => text
            .parse()
            .unwrap_or_else(|_| panic!("{name} is no number: {text}")),
        Err(_) => unless_set,
    }
}

/// In the process of its own.
fn inputs(name: &str) {
    let (_, holds) = ALL
        .iter()
        .find(|(known, _)| *known == name)
        .expect("a property");
    let (count, seed) = (number(INPUTS, FEW), number(SEED, 1));
    let seeds = seeds::of(name);
    let refused: Vec<_> = seeds.iter().filter(|seed| !holds(seed)).collect();
    // Of AWS's replies some are refusals, and so are a host's that say why not.
    let most = match name {
        "reply" => seeds.iter().filter(|seed| is_refusal(seed)).count(),
        _ if name.starts_with("wire_") => seeds.len() / 2,
        _ => 0,
    };
    let shown = |seed: &&Vec<u8>| {
        String::from_utf8_lossy(seed)
            .chars()
            .take(300)
            .collect::<String>()
    };
    assert!(
        refused.len() <= most,
        "refused: {:#?}",
        refused.iter().map(shown).collect::<Vec<_>>()
    );
    let mut bytes = [0; 32];
    bytes[..4].copy_from_slice(&seed.to_le_bytes());
    let config = Config {
        cases: count,
        failure_persistence: None,
        max_shrink_iters: 2000,
        ..Config::default()
    };
    let mut runner =
        TestRunner::new_with_rng(config, TestRng::from_seed(RngAlgorithm::ChaCha, &bytes));
    let (watch, taken, slowest) = (Watch::start(name), AtomicU64::new(0), AtomicU64::new(0));
    let result = runner.run(&mutate::any_input(), |numbers| {
        let input = mutate::made(&seeds, &numbers);
        watch.begins(&input);
        let began = Instant::now();
        let done = std::panic::catch_unwind(|| holds(&input));
        slowest.fetch_max(began.elapsed().as_millis() as u64, Ordering::Relaxed);
        watch.ended();
        match done {
            Ok(was_taken) => {
                taken.fetch_add(u64::from(was_taken), Ordering::Relaxed);
                Ok(())
            }
            Err(_) => Err(TestCaseError::fail(format!(
                "input {:?}",
                String::from_utf8_lossy(&input)
            ))),
        }
    });
    if let Err(error) = result {
        panic!("{name}: {error}");
    }
    println!(
        "hostile: {name}: inputs {count} taken {} kib {} slowest_ms {} seed {seed}",
        taken.into_inner(),
        peak_kib(),
        slowest.into_inner()
    );
}

/// The most memory that this process has had (proc(5), `VmHWM`).
fn peak_kib() -> u64 {
    let status = fs_err::read_to_string("/proc/self/status").expect("Linux");
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
    let number = line.and_then(|rest| rest.trim().split(' ').next()?.parse().ok());
    number.expect("a number of kB")
}

/// Ends the process, with the input, when one takes too long.
struct Watch(Arc<Mutex<Now>>);

/// The input that is being read, and since when.
type Now = Option<(Instant, Vec<u8>)>;

impl Watch {
    fn start(name: &str) -> Self {
        let now = Arc::<Mutex<Now>>::default();
        let (seen, name) = (Arc::clone(&now), name.to_owned());
        std::thread::spawn(move || {
            loop {
                std::thread::sleep(Duration::from_millis(500));
                let held = seen.lock().unwrap_or_else(PoisonError::into_inner);
                if let Some((since, input)) = held.as_ref()
                    && since.elapsed() > HANG
                {
                    eprintln!("{name} hangs on {:?}", String::from_utf8_lossy(input));
                    std::process::abort();
                }
            }
        });
        Self(now)
    }

    fn begins(&self, input: &[u8]) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) =
            Some((Instant::now(), input.to_vec()));
    }

    fn ended(&self) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = None;
    }
}
