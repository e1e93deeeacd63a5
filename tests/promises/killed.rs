//! Killed at any moment (SIGKILL), and taken up again: there are two ends, and no third. Each kill is aimed at a
//! line of the journal and a part of what that line took in an undisturbed run, so that every step is hit on any
//! machine; the rest is chance, and repeatable by its seed.

use std::collections::BTreeSet;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::process::{Child, Stdio};
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use serde_json::Value;

use crate::support::Sandbox;
use crate::support::stack::{Stack, lines};

const BOTH: [&str; 9] = [
    "update",
    "my-dev-stack",
    "--instance-type",
    "t3.large",
    "--image",
    "n8n=n8nio/n8n:1.20.0",
    "--force",
    "--stable-for",
    "200ms",
];
const IMAGE: [&str; 7] = [
    "update",
    "my-dev-stack",
    "--image",
    "n8n=n8nio/n8n:1.20.0",
    "--force",
    "--stable-for",
    "200ms",
];
const ROLLBACK: [&str; 3] = ["rollback", "my-dev-stack", "--force"];

/// From the first step that takes something down to the gate.
const OUTAGE: [&str; 7] = [
    "quiesce",
    "stop_instance",
    "set_instance_type",
    "start_instance",
    "await_host",
    "apply_images",
    "verify_health",
];

/// How many runs go on at once: they wait more than they work.
const AT_ONCE: usize = 3;

/// SplitMix64.
pub struct Random(pub u64);

impl Random {
    /// From `GEUSEMAKER_KILL_SEED`, or always the same.
    fn seed() -> u64 {
        let seed = std::env::var("GEUSEMAKER_KILL_SEED");
        seed.map_or(20_261_120, |text| text.parse().expect("a number"))
    }

    pub fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    pub fn below(&mut self, end: usize) -> usize {
        usize::try_from(self.next() % end as u64).expect("it is below a usize")
    }

    /// 0 to 1.
    fn part(&mut self) -> f64 {
        self.below(1000) as f64 / 1000.0
    }
}

/// Kills of updates and rollbacks in one round.
const KILLS: usize = 34;

/// Whether `GEUSEMAKER_KILL_ROUNDS` or `GEUSEMAKER_KILLS` (so many kills, at least) says that each aim is taken more
/// than once.
fn rounds() -> usize {
    let number = |name| std::env::var(name).map(|text| text.parse().expect("a number"));
    let rounds = number("GEUSEMAKER_KILL_ROUNDS").unwrap_or(1);
    let kills: usize = number("GEUSEMAKER_KILLS").unwrap_or(KILLS);
    rounds.max(kills.div_ceil(KILLS))
}

/// What is killed, where it begins, and how it ends undisturbed.
struct Target {
    args: &'static [&'static str],
    start: Sandbox,
    before: Stack,
    after: Stack,
    end: &'static str,
    /// The steps of its plan.
    steps: Vec<String>,
    /// What lies between the n-th line of its journal and the next; the first: between its start and its journal.
    lengths: Vec<Duration>,
}

impl Target {
    fn new(args: &'static [&'static str], start: Sandbox) -> Self {
        let before = start.stack();
        let undisturbed = start.copy();
        let began = std::time::Instant::now();
        let result = undisturbed.json(args, 0);
        let all = began.elapsed();
        let lines = undisturbed.journal();
        let at = |line: &Value| -> i64 {
            let at: geusemaker::model::Timestamp = line["at"].as_str().unwrap().parse().unwrap();
            at.as_millisecond()
        };
        let gaps = lines.windows(2).map(|pair| at(&pair[1]) - at(&pair[0]));
        let gaps: Vec<Duration> = gaps
            .map(|ms| Duration::from_millis(ms.unsigned_abs()))
            .collect();
        let first = all.saturating_sub(gaps.iter().sum());
        assert_eq!(undisturbed.leftovers(), Vec::<String>::new());
        Self {
            args,
            before,
            after: undisturbed.stack(),
            start,
            end: match result["outcome"].as_str().unwrap() {
                "updated" => "updated",
                "rolled_back_as_asked" => "rolled_back_as_asked",
                other => panic!("{other}"),
            },
            steps: steps(&lines),
            lengths: std::iter::once(first).chain(gaps).collect(),
        }
    }

    /// Behind the line that begins this step.
    fn at_step(&self, step: &str, part: f64) -> Aim {
        let at = self.steps.iter().position(|s| s == step).expect("a step");
        self.at_line(2 + 2 * at, part)
    }

    fn at_line(&self, line: usize, part: f64) -> Aim {
        // Behind the last line: its last words.
        let words = Duration::from_millis(20);
        let length = self.lengths.get(line).copied().unwrap_or(words);
        Aim {
            line,
            wait: length.mul_f64(part),
        }
    }

    /// In each of its steps once (where there are more than kills: in those of the outage), then before there is a
    /// journal, behind its last line, and at any line.
    fn aims(&self, count: usize, random: &mut Random) -> Vec<Aim> {
        let all = self.steps.len() < count;
        let chosen = |step: &&String| all || OUTAGE.contains(&step.as_str());
        let chosen: Vec<&String> = self.steps.iter().filter(chosen).collect();
        let mut aims = Vec::new();
        for _ in 0..rounds() {
            for step in &chosen {
                // What is over at once is hit at once.
                let part = match step.as_str() {
                    "set_instance_type" | "write_snapshot" | "reserve_capacity"
                    | "release_capacity" => 0.0,
                    _ => random.part(),
                };
                aims.push(self.at_step(step, part));
            }
            for more in chosen.len()..count {
                let line = match more - chosen.len() {
                    0 => 0,
                    1 => self.lengths.len(),
                    _ => 1 + random.below(self.lengths.len() - 1),
                };
                let part = random.part();
                aims.push(self.at_line(line, part));
            }
        }
        aims
    }
}

/// The names of the steps, from the plan in a journal.
pub fn steps(lines: &[Value]) -> Vec<String> {
    let steps = lines[0]["plan"]["steps"].as_array().expect("a plan");
    let name = |step: &Value| step["name"].as_str().expect("its name").to_owned();
    steps.iter().map(name).collect()
}

/// When it is killed: so long after so many lines are in the journal.
#[derive(Debug, Clone, Copy)]
struct Aim {
    line: usize,
    wait: Duration,
}

/// Starts it, and kills it there. True: it was killed, and had not ended.
fn killed(sandbox: &Sandbox, args: &[&str], aim: Aim) -> bool {
    let old = sandbox.journals();
    let fresh = |sandbox: &Sandbox| sandbox.journals().into_iter().find(|j| !old.contains(j));
    kill_at(sandbox, args, aim, &fresh)
}

/// The same of a `resume`: lines are counted from those that are there.
fn killed_again(sandbox: &Sandbox, args: &[&str], more: Aim) -> bool {
    let journal = sandbox.journals().pop();
    let there = journal.as_ref().map_or(0, |j| lines(j).len());
    let aim = Aim {
        line: there + more.line,
        ..more
    };
    kill_at(sandbox, args, aim, &|_| journal.clone())
}

fn kill_at(
    sandbox: &Sandbox,
    args: &[&str],
    aim: Aim,
    journal: &dyn Fn(&Sandbox) -> Option<std::path::PathBuf>,
) -> bool {
    let mut child = sandbox
        .command(args)
        .args(["--progress", "none"])
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .expect("the binary runs");
    let mut found = None;
    while aim.line > 0 && !over(&mut child) {
        found = found.or_else(|| journal(sandbox));
        let text = found.as_ref().and_then(|j| fs_err::read(j).ok());
        let count = text.iter().flatten().filter(|byte| **byte == b'\n').count();
        if count >= aim.line {
            break;
        }
        std::thread::sleep(Duration::from_micros(500));
    }
    std::thread::sleep(aim.wait);
    let early = !over(&mut child);
    let _ = child.kill();
    let _ = child.wait();
    early
}

fn over(child: &mut Child) -> bool {
    child.try_wait().expect("its state").is_some()
}

/// The step that the newest journal says was under way when it was cut off; None: between two, or before.
fn under_way(sandbox: &Sandbox) -> Option<String> {
    let lines = sandbox.journal();
    let last = lines.last()?;
    let step = usize::try_from(last["step"].as_u64()?).ok()?;
    (last["entry"] == "started").then(|| steps(&lines)[step].clone())
}

/// Takes it up until it ends, and looks that it is one of the two ends.
fn ends(target: &Target, sandbox: &Sandbox, began: bool, unwind: bool) {
    let mut args = vec!["resume", "my-dev-stack", "--force", "-o", "json"];
    args.extend(unwind.then_some("--unwind"));
    // One that has begun to go back never goes forward again.
    let goes_back = |l: &Value| l["entry"] == "resumed" && l["unwind"] == true;
    let unwind = unwind || (began && sandbox.journal().iter().any(goes_back));
    let mut ran = sandbox.run(&args);
    if ran.json()["error"]["code"] == "committed" {
        // Refused, with nothing done, and ended as is said there.
        assert_eq!((ran.code, unwind), (3, true), "{}", ran.out);
        args.pop();
        ran = sandbox.run(&args);
    }
    let result = ran.json();
    let outcome = result["outcome"].as_str().expect("a word").to_owned();
    let told = || format!("{result}\n{}\n{}", ran.err, show(sandbox));
    let stack = sandbox.stack();
    let changed = has_changed(&sandbox.journal());
    match (ran.code, outcome.as_str()) {
        (0, end) if end == target.end => {
            assert_eq!(stack, target.after, "{}", told());
        }
        (4, "rolled_back") => {
            assert!(unwind && changed, "{}", told());
            assert_eq!(stack, target.before, "{}", told());
        }
        (3, "refused") => {
            assert!(unwind && !changed, "{}", told());
            assert_eq!(stack, target.before, "{}", told());
        }
        (0, "unchanged") if began => {
            // It had come to its end, and only the last words were cut off.
            assert_eq!(stack, target.after, "{}", told());
        }
        (0, "unchanged") => {
            assert_eq!(stack, target.before, "{}", told());
            assert_eq!(sandbox.run(target.args).code, 0);
            assert_eq!(sandbox.stack(), target.after);
        }
        _ => panic!("a third end: {}", told()),
    }
    assert_eq!(sandbox.leftovers(), Vec::<String>::new(), "{}", told());
}

/// Whether a step was begun that takes something down.
fn has_changed(lines: &[Value]) -> bool {
    lines.iter().any(|line| {
        let at = line["step"]
            .as_u64()
            .and_then(|at| usize::try_from(at).ok());
        let is = |at: usize| ["quiesce", "apply_images"].contains(&steps(lines)[at].as_str());
        line["entry"] == "started" && at.is_some_and(is)
    })
}

/// The newest journal, without its plan.
fn show(sandbox: &Sandbox) -> String {
    let lines = sandbox.journal();
    let line = |l: &Value| format!("{l}\n");
    lines.iter().skip(1).map(line).collect()
}

/// Does the work for each number, some at once; says which went wrong, all of them.
fn each<T: Send>(count: usize, work: impl Fn(usize) -> T + Sync) -> Vec<T> {
    let (next, done) = (AtomicUsize::new(0), Mutex::new(Vec::new()));
    let wrong = Mutex::new(Vec::new());
    std::thread::scope(|scope| {
        for _ in 0..AT_ONCE {
            scope.spawn(|| {
                loop {
                    let at = next.fetch_add(1, Ordering::SeqCst);
                    if at >= count {
                        return;
                    }
                    match catch_unwind(AssertUnwindSafe(|| work(at))) {
                        Ok(result) => done.lock().unwrap().push(result),
                        Err(_) => wrong.lock().unwrap().push(at),
                    }
                }
            });
        }
    });
    let wrong = wrong.into_inner().unwrap();
    assert!(
        wrong.is_empty(),
        "runs {wrong:?} went wrong; GEUSEMAKER_KILL_SEED={}",
        Random::seed()
    );
    done.into_inner().unwrap()
}

/// One kill, taken up again. Whether it landed before the end, and in which step.
fn run(target: &Target, at: usize, aim: Aim, unwind: bool) -> (bool, Option<String>) {
    let sandbox = target.start.copy();
    let there = sandbox.journals().len();
    let early = killed(&sandbox, target.args, aim);
    let began = sandbox.journals().len() > there;
    let step = under_way(&sandbox).filter(|_| began && early);
    println!("run {at}, {aim:?}: killed {early}, in {step:?}, unwind {unwind}");
    ends(target, &sandbox, began, unwind);
    (early, step)
}

/// So many percent of the kills have to come before the end, or nothing was shown; a few are aimed behind it.
fn landed(early: impl Iterator<Item = bool>, percent: usize) {
    let all: Vec<bool> = early.collect();
    let landed = all.iter().filter(|early| **early).count();
    println!("{landed} of {} kills landed", all.len());
    assert!(
        landed * 100 >= all.len() * percent,
        "only {landed} of {}",
        all.len()
    );
}

/// Every target killed so often, and each step of the outage at least once.
fn all(targets: &[(&Target, usize)]) {
    let mut random = Random(Random::seed());
    let mut plan: Vec<(&Target, Aim, bool)> = Vec::new();
    for (target, count) in targets {
        for (at, aim) in target.aims(*count, &mut random).into_iter().enumerate() {
            // The other way for a rollback, and in each further round.
            let flip = target.end == "updated";
            plan.push((target, aim, (at + at / count + usize::from(flip)) % 2 == 0));
        }
    }
    let hit = each(plan.len(), |at| {
        let (target, aim, unwind) = plan[at];
        run(target, at, aim, unwind)
    });
    landed(hit.iter().map(|(early, _)| *early), 75);
    let hit: BTreeSet<String> = hit.into_iter().filter_map(|(_, step)| step).collect();
    println!("killed in {hit:?}");
    // A short step may be over before it is hit on a busy machine: it is aimed at again, and each of these
    // kills has to come to one of the two ends as well.
    for step in OUTAGE.iter().filter(|s| !hit.contains(**s)) {
        let mut more = 0..10;
        let aim = targets[0].0.at_step(step, 0.0);
        let again =
            more.any(|at| run(targets[0].0, at, aim, at % 2 == 0).1.as_deref() == Some(*step));
        assert!(again, "no kill landed in {step}");
    }
}

fn quick() -> Sandbox {
    let sandbox = Sandbox::new();
    let latency = ["stop=100ms", "start=100ms", "agent=100ms", "pull=100ms"];
    let set: Vec<&str> = ["sandbox", "latency", "set"]
        .into_iter()
        .chain(latency)
        .collect();
    sandbox.run(&set).ended(0);
    sandbox
}

/// A sandbox after this update.
fn updated(args: &[&str]) -> Sandbox {
    let sandbox = quick();
    sandbox.run(args).ended(0);
    sandbox
}

#[test]
fn an_update_killed_at_any_moment_ends_updated_or_as_before() {
    let both = Target::new(&BOTH, quick());
    let image = Target::new(&IMAGE, quick());
    all(&[(&both, 7), (&image, 10)]);
}

#[test]
fn a_rollback_killed_at_any_moment_ends_rolled_back_or_as_before() {
    let both = Target::new(&ROLLBACK, updated(&BOTH));
    let image = Target::new(&ROLLBACK, updated(&IMAGE));
    all(&[(&both, 7), (&image, 10)]);
}

#[test]
fn a_resume_that_is_killed_as_well_ends_in_the_same_two_ways() {
    let target = Target::new(&BOTH, quick());
    let mut random = Random(Random::seed());
    let steps = ["quiesce", "stop_instance", "await_host", "apply_images"];
    // Forward twice, back twice, forward and then back, back and then (asked to) forward.
    let ways = [(false, false), (true, true), (false, true), (true, false)];
    let plan: Vec<_> = (0..rounds())
        .flat_map(|round| (0..4).map(move |at| (steps[at], ways[(at + round) % 4])))
        .map(|(step, ways)| {
            let aim = target.at_step(step, random.part());
            let more = Aim {
                line: 1 + random.below(8),
                wait: Duration::from_millis(random.next() % 300),
            };
            (aim, more, ways)
        })
        .collect();
    let early = each(plan.len(), |at| {
        let (aim, more, (first, second)) = plan[at];
        let sandbox = target.start.copy();
        assert!(killed(&sandbox, target.args, aim), "{aim:?}");
        let mut args = vec!["resume", "my-dev-stack", "--force"];
        args.extend(first.then_some("--unwind"));
        let early = killed_again(&sandbox, &args, more);
        println!(
            "run {at}, {aim:?}, unwind {first}: killed again {early}, {more:?}, unwind {second}"
        );
        if early {
            ends(&target, &sandbox, true, second);
        } else {
            // It had come to its own end.
            let stack = sandbox.stack();
            assert!(
                stack == target.before || stack == target.after,
                "{stack:?}\n{}",
                show(&sandbox)
            );
            assert_eq!(sandbox.leftovers(), Vec::<String>::new());
        }
        early
    });
    // A way back is short: many are over before the line that is aimed at.
    landed(early.into_iter(), 25);
}

#[test]
fn one_that_is_killed_behind_its_last_line_leaves_nothing_that_holds_others_up() {
    let sandbox = quick();
    sandbox.run(&IMAGE).ended(0);
    let id = sandbox.journal()[0]["operation"].clone();
    // As it was until its last words: its process is gone, and the account says that it is open.
    sandbox.world(|world| {
        let lock = |name: &str| name.starts_with("/geusemaker/my-dev-stack/lock/");
        let mut all = world.parameters.all.values_mut();
        let lease = all.rfind(|p| lock(&p.name)).expect("a lease");
        let mut text: Value = serde_json::from_str(&lease.value).expect("JSON");
        text["phase"] = "held".into();
        text["open_operation"] = serde_json::json!({
            "id": id, "host": text["host"], "user": text["user"], "kind": "update", "began_at": text["since"],
        });
        lease.value = text.to_string();
    });
    assert_ne!(sandbox.leftovers(), Vec::<String>::new());
    let result = sandbox.json(&["resume", "my-dev-stack", "--force"], 0);
    assert_eq!(result["outcome"], "unchanged");
    assert_eq!(sandbox.leftovers(), Vec::<String>::new());
}

#[test]
fn a_torn_last_line_is_dropped_and_resume_goes_on() {
    let sandbox = quick();
    let target = Target::new(&IMAGE, sandbox.copy());
    assert!(killed(
        &sandbox,
        &IMAGE,
        target.at_step("verify_health", 0.0)
    ));
    let journal = sandbox.journals().pop().expect("one");
    let good = fs_err::read_to_string(&journal).expect("it");
    // Any other line that cannot be read: the file and the line are named, and nothing is done.
    let bad = good.replacen("\n{", "\n[", 1);
    fs_err::write(&journal, &bad).expect("it is written");
    let stack = sandbox.stack();
    let result = sandbox.json(&["resume", "my-dev-stack", "--force"], 1);
    assert_eq!(result["error"]["code"], "state_damaged", "{result}");
    let message = result["error"]["message"].as_str().expect("words");
    assert!(message.contains("journal.jsonl:2:"), "{message}");
    assert!(
        result["error"]["help"]
            .as_array()
            .is_some_and(|h| !h.is_empty()),
        "{result}"
    );
    assert_eq!(sandbox.stack(), stack);
    assert_eq!(fs_err::read_to_string(&journal).expect("it"), bad);
    // The last one was cut off by the crash: what it announces has not happened.
    fs_err::write(&journal, good + "{\"at\":\"2026-11-20T1").expect("it is written");
    ends(&target, &sandbox, true, false);
    assert!(lines(&journal).len() > 2);
    let text = fs_err::read_to_string(&journal).expect("it");
    assert!(!text.contains("\"2026-11-20T1{") && !text.contains("T1\n"));
}

#[test]
fn a_resume_without_space_for_its_journal_does_nothing() {
    let sandbox = quick();
    let target = Target::new(&IMAGE, sandbox.copy());
    assert!(killed(
        &sandbox,
        &IMAGE,
        target.at_step("apply_images", 0.5)
    ));
    let journal = sandbox.journals().pop().expect("one");
    // A full disk has cost what was set aside, and is full yet: no file may grow to its size.
    fs_err::remove_file(journal.with_file_name("reserve")).expect("it was set aside");
    let there = fs_err::read(&journal).expect("it");
    let script = "ulimit -f 500; trap '' XFSZ; exec \"$0\" \"$@\"";
    let resume = sandbox.command(&["resume", "my-dev-stack", "--force", "-o", "json"]);
    let mut limited = std::process::Command::new("sh");
    limited
        .args(["-c", script])
        .arg(resume.get_program())
        .args(resume.get_args())
        .env_clear()
        .envs(resume.get_envs().filter_map(|(k, v)| Some((k, v?))));
    let ran = crate::support::Ran::new(limited.output().expect("sh runs"));
    let result = ran.ended(1).json();
    assert_eq!(result["error"]["code"], "disk_full", "{result}");
    assert!(
        result["error"]["message"].to_string().contains("/reserve"),
        "{result}"
    );
    assert_eq!(fs_err::read(&journal).expect("it"), there, "{result}");
    ends(&target, &sandbox, true, false);
}
