//! The settings that a hub may push to a probe.

use std::{collections::BTreeMap, time::Duration};

use crate::values;

/// Settings that replace those of the same names while a probe holds them; see [`ProbeConfig`](crate::ProbeConfig).
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct PushedSettings {
    /// The time from one check of a peer to the next.
    pub health_check_interval: Option<Duration>,
    /// The longest time between two results of a peer whose status does not change.
    pub status_report_interval: Option<Duration>,
    /// The deadline of one check.
    pub health_check_timeout: Option<Duration>,
    /// The number of pings in one check.
    pub health_check_pings: Option<u32>,
    /// The maximum number of concurrent checks.
    pub check_concurrency: Option<usize>,
}

impl PushedSettings {
    /// Validates the values, which are written as in the environment, by their names in lower case.
    ///
    /// # Errors
    ///
    /// The first name that may not be pushed, or whose value is wrong, and what would be right.
    pub fn parse(given: &BTreeMap<String, String>) -> Result<Self, String> {
        let mut settings = Self::default();
        for (key, text) in given {
            let set = match key.as_str() {
                "health_check_interval" => {
                    values::check_interval(text).map(|value| settings.health_check_interval = Some(value))
                }
                "status_report_interval" => {
                    values::whole_seconds(text).map(|value| settings.status_report_interval = Some(value))
                }
                "health_check_timeout" => {
                    values::interval(text).map(|value| settings.health_check_timeout = Some(value))
                }
                "health_check_pings" => values::pings(text).map(|value| settings.health_check_pings = Some(value)),
                "check_concurrency" => values::concurrency(text).map(|value| settings.check_concurrency = Some(value)),
                _ => Err("is no setting that a hub can push".to_owned()),
            };
            set.map_err(|problem| format!("{key}: {problem}"))?;
        }
        Ok(settings)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(key: &str, text: &str) -> Result<PushedSettings, String> {
        PushedSettings::parse(&BTreeMap::from([(key.to_owned(), text.to_owned())]))
    }

    #[test]
    fn five_settings_can_be_pushed_as_they_are_written_in_the_environment() {
        let seconds = |count| Some(Duration::from_secs(count));
        let given = [
            ("health_check_interval", "500ms"),
            ("status_report_interval", "60"),
            ("health_check_timeout", "1m"),
            ("health_check_pings", "100"),
            ("check_concurrency", "7"),
        ];
        let all = given.map(|(key, text)| (key.to_owned(), text.to_owned())).into();
        let expected = PushedSettings {
            health_check_interval: Some(Duration::from_millis(500)),
            status_report_interval: seconds(60),
            health_check_timeout: seconds(60),
            health_check_pings: Some(100),
            check_concurrency: Some(7),
        };
        assert_eq!(PushedSettings::parse(&all), Ok(expected));
        assert_eq!(PushedSettings::parse(&BTreeMap::new()), Ok(PushedSettings::default()));
    }

    #[test]
    fn what_no_hub_may_set_or_no_environment_could_is_refused_by_its_name() {
        for (key, text) in [
            ("probe_schedule", "@hourly"),
            ("allow_local_peers", "true"),
            ("HEALTH_CHECK_INTERVAL", "5s"),
            ("health-check-interval", "5s"),
            ("nonsense", "1"),
            ("health_check_interval", "99ms"),
            ("health_check_interval", ""),
            ("status_report_interval", "1500ms"),
            ("health_check_timeout", "0"),
            ("health_check_pings", "101"),
            ("check_concurrency", "5.0"),
        ] {
            let problem = parse(key, text).unwrap_err();
            assert!(problem.starts_with(&format!("{key}: ")), "{key}={text}: {problem}");
        }
    }
}
