//! Two hubs on one PostgreSQL: one of them is stopped for a while, as by a machine that is suspended, and goes on.

use rustix::process::Signal;

use crate::{
    scene::{PEERS, Place, Senders, assert_complete, random},
    sender::Troubles,
    witness::Witness,
};

/// How often a hub is stopped; the hubs take turns.
const STOPS: usize = 2;

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_hub_that_is_stopped_and_goes_on_does_no_duty_twice_and_keeps_nobody_from_it() {
    let (mut place, database) = Place::with_postgres().await;
    let (mut rng, mut witness) = (random(), Witness::new(database));
    let mut holder = place.start_hub();
    let tokens = place.furnish(PEERS);
    witness.database.await_holder(&[]).await;
    let mut other = place.start_hub();
    let mut senders = Senders::start(&other, &tokens, Troubles::Deaths, &mut rng);
    for _ in 0..STOPS {
        let before = witness.database.holders().await;
        // While results come in, a hub is often stopped within a transaction.
        senders.await_random_moment(&mut rng).await;
        holder.signal(Signal::STOP);
        senders.while_sending(witness.database.await_holder(&before)).await;
        holder.signal(Signal::CONT);
        std::mem::swap(&mut holder, &mut other);
        // The senders use the hub that will not be stopped next.
        senders.turn_to(&other);
    }
    assert_complete(&other, &mut witness, &mut senders).await;
}
