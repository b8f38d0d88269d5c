//! Reads now and then what nothing notes when it changes.

use easytier_uptime_alerts::{
    Change, Rule,
    policy::{Levels, Recipient},
};
use easytier_uptime_store::{Store, StoreError, domain::Timestamp};

use crate::service::alerts;

/// How often certificates, versions, relaying and work of hubs are looked at, in milliseconds.
const INTERVAL: i64 = 60_000;

/// What was read last. All of it can be read again.
#[derive(Debug, Default)]
pub(super) struct LevelReader {
    read: Option<(i64, Levels)>,
}

impl LevelReader {
    /// Reads again at the next use.
    pub(super) fn forget(&mut self) {
        self.read = None;
    }

    /// What some rule may tell, as it was a minute ago at most.
    ///
    /// # Errors
    ///
    /// When the database fails.
    pub(super) async fn current(
        &mut self,
        store: &Store,
        rules: &[(Recipient, Rule)],
        now: Timestamp,
    ) -> Result<Levels, StoreError> {
        let rules = rules.iter().map(|(_, rule)| rule);
        let told = [Change::Certificate, Change::Version, Change::Relay, Change::Duty];
        if rules.clone().all(|rule| told.iter().all(|change| !rule.on.contains(change))) {
            self.read = None;
            return Ok(Levels::default());
        }
        if let Some((at, levels)) = &self.read
            && now.0 - at < INTERVAL
        {
            return Ok(levels.clone());
        }
        let levels = alerts::levels(store, rules, now).await?;
        self.read = Some((now.0, levels.clone()));
        Ok(levels)
    }

    /// When to look again, in milliseconds since 1970; never when no rule tells such a thing.
    pub(super) fn next_at(&self) -> Option<i64> {
        self.read.as_ref().map(|(at, _)| at + INTERVAL)
    }
}
