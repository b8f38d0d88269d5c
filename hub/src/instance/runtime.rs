//! Runs an instance in its role, until it is stopped. The role is in the database: whoever changes it there, the runtime
//! follows within a second.
//!
//! Of several hubs on one database one does this at a time; it is a duty.

use std::{future::ready, time::Duration};

use easytier_uptime_store::{
    Store,
    domain::{Leader, Role},
};
use tokio::time::{MissedTickBehavior, interval, sleep};
use tokio_util::sync::CancellationToken;
use url::Url;

use super::{
    client::{SyncClient, SyncError},
    follow::{Follower, Left},
    introduction::Machine,
    lead::Lead,
    link::Link,
    options::InstanceOptions,
    seed::{self, ConfiguredRole},
    status::SharedStatus,
    tools::{StepError, Tools},
    watch::Watch,
};

/// The time between two looks at the role in the database, and at results that wait to be forwarded.
const LOOK_INTERVAL: Duration = Duration::from_secs(1);

/// How many checks of a new primary are not as far apart as others, until it has called this instance back.
const EARLY_CHECKS: u32 = 10;

/// The time between two attempts to take part in the cluster.
const RETRY_INTERVAL: Duration = Duration::from_secs(5);

/// Follows the configured role if it changed, and runs the instance until `stop`.
///
/// # Errors
///
/// When no requests can be made at all.
pub async fn run(
    store: &Store,
    options: &InstanceOptions,
    configured: &ConfiguredRole,
    status: &SharedStatus,
    stop: CancellationToken,
) -> Result<(), SyncError> {
    status.update(|status| status.configured = Some(configured.role()));
    let client = SyncClient::new(options.connection_timeout)?;
    let machine = Machine::default();
    let tools = Tools { store, options, client: &client, status, machine: &machine };
    stop.run_until_cancelled(forever(tools, configured)).await;
    Ok(())
}

/// Makes this database a dependent of the primary at `primary`, beside its running hub or without one.
///
/// # Errors
///
/// When the primary does not answer or refuses, or the database fails.
pub async fn join(store: &Store, options: &InstanceOptions, primary: &Url) -> Result<(), StepError> {
    let (client, machine) = (SyncClient::new(options.connection_timeout)?, Machine::default());
    let status = &SharedStatus::default();
    seed::join(Tools { store, options, client: &client, status, machine: &machine }, primary).await
}

async fn forever(tools: Tools<'_>, configured: &ConfiguredRole) {
    let mut followed = false;
    // Whether another instance may have taken the place of this one unnoticed.
    let mut was_away = true;
    loop {
        let done = async {
            if !tools.store.holds_instance_duty().await? {
                was_away = true;
                sleep(LOOK_INTERVAL).await;
                return Ok(());
            }
            if !followed {
                seed::follow(tools, configured).await?;
                followed = true;
            }
            in_role(tools, was_away).await?;
            was_away = false;
            Ok(())
        };
        match done.await {
            Ok(()) => {}
            Err(error) => {
                let error: StepError = error;
                tracing::warn!(%error, "this instance cannot do its part in the cluster; trying again");
                sleep(RETRY_INTERVAL).await;
            }
        }
    }
}

/// Does what the present role demands, until it changes or another hub does it.
async fn in_role(tools: Tools<'_>, was_away: bool) -> Result<(), StepError> {
    let instance = tools.store.instance().await?;
    match (instance.role, instance.leader) {
        (Role::Standalone, _) | (Role::Dependent, None) => {
            sleep(LOOK_INTERVAL).await;
            Ok(())
        }
        (Role::Primary, _) => lead(tools, was_away).await,
        (Role::Dependent, Some(leader)) => follow(tools, leader).await,
    }
}

async fn lead(tools: Tools<'_>, was_away: bool) -> Result<(), StepError> {
    let mut lead = Lead::begin(tools, was_away).await?;
    let rounds = async {
        let mut rounds = every(tools.options.failover_after / 3);
        let mut looks = every(LOOK_INTERVAL);
        loop {
            let done = tokio::select! {
                _ = rounds.tick() => lead.round().await,
                _ = looks.tick() => match lead.hand_over().await {
                    Ok(()) => lead.call_fresh().await,
                    failed => failed,
                },
            };
            if let Err(error) = done {
                tracing::warn!(%error, "this primary cannot do its part; trying again");
            }
        }
    };
    let epoch = tools.store.instance().await?.epoch;
    tokio::select! {
        () = rounds => Ok(()),
        ended = until_changed(tools, |now| now.role == Role::Primary && now.epoch == epoch) => ended,
    }
}

async fn follow(tools: Tools<'_>, leader: Leader) -> Result<(), StepError> {
    let link = Link::new(tools, leader.clone())?;
    tokio::select! {
        () = watch(&link) => Ok(()),
        // Boxed, because it is large.
        () = Box::pin(work(&link)) => Ok(()),
        ended = until_changed(tools, |now| now.follows(&leader)) => ended,
    }
}

/// Watches the primary. It is apart from the other work, so that a primary that takes requests and never answers is missed.
async fn watch(link: &Link<'_>) {
    let mut watch = Watch::new(link);
    let mut checks = every(watch.interval());
    let mut early_checks = EARLY_CHECKS;
    loop {
        checks.tick().await;
        check(&mut watch).await;
        while expects_change(link, &mut early_checks).await {
            sleep(LOOK_INTERVAL).await;
            check(&mut watch).await;
        }
        if let Some(rest) = watch.next_in() {
            checks.reset_after(rest);
        }
    }
}

async fn check(watch: &mut Watch<'_>) {
    if let Err(error) = watch.check().await {
        tracing::warn!(%error, "the primary does not answer");
    }
}

/// Whether the primary will soon say something else: it is about to call this instance back, or to hand over to it.
async fn expects_change(link: &Link<'_>, early_checks: &mut u32) -> bool {
    let Tools { store, options, status, .. } = link.tools;
    if status.get().primary_reachable != Some(true) {
        return false;
    }
    let handing_over_to = status.get().handing_over_to;
    if handing_over_to.is_some() && store.instance().await.is_ok_and(|own| handing_over_to == Some(own.id)) {
        return true;
    }
    let waits = *early_checks > 0 && options.endpoint().is_some() && !store.called_back().await.unwrap_or(true);
    *early_checks -= u32::from(waits);
    waits
}

async fn work(link: &Link<'_>) {
    let mut follower = Follower::new(link);
    let options = link.tools.options;
    let (mut beats, mut syncs, mut looks) =
        (every(options.heartbeat_interval), every(options.sync_interval), every(LOOK_INTERVAL));
    // Results come in pages, and may arrive faster than they are sent. The rest of the work goes on between the pages.
    let mut left = Left::default();
    loop {
        // Of what is due one is done at random: each may take longer than the time until it is due again.
        let done = tokio::select! {
            _ = syncs.tick() => match follower.synchronise().await {
                Ok(()) => follower.mirror().await.map(|more| left.to_mirror = more),
                failed => failed,
            },
            _ = beats.tick() => follower.beat().await.map(|more| left.to_send = more),
            _ = looks.tick() => follower.look().await.map(|now| left = Left { to_mirror: left.to_mirror || now.to_mirror, ..now }),
            () = ready(()), if left.to_mirror => follower.mirror().await.map(|more| left.to_mirror = more),
            () = ready(()), if left.to_send => follower.beat().await.map(|more| left.to_send = more),
        };
        if let Err(error) = done {
            left = Left::default();
            tracing::warn!(%error, "this instance cannot synchronise with the primary; trying again");
            // The next attempt waits for the next tick of an interval that is not that of results.
            looks.reset_after(options.sync_interval.min(Duration::from_secs(10)));
        }
    }
}

/// Returns when the instance is not as `is_same` says any more, or another hub does this work.
async fn until_changed(
    tools: Tools<'_>,
    is_same: impl Fn(&easytier_uptime_store::domain::Instance) -> bool,
) -> Result<(), StepError> {
    loop {
        sleep(LOOK_INTERVAL).await;
        if !tools.store.holds_instance_duty().await? || !is_same(&tools.store.instance().await?) {
            return Ok(());
        }
    }
}

fn every(period: Duration) -> tokio::time::Interval {
    let mut ticks = interval(period.max(Duration::from_millis(100)));
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    ticks
}
