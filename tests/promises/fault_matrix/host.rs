//! The host in memory behind the real channel: what is asked of it goes as a command through Run Command, by the real
//! adapter, and is done when the agent runs that command. Only the script is another: its text is left to the tests of the
//! scripts.

use std::pin::pin;
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll, Waker};

use async_trait::async_trait;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use geusemaker::cloud::{Agent, Clock};
use geusemaker::host::{
    ArmRequest, ChannelLimits, HoldFacts, HoldRequest, Host, HostError, Job, JobState, LookRequest,
    MountRequest, OrderFacts, OrderRequest, ProbeFacts, ProbeRequest, RunCommandHost,
    SampleRequest, Tag,
};
use geusemaker::model::{FolderSeen, HostFacts, InstanceId, MountFacts, OperationId, RestoreState};
use sha2::{Digest, Sha256};

use super::line::Line;

/// What every command prints: an answer of `commit`.
pub fn reply() -> String {
    let document = format!("{{\"restore\":\"{}\"}}", STANDARD.encode("idle"));
    let sum: String = Sha256::digest(document.as_bytes())
        .iter()
        .map(|b| format!("{b:02x}"))
        .collect();
    let length = document.len();
    format!("{document}\ngeusemaker-reply 1 0 {length} {length} {sum}\n")
}

pub struct Behind {
    line: Line,
    channel: RunCommandHost,
    host: Arc<dyn Host>,
}

impl Behind {
    pub fn new(
        line: &Line,
        agent: Arc<dyn Agent>,
        host: Arc<dyn Host>,
        clock: Arc<dyn Clock>,
    ) -> Self {
        Self {
            line: line.clone(),
            channel: RunCommandHost::new(agent, clock, ChannelLimits::default()),
            host,
        }
    }

    /// Sends a command; whoever runs it does this. It is done as often as a command arrives.
    async fn through<T: Send + 'static>(
        &self,
        on: &InstanceId,
        work: impl Fn() -> Result<T, HostError> + Send + 'static,
    ) -> Result<T, HostError> {
        let done: Arc<Mutex<Option<Result<T, HostError>>>> = Arc::default();
        let result = Arc::clone(&done);
        let work = Box::new(move || *result.lock().expect("no panic") = Some(work()));
        self.line.works(Some(work));
        let tag = Tag {
            fence: 1,
            seq: 1,
            operation: OperationId::new("op-1").expect("an id"),
        };
        let sent = self.channel.commit(on, &tag).await;
        self.line.works(None);
        sent?;
        let done = done.lock().expect("no panic").take();
        done.expect("a command that ended well was run")
    }
}

/// The host in memory never waits.
fn at_once<T>(work: impl Future<Output = T>) -> T {
    match pin!(work).poll(&mut Context::from_waker(Waker::noop())) {
        Poll::Ready(done) => done,
        Poll::Pending => panic!("the host in memory waits"),
    }
}

macro_rules! through {
    ($self:ident, $on:ident, $verb:ident($($arg:ident),*)) => {{
        let (host, at) = (Arc::clone(&$self.host), $on.clone());
        $(let $arg = $arg.to_owned();)*
        $self.through($on, move || at_once(host.$verb(&at, $(&$arg),*))).await
    }};
}

#[async_trait]
impl Host for Behind {
    async fn look(&self, on: &InstanceId, ask: &LookRequest) -> Result<HostFacts, HostError> {
        through!(self, on, look(ask))
    }
    async fn mount(
        &self,
        on: &InstanceId,
        tag: Option<&Tag>,
        ask: &MountRequest,
    ) -> Result<MountFacts, HostError> {
        let (host, at, tag, ask) = (self.host.clone(), on.clone(), tag.cloned(), ask.clone());
        let work = move || at_once(host.mount(&at, tag.as_ref(), &ask));
        self.through(on, work).await
    }
    async fn sample(
        &self,
        on: &InstanceId,
        ask: &SampleRequest,
    ) -> Result<Vec<FolderSeen>, HostError> {
        through!(self, on, sample(ask))
    }
    async fn probe(&self, on: &InstanceId, ask: &ProbeRequest) -> Result<ProbeFacts, HostError> {
        through!(self, on, probe(ask))
    }
    async fn order(
        &self,
        on: &InstanceId,
        tag: Option<&Tag>,
        ask: &OrderRequest,
    ) -> Result<OrderFacts, HostError> {
        let (host, at, tag, ask) = (self.host.clone(), on.clone(), tag.cloned(), ask.clone());
        let work = move || at_once(host.order(&at, tag.as_ref(), &ask));
        self.through(on, work).await
    }
    async fn hold(
        &self,
        on: &InstanceId,
        tag: Option<&Tag>,
        ask: &HoldRequest,
    ) -> Result<HoldFacts, HostError> {
        let (host, at, tag, ask) = (self.host.clone(), on.clone(), tag.cloned(), ask.clone());
        let work = move || at_once(host.hold(&at, tag.as_ref(), &ask));
        self.through(on, work).await
    }
    async fn start(&self, on: &InstanceId, tag: &Tag, job: &Job) -> Result<JobState, HostError> {
        through!(self, on, start(tag, job))
    }
    async fn poll(&self, on: &InstanceId, tag: &Tag) -> Result<JobState, HostError> {
        through!(self, on, poll(tag))
    }
    async fn arm(
        &self,
        on: &InstanceId,
        tag: &Tag,
        ask: &ArmRequest,
    ) -> Result<RestoreState, HostError> {
        through!(self, on, arm(tag, ask))
    }
    async fn commit(&self, on: &InstanceId, tag: &Tag) -> Result<RestoreState, HostError> {
        through!(self, on, commit(tag))
    }
}
