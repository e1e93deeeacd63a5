//! What one controller did, with the state at each point where it could have died.

use std::path::PathBuf;
use std::sync::{Arc, Mutex, OnceLock};

use geusemaker::cloud::Clock;
use geusemaker::journal::{Entry, Failure, Line};
use geusemaker::orchestrator::Recorder;
use geusemaker::plan::{Action, Plan};

use super::bugs::Bug;
use super::check;
use super::fault::{Fault, Kind, Spent};
use super::site::{Site, State};
use crate::saga::power_gone;

/// So many lines and effects one controller may need; the longest clean run has less than half.
pub const BOUND: usize = 250;
/// The same for looks.
const LOOKS: usize = 20_000;

/// A point where it could have died.
pub struct Point {
    /// Before or behind which effect or line.
    pub name: String,
    pub state: Arc<State>,
}

/// The record of one controller.
pub struct Tape {
    pub site: Arc<Site>,
    pub plan: Arc<Plan>,
    /// What is on disk.
    pub lines: Vec<Line>,
    /// Said to be on disk, by a bug.
    pub held: Vec<Line>,
    pub snapshot_file: PathBuf,
    pub fault: Fault,
    pub spent: Spent,
    pub bug: Option<Bug>,
    pub controllers: u64,
    pub points: Vec<Point>,
    /// Whether points are kept.
    pub keeps: bool,
    /// Lines and effects of this controller.
    pub done: usize,
    pub looks: usize,
    /// The calls that had an effect, with their number.
    pub effects: Vec<(&'static str, u32)>,
    /// What must not be.
    pub wrong: Vec<String>,
    pub judged: Arc<Judged>,
    snapshot: Option<Arc<str>>,
    /// Filled in when it has ended.
    pub whole: Arc<OnceLock<Vec<Line>>>,
}

/// What every state in between is judged by.
pub struct Judged {
    /// The plan that is carried out.
    pub plan: Arc<Plan>,
    /// The plan without a bug.
    pub clean: Arc<Plan>,
    pub before: std::collections::BTreeMap<String, String>,
    pub after: std::collections::BTreeMap<String, String>,
}

/// Shared by the ports and the recorder.
pub type Shared = Arc<Mutex<Tape>>;

impl Tape {
    pub fn new(
        from: &State,
        site: Arc<Site>,
        fault: &Fault,
        bug: Option<Bug>,
        judged: Arc<Judged>,
        snapshot_file: PathBuf,
        keeps: bool,
    ) -> Self {
        Self {
            site,
            plan: Arc::clone(&judged.plan),
            lines: from.journal().to_vec(),
            held: Vec::new(),
            snapshot_file,
            fault: fault.clone(),
            spent: from.spent.clone(),
            bug,
            controllers: from.controllers + 1,
            points: Vec::new(),
            keeps,
            done: 0,
            looks: 0,
            effects: Vec::new(),
            wrong: Vec::new(),
            judged,
            snapshot: from.snapshot.clone(),
            whole: Arc::default(),
        }
    }

    /// The state now. `last`: nobody acts on this world any more.
    pub fn state(&mut self, last: bool) -> State {
        if self.snapshot.is_none() {
            self.snapshot = fs_err::read_to_string(&self.snapshot_file)
                .ok()
                .map(Arc::from);
        }
        State {
            world: match last {
                true => self.site.take(),
                false => self.site.at(|world, _| world.clone()),
            },
            now: self.site.clock.now(),
            lines: Arc::clone(&self.whole),
            synced: self.lines.len(),
            snapshot: self.snapshot.clone(),
            spent: self.spent.clone(),
            controllers: self.controllers,
        }
    }

    /// It could die here.
    fn point(&mut self, name: impl FnOnce() -> String) {
        if !self.keeps {
            return;
        }
        let same = self.points.last().is_some_and(|last| {
            let last = &last.state;
            last.synced == self.lines.len()
                && last.now == self.site.clock.now()
                && last.spent == self.spent
                && last.world == *self.site.world()
                && last.snapshot.is_some()
                    == (self.snapshot.is_some() || self.snapshot_file.exists())
        });
        let state = match (same, self.points.last()) {
            (true, Some(last)) => Arc::clone(&last.state),
            _ => {
                let state = self.state(false);
                let judged = Arc::clone(&self.judged);
                check::between(&state, &self.lines, &judged, &mut self.wrong);
                Arc::new(state)
            }
        };
        self.points.push(Point {
            name: name(),
            state,
        });
    }

    /// What was announced last, and is on disk.
    pub fn announced(&self) -> Option<(&Entry, &Action)> {
        let entry = &self.lines.last()?.entry;
        let step = match entry {
            Entry::Started { step } => &self.plan.steps[*step],
            Entry::UndoStarted { step, part } => &self.plan.steps[*step].undo[*part],
            Entry::ConfirmStarted { step } => &self.plan.after_undo[*step],
            _ => return None,
        };
        Some((entry, &step.action))
    }

    /// An effect is about to happen: is it announced, and is it struck?
    pub fn before(&mut self, call: &'static str, fits: fn(&Action) -> bool) -> Option<Kind> {
        self.point(|| format!("before {call}"));
        self.done += 1;
        match self.announced() {
            Some((_, action)) if fits(action) => {}
            other => {
                let last = other.map(|(_, action)| action.name());
                let message = format!("{call} without a line on disk that announces it: {last:?}");
                self.wrong.push(message);
            }
        }
        let back = matches!(
            self.announced(),
            Some((Entry::UndoStarted { .. } | Entry::ConfirmStarted { .. }, _))
        );
        let struck = self.fault.strikes(&mut self.spent, call, back);
        self.effects.push((call, self.spent.calls[call]));
        struck
    }

    /// It has happened, or not.
    pub fn after(&mut self, call: &'static str) {
        self.point(|| format!("behind {call}"));
    }

    /// A look: it changes nothing that a crash could divide.
    pub fn looks(&mut self) -> bool {
        self.looks += 1;
        if self.looks == LOOKS {
            self.wrong.push("it looks for ever".into());
        }
        self.looks >= LOOKS
    }

    /// Whether it has done more than any operation needs.
    pub fn is_lost(&mut self) -> bool {
        if self.done == BOUND {
            self.wrong.push("it does not come to an end".into());
        }
        self.done >= BOUND
    }
}

/// The journal on disk.
pub struct Disk(pub Shared);

impl Recorder for Disk {
    fn append(&mut self, line: &Line) -> Result<(), Failure> {
        let mut tape = self.0.lock().expect("one thread");
        let name = || kind(&line.entry);
        tape.point(|| format!("before line {}", name()));
        tape.done += 1;
        if tape.is_lost() {
            return Err(power_gone());
        }
        match tape.bug {
            Some(bug) => bug.append(&mut tape, line),
            None => tape.lines.push(line.clone()),
        }
        tape.point(|| format!("behind line {}", name()));
        Ok(())
    }
}

/// One word for a line.
pub fn kind(entry: &Entry) -> String {
    match entry {
        Entry::Opened { .. } => "opened".into(),
        Entry::Started { step } => format!("started {step}"),
        Entry::Done { step, .. } => format!("done {step}"),
        Entry::Failed { step, .. } => format!("failed {step}"),
        Entry::UndoStarted { step, part } => format!("undo_started {step}.{part}"),
        Entry::UndoDone { step, part, .. } => format!("undo_done {step}.{part}"),
        Entry::UndoDeferred { step, part, .. } => format!("undo_deferred {step}.{part}"),
        Entry::UndoFailed { step, part, .. } => format!("undo_failed {step}.{part}"),
        Entry::ConfirmStarted { step } => format!("confirm_started {step}"),
        Entry::ConfirmDone { step, .. } => format!("confirm_done {step}"),
        Entry::ConfirmFailed { step, .. } => format!("confirm_failed {step}"),
        Entry::Paused { .. } => "paused".into(),
        Entry::Observed { .. } => "observed".into(),
        Entry::Resumed { unwind, .. } => format!("resumed unwind={unwind}"),
        Entry::Accepted { .. } => "accepted".into(),
        Entry::Closed { .. } => "closed".into(),
    }
}
