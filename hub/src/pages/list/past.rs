//! The part of a row's history that is not in the snapshot: the uptime of 7 and 30 days, and hourly latencies.

use std::collections::HashMap;

use easytier_uptime_store::{
    Store, StoreError,
    domain::{DAY, Grain, PeerId, SeriesPoint, Timestamp, Uptime},
};

use crate::pages::chart;

/// The history of one node.
#[derive(Debug, Default)]
pub struct Past {
    week: Uptime,
    month: Uptime,
    /// Hourly latencies of the last 24 hours, by region.
    pub latencies: chart::Lines,
}

impl Past {
    /// The uptime of the last 7 days in percent.
    pub fn week(&self) -> Option<f64> {
        self.week.percentage()
    }

    /// The uptime of the last 30 days in percent.
    pub fn month(&self) -> Option<f64> {
        self.month.percentage()
    }
}

/// The history of these nodes.
pub async fn read(store: &Store, ids: &[PeerId], now: Timestamp) -> Result<HashMap<PeerId, Past>, StoreError> {
    let mut weeks = store.uptimes(ids, DAY * 7, now).await?;
    let months = store.uptimes(ids, DAY * 30, now).await?.into_iter();
    let past = |(id, month)| {
        let week = weeks.remove(&id).unwrap_or_default();
        (id, Past { week, month, ..Past::default() })
    };
    let mut pasts: HashMap<PeerId, Past> = months.map(past).collect();
    let points = store.series(ids, Grain::Hour, now - DAY, now).await?;
    for points in points.chunk_by(|a: &SeriesPoint, b| a.peer == b.peer) {
        if let [first, ..] = points {
            pasts.entry(first.peer).or_default().latencies = chart::lines(points);
        }
    }
    Ok(pasts)
}
