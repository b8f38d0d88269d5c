//! Hubs are killed at random moments while results arrive.

use rand::RngExt;

use crate::{
    database::Database,
    scene::{PEERS, Place, Senders, assert_complete, number, random},
    sender::Troubles,
    witness::Witness,
};

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn kills_lose_and_double_nothing_on_sqlite() {
    let (place, database) = Place::with_sqlite();
    kill_again_and_again(place, database, 30).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn kills_lose_and_double_nothing_on_postgresql() {
    let (place, database) = Place::with_postgres().await;
    kill_again_and_again(place, database, 20).await;
}

/// The long form, for `tools/soak-kills`. So many kills are some before and some after a commit.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
#[ignore = "it takes some minutes"]
async fn soak_kills() {
    let kills = number("KILLS", 200);
    for (place, database) in [Place::with_sqlite(), Place::with_postgres().await] {
        let met = kill_again_and_again(place, database, kills).await;
        assert!(met.stored > 0 && met.not_stored > 0, "kills before and after a commit: {met:?}");
    }
}

/// Kills during the delivery of results.
#[derive(Debug, Default)]
struct Met {
    /// Kills between the commit and the acknowledgement.
    stored: usize,
    /// Kills before the commit.
    not_stored: usize,
}

async fn kill_again_and_again(mut place: Place, database: Database, kills: usize) -> Met {
    let (mut rng, mut met) = (random(), Met::default());
    let mut witness = Witness::new(database);
    let mut hub = place.start_hub();
    let mut senders = Senders::start(&hub, &place.furnish(PEERS), Troubles::Deaths, &mut rng);
    for _ in 0..kills {
        senders.await_random_moment(&mut rng).await;
        drop(hub);
        if rng.random_bool(0.25) {
            place.kill_a_starting_hub(place.start_took, &mut rng).await;
        }
        witness.database.await_end_of_the_dead().await;
        hub = place.start_hub();
        let under_way = witness.look(&hub, &senders.ledger).await;
        met.stored += usize::from(under_way.stored > 0);
        met.not_stored += usize::from(under_way.not_stored > 0);
        senders.turn_to(&hub);
    }
    assert_complete(&hub, &mut witness, &mut senders).await;
    println!("{kills} kills, of which met results under way: {met:?}");
    met
}

/// A key, tables or a password that a killed first start left behind must not prevent the next start.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_hub_that_was_killed_while_creating_its_database_starts_again() {
    let mut rng = random();
    let (mut place, _) = Place::with_sqlite();
    place.start_hub().stop();
    let first_start = place.start_took;
    for _ in 0..20 {
        place.folder = tempfile::tempdir().unwrap();
        place.kill_a_starting_hub(first_start, &mut rng).await;
        place.start_hub().stop();
    }
}
