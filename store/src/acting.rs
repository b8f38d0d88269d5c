//! On whose behalf a task acts. What it changes in the store is noted in the audit log as done by them.
//!
//! It belongs to the task, and not to each call, so that no change can be made without it: the front ends say it once, where
//! they learn who calls. What a task does that never said it, the hub does by itself.

use std::{
    net::IpAddr,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use crate::domain::{Actor, ActorKind, AuthFailure};

tokio::task_local! {
    static CALL: Arc<Call>;
}

/// A request or command, and what is known about who made it.
#[derive(Debug)]
pub struct Call {
    from: Option<IpAddr>,
    known: Mutex<Known>,
}

#[derive(Debug)]
struct Known {
    actor: Actor,
    failure: Option<AuthFailure>,
}

impl Call {
    /// A request from an address, by nobody who is known yet.
    pub fn from(address: Option<IpAddr>) -> Arc<Self> {
        Self::new(Actor::new(ActorKind::Anyone, ""), address)
    }

    /// A command of somebody.
    pub fn of(actor: Actor) -> Arc<Self> {
        Self::new(actor, None)
    }

    fn new(actor: Actor, from: Option<IpAddr>) -> Arc<Self> {
        Arc::new(Self { from, known: Mutex::new(Known { actor, failure: None }) })
    }

    /// Runs `work` on behalf of this call.
    pub async fn run<T>(self: Arc<Self>, work: impl Future<Output = T>) -> T {
        CALL.scope(self, work).await
    }

    /// Who made it.
    pub fn actor(&self) -> Actor {
        self.known().actor.clone()
    }

    /// The address that it came from.
    pub fn address(&self) -> Option<IpAddr> {
        self.from
    }

    /// How the authentication failed, if it did.
    pub fn failure(&self) -> Option<AuthFailure> {
        self.known().failure
    }

    fn known(&self) -> MutexGuard<'_, Known> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Notes who made the call that this task serves.
pub fn acts_as(kind: ActorKind, name: impl Into<String>) {
    let _ = CALL.try_with(|call| call.known().actor = Actor::new(kind, name));
}

/// Notes that the authentication of the call that this task serves failed.
pub fn fails(failure: AuthFailure) {
    let _ = CALL.try_with(|call| call.known().failure = Some(failure));
}

/// On whose behalf this task acts, and from where.
pub(crate) fn current() -> (Actor, Option<IpAddr>) {
    CALL.try_with(|call| (call.actor(), call.from)).unwrap_or_else(|_| (Actor::hub(), None))
}
