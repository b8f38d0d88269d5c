//! How a service checks peers, from its configuration.

use easytier_probe::CheckOptions;
use easytier_uptime_config::{ProbeConfig, Reader};
use easytier_uptime_scheduler::{CheckPlan, Schedule, schedule};

use crate::descriptors;

/// Reads the check plan. It also validates the schedule, the time zone and the jitter, which [`ProbeConfig`] does not
/// validate.
pub fn read(reader: &mut Reader<'_>, probe: &ProbeConfig) -> CheckPlan {
    let schedule =
        reader.optional("PROBE_SCHEDULE", |text| text.parse::<Schedule>().map_err(|error| error.to_string()));
    let zone = reader.value("PROBE_TIMEZONE", schedule::zone);
    let schedule = schedule.map(|schedule| schedule.in_zone(zone));
    let is_fine = schedule.as_ref().map_or(Ok(()), |schedule| schedule.accepts_jitter(probe.probe_jitter));
    if let Err(problem) = is_fine {
        reader.reject("PROBE_JITTER", problem);
    }
    CheckPlan {
        checks: CheckOptions { max_sockets: descriptors::for_checks_of_server(), ..probe.checks() },
        self_check_targets: probe.self_check_targets.clone(),
        interval: probe.health_check_interval,
        report_interval: probe.status_report_interval,
        schedule,
        delay: schedule::delay_within(probe.probe_jitter, &probe.server_id),
        cycle_at_start: false,
    }
}
