//! The filter and the order of the list of nodes.

use std::collections::BTreeSet;

use easytier_probe::{Relay, Scheme};
use easytier_uptime_store::domain::{RegionStatus, RegionView};
use serde::Deserialize;
use serde_html_form::de::empty_as_none;

use crate::{
    board::{Entry, Snapshot, Sort},
    web::parameter::{Text, Whole},
};

const PER_PAGE: u32 = 50;

/// The query of the list. The address contains all of it, so that a list can be shared.
#[derive(Debug, Deserialize)]
pub struct ListQuery {
    search: Option<Text<200>>,
    #[serde(default)]
    tags: Vec<String>,
    #[serde(default, deserialize_with = "empty_as_none")]
    pub protocol: Option<Scheme>,
    #[serde(default, deserialize_with = "empty_as_none")]
    pub region: Option<String>,
    #[serde(default, deserialize_with = "empty_as_none")]
    relay: Option<bool>,
    #[serde(default, deserialize_with = "empty_as_none")]
    relay_measured: Option<Relay>,
    #[serde(default, deserialize_with = "empty_as_none")]
    online: Option<bool>,
    #[serde(default, deserialize_with = "empty_as_none")]
    sort: Option<Sort>,
    #[serde(default, deserialize_with = "empty_as_none")]
    page: Option<Whole<1, 1_000_000>>,
    #[serde(default, deserialize_with = "empty_as_none")]
    per_page: Option<Whole<1, 200>>,
}

/// A node of the list, as seen from the region in the query.
pub struct Row<'a> {
    pub entry: &'a Entry,
    pub region: Option<&'a RegionView>,
}

impl Row<'_> {
    /// The latency in microseconds, from the region in the query if there is one.
    pub fn latency(&self) -> Option<i64> {
        match self.region {
            Some(region) => region.response_us,
            None => self.entry.node().response_us,
        }
    }
}

impl ListQuery {
    /// The matching nodes, sorted.
    pub fn rows<'a>(&self, snapshot: &'a Snapshot) -> Vec<Row<'a>> {
        let search = self.search().trim().replace('\0', "").to_lowercase();
        let tags: BTreeSet<&str> = self.tags().collect();
        let matches = |entry: &Entry| {
            let node = entry.node();
            (search.is_empty() || entry.contains(&search))
                && (tags.is_empty() || node.tags.iter().any(|tag| tags.contains(tag.as_str())))
                && self.protocol.is_none_or(|protocol| node.url.scheme() == Some(protocol))
                && (!self.relay_only() || node.allow_relay)
                && self
                    .relay_measured
                    .is_none_or(|wanted| node.relay.as_ref().is_some_and(|found| found.verdict == wanted))
                && (!self.online_only() || entry.is_active())
        };
        let Some(region) = &self.region else {
            let sorted = snapshot.sorted(self.sort());
            return sorted.filter(|entry| matches(entry)).map(|entry| Row { entry, region: None }).collect();
        };
        let row = |entry: &'a Entry| {
            let reaches =
                |view: &&RegionView| view.region.as_str() == region && view.status == Some(RegionStatus::Online);
            Some(Row { entry, region: Some(entry.regions().iter().find(reaches)?) })
        };
        let mut rows: Vec<Row> = snapshot.entries.iter().filter(|entry| matches(entry)).filter_map(row).collect();
        // Latencies are those of the region.
        rows.sort_unstable_by(|a, b| self.sort().compare((a.entry, a.latency()), (b.entry, b.latency())));
        rows
    }

    pub fn search(&self) -> &str {
        self.search.as_ref().map_or("", |search| &search.0)
    }

    /// The tags, without blank ones.
    pub fn tags(&self) -> impl Iterator<Item = &str> {
        self.tags.iter().map(|tag| tag.trim()).filter(|tag| !tag.is_empty())
    }

    pub fn relay_only(&self) -> bool {
        self.relay == Some(true)
    }

    /// Whether only nodes are shown that relay by the last tests.
    pub fn relaying_only(&self) -> bool {
        self.relay_measured == Some(Relay::Ok)
    }

    pub fn online_only(&self) -> bool {
        self.online == Some(true)
    }

    pub fn sort(&self) -> Sort {
        self.sort.unwrap_or_default()
    }

    /// The number of the page, from 1.
    pub fn page(&self) -> usize {
        self.page.as_ref().map_or(1, |page| page.0) as usize
    }

    /// How many nodes a page has, if the reader chose a number.
    pub fn chosen_per_page(&self) -> Option<u32> {
        self.per_page.as_ref().map(|per_page| per_page.0)
    }

    pub fn per_page(&self) -> usize {
        self.chosen_per_page().unwrap_or(PER_PAGE) as usize
    }

    pub fn is_filtered(&self) -> bool {
        !self.search().trim().is_empty()
            || self.tags().next().is_some()
            || self.protocol.is_some()
            || self.region.is_some()
            || self.relay_only()
            || self.relay_measured.is_some()
            || self.online_only()
    }
}
