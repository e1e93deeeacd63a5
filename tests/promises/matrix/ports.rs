//! The ports of the sandbox in memory, with a point before and behind each effect, and with faults.

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
use geusemaker::plan::Action;
use geusemaker::sandbox::host::memory::MemoryHost;
use geusemaker::sandbox::memory::MemoryCloud;
use geusemaker::sandbox::world::StateReason;

use super::bugs::Bug;
use super::fault::Kind;
use super::site::Site;
use super::tape::Shared;

/// EC2 and the host, watched.
pub struct Watched {
    pub cloud: MemoryCloud,
    pub host: MemoryHost<Site>,
    pub tape: Shared,
}

impl Watched {
    fn before(&self, call: &'static str, fits: fn(&Action) -> bool) -> Option<Kind> {
        self.tape.lock().expect("one thread").before(call, fits)
    }

    fn behind(&self, call: &'static str) {
        self.tape.lock().expect("one thread").after(call);
    }

    fn bug(&self) -> Option<Bug> {
        self.tape.lock().expect("one thread").bug
    }

    async fn on_cloud<T>(
        &self,
        call: &'static str,
        fits: fn(&Action) -> bool,
        effect: impl Future<Output = Result<T, CloudError>>,
    ) -> Result<T, CloudError> {
        let struck = self.before(call, fits);
        let answer = match struck {
            None => effect.await,
            Some(kind) if kind.happens() => effect.await.and(Err(kind.cloud())),
            Some(kind) => Err(kind.cloud()),
        };
        self.behind(call);
        answer
    }

    async fn on_host<T>(
        &self,
        call: &'static str,
        fits: fn(&Action) -> bool,
        effect: impl Future<Output = Result<T, HostError>>,
    ) -> Result<T, HostError> {
        let struck = self.before(call, fits);
        let answer = match struck {
            None => effect.await,
            Some(kind) if kind.happens() => effect.await.and(Err(kind.host())),
            Some(kind) => Err(kind.host()),
        };
        self.behind(call);
        answer
    }

    fn looks(&self) -> Result<(), HostError> {
        match self.tape.lock().expect("one thread").looks() {
            false => Ok(()),
            true => Err(HostError::Cloud(Kind::Expired.cloud())),
        }
    }
}

#[async_trait]
impl Ec2 for Watched {
    async fn instance(&self, id: &InstanceId) -> Result<Option<InstanceFacts>, CloudError> {
        if self.looks().is_err() {
            return Err(Kind::Expired.cloud());
        }
        let seen = self.cloud.instance(id).await?;
        match self.bug() {
            Some(bug) => Ok(seen.map(|s| bug.sees(&self.tape, s))),
            None => Ok(seen),
        }
    }
    async fn complete(&self, seen: InstanceFacts) -> Result<InstanceFacts, CloudError> {
        self.cloud.complete(seen).await
    }
    async fn types(&self, names: &[InstanceType]) -> Result<Vec<TypeFacts>, CloudError> {
        self.cloud.types(names).await
    }
    async fn offered(
        &self,
        names: &[InstanceType],
        zone: &str,
    ) -> Result<Vec<InstanceType>, CloudError> {
        self.cloud.offered(names, zone).await
    }
    async fn offered_like(
        &self,
        pattern: &str,
        zone: &str,
    ) -> Result<Vec<InstanceType>, CloudError> {
        self.cloud.offered_like(pattern, zone).await
    }
    async fn stop(&self, id: &InstanceId, force: bool) -> Result<(), CloudError> {
        let fits = |a: &Action| matches!(a, Action::StopInstance { .. });
        self.on_cloud("ec2:StopInstances", fits, self.cloud.stop(id, force))
            .await
    }
    async fn start(&self, id: &InstanceId) -> Result<(), CloudError> {
        let call = "ec2:StartInstances";
        match self.before(call, |a| matches!(a, Action::StartInstance {})) {
            Some(Kind::FallsBack) => {
                let reason = StateReason {
                    code: "Server.InternalError".into(),
                    message: "struck by the test".into(),
                };
                let site = Arc::clone(&self.tape.lock().expect("one thread").site);
                let started = site.at(|world, now| world.start_in_vain(id.as_str(), reason, now));
                started.map_err(|_| Kind::Refused.cloud())?;
                self.behind(call);
                Ok(())
            }
            struck => {
                let answer = match struck {
                    Some(kind) if !kind.happens() => Err(kind.cloud()),
                    Some(kind) => self.cloud.start(id).await.and(Err(kind.cloud())),
                    None => self.cloud.start(id).await,
                };
                self.behind(call);
                answer
            }
        }
    }
    async fn set_type(&self, id: &InstanceId, to: &InstanceType) -> Result<(), CloudError> {
        let fits = |a: &Action| matches!(a, Action::SetInstanceType { .. });
        let bug = self.bug();
        let to = bug.map_or(to.clone(), |bug| bug.sets(&self.tape, to));
        let effect = self.cloud.set_type(id, &to);
        self.on_cloud("ec2:ModifyInstanceAttribute", fits, effect)
            .await
    }
    async fn set_ebs_optimized(&self, id: &InstanceId, to: bool) -> Result<(), CloudError> {
        let fits = |a: &Action| matches!(a, Action::SetEbsOptimized { .. });
        let effect = self.cloud.set_ebs_optimized(id, to);
        self.on_cloud("ec2:ModifyInstanceAttribute", fits, effect)
            .await
    }
    async fn permits(&self, id: &InstanceId, effect: &Effect) -> Result<Permit, CloudError> {
        self.cloud.permits(id, effect).await
    }
    async fn status_checks(&self, id: &InstanceId) -> Result<StatusChecks, CloudError> {
        self.cloud.status_checks(id).await
    }
    async fn reserve(&self, ask: &Reserve) -> Result<Reservation, CloudError> {
        let fits = |a: &Action| matches!(a, Action::ReserveCapacity(_));
        let effect = self.cloud.reserve(ask);
        self.on_cloud("ec2:CreateCapacityReservation", fits, effect)
            .await
    }
    async fn reservations(&self, of: &WhichReservations) -> Result<Vec<Reservation>, CloudError> {
        self.cloud.reservations(of).await
    }
    async fn release(&self, id: &ReservationId) -> Result<(), CloudError> {
        let fits = |a: &Action| {
            // What was reserved to see what can be had is released at once.
            matches!(a, Action::ReleaseCapacity {} | Action::ReserveCapacity(_))
        };
        if self.bug() == Some(Bug::SaysReleased) {
            return Ok(());
        }
        let effect = self.cloud.release(id);
        self.on_cloud("ec2:CancelCapacityReservation", fits, effect)
            .await
    }
    async fn console(&self, id: &InstanceId) -> Result<Option<String>, CloudError> {
        self.cloud.console(id).await
    }
}

#[async_trait]
impl Host for Watched {
    async fn look(&self, on: &InstanceId, ask: &LookRequest) -> Result<HostFacts, HostError> {
        self.looks()?;
        self.host.look(on, ask).await
    }
    async fn order(
        &self,
        on: &InstanceId,
        tag: Option<&Tag>,
        ask: &OrderRequest,
    ) -> Result<OrderFacts, HostError> {
        self.host.order(on, tag, ask).await
    }
    async fn sample(
        &self,
        on: &InstanceId,
        ask: &SampleRequest,
    ) -> Result<Vec<FolderSeen>, HostError> {
        self.host.sample(on, ask).await
    }
    async fn probe(&self, on: &InstanceId, ask: &ProbeRequest) -> Result<ProbeFacts, HostError> {
        self.host.probe(on, ask).await
    }
    async fn mount(
        &self,
        on: &InstanceId,
        tag: Option<&Tag>,
        ask: &MountRequest,
    ) -> Result<MountFacts, HostError> {
        let effect = self.host.mount(on, tag, ask);
        match tag {
            None => effect.await,
            // The sentinel is written where the mount is looked at under the lock.
            Some(_) => {
                self.on_host(
                    "host:sentinel",
                    |a| matches!(a, Action::CheckMounts(_)),
                    effect,
                )
                .await
            }
        }
    }
    async fn hold(
        &self,
        on: &InstanceId,
        tag: Option<&Tag>,
        ask: &HoldRequest,
    ) -> Result<HoldFacts, HostError> {
        let effect = self.host.hold(on, tag, ask);
        let fits = |a: &Action| matches!(a, Action::HoldImages { .. });
        match tag {
            None => effect.await,
            Some(_) => self.on_host("host:hold", fits, effect).await,
        }
    }
    async fn start(&self, on: &InstanceId, tag: &Tag, job: &Job) -> Result<JobState, HostError> {
        let (call, fits): (_, fn(&Action) -> bool) = match job {
            Job::Pull { .. } => ("host:pull", |a| matches!(a, Action::PullImages { .. })),
            Job::Quiesce { .. } => ("host:quiesce", |a| matches!(a, Action::Quiesce { .. })),
            Job::Apply(_) => ("host:apply", |a| matches!(a, Action::ApplyImages(_))),
            Job::Restore(_) => ("host:restore", |a| matches!(a, Action::ApplyImages(_))),
        };
        let answer = self
            .on_host(call, fits, self.host.start(on, tag, job))
            .await;
        if let Some(bug) = self.bug() {
            bug.behind(&self.tape, call);
        }
        answer
    }
    async fn poll(&self, on: &InstanceId, tag: &Tag) -> Result<JobState, HostError> {
        self.looks()?;
        self.host.poll(on, tag).await
    }
    async fn arm(
        &self,
        on: &InstanceId,
        tag: &Tag,
        ask: &ArmRequest,
    ) -> Result<RestoreState, HostError> {
        if self.bug() == Some(Bug::NeverArms) {
            return Ok(RestoreState::Armed {
                operation: tag.operation.clone(),
                deadline: geusemaker::model::Timestamp::MAX,
            });
        }
        let fits = |a: &Action| matches!(a, Action::ArmRestore(_));
        self.on_host("host:arm", fits, self.host.arm(on, tag, ask))
            .await
    }
    async fn commit(&self, on: &InstanceId, tag: &Tag) -> Result<RestoreState, HostError> {
        if self.bug() == Some(Bug::NeverDisarms) {
            return Ok(RestoreState::Idle);
        }
        let fits = |a: &Action| matches!(a, Action::CommitHost {});
        self.on_host("host:commit", fits, self.host.commit(on, tag))
            .await
    }
}
