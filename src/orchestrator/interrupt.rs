//! The wish to stop: heard by whoever listens to signals, heeded between two steps.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::watch;

use crate::journal::Heed;
use crate::model::OperationId;
use crate::plan::Plan;
use crate::report::Listener;

/// Shared by an operation and by whoever listens for it. An operation says where it stands, and asks whether
/// it is to stop.
#[derive(Default)]
pub struct Interrupt {
    asked: watch::Sender<bool>,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    begun: bool,
    ended: bool,
    now: Option<Standing>,
}

/// Where an operation stands.
#[derive(Clone)]
pub struct Standing {
    /// The operation.
    pub operation: OperationId,
    /// What is said to a first interrupt now.
    pub first: String,
    /// What is said to a second one now.
    pub second: String,
    /// What to run behind that, where it is not what stands there for every interrupt.
    pub help: Vec<String>,
    /// Who hears of it.
    pub listener: Arc<dyn Listener>,
}

impl Interrupt {
    /// Asks the operation to stop where it may.
    pub fn ask(&self) {
        self.asked.send_replace(true);
    }

    /// Whether it was asked.
    pub fn is_asked(&self) -> bool {
        *self.asked.borrow()
    }

    /// Comes back when it is asked before an operation was begun, and never afterwards: what was begun is not
    /// dropped in its middle.
    pub async fn before_it_began(&self) {
        let mut asked = self.asked.subscribe();
        let heard = asked.wait_for(|asked| *asked).await.is_ok();
        if !heard || self.has_begun() {
            std::future::pending::<()>().await;
        }
    }

    /// An operation begins, unless it was asked before: then it must not.
    #[must_use]
    pub fn begin(&self) -> bool {
        let mut state = self.lock();
        state.begun |= !self.is_asked();
        state.begun
    }

    /// Whether an operation was begun.
    pub fn has_begun(&self) -> bool {
        self.lock().begun
    }

    /// Nothing is under way any more: an interrupt has nothing to stop.
    pub fn end(&self) {
        self.lock().ended = true;
    }

    /// Where the operation stands; None before its first step.
    pub fn standing(&self) -> Option<Standing> {
        self.lock().now.clone()
    }

    /// Leaves, in the middle of what is under way: the operation does not get to its next step meanwhile.
    /// Nothing, where it has ended by itself.
    pub fn leave(&self, leave: impl FnOnce(Option<&Standing>)) {
        let state = self.lock();
        if !state.ended {
            leave(state.now.as_ref());
        }
    }

    /// The operation says where it stands.
    pub(super) fn stand(
        &self,
        operation: &OperationId,
        listener: &Arc<dyn Listener>,
        plan: &Plan,
        heed: &Heed,
        step: &str,
        help: Vec<String>,
    ) {
        let mut state = self.lock();
        state.begun = true;
        state.now = Some(Standing {
            operation: operation.clone(),
            first: heed.say(plan, step),
            second: heed.left(step),
            help,
            listener: Arc::clone(listener),
        });
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_asked_before_it_began_does_not_begin() {
        let interrupt = Interrupt::default();
        interrupt.ask();
        assert!(!interrupt.begin());
        let interrupt = Interrupt::default();
        assert!(interrupt.begin());
        interrupt.ask();
        assert!(interrupt.begin(), "it goes on");
        assert!(interrupt.is_asked());
    }

    #[tokio::test]
    async fn only_what_has_not_begun_is_dropped() {
        let interrupt = Interrupt::default();
        interrupt.ask();
        interrupt.before_it_began().await;

        let interrupt = Interrupt::default();
        assert!(interrupt.begin());
        interrupt.ask();
        tokio::select! {
            biased;
            () = interrupt.before_it_began() => panic!("it has begun"),
            () = std::future::ready(()) => {}
        }
    }

    #[test]
    fn what_has_ended_is_not_left() {
        let interrupt = Interrupt::default();
        let mut left = 0;
        interrupt.leave(|_| left += 1);
        interrupt.end();
        interrupt.leave(|_| left += 1);
        assert_eq!(left, 1);
    }
}
