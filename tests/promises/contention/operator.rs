//! An operator: takes the lease, asks before each write, writes, lets go; and begins again, on a machine that remembers
//! what it began. It runs the program's own lease, and nothing of it is imitated.

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use geusemaker::cloud::{Clock, Parameters};
use geusemaker::model::{DeploymentName, OperationId};
use geusemaker::state::lease::{
    Ask, GivenUp, Held, Here, LeaseError, OpenElsewhere, Process, Taker, Trouble,
};

use super::cloud::{Account, Wire};
use super::history::Effect;
use super::sim::Sim;

/// The lease, in milliseconds: that of AWS.
pub const LEASE: u64 = 15_000;
const POLL: u64 = 1_000;

/// What a machine keeps over the death of its processes.
#[derive(Debug, Default)]
pub struct Machine {
    /// How many processes it has had.
    processes: u64,
    /// What its lock has counted to.
    fence: u64,
    /// How many operations it has begun.
    begun: u64,
    /// The one whose journal is open here.
    pub open: Option<OpenElsewhere>,
    /// The one that has written to the cloud last.
    pub wrote: Option<OperationId>,
    /// Those whose journal has its end.
    closed: BTreeSet<OperationId>,
}

/// What an operator has.
pub struct Desk {
    pub sim: Arc<Sim>,
    pub account: Arc<Account>,
    pub operator: usize,
    pub wire: Arc<Wire>,
    pub clock: Arc<dyn Clock>,
    pub name: DeploymentName,
    /// Of every operator.
    pub machines: Arc<Vec<Mutex<Machine>>>,
    /// It announces its operations, as the program does; else the lease alone is looked at.
    pub announces: bool,
    /// It breaks locks, now and then.
    pub breaks: bool,
    /// Behind this an operation of another machine is taken to be lost.
    pub patient: u64,
    /// Nobody begins anything new behind this.
    pub until: u64,
}

impl Desk {
    fn machine<T>(&self, work: impl FnOnce(&mut Machine) -> T) -> T {
        work(&mut self.machines[self.operator].lock().expect("no panic"))
    }

    fn host(&self) -> String {
        format!("host-{}", self.operator)
    }

    async fn pause(&self, least: u64, more: u64) {
        let long = least + self.sim.below(more);
        self.sim.pause(self.operator, long).await;
    }

    fn history<T>(&self, note: impl FnOnce(&mut super::history::History) -> T) -> T {
        note(&mut self.account.history.lock().expect("no panic"))
    }

    /// One process, until it is killed.
    pub async fn live(self) {
        let process = self.machine(|m| {
            m.processes += 1;
            Process {
                user: "ann".into(),
                host: self.host(),
                // No process of this machine has this number: an earlier one of the same place is seen to be gone.
                place: format!("boot of {}", self.host()),
                pid: 4_000_000_000,
                started: m.processes,
            }
        });
        loop {
            self.pause(1, 4_000).await;
            self.once(&process).await;
        }
    }

    async fn once(&self, process: &Process) {
        let resumes = self.machine(|m| m.open.clone());
        if resumes.is_none() && self.sim.now() >= self.until {
            return;
        }
        let (id, fence) = self.machine(|m| {
            m.fence += 1;
            m.begun += u64::from(resumes.is_none());
            let new = || OperationId::new(format!("op-{}-{}", self.operator, m.begun));
            (
                resumes
                    .clone()
                    .map_or_else(|| new().expect("an id"), |o| o.id),
                m.fence,
            )
        });
        let ask = Ask {
            operation: id.clone(),
            reason: "update".into(),
            fence,
        };
        let parameters: Arc<dyn Parameters> = Arc::clone(&self.wire) as _;
        let here = |open: &OpenElsewhere| {
            self.machine(|m| match &m.open {
                Some(ours) if ours.id == open.id => Here::Open,
                _ if m.closed.contains(&open.id) => Here::Closed,
                _ => Here::Absent,
            })
        };
        let taker = Taker {
            parameters: &parameters,
            clock: &self.clock,
            name: &self.name,
            process,
            length: Duration::from_millis(LEASE),
            poll: Duration::from_millis(POLL),
            here: &here,
            tell: &|_| (),
        };
        match taker.take(&ask).await {
            Ok(held) => self.works(held, id, fence).await,
            Err(LeaseError::OpenElsewhere { open, .. }) => {
                self.history(|h| h.elsewhere += 1);
                let late = self.sim.now() > self.patient;
                if self.breaks && (late || self.sim.below(4) == 0) {
                    self.breaks(&taker, &ask, None, Some(*open)).await;
                }
            }
            Err(LeaseError::Held { lease, .. }) => {
                if self.breaks && self.sim.below(12) == 0 {
                    let stays = lease.open_operation.filter(|o| here(o) == Here::Open);
                    self.breaks(&taker, &ask, stays, None).await;
                }
            }
            Err(LeaseError::Cloud(_)) => self.history(|h| h.unanswered += 1),
            Err(error) => panic!("{error}"),
        }
    }

    /// `unlock --force`.
    async fn breaks(
        &self,
        taker: &Taker<'_>,
        ask: &Ask,
        stays: Option<OpenElsewhere>,
        open: Option<OpenElsewhere>,
    ) {
        let gives_up = open.map(|open| GivenUp {
            id: open.id,
            host: self.host(),
            user: "ann".into(),
            at: self.clock.now(),
        });
        if let Ok(number) = taker.supersede(ask, stays, gives_up).await {
            self.machine(|m| m.fence = number);
        }
    }

    /// With the lease.
    async fn works(&self, held: Held, id: OperationId, fence: u64) {
        assert!(held.number >= fence, "{} < {fence}", held.number);
        self.machine(|m| m.fence = held.number);
        self.history(|h| h.holds.push((self.operator, held.number)));
        if !self.breaks {
            for (other, machine) in self.machines.iter().enumerate() {
                let machine = machine.lock().expect("no panic");
                let open = machine.open.as_ref().map(|open| &open.id);
                let wrote = open.is_some() && open == machine.wrote.as_ref();
                // One that fell asleep behind its confirmation has been passed over; it will see so at its first question.
                let above = held.number > machine.fence;
                let taken = other != self.operator && wrote && above;
                assert!(
                    !taken,
                    "an operation that had begun was taken over: {machine:?}"
                );
            }
        }
        if held.given_up.iter().any(|one| one.id == id) {
            // `resume --accept`.
            self.closes();
        }
        let heart = async {
            loop {
                self.sim.pause(self.operator, LEASE / 3).await;
                if let Err(Trouble::Lost(_)) = held.check().await {
                    std::future::pending::<()>().await;
                }
            }
        };
        tokio::select! {
            biased;
            done = self.operation(&held, id) => {
                match done {
                    Err(Trouble::Lost(_)) => {
                        self.history(|h| h.lost.push((self.operator, held.number)));
                        return;
                    }
                    // What it announced stays open, for itself; without that only the lease keeps others away, and
                    // a call may still be under way.
                    Err(Trouble::Cloud(_)) if !self.announces => return,
                    _ => {}
                }
            }
            () = heart => {}
        }
        let here = |open: &OpenElsewhere| {
            self.machine(|m| m.open.as_ref().is_some_and(|ours| ours.id == open.id))
        };
        let _ = held.release(here).await;
    }

    fn closes(&self) {
        self.machine(|m| {
            m.closed.extend(m.open.take().map(|open| open.id));
        });
    }

    /// From its first entry to its last.
    async fn operation(&self, held: &Held, id: OperationId) -> Result<(), Trouble> {
        let open = OpenElsewhere {
            id,
            host: self.host(),
            user: "ann".into(),
            kind: "update".into(),
            began_at: self.clock.now(),
        };
        if self.machine(|m| m.closed.contains(&open.id)) {
            return Ok(());
        }
        if self.announces {
            // The journal is there before the lease says so.
            self.machine(|m| m.open = Some(open.clone()));
            held.open(open.clone()).await?;
        }
        for _ in 0..1 + self.sim.below(5) {
            self.asks(held).await?;
            let (asked, fence) = (*self.wire.asked.lock().expect("no panic"), held.number);
            // Between question and call: here it can be frozen, too.
            let long = if self.sim.below(3) == 0 { 2_000 } else { 4 };
            self.pause(0, long).await;
            let (operator, machines) = (self.operator, Arc::clone(&self.machines));
            let id = open.id.clone();
            let effect = move |account: &Account| {
                machines[operator].lock().expect("no panic").wrote = Some(id.clone());
                account
                    .history
                    .lock()
                    .expect("no panic")
                    .effects
                    .push(Effect {
                        at: account.now(),
                        operator,
                        fence,
                        asked,
                    });
            };
            let done = self.wire.call("ec2:StopInstances", false, effect).await;
            done.map_err(Trouble::Cloud)?;
            self.pause(100, 6_000).await;
        }
        self.asks(held).await?;
        self.closes();
        Ok(())
    }

    /// Asks, for as long as the account does not answer, some times.
    async fn asks(&self, held: &Held) -> Result<(), Trouble> {
        let mut tries = 0;
        loop {
            match held.check().await {
                Err(Trouble::Cloud(_)) if tries < 10 => tries += 1,
                asked => return asked,
            }
            self.pause(500, 1_000).await;
        }
    }
}
