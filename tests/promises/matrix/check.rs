//! What must hold: in between, and at the end.

use geusemaker::journal::{Entry, Line, Next, committed, next};
use geusemaker::model::{Outcome, RestoreState, RunState};
use geusemaker::orchestrator::Way;
use geusemaker::plan::Action;
use geusemaker::sandbox::world::SEED_INSTANCE;

use super::case::{Case, OPERATION};
use super::fault::Fault;
use super::run::{How, Ran};
use super::site::{State, differing};
use super::tape::{Judged, kind};
use crate::support::stack::containers;

/// Nothing else ever in between: type, files and images are of before or of after; whoever is down on a host that
/// runs has an armed host.
pub fn between(state: &State, lines: &[Line], judged: &Judged, wrong: &mut Vec<String>) {
    let world = &state.world;
    let (before, after) = (&judged.before, &judged.after);
    let instance = &world.instances[SEED_INSTANCE];
    let host = &world.hosts[SEED_INSTANCE];
    let mut one_of = |key: &str, found: &str| {
        let known = [before.get(key), after.get(key)];
        if !after.is_empty() && !known.iter().flatten().any(|k| *k == found) {
            let last = lines.last().map(|l| kind(&l.entry));
            wrong.push(format!(
                "{key} is neither as before nor as wanted, behind {last:?}"
            ));
        }
    };
    one_of("type", instance.instance_type.as_str());
    for (path, text) in &host.memory.files.0 {
        one_of(&format!("file {path}"), text);
    }
    let mut disturbed = false;
    for c in containers(world) {
        let id = format!("id={} ", c.image_id);
        let key = format!("container {}", c.name);
        let was = before.get(&key);
        let known = [was, after.get(&key)];
        if !after.is_empty() && !known.iter().flatten().any(|k| k.contains(&id)) {
            wrong.push(format!("{key} has an image that nobody planned"));
        }
        let ran = was.is_some_and(|was| was.contains("running=true"));
        disturbed |= ran && !c.running();
    }
    let arms = |a: &Action| matches!(a, Action::ArmRestore(_));
    let is_up = host.powered && instance.state == RunState::Running;
    if disturbed && is_up && judged.clean.steps.iter().any(|s| arms(&s.action)) {
        let armed = host.memory.restore.state.operation();
        if armed.is_none_or(|of| of.as_str() != OPERATION) {
            wrong.push("services are down, and the host would not go back by itself".into());
        }
    }
}

/// The grammar of a journal: each end has its beginning, each taking up its look, and numbers and times only go up.
pub fn grammar(lines: &[Line], wrong: &mut Vec<String>) {
    let mut open: Option<Place> = None;
    let (mut fence, mut looked) = (0, false);
    for (n, pair) in lines.windows(2).enumerate() {
        if pair[1].at < pair[0].at {
            wrong.push(format!("line {} is older than the one before it", n + 1));
        }
    }
    for (n, line) in lines.iter().enumerate() {
        let mut say = |what: &str| wrong.push(format!("line {n}, {}: {what}", kind(&line.entry)));
        match &line.entry {
            Entry::Opened { fence: first, .. } => {
                fence = *first;
                if n > 0 {
                    say("not the first line");
                }
            }
            Entry::Paused { .. } => open = None,
            Entry::Observed { .. } => {
                open = None;
                looked = true;
            }
            Entry::Resumed { fence: of, .. } => {
                if !std::mem::take(&mut looked) {
                    say("taken up without a look");
                }
                if *of <= fence {
                    say("the fencing number did not go up");
                }
                fence = *of;
            }
            entry if entry.starts_something() => {
                if open.replace(place(entry)).is_some() {
                    say("begun before the one before it had ended");
                }
            }
            entry => {
                if open.take() != Some(place(entry)) {
                    say("ended, and was not begun");
                }
            }
        }
    }
}

/// Of what a line speaks: forward, back or behind that; step and part.
type Place = (char, usize, usize);

fn place(entry: &Entry) -> Place {
    match entry {
        Entry::Started { step } | Entry::Done { step, .. } | Entry::Failed { step, .. } => {
            ('f', *step, 0)
        }
        Entry::UndoStarted { step, part }
        | Entry::UndoDone { step, part, .. }
        | Entry::UndoFailed { step, part, .. }
        | Entry::UndoDeferred { step, part, .. } => ('b', *step, *part),
        Entry::ConfirmStarted { step }
        | Entry::ConfirmDone { step, .. }
        | Entry::ConfirmFailed { step, .. } => ('c', *step, 0),
        _ => ('-', 0, 0),
    }
}

/// Why this end is not one of the allowed ones.
pub fn end(case: &Case, fault: &Fault, how: How, ran: &mut Ran) -> Vec<String> {
    let mut wrong = ran.wrong.clone();
    let lines = ran.end.journal();
    grammar(lines, &mut wrong);
    let outcome = match &ran.outcome {
        Ok(outcome) => *outcome,
        Err(why) => {
            wrong.push(format!("it could not be taken up: {why}"));
            return wrong;
        }
    };
    let entries = || lines.iter().map(|l| &l.entry);
    let spent = &ran.end.spent;
    let says = next(&case.plan, entries());
    if says != Next::Finished(outcome) && outcome != Outcome::Paused {
        wrong.push(format!(
            "it ended {outcome:?}, and its journal says {says:?}"
        ));
    }
    let is_committed = committed(&case.plan, entries());
    // What the sandbox has of it is as it was: it has not struck at all.
    let waits = fault.world.as_ref().is_some_and(|f| {
        let still = &ran.end.world.faults.0;
        f.times.is_some() && still.contains(f)
    });
    let struck_back = (spent.back || (fault.back && !waits)) && !spent.mended;
    match outcome {
        Outcome::Stuck => {
            let failure = match lines.last().map(|l| &l.entry) {
                Some(Entry::UndoFailed { failure, .. } | Entry::ConfirmFailed { failure, .. }) => {
                    Some(failure)
                }
                _ => None,
            };
            if !struck_back {
                wrong.push(format!("stuck, and no undo was made to fail: {failure:?}"));
            }
            if !failure.is_some_and(|f| !f.code.is_empty() && !f.message.is_empty()) {
                wrong.push("stuck, without a step and a reason".into());
            }
            return wrong;
        }
        Outcome::Paused => {
            if !spent.pauses || spent.mended {
                wrong.push("paused, and nothing paused it".into());
            }
            return wrong;
        }
        _ => {}
    }
    let stack = ran.end.stack();
    let (expected, name) = match outcome {
        o if o == case.good => (&case.judged.after, "as wanted"),
        Outcome::RolledBack | Outcome::Refused => (&case.judged.before, "as before"),
        other => {
            wrong.push(format!("{other:?} is no end of it"));
            return wrong;
        }
    };
    if stack != *expected {
        let what = differing(&stack, expected);
        wrong.push(format!("{outcome:?}, and not {name}: {what}"));
    }
    let good = outcome == case.good;
    if good != is_committed {
        wrong.push(format!(
            "{outcome:?}, and the commit was passed: {is_committed}"
        ));
    }
    // Nothing but a fault, a wish or the host's own judgement is a reason not to get there.
    let passes = fault
        .at
        .is_some_and(|(_, _, kind)| kind.passes() && !fault.always);
    let harmless = passes || !fault.is_some();
    let undisturbed = harmless && how.way() == Way::On && !ran.unwinds && !how.later();
    if undisturbed && !good {
        wrong.push(format!("nothing was in its way, and it ended {outcome:?}"));
    }
    if how.way() == Way::Unwind && good && !ran.was_committed {
        wrong.push("it was to go back, and went on".into());
    }
    residue(case, outcome, &ran.end, &mut wrong);
    wrong
}

/// What must not be left.
fn residue(case: &Case, outcome: Outcome, end: &State, wrong: &mut Vec<String>) {
    let world = &end.world;
    let host = &world.hosts[SEED_INSTANCE];
    let struck = |call: &str| end.spent.struck.contains(call);
    let reserved = world
        .reservations
        .values()
        .filter(|r| r.is_active())
        .count();
    if reserved > 0 && !struck("ec2:CancelCapacityReservation") {
        wrong.push(format!("{reserved} reservations are left"));
    }
    if let RestoreState::Armed { .. } | RestoreState::Restoring { .. } = host.memory.restore.state
        && !struck("host:commit")
    {
        let state = host.memory.restore.state.as_str();
        wrong.push(format!("the host is left {state}"));
    }
    if !host.memory.policies.is_empty() {
        wrong.push("restart policies are not put back".into());
    }
    if host.powered && !host.docker_active {
        wrong.push("Docker is down".into());
    }
    if outcome != Outcome::Refused {
        for c in containers(world) {
            let means = host.engine.image(&c.image).map(|i| i.id.as_str());
            if means != Some(c.image_id.as_str()) {
                wrong.push(format!(
                    "{} means another image than the one that runs",
                    c.image
                ));
            }
        }
        let id = case.snapshot.id.as_str();
        let written = end.snapshot.as_deref().unwrap_or_default();
        if !written.contains(&format!("id: {id}")) {
            wrong.push("there is no snapshot of the state before".into());
        }
    }
}
