//! The part of a row's history that is not in the snapshot: 7 and 30 days, and hourly latencies.

use std::collections::HashMap;

use easytier_uptime_store::{
    Store, StoreError,
    domain::{CheckStats, DAY, Grain, PeerId, SeriesPoint, Timestamp},
};

use crate::pages::chart;

/// The history of one node.
#[derive(Debug, Default)]
pub struct Past {
    week: Share,
    month: Share,
    /// Hourly latencies of the last 24 hours, by region.
    pub latencies: chart::Lines,
}

/// The counts of healthy checks and of all checks.
#[derive(Debug, Default)]
struct Share {
    healthy: u64,
    checks: u64,
}

impl Share {
    fn add(&mut self, stats: &CheckStats) {
        self.healthy += stats.healthy_count;
        self.checks += stats.total_checks;
    }

    fn percentage(&self) -> Option<f64> {
        let stats = CheckStats { healthy_count: self.healthy, total_checks: self.checks, ..CheckStats::default() };
        (self.checks > 0).then(|| stats.health_percentage())
    }
}

impl Past {
    /// Healthy checks in percent over the last 7 calendar days.
    pub fn week(&self) -> Option<f64> {
        self.week.percentage()
    }

    /// Healthy checks in percent over the last 30 calendar days.
    pub fn month(&self) -> Option<f64> {
        self.month.percentage()
    }
}

/// The history of these nodes.
pub async fn read(store: &Store, ids: &[PeerId], now: Timestamp) -> Result<HashMap<PeerId, Past>, StoreError> {
    let mut pasts: HashMap<PeerId, Past> = HashMap::new();
    let today = now.bucket(DAY);
    for point in store.series(ids, Grain::Day, now - DAY * 30, now).await? {
        let past = pasts.entry(point.peer).or_default();
        past.month.add(&point.stats);
        if today - point.at.bucket(DAY) < 7 {
            past.week.add(&point.stats);
        }
    }
    let points = store.series(ids, Grain::Hour, now - DAY, now).await?;
    for points in points.chunk_by(|a: &SeriesPoint, b| a.peer == b.peer) {
        if let [first, ..] = points {
            pasts.entry(first.peer).or_default().latencies = chart::lines(points);
        }
    }
    Ok(pasts)
}
