//! Performs a sequence on the world in memory, and holds what came of each command against the reference.

use std::collections::BTreeSet;
use std::time::Duration;

use geusemaker::model::{
    DeploymentName, ImageRef, InstanceType, OperationId, Outcome, RestoreState, RollbackRequest,
    ServiceName, SnapshotId, UpdateRequest,
};
use geusemaker::orchestrator::{
    Ended, Prepared, Way, World, execute, history, prepare_rollback, prepare_update, resume,
    status, unfinished, unlock,
};
use geusemaker::report::CommandError;
use geusemaker::sandbox::fault::Fault;
use geusemaker::sandbox::world::SEED_INSTANCE;
use serde_json::Value;

use super::commands::{Ask, Command, FAULTS, Hand, IMAGES, MACHINES, TYPES, Wrong};
use super::hands::{self, wait};
use super::ports::{Trouble, What, holder, troubled};
use super::reference::{Expect, Image, Model, Open, Stack, Target, change, differences, same};
use crate::saga::{Rig, good, options};

const A_WHILE: Duration = Duration::from_secs(60);

/// How a command ended, for whoever looks from outside. None: its process was killed.
type Came = Option<(Outcome, String)>;

/// One sequence.
pub struct Run {
    rig: Rig,
    worlds: [World; 2],
    name: DeploymentName,
    model: Model,
    /// What was done and what came of it, one line each.
    pub story: Vec<String>,
    /// Something failed that may leave a reservation behind.
    failed: bool,
}

/// What went wrong around a command, as far as it was reached.
#[derive(Default)]
struct Around {
    struck: bool,
    /// Not a clean kill: what failed may turn it back.
    failed: bool,
    touched: BTreeSet<String>,
    /// Somebody was at it while the question was open: whether it changed the stack, and the stack then.
    at_the_question: Option<(bool, Stack)>,
}

impl Run {
    pub fn new() -> Self {
        let rig = Rig::new();
        let worlds = MACHINES.map(|host| rig.laptop(host));
        let model = Model {
            stack: rig.stack(),
            ..Model::default()
        };
        let name = rig.memory.deployment().name;
        Self {
            rig,
            worlds,
            name,
            model,
            story: vec![],
            failed: false,
        }
    }

    /// The whole sequence, and then: whatever is open comes to its end, and an update goes through.
    pub async fn all(&mut self, commands: &[Command]) -> Result<(), String> {
        for command in commands {
            self.story.push(format!("{command:?}"));
            self.one(command).await?;
        }
        self.story.push("at the end".into());
        self.ends().await
    }

    async fn one(&mut self, command: &Command) -> Result<(), String> {
        match command {
            Command::Does(who, ask, wrong) => self.does(*who, ask, wrong).await,
            Command::Hand(hand) => {
                let touched = hands::does(&self.rig, *hand);
                self.touch(&touched);
                self.stands()
            }
            Command::Passes(minutes) => {
                wait(&self.rig, Duration::from_secs(minutes * 60));
                self.stands()
            }
        }
    }

    fn touch(&mut self, touched: &BTreeSet<String>) {
        for open in self
            .model
            .machines
            .iter_mut()
            .filter_map(|m| m.open.as_mut())
        {
            open.touched.extend(touched.iter().cloned());
        }
        if self.model.machines.iter().all(|m| m.open.is_none()) {
            self.model.stack = self.rig.stack();
        }
    }

    /// Where nothing is open, nothing moves by itself.
    fn stands(&mut self) -> Result<(), String> {
        if self.model.machines.iter().any(|m| m.open.is_some()) {
            return Ok(());
        }
        let unheard = self.unheard().is_some();
        wait(&self.rig, A_WHILE);
        // Through a boot, to the deadline behind it, and past it.
        for _ in 0..4 {
            if self.armed().is_some() {
                wait(&self.rig, Duration::from_secs(20 * 60));
            }
        }
        let now = self.rig.stack();
        if unheard {
            self.model.stack = now;
            return Ok(());
        }
        if !same(&now, &self.model.stack, &BTreeSet::new()) {
            return Err(format!(
                "it moved by itself:{}",
                differences(&now, &self.model.stack)
            ));
        }
        self.model.stack = now;
        Ok(())
    }

    fn restore(&self) -> RestoreState {
        self.rig.memory.world().hosts[SEED_INSTANCE]
            .memory
            .restore
            .state
            .clone()
    }

    /// The operation that the account says to be open, and the ones that were given up.
    fn lease(&self) -> (Option<String>, Vec<String>) {
        let world = self.rig.memory.world();
        let all = world.parameters.all.values().rev();
        let parsed = all.filter_map(|p| serde_json::from_str::<Value>(&p.value).ok());
        let counts = |l: &Value| l["phase"] == "held" || l["phase"] == "released";
        let Some(newest) = parsed.into_iter().find(counts) else {
            return (None, vec![]);
        };
        let id = |of: &Value| of["id"].as_str().map(str::to_owned);
        let given_up = newest["given_up"].as_array();
        (
            id(&newest["open_operation"]),
            given_up.into_iter().flatten().filter_map(id).collect(),
        )
    }

    /// The operations of this machine, newest first.
    fn operations(&self, who: usize) -> Result<Vec<(String, Option<Outcome>)>, String> {
        let all = history(&self.worlds[who].state_dir, &self.name, None, None);
        let (data, warnings) = all.map_err(|e| format!("history: {:?}", e.document))?;
        if !warnings.is_empty() {
            return Err(format!("history: {warnings:?}"));
        }
        Ok(data
            .operations
            .into_iter()
            .map(|o| (o.id.to_string(), o.outcome))
            .collect())
    }

    fn is_open(&self, who: usize) -> Result<bool, String> {
        let open = unfinished(&self.worlds[who].state_dir, &self.name);
        open.map(|o| o.is_some())
            .map_err(|e| format!("{:?}", e.document))
    }

    /// An operation is in the way of a new one of this machine.
    fn blocked(&self, who: usize) -> Result<bool, String> {
        let (open, _) = self.lease();
        let own = self.operations(who)?;
        let elsewhere = open.is_some_and(|id| !own.iter().any(|(o, _)| *o == id));
        Ok(elsewhere || self.model.machines[who].open.is_some())
    }

    /// What has to come of it, on this stack, where no operation is in the way.
    fn expect(&self, who: usize, ask: &Ask, stack: &Stack) -> Expect {
        // Armed by what was given up or accepted: a host that is seen refuses all but what cannot be found.
        let armed = stack["state"] == "running" && self.armed().is_some();
        match self.expect_of_idle(who, ask, stack) {
            Expect::NotFound => Expect::NotFound,
            _ if armed => Expect::Refused,
            idle => idle,
        }
    }

    /// The same, where the host would go back from nothing.
    fn expect_of_idle(&self, who: usize, ask: &Ask, stack: &Stack) -> Expect {
        let machine = &self.model.machines[who];
        match ask {
            Ask::Update { to, images, .. } => {
                if *to == Some(3) {
                    return Expect::Refused;
                }
                let world = self.rig.memory.world();
                let mut missing = false;
                let images: Vec<Image> = images
                    .iter()
                    .map(|(s, t)| {
                        let reference = IMAGES[*s].1[*t];
                        let parsed = ImageRef::new(reference).expect("a reference");
                        let found = world.registry.find(&parsed, "amd64");
                        missing |= found.is_err();
                        Image {
                            service: IMAGES[*s].0.into(),
                            reference: reference.into(),
                            id: found.map(|i| i.id).unwrap_or_default(),
                        }
                    })
                    .collect();
                let expected = change(stack, to.map(|t| TYPES[t]), &images, Outcome::Updated);
                match expected {
                    Expect::Change(..) if missing => Expect::Refused,
                    expected => expected,
                }
            }
            Ask::Rollback { to, only } => {
                let target = match to {
                    None => machine.successes.last(),
                    Some(n) => {
                        let all = machine.snapshots.len();
                        machine.snapshots.values().nth(n % all.max(1))
                    }
                };
                match target {
                    None => Expect::NotFound,
                    Some(None) => Expect::Unknown,
                    Some(Some(target)) => target.expect(stack, only.map(|s| IMAGES[s].0)),
                }
            }
            _ => unreachable!("no change of its own"),
        }
    }

    /// A snapshot to name: one that there is, else one that there is not.
    fn snapshot(&self, who: usize, ask: &Ask) -> Option<SnapshotId> {
        let Ask::Rollback { to: Some(n), .. } = ask else {
            return None;
        };
        let known = &self.model.machines[who].snapshots;
        let id = known.keys().nth(n % known.len().max(1));
        Some(SnapshotId::new(id.map_or("20200101-000000-none", String::as_str)).expect("an id"))
    }

    /// Performs it with what goes wrong.
    async fn troubled(
        &mut self,
        who: usize,
        ask: &Ask,
        wrong: &Wrong,
    ) -> Result<(Came, Around), String> {
        let (k, effects, what) = match wrong {
            Wrong::At { k, effects, what } => (*k, *effects, *what),
            Wrong::Other(k, _) | Wrong::Drift(k, _) | Wrong::Asleep(k, _) => {
                (*k, false, What::Meanwhile)
            }
            _ => (0, false, What::Nothing),
        };
        let trouble = Trouble::new(k, effects, what);
        let world = troubled(&self.worlds[who], &self.rig.memory, &trouble);
        let mut around = Around::default();
        if let Wrong::Fault(fault, times) = wrong {
            let times = (*times > 0 && !FAULTS[*fault].starts_with("health:")).then_some(*times);
            let fault = Fault::parse(FAULTS[*fault], times).expect("a fault");
            self.rig.memory.world().faults.0.push(fault);
            (around.struck, around.failed) = (true, true);
        }
        let rig = &self.rig;
        let asked = std::sync::Mutex::new(None);
        let question = || {
            if let Wrong::AtTheQuestion(hand) = wrong {
                // A new boot is a change, too, though everything is as it was.
                let boot = || rig.memory.world().hosts[SEED_INSTANCE].boot_id.clone();
                let (before, booted) = (rig.stack(), boot());
                hands::does(rig, *hand);
                let after = rig.stack();
                let changed = !same(&before, &after, &BTreeSet::new()) || boot() != booted;
                *asked.lock().expect("it") = Some((changed, after));
            }
        };
        let (to, name) = (self.snapshot(who, ask), &self.name);
        let mut other = None;
        let came = {
            let mut main = Box::pin(act(name, ask, to, &world, question));
            let first = tokio::select! {
                biased;
                came = &mut main => Some(came),
                () = trouble.reached.notified() => None,
            };
            match (first, wrong) {
                (Some(came), _) => Some(came),
                // Dropped in its middle: nothing more of it runs.
                (None, Wrong::At { .. }) => None,
                (None, _) => {
                    match wrong {
                        Wrong::Other(_, ask) => {
                            let calm = Trouble::new(0, false, What::Nothing);
                            let world = troubled(&self.worlds[1 - who], &rig.memory, &calm);
                            let held = holder(&rig.memory).is_some();
                            // As it is now: the main one may end before it is judged.
                            let blocked = self.blocked(1 - who)?;
                            let to = self.snapshot(1 - who, ask);
                            let came = act(name, ask, to, &world, || {}).await;
                            other = Some((ask, held, blocked, came, rig.stack()));
                        }
                        Wrong::Drift(_, hand) => around.touched = hands::does(rig, *hand),
                        Wrong::Asleep(_, minutes) => {
                            wait(rig, Duration::from_secs(minutes * 60));
                            around.failed = true;
                        }
                        _ => unreachable!("nothing else is reached"),
                    }
                    trouble.go.notify_one();
                    Some(main.await)
                }
            }
        };
        around.struck |= trouble.struck();
        around.failed |= matches!(what, What::Fails(..)) && trouble.struck();
        self.failed |= around.failed;
        self.rig.memory.world().faults.0.clear();
        around.at_the_question = asked.into_inner().expect("it");
        if let Some((ask, held, blocked, came, now)) = other {
            self.story.push(format!("    the other: {came:?}"));
            // What it has made of the stack is not what the main one has planned from.
            if good(came.0) || came.0 == Outcome::RolledBack {
                around.touched.insert("*".into());
            }
            self.meanwhile(1 - who, ask, (held, blocked), &came, now)?;
        }
        Ok((came, around))
    }

    /// What the other machine did while this one was at work.
    fn meanwhile(
        &mut self,
        who: usize,
        ask: &Ask,
        (held, blocked): (bool, bool),
        (outcome, _): &(Outcome, String),
        now: Stack,
    ) -> Result<(), String> {
        let none = BTreeSet::new();
        if !good(*outcome) && *outcome != Outcome::RolledBack {
            let waits = held || matches!(outcome, Outcome::Locked);
            if waits || !matches!(ask, Ask::Update { .. } | Ask::Rollback { .. }) {
                self.close(who, None)?;
                return Ok(());
            }
            let expected = match blocked {
                true => Expect::Refused,
                false => self.expect(who, ask, &self.model.stack),
            };
            return match (expected, outcome) {
                (Expect::Refused, Outcome::Refused)
                | (Expect::Unchanged, Outcome::Unchanged)
                | (Expect::NotFound, Outcome::NotFound)
                | (Expect::Unknown, _) => Ok(()),
                (expected, outcome) => {
                    Err(format!("the other: {outcome:?}, expected {expected:?}"))
                }
            };
        }
        let target = Target::of(&self.model.stack);
        if let Ask::Update { .. } | Ask::Rollback { .. } = ask {
            match self.expect(who, ask, &self.model.stack) {
                Expect::Change(after, is) if is == *outcome && same(&now, &after, &none) => {}
                Expect::Unknown => {}
                other => return Err(format!("the other is {outcome:?}, expected {other:?}")),
            }
            self.model.machines[who].successes.push(Some(target));
        } else {
            self.close(who, Some(*outcome))?;
        }
        self.model.stack = now;
        self.learn(who, None)
    }

    /// The operation of this machine is closed, where it is.
    fn close(&mut self, who: usize, outcome: Option<Outcome>) -> Result<(), String> {
        if self.is_open(who)? {
            return Ok(());
        }
        if let Some(open) = self.model.machines[who].open.take()
            && outcome.is_some_and(good)
        {
            let known = open.touched.is_empty();
            let target = known.then(|| Target::of(&open.before));
            self.model.machines[who].successes.push(target);
        }
        Ok(())
    }

    /// Snapshots that are new are of this state.
    fn learn(&mut self, who: usize, state: Option<&Stack>) -> Result<(), String> {
        let all = history(&self.worlds[who].state_dir, &self.name, None, None);
        let (data, _) = all.map_err(|e| format!("{:?}", e.document))?;
        let known = &mut self.model.machines[who].snapshots;
        let ids: Vec<String> = data.snapshots.iter().map(|s| s.id.to_string()).collect();
        known.retain(|id, _| ids.contains(id));
        for id in ids {
            known.entry(id).or_insert_with(|| state.map(Target::of));
        }
        Ok(())
    }

    /// One command of a machine, and the judgement of what came of it.
    async fn does(&mut self, who: usize, ask: &Ask, wrong: &Wrong) -> Result<(), String> {
        self.stands()?;
        if self.model.machines.iter().any(|m| m.open.is_some()) {
            // In the middle of something: as it is. What was asked of EC2 comes to its end by itself, while only the
            // other machine could go on.
            if self.model.machines[1 - who].open.is_some() {
                wait(&self.rig, A_WHILE);
            }
            self.model.stack = self.rig.stack();
        }
        let had = self.operations(who)?;
        let blocked = self.blocked(who)?;
        let first = match ask {
            Ask::Update { .. } | Ask::Rollback { .. } if !blocked => {
                Some(self.expect(who, ask, &self.model.stack))
            }
            _ => None,
        };
        let begins = self.rig.stack();
        let (came, around) = self.troubled(who, ask, wrong).await?;
        self.story.push(format!("    {came:?}"));
        super::count(came.as_ref().map(|(outcome, _)| *outcome));
        let open = self.is_open(who)?;
        let now_has = self.operations(who)?;
        let new = (now_has.len() > had.len()).then(|| now_has[0].clone());
        if new.is_some() && now_has.len() != had.len() + 1 {
            return Err(format!("{} operations more", now_has.len() - had.len()));
        }
        if !open && self.model.machines.iter().all(|m| m.open.is_none()) {
            wait(&self.rig, A_WHILE);
        }
        let judged = match ask {
            Ask::Update { .. } | Ask::Rollback { .. } => {
                // Another machine may have closed its operation before this one looked, or behind that.
                let still = blocked && self.blocked(who)?;
                let again = match &around.at_the_question {
                    _ if still => Some(Expect::Refused),
                    Some((_, stack)) => Some(self.expect(who, ask, stack)),
                    None => Some(self.expect(who, ask, &self.model.stack)),
                };
                let expected = [first.unwrap_or(Expect::Refused), again.expect("one")];
                self.changed(who, &expected, &came, &around, open, new)
            }
            Ask::GiveUp => self.gave_up(&came, &around, &begins),
            _ => self.resumed(who, ask, &came, &around, open, &begins, now_has.first()),
        };
        judged?;
        self.lease_says()?;
        self.stands()?;
        self.looks(who).await
    }

    /// An update or a rollback: one of these was to be expected.
    fn changed(
        &mut self,
        who: usize,
        expected: &[Expect; 2],
        came: &Came,
        around: &Around,
        open: bool,
        new: Option<(String, Option<Outcome>)>,
    ) -> Result<(), String> {
        let none = BTreeSet::new();
        let mut touched = around.touched.clone();
        let now = self.rig.stack();
        let before = match &around.at_the_question {
            Some((_, handed)) => handed.clone(),
            None => self.model.stack.clone(),
        };
        let after = expected.iter().find_map(|e| match e {
            Expect::Change(after, good) => Some((after.clone(), *good)),
            // A rollback, to what was not seen: all of it may change.
            Expect::Unknown => Some((before.clone(), Outcome::RolledBackAsAsked)),
            _ => None,
        });
        if expected.iter().any(|e| matches!(e, Expect::Unknown)) {
            touched.insert("*".into());
        }
        if open && self.model.machines[who].open.is_some() {
            self.touch(&touched);
            return match came {
                Some((Outcome::Refused, _)) if new.is_none() => Ok(()),
                Some((outcome, _)) if good(*outcome) || !around.struck => {
                    Err(format!("{outcome:?}, while another one is open"))
                }
                _ => Ok(()),
            };
        }
        if open {
            if let Some((outcome, _)) = came
                && !matches!(outcome, Outcome::Paused | Outcome::Stuck | Outcome::Locked)
            {
                return Err(format!("{outcome:?}, and an operation is open"));
            }
            if !around.struck {
                return Err("it did not come to an end".into());
            }
            self.learn(who, Some(&before).filter(|_| touched.is_empty()))?;
            let good = after.as_ref().map_or(Outcome::Updated, |(_, good)| *good);
            self.model.machines[who].open = Some(Open {
                before,
                after: after.map(|(after, _)| after),
                good,
                given_up: false,
                failed: around.failed,
                touched,
            });
            return Ok(());
        }
        // Killed: its journal says how it ended, or that it never began.
        let outcome = match (came, &new) {
            (Some((outcome, _)), _) => *outcome,
            (None, Some((_, Some(outcome)))) => *outcome,
            (None, _) => Outcome::Failed,
        };
        let noted = new.as_ref().and_then(|(_, outcome)| *outcome);
        if noted.is_some_and(|noted| noted != outcome) {
            return Err(format!("history says {noted:?}"));
        }
        let fits = |e: &Expect| match (e, outcome) {
            (Expect::Unchanged, Outcome::Unchanged)
            | (Expect::Refused, Outcome::Refused)
            | (Expect::NotFound, Outcome::NotFound)
            | (Expect::Unknown, _) => true,
            (Expect::Change(_, good), outcome) => *good == outcome,
            _ => false,
        };
        let must_refuse = matches!(around.at_the_question, Some((true, _)));
        let calm = !around.struck;
        if calm && must_refuse && outcome != Outcome::Refused {
            return Err(format!(
                "{outcome:?}: changed at the question, and not refused"
            ));
        }
        if calm && !must_refuse && !expected.iter().any(fits) {
            return Err(format!("{outcome:?}, expected {expected:?}"));
        }
        if good(outcome) {
            if noted.is_none() {
                return Err("a success that is not in the history".into());
            }
            let so = expected.iter().any(|e| match e {
                Expect::Change(after, is) => *is == outcome && same(&now, after, &touched),
                Expect::Unknown => true,
                _ => !touched.is_empty() && same(&now, &before, &touched),
            });
            if !so {
                let after = after.map_or(before, |(after, _)| after);
                return Err(format!(
                    "{outcome:?}, and it is not so:{}",
                    differences(&now, &after)
                ));
            }
            let known = around.touched.is_empty();
            self.model.machines[who]
                .successes
                .push(known.then(|| Target::of(&before)));
        } else if !same(&now, &before, &touched) {
            return Err(format!(
                "{outcome:?}, and not as before:{}",
                differences(&now, &before)
            ));
        } else if noted.is_some() && !matches!(outcome, Outcome::RolledBack | Outcome::Refused) {
            return Err(format!("{outcome:?} is an operation of the history"));
        }
        self.learn(who, Some(&before).filter(|_| around.touched.is_empty()))?;
        self.model.stack = now.clone();
        // What rests elsewhere without a word of it finds another stack.
        if let Some(open) = &mut self.model.machines[1 - who].open {
            open.touched.extend(around.touched.iter().cloned());
            if good(outcome) && !same(&now, &before, &none) {
                open.touched.insert("*".into());
            }
        }
        Ok(())
    }

    fn gave_up(&mut self, came: &Came, around: &Around, begins: &Stack) -> Result<(), String> {
        let now = self.rig.stack();
        let calm = !around.struck && around.touched.is_empty();
        match came {
            Some((Outcome::Done | Outcome::Unchanged, _)) => {}
            _ if !calm => {}
            other => return Err(format!("unlock --force: {other:?}")),
        }
        if calm && !same(&now, begins, &BTreeSet::new()) {
            return Err(format!(
                "it changed something:{}",
                differences(&now, begins)
            ));
        }
        self.touch(&around.touched);
        Ok(())
    }

    #[allow(clippy::too_many_arguments)]
    fn resumed(
        &mut self,
        who: usize,
        ask: &Ask,
        came: &Came,
        around: &Around,
        open: bool,
        begins: &Stack,
        newest: Option<&(String, Option<Outcome>)>,
    ) -> Result<(), String> {
        let now = self.rig.stack();
        let calm = !around.struck && around.touched.is_empty();
        let none = BTreeSet::new();
        let Some(mut was) = self.model.machines[who].open.clone() else {
            let fine = matches!(came, Some((Outcome::Unchanged | Outcome::Refused, _)));
            if calm && !fine {
                return Err(format!("nothing is open, and it is {came:?}"));
            }
            if calm && !same(&now, begins, &none) {
                return Err(format!("nothing is open:{}", differences(&now, begins)));
            }
            self.touch(&around.touched);
            return Ok(());
        };
        was.touched.extend(around.touched.iter().cloned());
        was.failed |= around.failed || *ask == Ask::Unwind;
        was.failed |= !matches!(
            self.restore(),
            RestoreState::Idle
                | RestoreState::Armed { .. }
                | RestoreState::Committed {
                    by_itself: false,
                    ..
                }
        );
        if open {
            let touched = !was.touched.is_empty() || was.given_up;
            let fine = match came {
                None => around.struck,
                // It is behind its last health check, and is ended first.
                Some((Outcome::Refused, why)) if why.starts_with("committed: ") => {
                    let wanted = was.after.as_ref();
                    *ask == Ask::Unwind && wanted.is_some_and(|w| same(&now, w, &was.touched))
                }
                Some((Outcome::Refused, _)) => touched,
                Some((Outcome::Stuck | Outcome::Paused, _)) => around.struck || touched,
                Some((outcome, _)) => around.struck && !good(*outcome),
            };
            if !fine {
                return Err(format!("it is {came:?}, and still open"));
            }
            self.model.machines[who].open = Some(was);
            return Ok(());
        }
        let closed = newest.and_then(|(_, outcome)| *outcome);
        let Some(outcome) = closed else {
            return Err("closed without an outcome".into());
        };
        if let Some((said, _)) = came
            && *said != outcome
            && !(around.struck && *said == Outcome::Unchanged)
        {
            return Err(format!("history says {outcome:?}"));
        }
        let so = match outcome {
            Outcome::Done if *ask == Ask::Accept => Ok(()),
            outcome if outcome == was.good => match &was.after {
                Some(after) if same(&now, after, &was.touched) => Ok(()),
                Some(after) => Err(differences(&now, after)),
                None => Err(" it was to be refused".into()),
            },
            Outcome::RolledBack | Outcome::Refused if same(&now, &was.before, &was.touched) => {
                let went_on = *ask == Ask::Resume && calm && was.touched.is_empty();
                match went_on && !was.failed && was.after.is_some() {
                    true => Err(" nothing failed, and it went back".into()),
                    false => Ok(()),
                }
            }
            _ => Err(differences(&now, &was.before)),
        };
        so.map_err(|why| format!("{outcome:?}, and:{why}"))?;
        if was.given_up && outcome != Outcome::Done {
            return Err(format!("it was given up, and is {outcome:?}"));
        }
        self.model.machines[who].open = Some(was.clone());
        self.close(who, Some(outcome))?;
        self.model.stack = now;
        if outcome == Outcome::Done {
            self.goes_back_as_said(who, newest)?;
        }
        self.learn(who, Some(&was.before).filter(|_| was.touched.is_empty()))
    }

    /// A host that could not be told that its operation was closed goes back by itself. It was said, then.
    fn goes_back_as_said(
        &mut self,
        who: usize,
        accepted: Option<&(String, Option<Outcome>)>,
    ) -> Result<(), String> {
        let accepted = accepted.map(|(id, _)| id.as_str());
        let Some(of) = self.armed().filter(|of| accepted == Some(of.as_str())) else {
            return Ok(());
        };
        let said = self.warnings(who, &of);
        if !said.as_ref().is_some_and(|said| said.contains("goes back")) {
            return Err(format!("the host is armed, and accepting says {said:?}"));
        }
        self.model.unheard.insert(of.to_string());
        self.stands()
    }

    /// The operation that the host goes back from by itself.
    fn armed(&self) -> Option<OperationId> {
        self.restore().goes_back_from().cloned()
    }

    /// The same, where it was accepted and the host could not be told.
    fn unheard(&self) -> Option<OperationId> {
        self.armed()
            .filter(|of| self.model.unheard.contains(of.as_str()))
    }

    /// What an operation of this machine warned of.
    fn warnings(&self, who: usize, of: &OperationId) -> Option<String> {
        let all = history(&self.worlds[who].state_dir, &self.name, Some(of), None);
        let (data, _) = all.ok()?;
        Some(data.operations.first()?.warnings.as_ref()?.join("\n"))
    }

    /// What the account says of the operations that are open.
    fn lease_says(&mut self) -> Result<(), String> {
        let (_, given_up) = self.lease();
        for who in [0, 1] {
            let newest = self.operations(who)?.first().map(|(id, _)| id.clone());
            if let Some(open) = &mut self.model.machines[who].open
                && newest.is_some_and(|id| given_up.contains(&id))
            {
                open.given_up = true;
                open.touched.insert("*".into());
            }
        }
        Ok(())
    }

    /// A look says what is, and changes nothing.
    async fn looks(&mut self, who: usize) -> Result<(), String> {
        let before = self.rig.stack();
        let seen = status(&self.worlds[who], &self.name).await;
        let (seen, _) = seen.map_err(|e| format!("status: {:?}", e.document))?;
        let now = self.rig.stack();
        let instance = &seen.instances[0];
        let (kind, state) = (instance.instance_type.as_str(), instance.state.as_str());
        if before["type"] != kind || before["state"] != state {
            return Err(format!("status says {kind} {state}"));
        }
        match same(&before, &now, &BTreeSet::new())
            || self.model.machines.iter().any(|m| m.open.is_some())
        {
            true => Ok(()),
            false => Err(format!(
                "status changed something:{}",
                differences(&now, &before)
            )),
        }
    }

    /// Whatever is open comes to an end, and then an update goes through and leaves nothing behind.
    async fn ends(&mut self) -> Result<(), String> {
        for who in [0, 1] {
            for ask in [Ask::Resume, Ask::Unwind, Ask::Accept] {
                let says = self.lease().0.is_some() && ask == Ask::Resume;
                if self.model.machines[who].open.is_some() || says {
                    self.story.push(format!("  {ask:?} of {who}"));
                    self.does(who, &ask, &Wrong::Nothing).await?;
                }
            }
            if self.model.machines[who].open.is_some() {
                return Err(format!(
                    "the operation of {} is open for ever",
                    MACHINES[who]
                ));
            }
        }
        hands::does(&self.rig, Hand::Start);
        self.model.stack = self.rig.stack();
        // What the host makes by itself of what was given up or accepted.
        wait(&self.rig, Duration::from_secs(60 * 60));
        self.model.stack = self.rig.stack();
        // Five times it could not: whoever accepted it once tells the host that it is over.
        if let Some(of) = self.unheard() {
            for who in [0, 1] {
                let own = self.operations(who)?;
                if own.iter().any(|(id, _)| id == of.as_str()) {
                    self.story.push(format!("  Accept of {who}, once more"));
                    self.does(who, &Ask::Accept, &Wrong::Nothing).await?;
                }
            }
        }
        let to = usize::from(self.model.stack["type"] == TYPES[0]);
        let ask = Ask::Update {
            to: Some(to),
            images: vec![],
            no_rollback: false,
        };
        self.story.push(format!("  {ask:?}"));
        self.does(0, &ask, &Wrong::Nothing).await?;
        let reserved = self.rig.reserved();
        if !reserved.is_empty() && !self.failed {
            return Err(format!("still reserved: {reserved:?}"));
        }
        if let Some(host) = holder(&self.rig.memory) {
            return Err(format!("{host} still holds the lease"));
        }
        match self.armed() {
            Some(_) => Err("the host is still armed".into()),
            None => Ok(()),
        }
    }
}

/// Performs it. `question` is called while the question would be open.
async fn act(
    name: &DeploymentName,
    ask: &Ask,
    to: Option<SnapshotId>,
    world: &World,
    question: impl FnOnce(),
) -> (Outcome, String) {
    let told = |ended: Result<Ended, CommandError>| match ended {
        Ok(e) => {
            let why = e.error.map(|e| format!("{}: {}", e.code, e.message));
            (e.outcome, why.unwrap_or_default())
        }
        Err(e) => (
            e.outcome,
            format!("{}: {}", e.document.code, e.document.message),
        ),
    };
    let mut options = options();
    let prepared = match ask {
        Ask::Update {
            to,
            images,
            no_rollback,
        } => {
            options.no_rollback = *no_rollback;
            let image = |(s, t): &(usize, usize)| {
                let (service, tags) = IMAGES[*s];
                let service = ServiceName::new(service).expect("a service");
                (service, ImageRef::new(tags[*t]).expect("a reference"))
            };
            let request = UpdateRequest {
                deployment: name.clone(),
                instance_type: to.map(|t| InstanceType::new(TYPES[t]).expect("a type")),
                images: images.iter().map(image).collect(),
                fallback_types: vec![],
                options,
            };
            prepare_update(world, &request).await
        }
        Ask::Rollback { only, .. } => {
            let service = |s: usize| ServiceName::new(IMAGES[s].0).expect("a service");
            let request = RollbackRequest {
                deployment: name.clone(),
                to,
                services: only.map(|s| [service(s)].into_iter().collect()),
                fallback_types: vec![],
                options,
            };
            prepare_rollback(world, &request).await
        }
        Ask::Resume => return told(resume(world, name, Way::On).await),
        Ask::Unwind => return told(resume(world, name, Way::Unwind).await),
        Ask::Accept => return told(resume(world, name, Way::Accept).await),
        Ask::GiveUp => {
            return match unlock(world, name, true).await {
                Ok(unlocked) => (unlocked.outcome, String::new()),
                Err(error) => told(Err(error)),
            };
        }
    };
    match prepared {
        Err(error) => told(Err(error)),
        Ok(Prepared::Unchanged(_)) => (Outcome::Unchanged, String::new()),
        Ok(Prepared::Refused(_, error)) => (
            Outcome::Refused,
            format!("{}: {}", error.code, error.message),
        ),
        Ok(Prepared::Ready(ready)) => {
            question();
            told(Ok(execute(world, *ready).await))
        }
    }
}
