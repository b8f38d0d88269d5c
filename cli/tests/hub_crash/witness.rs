//! Compares what is stored with what was sent, and what is counted with what is stored.

use std::collections::{BTreeMap, HashSet};

use serde_json::Value;
use uuid::Uuid;

use crate::{
    database::{Database, Stored},
    ledger::{Figures, Ledger},
    support::Hub,
};

/// Hours that are answered from rollups of five minutes, of an hour and of a day.
const WINDOWS: [u32; 3] = [24, 72, 2400];

/// Results that were made and not acknowledged.
#[derive(Debug, Clone, Copy)]
pub struct UnderWay {
    pub stored: usize,
    pub not_stored: usize,
}

pub struct Witness {
    pub database: Database,
    /// The last row that was seen.
    last_row: i64,
    stored: HashSet<Uuid>,
    /// What the stored results amount to, by peer.
    figures: BTreeMap<i64, Figures>,
    /// Acknowledgements that were looked for.
    checked: usize,
}

impl Witness {
    pub fn new(database: Database) -> Self {
        Self { database, last_row: 0, stored: HashSet::new(), figures: BTreeMap::new(), checked: 0 }
    }

    /// Makes sure that all is well at a moment at which nobody sends, and tells what was under way before it.
    pub async fn look(&mut self, hub: &Hub, ledger: &Ledger) -> UnderWay {
        let Stored { newer, count } = self.database.results_after(self.last_row).await;
        let under_way = {
            let entries = ledger.entries();
            for (row, id) in newer {
                self.last_row = row;
                assert!(self.stored.insert(id), "{id} is stored twice");
                let made = entries.made.get(&id).unwrap_or_else(|| panic!("nobody made {id}"));
                *self.figures.entry(made.peer).or_default() += made.figures;
            }
            for id in &entries.acknowledged[self.checked..] {
                assert!(self.stored.contains(id), "{id} was acknowledged and is lost");
            }
            self.checked = entries.acknowledged.len();
            UnderWay { stored: self.stored.len() - self.checked, not_stored: entries.made.len() - self.stored.len() }
        };
        assert_eq!(count, self.stored.len() as u64, "what was stored stays");
        self.assert_counted(hub);
        self.database.assert_intact().await;
        under_way
    }

    /// Makes sure that everything was acknowledged at last, and so is stored.
    pub fn assert_nothing_missing(&self, ledger: &Ledger) {
        let entries = ledger.entries();
        let acknowledged: HashSet<Uuid> = entries.acknowledged.iter().copied().collect();
        assert_eq!((acknowledged.len(), self.stored.len()), (entries.made.len(), entries.made.len()));
        assert!(acknowledged.iter().all(|id| self.stored.contains(id)));
        println!("{} results in {} peers", self.stored.len(), self.figures.len());
    }

    /// Every way in which results are counted must come to the same.
    fn assert_counted(&self, hub: &Hub) {
        for node in get(hub, "/api/nodes?per_page=100")["items"].as_array().unwrap() {
            let id = node["id"].as_i64().unwrap();
            let expected = self.figures.get(&id).copied().unwrap_or_default();
            let records = get(hub, &format!("/api/nodes/{id}/health?per_page=1"));
            assert_eq!(records["total"], expected.results, "results of node {id}");

            let checks = (expected.checks, expected.healthy);
            let ring = |name: &str| node[name].as_array().unwrap().iter().map(|count| count.as_u64().unwrap()).sum();
            let rings = (ring("health_record_total_counter_ring"), ring("health_record_healthy_counter_ring"));
            assert_eq!(rings, checks, "rings of node {id}");
            for hours in WINDOWS {
                let stats = get(hub, &format!("/api/nodes/{id}/health/stats?hours={hours}"));
                let counted = (&stats["total_checks"], &stats["healthy_count"]);
                assert_eq!(counted, (&checks.0.into(), &checks.1.into()), "{hours} hours of node {id}");
            }
        }
    }
}

/// The data of an answer of the public API.
fn get(hub: &Hub, path: &str) -> Value {
    let (status, mut answer) = hub.get(path, &[]);
    assert_eq!(status, 200, "{path}: {answer}");
    answer["data"].take()
}
