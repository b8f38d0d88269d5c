//! The live settings, in the table `tuning`. All hubs on one database share them; each uses what it read last. The
//! configuration of a hub sets what the table does not have yet.

use std::time::Duration;

use tokio::sync::watch;

use super::{Store, audit::Change, edits, shared::Shared};
use crate::{
    db::{Sql, args, sql, work},
    domain::{AuditObject, AuditVerb, LiveSetting, LiveSettings, SettingValue, Timestamp, millis},
    error::{Conflict, StoreError},
};

const SELECT: &str = "SELECT name, value FROM tuning";
pub(super) const UPSERT: &str = "INSERT INTO tuning (name, value, changed_at) VALUES ($1, $2, $3) \
                      ON CONFLICT (name) DO UPDATE SET value = excluded.value, changed_at = excluded.changed_at";
/// Keeps other hubs from changing settings until the end of the transaction. On SQLite it is the only one.
pub(super) const LOCK: Sql = sql!(["DELETE FROM tuning WHERE FALSE" | "LOCK TABLE tuning IN SHARE ROW EXCLUSIVE MODE"]);

impl Store {
    /// The live settings that this hub uses now.
    pub fn live_settings(&self) -> LiveSettings {
        *self.shared.live_settings.borrow()
    }

    /// A receiver of the live settings and of their changes.
    pub fn watch_live_settings(&self) -> watch::Receiver<LiveSettings> {
        self.shared.live_settings.subscribe()
    }

    /// The live settings without the operator's changes.
    pub fn configured_live_settings(&self) -> LiveSettings {
        self.shared.configured
    }

    /// Where a live setting is configured, when that makes it unchangeable for the operator.
    pub fn fixed_by(&self, setting: LiveSetting) -> Option<&str> {
        self.shared.fixed.get(&setting).filter(|_| !setting.is_shared()).map(String::as_str)
    }

    /// The live settings whose values the database holds, and when each was stored or changed last.
    ///
    /// # Errors
    ///
    /// When the database fails.
    pub async fn stored_settings(&self) -> Result<Vec<(LiveSetting, Timestamp)>, StoreError> {
        let rows: Vec<(String, Timestamp)> = self.db().all("SELECT name, changed_at FROM tuning", vec![]).await?;
        Ok(rows.into_iter().filter_map(|(name, at)| Some((LiveSetting::from_name(&name)?, at))).collect())
    }

    /// Changes the live settings of all hubs on this database. This hub uses them at once, the others within seconds. Fixed
    /// settings do not change.
    ///
    /// # Errors
    ///
    /// When the database fails.
    pub async fn change_live_settings(&self, wanted: &LiveSettings, now: Timestamp) -> Result<(), StoreError> {
        let seen = self.live_settings();
        self.change_settings_if(&|_, _| Ok(()), &seen, wanted, now).await
    }

    /// Changes the live settings like [`change_live_settings`](Self::change_live_settings), from what the operator has seen to
    /// what she wants. Settings that she did not change stay as they are, also if somebody else changed them meanwhile.
    ///
    /// # Errors
    ///
    /// [`Conflict::SettingsChanged`] when a setting that she changes has another value than she has seen; then nothing is
    /// changed. Otherwise when the database fails.
    pub async fn change_seen_settings(
        &self,
        seen: &LiveSettings,
        wanted: &LiveSettings,
        now: Timestamp,
    ) -> Result<(), StoreError> {
        let is_as_seen = |setting: LiveSetting, stored: &LiveSettings| {
            let (stored, seen, wanted) = (setting.value(stored), setting.value(seen), setting.value(wanted));
            // What somebody else has set to the same value is no conflict.
            (stored == seen || stored == wanted).then_some(()).ok_or(Conflict::SettingsChanged)
        };
        self.change_settings_if(&is_as_seen, seen, wanted, now).await
    }

    async fn change_settings_if(
        &self,
        check: &(dyn Fn(LiveSetting, &LiveSettings) -> Result<(), Conflict> + Sync),
        seen: &LiveSettings,
        wanted: &LiveSettings,
        now: Timestamp,
    ) -> Result<(), StoreError> {
        let shared = &self.shared;
        shared
            .db
            .transaction(|tx| {
                work(async move {
                    let edit = edits::allow(tx).await?;
                    // The rows of settings that nobody changed do not exist, so a lock of rows would not do.
                    tx.execute(LOCK, vec![]).await?;
                    let stored = with_changes(shared, tx.all(SELECT, vec![]).await?);
                    let mut names = Vec::new();
                    for setting in LiveSetting::ALL {
                        let changed = setting.value(wanted).filter(|value| setting.value(seen).as_ref() != Some(value));
                        let Some(value) = changed.filter(|_| self.fixed_by(setting).is_none()) else { continue };
                        check(setting, &stored)?;
                        tracing::info!(name = setting.name(), ?value, "the operator changes a setting");
                        names.push(format!("{}={}", setting.name(), encode(value)));
                        tx.execute(UPSERT, args![setting.name(), encode(value), now]).await?;
                    }
                    if !names.is_empty() {
                        return edit.note(tx, change(names.join(", "))).await;
                    }
                    edit.skip();
                    Ok(())
                })
            })
            .await?;
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

/// A change of settings, for the audit log.
fn change(what: String) -> Change {
    Change::of(AuditObject::Settings, AuditVerb::Change).detail(what)
}

/// Stores the shared settings that this hub is configured with, where the database has none. Where it has another value, which
/// all hubs use, the log says so: no hub changes the history of the others by being started.
pub(super) async fn seed(shared: &Shared, now: Timestamp) -> Result<(), StoreError> {
    let rows: Vec<(String, String)> = shared.db.all("SELECT name, value FROM tuning", vec![]).await?;
    for (setting, place) in shared.fixed.iter().filter(|(setting, _)| setting.is_shared()) {
        let Some(configured) = setting.value(&shared.configured) else { continue };
        match rows.iter().find(|(name, _)| name == setting.name()) {
            None => {
                let insert =
                    "INSERT INTO tuning (name, value, changed_at) VALUES ($1, $2, $3) ON CONFLICT (name) DO NOTHING";
                shared.db.execute(insert, args![setting.name(), encode(configured), now]).await?;
            }
            Some((name, value)) if decode(*setting, value) != Some(configured) => tracing::warn!(
                name,
                place,
                configured = encode(configured),
                used = value,
                "the database has another value of this setting, which all its hubs use; change it on the settings page"
            ),
            Some(_) => {}
        }
    }
    Ok(())
}

pub(super) async fn reload(shared: &Shared) -> Result<(), StoreError> {
    let settings = with_changes(shared, shared.db.all(SELECT, vec![]).await?);
    shared.live_settings.send_if_modified(|known| std::mem::replace(known, settings) != settings);
    Ok(())
}

/// The configured settings with the changes of the table.
fn with_changes(shared: &Shared, rows: Vec<(String, String)>) -> LiveSettings {
    let mut settings = shared.configured;
    for (name, value) in rows {
        // A newer hub may know more settings.
        let Some(setting) = LiveSetting::from_name(&name) else { continue };
        if shared.fixed.contains_key(&setting) && !setting.is_shared() {
            continue;
        }
        let is_set = decode(setting, &value).is_some_and(|value| setting.set(&mut settings, value).is_ok());
        if !is_set {
            tracing::warn!(name, value, "ignoring an invalid setting in the database");
        }
    }
    settings
}

/// The value that instances share: a number, or a duration in milliseconds.
pub(super) fn shared_value(setting: LiveSetting, text: &str) -> Option<i64> {
    decode(setting, text).map(|value| match value {
        SettingValue::Count(count) => i64::from(count),
        SettingValue::Duration(duration) => millis(duration),
    })
}

/// The text form of a value that instances share; `None` for one that the setting cannot have.
pub(super) fn text_of_shared(setting: LiveSetting, value: i64) -> Option<String> {
    let value = match is_count(setting) {
        true => SettingValue::Count(value.try_into().ok()?),
        false => SettingValue::Duration(Duration::from_millis(value.try_into().ok()?)),
    };
    setting.allows(value).then(|| encode(value))
}

fn is_count(setting: LiveSetting) -> bool {
    matches!(setting, LiveSetting::FlapDamping | LiveSetting::RegionDoubt)
}

/// The text form in the table: a number, with the unit `s` or `ms` for a duration.
fn encode(value: SettingValue) -> String {
    match value {
        SettingValue::Count(count) => count.to_string(),
        SettingValue::Duration(duration) if duration.subsec_nanos() == 0 => format!("{}s", duration.as_secs()),
        SettingValue::Duration(duration) => format!("{}ms", duration.as_millis()),
    }
}

/// Reads the text form, also with the units `m` and `h` that earlier versions wrote.
fn decode(setting: LiveSetting, text: &str) -> Option<SettingValue> {
    if is_count(setting) {
        return text.parse().ok().map(SettingValue::Count);
    }
    let (number, unit) = text.split_at(text.bytes().take_while(u8::is_ascii_digit).count());
    let millis_per_unit = match unit {
        "ms" => 1,
        "" | "s" => 1_000,
        "m" => 60_000,
        "h" => 3_600_000,
        _ => return None,
    };
    let millis = number.parse::<u64>().ok()?.checked_mul(millis_per_unit)?;
    Some(SettingValue::Duration(Duration::from_millis(millis)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_are_read_as_they_were_written_and_in_all_units() {
        let duration = |millis| SettingValue::Duration(Duration::from_millis(millis));
        for value in [duration(1_500), duration(604_800_000)] {
            assert_eq!(decode(LiveSetting::CheckInterval, &encode(value)), Some(value));
        }
        for (text, millis) in [("500ms", 500), ("30s", 30_000), ("30", 30_000), ("5m", 300_000), ("168h", 604_800_000)]
        {
            assert_eq!(decode(LiveSetting::CheckInterval, text), Some(duration(millis)));
        }
        for setting in [LiveSetting::FlapDamping, LiveSetting::RegionDoubt] {
            assert_eq!(decode(setting, "7"), Some(SettingValue::Count(7)));
        }
        for text in ["", "s", "1d", "-1s", "1.5s", "99999999999999999999s"] {
            assert_eq!(decode(LiveSetting::CheckInterval, text), None, "{text}");
        }
    }
}
