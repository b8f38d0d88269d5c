//! Compares the stored results with those that were sent, and the counts with the stored results.

use std::collections::{BTreeMap, HashSet};

use serde_json::Value;
use uuid::Uuid;

use crate::{
    database::{Database, Stored},
    ledger::{Figures, Ledger},
    support::{Hub, eventually},
};

/// Periods, in hours, that are answered from totals over five minutes, an hour and a day.
const WINDOWS: [u32; 3] = [24, 72, 2400];

/// Results that were sent but not acknowledged.
#[derive(Debug, Clone, Copy)]
pub struct UnderWay {
    pub stored: usize,
    pub not_stored: usize,
}

pub struct Witness {
    pub database: Database,
    /// The last row that was read.
    last_row: i64,
    stored: HashSet<Uuid>,
    /// The totals of the stored results, by peer.
    figures: BTreeMap<i64, Figures>,
    /// The number of acknowledgements that were checked.
    checked: usize,
}

impl Witness {
    pub fn new(database: Database) -> Self {
        Self { database, last_row: 0, stored: HashSet::new(), figures: BTreeMap::new(), checked: 0 }
    }

    /// Checks the database while no results are sent. Returns the unacknowledged results.
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
        assert_eq!(count, self.stored.len() as u64, "no stored result disappears");
        if self.database.is_taken_over_at_once() {
            self.assert_counted(hub).await;
        }
        self.database.assert_intact().await;
        under_way
    }

    /// Checks that all results were acknowledged and are stored.
    pub fn assert_nothing_missing(&self, ledger: &Ledger) {
        let entries = ledger.entries();
        let acknowledged: HashSet<Uuid> = entries.acknowledged.iter().copied().collect();
        assert_eq!((acknowledged.len(), self.stored.len()), (entries.made.len(), entries.made.len()));
        assert!(acknowledged.iter().all(|id| self.stored.contains(id)));
        println!("{} results in {} peers", self.stored.len(), self.figures.len());
    }

    /// All counts of results must agree once the results are applied, and lists a moment after.
    pub async fn assert_counted(&self, hub: &Hub) {
        self.database.await_fold().await;
        let differences = eventually(|| self.differences(hub), Vec::is_empty);
        assert!(differences.is_empty(), "{differences:#?}");
    }

    /// The counts that do not agree.
    fn differences(&self, hub: &Hub) -> Vec<String> {
        let mut differences = Vec::new();
        for node in get(hub, "/api/nodes?per_page=100")["items"].as_array().unwrap() {
            let id = node["id"].as_i64().unwrap();
            let expected = self.figures.get(&id).copied().unwrap_or_default();
            let records = get(hub, &format!("/api/nodes/{id}/health?per_page=1"));
            let mut compare = |what: &str, is: (u64, u64), should_be: (u64, u64)| {
                if is != should_be {
                    differences.push(format!("{what} of node {id}: {is:?} instead of {should_be:?}"));
                }
            };
            let count = |value: &Value| value.as_u64().unwrap();
            compare("results", (count(&records["total"]), 0), (expected.results, 0));

            let checks = (expected.checks, expected.healthy);
            let ring = |name: &str| node[name].as_array().unwrap().iter().map(count).sum();
            let rings = (ring("health_record_total_counter_ring"), ring("health_record_healthy_counter_ring"));
            compare("rings", rings, checks);
            for hours in WINDOWS {
                let stats = get(hub, &format!("/api/nodes/{id}/health/stats?hours={hours}"));
                let counted = (count(&stats["total_checks"]), count(&stats["healthy_count"]));
                compare(&format!("{hours} hours"), counted, checks);
            }
        }
        differences
    }
}

/// The data of a response of the public API.
fn get(hub: &Hub, path: &str) -> Value {
    let (status, mut answer) = hub.get(path, &[]);
    assert_eq!(status, 200, "{path}: {answer}");
    answer["data"].take()
}
