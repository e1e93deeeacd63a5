//! The sandbox as something to call: the wire over the store, and who is told of work for an agent.

use std::sync::Arc;

use bytes::Bytes;
use http::{Request, Response};

use super::store::{Store, StoreError};
use super::wire;
use crate::cloud::Clock;

/// Told, after an access to the world, of each instance whose agent is online and has work to come for.
/// It is told again with every access until the work is taken, so it must be quick, and starting an agent
/// that runs already must do nothing.
pub trait Wake: Send + Sync {
    /// There is a command for this instance.
    fn wake(&self, instance: &str);
}

/// Answers requests from a store.
#[derive(Clone)]
pub struct Endpoint {
    store: Store,
    clock: Arc<dyn Clock>,
    wake: Option<Arc<dyn Wake>>,
}

impl std::fmt::Debug for Endpoint {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_tuple("Endpoint").field(&self.store).finish()
    }
}

impl Endpoint {
    /// Answers from this store, at this clock's time.
    pub fn new(store: Store, clock: Arc<dyn Clock>) -> Self {
        Self {
            store,
            clock,
            wake: None,
        }
    }

    /// Tells this one of work for an agent.
    #[must_use]
    pub fn waking(self, wake: Arc<dyn Wake>) -> Self {
        Self {
            wake: Some(wake),
            ..self
        }
    }

    /// The store.
    pub fn store(&self) -> &Store {
        &self.store
    }

    /// The region of the world.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn region(&self) -> Result<String, StoreError> {
        self.store
            .with(self.clock.as_ref(), |world, _| world.region.clone())
    }

    /// Answers a request. It blocks for as long as another process holds the store's lock.
    ///
    /// # Errors
    /// [`StoreError`]: the world cannot be read or kept. That is no answer of AWS's.
    pub fn answer(&self, request: &Request<Bytes>) -> Result<Response<Bytes>, StoreError> {
        let (response, waiting) = self.store.with(self.clock.as_ref(), |world, now| {
            let response = wire::handle(world, request, now);
            (response, world.waiting(now))
        })?;
        if let Some(wake) = &self.wake {
            for instance in waiting {
                wake.wake(&instance);
            }
        }
        Ok(response)
    }
}
