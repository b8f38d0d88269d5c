//! How a service checks peers, from its configuration.

use easytier_uptime_config::{ProbeConfig, Reader};
use easytier_uptime_scheduler::{CheckPlan, Schedule, schedule};

/// Reads the check plan. [`ProbeConfig`] leaves the schedule and its time zone to be validated here.
pub fn read(reader: &mut Reader<'_>, probe: &ProbeConfig) -> CheckPlan {
    CheckPlan {
        checks: probe.checks(),
        concurrency: probe.check_concurrency,
        interval: probe.health_check_interval,
        report_interval: probe.status_report_interval,
        schedule: reader.optional("PROBE_SCHEDULE", |text| text.parse::<Schedule>().map_err(|error| error.to_string())),
        zone: reader.value("PROBE_TIMEZONE", schedule::zone),
    }
}
