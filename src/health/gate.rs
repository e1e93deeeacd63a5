//! The gate: green, and green without a break for as long as asked.

use std::collections::BTreeMap;

use crate::model::{Colour, ContainerFacts, ServiceName, Sha256Id, Timestamp};
use crate::plan::VerifyHealth;

/// How many restarts of one container within the gate count as "it keeps crashing".
const CRASH_LOOP: u32 = 3;

/// Judges one look after the other.
#[derive(Debug)]
pub struct Gate<'p> {
    verify: &'p VerifyHealth,
    began: Timestamp,
    /// Since when all is green without a break, and with which containers.
    green: Option<(Timestamp, BTreeMap<One, Seen>)>,
    first_green: Option<Timestamp>,
    /// At the first look after the time was over: that look, where nothing was green before it. A machine that
    /// slept until then has not looked before.
    first_late: Option<Option<Timestamp>>,
    /// Since when what must be green is red without a break.
    red_since: BTreeMap<One, Timestamp>,
    /// Since when this run of a container is seen, and whether it was green in this gate.
    known: BTreeMap<One, (String, Timestamp, bool)>,
    restarts_at_start: BTreeMap<One, (String, u32)>,
}

/// A container of a service, by its name: of a scaled service each counts. Without a name: there is none.
type One = (ServiceName, String);

fn one(c: &ContainerFacts) -> One {
    (c.service.clone(), c.name.clone())
}

/// What must stay the same while the gate holds.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Seen {
    container: String,
    image: Sha256Id,
    restarts: u32,
    started_at: String,
}

/// What one container adds to a verdict.
#[derive(Debug, Default)]
struct Judged {
    green: Option<Seen>,
    not_green: Option<String>,
    hopeless: Vec<String>,
}

/// What the gate says after a look.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Verdict {
    /// Not all is green yet: what is missing, for people.
    Waiting(String),
    /// All is green, for this many milliseconds so far.
    Holding(u64),
    /// It held.
    Passed {
        /// When all was green first.
        green_at: Timestamp,
        /// Services that were red before and still are.
        still_red: Vec<ServiceName>,
    },
    /// It will not: why, one line a service.
    Failed(Vec<String>),
}

impl<'p> Gate<'p> {
    /// A gate that begins now.
    pub fn new(verify: &'p VerifyHealth, now: Timestamp) -> Self {
        Self {
            verify,
            began: now,
            green: None,
            first_green: None,
            first_late: None,
            red_since: BTreeMap::new(),
            known: BTreeMap::new(),
            restarts_at_start: BTreeMap::new(),
        }
    }

    /// Takes one look at the project's containers, which takes no time.
    pub fn look(&mut self, containers: &[ContainerFacts], now: Timestamp) -> Verdict {
        self.seen(containers, now, now)
    }

    /// The same for a look that was begun at `asked` and has its answer `now`: a machine may have slept in between, and
    /// what was seen was so at no later time than it is told, nor earlier than it was asked.
    pub fn seen(
        &mut self,
        containers: &[ContainerFacts],
        asked: Timestamp,
        now: Timestamp,
    ) -> Verdict {
        self.not_before(now);
        if ms_between(self.began, now) >= self.verify.gate.timeout_ms {
            let fresh = self.green.is_none().then_some(now);
            self.first_late.get_or_insert(fresh);
        }
        let mut not_green = Vec::new();
        let mut hopeless = Vec::new();
        let mut seen = BTreeMap::new();
        let verify = self.verify;
        for service in &verify.must {
            let mut all: Vec<_> = containers.iter().filter(|c| is_of(c, service)).collect();
            let none = (service.clone(), String::new());
            if all.is_empty() {
                not_green.push(format!("{service}: no container"));
                if self.red_for(none, now) >= self.patience() {
                    hopeless.push(format!("{service}: no container"));
                }
                continue;
            }
            if let Some(since) = self.red_since.remove(&none) {
                for c in &all {
                    self.red_since.entry(one(c)).or_insert(since);
                }
            }
            all.sort_by_key(|c| rank(colour(verify, c)));
            // All of them count, and the worst speaks.
            let mut worst = None;
            for c in all {
                let judged = self.container(c, now);
                worst = worst.or(judged.not_green);
                hopeless.extend(judged.hopeless);
                seen.extend(judged.green.map(|green| (one(c), green)));
            }
            not_green.extend(worst);
        }
        if !hopeless.is_empty() {
            return Verdict::Failed(hopeless);
        }
        if not_green.is_empty() {
            return self.hold(seen, containers, asked, now);
        }
        self.green = None;
        if ms_between(self.began, now) >= self.verify.gate.timeout_ms {
            return Verdict::Failed(not_green);
        }
        Verdict::Waiting(not_green.join("; "))
    }

    fn container(&mut self, c: &ContainerFacts, now: Timestamp) -> Judged {
        let (id, base) = self
            .restarts_at_start
            .entry(one(c))
            .or_insert_with(|| (c.id.clone(), c.restarts));
        if *id != c.id {
            (*id, *base) = (c.id.clone(), c.restarts);
        }
        let crashes = c.restarts.saturating_sub(*base);
        let colour = colour(self.verify, c);
        self.knows(c, colour, now);
        let mut out = Judged::default();
        match colour {
            Colour::Green | Colour::Finished => {
                self.red_since.remove(&one(c));
                out.green = Some(Seen {
                    container: c.id.clone(),
                    image: c.image_id.clone(),
                    restarts: c.restarts,
                    started_at: c.started_at.clone(),
                });
            }
            Colour::Yellow => {
                self.red_since.remove(&one(c));
                out.not_green = Some(format!("{}: starting", c.service));
            }
            Colour::Red => {
                out.not_green = Some(describe(c));
                let long = self.red_for(one(c), now) >= self.patience();
                if long && !self.may_come_up(c, now) {
                    out.hopeless.push(describe(c));
                }
            }
        }
        if crashes >= CRASH_LOOP {
            out.hopeless
                .push(format!("{}: restarted {crashes} times", c.service));
        }
        out
    }

    fn hold(
        &mut self,
        seen: BTreeMap<One, Seen>,
        containers: &[ContainerFacts],
        asked: Timestamp,
        now: Timestamp,
    ) -> Verdict {
        self.first_green.get_or_insert(now);
        let since = match &self.green {
            // The same containers without a restart in between: the clock goes on.
            Some((since, before)) if *before == seen => *since,
            _ => now,
        };
        self.green = Some((since, seen));
        let held = ms_between(since, asked);
        if held >= self.verify.gate.stable_ms {
            return Verdict::Passed {
                green_at: self.first_green.unwrap_or(since),
                still_red: self
                    .verify
                    .may_be_red
                    .iter()
                    .filter(|service| {
                        let mut all = containers.iter().filter(|c| is_of(c, service)).peekable();
                        all.peek().is_none() || all.any(|c| !c.colour().is_well())
                    })
                    .cloned()
                    .collect(),
            };
        }
        // Green came in time, or was there at the first look afterwards: it may hold longer than the timeout,
        // but not begin again for ever.
        if self.first_late != Some(Some(since))
            && ms_between(self.began, asked)
                >= self
                    .verify
                    .gate
                    .timeout_ms
                    .saturating_add(self.verify.gate.stable_ms)
        {
            return Verdict::Failed(vec![format!(
                "not green without a break for {} ms",
                self.verify.gate.stable_ms
            )]);
        }
        Verdict::Holding(held)
    }

    /// A wall clock that was set back: what was counted begins again now, so that nothing is said too early
    /// and the gate does not wait until the clock has caught up.
    fn not_before(&mut self, now: Timestamp) {
        self.began = self.began.min(now);
        if let Some((since, _)) = &mut self.green {
            *since = now.min(*since);
        }
        if let Some(Some(late)) = &mut self.first_late {
            *late = now.min(*late);
        }
        for since in self.red_since.values_mut() {
            *since = now.min(*since);
        }
    }

    /// How long red may last before it is final: as long as green must. Docker says `unhealthy` only after
    /// its own retries (Dockerfile reference, HEALTHCHECK), so this is a second look, not the first.
    fn patience(&self) -> u64 {
        self.verify
            .gate
            .stable_ms
            .max(1000)
            .min(self.verify.gate.timeout_ms)
    }

    /// Remembers a container from when it is first seen. One that starts anew is another one.
    fn knows(&mut self, c: &ContainerFacts, colour: Colour, now: Timestamp) {
        let run = format!("{} {} {}", c.id, c.started_at, c.restarts);
        let known = self.known.entry(one(c));
        let known = known.or_insert_with(|| (run.clone(), now, false));
        if known.0 != run {
            *known = (run, now, false);
        }
        known.1 = known.1.min(now);
        known.2 |= colour == Colour::Green;
    }

    /// Whether a red that runs may still be on its way up. One that ended, restarts, or was green in this gate is not.
    /// A declared probe has no retries of its own, so it is waited for. Docker's `unhealthy` has had a start period and
    /// retries (Dockerfile reference, HEALTHCHECK): it ends the wait unless the service declares a `start_period`.
    fn may_come_up(&self, c: &ContainerFacts, now: Timestamp) -> bool {
        let (Some((_, since, false)), Some(declared)) = (
            self.known.get(&one(c)),
            self.verify.declared.get(&c.service),
        ) else {
            return false;
        };
        if c.status != "running" || self.restarted(c) {
            return false;
        }
        match (declared.start_period_ms, c.health.as_deref()) {
            (Some(period), _) => ms_between(*since, now) < period,
            (None, Some("unhealthy")) => false,
            // `container: healthy` without a health check will never be so.
            (None, None) => !declared.container,
            (None, Some(_)) => true,
        }
    }

    fn restarted(&self, c: &ContainerFacts) -> bool {
        let start = self.restarts_at_start.get(&one(c));
        start.is_some_and(|(_, base)| c.restarts > *base)
    }

    fn red_for(&mut self, what: One, now: Timestamp) -> u64 {
        ms_between(*self.red_since.entry(what).or_insert(now), now)
    }
}

/// The worst first.
fn rank(colour: Colour) -> u8 {
    match colour {
        Colour::Red => 0,
        Colour::Yellow => 1,
        Colour::Finished => 2,
        Colour::Green => 3,
    }
}

/// What must run is no one-shot: that it ended well is not well.
fn colour(verify: &VerifyHealth, c: &ContainerFacts) -> Colour {
    match c.colour() {
        Colour::Finished if verify.must_run.contains(&c.service) => Colour::Red,
        other => other,
    }
}

fn is_of(c: &ContainerFacts, service: &ServiceName) -> bool {
    c.service == *service && !c.one_off
}

/// What must be green and is not, in this one look; empty where all is.
pub fn not_green(
    verify: &VerifyHealth,
    containers: &[ContainerFacts],
    now: Timestamp,
) -> Vec<String> {
    let mut at_once = verify.clone();
    at_once.gate.timeout_ms = 0;
    match Gate::new(&at_once, now).look(containers, now) {
        Verdict::Failed(why) => why,
        Verdict::Waiting(_) | Verdict::Holding(_) | Verdict::Passed { .. } => Vec::new(),
    }
}

fn describe(c: &ContainerFacts) -> String {
    let state = match (&c.health, c.running(), &c.probed) {
        (_, false, _) => format!("{} with code {}", c.status, c.exit_code),
        (_, true, Some(probed)) => probed.why.clone(),
        (Some(health), true, None) => health.clone(),
        (None, true, None) => "running".into(),
    };
    let log = c.health_log.trim();
    let log = if log.is_empty() {
        String::new()
    } else {
        format!(": {log}")
    };
    format!("{}: {state}{log}", c.service)
}

fn ms_between(from: Timestamp, to: Timestamp) -> u64 {
    u64::try_from(to.as_millisecond() - from.as_millisecond()).unwrap_or(0)
}

#[cfg(test)]
#[path = "gate_tests.rs"]
mod tests;
