//! Lists of peers on web servers: those of running sites, which are read page by page to their end, and files in any form
//! that [`peer_list`](crate::peer_list) reads.

mod error;
mod request;
mod site;

use std::collections::HashSet;

use serde_json::Value;
use url::Url;

pub use self::error::{FetchError, MAX_PAGES};
use self::{error::shown, request::Reader, site::Paged};
use crate::peer_list::{self, Document, Entry, ListProblem};

/// Whether a text names a list on a web server rather than a file.
pub fn is_url(source: &str) -> bool {
    ["http://", "https://"].iter().any(|scheme| source.starts_with(scheme))
}

/// Fetches the list at a URL: that of a site, whose list is at `/api/nodes`, or of the list itself. All pages are read.
///
/// # Errors
///
/// If the list cannot be fetched or read, or the site gives fewer peers than it says it has. Problems with single peers
/// are in their entries.
pub async fn fetch(source: &str) -> Result<Vec<Entry>, FetchError> {
    let url: Url = source.parse().map_err(|error| FetchError::not_a_url(source, error))?;
    let mut reader = Reader::new(&url)?;
    let (place, other) = site::places(&url);
    match (list_at(&mut reader, &place).await, other) {
        // A site may serve its list at the URL itself.
        (Err(error), Some(other)) if error.is_elsewhere() => match list_at(&mut reader, &other).await {
            Err(also) if also.is_elsewhere() => Err(error),
            outcome => outcome,
        },
        (outcome, _) => outcome,
    }
}

async fn list_at(reader: &mut Reader, url: &Url) -> Result<Vec<Entry>, FetchError> {
    let mut site = Paged::new(url);
    let mut body = site.first(reader).await?;
    let mut values: Vec<Value> = Vec::new();
    let mut earlier = HashSet::new();
    loop {
        let not_a_list = |problem| FetchError::not_a_list(url, problem);
        let text = std::str::from_utf8(&body).map_err(|_| ListProblem::NotUtf8);
        let document = match text.and_then(Document::parse) {
            Ok(document) => document,
            // A file on a web server may have any form.
            Err(_) if values.is_empty() => return peer_list::read(&body).map_err(not_a_list),
            Err(problem) => return Err(not_a_list(problem)),
        };
        let paging = document.paging();
        let page = document.into_values().map_err(not_a_list)?;
        // A site that knows no pages gives the same one again.
        let new: Vec<Value> = page.into_iter().filter(|value| !earlier.contains(&value.to_string())).collect();
        let is_last = new.is_empty();
        earlier.extend(new.iter().map(Value::to_string));
        values.extend(new);
        match site.next(&paging, values.len()) {
            Some(query) if !is_last => body = site.page(reader, &query).await?,
            _ => {
                site::complete(url, &paging, values.len())?;
                let entries = peer_list::entries(values, 1);
                return peer_list::not_hidden(entries).map_err(not_a_list);
            }
        }
        if site.pages() >= MAX_PAGES {
            return Err(FetchError::TooManyPages(shown(url)));
        }
    }
}
