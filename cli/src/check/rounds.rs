//! Repeated checks, like ping.

use std::{fmt, io::Write, time::Duration};

use easytier_probe::{CheckReport, Checker, Latency, Peer, Status};
use futures::StreamExt;
use tokio::time::MissedTickBehavior;

use super::{OutputArgs, check_all};
use crate::{
    exit::Exit,
    print,
    results::{json, words},
    stop,
};

/// Checks all peers every `interval` and prints each result, until Ctrl-C or SIGTERM. Then prints a summary of each peer.
pub async fn run(checker: &Checker, peers: &[Peer], interval: Duration, output: &OutputArgs) -> anyhow::Result<Exit> {
    let mut tallies: Vec<Tally> = peers.iter().map(|_| Tally::default()).collect();
    tokio::select! {
        outcome = check_forever(checker, peers, interval, output, &mut tallies) => outcome?,
        () = stop::requested(false)? => {}
    }

    for (peer, tally) in peers.iter().zip(&tallies) {
        print::note(format_args!("{}: {tally}", words::peer(peer.name.as_deref(), &peer.url)));
    }
    // A peer counts as unknown until its first check has ended.
    let latest = tallies.iter().map(|tally| tally.latest.unwrap_or(Status::Unknown));
    Ok(Exit::of_checks(latest, output.fail_on))
}

async fn check_forever(
    checker: &Checker,
    peers: &[Peer],
    interval: Duration,
    output: &OutputArgs,
    tallies: &mut [Tally],
) -> anyhow::Result<()> {
    let mut rounds = tokio::time::interval(interval);
    // After a round that took longer than the interval, the next round does not follow at once.
    rounds.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        rounds.tick().await;
        let mut results = check_all(checker, peers, false);
        while let Some((index, report)) = results.next().await {
            tallies[index].add(&report);
            print_result(&peers[index], &report, output.json)?;
        }
    }
}

fn print_result(peer: &Peer, report: &CheckReport, as_json: bool) -> anyhow::Result<()> {
    let mut stdout = anstream::stdout().lock();
    if as_json {
        json::write_line(&mut stdout, report)?;
    } else {
        let result = &report.result;
        let time = result.checked_at.format("%Y-%m-%dT%H:%M:%SZ");
        let status = words::colored_status(result.status);
        writeln!(
            stdout,
            "{time}  {status}  {}  {}",
            words::peer(peer.name.as_deref(), &peer.url),
            words::outcome(report)
        )?;
    }
    stdout.flush()?;
    Ok(())
}

/// Totals over all checks of one peer.
#[derive(Debug, Default)]
struct Tally {
    checks: u64,
    online: u64,
    latest: Option<Status>,
    min_ms: Option<f64>,
    max_ms: Option<f64>,
    /// The sum of the median round trips of the measured checks.
    sum_of_medians_ms: f64,
    /// How many checks had a round trip.
    measured: u64,
}

impl Tally {
    fn add(&mut self, report: &CheckReport) {
        let status = report.result.status;
        self.checks += 1;
        self.online += u64::from(status == Status::Online);
        self.latest = Some(status);
        if let Some(Latency { min_ms, median_ms, max_ms, .. }) = report.latency {
            self.min_ms = Some(self.min_ms.map_or(min_ms, |least| least.min(min_ms)));
            self.max_ms = Some(self.max_ms.map_or(max_ms, |most| most.max(max_ms)));
            self.sum_of_medians_ms += median_ms;
            self.measured += 1;
        }
    }
}

impl fmt::Display for Tally {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { checks, online, .. } = self;
        write!(f, "checks {checks}, online {online}")?;
        if *checks > 0 {
            write!(f, " ({})", words::percent(*online as f64 / *checks as f64))?;
        }
        if let (Some(min), Some(max)) = (self.min_ms, self.max_ms) {
            let mean = self.sum_of_medians_ms / self.measured as f64;
            write!(f, ", min/avg/max {} / {} / {}", words::millis(min), words::millis(mean), words::millis(max))?;
        }
        Ok(())
    }
}
