//! The live settings: the configured values, and the operator's changes in the table `tuning`. All hubs on one database
//! share the changes; each uses what it read last.

use tokio::sync::watch;

use super::{Store, shared::Shared};
use crate::{
    db::args,
    domain::{LiveSetting, LiveSettings, Timestamp},
    error::StoreError,
};

impl Store {
    /// The live settings that this hub uses now.
    pub fn live_settings(&self) -> LiveSettings {
        *self.shared.live_settings.borrow()
    }

    /// A receiver of the live settings and each change of them.
    pub fn watch_live_settings(&self) -> watch::Receiver<LiveSettings> {
        self.shared.live_settings.subscribe()
    }

    /// The live settings without the operator's changes.
    pub fn configured_live_settings(&self) -> LiveSettings {
        self.shared.configured
    }

    /// Where a live setting is configured, when that makes it unchangeable for the operator.
    pub fn fixed_by(&self, setting: LiveSetting) -> Option<&str> {
        self.shared.fixed.get(&setting).map(String::as_str)
    }

    /// Changes the live settings of all hubs on this database. This hub uses them at once, the others within seconds. A
    /// value that equals the configured one is not stored; fixed settings do not change.
    ///
    /// # Errors
    ///
    /// When the database fails.
    pub async fn change_live_settings(&self, wanted: &LiveSettings, now: Timestamp) -> Result<(), StoreError> {
        let current = self.live_settings();
        let upsert = "INSERT INTO tuning (name, value, changed_at) VALUES ($1, $2, $3) \
                      ON CONFLICT (name) DO UPDATE SET value = excluded.value, changed_at = excluded.changed_at";
        let mut tx = self.db().begin().await?;
        for setting in LiveSetting::ALL {
            let changed = setting.value(wanted).filter(|value| setting.value(&current).as_ref() != Some(value));
            let Some(value) = changed else { continue };
            if self.fixed_by(setting).is_some() {
                continue;
            }
            tracing::info!(name = setting.name(), value, "the operator changed a setting");
            match setting.value(&self.shared.configured).as_ref() == Some(&value) {
                true => tx.execute("DELETE FROM tuning WHERE name = $1", args![setting.name()]).await?,
                false => tx.execute(upsert, args![setting.name(), value, now]).await?,
            };
        }
        tx.commit().await?;
        self.reload_live_settings().await
    }

    /// Reads the operator's changes, which may have been made at another hub.
    ///
    /// # Errors
    ///
    /// When the database fails.
    pub async fn reload_live_settings(&self) -> Result<(), StoreError> {
        reload(&self.shared).await
    }
}

pub(super) async fn reload(shared: &Shared) -> Result<(), StoreError> {
    let rows: Vec<(String, String)> = shared.db.all("SELECT name, value FROM tuning", vec![]).await?;
    let mut settings = shared.configured;
    for (name, value) in rows {
        // A newer hub may know more settings.
        let Some(setting) = LiveSetting::from_name(&name) else { continue };
        if shared.fixed.contains_key(&setting) {
            continue;
        }
        if let Err(problem) = setting.set(&mut settings, &value) {
            tracing::warn!(name, value, problem, "ignoring an invalid setting in the database");
        }
    }
    shared.live_settings.send_if_modified(|known| std::mem::replace(known, settings) != settings);
    Ok(())
}
