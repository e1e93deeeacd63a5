//! A host over a host, an EC2 over an EC2: what it does not do itself, the one below does.

use std::sync::Arc;

use async_trait::async_trait;
use geusemaker::cloud::{
    CloudError, Ec2, Effect, Reservation, Reserve, StatusChecks, WhichReservations,
};
use geusemaker::host::{
    ArmRequest, HoldFacts, HoldRequest, Host, HostError, Job, JobState, LookRequest, MountRequest,
    OrderFacts, OrderRequest, ProbeFacts, ProbeRequest, SampleRequest, Tag,
};
use geusemaker::model::{
    FolderSeen, HostFacts, InstanceFacts, InstanceId, InstanceType, MountFacts, Permit,
    ReservationId, RestoreState, TypeFacts,
};

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

/// What EC2 does otherwise. Calls that nobody has to change are not here.
#[async_trait]
pub trait Ec2Over: Send + Sync {
    /// The EC2 below.
    fn ec2(&self) -> &dyn Ec2;
    /// Before each call; its error is the answer.
    fn reach(&self) -> Result<(), CloudError> {
        Ok(())
    }
    async fn instance(&self, id: &InstanceId) -> Result<Option<InstanceFacts>, CloudError> {
        self.ec2().instance(id).await
    }
    async fn stop(&self, id: &InstanceId, force: bool) -> Result<(), CloudError> {
        self.ec2().stop(id, force).await
    }
    async fn start(&self, id: &InstanceId) -> Result<(), CloudError> {
        self.ec2().start(id).await
    }
    async fn set_type(&self, id: &InstanceId, to: &InstanceType) -> Result<(), CloudError> {
        self.ec2().set_type(id, to).await
    }
    async fn set_ebs_optimized(&self, id: &InstanceId, to: bool) -> Result<(), CloudError> {
        self.ec2().set_ebs_optimized(id, to).await
    }
    async fn reserve(&self, ask: &Reserve) -> Result<Reservation, CloudError> {
        self.ec2().reserve(ask).await
    }
    async fn release(&self, id: &ReservationId) -> Result<(), CloudError> {
        self.ec2().release(id).await
    }
}

/// The whole port.
pub struct OverEc2<T>(pub Arc<T>);

#[async_trait]
impl<T: Ec2Over> Ec2 for OverEc2<T> {
    async fn instance(&self, id: &InstanceId) -> Result<Option<InstanceFacts>, CloudError> {
        self.0.reach()?;
        self.0.instance(id).await
    }
    async fn complete(&self, seen: InstanceFacts) -> Result<InstanceFacts, CloudError> {
        self.0.reach()?;
        self.0.ec2().complete(seen).await
    }
    async fn types(&self, names: &[InstanceType]) -> Result<Vec<TypeFacts>, CloudError> {
        self.0.reach()?;
        self.0.ec2().types(names).await
    }
    async fn offered(
        &self,
        names: &[InstanceType],
        zone: &str,
    ) -> Result<Vec<InstanceType>, CloudError> {
        self.0.reach()?;
        self.0.ec2().offered(names, zone).await
    }
    async fn offered_like(
        &self,
        pattern: &str,
        zone: &str,
    ) -> Result<Vec<InstanceType>, CloudError> {
        self.0.reach()?;
        self.0.ec2().offered_like(pattern, zone).await
    }
    async fn stop(&self, id: &InstanceId, force: bool) -> Result<(), CloudError> {
        self.0.reach()?;
        self.0.stop(id, force).await
    }
    async fn start(&self, id: &InstanceId) -> Result<(), CloudError> {
        self.0.reach()?;
        self.0.start(id).await
    }
    async fn set_type(&self, id: &InstanceId, to: &InstanceType) -> Result<(), CloudError> {
        self.0.reach()?;
        self.0.set_type(id, to).await
    }
    async fn set_ebs_optimized(&self, id: &InstanceId, to: bool) -> Result<(), CloudError> {
        self.0.reach()?;
        self.0.set_ebs_optimized(id, to).await
    }
    async fn permits(&self, id: &InstanceId, effect: &Effect) -> Result<Permit, CloudError> {
        self.0.reach()?;
        self.0.ec2().permits(id, effect).await
    }
    async fn status_checks(&self, id: &InstanceId) -> Result<StatusChecks, CloudError> {
        self.0.reach()?;
        self.0.ec2().status_checks(id).await
    }
    async fn reserve(&self, ask: &Reserve) -> Result<Reservation, CloudError> {
        self.0.reach()?;
        self.0.reserve(ask).await
    }
    async fn reservations(&self, of: &WhichReservations) -> Result<Vec<Reservation>, CloudError> {
        self.0.reach()?;
        self.0.ec2().reservations(of).await
    }
    async fn release(&self, id: &ReservationId) -> Result<(), CloudError> {
        self.0.reach()?;
        self.0.release(id).await
    }
    async fn console(&self, id: &InstanceId) -> Result<Option<String>, CloudError> {
        self.0.reach()?;
        self.0.ec2().console(id).await
    }
}
