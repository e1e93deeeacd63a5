//! What happens under force: scripts and jobs are killed at each of their steps, the engine is restarted there, the
//! power goes.

pub mod again;
pub mod alone;
pub mod live;
pub mod shocks;

use std::collections::VecDeque;
use std::sync::Mutex;
use std::time::{Duration, Instant};

use geusemaker::host::{Job, JobState};

use super::direct::Direct;
use super::hook::Point;
use super::real::{FILE, Real, Seen};

const GOOD: &str = "n8nio/n8n:1.1.0";
const BAD: &str = "n8nio/n8n:1.2.0-unhealthy";

/// Works off all of it, on several instances side by side: most of the time is spent waiting.
fn side_by_side<T: Send>(real: &Real, work: Vec<T>, one: impl Fn(&Real, T) + Sync) {
    let queue = Mutex::new(VecDeque::from(work));
    let next = || queue.lock().unwrap().pop_front();
    let worker = |real: &Real| {
        while let Some(work) = next() {
            one(real, work);
        }
    };
    std::thread::scope(|scope| {
        scope.spawn(|| {
            let another = real.another();
            prepare(&another);
            worker(&another);
        });
        prepare(real);
        worker(real);
    });
}

fn prepare(real: &Real) {
    real.sh(&format!("docker pull -q {GOOD}; docker pull -q {BAD}"));
    real.hook();
}

/// The stack before.
struct Before {
    containers: Vec<Seen>,
    file: String,
}

impl Before {
    fn of(real: &Real) -> Self {
        Self {
            containers: real.containers(),
            file: real.compose(),
        }
    }

    /// Old-as-before or new-and-healthy, in everything: which of them.
    fn is(&self, real: &Real) -> Result<&'static str, String> {
        let (now, file) = (real.containers(), real.compose());
        let state = format!("{now:#?}\n{file}");
        if now.len() != self.containers.len() {
            return Err(format!("another number of containers: {state}"));
        }
        for (was, is) in self.containers.iter().zip(&now) {
            let mine = |c: &Seen| (c.name.clone(), c.policy.clone(), c.state.clone());
            if mine(was) != mine(is) {
                return Err(format!("{}: {state}", was.name));
            }
            if was.name != "n8n" && was.id != is.id {
                return Err(format!("{} was made anew: {state}", was.name));
            }
        }
        let image = |all: &[Seen]| {
            let n8n = all.iter().find(|c| c.name == "n8n").unwrap();
            (n8n.image.clone(), n8n.image_id.clone())
        };
        let (was, is) = (image(&self.containers), image(&now));
        if was == is && file == self.file {
            return Ok("old");
        }
        if is.0 == GOOD && file == self.file.replace(&was.0, GOOD) {
            return Ok("new");
        }
        Err(format!("neither: {state}"))
    }

    /// What it comes to, or why it is neither.
    fn comes_to(&self, real: &Real) -> Result<&'static str, String> {
        let begun = Instant::now();
        loop {
            match self.is(real) {
                Err(_) if begun.elapsed() < Duration::from_secs(120) => {
                    std::thread::sleep(Duration::from_millis(500));
                }
                known => return known,
            }
        }
    }

    /// The same, when it has come to rest.
    #[track_caller]
    fn ends(&self, real: &Real, point: &str) -> &'static str {
        let which = self.comes_to(real);
        which.unwrap_or_else(|why| panic!("{point}: {why}\n{}", diagnosis(real)))
    }

    /// Back to where it began.
    fn again(&self, real: &Real) {
        real.write(FILE, &self.file);
        real.sh("cd /opt/geusemaker/runtime; /usr/bin/docker compose --env-file runtime.env up -d --no-deps --wait n8n 2>&1");
        real.forget();
    }
}

fn diagnosis(real: &Real) -> String {
    real.sh(
        "cat /srv/force/log; cat /var/lib/geusemaker/restore/state; tail -n 30 /var/lib/geusemaker/ops/*/*/log
        journalctl --no-pager -u geusemaker-restore.service 2>/dev/null | tail -n 30; docker ps -a",
    )
}

/// Until the host has judged by itself.
fn judged(real: &Real, point: &str) -> String {
    let begun = Instant::now();
    loop {
        let state = real.read("/var/lib/geusemaker/restore/state");
        if !state.starts_with("armed") && !state.starts_with("restoring") {
            return state;
        }
        assert!(
            begun.elapsed() < Duration::from_secs(240),
            "{point}: it stays {state}\n{}",
            diagnosis(real)
        );
        std::thread::sleep(Duration::from_millis(100));
    }
}

/// Whether everything is to be tried, or what fits into the time of a merge.
fn everything() -> bool {
    std::env::var("GEUSEMAKER_FORCE").is_ok_and(|what| what == "all")
}

/// So many of them, evenly spread, the first and the last among them; or all.
fn spread(all: Vec<Point>, most: usize) -> Vec<Point> {
    if everything() || all.len() <= most {
        return all;
    }
    let last = all.len() - 1;
    let taken = |n: &usize| (0..most).any(|i| i * last / (most - 1).max(1) == *n);
    let numbered = all.into_iter().enumerate();
    let spread = numbered.filter(|(n, _)| taken(n));
    spread.map(|(_, point)| point).collect()
}

/// Every call with effect of somebody, before it and after it (alternately, unless everything is asked for), in each of
/// these ways in turn; and where compose makes a container anew, its five requests to the engine: create, stop, remove,
/// rename, start.
fn points(effects: &[String], who: &str, hows: &[&'static str]) -> Vec<Point> {
    let phases = |n: usize| match (everything(), n % 2) {
        (true, _) => &["before", "after"][..],
        (false, 0) => &["before"],
        (false, _) => &["after"],
    };
    let mut points = Vec::new();
    for (n, line) in effects.iter().enumerate() {
        let Some((call, what)) = line.split_once(": ") else {
            continue;
        };
        if call.split(' ').next() != Some(who) {
            continue;
        }
        let how = hows[n / 2 % hows.len()];
        for phase in phases(n) {
            points.push(Point::new(call, phase, how));
        }
        if !what.starts_with("docker compose") {
            continue;
        }
        for n in 1..=5 {
            for phase in phases(n) {
                points.push(Point::new(call, &format!("request {n} {phase}"), how));
            }
        }
    }
    assert!(!points.is_empty(), "{who}: {effects:?}");
    points
}

/// What is begun, and then left alone.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Begun {
    /// A good image is applied.
    Apply,
    /// A bad image was applied; the controller goes back.
    Restore,
    /// A bad image was applied; nobody goes back but the host.
    Bad,
    /// All is stopped.
    Quiesce,
}

impl Begun {
    /// Goes on until somebody was struck, or to its end, and past the deadline.
    fn runs(self, real: &Real) {
        self.begins(real);
        expire(real);
    }

    /// The same, within the deadline.
    fn begins(self, real: &Real) {
        let direct = Direct::new(real, "op");
        let image = match self {
            Begun::Restore | Begun::Bad => BAD,
            _ => GOOD,
        };
        let forward = direct.forward(image);
        // So its timer ticks every two seconds; its end is said below.
        let armed = direct.arm(&forward, 20);
        be_patient(real);
        let apply = Job::Apply(Box::new(forward.clone()));
        let back = Job::Restore(Box::new(direct.back(&forward)));
        let last = match self {
            Begun::Apply => Some(apply),
            Begun::Quiesce => Some(direct.quiesce()),
            Begun::Restore => {
                if armed.is_ok() {
                    assert_eq!(direct.run(&apply), JobState::Done);
                }
                Some(back)
            }
            Begun::Bad => {
                if armed.is_ok() {
                    assert_eq!(direct.run(&apply), JobState::Done);
                }
                None
            }
        };
        if let Some(job) = last.filter(|_| armed.is_ok()) {
            let _ = direct.start(&direct.tag(), &job);
            self.comes_to_rest(real);
        }
    }

    fn comes_to_rest(self, real: &Real) {
        let ops = real.root().join("var/lib/geusemaker/ops/op");
        let at_work = || {
            let all = fs_err::read_dir(&ops).into_iter().flatten().flatten();
            let mut all = all.map(|entry| entry.path());
            all.any(|d| d.join("job").exists() && !d.join("status").exists())
        };
        while !real.is_cut_off() && at_work() {
            std::thread::sleep(Duration::from_millis(20));
        }
    }
}

/// The deadline is ten minutes after each word from here on: a busy machine takes long between two.
fn be_patient(real: &Real) {
    // A deadline that is too far away is one of another clock: the next tick counts anew.
    sed(
        real,
        "s/^(armed [^ ]+ [0-9]+ [0-9]+) [0-9]+ [0-9]+/\\1 99999999999 600/",
    );
}

/// As if the controller had been silent for long.
fn expire(real: &Real) {
    sed(real, "s/^(armed [^ ]+ [0-9]+ [0-9]+) [0-9]+/\\1 1/");
}

/// Changes the state of an armed host, as its scripts would.
fn sed(real: &Real, how: &str) {
    let file = "/var/lib/geusemaker/restore/state";
    real.sh(&format!(
        "exec 9>>/var/lib/geusemaker/lock; flock 9; [ ! -e {file} ] || sed -i -E '{how}' {file}"
    ));
}
