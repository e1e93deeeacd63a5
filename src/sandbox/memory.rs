//! The cloud ports straight on the world, without a wire: the world of the fast tests.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
use jiff::SignedDuration;

use super::catalog;
use super::wire::fits;
use super::world::{
    Attribute, AwsError, CapacityReservation, CreateReservation, PutParameter, World,
};
use crate::cloud::aws::kind_of;
use crate::cloud::{
    Clock, CloudError, CloudErrorKind, Ec2, Effect, Efs, Parameter, Parameters, Reservation,
    Reserve, StatusChecks, WhichReservations, permit,
};
use crate::model::{
    FileSystemFacts, FileSystemId, InstanceFacts, InstanceId, InstanceType, Permit, ReservationId,
    Timestamp, TypeFacts,
};

/// A clock of its own: whoever sleeps moves it on, at once.
#[derive(Debug, Clone)]
pub struct VirtualClock(Arc<Mutex<Timestamp>>);

impl VirtualClock {
    /// A clock that stands at this moment.
    pub fn at(now: Timestamp) -> Self {
        Self(Arc::new(Mutex::new(now)))
    }

    /// Moves it on.
    pub fn advance(&self, by: Duration) {
        let mut now = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        *now += SignedDuration::try_from(by).unwrap_or(SignedDuration::MAX);
    }
}

#[async_trait]
impl Clock for VirtualClock {
    fn now(&self) -> Timestamp {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    async fn sleep(&self, how_long: Duration) {
        self.advance(how_long);
        tokio::task::yield_now().await;
    }
}

/// [`Ec2`], [`Efs`] and [`Parameters`] on a world in memory. Faults strike as they do on the wire.
#[derive(Clone)]
pub struct MemoryCloud {
    world: Arc<Mutex<World>>,
    clock: Arc<dyn Clock>,
}

impl MemoryCloud {
    /// The ports of this world, at this clock's time.
    pub fn new(world: Arc<Mutex<World>>, clock: Arc<dyn Clock>) -> Self {
        Self { world, clock }
    }

    fn with<T>(
        &self,
        call: &'static str,
        f: impl FnOnce(&mut World, Timestamp) -> Result<T, AwsError>,
    ) -> Result<T, CloudError> {
        let mut world: MutexGuard<'_, World> =
            self.world.lock().unwrap_or_else(PoisonError::into_inner);
        let now = self.clock.now();
        world.advance(now);
        f(&mut world, now).map_err(|e| cloud_error(call, e))
    }
}

#[async_trait]
impl Ec2 for MemoryCloud {
    async fn instance(&self, id: &InstanceId) -> Result<Option<InstanceFacts>, CloudError> {
        let call = "ec2:DescribeInstances";
        absent(self.with(call, |world, _| {
            world.gate_ids(call, &[id.as_str()], false)?;
            let (account, region) = (world.account.clone(), world.region.clone());
            Ok(world.instance(id.as_str())?.facts(&account, &region))
        }))
    }

    async fn complete(&self, seen: InstanceFacts) -> Result<InstanceFacts, CloudError> {
        let call = "ec2:DescribeInstanceAttribute";
        let asked = self.with(call, |world, _| {
            world.gate_ids(call, &[seen.id.as_str()], false)?;
            Ok(world.instance(seen.id.as_str())?.complete(seen.clone()))
        });
        match asked {
            Err(e) if e.stops_everything() => Err(e),
            // What may not be read stays unknown.
            asked => Ok(asked.unwrap_or(seen)),
        }
    }

    async fn types(&self, names: &[InstanceType]) -> Result<Vec<TypeFacts>, CloudError> {
        let call = "ec2:DescribeInstanceTypes";
        self.with(call, |world, _| {
            let asked: Vec<&str> = names.iter().map(InstanceType::as_str).collect();
            world.gate(call, &asked, false)?;
            Ok(asked
                .into_iter()
                .filter_map(catalog::find)
                .map(catalog::Row::facts)
                .collect())
        })
    }

    async fn offered(
        &self,
        names: &[InstanceType],
        zone: &str,
    ) -> Result<Vec<InstanceType>, CloudError> {
        let call = "ec2:DescribeInstanceTypeOfferings";
        self.with(call, |world, _| {
            let asked: Vec<&str> = names.iter().map(InstanceType::as_str).collect();
            world.gate(call, &asked, false)?;
            Ok(names
                .iter()
                .filter(|name| catalog::find(name.as_str()).is_some_and(|row| row.offered_in(zone)))
                .cloned()
                .collect())
        })
    }

    async fn offered_like(
        &self,
        pattern: &str,
        zone: &str,
    ) -> Result<Vec<InstanceType>, CloudError> {
        let call = "ec2:DescribeInstanceTypeOfferings";
        self.with(call, |world, _| {
            world.gate(call, &[], false)?;
            Ok(catalog::all()
                .filter(|row| row.offered_in(zone) && fits(pattern, row.name))
                .map(|row| row.facts().name)
                .collect())
        })
    }

    async fn stop(&self, id: &InstanceId, force: bool) -> Result<(), CloudError> {
        self.with("ec2:StopInstances", |world, now| {
            world.stop_instances(&[id.as_str()], force, false, now)
        })
        .map(drop)
    }

    async fn start(&self, id: &InstanceId) -> Result<(), CloudError> {
        self.with("ec2:StartInstances", |world, now| {
            world.start_instances(&[id.as_str()], false, now)
        })
        .map(drop)
    }

    async fn set_type(&self, id: &InstanceId, to: &InstanceType) -> Result<(), CloudError> {
        self.with("ec2:ModifyInstanceAttribute", |world, _| {
            let attribute = Attribute::InstanceType(to.to_string());
            world.modify_instance(id.as_str(), &attribute, false)
        })
    }

    async fn set_ebs_optimized(&self, id: &InstanceId, to: bool) -> Result<(), CloudError> {
        self.with("ec2:ModifyInstanceAttribute", |world, _| {
            world.modify_instance(id.as_str(), &Attribute::EbsOptimized(to), false)
        })
    }

    async fn permits(&self, id: &InstanceId, effect: &Effect) -> Result<Permit, CloudError> {
        let answer = self.with(effect.call(), |world, now| {
            let ids = [id.as_str()];
            match effect {
                Effect::Stop => world.stop_instances(&ids, false, true, now).map(drop),
                Effect::Start => world.start_instances(&ids, true, now).map(drop),
                Effect::SetType(to) => {
                    let attribute = Attribute::InstanceType(to.to_string());
                    world.modify_instance(id.as_str(), &attribute, true)
                }
                Effect::SetEbsOptimized(to) => {
                    world.modify_instance(id.as_str(), &Attribute::EbsOptimized(*to), true)
                }
                Effect::Reserve(ask) => world.create_reservation(&asked(ask), true, now).map(drop),
            }
        });
        permit(answer)
    }

    async fn status_checks(&self, id: &InstanceId) -> Result<StatusChecks, CloudError> {
        let call = "ec2:DescribeInstanceStatus";
        self.with(call, |world, now| {
            world.gate_ids(call, &[id.as_str()], false)?;
            Ok(world.instance(id.as_str())?.status_checks(now))
        })
    }

    async fn reserve(&self, ask: &Reserve) -> Result<Reservation, CloudError> {
        self.with("ec2:CreateCapacityReservation", |world, now| {
            let made = world.create_reservation(&asked(ask), false, now)?;
            Ok(reservation(world, &made))
        })
    }

    async fn reservations(&self, of: &WhichReservations) -> Result<Vec<Reservation>, CloudError> {
        let call = "ec2:DescribeCapacityReservations";
        self.with(call, |world, _| {
            world.gate(call, &[], false)?;
            let all = world.reservations.values();
            let wanted = all.filter(|r| match of {
                WhichReservations::Ids(ids) => ids.contains(&r.id),
                WhichReservations::Of(owner) => {
                    let tag =
                        |(key, value): (&str, &str)| r.tags.get(key).is_some_and(|v| v == value);
                    r.is_active() && owner.tags().into_iter().all(tag)
                }
            });
            Ok(wanted.map(|r| reservation(world, r)).collect())
        })
    }

    async fn release(&self, id: &ReservationId) -> Result<(), CloudError> {
        self.with("ec2:CancelCapacityReservation", |world, now| {
            world.cancel_reservation(id.as_str(), false, now)
        })
    }

    async fn console(&self, id: &InstanceId) -> Result<Option<String>, CloudError> {
        let call = "ec2:GetConsoleOutput";
        self.with(call, |world, _| {
            world.gate_ids(call, &[id.as_str()], false)?;
            Ok(world.instance(id.as_str())?.console())
        })
    }
}

fn asked(ask: &Reserve) -> CreateReservation {
    let tags = ask.owner.tags().into_iter();
    CreateReservation {
        instance_type: ask.instance_type.to_string(),
        zone: ask.zone.clone(),
        platform: ask.platform.clone(),
        tenancy: ask.tenancy.clone(),
        count: 1,
        ebs_optimized: false,
        ends_at: Some(ask.ends_at),
        criteria: "open".into(),
        token: Some(ask.token.clone()),
        tags: tags.map(|(k, v)| (k.to_owned(), v.to_owned())).collect(),
    }
}

fn reservation(world: &World, r: &CapacityReservation) -> Reservation {
    Reservation {
        id: r.id.clone(),
        instance_type: r.instance_type.clone(),
        state: r.state.clone(),
        total: r.total,
        available: world.available(r),
        ends_at: r.ends_at,
    }
}

#[async_trait]
impl Efs for MemoryCloud {
    async fn file_system(&self, id: &FileSystemId) -> Result<Option<FileSystemFacts>, CloudError> {
        absent(
            self.with("elasticfilesystem:DescribeFileSystems", |world, _| {
                world.gate("elasticfilesystem:DescribeFileSystems", &[], false)?;
                world.gate("elasticfilesystem:DescribeMountTargets", &[], false)?;
                Ok(world.file_system(id.as_str())?.facts())
            }),
        )
    }
}

impl MemoryCloud {
    fn put(&self, kind: Option<&str>, name: &str, value: &str) -> Result<u64, CloudError> {
        let call = "ssm:PutParameter";
        self.with(call, |world, now| {
            world.gate(call, &[], false)?;
            let ask = PutParameter {
                name: name.into(),
                kind: kind.map(str::to_owned),
                value: value.into(),
                overwrite: kind.is_none(),
            };
            world.put_parameter(&ask, now)
        })
    }
}

#[async_trait]
impl Parameters for MemoryCloud {
    async fn create(&self, name: &str, value: &str) -> Result<bool, CloudError> {
        match self.put(Some("String"), name, value) {
            Ok(_) => Ok(true),
            Err(e) if e.code.as_deref() == Some("ParameterAlreadyExists") => Ok(false),
            Err(e) => Err(e),
        }
    }

    async fn overwrite(&self, name: &str, value: &str) -> Result<(), CloudError> {
        self.put(None, name, value).map(drop)
    }

    async fn by_path(&self, path: &str) -> Result<Vec<Parameter>, CloudError> {
        let call = "ssm:GetParametersByPath";
        self.with(call, |world, _| {
            world.gate(call, &[], false)?;
            let found = world.parameters_by_path(path, false)?;
            Ok(found
                .into_iter()
                .map(|p| Parameter {
                    name: p.name.clone(),
                    value: p.value.clone(),
                })
                .collect())
        })
    }

    async fn delete(&self, name: &str) -> Result<(), CloudError> {
        let call = "ssm:DeleteParameter";
        absent(self.with(call, |world, now| {
            world.gate(call, &[], false)?;
            world.delete_parameter(name, now)
        }))
        .map(drop)
    }
}

/// What does not exist is an answer, not a failure.
fn absent<T>(answer: Result<T, CloudError>) -> Result<Option<T>, CloudError> {
    match answer {
        Ok(found) => Ok(Some(found)),
        Err(e) if e.kind == CloudErrorKind::NotFound => Ok(None),
        Err(e) => Err(e),
    }
}

fn cloud_error(call: &'static str, error: AwsError) -> CloudError {
    CloudError {
        call,
        kind: kind_of(Some(&error.code), &error.message, 400),
        code: Some(error.code),
        message: error.message,
        request_id: None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::RunState;
    use crate::sandbox::fault::Fault;
    use crate::sandbox::world::{SEED_FILE_SYSTEM, SEED_INSTANCE};

    fn cloud() -> (MemoryCloud, Arc<Mutex<World>>, VirtualClock) {
        let clock = VirtualClock::at("2026-11-20T10:00:00Z".parse().unwrap());
        let world = Arc::new(Mutex::new(World::new(clock.now())));
        let cloud = MemoryCloud::new(world.clone(), Arc::new(clock.clone()));
        (cloud, world, clock)
    }

    fn id() -> InstanceId {
        InstanceId::new(SEED_INSTANCE).unwrap()
    }

    #[tokio::test]
    async fn an_instance_becomes_another_type_through_the_ports() {
        let (cloud, _, clock) = cloud();
        let large = InstanceType::new("t3.large").unwrap();
        cloud.stop(&id(), false).await.unwrap();
        let early = cloud.set_type(&id(), &large).await.unwrap_err();
        assert_eq!(early.kind, CloudErrorKind::WrongState);
        clock.sleep(Duration::from_secs(1)).await;
        cloud.set_type(&id(), &large).await.unwrap();
        cloud.start(&id()).await.unwrap();
        assert_eq!(
            cloud.status_checks(&id()).await.unwrap().instance,
            "initializing"
        );
        clock.sleep(Duration::from_secs(1)).await;
        let facts = cloud.instance(&id()).await.unwrap().unwrap();
        assert_eq!(
            (facts.state, facts.instance_type),
            (RunState::Running, large)
        );
        assert_eq!(cloud.status_checks(&id()).await.unwrap().instance, "ok");
    }

    #[tokio::test]
    async fn what_does_not_exist_is_absent() {
        let (cloud, _, _) = cloud();
        let nobody = InstanceId::new("i-0123456789abcdef0").unwrap();
        assert_eq!(cloud.instance(&nobody).await.unwrap(), None);
        assert_eq!(
            cloud.start(&nobody).await.unwrap_err().kind,
            CloudErrorKind::NotFound
        );
        let nothing = FileSystemId::new("fs-00000000").unwrap();
        assert_eq!(cloud.file_system(&nothing).await.unwrap(), None);
        let known = FileSystemId::new(SEED_FILE_SYSTEM).unwrap();
        assert_eq!(
            cloud
                .file_system(&known)
                .await
                .unwrap()
                .unwrap()
                .mount_targets
                .len(),
            6
        );
        let asked = ["t3.large", "t3.enormous"].map(|t| InstanceType::new(t).unwrap());
        let types = cloud.types(&asked).await.unwrap();
        assert_eq!(types.len(), 1);
        assert_eq!(types[0].name, asked[0]);
        assert_eq!(
            cloud.offered(&asked, "us-east-1a").await.unwrap(),
            [asked[0].clone()]
        );
        assert_eq!(cloud.offered(&asked, "us-east-1e").await.unwrap(), []);
    }

    #[tokio::test]
    async fn a_fault_strikes_with_its_kind() {
        for (code, kind) in [
            ("InsufficientInstanceCapacity", CloudErrorKind::Capacity),
            ("VcpuLimitExceeded", CloudErrorKind::Capacity),
            ("UnauthorizedOperation", CloudErrorKind::Denied),
            ("ExpiredToken", CloudErrorKind::Credentials),
            ("AuthFailure", CloudErrorKind::Credentials),
            ("RequestLimitExceeded", CloudErrorKind::Throttled),
            ("InvalidParameterValue", CloudErrorKind::Inconsistent),
            ("InternalError", CloudErrorKind::Other),
        ] {
            let (cloud, world, _) = cloud();
            world.lock().unwrap().faults.0.push(Fault {
                key: "ec2:StartInstances".into(),
                instance_type: None,
                code: code.into(),
                times: Some(1),
            });
            let error = cloud.start(&id()).await.unwrap_err();
            assert_eq!((error.kind, error.code.as_deref()), (kind, Some(code)));
            assert_eq!(error.call, "ec2:StartInstances");
            cloud.start(&id()).await.unwrap();
        }
    }
}
