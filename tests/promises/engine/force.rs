//! What happens under force: scripts and jobs are killed at each of their steps.

use std::collections::VecDeque;
use std::sync::Mutex;
use std::time::{Duration, Instant};

use geusemaker::host::{Job, JobState};

use super::direct::Direct;
use super::hook::Point;
use super::real::{Real, Seen};

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

    /// The same, when it has come to rest.
    #[track_caller]
    fn ends(&self, real: &Real, point: &str) -> &'static str {
        let begun = Instant::now();
        loop {
            match self.is(real) {
                Ok(which) => return which,
                Err(why) if begun.elapsed() > Duration::from_secs(120) => {
                    panic!("killed at {point}: {why}\n{}", diagnosis(real))
                }
                Err(_) => std::thread::sleep(Duration::from_millis(500)),
            }
        }
    }

    /// Back to where it began.
    fn again(&self, real: &Real) {
        real.write(super::real::FILE, &self.file);
        real.sh("cd /opt/geusemaker/runtime; /usr/bin/docker compose --env-file runtime.env up -d --no-deps --wait n8n 2>&1");
        real.forget();
    }
}

fn diagnosis(real: &Real) -> String {
    real.sh(
        "cat /run/force/log; cat /var/lib/geusemaker/restore/state; tail -n 30 /var/lib/geusemaker/ops/*/*/log
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
            "killed at {point}: it stays {state}\n{}",
            diagnosis(real)
        );
        std::thread::sleep(Duration::from_millis(100));
    }
}

/// Every call with effect of somebody, alternately before and after it, of the group and of the unit; and where compose
/// makes a container anew, its five requests to the engine: create, stop, remove, rename, start.
fn points(effects: &[String], who: &str) -> Vec<Point> {
    let hows = if who == "script" {
        ["group"; 2]
    } else {
        ["group", "unit"]
    };
    let mut points = Vec::new();
    for (n, line) in effects.iter().enumerate() {
        let Some((call, what)) = line.split_once(": ") else {
            continue;
        };
        if call.split(' ').next() != Some(who) {
            continue;
        }
        points.push(Point::new(
            call,
            ["before", "after"][n % 2],
            hows[n / 2 % 2],
        ));
        if what.starts_with("docker compose") {
            for n in 1..=5 {
                let phase = format!("request {n} {}", ["before", "after"][n % 2]);
                points.push(Point::new(call, &phase, hows[n / 2 % 2]));
            }
        }
    }
    assert!(!points.is_empty(), "{who}: {effects:?}");
    points
}

/// What is begun, and then left alone.
#[derive(Clone, Copy)]
enum Begun {
    /// A good image is applied.
    Apply,
    /// A bad image was applied; the controller goes back.
    Restore,
    /// All is stopped.
    Quiesce,
}

impl Begun {
    /// Goes on until somebody was struck, or to its end, and past the deadline.
    fn runs(self, real: &Real) {
        let direct = Direct::new(real, "op");
        let image = match self {
            Begun::Restore => BAD,
            _ => GOOD,
        };
        let forward = direct.forward(image);
        // Longer than anything here takes; its end is said below.
        let armed = direct.arm(&forward, 20);
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
        };
        if let Some(job) = last.filter(|_| armed.is_ok()) {
            let _ = direct.start(&direct.tag(), &job);
            self.comes_to_rest(real);
        }
        expire(real);
    }

    fn comes_to_rest(self, real: &Real) {
        let ops = real.root().join("var/lib/geusemaker/ops/op");
        let at_work = || {
            let all = fs_err::read_dir(&ops).into_iter().flatten().flatten();
            let mut all = all.map(|entry| entry.path());
            all.any(|d| d.join("job").exists() && !d.join("status").exists())
        };
        while !real.was_struck() && at_work() {
            std::thread::sleep(Duration::from_millis(20));
        }
    }
}

/// As if the controller had been silent for long.
fn expire(real: &Real) {
    let file = "/var/lib/geusemaker/restore/state";
    real.sh(&format!(
        "exec 9>>/var/lib/geusemaker/lock; flock 9; [ ! -e {file} ] || sed -i -E 's/^(armed [^ ]+ [0-9]+ [0-9]+) [0-9]+/\\1 1/' {file}"
    ));
}

/// Somebody is killed at each of the steps, and nobody comes back: systemd's timer ends it, old or new.
fn left_alone(real: &Real, begun: Begun, who: &str, may_be_new: bool) {
    let before = Before::of(real);
    prepare(real);
    begun.runs(real);
    judged(real, "nothing");
    let all = points(&real.effects(), who);
    before.again(real);
    side_by_side(real, all, |real, point| {
        let before = Before::of(real);
        real.kill_at(&point);
        begun.runs(real);
        judged(real, &point.to_string());
        assert!(real.was_struck(), "{point}\n{}", diagnosis(real));
        let which = before.ends(real, &point.to_string());
        assert!(may_be_new || which == "old", "{point}");
        let left = real.sh("ls /var/lib/geusemaker/policies 2>/dev/null || :");
        assert_eq!(left, "", "{point}");
        before.again(real);
    });
}

pub fn apply_left_alone(real: &Real) {
    left_alone(real, Begun::Apply, "apply", true);
}

pub fn quiesce_left_alone(real: &Real) {
    left_alone(real, Begun::Quiesce, "quiesce", false);
}

pub fn restore_left_alone(real: &Real) {
    left_alone(real, Begun::Restore, "restore", false);
}
