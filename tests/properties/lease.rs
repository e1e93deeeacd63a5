//! The leases of a deployment, as an account says them: lines of `NUMBER TEXT`, each a parameter. Whoever asks for the
//! deployment is answered, after a bounded number of looks.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
use geusemaker::cloud::{Clock, CloudError, Parameter, Parameters};
use geusemaker::model::{DeploymentName, OperationId};
use geusemaker::sandbox::memory::VirtualClock;
use geusemaker::state::lease::{
    Ask, Here, Lease, LeaseError, Leases, OpenElsewhere, Process, Seen, Taker, Verdict, folder,
    judge,
};

/// A fence is compared by the shell of a host, which counts no further.
const END: u64 = i64::MAX.unsigned_abs();
/// Each look waits so long; a lease is an hour at most.
const POLL: Duration = Duration::from_secs(60);
/// An hour of them, and some for claims.
const MOST_LOOKS: u32 = 200;

pub fn holds(input: &[u8]) -> bool {
    let name = DeploymentName::new("web").expect("a name");
    let text = String::from_utf8_lossy(input);
    let all: BTreeMap<String, String> = text
        .lines()
        .filter_map(|line| line.split_once(' '))
        .map(|(number, text)| (format!("{}/{number}", folder(&name)), text.to_owned()))
        .collect();
    let leases = Leases::of(listed(&all));
    asked(&leases);
    for here in [Here::Open, Here::Closed, Here::Absent] {
        judged(&leases, here);
    }
    taken(&all, &name, &leases);
    leases.readable().next().is_some() && leases.damaged().is_none()
}

fn listed(all: &BTreeMap<String, String>) -> Vec<Parameter> {
    let one = |(name, value): (&String, &String)| Parameter {
        name: name.clone(),
        value: value.clone(),
    };
    all.iter().map(one).collect()
}

/// What is shown of them.
fn asked(leases: &Leases) {
    assert!(leases.0.is_sorted_by_key(|one| one.number));
    for (number, lease) in leases.readable() {
        assert!(number < END && lease.length() <= Duration::from_secs(3600));
        let again = serde_json::to_string(lease).expect("it can be written");
        let again: Lease = serde_json::from_str(&again).expect("and read again");
        assert_eq!(again, *lease);
        super::said(&lease.who(), 3000);
        if let Some(open) = &lease.open_operation {
            super::said(&open.what(), 3000);
        }
        for one in &lease.given_up {
            super::said(&one.who(), 3000);
        }
    }
    if let Some((number, why)) = leases.damaged() {
        assert!(number <= leases.highest());
        super::said(&why, 2000);
    }
}

/// Whatever is known of the heartbeats, and of the operation that is open.
fn judged(leases: &Leases, here: Here) {
    for (over, moved, gone) in [
        (false, false, false),
        (true, false, false),
        (false, true, false),
        (false, false, true),
    ] {
        let seen: Vec<Seen<'_>> = leases
            .readable()
            .map(|(number, lease)| Seen {
                number,
                lease,
                stood: if over { lease.length() } else { Duration::ZERO },
                moved,
                gone,
            })
            .collect();
        let highest = seen.last().map_or(0, |one| one.number);
        match judge(&seen, &|_| here) {
            Verdict::Free { above, .. }
            | Verdict::TakeOver { above, .. }
            | Verdict::OpenElsewhere { above, .. } => assert_eq!(above, highest),
            Verdict::Watch(lease) | Verdict::Held(lease) => drop(super::said(&lease.who(), 3000)),
        }
    }
}

/// Taken, looked at, and broken, in accounts that say this.
fn taken(all: &BTreeMap<String, String>, name: &DeploymentName, before: &Leases) {
    let now = "2026-11-20T10:00:00Z".parse().expect("a time");
    let process = Process::this("ann", "laptop");
    let ask = Ask {
        operation: OperationId::new("op-1").expect("an id"),
        reason: "update".into(),
        fence: 1,
    };
    let answered = |error: LeaseError| drop(super::said(&error, 4000));
    let clock: Arc<dyn Clock> = Arc::new(VirtualClock::at(now));
    for here in [Here::Open, Here::Absent] {
        let knows = move |_: &OpenElsewhere| here;
        let account = || -> Arc<dyn Parameters> { Arc::new(Account::of(all.clone())) };
        let (first, second) = (account(), account());
        let taker = |parameters| Taker {
            parameters,
            clock: &clock,
            name,
            process: &process,
            length: Duration::from_secs(15),
            poll: POLL,
            here: &knows,
            tell: &|message| drop(super::said(&message, 4000)),
        };
        let above = |number: u64| assert!(number > before.highest() && number < END, "{number}");
        RUNTIME.with_borrow(|runtime| {
            match runtime.block_on(taker(&first).take(&ask)) {
                Ok(held) => above(held.number),
                Err(error) => answered(error),
            }
            if let Err(error) = runtime.block_on(taker(&second).liveness(true)) {
                answered(error);
            }
            match runtime.block_on(taker(&second).supersede(&ask, None, None)) {
                Ok(number) => above(number),
                Err(error) => answered(error),
            }
        });
    }
}

thread_local! {
    static RUNTIME: RefCell<tokio::runtime::Runtime> = RefCell::new(
        tokio::runtime::Builder::new_current_thread().enable_time().build().expect("a runtime"),
    );
}

/// The parameters of an account, and how often they were looked at.
struct Account(Mutex<(BTreeMap<String, String>, u32)>);

impl Account {
    fn of(all: BTreeMap<String, String>) -> Self {
        Self(Mutex::new((all, 0)))
    }

    fn all(&self) -> MutexGuard<'_, (BTreeMap<String, String>, u32)> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[async_trait]
impl Parameters for Account {
    async fn create(&self, name: &str, value: &str) -> Result<bool, CloudError> {
        let (all, _) = &mut *self.all();
        let free = !all.contains_key(name);
        if free {
            all.insert(name.into(), value.into());
        }
        Ok(free)
    }

    async fn overwrite(&self, name: &str, value: &str) -> Result<(), CloudError> {
        self.all().0.insert(name.into(), value.into());
        Ok(())
    }

    async fn by_path(&self, _: &str) -> Result<Vec<Parameter>, CloudError> {
        let (all, looks) = &mut *self.all();
        *looks += 1;
        assert!(*looks <= MOST_LOOKS, "{looks} looks at {all:?}");
        Ok(listed(all))
    }

    async fn delete(&self, name: &str) -> Result<(), CloudError> {
        self.all().0.remove(name);
        Ok(())
    }
}
