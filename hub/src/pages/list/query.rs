//! The filter and the order of the list of nodes.

use std::{cmp::Ordering, collections::BTreeSet};

use easytier_probe::Scheme;
use easytier_uptime_store::domain::{NodeView, RegionStatus, RegionView, Verdict};
use serde::Deserialize;
use serde_html_form::de::empty_as_none;

use crate::{
    pages::{board::Snapshot, language::Texts},
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
    online: Option<bool>,
    #[serde(default, deserialize_with = "empty_as_none")]
    sort: Option<Sort>,
    #[serde(default, deserialize_with = "empty_as_none")]
    page: Option<Whole<1, 1_000_000>>,
    #[serde(default, deserialize_with = "empty_as_none")]
    per_page: Option<Whole<1, 200>>,
}

/// The order of the list.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Sort {
    /// By verdict, then by reliability and load, then by latency.
    #[default]
    Best,
    Name,
    Latency,
    Uptime,
    Load,
}

impl Sort {
    pub const ALL: [Self; 5] = [Self::Best, Self::Name, Self::Latency, Self::Uptime, Self::Load];

    /// The value in the query.
    pub fn name(self) -> &'static str {
        ["best", "name", "latency", "uptime", "load"][self as usize]
    }

    pub fn text(self, texts: &Texts) -> &'static str {
        [texts.sort_best, texts.sort_name, texts.sort_latency, texts.sort_uptime, texts.sort_load][self as usize]
    }

    fn compare(self, a: &Row, b: &Row) -> Ordering {
        let by_latency = || a.latency().unwrap_or(i64::MAX).cmp(&b.latency().unwrap_or(i64::MAX));
        let by_uptime = || b.uptime().unwrap_or(-1.0).total_cmp(&a.uptime().unwrap_or(-1.0));
        let load = |row: &Row| row.view.node.usage_percentage().unwrap_or(f64::INFINITY);
        let by_load = || load(a).total_cmp(&load(b));
        let by_name = || a.view.node.name.to_lowercase().cmp(&b.view.node.name.to_lowercase());
        let by_verdict = || a.rank().cmp(&b.rank());
        let order = match self {
            Self::Best => by_verdict().then_with(|| a.cost().total_cmp(&b.cost())).then_with(by_latency),
            Self::Name => by_name(),
            Self::Latency => by_latency().then_with(by_verdict),
            Self::Uptime => by_uptime().then_with(by_verdict),
            Self::Load => by_verdict().then_with(by_load),
        };
        order.then_with(by_name).then_with(|| a.view.node.id.cmp(&b.view.node.id))
    }
}

/// A node of the list, as seen from the region in the query.
pub struct Row<'a> {
    pub view: &'a NodeView,
    region: Option<&'a RegionView>,
}

impl Row<'_> {
    /// The latency in microseconds, from the region in the query if there is one.
    pub fn latency(&self) -> Option<i64> {
        match self.region {
            Some(region) => region.response_us,
            None => self.view.node.response_us,
        }
    }

    /// The uptime of the last 24 hours in percent; `None` without a verdict.
    pub fn uptime(&self) -> Option<f64> {
        self.view.uptime.percentage()
    }

    /// Usable nodes first.
    fn rank(&self) -> u8 {
        match self.view.node.verdict {
            Verdict::Up => 0,
            Verdict::Partial => 1,
            Verdict::Unknown => 2,
            Verdict::Down => 3,
        }
    }

    /// Load times downtime, both with an offset: downtime weighs more than load.
    fn cost(&self) -> f64 {
        let node = &self.view.node;
        (node.usage_percentage().unwrap_or_default() + 10.0) * (110.0 - node.health_percentage_24h())
    }
}

impl ListQuery {
    /// The matching nodes, sorted.
    pub fn rows<'a>(&self, snapshot: &'a Snapshot) -> Vec<Row<'a>> {
        let search = self.search().trim().to_lowercase();
        let tags: BTreeSet<&str> = self.tags().collect();
        let matches = |view: &NodeView| {
            let node = &view.node;
            let contains = |text: &str| text.to_lowercase().contains(&search);
            (search.is_empty() || contains(&node.name) || contains(&node.url.full()) || contains(&node.description))
                && (tags.is_empty() || node.tags.iter().any(|tag| tags.contains(tag.as_str())))
                && self.protocol.is_none_or(|protocol| node.url.scheme() == Some(protocol))
                && (!self.relay_only() || node.allow_relay)
                && (!self.online_only() || matches!(node.verdict, Verdict::Up | Verdict::Partial))
        };
        let row = |view: &'a NodeView| match &self.region {
            None => Some(Row { view, region: None }),
            Some(name) => {
                let reaches = |region: &&RegionView| {
                    region.region.as_str() == name && region.status == Some(RegionStatus::Online)
                };
                Some(Row { view, region: Some(view.regions.iter().find(reaches)?) })
            }
        };
        let mut rows: Vec<Row> = snapshot.nodes.iter().filter(|view| matches(view)).filter_map(row).collect();
        rows.sort_by(|a, b| self.sort().compare(a, b));
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
            || self.online_only()
    }
}
