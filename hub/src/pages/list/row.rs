//! The rows of the list. Each is rendered once for each language, as long as nothing of the node changes.

use std::{sync::Arc, time::Duration};

use easytier_uptime_store::domain::{Node, PeerId, RegionStatus, RegionView, Timestamp};
use maud::{Markup, PreEscaped, Render, html};
use moka::sync::Cache;

use super::query::Row;
use crate::{
    board::Past,
    pages::{
        chart,
        format::{latency, latency_or_nothing, percent_or_nothing},
        language::Language,
        view::View,
        widgets,
    },
};

/// The memory for rows, in bytes.
const CAPACITY: u64 = 24 << 20;

/// The rows that were shown, by node and language.
pub struct Fragments(Cache<(PeerId, Language), Arc<Fragment>>);

/// A row in two parts, between which are the tags.
struct Fragment {
    /// The entry that it shows.
    version: u64,
    before: String,
    after: String,
}

/// Holds the place of the tags. No text of a node has this character.
const TAGS: PreEscaped<&str> = PreEscaped("\0");

impl Default for Fragments {
    fn default() -> Self {
        let weight = |_: &(PeerId, Language), row: &Arc<Fragment>| {
            u32::try_from(row.before.len() + row.after.len() + size_of::<Fragment>()).unwrap_or(u32::MAX)
        };
        Self(Cache::builder().max_capacity(CAPACITY).weigher(weight).build())
    }
}

impl Fragments {
    /// A row of the list.
    pub fn row(&self, view: &View, row: &Row, now: Timestamp) -> impl Render + use<> {
        let (node, language) = (row.entry.node(), view.language);
        let make = || Arc::new(Fragment::new(language, row, now));
        let fragment = match row.region {
            // The latency is that of the region.
            Some(_) => make(),
            None => {
                let known = self.0.entry((node.id, language));
                known.or_insert_with_if(make, |known| known.version != row.entry.version).into_value()
            }
        };
        let tags = html! { @for tag in &node.tags { a.tag href=(view.with(&[("tags", tag.as_str())])) { (tag) } } };
        html! { (PreEscaped(&fragment.before)) (tags) (PreEscaped(&fragment.after)) }
    }
}

impl Fragment {
    fn new(language: Language, row: &Row, now: Timestamp) -> Self {
        let whole = table_row(language, row, now).into_string();
        let (before, after) = whole.split_once(TAGS.0).unwrap_or((&whole, ""));
        Self { version: row.entry.version, before: before.to_owned(), after: after.to_owned() }
    }
}

/// The hourly latencies by region.
fn lines(past: &Past) -> chart::Lines {
    const HOUR: Duration = Duration::from_secs(3600);
    let point = |(hour, micros): &(u32, u32)| (Timestamp::of_bucket(i64::from(*hour), HOUR), i64::from(*micros));
    past.latencies.iter().map(|line| (line.region.clone(), line.hours.iter().map(point).collect())).collect()
}

/// A row, with [`TAGS`] in the place of the links of the tags: they depend on the query.
fn table_row(language: Language, row: &Row, now: Timestamp) -> Markup {
    let texts = language.texts();
    let (node, past, regions) = (row.entry.node(), &row.entry.past, row.entry.regions());
    html! {
        tr id=(format!("node-{}", node.id)) {
            th.who scope="row" {
                span.title {
                    (widgets::state(language, node.verdict))
                    a.name href=(format!("/nodes/{}", node.id)) { (node.name) }
                    (widgets::maintenance(language, node))
                    (widgets::relay(language, node))
                }
                span.address { (node.url) }
                @if !node.tags.is_empty() {
                    span.tags { (TAGS) }
                }
            }
            td.day data-label=(texts.last_day) { (chart::bar(language, &node.ring, &node.name, node.health_percentage_24h())) }
            td.uptime data-label=(texts.uptime) {
                dl {
                    @for (label, share) in [(texts.day, row.entry.uptime()), (texts.week, past.week), (texts.month, past.month)] {
                        div { dt { (label) } dd { (percent_or_nothing(share)) } }
                    }
                }
            }
            td.latency data-label=(texts.latency) {
                span.figure title=(latencies(regions)) { (latency_or_nothing(row.latency())) }
                @if !past.latencies.is_empty() { (chart::sparkline(&lines(past), now)) }
                @if regions.len() > 1 { span.unseen { (latencies(regions)) } }
            }
            td.load data-label=(texts.load) { (widgets::load(texts, node)) }
            td.version data-label=(texts.version) { (short_version(node.version.as_deref())) }
            td.connect { (copy_buttons(language, node)) }
        }
    }
}

/// The latency in each region.
fn latencies(regions: &[RegionView]) -> String {
    let one = |view: &RegionView| match (view.status, view.response_us) {
        (Some(RegionStatus::Online), Some(micros)) => format!("{} {}", view.region, latency(micros)),
        (Some(RegionStatus::Online), None) => view.region.to_string(),
        _ => format!("{} –", view.region),
    };
    regions.iter().map(one).collect::<Vec<_>>().join(" · ")
}

/// A version without its commit.
fn short_version(version: Option<&str>) -> &str {
    version.map_or("–", |version| version.split(['-', '+', '~']).next().unwrap_or(version))
}

/// Buttons that copy, which only the script shows. Without it the page shows the address as text.
fn copy_buttons(language: Language, node: &Node) -> Markup {
    let texts = language.texts();
    let command = widgets::command(node);
    html! {
        button.copy type="button" hidden data-copy=(node.url.full()) aria-label=(language.labelled(texts.copy_address, &node.name)) {
            (texts.address)
        }
        button.copy type="button" hidden data-copy=(command) title=(command) aria-label=(language.labelled(texts.copy_command, &node.name)) {
            (texts.command)
        }
        noscript { code { (node.url) } }
    }
}
