//! The settings that the operator may change while hubs run. All hubs on one database share them.

use std::time::Duration;

use super::{DAY, Policy, QUARTER, Retention};

const MIN_CHECK_INTERVAL: Duration = Duration::from_millis(100);
const MIN_REPORT_INTERVAL: Duration = Duration::from_secs(1);
/// Tests that are less than this apart would take too much of a node's bandwidth.
const MIN_RELAY_INTERVAL: Duration = Duration::from_secs(600);
const MAX_DOUBT_NODES: u32 = 100_000;
/// A year.
const MAX_INTERVAL: Duration = Duration::from_secs(366 * 24 * 3600);
/// Ten years.
const MAX_RETENTION: Duration = Duration::from_secs(3660 * 24 * 3600);

/// The values that a hub uses now.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LiveSettings {
    /// When evidence counts.
    pub policy: Policy,
    /// How long history is kept.
    pub retention: Retention,
    /// The time from one test whether a node relays to the next, over all regions; zero for no tests. It is a quarter of an hour by
    /// default.
    pub relay_interval: Duration,
    /// The intervals of the probe in the hub's own process; `None` when there is no such probe, or it runs on a schedule.
    pub intervals: Option<Intervals>,
}

impl Default for LiveSettings {
    fn default() -> Self {
        Self { policy: Policy::default(), retention: Retention::default(), relay_interval: QUARTER, intervals: None }
    }
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
    /// [`Policy::doubt_nodes`].
    RegionDoubt,
    /// [`Retention::results`].
    ResultRetention,
    /// [`Retention::five_minutes`].
    FiveMinuteRetention,
    /// [`Retention::hours`].
    HourRetention,
    /// [`Retention::events`].
    EventRetention,
    /// [`LiveSettings::relay_interval`].
    RelayInterval,
    /// [`Intervals::check`].
    CheckInterval,
    /// [`Intervals::report`].
    ReportInterval,
}

/// The value of a live setting.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SettingValue {
    /// A number, of [`LiveSetting::FlapDamping`] and [`LiveSetting::RegionDoubt`].
    Count(u32),
    /// A duration, of every other setting.
    Duration(Duration),
}

/// A value that a live setting cannot have.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("{value:?} is not a valid value of {}", setting.name())]
pub struct InvalidSetting {
    /// The setting.
    pub setting: LiveSetting,
    /// The value.
    pub value: SettingValue,
}

impl LiveSetting {
    /// All live settings.
    pub const ALL: [Self; 9] = [
        Self::FlapDamping,
        Self::RegionDoubt,
        Self::ResultRetention,
        Self::FiveMinuteRetention,
        Self::HourRetention,
        Self::EventRetention,
        Self::RelayInterval,
        Self::CheckInterval,
        Self::ReportInterval,
    ];

    /// The name, which is the name of the environment variable too.
    pub fn name(self) -> &'static str {
        match self {
            Self::FlapDamping => "FLAP_DAMPING",
            Self::RegionDoubt => "REGION_DOUBT_NODES",
            Self::ResultRetention => "RESULT_RETENTION",
            Self::FiveMinuteRetention => "FIVE_MINUTE_RETENTION",
            Self::HourRetention => "HOUR_RETENTION",
            Self::EventRetention => "EVENT_RETENTION",
            Self::RelayInterval => "RELAY_CHECK_INTERVAL",
            Self::CheckInterval => "HEALTH_CHECK_INTERVAL",
            Self::ReportInterval => "STATUS_REPORT_INTERVAL",
        }
    }

    /// Whether the database keeps the value, so that all hubs on it use the same. The configuration of a hub only sets it where
    /// the database has none. The other settings belong to the probe in the process of one hub.
    pub fn is_shared(self) -> bool {
        !matches!(self, Self::CheckInterval | Self::ReportInterval)
    }

    /// The live setting with this name.
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|setting| setting.name() == name)
    }

    /// The value in `settings`; `None` for an interval when there are no intervals.
    pub fn value(self, settings: &LiveSettings) -> Option<SettingValue> {
        let LiveSettings { policy, retention, relay_interval, intervals } = settings;
        let duration = match self {
            Self::FlapDamping => return Some(SettingValue::Count(policy.confirmations)),
            Self::RegionDoubt => return Some(SettingValue::Count(policy.doubt_nodes)),
            Self::ResultRetention => retention.results,
            Self::FiveMinuteRetention => retention.five_minutes,
            Self::HourRetention => retention.hours,
            Self::EventRetention => retention.events,
            Self::RelayInterval => *relay_interval,
            Self::CheckInterval => intervals.as_ref()?.check,
            Self::ReportInterval => intervals.as_ref()?.report,
        };
        Some(SettingValue::Duration(duration))
    }

    /// Sets the value in `settings`. An interval is ignored when there are no intervals.
    ///
    /// # Errors
    ///
    /// When the value is of the wrong type or out of range: a flap damping is from 1 to 100, the number of nodes for doubting a
    /// region from 0 to 100,000, a retention from a day to ten years, an interval of tests of relaying zero or from ten minutes to a
    /// day, a check interval from 100 milliseconds to a year, a
    /// report interval from a second to a year, in whole seconds.
    pub fn set(self, settings: &mut LiveSettings, value: SettingValue) -> Result<(), InvalidSetting> {
        if !self.allows(value) {
            return Err(InvalidSetting { setting: self, value });
        }
        let LiveSettings { policy, retention, relay_interval, intervals } = settings;
        match value {
            SettingValue::Count(count) if self == Self::RegionDoubt => policy.doubt_nodes = count,
            SettingValue::Count(count) => policy.confirmations = count,
            SettingValue::Duration(duration) => {
                let place = match self {
                    Self::FlapDamping | Self::RegionDoubt => None,
                    Self::ResultRetention => Some(&mut retention.results),
                    Self::FiveMinuteRetention => Some(&mut retention.five_minutes),
                    Self::HourRetention => Some(&mut retention.hours),
                    Self::EventRetention => Some(&mut retention.events),
                    Self::RelayInterval => Some(relay_interval),
                    Self::CheckInterval => intervals.as_mut().map(|intervals| &mut intervals.check),
                    Self::ReportInterval => intervals.as_mut().map(|intervals| &mut intervals.report),
                };
                if let Some(place) = place {
                    *place = duration;
                }
            }
        }
        Ok(())
    }

    pub(crate) fn allows(self, value: SettingValue) -> bool {
        match (self, value) {
            (Self::FlapDamping, SettingValue::Count(count)) => (1..=100).contains(&count),
            (Self::RegionDoubt, SettingValue::Count(count)) => count <= MAX_DOUBT_NODES,
            (Self::FlapDamping | Self::RegionDoubt, SettingValue::Duration(_)) | (_, SettingValue::Count(_)) => false,
            (Self::RelayInterval, SettingValue::Duration(interval)) => {
                interval.is_zero() || (MIN_RELAY_INTERVAL..=DAY).contains(&interval)
            }
            (Self::CheckInterval, SettingValue::Duration(interval)) => {
                (MIN_CHECK_INTERVAL..=MAX_INTERVAL).contains(&interval)
            }
            (Self::ReportInterval, SettingValue::Duration(interval)) => {
                (MIN_REPORT_INTERVAL..=MAX_INTERVAL).contains(&interval) && interval.subsec_nanos() == 0
            }
            (_, SettingValue::Duration(retention)) => (DAY..=MAX_RETENTION).contains(&retention),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{SettingValue::Count, *};

    const INTERVALS: Intervals = Intervals { check: Duration::from_secs(5), report: Duration::from_secs(30) };

    fn seconds(seconds: u64) -> SettingValue {
        SettingValue::Duration(Duration::from_secs(seconds))
    }

    #[test]
    fn every_setting_has_its_own_value() {
        let all = LiveSettings {
            intervals: Some(Intervals { check: Duration::from_millis(1500), ..INTERVALS }),
            ..LiveSettings::default()
        };
        let mut settings = LiveSettings {
            policy: Policy { confirmations: 7, doubt_nodes: 0, ..Policy::default() },
            retention: Retention { results: 4 * DAY, five_minutes: 5 * DAY, hours: 6 * DAY, events: 8 * DAY },
            relay_interval: Duration::ZERO,
            intervals: Some(Intervals { check: Duration::from_secs(1), report: Duration::from_secs(1) }),
        };
        for setting in LiveSetting::ALL {
            assert_eq!(LiveSetting::from_name(setting.name()), Some(setting));
            assert_ne!(setting.value(&settings), setting.value(&all));
            setting.set(&mut settings, setting.value(&all).unwrap()).unwrap();
        }
        assert_eq!(settings, all);
    }

    #[test]
    fn an_invalid_value_changes_nothing() {
        let mut settings = LiveSettings { intervals: Some(INTERVALS), ..LiveSettings::default() };
        let before = settings;
        for (setting, value) in [
            (LiveSetting::FlapDamping, Count(0)),
            (LiveSetting::FlapDamping, seconds(3)),
            (LiveSetting::RegionDoubt, Count(100_001)),
            (LiveSetting::RegionDoubt, seconds(8)),
            (LiveSetting::ResultRetention, seconds(3600)),
            (LiveSetting::EventRetention, Count(90)),
            (LiveSetting::RelayInterval, seconds(599)),
            (LiveSetting::RelayInterval, seconds(86_401)),
            (LiveSetting::CheckInterval, SettingValue::Duration(Duration::from_millis(1))),
            (LiveSetting::ReportInterval, SettingValue::Duration(Duration::from_millis(1500))),
        ] {
            assert_eq!(setting.set(&mut settings, value), Err(InvalidSetting { setting, value }));
        }
        assert_eq!(settings, before);
    }
}
