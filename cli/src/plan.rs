//! How peers are checked by a service, from its configuration.

use easytier_uptime_config::{ProbeConfig, Reader};
use easytier_uptime_scheduler::{CheckPlan, Schedule, schedule};

/// Reads what a probe's own configuration does not validate: the schedule, and its time zone.
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
