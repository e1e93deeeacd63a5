//! [`Host`] over Run Command: sends a script, waits for its output, reads the reply.

mod limits;
mod request;
mod run;
pub(crate) mod shell;

pub use limits::ChannelLimits;

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex};

use async_trait::async_trait;

use super::envelope::{Gather, Next, parse_slice};
use super::reply::{
    parse_hold, parse_job, parse_look, parse_mount, parse_order, parse_probe, parse_put,
    parse_restore, parse_sample,
};
use super::scripts::Verb;
use super::{
    ArmRequest, HoldFacts, HoldRequest, Host, HostError, Input, Job, JobState, LookRequest,
    MountRequest, OrderFacts, OrderRequest, ProbeFacts, ProbeRequest, SampleRequest, Tag,
};
use crate::cloud::{Agent, Clock};
use crate::model::{FolderSeen, HostFacts, InstanceId, MountFacts, RestoreState};

/// A host, asked through the agent that runs on it.
pub struct RunCommandHost {
    agent: Arc<dyn Agent>,
    clock: Arc<dyn Clock>,
    limits: ChannelLimits,
    /// Hosts that have answered: their agent is not asked for a ping before each send.
    known: Mutex<BTreeSet<InstanceId>>,
}

impl RunCommandHost {
    /// A host behind this agent.
    pub fn new(agent: Arc<dyn Agent>, clock: Arc<dyn Clock>, limits: ChannelLimits) -> Self {
        Self {
            agent,
            clock,
            limits,
            known: Mutex::default(),
        }
    }

    /// Runs a script to its end, slice by slice, and gives the checked document. Every script may be run
    /// again: it changes nothing, or knows its tag.
    async fn document(
        &self,
        on: &InstanceId,
        verb: Verb,
        tag: Option<&Tag>,
        input: Input,
        more_s: u32,
    ) -> Result<String, HostError> {
        let mut gather = Gather::default();
        let mut offset = 0;
        loop {
            let input = input.clone().text("offset", &offset.to_string());
            let output = self.run(on, verb, tag, &verb.with(&input), more_s).await?;
            match gather.take(verb, parse_slice(verb, &output)?)? {
                Next::Ask(next) => offset = next,
                Next::Whole(document) => return Ok(document),
            }
        }
    }

    /// Puts a text on the host, part by part.
    async fn put(&self, on: &InstanceId, tag: &Tag, parts: Vec<Input>) -> Result<(), HostError> {
        let last = parts.len();
        for (part, input) in parts.into_iter().enumerate() {
            let document = self.document(on, Verb::Put, Some(tag), input, 0).await?;
            if parse_put(tag.fence, &document)? {
                break;
            }
            if part + 1 == last {
                return Err(HostError::Garbled {
                    verb: Verb::Put.name(),
                    expected: "done after the last part".into(),
                    found: "part".into(),
                });
            }
        }
        Ok(())
    }

    /// Asks what needs our program on the host; one that does not have it is given it, and asked again.
    async fn with_program<T>(
        &self,
        on: &InstanceId,
        verb: Verb,
        tag: &Tag,
        input: Input,
        parse: impl Fn(&str) -> Result<T, HostError> + Send + Sync,
    ) -> Result<T, HostError> {
        let document = self.document(on, verb, Some(tag), input.clone(), 0).await?;
        match parse(&document) {
            Err(HostError::Script { code, .. }) if code == NO_PROGRAM => {}
            answer => return answer,
        }
        self.put(on, tag, request::program(tag)).await?;
        parse(&self.document(on, verb, Some(tag), input, 0).await?)
    }
}

/// A host without the program of jobs says so: a new one, a folder that was wiped, a newer program.
const NO_PROGRAM: &str = "no_program";

#[async_trait]
impl Host for RunCommandHost {
    async fn look(&self, on: &InstanceId, ask: &LookRequest) -> Result<HostFacts, HostError> {
        let input = request::look(ask)?;
        let verb = match ask.pending {
            Some(_) => Verb::LookMade,
            None => Verb::Look,
        };
        let document = self.document(on, verb, None, input, 0).await?;
        parse_look(ask, &document)
    }

    async fn mount(
        &self,
        on: &InstanceId,
        tag: Option<&Tag>,
        ask: &MountRequest,
    ) -> Result<MountFacts, HostError> {
        let input = request::mount(tag, ask)?;
        // Two probes, one after the other.
        let more_s = ask.limit_s.saturating_mul(2);
        let document = self.document(on, Verb::Mount, tag, input, more_s).await?;
        parse_mount(tag.map(|t| t.fence), &document)
    }

    async fn sample(
        &self,
        on: &InstanceId,
        ask: &SampleRequest,
    ) -> Result<Vec<FolderSeen>, HostError> {
        let input = request::sample(ask)?;
        let document = self
            .document(on, Verb::Sample, None, input, ask.limit_s)
            .await?;
        parse_sample(ask, &document)
    }

    async fn probe(&self, on: &InstanceId, ask: &ProbeRequest) -> Result<ProbeFacts, HostError> {
        let input = request::probe(ask)?;
        let document = self.document(on, Verb::Probe, None, input, 0).await?;
        parse_probe(ask, &document)
    }

    async fn order(
        &self,
        on: &InstanceId,
        tag: Option<&Tag>,
        ask: &OrderRequest,
    ) -> Result<OrderFacts, HostError> {
        let input = request::order(tag, ask)?;
        let document = self.document(on, Verb::Order, tag, input, 0).await?;
        parse_order(tag.map(|t| t.fence), &document)
    }

    async fn hold(
        &self,
        on: &InstanceId,
        tag: Option<&Tag>,
        ask: &HoldRequest,
    ) -> Result<HoldFacts, HostError> {
        let input = request::hold(tag, ask)?;
        let document = self.document(on, Verb::Hold, tag, input, 0).await?;
        parse_hold(tag.map(|t| t.fence), &document)
    }

    async fn start(&self, on: &InstanceId, tag: &Tag, job: &Job) -> Result<JobState, HostError> {
        let request = request::start(tag, job)?;
        for parts in request.texts {
            self.put(on, tag, parts).await?;
        }
        let parse = |document: &str| parse_job(Verb::Start, tag.fence, document);
        self.with_program(on, Verb::Start, tag, request.start, parse)
            .await
    }

    async fn poll(&self, on: &InstanceId, tag: &Tag) -> Result<JobState, HostError> {
        let input = request::tag_lines(tag);
        let document = self.document(on, Verb::Poll, Some(tag), input, 0).await?;
        parse_job(Verb::Poll, tag.fence, &document)
    }

    async fn arm(
        &self,
        on: &InstanceId,
        tag: &Tag,
        ask: &ArmRequest,
    ) -> Result<RestoreState, HostError> {
        let input = request::arm(tag, ask)?;
        let parse = |document: &str| parse_restore(Verb::Arm, tag.fence, document);
        self.with_program(on, Verb::Arm, tag, input, parse).await
    }

    async fn commit(&self, on: &InstanceId, tag: &Tag) -> Result<RestoreState, HostError> {
        let input = request::tag_lines(tag);
        let document = self.document(on, Verb::Commit, Some(tag), input, 0).await?;
        parse_restore(Verb::Commit, tag.fence, &document)
    }
}

/// The lines of a sample, for tests of the script alone.
#[cfg(test)]
pub(crate) fn sample_input(ask: &SampleRequest) -> Input {
    request::sample(ask).expect("it fits")
}

/// The lines of a probe, for tests of the script alone.
#[cfg(test)]
pub(crate) fn probe_input(ask: &ProbeRequest) -> Input {
    request::probe(ask).expect("it fits")
}

#[cfg(test)]
mod tests;
