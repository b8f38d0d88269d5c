//! The text form of the live settings, as in the configuration and on the pages.

use easytier_uptime_config::{duration, values};
use easytier_uptime_store::domain::{LiveSetting, LiveSettings, SettingValue, Timestamp};

/// A setting that all hubs on one database share.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SharedSetting {
    /// The setting.
    pub setting: LiveSetting,
    /// The text of the value in use.
    pub value: String,
    /// The text of the configured value, which a reset restores.
    pub default: String,
    /// When the database got its value; `None` if it has none, and the configured value is used.
    pub changed_at: Option<Timestamp>,
}

/// The text of a setting; `None` for an interval when the hub has no probe that checks at intervals.
pub fn format(setting: LiveSetting, settings: &LiveSettings) -> Option<String> {
    Some(match setting.value(settings)? {
        SettingValue::Count(count) => count.to_string(),
        SettingValue::Duration(length) => duration::format(length),
    })
}

/// Sets a setting to the value of `text`. An interval is ignored when there are no intervals.
///
/// # Errors
///
/// When the text is not valid. The error describes valid values.
pub fn set(setting: LiveSetting, settings: &mut LiveSettings, text: &str) -> Result<(), String> {
    let value = match setting {
        LiveSetting::FlapDamping => SettingValue::Count(flap_damping(text)?),
        LiveSetting::RegionDoubt => SettingValue::Count(region_doubt(text)?),
        LiveSetting::ResultRetention
        | LiveSetting::FiveMinuteRetention
        | LiveSetting::HourRetention
        | LiveSetting::EventRetention => SettingValue::Duration(values::retention(text)?),
        LiveSetting::RelayInterval => SettingValue::Duration(values::relay_interval(text)?),
        LiveSetting::CheckInterval => SettingValue::Duration(values::check_interval(text)?),
        LiveSetting::ReportInterval => SettingValue::Duration(values::whole_seconds(text)?),
    };
    setting.set(settings, value).map_err(|error| error.to_string())
}

/// Reads `FLAP_DAMPING`.
///
/// # Errors
///
/// When the text is not a number from 1 to 100. The error describes valid values.
pub fn flap_damping(text: &str) -> Result<u32, String> {
    values::number(text, 1..=100)
}

/// Reads `REGION_DOUBT_NODES`.
///
/// # Errors
///
/// When the text is not a number from 0 to 100,000. The error describes valid values.
pub fn region_doubt(text: &str) -> Result<u32, String> {
    values::number(text, 0..=100_000)
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use easytier_uptime_store::domain::{Intervals, Policy, Retention};

    use super::*;

    #[test]
    fn every_value_is_read_as_it_is_written() {
        let seconds = Duration::from_secs;
        let all = LiveSettings {
            intervals: Some(Intervals { check: Duration::from_millis(1500), report: seconds(90) }),
            ..LiveSettings::default()
        };
        let other = LiveSettings {
            policy: Policy { confirmations: 7, doubt_nodes: 0, ..Policy::default() },
            retention: Retention {
                results: seconds(86_401),
                five_minutes: seconds(90_000),
                hours: seconds(90_060),
                events: seconds(172_800),
            },
            relay_interval: Duration::ZERO,
            intervals: Some(Intervals { check: seconds(1), report: seconds(1) }),
        };
        let mut read = other;
        for setting in LiveSetting::ALL {
            assert_ne!(format(setting, &read), format(setting, &all));
            set(setting, &mut read, &format(setting, &all).unwrap()).unwrap();
        }
        assert_eq!(read, all);
    }

    #[test]
    fn an_invalid_text_changes_nothing() {
        let mut settings = LiveSettings {
            intervals: Some(Intervals { check: Duration::from_secs(5), report: Duration::from_secs(30) }),
            ..LiveSettings::default()
        };
        let before = settings;
        for (setting, wrong) in [
            (LiveSetting::FlapDamping, "0"),
            (LiveSetting::FlapDamping, "a few"),
            (LiveSetting::RegionDoubt, "-1"),
            (LiveSetting::RegionDoubt, "100001"),
            (LiveSetting::ResultRetention, "1h"),
            (LiveSetting::EventRetention, "long"),
            (LiveSetting::RelayInterval, "1m"),
            (LiveSetting::CheckInterval, "1ms"),
            (LiveSetting::ReportInterval, "500ms"),
        ] {
            assert!(set(setting, &mut settings, wrong).unwrap_err().starts_with("write "), "{setting:?} {wrong}");
        }
        assert_eq!(settings, before);
    }
}
