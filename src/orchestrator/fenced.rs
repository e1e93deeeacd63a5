//! EC2 behind the lock: no effect is sent once it is lost.

use std::sync::Arc;

use async_trait::async_trait;

use super::hold::Guard;
use crate::cloud::{
    CloudError, Ec2, Effect, Reservation, Reserve, StatusChecks, WhichReservations,
};
use crate::model::{InstanceFacts, InstanceId, InstanceType, Permit, ReservationId, TypeFacts};

/// Looks pass; before each effect the guard is asked. EC2 itself checks no fencing number.
pub(super) struct FencedEc2 {
    pub ec2: Arc<dyn Ec2>,
    pub guard: Arc<dyn Guard>,
}

impl FencedEc2 {
    async fn allowed(&self, call: &'static str) -> Result<(), CloudError> {
        let asked = self.guard.check().await;
        asked.map_err(|trouble| trouble.into_cloud(call))
    }
}

#[async_trait]
impl Ec2 for FencedEc2 {
    async fn instance(&self, id: &InstanceId) -> Result<Option<InstanceFacts>, CloudError> {
        self.ec2.instance(id).await
    }

    async fn complete(&self, seen: InstanceFacts) -> Result<InstanceFacts, CloudError> {
        self.ec2.complete(seen).await
    }

    async fn types(&self, names: &[InstanceType]) -> Result<Vec<TypeFacts>, CloudError> {
        self.ec2.types(names).await
    }

    async fn offered(
        &self,
        names: &[InstanceType],
        zone: &str,
    ) -> Result<Vec<InstanceType>, CloudError> {
        self.ec2.offered(names, zone).await
    }

    async fn offered_like(
        &self,
        pattern: &str,
        zone: &str,
    ) -> Result<Vec<InstanceType>, CloudError> {
        self.ec2.offered_like(pattern, zone).await
    }

    async fn stop(&self, id: &InstanceId, force: bool) -> Result<(), CloudError> {
        self.allowed("ec2:StopInstances").await?;
        self.ec2.stop(id, force).await
    }

    async fn start(&self, id: &InstanceId) -> Result<(), CloudError> {
        self.allowed("ec2:StartInstances").await?;
        self.ec2.start(id).await
    }

    async fn set_type(&self, id: &InstanceId, to: &InstanceType) -> Result<(), CloudError> {
        self.allowed("ec2:ModifyInstanceAttribute").await?;
        self.ec2.set_type(id, to).await
    }

    async fn set_ebs_optimized(&self, id: &InstanceId, to: bool) -> Result<(), CloudError> {
        self.allowed("ec2:ModifyInstanceAttribute").await?;
        self.ec2.set_ebs_optimized(id, to).await
    }

    async fn permits(&self, id: &InstanceId, effect: &Effect) -> Result<Permit, CloudError> {
        self.ec2.permits(id, effect).await
    }

    async fn status_checks(&self, id: &InstanceId) -> Result<StatusChecks, CloudError> {
        self.ec2.status_checks(id).await
    }

    async fn reserve(&self, ask: &Reserve) -> Result<Reservation, CloudError> {
        self.allowed("ec2:CreateCapacityReservation").await?;
        self.ec2.reserve(ask).await
    }

    async fn reservations(&self, of: &WhichReservations) -> Result<Vec<Reservation>, CloudError> {
        self.ec2.reservations(of).await
    }

    async fn release(&self, id: &ReservationId) -> Result<(), CloudError> {
        self.allowed("ec2:CancelCapacityReservation").await?;
        self.ec2.release(id).await
    }

    async fn console(&self, id: &InstanceId) -> Result<Option<String>, CloudError> {
        self.ec2.console(id).await
    }
}
