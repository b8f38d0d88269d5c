//! Prints the results of the demo, and checks that they are as expected.

use std::collections::BTreeMap;

use easytier_probe::{CycleReport, FailureCode, Stage as CheckStage, Status};
use easytier_uptime_store::domain::{LatestResult, RegionReport};
use tokio::time::Instant;

use super::{
    hub::DemoHub,
    probe::LOCAL_REGION,
    stage::{CAROL, Member, Stage},
};
use crate::{exit::Exit, print, results::words};

pub struct Show {
    started: Instant,
    /// The status that was printed last, by the name of the node.
    printed: BTreeMap<&'static str, Status>,
    cycles: u32,
    results: u64,
    finished: bool,
    /// Results that were not as expected.
    unexpected: Vec<String>,
}

impl Show {
    pub fn new() -> Self {
        Self {
            started: Instant::now(),
            printed: BTreeMap::new(),
            cycles: 0,
            results: 0,
            finished: false,
            unexpected: Vec::new(),
        }
    }

    /// Prints the address of the hub, as the first line.
    pub fn print_address(&self, hub: &DemoHub) -> anyhow::Result<()> {
        Ok(print::line(format_args!("listening on {}", hub.base_url()))?)
    }

    pub fn print_introduction(&mut self, stage: &Stage) -> anyhow::Result<()> {
        let password = stage.hub.admin_password().expose();
        let mut lines = vec![
            format!(
                "The hub's pages are at this address; the admin's pages are at /admin, with the password {password}"
            ),
            "Three EasyTier nodes and three probes, all on this machine:".to_owned(),
        ];
        lines.extend(stage.members.iter().map(|member| format!("  {:<14}  {}", member.name, member.url)));
        lines.extend(stage.probes.iter().map(|probe| {
            let description = match probe.region.added_latency {
                None => "a probe in the region of this name".to_owned(),
                Some(latency) => format!("a probe with {} more latency", words::millis(latency.as_secs_f64() * 1000.0)),
            };
            format!("  {:<14}  {description}", probe.region.name)
        }));
        lines.push(format!(
            "The pages also show {} nodes that do not exist, with a history of 30 days that is made up, and say so.\n\
             The probes check the nodes repeatedly. These are the results, as the hub has them.",
            stage.hub.simulated_nodes()
        ));
        self.started = Instant::now();
        Ok(print::line(format_args!("{}\n", lines.join("\n")))?)
    }

    pub fn carol_stopped(&self) -> anyhow::Result<()> {
        self.print_event(&format!("{CAROL} stops"))
    }

    pub fn carol_started(&self, stage: &Stage) -> anyhow::Result<()> {
        let url = stage.members.iter().find(|member| member.name == CAROL).map(|carol| carol.url.as_str());
        self.print_event(&format!("{CAROL} is back at {}", url.unwrap_or_default()))
    }

    /// Prints a line for the cycle, and one for each node whose status has changed. `reports` are in the order of the probes.
    pub async fn cycle(&mut self, number: u32, reports: &[CycleReport], stage: &Stage) -> anyhow::Result<()> {
        self.cycles = number;
        let view = stage.hub.view().await?;
        self.results = view.checks;
        let mut lines = Vec::new();
        if let Some(local) = reports.first()
            && !self.finished
        {
            let took = words::millis(local.duration_ms);
            lines.push(format!(
                "{}cycle {number}: {} online, {} offline, in {took}",
                self.time(),
                local.online,
                local.offline
            ));
        }
        let mut unexpected: Vec<String> = reports
            .iter()
            .flat_map(|report| [&report.fetch_error, &report.report_error])
            .flatten()
            .map(ToString::to_string)
            .collect();
        let expected_checks = u64::from(number) * (stage.members.len() * stage.probes.len()) as u64;
        // The hub counts the last 24 hours, and the demo may stay for longer.
        if view.checks != expected_checks && !self.finished {
            unexpected.push(format!("the hub has {} results instead of {expected_checks}", view.checks));
        }
        for (member, regions) in stage.members.iter().zip(&view.regions) {
            if let Some(local) = regions.iter().find(|report| report.region.as_str() == LOCAL_REGION.name)
                && self.printed.insert(member.name, local.latest.status) != Some(local.latest.status)
            {
                lines.push(format!("{:10}{:<5}  {}", "", member.name, describe_regions(local, regions)));
            }
            for report in regions.iter().filter(|report| !is_expected(member, &report.latest)) {
                let expected = if member.is_up() { "online" } else { "offline with connect_refused" };
                unexpected.push(format!(
                    "{} should be {expected} from {}, but is {}",
                    member.name,
                    report.region,
                    describe(&report.latest).trim_end()
                ));
            }
        }
        lines.extend(unexpected.iter().map(|problem| format!("{:10}unexpected: {problem}", "")));
        self.unexpected.extend(unexpected.into_iter().map(|problem| format!("cycle {number}: {problem}")));
        if lines.is_empty() {
            return Ok(());
        }
        Ok(print::line(lines.join("\n"))?)
    }

    /// From now on only changes are printed.
    pub fn finished(&mut self) {
        self.finished = true;
    }

    pub fn staying(&self, hub: &DemoHub) -> anyhow::Result<()> {
        self.print_event(&format!("the demo goes on at {} until Ctrl-C", hub.base_url()))
    }

    pub fn interrupted(&self) -> anyhow::Result<()> {
        self.print_event("stopped")
    }

    /// Prints whether all results were as expected.
    pub fn end(&self) -> anyhow::Result<Exit> {
        if !self.unexpected.is_empty() {
            print::note(format_args!("error: not all results were as expected:\n  {}", self.unexpected.join("\n  ")));
            return Ok(Exit::Unexpected);
        }
        if self.finished {
            print::line(format_args!(
                "\nAll results were as expected: {CAROL} went down and came back, in {} cycles with {} results.\n\
                 To check another node:  easytier-uptime check tcp://HOST:PORT",
                self.cycles, self.results
            ))?;
        }
        Ok(Exit::Success)
    }

    fn print_event(&self, event: &str) -> anyhow::Result<()> {
        Ok(print::line(format_args!("{}{event}", self.time()))?)
    }

    fn time(&self) -> String {
        format!("{:>6.1} s  ", self.started.elapsed().as_secs_f64())
    }
}

fn is_expected(member: &Member, result: &LatestResult) -> bool {
    match member.is_up() {
        true => result.status == Status::Online,
        false => result.error == Some(FailureCode::ConnectRefused),
    }
}

/// The result of the local region, and the round trips of the others.
fn describe_regions(local: &RegionReport, regions: &[RegionReport]) -> String {
    let others = regions.iter().filter(|report| report.region != local.region).filter_map(|report| {
        let micros = report.latest.response_us?;
        Some(format!("  {} {}", report.region, words::millis(micros as f64 / 1000.0)))
    });
    describe(&local.latest) + &others.collect::<String>()
}

fn describe(result: &LatestResult) -> String {
    let outcome = match (result.error, result.response_us) {
        (Some(code), _) => words::failure(result.stage.unwrap_or(CheckStage::Resolve), code, result.message.as_deref()),
        (None, Some(micros)) => words::millis(micros as f64 / 1000.0),
        (None, None) => String::new(),
    };
    format!("{}  {outcome}", words::colored_status(result.status))
}
