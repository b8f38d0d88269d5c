//! The figures of months, which visitors read from the database. What is made of them is kept for some seconds.

use std::{
    collections::HashMap,
    hash::{DefaultHasher, Hash, Hasher},
    sync::Arc,
    time::Duration,
};

use axum::{
    body::Bytes,
    http::{HeaderMap, HeaderValue},
    response::Response,
};
use easytier_uptime_monitor::{
    Party, Readers, Refusal,
    parameter::Text,
    rendered::{Rendered, Version},
};
use easytier_uptime_store::{
    Store,
    domain::{Month, MonthFigures, PeerId, Timestamp},
};
use moka::future::Cache;
use serde::{Deserialize, Deserializer, de::Error};
use serde_html_form::de::empty_as_none;
use utoipa::{
    IntoParams,
    openapi::{ObjectBuilder, Schema, schema::Type},
};

use super::parameter;
use crate::{
    board::{Board, Freshness, Key, SharedReads, Snapshot},
    service::{DEFAULT_TARGET, Report, Target},
};

/// How long the figures of a month are shown: of the present one, and of one that is over.
const LIFETIMES: [Duration; 2] = [Duration::from_secs(60), Duration::from_secs(600)];

/// How many months are kept. With 10,000 nodes one takes two megabytes.
const MONTHS: u64 = 16;

/// Of how many nodes one statement reads the figures.
const CHUNK: usize = 500;

/// How long a document is kept, and how much memory all of them have, in bytes, with what they take compressed.
const DOCUMENT_LIFETIME: Duration = Duration::from_secs(10);
const CAPACITY: u64 = 16 << 20;

/// Documents with longer keys are made for each reader: nobody else is going to ask for the same.
const MAX_KEY: usize = 512;

/// The month of a report.
#[derive(Debug, Clone, Copy, Deserialize, IntoParams)]
#[into_params(parameter_in = Path)]
pub(crate) struct MonthPath {
    /// The month, in UTC.
    #[param(schema_with = month)]
    pub month: Month,
}

fn month() -> Schema {
    parameter::string().pattern(Some("^20[0-9]{2}-(0[1-9]|1[0-2])$")).examples(["2026-11"]).build().into()
}

/// Selects the nodes of a report, and what they should reach.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub(crate) struct Selection {
    /// Only nodes with this tag.
    #[serde(default, deserialize_with = "empty_as_none")]
    #[param(schema_with = tag, required = false)]
    tag: Option<Text<64>>,
    /// The availability that nodes should have, in percent.
    #[serde(default, deserialize_with = "empty_as_none")]
    #[param(schema_with = target, required = false)]
    target: Option<Percent>,
}

fn tag() -> Schema {
    parameter::text(64)
}

fn target() -> Schema {
    let number = ObjectBuilder::new().schema_type(Type::Number);
    number.minimum(Some(0)).maximum(Some(100)).default(Some(DEFAULT_TARGET.percent().into())).build().into()
}

#[derive(Debug, Clone, Copy)]
struct Percent(Target);

impl<'de> Deserialize<'de> for Percent {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        let target = text.trim().trim_end_matches('%').parse().ok().and_then(Target::new);
        target.map(Self).ok_or_else(|| D::Error::custom("must be a number from 0 to 100"))
    }
}

impl Selection {
    pub fn tag(&self) -> Option<&str> {
        self.tag.as_ref().map(|tag| tag.0.trim()).filter(|tag| !tag.is_empty())
    }

    pub fn target(&self) -> Target {
        self.target.map_or(DEFAULT_TARGET, |percent| percent.0)
    }
}

/// What was read of a month.
#[derive(Debug)]
struct Read {
    until: Timestamp,
    outages_since: Timestamp,
    figures: HashMap<PeerId, MonthFigures>,
}

/// The months that were read lately.
#[derive(Clone)]
pub(crate) struct Reports {
    store: Store,
    board: Arc<Board>,
    readers: Readers,
    /// The present month, and those that are over.
    kept: [SharedReads<Month, Read>; 2],
    documents: Cache<String, Arc<(Version, Rendered)>>,
}

/// A month, of the nodes that visitors see.
pub(crate) struct Reported {
    pub month: Month,
    pub snapshot: Arc<Snapshot>,
    read: Arc<Read>,
}

impl Reports {
    pub fn new(store: Store, board: Arc<Board>, readers: Readers) -> Self {
        let freshness = board.freshness();
        let kept = LIFETIMES.map(|lifetime| SharedReads::new(&readers, freshness, MONTHS, lifetime));
        let weight = |key: &String, kept: &Arc<(Version, Rendered)>| {
            u32::try_from(key.len() + kept.1.len() + kept.1.len() / 4).unwrap_or(u32::MAX)
        };
        let capacity = if freshness == Freshness::Exact { 0 } else { CAPACITY };
        let documents = Cache::builder().weigher(weight).max_capacity(capacity).time_to_live(DOCUMENT_LIFETIME).build();
        Self { store, board, readers, kept, documents }
    }

    /// Responds with a document that `make` makes of a month, unless it is there or the caller has it already. `party`: who asks;
    /// `key`: names the document among all.
    ///
    /// # Errors
    ///
    /// When no node is so old or the month is to come (404); when too many reads wait; when the database fails.
    pub async fn respond(
        &self,
        (party, month): (Party, Month),
        key: Key,
        request: &HeaderMap,
        make: impl FnOnce(&Reported) -> Result<Bytes, Refusal>,
    ) -> Result<Response, Refusal> {
        let name = format!("{} {}", key.variant, key.name);
        if let Some(kept) = self.documents.get(&name).await {
            return Ok(kept.1.respond(request, &kept.0));
        }
        let reported = self.of(party, month).await?;
        // A large document takes a core for some milliseconds.
        let _turn = self.readers.turn(party).await?;
        let document = make(&reported)?;
        let mut content = DefaultHasher::new();
        document.hash(&mut content);
        let tag = HeaderValue::try_from(format!("W/\"{:016x}-{}\"", content.finish(), key.variant));
        // Plain ASCII always parses.
        let tag = tag.unwrap_or(HeaderValue::from_static("\"\""));
        let version = Version { tag, stale_since: reported.snapshot.stale_since, vary: key.vary };
        let made = Arc::new((version, Rendered::new(key.media_type, document)));
        if name.len() <= MAX_KEY {
            self.documents.insert(name, Arc::clone(&made)).await;
        }
        Ok(made.1.respond(request, &made.0))
    }

    async fn of(&self, party: Party, month: Month) -> Result<Reported, Refusal> {
        let (snapshot, now) = (self.board.newest().await?, Timestamp::now());
        let present = Month::of(now);
        if month > present || month < first(&snapshot, present) {
            return Err(Refusal::not_found("month"));
        }
        let [current, past] = &self.kept;
        let kept = if month == present { current } else { past };
        let read = kept.get(party, month, self.read(&snapshot, month, now)).await?;
        Ok(Reported { month, snapshot, read })
    }

    async fn read(&self, snapshot: &Snapshot, month: Month, now: Timestamp) -> Result<Read, Refusal> {
        let ids: Vec<PeerId> = snapshot.entries.iter().map(|entry| entry.node().id).collect();
        let mut figures = HashMap::with_capacity(ids.len());
        for part in ids.chunks(CHUNK) {
            figures.extend(self.store.month_figures(part, month, now).await?);
        }
        let (until, outages_since) = (now.min(month.ends_at()), self.store.outages_since().await?);
        Ok(Read { until, outages_since, figures })
    }
}

/// The month in which the oldest node was added.
fn first(snapshot: &Snapshot, present: Month) -> Month {
    snapshot.entries.iter().map(|entry| Month::of(entry.node().created_at)).min().unwrap_or(present)
}

impl Reported {
    /// The months of which there are reports, the newest first.
    pub fn months(&self) -> impl Iterator<Item = Month> + use<> {
        let present = Month::of(Timestamp::now());
        let first = first(&self.snapshot, present);
        std::iter::successors(Some(present), |month| Some(month.previous())).take_while(move |month| *month >= first)
    }

    /// The report of the nodes that a reader chose.
    pub fn report(&self, selection: &Selection) -> Report {
        let nodes = self.snapshot.entries.iter().map(|entry| entry.node());
        let times = (self.month, self.read.until, self.read.outages_since);
        Report::new(times, nodes, &self.read.figures, selection.tag(), selection.target())
    }
}
