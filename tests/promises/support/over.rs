//! A host over a host: what it does not do itself, the one below does.

use std::sync::Arc;

use async_trait::async_trait;
use geusemaker::host::{
    ArmRequest, HoldFacts, HoldRequest, Host, HostError, Job, JobState, LookRequest, MountRequest,
    OrderFacts, OrderRequest, ProbeFacts, ProbeRequest, SampleRequest, Tag,
};
use geusemaker::model::{FolderSeen, HostFacts, InstanceId, MountFacts, RestoreState};

/// What is done otherwise. Verbs that nobody has to change are not here.
#[async_trait]
pub trait HostOver: Send + Sync {
    /// The host below.
    fn below(&self) -> &dyn Host;
    /// Before each verb; its error is the answer.
    fn before(&self) -> Result<(), HostError> {
        Ok(())
    }
    async fn mount(
        &self,
        on: &InstanceId,
        tag: Option<&Tag>,
        ask: &MountRequest,
    ) -> Result<MountFacts, HostError> {
        self.below().mount(on, tag, ask).await
    }
    async fn hold(
        &self,
        on: &InstanceId,
        tag: Option<&Tag>,
        ask: &HoldRequest,
    ) -> Result<HoldFacts, HostError> {
        self.below().hold(on, tag, ask).await
    }
    async fn start(&self, on: &InstanceId, tag: &Tag, job: &Job) -> Result<JobState, HostError> {
        self.below().start(on, tag, job).await
    }
    async fn poll(&self, on: &InstanceId, tag: &Tag) -> Result<JobState, HostError> {
        self.below().poll(on, tag).await
    }
    async fn arm(
        &self,
        on: &InstanceId,
        tag: &Tag,
        ask: &ArmRequest,
    ) -> Result<RestoreState, HostError> {
        self.below().arm(on, tag, ask).await
    }
    async fn commit(&self, on: &InstanceId, tag: &Tag) -> Result<RestoreState, HostError> {
        self.below().commit(on, tag).await
    }
}

/// The whole port.
pub struct Over<T>(pub Arc<T>);

#[async_trait]
impl<T: HostOver> Host for Over<T> {
    async fn look(&self, on: &InstanceId, ask: &LookRequest) -> Result<HostFacts, HostError> {
        self.0.before()?;
        self.0.below().look(on, ask).await
    }
    async fn sample(
        &self,
        on: &InstanceId,
        ask: &SampleRequest,
    ) -> Result<Vec<FolderSeen>, HostError> {
        self.0.before()?;
        self.0.below().sample(on, ask).await
    }
    async fn probe(&self, on: &InstanceId, ask: &ProbeRequest) -> Result<ProbeFacts, HostError> {
        self.0.before()?;
        self.0.below().probe(on, ask).await
    }
    async fn order(
        &self,
        on: &InstanceId,
        tag: Option<&Tag>,
        ask: &OrderRequest,
    ) -> Result<OrderFacts, HostError> {
        self.0.before()?;
        self.0.below().order(on, tag, ask).await
    }
    async fn mount(
        &self,
        on: &InstanceId,
        tag: Option<&Tag>,
        ask: &MountRequest,
    ) -> Result<MountFacts, HostError> {
        self.0.before()?;
        self.0.mount(on, tag, ask).await
    }
    async fn hold(
        &self,
        on: &InstanceId,
        tag: Option<&Tag>,
        ask: &HoldRequest,
    ) -> Result<HoldFacts, HostError> {
        self.0.before()?;
        self.0.hold(on, tag, ask).await
    }
    async fn start(&self, on: &InstanceId, tag: &Tag, job: &Job) -> Result<JobState, HostError> {
        self.0.before()?;
        self.0.start(on, tag, job).await
    }
    async fn poll(&self, on: &InstanceId, tag: &Tag) -> Result<JobState, HostError> {
        self.0.before()?;
        self.0.poll(on, tag).await
    }
    async fn arm(
        &self,
        on: &InstanceId,
        tag: &Tag,
        ask: &ArmRequest,
    ) -> Result<RestoreState, HostError> {
        self.0.before()?;
        self.0.arm(on, tag, ask).await
    }
    async fn commit(&self, on: &InstanceId, tag: &Tag) -> Result<RestoreState, HostError> {
        self.0.before()?;
        self.0.commit(on, tag).await
    }
}
