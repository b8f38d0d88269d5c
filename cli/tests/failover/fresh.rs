//! A dependent that has just joined.

use std::time::Duration;

use crate::{
    cluster::await_that,
    instance::Instance,
    network::Network,
    records::{self, CALLED_BACK},
};

/// Much shorter than the time between two rounds of the primary, a third of 90 seconds.
const SOON: Duration = Duration::from_secs(20);

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_fresh_dependent_can_soon_take_the_place_of_the_primary() {
    let network = Network::default();
    let (mut primary, mut dependent) = (Instance::new(0, &network).await, Instance::new(1, &network).await);
    primary.set("ENABLE_SYNC_API", "true");
    dependent.set("PRIMARY_SYNC_URL", &format!("http://{}", primary.door));
    for instance in [&mut primary, &mut dependent] {
        instance.set("FAILOVER_AFTER", "90s");
        instance.start();
    }
    for instance in [&primary, &dependent] {
        await_that(SOON, &format!("{} knows that it was called back", instance.name), async || {
            let known = records::number(instance, CALLED_BACK).await;
            (known == 1).then_some(()).ok_or_else(|| known.to_string())
        })
        .await;
    }
}
