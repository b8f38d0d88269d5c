//! The connection to PostgreSQL fails while results arrive: the hub reports it and recovers by itself.

use std::sync::Arc;

use rand::RngExt;
use tokio::task::yield_now;

use crate::{
    scene::{PEERS, Place, Senders, assert_complete, random},
    sender::Troubles,
    support::Hub,
    wire::Condition,
    witness::Witness,
};

/// The status of `/health`.
fn health(hub: &Hub) -> u16 {
    hub.get("/health", &[]).0
}

async fn await_health(hub: &Hub) {
    while health(hub) != 200 {
        yield_now().await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_hub_loses_nothing_if_its_database_is_cut_off_repeatedly() {
    let (mut place, database, mut wire) = Place::with_postgres_over_a_wire().await;
    let (mut rng, mut witness) = (random(), Witness::new(database));
    let hub = place.start_hub();
    let mut senders = Senders::start(&hub, &place.furnish(PEERS), Troubles::Refusals, &mut rng);
    let progress = Arc::clone(&senders.progress);
    for _ in 0..6 {
        senders.await_random_moment(&mut rng).await;
        wire.set_condition(Condition::Cut).await;
        senders.while_sending(progress.refused.more(1)).await;
        assert_eq!(health(&hub), 503);
        wire.set_condition(Condition::Whole).await;
        senders.while_sending(await_health(&hub)).await;
        senders.while_sending(progress.acknowledged.more(1)).await;
    }
    assert_complete(&hub, &mut witness, &mut senders).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_hub_loses_nothing_if_its_database_stalls() {
    let (mut place, database, mut wire) = Place::with_postgres_over_a_wire().await;
    let (mut rng, mut witness) = (random(), Witness::new(database));
    let hub = place.start_hub();
    let mut senders = Senders::start(&hub, &place.furnish(PEERS), Troubles::Refusals, &mut rng);
    let progress = Arc::clone(&senders.progress);
    for then in [Condition::Whole, Condition::Cut] {
        senders.await_random_moment(&mut rng).await;
        wire.set_condition(Condition::Stalled).await;
        assert_eq!(health(&hub), 503);
        senders.while_sending(progress.refused.more(1)).await;
        wire.set_condition(then).await;
        wire.set_condition(Condition::Whole).await;
        senders.while_sending(await_health(&hub)).await;
        senders.while_sending(progress.acknowledged.more(rng.random_range(1..20))).await;
    }
    assert_complete(&hub, &mut witness, &mut senders).await;
}

/// The connections of the hub stay open but pass no more data, one of them in the middle of a transaction. PostgreSQL does
/// not see their end either, and keeps the locks of that transaction.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn dead_connections_are_replaced() {
    let (mut place, database, wire) = Place::with_postgres_over_a_wire().await;
    let (mut rng, mut witness) = (random(), Witness::new(database));
    let hub = place.start_hub();
    let mut senders = Senders::start(&hub, &place.furnish(PEERS), Troubles::Refusals, &mut rng);
    let progress = Arc::clone(&senders.progress);
    senders.await_random_moment(&mut rng).await;
    let stopped = witness.database.stop_a_transaction().await;
    wire.forget_connections();
    stopped.go_on().await;
    senders.while_sending(progress.refused.more(1)).await;
    senders.while_sending(await_health(&hub)).await;
    senders.while_sending(progress.acknowledged.more(20)).await;
    assert_complete(&hub, &mut witness, &mut senders).await;
}
