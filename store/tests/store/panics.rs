//! A panic in the tasks of a store. Each test makes the log panic once at a message, in the middle of the work: it needs a
//! runtime with one thread, whose log this is.

use std::{
    fmt::Debug,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use easytier_uptime_store::{
    StoreError,
    domain::{PeerId, Verdict},
    upkeep,
};
use tokio::{sync::oneshot, task::JoinHandle, time::timeout};
use tracing::{
    Event, Metadata, Subscriber,
    field::{Field, Visit},
    span::{Attributes, Id, Record},
    subscriber::{DefaultGuard, set_default},
};

use crate::support::{Engine, NOW, TestStore, batch, online};

/// A log that panics once, at the message that begins so.
struct Trap {
    message: &'static str,
    is_armed: Arc<AtomicBool>,
}

impl Trap {
    /// Whether it is still armed, and what keeps it for this thread.
    fn at(message: &'static str) -> (Arc<AtomicBool>, DefaultGuard) {
        let is_armed = Arc::new(AtomicBool::new(true));
        let trap = Self { message, is_armed: Arc::clone(&is_armed) };
        (is_armed, set_default(trap))
    }
}

impl Subscriber for Trap {
    fn enabled(&self, _: &Metadata<'_>) -> bool {
        true
    }

    fn event(&self, event: &Event<'_>) {
        struct IsMessage(&'static str, bool);
        impl Visit for IsMessage {
            fn record_debug(&mut self, field: &Field, value: &dyn Debug) {
                self.1 |= field.name() == "message" && format!("{value:?}").starts_with(self.0);
            }
        }
        let mut is_message = IsMessage(self.message, false);
        event.record(&mut is_message);
        assert!(!is_message.1 || !self.is_armed.swap(false, Ordering::Relaxed), "the trap");
    }

    fn new_span(&self, _: &Attributes<'_>) -> Id {
        Id::from_u64(1)
    }

    fn record(&self, _: &Id, _: &Record<'_>) {}
    fn record_follows_from(&self, _: &Id, _: &Id) {}
    fn enter(&self, _: &Id) {}
    fn exit(&self, _: &Id) {}
}

const ENGINES: [Engine; 2] = [Engine::Sqlite, Engine::Postgres];

/// The upkeep of a hub, which runs until the sender is dropped.
fn keep_up(hub: &TestStore) -> (oneshot::Sender<()>, JoinHandle<()>) {
    let (stop, stopped) = oneshot::channel();
    (stop, tokio::spawn(upkeep(hub.store.clone(), async move { drop(stopped.await) })))
}

async fn becomes(condition: impl AsyncFn() -> bool) {
    let waited = async {
        while !condition().await {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    timeout(Duration::from_secs(30), waited).await.expect("it goes on");
}

async fn is_up(hub: &TestStore, peer: PeerId) -> bool {
    hub.node(peer, NOW).await.unwrap().verdict == Verdict::Up
}

#[tokio::test]
async fn a_panic_while_results_are_stored_acknowledges_nothing_and_later_ones_are_stored() {
    for engine in ENGINES {
        let hub = TestStore::new(engine).await;
        let peer = hub.add("tcp://192.0.2.1:11010").await;
        let probe = hub.probe("p1", "eu").await;
        let (is_armed, _trap) = Trap::at("stored a group");
        let batch = batch(&probe, vec![online(peer, NOW)], NOW);
        let failed = hub.ingest(batch.clone()).await.unwrap_err();
        assert!(matches!(failed, StoreError::Unavailable), "{failed}");
        assert!(!is_armed.load(Ordering::Relaxed), "the trap was reached");
        // The panic came after the commit, so the probe sends what is stored already.
        let again = hub.ingest(batch).await.unwrap();
        assert_eq!((again.accepted, again.duplicates), (0, 1), "{engine:?}");
        assert_eq!(hub.report(&probe, vec![online(peer, NOW)], NOW).await.accepted, 1);
        assert!(hub.is_alive());
        hub.close().await;
    }
}

#[tokio::test]
async fn a_panic_in_the_fold_does_not_end_it() {
    for engine in ENGINES {
        let hub = TestStore::new(engine).await;
        let (broken, good) = (hub.add("tcp://192.0.2.1:11010").await, hub.add("tcp://192.0.2.2:11010").await);
        let probe = hub.probe("p1", "eu").await;
        hub.run_sql(&format!("UPDATE peer_states SET evidence = 'not JSON' WHERE peer_id = {broken}")).await;
        let (is_armed, _trap) = Trap::at("a result cannot be applied");
        hub.ingest(batch(&probe, vec![online(broken, NOW), online(good, NOW)], NOW)).await.unwrap();
        let (stop, running) = keep_up(&hub);
        becomes(async || is_up(&hub, good).await).await;
        assert!(!is_armed.load(Ordering::Relaxed), "the trap was reached");
        assert_eq!((hub.backlog().await.unwrap().parked, hub.is_alive()), (1, true), "{engine:?}");
        drop(stop);
        running.await.unwrap();
        hub.close().await;
    }
}

#[tokio::test]
async fn a_panic_in_the_upkeep_does_not_end_it() {
    for engine in ENGINES {
        let hub = TestStore::new(engine).await;
        let row = |name: &str, value: &str| {
            format!("INSERT INTO tuning (name, value, changed_at) VALUES ('{name}', '{value}', 0)")
        };
        hub.run_sql(&row("RESULT_RETENTION", "never")).await;
        hub.run_sql(&row("FLAP_DAMPING", "7")).await;
        let (is_armed, _trap) = Trap::at("ignoring an invalid setting");
        let (stop, running) = keep_up(&hub);
        becomes(async || hub.live_settings().policy.confirmations == 7).await;
        assert!(!is_armed.load(Ordering::Relaxed), "the trap was reached");
        assert!(hub.is_alive(), "{engine:?}");
        drop(stop);
        running.await.unwrap();
        hub.close().await;
    }
}
