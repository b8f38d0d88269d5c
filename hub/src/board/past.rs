//! The history of a node that lists show: the uptime of 7 and 30 days, and hourly latencies. It is read once, and then brought
//! up to date when a bucket of five minutes ends.

use std::{collections::HashMap, time::Duration};

use easytier_uptime_store::{
    Store, StoreError,
    domain::{DAY, Grain, PeerId, Region, SeriesPoint, Timestamp, Uptime},
};

const HOUR: Duration = Duration::from_secs(3600);

const WEEK: Duration = DAY.saturating_mul(7);
const MONTH: Duration = DAY.saturating_mul(30);
const HOURS: i64 = 24;

/// How many buckets are read again: results may arrive late. Later ones are noticed when everything is read again.
const RECENT: i64 = 2;

/// The history of one node.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Past {
    /// The uptime of the last 7 days in percent.
    pub week: Option<f64>,
    /// The uptime of the last 30 days in percent.
    pub month: Option<f64>,
    /// Hourly latencies of the last 24 hours, by region.
    pub latencies: Vec<Line>,
}

/// The latencies of a region.
#[derive(Debug, Clone, PartialEq)]
pub struct Line {
    pub region: Region,
    /// The number of the hour since 1970, and the latency in microseconds; the oldest first.
    pub hours: Vec<(u32, u32)>,
}

/// How far back a history is read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Reach {
    All,
    /// Only buckets that may have changed since the last time.
    Recent,
}

/// Reads the histories of these nodes. With [`Reach::Recent`], `known` has their older parts.
pub async fn read(
    store: &Store,
    ids: &[PeerId],
    known: impl Fn(PeerId) -> Option<std::sync::Arc<Past>>,
    reach: Reach,
    now: Timestamp,
) -> Result<HashMap<PeerId, Past>, StoreError> {
    let hours = match reach {
        Reach::All => HOURS,
        Reach::Recent => RECENT,
    };
    let [weeks, months] = [store.uptimes(ids, WEEK, now).await?, store.uptimes(ids, MONTH, now).await?];
    // `series` begins after the bucket of its start.
    let by_hour = store.series(ids, Grain::Hour, now - HOUR * hours as u32, now).await?;
    let mut pasts: HashMap<PeerId, Past> = ids
        .iter()
        .map(|id| {
            let before = known(*id).filter(|_| reach == Reach::Recent);
            let mut past = before.map(|past| past.before(now, hours)).unwrap_or_default();
            past.week = weeks.get(id).and_then(Uptime::percentage);
            past.month = months.get(id).and_then(Uptime::percentage);
            (*id, past)
        })
        .collect();
    for points in by_hour.chunk_by(|a, b| a.peer == b.peer && a.region == b.region) {
        if let Some(past) = points.first().and_then(|point| pasts.get_mut(&point.peer)) {
            past.add_hours(points);
        }
    }
    pasts.values_mut().for_each(Past::shrink);
    Ok(pasts)
}

impl Past {
    /// The latencies that are older than the newest `hours`, and not too old yet.
    fn before(&self, now: Timestamp, hours: i64) -> Self {
        let hour = now.bucket(HOUR);
        let old_hour = |at: u32| i64::from(at) > hour - HOURS && i64::from(at) <= hour - hours;
        let line = |line: &Line| Line {
            region: line.region.clone(),
            hours: line.hours.iter().copied().filter(|(at, _)| old_hour(*at)).collect(),
        };
        Self {
            latencies: self.latencies.iter().map(line).filter(|line| !line.hours.is_empty()).collect(),
            ..Self::default()
        }
    }

    /// Adds the points of one region.
    fn add_hours(&mut self, points: &[SeriesPoint]) {
        let Some(first) = points.first() else { return };
        let hour = |point: &SeriesPoint| u32::try_from(point.at.bucket(HOUR)).ok();
        let latency = |point: &SeriesPoint| u32::try_from(point.stats.average_response_us?).ok();
        let hours = points.iter().filter_map(|point| Some((hour(point)?, latency(point)?)));
        let place = self.latencies.binary_search_by(|line| line.region.cmp(&first.region));
        let place = place.unwrap_or_else(|place| {
            self.latencies.insert(place, Line { region: first.region.clone(), hours: Vec::new() });
            place
        });
        if let Some(line) = self.latencies.get_mut(place) {
            line.hours.extend(hours);
        }
    }

    fn shrink(&mut self) {
        self.latencies.retain(|line| !line.hours.is_empty());
        self.latencies.shrink_to_fit();
        self.latencies.iter_mut().for_each(|line| line.hours.shrink_to_fit());
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use easytier_probe::CheckResult;
    use easytier_uptime_store::{
        HubKey, Location, StoreOptions,
        domain::{Batch, PeerSpec, ProbeIdentity},
    };
    use serde_json::json;

    use super::*;

    /// 2027-01-15, an hour before midnight.
    const NOW: Timestamp = Timestamp(1_800_054_000_000);

    struct Stage {
        store: Store,
        peers: Vec<PeerId>,
        probes: Vec<ProbeIdentity>,
        _folder: tempfile::TempDir,
    }

    impl Stage {
        async fn new() -> Self {
            let folder = tempfile::tempdir().unwrap();
            let location = Location::Sqlite(folder.path().join("uptime.db"));
            let store = Store::open(StoreOptions::new(location, HubKey::generate()), NOW).await.unwrap();
            let (mut peers, mut probes) = (Vec::new(), Vec::new());
            for nth in 1..=3 {
                let spec = PeerSpec::new(format!("tcp://192.0.2.{nth}:11010").parse().unwrap());
                peers.push(store.add_peer(&spec, NOW).await.unwrap());
            }
            for region in ["eu", "asia"] {
                probes.push(store.local_probe(region, &region.parse().unwrap(), NOW).await.unwrap());
            }
            Self { store, peers, probes, _folder: folder }
        }

        /// Every peer but the last is checked by every probe; one check in three fails.
        async fn report(&self, at: Timestamp, received_at: Timestamp) {
            let hour = at.bucket(HOUR);
            for (nth, probe) in self.probes.iter().enumerate() {
                let result = |peer: &PeerId| -> CheckResult {
                    let is_online = (hour + peer.0 + nth as i64) % 3 != 0;
                    let status = if is_online { "Online" } else { "Offline" };
                    let time = is_online.then_some(10.0 + (hour % 7) as f64);
                    let (seconds, nanos) = (at.0 as u64 / 1000, (at.0 % 1000) as u32 * 1_000_000);
                    let at_id = uuid::Timestamp::from_unix(uuid::NoContext, seconds, nanos);
                    serde_json::from_value(json!({
                        "id": uuid::Uuid::new_v7(at_id), "peer_id": peer.0, "checked_at": at, "checks": 1, "status": status,
                        "response_time": time, "stage": "route",
                    }))
                    .unwrap()
                };
                let results = self.peers[..2].iter().map(result).collect();
                let batch = Batch::of_probe(probe.clone(), received_at, results);
                let receipt = self.store.ingest(batch).await.unwrap();
                assert_eq!(receipt.accepted, 2, "{receipt:?}");
                self.store.fold().await.unwrap();
            }
        }

        async fn read(&self, known: &HashMap<PeerId, Past>, reach: Reach, now: Timestamp) -> HashMap<PeerId, Past> {
            let known = |id| known.get(&id).cloned().map(Arc::new);
            read(&self.store, &self.peers, known, reach, now).await.unwrap()
        }
    }

    #[tokio::test]
    async fn a_history_that_is_brought_up_to_date_is_the_same_as_one_that_is_read_as_a_whole() {
        let stage = Stage::new().await;
        for hours in [40, 23, 22, 5, 1, 0] {
            stage.report(NOW - HOUR * hours, NOW).await;
        }
        let mut known = stage.read(&HashMap::new(), Reach::All, NOW).await;
        assert_eq!(known[&stage.peers[0]].latencies.len(), 2);
        assert!(known[&stage.peers[0]].month.is_some());
        assert_eq!(known[&stage.peers[2]], Past::default());
        // Past midnight, and until the first hours are too old.
        for minutes in (5..=180).step_by(25) {
            let now = NOW + Duration::from_secs(minutes * 60);
            stage.report(now, now).await;
            // A late result, of the hour before.
            stage.report(now - Duration::from_secs(50 * 60), now).await;
            let recent = stage.read(&known, Reach::Recent, now).await;
            assert_eq!(recent, stage.read(&HashMap::new(), Reach::All, now).await, "after {minutes} minutes");
            known = recent;
        }
    }
}
