//! An EC2 that answers from a script, for tests.

use std::collections::VecDeque;
use std::sync::Mutex;
use std::time::Duration;

use async_trait::async_trait;

use crate::cloud::{
    CloudError, CloudErrorKind, Ec2, Effect, Reservation, Reserve, StatusChecks, WhichReservations,
};
use crate::model::{
    InstanceFacts, InstanceId, InstanceType, Permit, ReservationId, RunState, TypeFacts,
};

pub const S: Duration = Duration::from_secs(1);

/// What EC2 answers to one look.
pub type Look = Result<Option<InstanceFacts>, CloudError>;

/// Looks and answers come from a script; the last look repeats for ever.
#[derive(Default)]
pub struct Scripted {
    pub looks: Mutex<VecDeque<Look>>,
    pub checks: Mutex<VecDeque<Result<StatusChecks, CloudError>>>,
    /// To one effect each, whatever it is; then they all succeed.
    pub replies: Mutex<VecDeque<Result<(), CloudError>>>,
    /// This effect, always.
    pub refuse: Option<(&'static str, CloudError)>,
    /// Effects in order, those included that failed.
    pub did: Mutex<Vec<String>>,
}

impl Scripted {
    pub fn looks(looks: impl IntoIterator<Item = Look>) -> Self {
        Self {
            looks: Mutex::new(looks.into_iter().collect()),
            ..Self::default()
        }
    }

    pub fn did(&self) -> Vec<String> {
        self.did.lock().unwrap().clone()
    }

    fn act(&self, what: String) -> Result<(), CloudError> {
        let refused = self.refuse.as_ref().filter(|(on, _)| *on == what);
        self.did.lock().unwrap().push(what.clone());
        match refused {
            Some((_, e)) => Err(e.clone()),
            None => self.replies.lock().unwrap().pop_front().unwrap_or(Ok(())),
        }
    }
}

fn next<T: Clone>(from: &Mutex<VecDeque<T>>) -> T {
    let mut from = from.lock().unwrap();
    if from.len() > 1 {
        from.pop_front().unwrap()
    } else {
        from.front().expect("a script").clone()
    }
}

#[async_trait]
impl Ec2 for Scripted {
    async fn instance(&self, _: &InstanceId) -> Look {
        next(&self.looks)
    }
    async fn complete(&self, _: InstanceFacts) -> Result<InstanceFacts, CloudError> {
        unreachable!("not asked by the service")
    }
    async fn types(&self, _: &[InstanceType]) -> Result<Vec<TypeFacts>, CloudError> {
        unreachable!("not asked by the service")
    }
    async fn offered(&self, _: &[InstanceType], _: &str) -> Result<Vec<InstanceType>, CloudError> {
        unreachable!("not asked by the service")
    }
    async fn stop(&self, _: &InstanceId, force: bool) -> Result<(), CloudError> {
        self.act(if force { "stop --force" } else { "stop" }.to_owned())
    }
    async fn start(&self, _: &InstanceId) -> Result<(), CloudError> {
        self.act("start".to_owned())
    }
    async fn set_type(&self, _: &InstanceId, to: &InstanceType) -> Result<(), CloudError> {
        self.act(format!("set_type {to}"))
    }
    async fn set_ebs_optimized(&self, _: &InstanceId, to: bool) -> Result<(), CloudError> {
        self.act(format!("set_ebs_optimized {to}"))
    }
    async fn permits(&self, _: &InstanceId, _: &Effect) -> Result<Permit, CloudError> {
        unreachable!("not asked by the service")
    }
    async fn status_checks(&self, _: &InstanceId) -> Result<StatusChecks, CloudError> {
        next(&self.checks)
    }
    async fn offered_like(&self, _: &str, _: &str) -> Result<Vec<InstanceType>, CloudError> {
        unreachable!("not asked by the service")
    }
    async fn reserve(&self, _: &Reserve) -> Result<Reservation, CloudError> {
        unreachable!("not asked by the service")
    }
    async fn reservations(&self, _: &WhichReservations) -> Result<Vec<Reservation>, CloudError> {
        unreachable!("not asked by the service")
    }
    async fn release(&self, _: &ReservationId) -> Result<(), CloudError> {
        unreachable!("not asked by the service")
    }

    async fn console(&self, _: &InstanceId) -> Result<Option<String>, CloudError> {
        unreachable!("not asked by the service")
    }
}

pub fn id() -> InstanceId {
    InstanceId::new("i-0123456789abcdef0").unwrap()
}

pub fn type_(name: &str) -> InstanceType {
    InstanceType::new(name).unwrap()
}

pub fn facts(state: RunState, type_name: &str, reason: Option<&str>) -> InstanceFacts {
    InstanceFacts {
        id: id(),
        account: "123456789012".into(),
        region: "us-east-1".into(),
        zone: "us-east-1a".into(),
        instance_type: type_(type_name),
        state,
        state_reason: reason.map(str::to_owned),
        architecture: "x86_64".into(),
        virtualization: "hvm".into(),
        boot_mode: None,
        root_device_type: "ebs".into(),
        ena_support: true,
        ebs_optimized: false,
        network_interfaces: 1,
        network_cards: 1,
        volumes: 1,
        spot: false,
        spot_request: None,
        hibernation: false,
        stop_protection: Some(false),
        auto_scaling_group: None,
        auto_scaling: None,
        operator_managed: false,
        tenancy: "default".into(),
        placement_group: None,
        public_ip: None,
        elastic_ip: false,
        private_ip: None,
        launched_at: None,
        platform: "Linux/UNIX".into(),
        reservation_preference: None,
        reservation: None,
    }
}

pub fn is(state: RunState) -> Look {
    Ok(Some(facts(state, "t3.medium", None)))
}

pub fn stopped_as(type_name: &str) -> Look {
    Ok(Some(facts(RunState::Stopped, type_name, None)))
}

pub fn because(state: RunState, reason: &str) -> Look {
    Ok(Some(facts(state, "t3.medium", Some(reason))))
}

pub fn error(kind: CloudErrorKind, code: &str) -> CloudError {
    CloudError {
        call: "ec2:Test",
        code: Some(code.to_owned()),
        message: "no".into(),
        request_id: None,
        kind,
    }
}

pub fn launch_plan() -> CloudError {
    error(CloudErrorKind::Inconsistent, "InvalidParameterValue")
}

/// Runs one verb over a script with a virtual clock: the answer, and the seconds it took.
macro_rules! run {
    ($ec2:expr, |$service:ident| $verb:expr) => {
        run!($ec2, Settings::default(), |$service| $verb)
    };
    ($ec2:expr, $settings:expr, |$service:ident| $verb:expr) => {{
        let clock = VirtualClock::new();
        let $service = InstanceService {
            ec2: &$ec2,
            clock: &clock,
            settings: $settings,
            progress: &|_| {},
        };
        let answer = $verb.await;
        (answer, clock.elapsed().as_secs())
    }};
}
pub(super) use run;
