//! The health that services declare, asked on the host.

use std::collections::BTreeMap;

use super::perform::Performer;
use super::world::World;
use crate::health::{Answers, Declared, asked_of, attach, declared, questions, sorted};
use crate::host::{HostError, HostProbe, ProbeFacts, ProbeRequest};
use crate::journal::Failure;
use crate::model::{ContainerFacts, InstanceId, Probed, ProjectFacts, ServiceName, Timestamp};

/// What to ask of these services, and how many questions each has.
fn request<'s>(
    services: impl Iterator<Item = &'s ServiceName>,
    all: &Declared,
    containers: &[ContainerFacts],
) -> (Vec<(ServiceName, usize)>, Vec<HostProbe>) {
    let (mut counts, mut probes) = (Vec::new(), Vec::new());
    for service in services {
        if let (Some(one), Some(container)) = (all.get(service), asked_of(service, containers)) {
            let questions = questions(one, Some(container));
            counts.push((service.clone(), questions.len()));
            probes.extend(questions);
        }
    }
    (counts, probes)
}

/// Asks once what the project's file declares, and writes it into the containers. What cannot be read declares
/// nothing: the rules say so.
pub(super) async fn ask_once(
    world: &World,
    on: &InstanceId,
    project: &mut ProjectFacts,
) -> Result<(), HostError> {
    let Some(all) = project.texts().and_then(|texts| declared(&texts).ok()) else {
        return Ok(());
    };
    let (counts, probes) = request(all.keys(), &all, &project.containers);
    let answers = if probes.is_empty() {
        Vec::new()
    } else {
        let ask = ProbeRequest {
            probes,
            logs: vec![],
        };
        world.host.probe(on, &ask).await?.probes
    };
    attach(&mut project.containers, &all, &sorted(&counts, answers));
    Ok(())
}

/// What was answered last, in one gate.
#[derive(Default)]
pub(super) struct Asked {
    /// Of each service: when, which run of which container, and the answers.
    last: BTreeMap<ServiceName, (Timestamp, String, Vec<Probed>)>,
}

/// One run of a container: another one has answered nothing yet.
fn run_of(c: &ContainerFacts) -> String {
    format!("{} {} {}", c.id, c.started_at, c.restarts)
}

impl Asked {
    /// The services whose turn it is: their interval has passed, or their container started anew.
    fn due<'d>(
        &self,
        all: &'d Declared,
        containers: &[ContainerFacts],
        now: Timestamp,
    ) -> Vec<&'d ServiceName> {
        let is_due = |(service, one): &(&ServiceName, &crate::model::DeclaredHealth)| {
            let run = asked_of(service, containers).map(run_of);
            match (self.last.get(*service), run) {
                (_, None) => false,
                (None, _) => true,
                (Some((at, before, _)), Some(run)) => {
                    let passed = now.as_millisecond().saturating_sub(at.as_millisecond());
                    // A clock that was set back asks again too.
                    let waited = u64::try_from(passed).is_ok_and(|ms| ms < one.interval_ms);
                    !waited || *before != run
                }
            }
        };
        all.iter()
            .filter(is_due)
            .map(|(service, _)| service)
            .collect()
    }

    fn keep(&mut self, answers: Answers, containers: &[ContainerFacts], now: Timestamp) {
        for (service, answers) in answers {
            if let Some(c) = asked_of(&service, containers) {
                self.last.insert(service, (now, run_of(c), answers));
            }
        }
    }

    /// Whether every answer is of this very look.
    pub(super) fn is_fresh(&self, since: Timestamp) -> bool {
        self.last.values().all(|(at, _, _)| *at >= since)
    }

    fn answers(&self) -> Answers {
        let last = self.last.iter();
        last.map(|(service, (_, _, answers))| (service.clone(), answers.clone()))
            .collect()
    }
}

impl Performer<'_> {
    /// Asks whose turn it is (or, with `all_of_them`, everyone), and writes all that is known into the containers.
    pub(super) async fn ask_due(
        &self,
        on: &InstanceId,
        all: &Declared,
        asked: &mut Asked,
        containers: &mut [ContainerFacts],
        all_of_them: bool,
    ) -> Result<(), Failure> {
        let now = self.world.clock.now();
        let due = if all_of_them {
            all.keys().collect()
        } else {
            asked.due(all, containers, now)
        };
        let (counts, probes) = request(due.into_iter(), all, containers);
        let answers = if probes.is_empty() {
            Vec::new()
        } else {
            let ask = ProbeRequest {
                probes,
                logs: vec![],
            };
            self.probe(on, &ask).await?.probes
        };
        asked.keep(sorted(&counts, answers), containers, now);
        attach(containers, all, &asked.answers());
        Ok(())
    }

    /// Asks, with the patience of a look.
    async fn probe(&self, on: &InstanceId, ask: &ProbeRequest) -> Result<ProbeFacts, Failure> {
        let mut silence = None;
        loop {
            match self.world.host.probe(on, ask).await {
                Ok(facts) => return Ok(facts),
                Err(error) => {
                    let what = "the host cannot be asked for the health of its services";
                    self.wait_out(on, what, &error, &mut silence).await?;
                }
            }
        }
    }

    /// The last lines of the containers that failed, before anything is undone. What cannot be had is left out.
    pub(super) async fn last_words(
        &self,
        on: &InstanceId,
        failed: &[&ContainerFacts],
    ) -> Vec<String> {
        let mut failed = failed.to_vec();
        failed.truncate(3);
        let ask = ProbeRequest {
            probes: vec![],
            logs: failed.iter().map(|c| c.name.clone()).collect(),
        };
        let said = match self.world.host.probe(on, &ask).await {
            Ok(facts) => facts.logs,
            Err(_) => Vec::new(),
        };
        let lines = |(c, log): (&&ContainerFacts, &String)| {
            let lines = log.lines().filter(|l| !l.trim().is_empty());
            lines
                .map(|line| format!("{} said: {}", c.service, line.trim_end()))
                .collect::<Vec<_>>()
        };
        failed.iter().zip(&said).flat_map(lines).collect()
    }
}
