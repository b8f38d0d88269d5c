//! Two hubs on one PostgreSQL: one of them is stopped for a while, as by a machine that is suspended, and goes on. Meanwhile
//! the other one does all the work, and afterwards they share it again.

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
    let mut stopped = place.start_hub();
    let tokens = place.furnish(PEERS);
    let mut other = place.start_hub();
    let mut senders = Senders::start(&other, &tokens, Troubles::Deaths, &mut rng);
    for _ in 0..STOPS {
        senders.while_sending(witness.database.await_sharing(2)).await;
        // While results come in, a hub is often stopped within a transaction.
        senders.await_random_moment(&mut rng).await;
        stopped.signal(Signal::STOP);
        senders.while_sending(witness.database.await_sharing(1)).await;
        stopped.signal(Signal::CONT);
        std::mem::swap(&mut stopped, &mut other);
        // The senders use the hub that will not be stopped next.
        senders.turn_to(&other);
    }
    assert_complete(&other, &mut witness, &mut senders).await;
}
