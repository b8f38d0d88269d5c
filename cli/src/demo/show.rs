//! What the demo shows, and whether it is what should have been seen.

use std::{collections::BTreeMap, io::Write};

use easytier_probe::{CycleReport, FailureCode, Stage as CheckStage, Status};
use easytier_uptime_hub::model::{LatestResult, RegionReport};
use tokio::time::Instant;

use super::{
    hub::DemoHub,
    probe::HERE,
    stage::{CAROL, Member, Stage},
};
use crate::{exit::Exit, results::words};

pub struct Show {
    started: Instant,
    /// What was last shown of each peer, by its name.
    shown: BTreeMap<&'static str, Status>,
    cycles: u32,
    results: u64,
    finished: bool,
    /// What should not have been seen.
    surprises: Vec<String>,
}

impl Show {
    pub fn new() -> Self {
        Self {
            started: Instant::now(),
            shown: BTreeMap::new(),
            cycles: 0,
            results: 0,
            finished: false,
            surprises: Vec::new(),
        }
    }

    /// Where the pages are: the very first line, for programs too.
    pub fn address(&self, hub: &DemoHub) -> anyhow::Result<()> {
        print(&format!("listening on {}", hub.base_url()))
    }

    pub fn opens(&mut self, stage: &Stage) -> anyhow::Result<()> {
        let password = stage.hub.admin_password().expose();
        let mut lines = vec![
            format!("The pages are there; so are the admin's, at /admin, with the password {password}"),
            "Three EasyTier nodes, a hub and three probes, all of them on this machine:".to_owned(),
        ];
        lines.extend(stage.members.iter().map(|member| format!("  {:<14}  {}", member.name, member.url)));
        lines.extend(stage.probes.iter().map(|probe| {
            let truth = match probe.place.distance {
                None => "a probe in a region of that name".to_owned(),
                Some(distance) => format!("one as if it were {} away", words::millis(distance.as_secs_f64() * 1000.0)),
            };
            format!("  {:<14}  {truth}", probe.place.region)
        }));
        lines.push("The probes check the nodes again and again; this is what the hub says.".to_owned());
        self.started = Instant::now();
        print(&format!("{}\n", lines.join("\n")))
    }

    pub fn carol_stopped(&self) -> anyhow::Result<()> {
        self.event(&format!("{CAROL} stops"))
    }

    pub fn carol_started(&self, stage: &Stage) -> anyhow::Result<()> {
        let url = stage.members.iter().find(|member| member.name == CAROL).map(|carol| carol.url.as_str());
        self.event(&format!("{CAROL} is back at {}", url.unwrap_or_default()))
    }

    /// A line for the cycle, and one for each peer that is not as it was. `reports` are those of the probes, in their
    /// order.
    pub async fn cycle(&mut self, number: u32, reports: &[CycleReport], stage: &Stage) -> anyhow::Result<()> {
        self.cycles = number;
        let heard = stage.hub.heard().await?;
        self.results = heard.checks;
        let mut lines = Vec::new();
        if let Some(here) = reports.first() {
            let took = words::millis(here.duration_ms);
            lines.push(format!(
                "{}cycle {number}: {} online, {} offline, in {took}",
                self.time(),
                here.online,
                here.offline
            ));
        }
        let mut surprises: Vec<String> = reports
            .iter()
            .flat_map(|report| [&report.fetch_error, &report.report_error])
            .flatten()
            .map(ToString::to_string)
            .collect();
        let results_due = u64::from(number) * (stage.members.len() * stage.probes.len()) as u64;
        if heard.checks != results_due {
            surprises.push(format!("the hub has {} results instead of {results_due}", heard.checks));
        }
        for (member, regions) in stage.members.iter().zip(&heard.regions) {
            if let Some(here) = regions.iter().find(|report| report.region.as_str() == HERE.region)
                && self.shown.insert(member.name, here.latest.status) != Some(here.latest.status)
            {
                lines.push(format!("{:10}{:<5}  {}", "", member.name, in_all_words(here, regions)));
            }
            for report in regions.iter().filter(|report| !is_right(member, &report.latest)) {
                let should_be = if member.is_up() { "online" } else { "offline with connect_refused" };
                surprises.push(format!(
                    "{} should be {should_be} from {}, and is {}",
                    member.name,
                    report.region,
                    in_words(&report.latest).trim_end()
                ));
            }
        }
        lines.extend(surprises.iter().map(|surprise| format!("{:10}not as it should be: {surprise}", "")));
        self.surprises.extend(surprises.into_iter().map(|surprise| format!("cycle {number}: {surprise}")));
        print(&lines.join("\n"))
    }

    pub fn finished(&mut self) {
        self.finished = true;
    }

    pub fn interrupted(&self) -> anyhow::Result<()> {
        self.event("stopped")
    }

    /// Says whether what was seen is what should have been.
    pub fn end(&self) -> anyhow::Result<Exit> {
        if !self.surprises.is_empty() {
            anstream::eprintln!("error: not everything was as it should be:\n  {}", self.surprises.join("\n  "));
            return Ok(Exit::NotAsExpected);
        }
        if self.finished {
            print(&format!(
                "\nAll as it should be: {CAROL} was seen to go down and to come back, in {} cycles and {} results.\n\
                 A node of your choice:  easytier-uptime check tcp://HOST:PORT",
                self.cycles, self.results
            ))?;
        }
        Ok(Exit::Success)
    }

    fn event(&self, what: &str) -> anyhow::Result<()> {
        print(&format!("{}{what}", self.time()))
    }

    fn time(&self) -> String {
        format!("{:>6.1} s  ", self.started.elapsed().as_secs_f64())
    }
}

fn is_right(member: &Member, result: &LatestResult) -> bool {
    match member.is_up() {
        true => result.status == Status::Online,
        false => result.error == Some(FailureCode::ConnectRefused),
    }
}

/// What is seen from here, and the round trips from elsewhere.
fn in_all_words(here: &RegionReport, regions: &[RegionReport]) -> String {
    let elsewhere = regions.iter().filter(|report| report.region != here.region).filter_map(|report| {
        let micros = report.latest.response_us?;
        Some(format!("  {} {}", report.region, words::millis(micros as f64 / 1000.0)))
    });
    in_words(&here.latest) + &elsewhere.collect::<String>()
}

fn in_words(result: &LatestResult) -> String {
    let outcome = match (result.error, result.response_us) {
        (Some(code), _) => words::failure(result.stage.unwrap_or(CheckStage::Resolve), code, result.message.as_deref()),
        (None, Some(micros)) => words::millis(micros as f64 / 1000.0),
        (None, None) => String::new(),
    };
    format!("{}  {outcome}", words::colored_status(result.status))
}

/// At once, so that who reads a pipe sees it when it happens.
fn print(text: &str) -> anyhow::Result<()> {
    let mut stdout = anstream::stdout().lock();
    writeln!(stdout, "{text}")?;
    Ok(stdout.flush()?)
}
