//! Lists of peers on web servers: those of running sites, which are read page by page to their end, and files in any form
//! that [`peer_list`](crate::peer_list) reads.

mod error;
mod request;
mod site;
mod version;

use std::{
    collections::HashSet,
    hash::{DefaultHasher, Hash, Hasher},
};

use serde_json::Value;
use url::Url;

use self::{error::shown, request::Reader, site::Paged};
pub use self::{
    error::{FetchError, MAX_PAGES, Obstacle},
    version::ListVersion,
};
use crate::peer_list::{self, Document, Entry, ListProblem};

/// Whether a text names a list on a web server rather than a file.
pub fn is_url(source: &str) -> bool {
    ["http://", "https://"].iter().any(|scheme| source.starts_with(scheme))
}

/// How much of a list is taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ListBounds {
    /// The maximum length of all pages together, in bytes.
    pub bytes: usize,
    /// The maximum number of entries.
    pub entries: usize,
}

/// What a server gives who has a version of a list.
#[derive(Debug, Clone)]
pub enum Fetched {
    /// The list is still in the version that the caller has.
    NotModified,
    /// The list.
    List {
        /// Its entries. Problems with single peers are in them.
        entries: Vec<Entry>,
        /// Its version; empty if the list has several pages, of which each has its own.
        version: ListVersion,
    },
}

/// Fetches the list at a URL: that of a site, whose list is at `/api/nodes`, or of the list itself. All pages are read, of at
/// most `bounds` together.
///
/// # Errors
///
/// If the list cannot be fetched or read, is too long, or the site gives fewer peers than it says it has. Problems with
/// single peers are in their entries.
pub async fn fetch(source: &str, bounds: ListBounds) -> Result<Vec<Entry>, FetchError> {
    match fetch_new(source, bounds, ListVersion::default()).await? {
        Fetched::List { entries, .. } => Ok(entries),
        // Nobody asked for another one.
        Fetched::NotModified => Ok(Vec::new()),
    }
}

/// As [`fetch`], unless the list is still in the version `known`.
///
/// # Errors
///
/// As [`fetch`].
pub async fn fetch_new(source: &str, bounds: ListBounds, known: ListVersion) -> Result<Fetched, FetchError> {
    let url: Url = source.parse().map_err(|error| FetchError::not_a_url(source, error))?;
    let mut reader = Reader::new(&url, bounds.bytes, known)?;
    let (place, other) = site::places(&url);
    match (list_at(&mut reader, &place, bounds).await, other) {
        // A site may serve its list at the URL itself.
        (Err(error), Some(other)) if error.is_elsewhere() => match list_at(&mut reader, &other, bounds).await {
            Err(also) if also.is_elsewhere() => Err(error),
            outcome => outcome,
        },
        (outcome, _) => outcome,
    }
}

async fn list_at(
    reader: &mut Reader,
    url: &Url,
    ListBounds { entries: max, .. }: ListBounds,
) -> Result<Fetched, FetchError> {
    let mut site = Paged::new(url);
    let Some(mut body) = site.first(reader).await? else { return Ok(Fetched::NotModified) };
    let mut values: Vec<Value> = Vec::new();
    let mut earlier = HashSet::new();
    loop {
        let not_a_list = |problem| FetchError::not_a_list(url, problem);
        let text = std::str::from_utf8(&body).map_err(|_| ListProblem::NotUtf8);
        let document = match text.and_then(Document::parse) {
            Ok(document) => document,
            // A file on a web server may have any form.
            Err(_) if values.is_empty() => {
                let entries = peer_list::read_at_most(&body, max).map_err(not_a_list)?;
                return Ok(Fetched::List { entries, version: reader.version() });
            }
            Err(problem) => return Err(not_a_list(problem)),
        };
        let paging = document.paging();
        let page = document.into_values().map_err(not_a_list)?;
        // A site that knows no pages gives the same one again.
        let marked = page.into_iter().map(|value| (mark(&value), value));
        let (marks, new): (Vec<u64>, Vec<Value>) = marked.filter(|(mark, _)| !earlier.contains(mark)).unzip();
        let is_last = new.is_empty();
        earlier.extend(marks);
        values.extend(new);
        if values.len() > max {
            return Err(not_a_list(ListProblem::TooLong { max }));
        }
        match site.next(&paging, values.len()) {
            Some(query) if !is_last => body = site.page(reader, &query).await?,
            _ => {
                site::complete(url, &paging, values.len())?;
                let entries = peer_list::entries(values, max).and_then(peer_list::not_hidden).map_err(not_a_list)?;
                let version = if site.pages() == 1 { reader.version() } else { ListVersion::default() };
                return Ok(Fetched::List { entries, version });
            }
        }
        if site.pages() >= MAX_PAGES {
            return Err(FetchError::TooManyPages(shown(url)));
        }
    }
}

/// By what values of several pages are told apart.
fn mark(value: &Value) -> u64 {
    let mut hasher = DefaultHasher::new();
    value.to_string().hash(&mut hasher);
    hasher.finish()
}
