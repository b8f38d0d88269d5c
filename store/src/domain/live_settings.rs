//! The settings that the operator may change while hubs run. All hubs on one database share them.

use std::time::Duration;

use easytier_uptime_config::{duration, values};

use super::{Policy, Retention};

/// The values that a hub uses now.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct LiveSettings {
    /// When evidence counts.
    pub policy: Policy,
    /// How long history is kept.
    pub retention: Retention,
    /// The intervals of the probe in the hub's own process; `None` when there is no such probe, or it runs on a schedule.
    pub intervals: Option<Intervals>,
}

/// The intervals of a probe.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Intervals {
    /// The time between two checks of a peer.
    pub check: Duration,
    /// The time between two results of a peer whose status does not change.
    pub report: Duration,
}

/// One of the [`LiveSettings`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum LiveSetting {
    /// [`Policy::confirmations`].
    FlapDamping,
    /// [`Retention::results`].
    ResultRetention,
    /// [`Retention::five_minutes`].
    FiveMinuteRetention,
    /// [`Retention::hours`].
    HourRetention,
    /// [`Retention::events`].
    EventRetention,
    /// [`Intervals::check`].
    CheckInterval,
    /// [`Intervals::report`].
    ReportInterval,
}

impl LiveSetting {
    /// All live settings.
    pub const ALL: [Self; 7] = [
        Self::FlapDamping,
        Self::ResultRetention,
        Self::FiveMinuteRetention,
        Self::HourRetention,
        Self::EventRetention,
        Self::CheckInterval,
        Self::ReportInterval,
    ];

    /// The name, which is the name of the environment variable too.
    pub fn name(self) -> &'static str {
        match self {
            Self::FlapDamping => "FLAP_DAMPING",
            Self::ResultRetention => "RESULT_RETENTION",
            Self::FiveMinuteRetention => "FIVE_MINUTE_RETENTION",
            Self::HourRetention => "HOUR_RETENTION",
            Self::EventRetention => "EVENT_RETENTION",
            Self::CheckInterval => "HEALTH_CHECK_INTERVAL",
            Self::ReportInterval => "STATUS_REPORT_INTERVAL",
        }
    }

    /// The live setting with this name.
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|setting| setting.name() == name)
    }

    /// The value as text that [`Self::set`] reads; `None` for an interval when there are no intervals.
    pub fn value(self, settings: &LiveSettings) -> Option<String> {
        let LiveSettings { policy, retention, intervals } = settings;
        let length = match self {
            Self::FlapDamping => return Some(policy.confirmations.to_string()),
            Self::ResultRetention => retention.results,
            Self::FiveMinuteRetention => retention.five_minutes,
            Self::HourRetention => retention.hours,
            Self::EventRetention => retention.events,
            Self::CheckInterval => intervals.as_ref()?.check,
            Self::ReportInterval => intervals.as_ref()?.report,
        };
        Some(duration::format(length))
    }

    /// Sets the value from text. An interval is ignored when there are no intervals.
    ///
    /// # Errors
    ///
    /// When the text is not a valid value; the error says what to write instead.
    pub fn set(self, settings: &mut LiveSettings, text: &str) -> Result<(), String> {
        let LiveSettings { policy, retention, intervals } = settings;
        match self {
            Self::FlapDamping => policy.confirmations = flap_damping(text)?,
            Self::ResultRetention => retention.results = values::retention(text)?,
            Self::FiveMinuteRetention => retention.five_minutes = values::retention(text)?,
            Self::HourRetention => retention.hours = values::retention(text)?,
            Self::EventRetention => retention.events = values::retention(text)?,
            Self::CheckInterval => {
                let check = values::check_interval(text)?;
                intervals.iter_mut().for_each(|intervals| intervals.check = check);
            }
            Self::ReportInterval => {
                let report = values::whole_seconds(text)?;
                intervals.iter_mut().for_each(|intervals| intervals.report = report);
            }
        }
        Ok(())
    }
}

/// Parses the value of `FLAP_DAMPING`, from 1 to 100.
///
/// # Errors
///
/// When the text is not a valid value; the error says what to write instead.
pub fn flap_damping(text: &str) -> Result<u32, String> {
    values::number(text, 1..=100)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_value_is_read_as_it_is_written() {
        let seconds = Duration::from_secs;
        let all = LiveSettings {
            intervals: Some(Intervals { check: Duration::from_millis(1500), report: seconds(90) }),
            ..LiveSettings::default()
        };
        let other = LiveSettings {
            policy: Policy { confirmations: 7, ..Policy::default() },
            retention: Retention {
                results: seconds(86_401),
                five_minutes: seconds(90_000),
                hours: seconds(90_060),
                events: seconds(172_800),
            },
            intervals: Some(Intervals { check: seconds(1), report: seconds(1) }),
        };
        let mut read = other;
        for setting in LiveSetting::ALL {
            assert_eq!(LiveSetting::from_name(setting.name()), Some(setting));
            assert_ne!(setting.value(&read), setting.value(&all));
            setting.set(&mut read, &setting.value(&all).unwrap()).unwrap();
        }
        assert_eq!(read, all);
    }

    #[test]
    fn an_invalid_value_changes_nothing() {
        let mut settings = LiveSettings {
            intervals: Some(Intervals { check: Duration::from_secs(5), report: Duration::from_secs(30) }),
            ..LiveSettings::default()
        };
        let before = settings;
        for (setting, wrong) in [
            (LiveSetting::FlapDamping, "0"),
            (LiveSetting::FlapDamping, "a few"),
            (LiveSetting::ResultRetention, "1h"),
            (LiveSetting::EventRetention, "long"),
            (LiveSetting::CheckInterval, "1ms"),
            (LiveSetting::ReportInterval, "500ms"),
        ] {
            assert!(setting.set(&mut settings, wrong).unwrap_err().starts_with("write "), "{setting:?} {wrong}");
        }
        assert_eq!(settings, before);
    }
}
