//! `/`: the list of nodes.

use std::{
    cmp::Ordering,
    collections::{BTreeSet, HashMap},
};

use axum::extract::State;
use easytier_probe::Scheme;
use maud::{Markup, html};
use serde::Deserialize;
use serde_html_form::de::empty_as_none;

use super::{
    Site, chart, format,
    language::{Language, Texts},
    layout::{self, Place},
    snapshot::Snapshot,
    view::View,
};
use crate::{
    consensus::{Verdict, Word},
    model::{Grain, Node, NodeView, PeerId, RegionView, SeriesPoint},
    store::Store,
    time::{DAY, Timestamp},
    web::{
        Refusal,
        input::Query,
        parameter::{Text, Whole},
    },
};

/// Which nodes are wanted, and in which order; all of it is in the address, to be shared.
#[derive(Debug, Deserialize)]
pub struct Wanted {
    search: Option<Text<200>>,
    #[serde(default)]
    tags: Vec<String>,
    #[serde(default, deserialize_with = "empty_as_none")]
    protocol: Option<Scheme>,
    #[serde(default, deserialize_with = "empty_as_none")]
    region: Option<String>,
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

const PER_PAGE: u32 = 50;

/// The order of the list.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize)]
#[serde(rename_all = "lowercase")]
enum Sort {
    /// What works, works reliably, and is near and idle comes first.
    #[default]
    Best,
    Name,
    Latency,
    Uptime,
    Load,
}

impl Sort {
    const ALL: [Self; 5] = [Self::Best, Self::Name, Self::Latency, Self::Uptime, Self::Load];

    fn name(self) -> &'static str {
        ["best", "name", "latency", "uptime", "load"][self as usize]
    }

    fn text(self, texts: &Texts) -> &'static str {
        [texts.sort_best, texts.sort_name, texts.sort_latency, texts.sort_uptime, texts.sort_load][self as usize]
    }

    fn compare(self, a: &Row, b: &Row) -> Ordering {
        let by_latency = || a.latency().unwrap_or(i64::MAX).cmp(&b.latency().unwrap_or(i64::MAX));
        let by_uptime = || b.uptime().unwrap_or(-1.0).total_cmp(&a.uptime().unwrap_or(-1.0));
        let load = |row: &Row| row.view.node.usage_percentage().unwrap_or(f64::INFINITY);
        let by_load = || load(a).total_cmp(&load(b));
        let by_name = || a.view.node.name.to_lowercase().cmp(&b.view.node.name.to_lowercase());
        let is_up = || a.rank().cmp(&b.rank());
        let order = match self {
            Self::Best => is_up().then_with(|| a.badness().total_cmp(&b.badness())).then_with(by_latency),
            Self::Name => by_name(),
            Self::Latency => by_latency().then_with(is_up),
            Self::Uptime => by_uptime().then_with(is_up),
            Self::Load => is_up().then_with(by_load),
        };
        order.then_with(by_name).then_with(|| a.view.node.id.cmp(&b.view.node.id))
    }
}

/// A node of the list, as it is seen from the region that is asked for.
struct Row<'a> {
    view: &'a NodeView,
    region: Option<&'a RegionView>,
}

impl Row<'_> {
    fn latency(&self) -> Option<i64> {
        match self.region {
            Some(region) => region.response_us,
            None => self.view.node.response_us,
        }
    }

    /// Of the last 24 hours; none without checks.
    fn uptime(&self) -> Option<f64> {
        let has_checks = self.view.node.ring.iter().any(|slot| slot.checks > 0);
        has_checks.then(|| self.view.node.health_percentage_24h())
    }

    /// What can be used comes before what cannot.
    fn rank(&self) -> u8 {
        match self.view.node.verdict {
            Verdict::Up => 0,
            Verdict::Partial => 1,
            Verdict::Unknown => 2,
            Verdict::Down => 3,
        }
    }

    /// The load, and much more the time that the node was away.
    fn badness(&self) -> f64 {
        let node = &self.view.node;
        (node.usage_percentage().unwrap_or_default() + 10.0) * (110.0 - node.health_percentage_24h())
    }
}

impl Wanted {
    /// The nodes that are asked for, sorted.
    fn of<'a>(&self, snapshot: &'a Snapshot) -> Vec<Row<'a>> {
        let search = self.search.as_ref().map(|search| search.0.trim().to_lowercase());
        let tags: BTreeSet<&str> = self.tags.iter().map(|tag| tag.trim()).filter(|tag| !tag.is_empty()).collect();
        let is_wanted = |view: &NodeView| {
            let node = &view.node;
            let found = |text: &str, search: &str| text.to_lowercase().contains(search);
            search.as_deref().is_none_or(|search| {
                found(&node.name, search) || found(&node.url.to_string(), search) || found(&node.description, search)
            }) && (tags.is_empty() || node.tags.iter().any(|tag| tags.contains(tag.as_str())))
                && self.protocol.is_none_or(|protocol| node.url.scheme() == protocol)
                && (self.relay != Some(true) || node.allow_relay)
                && (self.online != Some(true) || matches!(node.verdict, Verdict::Up | Verdict::Partial))
        };
        let row = |view: &'a NodeView| match &self.region {
            None => Some(Row { view, region: None }),
            Some(name) => {
                let reaches =
                    |region: &&RegionView| region.region.as_str() == name && region.word == Some(Word::Online);
                Some(Row { view, region: Some(view.regions.iter().find(reaches)?) })
            }
        };
        let mut rows: Vec<Row> = snapshot.nodes.iter().filter(|view| is_wanted(view)).filter_map(row).collect();
        let sort = self.sort.unwrap_or_default();
        rows.sort_by(|a, b| sort.compare(a, b));
        rows
    }

    fn is_filtered(&self) -> bool {
        self.search.as_ref().is_some_and(|search| !search.0.trim().is_empty())
            || self.tags.iter().any(|tag| !tag.trim().is_empty())
            || self.protocol.is_some()
            || self.region.is_some()
            || self.relay == Some(true)
            || self.online == Some(true)
    }
}

/// What lies further back than the last day.
#[derive(Debug, Default)]
struct Past {
    /// Good checks and all, over the last 7 and 30 days of the calendar.
    week: (u64, u64),
    month: (u64, u64),
    latencies: chart::Lines,
}

async fn pasts(store: &Store, ids: &[PeerId], now: Timestamp) -> Result<HashMap<PeerId, Past>, Refusal> {
    let mut pasts: HashMap<PeerId, Past> = HashMap::new();
    let today = now.bucket(DAY);
    for point in store.series(ids, Grain::Day, now - DAY * 30, now).await? {
        let past = pasts.entry(point.peer).or_default();
        let (healthy, checks) = (point.stats.healthy_count, point.stats.total_checks);
        past.month = (past.month.0 + healthy, past.month.1 + checks);
        if today - point.at.bucket(DAY) < 7 {
            past.week = (past.week.0 + healthy, past.week.1 + checks);
        }
    }
    let points = store.series(ids, Grain::Hour, now - DAY, now).await?;
    for points in points.chunk_by(|a: &SeriesPoint, b| a.peer == b.peer) {
        pasts.entry(points[0].peer).or_default().latencies = chart::lines(points);
    }
    Ok(pasts)
}

pub async fn page(State(site): State<Site>, view: View, Query(wanted): Query<Wanted>) -> Result<Markup, Refusal> {
    let snapshot = site.snapshots.newest().await?;
    let rows = wanted.of(&snapshot);
    let per_page = wanted.per_page.as_ref().map_or(PER_PAGE, |per_page| per_page.0) as usize;
    let pages = rows.len().div_ceil(per_page).max(1);
    let number = (wanted.page.as_ref().map_or(1, |page| page.0) as usize).min(pages);
    let shown: Vec<&Row> = rows.iter().skip((number - 1) * per_page).take(per_page).collect();
    let ids: Vec<PeerId> = shown.iter().map(|row| row.view.node.id).collect();
    let pasts = pasts(&site.store, &ids, snapshot.at).await?;
    let texts = view.texts();
    let content = html! {
        div.heading {
            h1 { (texts.nodes_title) }
            (summary(&view, &snapshot))
            button.live #live type="button" aria-pressed="true" title=(texts.live_hint) hidden { (texts.live) }
        }
        (filters(&view, &wanted, &snapshot))
        @if shown.is_empty() {
            p.empty { @if wanted.is_filtered() { (texts.no_nodes) } @else { (texts.no_nodes_at_all) } }
        } @else {
            div.frame {
                (chart::bar_hint(view.language))
                table.nodes data-newest=(chart::newest_quarter(snapshot.at)) data-checks=(texts.checks)
                    data-none=(texts.no_checks) {
                    caption.unseen { (texts.nodes_title) }
                    (head(texts))
                    tbody {
                        @for row in shown { (line(&view, row, pasts.get(&row.view.node.id), snapshot.at)) }
                    }
                }
            }
            (paging(&view, "page", number, pages))
        }
    };
    Ok(layout::page(&view, Place::Nodes, texts.site, &content))
}

/// How many nodes there are in each state.
fn summary(view: &View, snapshot: &Snapshot) -> Markup {
    let of = |verdict| snapshot.nodes.iter().filter(|view| view.node.verdict == verdict).count();
    html! {
        ul.summary {
            @for verdict in [Verdict::Up, Verdict::Partial, Verdict::Down, Verdict::Unknown] {
                @let count = of(verdict);
                @if count > 0 || verdict == Verdict::Up {
                    li { (mark(verdict)) b { (count) } " " (view.language.verdict(verdict)) }
                }
            }
        }
    }
}

fn filters(view: &View, wanted: &Wanted, snapshot: &Snapshot) -> Markup {
    let texts = view.texts();
    let tags: BTreeSet<&str> =
        snapshot.nodes.iter().flat_map(|view| view.node.tags.iter().map(|tag| tag.as_str())).collect();
    let protocols: BTreeSet<&str> = snapshot.nodes.iter().map(|view| view.node.url.scheme().as_str()).collect();
    let regions: BTreeSet<&str> =
        snapshot.nodes.iter().flat_map(|view| view.regions.iter().map(|view| view.region.as_str())).collect();
    let chosen: Vec<&str> = wanted.tags.iter().map(|tag| tag.trim()).filter(|tag| !tag.is_empty()).collect();
    let (first, more) = chosen.split_first().map_or((None, &[][..]), |(first, more)| (Some(*first), more));
    let sort = wanted.sort.unwrap_or_default();
    html! {
        form.filters #filters action="/" method="get" role="search" aria-label=(texts.filters) {
            label.wide { span { (texts.search) }
                input type="search" name="search" maxlength="200" placeholder=(texts.search_hint)
                    value=(wanted.search.as_ref().map_or("", |search| &search.0));
            }
            (choice(texts, "tags", texts.tag, &tags, first))
            @for tag in more { input type="hidden" name="tags" value=(tag); }
            (choice(texts, "protocol", texts.protocol, &protocols, wanted.protocol.map(Scheme::as_str)))
            (choice(texts, "region", texts.region, &regions, wanted.region.as_deref()))
            label { span { (texts.sort) }
                select name="sort" {
                    @for its in Sort::ALL {
                        option value=(if its == Sort::Best { "" } else { its.name() }) selected[its == sort] { (its.text(texts)) }
                    }
                }
            }
            label.check { input type="checkbox" name="relay" value="true" checked[wanted.relay == Some(true)]; span { (texts.relay_only) } }
            label.check { input type="checkbox" name="online" value="true" checked[wanted.online == Some(true)]; span { (texts.online_only) } }
            @if let Some(per_page) = &wanted.per_page { input type="hidden" name="per_page" value=(per_page.0); }
            button type="submit" { (texts.apply) }
        }
        @if wanted.is_filtered() {
            p.chips #chips {
                span.unseen { (texts.active_filters) ": " }
                @for (name, value) in &view.query {
                    @if ["search", "tags", "protocol", "region"].contains(&name.as_str()) && !value.trim().is_empty() {
                        a.chip href=(view.without(name, value)) aria-label=(format!("{} {value}", texts.remove_filter)) { (value) " ×" }
                    }
                }
                a href="/" { (texts.clear) }
            }
        }
    }
}

fn choice(texts: &Texts, name: &str, label: &str, values: &BTreeSet<&str>, chosen: Option<&str>) -> Markup {
    html! {
        label { span { (label) }
            select name=(name) {
                option value="" { (texts.any) }
                @if let Some(chosen) = chosen && !values.contains(chosen) {
                    option value=(chosen) selected { (chosen) }
                }
                @for value in values { option value=(value) selected[chosen == Some(value)] { (value) } }
            }
        }
    }
}

fn head(texts: &Texts) -> Markup {
    html! {
        thead {
            tr {
                th scope="col" { (texts.node) }
                th scope="col" { (texts.last_day) }
                th scope="col" { (texts.uptime) }
                th scope="col" { (texts.latency) }
                th scope="col" { (texts.load) }
                th scope="col" { (texts.version) }
                th scope="col" { (texts.connect) }
            }
        }
    }
}

fn line(view: &View, row: &Row, past: Option<&Past>, now: Timestamp) -> Markup {
    let (texts, language) = (view.texts(), view.language);
    let node = &row.view.node;
    let nothing = Past::default();
    let past = past.unwrap_or(&nothing);
    html! {
        tr id=(format!("node-{}", node.id)) {
            th.who scope="row" {
                span.title {
                    (state(language, node.verdict))
                    a.name href=(format!("/nodes/{}", node.id)) { (node.name) }
                    @if node.allow_relay { span.badge title=(texts.relay_hint) { (texts.relay) } }
                }
                span.address { (node.url) }
                @if !node.tags.is_empty() {
                    span.tags { @for tag in &node.tags { a.tag href=(view.with(&[("tags", tag.as_str())])) { (tag) } } }
                }
            }
            td.day data-label=(texts.last_day) { (chart::bar(language, &node.ring, &node.name, node.health_percentage_24h())) }
            td.uptime data-label=(texts.uptime) {
                dl {
                    (share(texts.day, row.uptime()))
                    (share(texts.week, percentage(past.week)))
                    (share(texts.month, percentage(past.month)))
                }
            }
            td.latency data-label=(texts.latency) {
                span.figure title=(latencies(&row.view.regions)) { (row.latency().map_or_else(|| "–".to_owned(), format::latency)) }
                @if !past.latencies.is_empty() { (chart::sparkline(&past.latencies, now)) }
                @if row.view.regions.len() > 1 { span.unseen { (latencies(&row.view.regions)) } }
            }
            td.load data-label=(texts.load) { (load(node)) }
            td.version data-label=(texts.version) { (short_version(node.version.as_deref())) }
            td.connect { (copies(texts, node)) }
        }
    }
}

fn share(label: &str, value: Option<f64>) -> Markup {
    html! { div { dt { (label) } dd { (value.map_or_else(|| "–".to_owned(), format::percent)) } } }
}

fn percentage((part, whole): (u64, u64)) -> Option<f64> {
    (whole > 0).then(|| part as f64 * 100.0 / whole as f64)
}

/// What each region measures now.
fn latencies(regions: &[RegionView]) -> String {
    let one = |view: &RegionView| match (view.word, view.response_us) {
        (Some(Word::Online), Some(micros)) => format!("{} {}", view.region, format::latency(micros)),
        (Some(Word::Online), None) => view.region.to_string(),
        _ => format!("{} –", view.region),
    };
    regions.iter().map(one).collect::<Vec<_>>().join(" · ")
}

/// A version without the commit that it was built from.
fn short_version(version: Option<&str>) -> &str {
    version.map_or("–", |version| version.split(['-', '+', '~']).next().unwrap_or(version))
}

/// The load in percent, as text and as a meter.
pub fn load(node: &Node) -> Markup {
    html! {
        @if let Some(usage) = node.usage_percentage() {
            span.figure { (format!("{usage:.0}%")) }
            meter min="0" max="100" high="80" value=(format!("{usage:.0}")) aria-hidden="true" {}
        } @else {
            span.figure { "–" }
        }
    }
}

/// A verdict as a shape, with the word beside it.
pub fn state(language: Language, verdict: Verdict) -> Markup {
    html! { span class=(format!("state {}", verdict.as_str())) { (mark(verdict)) (language.verdict(verdict)) } }
}

/// Each verdict has a shape as well as a colour.
pub fn mark(verdict: Verdict) -> Markup {
    html! {
        svg class=(format!("mark {}", verdict.as_str())) viewBox="0 0 16 16" width="14" height="14" aria-hidden="true" {
            @match verdict {
                Verdict::Up => { circle cx="8" cy="8" r="7" {} path d="M4.800 8.300l2.200 2.200 4.200-4.600" {} }
                Verdict::Partial => { path.shape d="M8 1l7.200 13.500H.8z" {} path d="M8 6v4M8 12.200v.3" {} }
                Verdict::Down => { rect x="1" y="1" width="14" height="14" rx="3" {} path d="M5 5l6 6M11 5l-6 6" {} }
                Verdict::Unknown => { circle.hollow cx="8" cy="8" r="6" {} path d="M5.500 8h5" {} }
            }
        }
    }
}

/// The buttons that copy; they need the script.
pub fn copies(texts: &Texts, node: &Node) -> Markup {
    html! {
        button.copy type="button" hidden data-copy=(node.url) aria-label=(format!("{}: {}", texts.copy_address, node.name)) {
            (texts.address)
        }
        button.copy type="button" hidden data-copy=(command(node)) title=(command(node)) aria-label=(format!("{}: {}", texts.copy_command, node.name)) {
            (texts.command)
        }
        noscript { code { (node.url) } }
    }
}

/// What connects to a node, ready for a shell.
pub fn command(node: &Node) -> String {
    let url = node.url.to_string();
    let plain = |c: char| c.is_ascii_alphanumeric() || "-._:/".contains(c);
    match url.chars().all(plain) {
        true => format!("easytier-core -p {url}"),
        false => format!("easytier-core -p '{}'", url.replace('\'', r"'\''")),
    }
}

/// Links to the pages before and after, whose number is `name` in the query.
pub fn paging(view: &View, name: &str, number: usize, pages: usize) -> Markup {
    let texts = view.texts();
    let link = |page: usize| view.with(&[(name, &page.to_string())]);
    html! {
        @if pages > 1 {
            nav.paging aria-label=(texts.pages) {
                @if number > 1 { a rel="prev" href=(link(number - 1)) { "← " (texts.previous) } }
                span { (number) " / " (pages) }
                @if number < pages { a rel="next" href=(link(number + 1)) { (texts.next) " →" } }
            }
        }
    }
}
