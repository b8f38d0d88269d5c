//! What the demo shows, and whether it is what should have been seen.

use std::{collections::BTreeMap, io::Write};

use easytier_probe::{CheckResult, CycleReport, FailureCode, Status};
use tokio::time::Instant;

use super::stage::{CAROL, Member, Stage};
use crate::{exit::Exit, results::words};

pub struct Show {
    started: Instant,
    /// What was last shown of each peer, by its id.
    shown: BTreeMap<i64, Status>,
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

    pub fn opens(&mut self, stage: &Stage) -> anyhow::Result<()> {
        let mut lines = vec![
            "Three EasyTier nodes, a backend and a probe, all of them on this machine:".to_owned(),
            format!("  backend  {}", stage.backend.base_url()),
        ];
        lines.extend(stage.members.iter().map(|member| format!("  {:<7}  {}", member.name, member.url)));
        lines.push("The probe checks the nodes again and again; this is what the backend hears.".to_owned());
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

    /// A line for the cycle, and one for each peer that is not as it was.
    pub fn cycle(&mut self, number: u32, report: &CycleReport, stage: &Stage) -> anyhow::Result<()> {
        self.cycles = number;
        let heard = stage.backend.heard();
        self.results = heard.results;
        let mut lines = vec![format!(
            "{}cycle {number}: {} online, {} offline, in {}",
            self.time(),
            report.online,
            report.offline,
            words::millis(report.duration_ms)
        )];
        let mut surprises = Vec::new();
        for error in [&report.fetch_error, &report.report_error].into_iter().flatten() {
            surprises.push(error.to_string());
        }
        let results_due = u64::from(number) * stage.members.len() as u64;
        if (heard.results, heard.status_reports) != (results_due, number.into()) {
            surprises.push(format!(
                "the backend has {} results and {} status reports instead of {results_due} and {number}",
                heard.results, heard.status_reports
            ));
        }
        for (id, member) in (1..).zip(&stage.members) {
            let Some(result) = heard.latest.get(&id) else { continue };
            if self.shown.insert(id, result.status) != Some(result.status) {
                lines.push(format!("{:10}{:<5}  {}", "", member.name, in_words(result)));
            }
            if !is_right(member, result) {
                let should_be = if member.is_up() { "online" } else { "offline with connect_refused" };
                surprises.push(format!(
                    "{} should be {should_be}, and is {}",
                    member.name,
                    in_words(result).trim_end()
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

fn is_right(member: &Member, result: &CheckResult) -> bool {
    match member.is_up() {
        true => result.status == Status::Online,
        false => result.error == Some(FailureCode::ConnectRefused),
    }
}

fn in_words(result: &CheckResult) -> String {
    let outcome = words::problem(result).or_else(|| result.response_time.map(words::millis));
    format!("{}  {}", words::colored_status(result.status), outcome.unwrap_or_default())
}

/// At once, so that who reads a pipe sees it when it happens.
fn print(text: &str) -> anyhow::Result<()> {
    let mut stdout = anstream::stdout().lock();
    writeln!(stdout, "{text}")?;
    Ok(stdout.flush()?)
}
