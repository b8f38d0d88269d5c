//! What the operator may change while hubs run: when evidence counts, how long things are kept, how often peers are
//! checked.

use std::time::Duration;

use easytier_uptime_config::{duration, values};

use crate::{consensus::Policy, store::Retention};

/// What a hub goes by.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Tuning {
    pub policy: Policy,
    pub retention: Retention,
    /// Of the probe in the hub's own process, where there is one that checks at intervals.
    pub intervals: Option<Intervals>,
}

/// How often a probe does things.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Intervals {
    /// From one check of a peer to the next.
    pub check: Duration,
    /// From one result that says nothing new to the next.
    pub report: Duration,
}

/// One thing that can be tuned.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Knob {
    FlapDamping,
    ResultRetention,
    FiveMinuteRetention,
    HourRetention,
    EventRetention,
    CheckInterval,
    ReportInterval,
}

impl Knob {
    pub const ALL: [Self; 7] = [
        Self::FlapDamping,
        Self::ResultRetention,
        Self::FiveMinuteRetention,
        Self::HourRetention,
        Self::EventRetention,
        Self::CheckInterval,
        Self::ReportInterval,
    ];

    /// As the configuration calls it.
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

    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|knob| knob.name() == name)
    }

    /// Its value as one would write it; `None` where there is no such thing to tune.
    pub fn value(self, tuning: &Tuning) -> Option<String> {
        let Tuning { policy, retention, intervals } = tuning;
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

    /// Sets it to what somebody wrote, or says what would be right. Where there is no such thing nothing is set.
    pub fn set(self, tuning: &mut Tuning, text: &str) -> Result<(), String> {
        let Tuning { policy, retention, intervals } = tuning;
        match self {
            Self::FlapDamping => policy.confirmations = damping(text)?,
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

/// The value of `FLAP_DAMPING`.
pub fn damping(text: &str) -> Result<u32, String> {
    values::number(text, 1..=100)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_value_is_read_as_it_is_written() {
        let seconds = Duration::from_secs;
        let all = Tuning {
            intervals: Some(Intervals { check: Duration::from_millis(1500), report: seconds(90) }),
            ..Tuning::default()
        };
        let other = Tuning {
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
        for knob in Knob::ALL {
            assert_eq!(Knob::from_name(knob.name()), Some(knob));
            assert_ne!(knob.value(&read), knob.value(&all));
            knob.set(&mut read, &knob.value(&all).unwrap()).unwrap();
        }
        assert_eq!(read, all);
    }

    #[test]
    fn what_is_wrong_changes_nothing() {
        let mut tuning = Tuning {
            intervals: Some(Intervals { check: Duration::from_secs(5), report: Duration::from_secs(30) }),
            ..Tuning::default()
        };
        let before = tuning;
        for (knob, wrong) in [
            (Knob::FlapDamping, "0"),
            (Knob::FlapDamping, "a few"),
            (Knob::ResultRetention, "1h"),
            (Knob::EventRetention, "long"),
            (Knob::CheckInterval, "1ms"),
            (Knob::ReportInterval, "500ms"),
        ] {
            assert!(knob.set(&mut tuning, wrong).unwrap_err().starts_with("write "), "{knob:?} {wrong}");
        }
        assert_eq!(tuning, before);
    }
}
