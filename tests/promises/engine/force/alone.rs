//! Somebody is killed, and nobody comes back: systemd's timer ends it, old or new.

use super::{Before, Begun, diagnosis, judged, points, prepare, side_by_side, spread};
use crate::engine::hook::Point;
use crate::engine::real::Real;

const EACH: usize = usize::MAX;
/// A job or a service of ours; a script has no unit of its own.
const KILLS: [&str; 2] = ["group", "unit"];
const RESTARTS: [&str; 1] = ["engine"];

/// What is begun, whose steps are struck and how, how many of them, and whether it may end new.
struct Kind {
    begun: Begun,
    who: &'static str,
    hows: &'static [&'static str],
    most: usize,
    may_be_new: bool,
}

const fn kind(begun: Begun, who: &'static str, hows: &'static [&'static str], most: usize) -> Kind {
    Kind {
        begun,
        who,
        hows,
        most,
        may_be_new: matches!(begun, Begun::Apply),
    }
}

/// An undisturbed run names the steps; each is struck in a run of its own.
fn left_alone(real: &Real, kinds: &[Kind]) {
    let before = Before::of(real);
    prepare(real);
    let mut work: Vec<(&Kind, Point)> = Vec::new();
    let mut ran = None;
    let mut effects = Vec::new();
    for kind in kinds {
        if ran != Some(kind.begun) {
            kind.begun.runs(real);
            judged(real, "nothing");
            timer_is_off(real, "nothing");
            effects = real.effects();
            before.again(real);
            ran = Some(kind.begun);
        }
        let mut effects = effects.clone();
        if kind.hows == RESTARTS {
            // Behind its last word the job is over, and a restart of the engine is anybody's.
            let off = format!("{} ", kind.who);
            let over = |line: &String| line.starts_with(&off) && line.contains("systemctl disable");
            let end = effects.iter().position(over).unwrap_or(effects.len());
            effects.truncate(end.saturating_sub(1));
        }
        let some = spread(points(&effects, kind.who, kind.hows), kind.most);
        work.extend(some.into_iter().map(|point| (kind, point)));
    }
    side_by_side(real, work, |real, (kind, point)| {
        let before = Before::of(real);
        real.kill_at(&point);
        kind.begun.runs(real);
        judged(real, &point.to_string());
        assert!(real.comes_to_that(), "{point}\n{}", diagnosis(real));
        let which = before.ends(real, &point.to_string());
        assert!(kind.may_be_new || which == "old", "{point}");
        let left = real.sh("ls /var/lib/geusemaker/policies 2>/dev/null || :");
        assert_eq!(left, "", "{point}");
        timer_is_off(real, &point.to_string());
        before.again(real);
    });
}

/// A host that has nothing to wait for soon lets nothing tick.
fn timer_is_off(real: &Real, point: &str) {
    let on = "systemctl is-enabled geusemaker-restore.timer 2>/dev/null; systemctl is-active geusemaker-restore.timer";
    for _ in 0..100 {
        let said = real.sh(&format!("{on}; :"));
        if said
            .lines()
            .all(|line| !matches!(line, "enabled" | "active"))
        {
            return;
        }
        std::thread::sleep(std::time::Duration::from_millis(200));
    }
    panic!("{point}: it still ticks\n{}", diagnosis(real));
}

pub fn apply(real: &Real) {
    left_alone(real, &[kind(Begun::Apply, "apply", &KILLS, EACH)]);
}

pub fn quiesce(real: &Real) {
    left_alone(real, &[kind(Begun::Quiesce, "quiesce", &KILLS, EACH)]);
}

pub fn restore(real: &Real) {
    left_alone(real, &[kind(Begun::Restore, "restore", &KILLS, EACH)]);
}

/// The scripts that arm the host and start the job.
pub fn scripts(real: &Real) {
    left_alone(real, &[kind(Begun::Apply, "script", &["group"], 3)]);
}

/// The host's own: the tick that judges and begins the way back, that way back, and the tick that finds all green.
pub fn itself(real: &Real) {
    let kinds = [
        kind(Begun::Bad, "itself", &KILLS, 3),
        kind(Begun::Bad, "tick", &KILLS, 1),
        kind(Begun::Apply, "tick", &KILLS, 1),
    ];
    left_alone(real, &kinds);
}

/// Nobody is killed: the Docker engine is restarted at a step of the job.
pub fn engine_restarts(real: &Real) {
    let kinds = [
        kind(Begun::Apply, "apply", &RESTARTS, 2),
        kind(Begun::Quiesce, "quiesce", &RESTARTS, 1),
        kind(Begun::Restore, "restore", &RESTARTS, 2),
        kind(Begun::Bad, "itself", &RESTARTS, 1),
    ];
    left_alone(real, &kinds);
}
