//! What nothing notes when it changes, read from the store: certificates, versions, relaying, work of hubs.

use std::time::Duration;

use easytier_probe::Relay;
use easytier_uptime_alerts::{
    Change, NodeVersion, Rule,
    policy::{Duty, Levels},
};
use easytier_uptime_store::{
    Store, StoreError,
    domain::{DAY, Role, Timestamp},
};

/// The time for which nobody has to have deleted what is old until no hub does: it is done every few minutes.
const RETENTION_PAUSE: Duration = Duration::from_secs(20 * 60);

/// What some of the rules may tell of certificates, versions, relaying and work of hubs.
///
/// # Errors
///
/// When the database fails.
pub(crate) async fn levels<'a>(
    store: &Store,
    rules: impl Iterator<Item = &'a Rule> + Clone,
    now: Timestamp,
) -> Result<Levels, StoreError> {
    let mut levels = Levels::default();
    let of = |change| rules.clone().filter(move |rule| rule.on.contains(&change));
    if let Some(days) = of(Change::Certificate).map(|rule| rule.certificate_days).max() {
        // A day more, so that what is about to be told is known in time.
        let found = store.certificates_until(now + DAY * (days + 1)).await?;
        levels.certificates = found.into_iter().map(|(peer, at)| (peer.0, at.0)).collect();
    }
    if let Some(below) = of(Change::Version).filter_map(|rule| rule.version_below).max() {
        let mut old = store.reported_versions().await?;
        old.retain(|text| NodeVersion::reported(text).is_some_and(|version| version < below));
        let found = store.nodes_of_versions(old).await?;
        levels.versions = found.into_iter().map(|(peer, version)| (peer.0, version)).collect();
    }
    if of(Change::Relay).next().is_some() {
        let found = store.relays_that_do_not().await?;
        levels.relays = found.into_iter().map(|(peer, verdict)| (peer.0, verdict == Relay::Refused)).collect();
    }
    if of(Change::Duty).next().is_some() {
        let is_alone = store.instance().await?.role == Role::Standalone;
        let idle = store.idle_duties().await?.into_iter().filter_map(|(name, since)| idle(&name, since));
        levels.idle = idle.filter(|duty| !(is_alone && *duty == Duty::Instance)).collect();
    }
    Ok(levels)
}

/// The work of a duty, if no hub does it.
fn idle(name: &str, since: Option<Duration>) -> Option<Duty> {
    let duty = if name.starts_with("fold-") { Duty::Fold } else { Duty::from_name(name)? };
    let is_idle = match duty {
        Duty::Retention => since.is_some_and(|since| since > RETENTION_PAUSE),
        // A hub that ended a moment ago gave it up.
        _ => since.is_none_or(|since| !since.is_zero()),
    };
    is_idle.then_some(duty)
}
