//! Sources: lists of nodes that the hub keeps following.

use std::{ops::RangeInclusive, sync::Arc, time::Duration};

use easytier_probe::{Secret, backend::is_loopback, peer_url::without_secrets};
use easytier_uptime_config::duration;
use easytier_uptime_store::{
    Store,
    domain::{Source, SourceId, SourceSpec, Timestamp},
};
use serde::{Deserialize, Serialize};
use url::Url;
use utoipa::ToSchema;

use super::{FieldError, FieldProblem, ServiceError, line};

/// The time between two tries, if the operator names none.
pub const DEFAULT_EVERY: Duration = Duration::from_secs(10 * 60);

/// The times between two tries that may be named.
pub const EVERY: RangeInclusive<Duration> = Duration::from_secs(60)..=Duration::from_secs(7 * 24 * 3600);

/// The maximum length of a list's URL, in characters.
pub const MAX_LIST_URL: usize = 2000;

/// A list to follow.
#[derive(Debug, Clone, Default, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct NewSource {
    /// Where it is: the http or https URL of a site or of a list of nodes, in any form that can be imported.
    #[schema(format = "uri", max_length = 2000, example = "https://uptime.example.com")]
    pub url: String,
    /// A name of 1 to 128 characters; the host of the URL by default.
    #[serde(default)]
    #[schema(max_length = 128)]
    pub name: Option<String>,
    /// The time from one try to the next, from 60s to 168h.
    #[serde(default)]
    #[schema(example = "10m", default = "10m")]
    pub every: Option<String>,
    /// Whether its nodes need no approval, and checks of them may reach private addresses.
    #[serde(default)]
    pub trusted: bool,
}

/// A list that is followed, without secrets.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub struct SourceView {
    /// Its id.
    pub id: i64,
    /// Its name.
    pub name: String,
    /// Where it is, without user name, password and query.
    pub url: String,
    /// The time from one try to the next.
    #[schema(example = "10m")]
    pub every: String,
    /// Whether its nodes need no approval.
    pub trusted: bool,
    /// When it was added.
    #[schema(value_type = String, format = DateTime)]
    pub created_at: Timestamp,
    /// When it is fetched next.
    #[schema(value_type = String, format = DateTime)]
    pub due_at: Timestamp,
    /// When it was last tried.
    #[schema(value_type = Option<String>, format = DateTime)]
    pub tried_at: Option<Timestamp>,
    /// When it was last read, or found unchanged.
    #[schema(value_type = Option<String>, format = DateTime)]
    pub read_at: Option<Timestamp>,
    /// What was wrong at the last try, which changed nothing then; null when nothing was.
    pub problem: Option<String>,
    /// How many nodes it had when it was last read.
    pub listed: u32,
    /// How many of them are peers because of it.
    pub brought: u32,
    /// How many of them wait for room in the queue of approval.
    pub waiting: u32,
    /// How many of its entries are no nodes.
    pub refused: u32,
    /// What is wrong with the first of these.
    pub refusals: Vec<String>,
}

impl From<&Source> for SourceView {
    fn from(source: &Source) -> Self {
        Self {
            id: source.id.0,
            name: source.spec.name.clone(),
            url: without_secrets(source.spec.url.expose()),
            every: duration::format(source.spec.every),
            trusted: source.spec.trusted,
            created_at: source.created_at,
            due_at: source.due_at,
            tried_at: source.tried_at,
            read_at: source.read_at,
            problem: source.problem.as_ref().map(ToString::to_string),
            listed: source.listed,
            brought: source.brought,
            waiting: source.waiting,
            refused: source.refused,
            refusals: source.refusals.clone(),
        }
    }
}

/// The use cases of sources. Cheap to clone.
#[derive(Clone)]
pub struct Sources {
    store: Store,
    own: Arc<[Url]>,
}

impl Sources {
    /// The sources in `store`. `own`: where this hub itself is, as far as is known: it need not follow itself.
    pub fn new(store: Store, own: impl IntoIterator<Item = Url>) -> Self {
        Self { store, own: own.into_iter().collect() }
    }

    /// All sources, the oldest first.
    ///
    /// # Errors
    ///
    /// When the database fails.
    pub async fn all(&self) -> Result<Vec<Source>, ServiceError> {
        Ok(self.store.sources().await?)
    }

    /// A source.
    ///
    /// # Errors
    ///
    /// When there is none with this id, or the database fails.
    pub async fn source(&self, id: SourceId) -> Result<Source, ServiceError> {
        Ok(self.store.source(id).await?)
    }

    /// Adds a source. The hub fetches it within a second or two.
    ///
    /// # Errors
    ///
    /// When a field is not valid, the URL is that of this hub, the list is followed already, there are too many sources, this instance
    /// is a dependent, or the database fails.
    pub async fn add(&self, new: &NewSource) -> Result<SourceId, ServiceError> {
        let spec = self.spec(new)?;
        Ok(self.store.add_source(&spec, Timestamp::now()).await?)
    }

    /// Has a source fetched within a second or two. `takes_short`: the list is taken even if it is much shorter than before.
    ///
    /// # Errors
    ///
    /// When there is none with this id, this instance is a dependent, or the database fails.
    pub async fn ask(&self, id: SourceId, takes_short: bool) -> Result<(), ServiceError> {
        Ok(self.store.ask_for_source(id, takes_short, Timestamp::now()).await?)
    }

    /// Removes a source. The nodes that it brought stay.
    ///
    /// # Errors
    ///
    /// When there is none with this id, or the database fails.
    pub async fn remove(&self, id: SourceId) -> Result<(), ServiceError> {
        Ok(self.store.remove_source(id).await?)
    }

    fn spec(&self, new: &NewSource) -> Result<SourceSpec, FieldError> {
        let refused = |problem| FieldError::new("url", problem);
        let text = new.url.trim();
        if text.is_empty() {
            return Err(refused(FieldProblem::Missing));
        }
        if text.chars().count() > MAX_LIST_URL {
            return Err(refused(FieldProblem::TooLong { max: MAX_LIST_URL }));
        }
        let url: Option<Url> = text.parse().ok();
        let url = url.filter(|url| ["http", "https"].contains(&url.scheme()));
        let (url, host) = url
            .and_then(|url| url.host_str().map(str::to_owned).map(|host| (url, host)))
            .ok_or_else(|| refused(FieldProblem::NoWebAddress))?;
        if self.own.iter().any(|own| is_list_of(own, &url)) {
            return Err(refused(FieldProblem::OwnAddress));
        }
        let name = line::line("name", new.name.as_deref().unwrap_or_default(), line::MAX_NAME)?;
        let every = new.every.as_deref().map(str::trim).filter(|text| !text.is_empty());
        let every = every.map_or(Ok(DEFAULT_EVERY), duration::parse);
        let every = every.ok().filter(|every| EVERY.contains(every));
        Ok(SourceSpec {
            name: name.unwrap_or(host),
            url: Secret::from(url.to_string()),
            every: every.ok_or_else(|| FieldError::new("every", FieldProblem::NoInterval))?,
            trusted: new.trusted,
        })
    }
}

/// Whether a URL is that of the list of the hub at `own`. All names of this machine are one.
fn is_list_of(own: &Url, url: &Url) -> bool {
    let is_host = own.host() == url.host() || (is_loopback(own) && is_loopback(url));
    let is_port = own.port_or_known_default() == url.port_or_known_default();
    let path = url.path().strip_prefix(own.path().trim_end_matches('/')).unwrap_or(url.path());
    is_host && is_port && ["", "/api", "/api/nodes"].contains(&path.trim_end_matches('/'))
}
