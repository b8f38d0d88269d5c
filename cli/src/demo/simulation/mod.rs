//! A history for the pages: nodes that do not exist, and what three probes that do not exist found of them in 30 days.
//!
//! The store takes the time as an argument. So the hub lives through these days in the same way as through real ones, in big
//! steps: it stores results, makes verdicts of them and records incidents. Everything is marked: the nodes have the tag
//! `simulated` and hosts below `simulated.example`, the names of the regions begin with `simulated`, and an announcement on each
//! page says what is made up.

mod cast;
mod sample;

use std::{collections::BTreeSet, time::Duration};

use anyhow::{Context, bail};
use easytier_probe::{CheckResult, PeerUrl};
use easytier_uptime_hub::incidents::Recorder;
use easytier_uptime_store::{
    Store,
    domain::{Batch, NewAnnouncement, PeerId, PeerSpec, ProbeIdentity, Region, Severity, StatusReport, Tag, Timestamp},
};
use futures::future::try_join_all;
use tokio::time::{self, MissedTickBehavior};

use self::{
    cast::{NODES, Outage, REGIONS, SimulatedNode},
    sample::Sample,
};

pub use self::cast::NODES as SIMULATED_NODES;

const MINUTE: Duration = Duration::from_secs(60);

/// In minutes, as all times here.
const DAY: i64 = 24 * 60;
const DAYS: i64 = 30;

/// How many checks a result stands for, a day before the demo and earlier. Charts draw a gap where results are further apart.
const FINE: i64 = 15;
const COARSE: i64 = 180;

/// When the hub looks after an outage began or ended: two results change the status, then an incident is opened, and it is closed
/// when all was well for ten minutes.
const LOOKS: [i64; 3] = [2, 3, 14];

const ENGLISH: &str = "This is a demonstration. Nodes with the tag “simulated” do not exist, and neither do the regions and \
                       probes that check them: their history of 30 days is made up. alice, bob and carol are real nodes on \
                       this machine, checked by real probes.";
const CHINESE: &str = "这是演示站点。带有 simulated 标签的节点并不存在，检测它们的地区和探针也不存在，它们 30 \
                       天的历史都是编造的。alice、bob 和 carol 是本机上的真实节点，由真实的探针检测。";

/// The part of a hub that is made up.
pub struct Simulation {
    store: Store,
    start: Timestamp,
    peers: Vec<PeerId>,
    probes: Vec<ProbeIdentity>,
    /// The last minute that was lived through.
    minute: i64,
}

impl Simulation {
    /// When it begins, for a demo that starts at `start`.
    pub fn beginning(start: Timestamp) -> Timestamp {
        at(start, -DAYS * DAY)
    }

    /// Has the hub of `store` live through the days before `start`.
    pub async fn of_the_past(store: Store, start: Timestamp) -> anyhow::Result<Self> {
        let mut simulation = Self::set_up(store, start).await.context("cannot make the demo's nodes up")?;
        let mut recorder = Recorder::new(simulation.store.clone());
        for minute in looks() {
            simulation.live_until(minute).await?;
            let now = at(start, minute);
            simulation.store.fold().await?;
            simulation.store.review(now).await?;
            recorder.step(now).await?;
        }
        simulation.expect_results_within(MINUTE).await?;
        Ok(simulation)
    }

    /// Goes on until it is dropped.
    pub async fn go_on(mut self) {
        let mut minutes = time::interval_at(time::Instant::now() + MINUTE, MINUTE);
        minutes.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            minutes.tick().await;
            let minute = (Timestamp::now().0 - self.start.0) / 60_000;
            if let Err(error) = self.live_until(minute).await {
                tracing::warn!("the simulation cannot go on: {error:#}");
            }
        }
    }

    async fn set_up(store: Store, start: Timestamp) -> anyhow::Result<Self> {
        let begin = Self::beginning(start);
        let regions: Vec<Region> = REGIONS.iter().map(|region| region.parse()).collect::<Result<_, _>>()?;
        let mut probes = Vec::new();
        for region in &regions {
            probes.push(store.local_probe(region.as_str(), region, begin).await?);
        }
        let mut peers = Vec::new();
        for node in &NODES {
            let tags: BTreeSet<Tag> =
                ["simulated", node.tag].iter().map(|tag| tag.parse()).collect::<Result<_, _>>()?;
            let spec = PeerSpec {
                name: node.name.to_owned(),
                tags,
                allow_relay: node.relays,
                regions: regions.iter().cloned().collect(),
                ..PeerSpec::new(node.url.parse::<PeerUrl>()?)
            };
            peers.push(store.add_peer(&spec, begin).await?);
        }
        let announcement = NewAnnouncement {
            severity: Severity::Info,
            english: Some(ENGLISH.to_owned()),
            chinese: Some(CHINESE.to_owned()),
            ends_at: None,
        };
        store.announce(&announcement, begin).await?;
        let simulation = Self { store, start, peers, probes, minute: -DAYS * DAY };
        // The looks at the past are up to a day apart.
        simulation.expect_results_within(MINUTE * DAY as u32).await?;
        Ok(simulation)
    }

    /// The probes say how often they check. What they found counts for three such intervals.
    async fn expect_results_within(&self, interval: Duration) -> anyhow::Result<()> {
        let version = Some("simulated".to_owned());
        let report = StatusReport { version, check_interval: Some(interval), ..StatusReport::default() };
        for probe in &self.probes {
            self.store.report_status(probe, &report, at(self.start, self.minute)).await?;
        }
        Ok(())
    }

    /// Stores what the probes found since the last minute that was lived through, up to this one.
    async fn live_until(&mut self, minute: i64) -> anyhow::Result<()> {
        let batches = self.probes.iter().enumerate().map(|(region, probe)| {
            let results = self.results(region, minute);
            Batch::of_probe(probe.clone(), at(self.start, minute), results)
        });
        // At the same time, so that the store writes them in one transaction.
        let stored = batches.filter(|batch| !batch.results.is_empty()).map(|batch| self.store.ingest(batch));
        for receipt in try_join_all(stored).await? {
            if let Some(rejected) = receipt.rejected.first() {
                bail!("a made-up result was refused: {:?}", rejected.reason);
            }
        }
        self.minute = minute;
        Ok(())
    }

    /// What one probe found since the last minute that was lived through.
    fn results(&self, region: usize, minute: i64) -> Vec<CheckResult> {
        let mut results = Vec::new();
        for (node, (peer, of)) in self.peers.iter().zip(&NODES).enumerate() {
            let mut from = self.minute;
            for to in times(self.minute, minute, of) {
                results.push(Sample { node, region, from, to }.result(peer.0, at(self.start, to)));
                from = to;
            }
        }
        results
    }
}

fn at(start: Timestamp, minute: i64) -> Timestamp {
    Timestamp(start.0 + minute * 60_000)
}

/// When the hub looks at what happened, in order.
fn looks() -> BTreeSet<i64> {
    let changes = NODES.iter().flat_map(|node| node.outages).flat_map(Outage::changes);
    let after_changes = changes.flat_map(|minute| LOOKS.map(|later| minute + later)).filter(|minute| *minute < 0);
    let daily = (0..DAYS).map(|days| -days * DAY);
    [LOOKS[0] - DAYS * DAY].into_iter().chain(after_changes).chain(daily).collect()
}

/// The times of the results about a node after one minute and up to another, in order: at regular times, and twice after each
/// change, because that is what changes a status.
fn times(from: i64, to: i64, node: &SimulatedNode) -> BTreeSet<i64> {
    let step = match to {
        1.. => 1,
        _ if to > -DAY => FINE,
        _ => COARSE,
    };
    let regular = (from + 1..=to).filter(|minute| minute.rem_euclid(step) == 0);
    let changes = node.outages.iter().flat_map(Outage::changes);
    let after_changes =
        changes.flat_map(|minute| [minute, minute + 1]).filter(|minute| (from + 1..=to).contains(minute));
    let first = [LOOKS[0] - DAYS * DAY].into_iter().filter(|minute| *minute == to);
    regular.chain(after_changes).chain(first).collect()
}
