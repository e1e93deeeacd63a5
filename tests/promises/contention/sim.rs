//! Many operators on one line of time, with no thread and no waiting: what is due first happens next, and what is due
//! at once happens in an order that the seed draws. So a run is the same each time, and takes milliseconds.

use std::collections::{BTreeMap, BTreeSet};
use std::pin::Pin;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard};
use std::task::{Context, Poll, Wake, Waker};

use crate::killed::Random;

/// What an operator does, until it is killed.
pub type Task = Pin<Box<dyn Future<Output = ()> + Send>>;

/// A stretch of time, in milliseconds.
#[derive(Debug, Clone, Copy)]
pub struct Span {
    pub from: u64,
    pub to: u64,
}

impl Span {
    pub fn holds(&self, at: u64) -> bool {
        (self.from..self.to).contains(&at)
    }
}

/// How a process stands still.
#[derive(Debug, Clone, Copy)]
pub struct Still {
    pub span: Span,
    /// With its whole machine: its timers stand still as well.
    pub asleep: bool,
}

enum Event {
    /// An operator's timer.
    Wake { operator: usize, ticket: u64 },
    /// Something on the way, or in the cloud.
    Act(Box<dyn FnOnce() + Send>),
    /// SIGKILL; it begins anew then, where `anew` says so.
    Kill { operator: usize, anew: bool },
}

struct Core {
    now: u64,
    random: Random,
    /// By time, then by what the seed draws, then by number.
    queue: BTreeMap<(u64, u64, u64), Event>,
    count: u64,
    fired: BTreeSet<u64>,
    /// Of each operator.
    still: Vec<Vec<Still>>,
}

/// The line of time.
pub struct Sim(Mutex<Core>);

struct Flag(AtomicBool);

impl Wake for Flag {
    fn wake(self: Arc<Self>) {
        self.0.store(true, Ordering::SeqCst);
    }
}

impl Sim {
    pub fn new(seed: u64, still: Vec<Vec<Still>>) -> Self {
        Self(Mutex::new(Core {
            now: 0,
            random: Random(seed),
            queue: BTreeMap::new(),
            count: 0,
            fired: BTreeSet::new(),
            still,
        }))
    }

    fn core(&self) -> MutexGuard<'_, Core> {
        self.0.lock().expect("no panic")
    }

    /// Milliseconds since the beginning.
    pub fn now(&self) -> u64 {
        self.core().now
    }

    pub fn below(&self, end: u64) -> u64 {
        self.core().random.next() % end
    }

    /// How long this operator's machine was awake by now.
    pub fn awake(&self, operator: usize) -> u64 {
        let core = self.core();
        let now = core.now;
        let asleep = core.still[operator].iter().filter(|s| s.asleep);
        let lost = asleep.map(|s| s.span.to.min(now).saturating_sub(s.span.from));
        now - lost.sum::<u64>()
    }

    fn push(&self, at: u64, event: Event) -> u64 {
        let mut core = self.core();
        core.count += 1;
        let (tie, number) = (core.random.next(), core.count);
        core.queue.insert((at, tie, number), event);
        number
    }

    /// Something that happens whatever the operators do.
    pub fn act(&self, after: u64, act: impl FnOnce() + Send + 'static) {
        let at = self.now() + after;
        self.push(at, Event::Act(Box::new(act)));
    }

    pub fn kill(&self, at: u64, operator: usize, anew: bool) {
        self.push(at, Event::Kill { operator, anew });
    }

    /// This operator goes on after so long, or when it is not still any more.
    pub fn pause(
        self: &Arc<Self>,
        operator: usize,
        after: u64,
    ) -> impl Future<Output = ()> + use<> {
        let sim = Arc::clone(self);
        let mut core = sim.core();
        core.count += 1;
        let ticket = core.count;
        let key = (core.now + after, core.random.next(), ticket);
        core.queue.insert(key, Event::Wake { operator, ticket });
        drop(core);
        std::future::poll_fn(move |_| match sim.core().fired.remove(&ticket) {
            true => Poll::Ready(()),
            false => Poll::Pending,
        })
    }

    /// Lets it all happen, until this moment.
    pub fn run(&self, operators: usize, until: u64, spawn: &dyn Fn(usize) -> Task) {
        let mut tasks: Vec<Option<Task>> = (0..operators).map(|n| Some(spawn(n))).collect();
        tasks.iter_mut().for_each(poll);
        loop {
            let (at, event) = {
                let mut core = self.core();
                let Some(((at, ..), event)) = core.queue.pop_first() else {
                    return;
                };
                core.now = core.now.max(at);
                (at, event)
            };
            if at > until {
                return;
            }
            match event {
                Event::Act(act) => act(),
                Event::Kill { operator, anew } => {
                    tasks[operator] = None;
                    if anew {
                        tasks[operator] = Some(spawn(operator));
                        poll(&mut tasks[operator]);
                    }
                }
                Event::Wake { operator, ticket } => {
                    let mut core = self.core();
                    let still = core.still[operator].iter().find(|s| s.span.holds(at));
                    if let Some(Still { span, asleep }) = still.copied() {
                        let late = if asleep { at - span.from } else { 0 };
                        let key = (span.to + late, core.random.next(), ticket);
                        core.queue.insert(key, Event::Wake { operator, ticket });
                        continue;
                    }
                    core.fired.insert(ticket);
                    drop(core);
                    poll(&mut tasks[operator]);
                }
            }
        }
    }
}

fn poll(task: &mut Option<Task>) {
    let flag = Arc::new(Flag(AtomicBool::new(true)));
    let waker = Waker::from(Arc::clone(&flag));
    let mut context = Context::from_waker(&waker);
    while let Some(running) = task
        && flag.0.swap(false, Ordering::SeqCst)
    {
        if running.as_mut().poll(&mut context).is_ready() {
            *task = None;
        }
    }
}

/// For what never waits.
pub fn at_once<F: Future>(future: F) -> F::Output {
    let mut context = Context::from_waker(Waker::noop());
    match std::pin::pin!(future).poll(&mut context) {
        Poll::Ready(output) => output,
        Poll::Pending => panic!("it waits"),
    }
}
