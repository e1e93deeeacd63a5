//! The ports of one machine, with what goes wrong on them: the k-th call fails, is the last one (its process is
//! killed), or something else happens first. And the watch over who writes.

use std::sync::atomic::{AtomicBool, AtomicI64, Ordering};
use std::sync::{Arc, Mutex};

use async_trait::async_trait;
use geusemaker::cloud::{
    CloudError, CloudErrorKind, Ec2, Effect, Efs, Parameter, Parameters, Reservation, Reserve,
    StatusChecks, WhichReservations,
};
use geusemaker::host::{
    ArmRequest, HoldFacts, HoldRequest, Host, HostError, Job, JobState, LookRequest, MountRequest,
    OrderFacts, OrderRequest, ProbeFacts, ProbeRequest, SampleRequest, Tag,
};
use geusemaker::model::{
    FileSystemFacts, FileSystemId, FolderSeen, HostFacts, InstanceFacts, InstanceId, InstanceType,
    MountFacts, Permit, ReservationId, RestoreState, TypeFacts,
};
use geusemaker::orchestrator::World;
use geusemaker::sandbox::rig::Memory;
use serde_json::Value;
use tokio::sync::Notify;

/// Before the effect of a call, or after it, with its answer lost.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum When {
    Before,
    After,
}

/// How a call fails.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Why {
    Denied,
    Internal,
    Expired,
    Silent,
}

/// What happens at the k-th call.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum What {
    Nothing,
    /// It fails; `true`: and so does each later call of that name.
    Fails(When, Why, bool),
    /// The process is killed there.
    Killed(When),
    /// Something else happens before it goes on.
    Meanwhile,
}

/// What goes wrong during one command.
pub struct Trouble {
    left: AtomicI64,
    /// Only effects are counted.
    effects: bool,
    what: What,
    dead: AtomicBool,
    name: Mutex<Option<&'static str>>,
    /// The k-th call was reached.
    pub reached: Notify,
    /// What was to happen meanwhile has happened.
    pub go: Notify,
}

impl Trouble {
    pub fn new(at: i64, effects: bool, what: What) -> Arc<Self> {
        Arc::new(Self {
            left: AtomicI64::new(at),
            effects,
            what,
            dead: AtomicBool::new(false),
            name: Mutex::new(None),
            reached: Notify::new(),
            go: Notify::new(),
        })
    }

    /// Whether the k-th call was reached.
    pub fn struck(&self) -> bool {
        self.what != What::Nothing && self.left.load(Ordering::SeqCst) <= 0
    }

    async fn killed(&self) -> ! {
        self.dead.store(true, Ordering::SeqCst);
        self.reached.notify_one();
        std::future::pending().await
    }
}

struct Ports {
    plain: World,
    memory: Arc<Memory>,
    trouble: Arc<Trouble>,
}

/// The world of this machine, in trouble.
pub fn troubled(plain: &World, memory: &Arc<Memory>, trouble: &Arc<Trouble>) -> World {
    let ports = Arc::new(Ports {
        plain: plain.clone(),
        memory: Arc::clone(memory),
        trouble: Arc::clone(trouble),
    });
    World {
        ec2: ports.clone(),
        efs: ports.clone(),
        parameters: ports.clone(),
        host: ports,
        ..plain.clone()
    }
}

/// The machine that holds the lease.
pub fn holder(memory: &Memory) -> Option<String> {
    let world = memory.world();
    let all = world.parameters.all.values();
    let leases = all.filter_map(|p| Some((&p.name, serde_json::from_str::<Value>(&p.value).ok()?)));
    let counting = leases.filter(|(_, l)| l["phase"] == "held" || l["phase"] == "released");
    let (_, newest) = counting.max_by_key(|(name, _)| (*name).clone())?;
    let holds = newest["phase"] == "held";
    holds.then(|| newest["host"].as_str().unwrap_or_default().to_owned())
}

impl Ports {
    async fn call<T, E: Struck>(
        &self,
        name: &'static str,
        effect: bool,
        call: impl Future<Output = Result<T, E>>,
    ) -> Result<T, E> {
        let trouble = &self.trouble;
        if trouble.dead.load(Ordering::SeqCst) {
            return std::future::pending().await;
        }
        let counts = effect || !trouble.effects;
        let hit = counts && trouble.left.fetch_sub(1, Ordering::SeqCst) == 1;
        let again = !hit && *trouble.name.lock().expect("a name") == Some(name);
        match trouble.what {
            What::Killed(When::Before) if hit => trouble.killed().await,
            What::Meanwhile if hit => {
                trouble.reached.notify_one();
                trouble.go.notified().await;
            }
            What::Fails(When::Before, why, _) if hit => {
                self.always(name);
                return Err(E::struck(name, why));
            }
            What::Fails(_, why, _) if again => return Err(E::struck(name, why)),
            _ => {}
        }
        // The one call before which it was frozen, after its last question: that window is in docs/guarantees.md.
        if effect && !hit {
            self.may_write(name);
        }
        let answer = call.await;
        match trouble.what {
            What::Killed(When::After) if hit => trouble.killed().await,
            What::Fails(When::After, why, _) if hit => {
                self.always(name);
                answer.and(Err(E::struck(name, why)))
            }
            _ => answer,
        }
    }

    fn always(&self, name: &'static str) {
        if let What::Fails(_, _, true) = self.trouble.what {
            *self.trouble.name.lock().expect("a name") = Some(name);
        }
    }

    /// Nobody writes but the holder of the lease. Where the lease itself could not be had (a fault), only the lock of
    /// the machine is left: that is said, and not looked at here.
    fn may_write(&self, name: &str) {
        if matches!(self.trouble.what, What::Fails(..)) {
            return;
        }
        let (holds, who) = (holder(&self.memory), &self.plain.owner.1);
        assert_eq!(
            holds.as_ref(),
            Some(who),
            "{who} calls {name} and does not hold the lease"
        );
    }
}

trait Struck {
    fn struck(call: &'static str, why: Why) -> Self;
}

impl Struck for CloudError {
    fn struck(call: &'static str, why: Why) -> Self {
        let (kind, code) = match why {
            Why::Denied => (CloudErrorKind::Denied, "OperationNotPermitted"),
            Why::Internal => (CloudErrorKind::Other, "InternalError"),
            Why::Expired => (CloudErrorKind::Credentials, "ExpiredToken"),
            Why::Silent => (CloudErrorKind::Unreachable, "no answer"),
        };
        Self {
            call,
            kind,
            code: Some(code.into()),
            message: "struck by the test".into(),
            request_id: None,
        }
    }
}

impl Struck for HostError {
    fn struck(call: &'static str, why: Why) -> Self {
        let message = "struck by the test".to_owned();
        match why {
            Why::Denied => Self::Script {
                verb: call,
                code: "struck".into(),
                message,
            },
            Why::Internal => Self::Garbled {
                verb: call,
                expected: "a document".into(),
                found: message,
            },
            Why::Expired => Self::Cloud(CloudError::struck(call, why)),
            Why::Silent => Self::Unreachable(message),
        }
    }
}

/// A port whose calls all go through [`Ports::call`]: `effect => name(arguments) -> answer`.
macro_rules! port {
    ($port:ident($field:ident): $error:ty { $($effect:expr => $name:ident($($arg:ident: $kind:ty),*) -> $out:ty;)* }) => {
        #[async_trait]
        impl $port for Ports {
            $(async fn $name(&self, $($arg: $kind),*) -> Result<$out, $error> {
                let effect = { let sees: fn($(&$kind),*) -> bool = $effect; sees($(&$arg),*) };
                self.call(stringify!($name), effect, self.plain.$field.$name($($arg),*)).await
            })*
        }
    };
}

port!(Efs(efs): CloudError {
    |_| false => file_system(id: &FileSystemId) -> Option<FileSystemFacts>;
});

port!(Parameters(parameters): CloudError {
    |_, _| false => create(name: &str, value: &str) -> bool;
    |_, _| false => overwrite(name: &str, value: &str) -> ();
    |_| false => by_path(path: &str) -> Vec<Parameter>;
    |_| false => delete(name: &str) -> ();
});

port!(Ec2(ec2): CloudError {
    |_| false => instance(id: &InstanceId) -> Option<InstanceFacts>;
    |_| false => complete(seen: InstanceFacts) -> InstanceFacts;
    |_| false => types(names: &[InstanceType]) -> Vec<TypeFacts>;
    |_, _| false => offered(names: &[InstanceType], zone: &str) -> Vec<InstanceType>;
    |_, _| false => offered_like(pattern: &str, zone: &str) -> Vec<InstanceType>;
    |_, _| true => stop(id: &InstanceId, force: bool) -> ();
    |_| true => start(id: &InstanceId) -> ();
    |_, _| true => set_type(id: &InstanceId, to: &InstanceType) -> ();
    |_, _| true => set_ebs_optimized(id: &InstanceId, to: bool) -> ();
    |_, _| false => permits(id: &InstanceId, effect: &Effect) -> Permit;
    |_| false => status_checks(id: &InstanceId) -> StatusChecks;
    |_| true => reserve(ask: &Reserve) -> Reservation;
    |_| false => reservations(of: &WhichReservations) -> Vec<Reservation>;
    |_| true => release(id: &ReservationId) -> ();
    |_| false => console(id: &InstanceId) -> Option<String>;
});

port!(Host(host): HostError {
    |_, _| false => look(on: &InstanceId, ask: &LookRequest) -> HostFacts;
    |_, _| false => sample(on: &InstanceId, ask: &SampleRequest) -> Vec<FolderSeen>;
    |_, _| false => probe(on: &InstanceId, ask: &ProbeRequest) -> ProbeFacts;
    |_, tag, _| tag.is_some() => mount(on: &InstanceId, tag: Option<&Tag>, ask: &MountRequest) -> MountFacts;
    |_, tag, _| tag.is_some() => order(on: &InstanceId, tag: Option<&Tag>, ask: &OrderRequest) -> OrderFacts;
    |_, tag, _| tag.is_some() => hold(on: &InstanceId, tag: Option<&Tag>, ask: &HoldRequest) -> HoldFacts;
    |_, _, _| true => start(on: &InstanceId, tag: &Tag, job: &Job) -> JobState;
    |_, _| false => poll(on: &InstanceId, tag: &Tag) -> JobState;
    |_, _, _| true => arm(on: &InstanceId, tag: &Tag, ask: &ArmRequest) -> RestoreState;
    |_, _| true => commit(on: &InstanceId, tag: &Tag) -> RestoreState;
});
