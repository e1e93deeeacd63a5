//! The ports of the sandbox in memory, with a point before and behind each effect, and with faults.

use std::sync::Arc;

use async_trait::async_trait;
use geusemaker::cloud::{CloudError, Ec2, Reservation, Reserve};
use geusemaker::host::{
    ArmRequest, HoldFacts, HoldRequest, Host, HostError, Job, JobState, MountRequest, Tag,
};
use geusemaker::model::{
    InstanceFacts, InstanceId, InstanceType, MountFacts, ReservationId, RestoreState,
};
use geusemaker::plan::Action;
use geusemaker::sandbox::host::memory::MemoryHost;
use geusemaker::sandbox::memory::MemoryCloud;
use geusemaker::sandbox::world::StateReason;

use super::bugs::Bug;
use super::fault::Kind;
use super::site::Site;
use super::tape::Shared;
use crate::support::over::{Ec2Over, HostOver};

/// EC2 and the host, watched.
pub struct Watched {
    pub cloud: MemoryCloud,
    pub host: MemoryHost<Site>,
    pub tape: Shared,
}

impl Watched {
    fn begins(&self, call: &'static str, fits: fn(&Action) -> bool) -> Option<Kind> {
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
        let struck = self.begins(call, fits);
        self.answers(call, struck.map(|k| (k, k.cloud())), effect)
            .await
    }

    async fn on_host<T>(
        &self,
        call: &'static str,
        fits: fn(&Action) -> bool,
        effect: impl Future<Output = Result<T, HostError>>,
    ) -> Result<T, HostError> {
        let struck = self.begins(call, fits);
        self.answers(call, struck.map(|k| (k, k.host())), effect)
            .await
    }

    /// The effect and its answer, as far as the fault lets them be.
    async fn answers<T, E>(
        &self,
        call: &'static str,
        struck: Option<(Kind, E)>,
        effect: impl Future<Output = Result<T, E>>,
    ) -> Result<T, E> {
        let answer = match struck {
            None => effect.await,
            Some((kind, error)) if kind.happens() => effect.await.and(Err(error)),
            Some((_, error)) => Err(error),
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
impl Ec2Over for Watched {
    fn ec2(&self) -> &dyn Ec2 {
        &self.cloud
    }
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
    async fn stop(&self, id: &InstanceId, force: bool) -> Result<(), CloudError> {
        let fits = |a: &Action| matches!(a, Action::StopInstance { .. });
        self.on_cloud("ec2:StopInstances", fits, self.cloud.stop(id, force))
            .await
    }
    async fn start(&self, id: &InstanceId) -> Result<(), CloudError> {
        let call = "ec2:StartInstances";
        match self.begins(call, |a| matches!(a, Action::StartInstance {})) {
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
                let struck = struck.map(|k| (k, k.cloud()));
                self.answers(call, struck, self.cloud.start(id)).await
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
    async fn reserve(&self, ask: &Reserve) -> Result<Reservation, CloudError> {
        let fits = |a: &Action| matches!(a, Action::ReserveCapacity(_));
        let effect = self.cloud.reserve(ask);
        self.on_cloud("ec2:CreateCapacityReservation", fits, effect)
            .await
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
}

#[async_trait]
impl HostOver for Watched {
    fn below(&self) -> &dyn Host {
        &self.host
    }
    fn before(&self) -> Result<(), HostError> {
        self.looks()
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
