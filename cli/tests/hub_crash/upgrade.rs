//! A hub of an older version goes on beside one of this version, which upgrades their database.
//!
//! It needs an older program, which `OLDER_PROGRAM` names: see `tools/soak-upgrade`.

use std::{env, path::PathBuf, process::Command, time::Duration};

use rustix::process::Signal;
use tokio::time::{sleep, timeout};

use crate::{
    scene::{DEADLINE, PEERS, Place, Senders, assert_complete, random},
    sender::Troubles,
    support::Hub,
    witness::Witness,
};

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
#[ignore = "needs an older program; tools/soak-upgrade runs it"]
async fn results_that_go_to_an_older_and_a_newer_hub_are_stored_and_counted_once() {
    let program = env::var_os("OLDER_PROGRAM").map(PathBuf::from).expect("OLDER_PROGRAM names the older program");
    let minutes = env::var("SOAK_MINUTES").map_or(1, |minutes| minutes.parse().expect("SOAK_MINUTES is a number"));
    let (mut place, database) = Place::with_postgres().await;
    let (mut rng, mut witness) = (random(), Witness::new(database));
    let older = Hub::of(place.command_of(Command::new(&program), &["hub"]).env("SERVER_PORT", "0"));
    let tokens = place.furnish_by(program.as_os_str(), PEERS);

    // The older hub is busy when the newer one upgrades the database.
    let mut senders = Senders::start(&older, &tokens, Troubles::Refusals, &mut rng);
    senders.await_random_moment(&mut rng).await;
    let newer = place.start_hub();
    for _ in 0..minutes * 60 {
        senders.while_sending(sleep(Duration::from_secs(1))).await;
        senders.divide_among(&[&older, &newer]);
    }
    // The last results go to the newer hub alone, so that the older one can be stopped.
    senders.turn_to(&newer);
    senders.finish().await;
    timeout(DEADLINE, witness.database.await_fold()).await.expect("the newer hub folds all results");
    assert_complete(&newer, &mut witness, &mut senders).await;
    assert_complete(&older, &mut witness, &mut senders).await;
    println!("{} requests were refused with 503", senders.progress.refused.get());
    for (name, hub) in [("older", older), ("newer", newer)] {
        hub.signal(Signal::TERM);
        let (status, _, log) = hub.ended();
        assert!(status.success(), "{name}: {status}");
        let errors: Vec<&str> = log.lines().filter(|line| line.contains("ERROR")).collect();
        assert!(errors.is_empty(), "{name}: {errors:#?}");
        let count = |words: &str| log.lines().filter(|line| line.contains(words)).count();
        println!(
            "{name}: {} tried again, {} slow statements",
            count("it will be tried again"),
            count("slow statement")
        );
    }
    assert_eq!(witness.database.deadlocks().await, 0, "both versions lock rows in the same order");
}
