//! The account, and the wire between it and each operator: calls that are refused, lost, late, or done with their
//! answer lost.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_trait::async_trait;
use geusemaker::cloud::{Clock, CloudError, CloudErrorKind, Parameter, Parameters};
use geusemaker::model::{DeploymentName, Timestamp};
use geusemaker::sandbox::memory::MemoryCloud;
use geusemaker::sandbox::world::World;
use geusemaker::state::lease::{Leases, Phase};

use super::history::History;
use super::sim::{Sim, Span, at_once};

/// What happens to calls in a stretch of time.
#[derive(Debug, Clone, Copy)]
pub enum How {
    /// No way out: an error at once.
    Refused,
    /// Nothing arrives; an error after the time limit.
    Lost,
    /// It is done, and its answer is lost. Half of them are sent again, as the SDK does.
    Unanswered,
    /// It is done long after its sender has given up.
    Late,
}

/// The time limit of a call, in milliseconds.
const LIMIT: u64 = 5_000;

/// A cut of the wire.
#[derive(Debug, Clone, Copy)]
pub struct Cut {
    pub span: Span,
    pub how: How,
}

/// A clock of an operator: the wall clock jumps, and what it was awake does not.
pub struct OwnClock {
    pub sim: Arc<Sim>,
    pub operator: usize,
    /// From so many milliseconds on it is wrong by so many.
    pub jumps: Vec<(u64, i64)>,
}

/// 2026-11-20T10:00:00Z.
const BEGAN: i64 = 1_795_168_800_000;

fn moment(ms: i64) -> Timestamp {
    Timestamp::from_millisecond(BEGAN + ms).expect("a moment")
}

#[async_trait]
impl Clock for OwnClock {
    fn now(&self) -> Timestamp {
        let now = self.sim.now();
        let wrong = self.jumps.iter().rfind(|(from, _)| *from <= now);
        moment(i64::try_from(now).expect("some minutes") + wrong.map_or(0, |w| w.1))
    }

    fn awake(&self) -> Duration {
        Duration::from_millis(self.sim.awake(self.operator))
    }

    async fn sleep(&self, how_long: Duration) {
        let ms = u64::try_from(how_long.as_millis()).expect("some minutes");
        self.sim.pause(self.operator, ms).await;
    }
}

/// The account's own.
struct RightClock(Arc<Sim>);

#[async_trait]
impl Clock for RightClock {
    fn now(&self) -> Timestamp {
        moment(i64::try_from(self.0.now()).expect("some minutes"))
    }

    async fn sleep(&self, _: Duration) {
        unreachable!("an account does not wait")
    }
}

/// The account.
pub struct Account {
    parameters: MemoryCloud,
    name: DeploymentName,
    pub history: Mutex<History>,
    sim: Arc<Sim>,
}

impl Account {
    pub fn new(sim: &Arc<Sim>, name: &DeploymentName) -> Self {
        let mut world = World::new(moment(0));
        // Parameters are all that is asked for.
        world.instances.clear();
        world.hosts.clear();
        let clock = Arc::new(RightClock(Arc::clone(sim)));
        Self {
            parameters: MemoryCloud::new(Arc::new(Mutex::new(world)), clock),
            name: name.clone(),
            history: Mutex::default(),
            sim: Arc::clone(sim),
        }
    }

    pub fn now(&self) -> u64 {
        self.sim.now()
    }

    /// Notes that this lease was written, and which numbers count by now.
    fn note(&self, name: &str) {
        let all = at_once(Leases::look(&self.parameters, &self.name)).expect("it never fails");
        let mut history = self.history.lock().expect("no panic");
        let number = name.rsplit('/').next().expect("a name");
        let number = number.parse().expect("a number");
        let written = history.written.entry(number).or_default();
        written.push(self.sim.now());
        if let Some((number, lease)) = all.counting() {
            history.counts(self.sim.now(), number, &lease.owner.host);
            // Never held: it was put there to break another, whether its sender was told so or not.
            if lease.phase == Phase::Released
                && lease.beat == 0
                && !history.broken.contains(&number)
            {
                history.broken.push(number);
            }
        }
    }
}

/// The wire of one operator.
pub struct Wire {
    pub sim: Arc<Sim>,
    pub account: Arc<Account>,
    pub operator: usize,
    pub cuts: Vec<Cut>,
    /// When the account answered the last question that was answered.
    pub asked: Mutex<u64>,
}

fn gone(call: &'static str) -> CloudError {
    CloudError {
        call,
        code: None,
        message: "the network is gone".into(),
        request_id: None,
        kind: CloudErrorKind::Unreachable,
    }
}

impl Wire {
    fn cut(&self) -> Option<How> {
        let now = self.sim.now();
        let cut = self.cuts.iter().find(|cut| cut.span.holds(now));
        cut.map(|cut| cut.how)
    }

    /// There and back. Answers when the account did it, too.
    pub async fn call<T: Send + 'static>(
        &self,
        call: &'static str,
        sent_again: bool,
        act: impl Fn(&Account) -> T + Send + Sync + 'static,
    ) -> Result<(u64, T), CloudError> {
        let act = Arc::new(act);
        let mut again = sent_again && self.sim.below(2) == 0;
        loop {
            let (there, back) = (5 + self.sim.below(40), 5 + self.sim.below(40));
            let slot = Arc::new(Mutex::new(None));
            let arrives = {
                let (account, act, slot) = (self.account.clone(), act.clone(), slot.clone());
                move || {
                    let done = act(&account);
                    *slot.lock().expect("no panic") = Some((account.sim.now(), done));
                }
            };
            let how = self.cut();
            match how {
                Some(How::Refused) => {
                    self.sim.pause(self.operator, 1).await;
                    return Err(gone(call));
                }
                Some(How::Lost) => {}
                Some(How::Late) => self.sim.act(there + self.sim.below(25_000), arrives),
                Some(How::Unanswered) | None => self.sim.act(there, arrives),
            }
            if how.is_none() {
                self.sim.pause(self.operator, there + back).await;
                // The wire may be cut while the answer is under way.
                if self.cut().is_none() {
                    let done = slot.lock().expect("no panic").take();
                    return Ok(done.expect("it was there before"));
                }
            }
            self.sim.pause(self.operator, LIMIT).await;
            if !std::mem::take(&mut again) {
                return Err(gone(call));
            }
        }
    }
}

#[async_trait]
impl Parameters for Wire {
    async fn create(&self, name: &str, value: &str) -> Result<bool, CloudError> {
        let (name, value) = (name.to_owned(), value.to_owned());
        let act = move |a: &Account| {
            let done = at_once(a.parameters.create(&name, &value));
            a.note(&name);
            done
        };
        self.call("ssm:PutParameter", true, act).await?.1
    }

    async fn overwrite(&self, name: &str, value: &str) -> Result<(), CloudError> {
        let (name, value) = (name.to_owned(), value.to_owned());
        let act = move |a: &Account| {
            let done = at_once(a.parameters.overwrite(&name, &value));
            a.note(&name);
            done
        };
        self.call("ssm:PutParameter", true, act).await?.1
    }

    async fn by_path(&self, path: &str) -> Result<Vec<Parameter>, CloudError> {
        let path = path.to_owned();
        let act = move |a: &Account| at_once(a.parameters.by_path(&path));
        let (at, all) = self.call("ssm:GetParametersByPath", true, act).await?;
        *self.asked.lock().expect("no panic") = at;
        all
    }

    async fn delete(&self, name: &str) -> Result<(), CloudError> {
        let name = name.to_owned();
        let act = move |a: &Account| at_once(a.parameters.delete(&name));
        self.call("ssm:DeleteParameter", true, act).await?.1
    }
}
