//! What a document says of the pages of a list that it is one of.

use serde_json::Value;

use super::problem::Part;

/// Where documents say it, as paths to an object.
const PLACES: [&str; 4] = ["/data", "/data/pagination", "/pagination", ""];

const PAGE: &[&str] = &["page", "current_page", "currentPage"];
const PAGES: &[&str] = &["total_pages", "totalPages", "page_count", "pageCount", "last_page", "lastPage"];
const TOTAL: &[&str] = &["total", "total_available", "total_count", "totalCount", "total_items", "totalItems"];
const CURSOR: &[&str] = &["next_cursor", "nextCursor"];
const MORE: &[&str] = &["next_batch_available", "has_more", "hasMore"];

/// What a document says of its pages.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Paging {
    /// The number of this page, from 1.
    pub page: Option<u64>,
    /// The number of pages.
    pub pages: Option<u64>,
    /// The number of peers on all pages.
    pub total: Option<u64>,
    /// The cursor of the next page.
    pub cursor: Option<String>,
    /// Whether there is more.
    pub more: bool,
}

impl Paging {
    /// What `document` says.
    pub(super) fn of(document: &Value) -> Self {
        let first = |names: &[&str]| {
            let objects = PLACES.iter().filter_map(|place| document.pointer(place));
            objects.flat_map(|object| names.iter().filter_map(|name| object.get(name))).find(|value| !value.is_null())
        };
        let number = |names| first(names).and_then(|value| value.as_u64().or_else(|| value.as_str()?.parse().ok()));
        let cursor = first(CURSOR).and_then(Value::as_str).filter(|cursor| !cursor.is_empty());
        Self {
            page: number(PAGE),
            pages: number(PAGES),
            total: number(TOTAL),
            cursor: cursor.map(str::to_owned),
            more: first(MORE) == Some(&Value::Bool(true)),
        }
    }

    /// The part that the document is, if its `count` peers are not all of the list. Backends in the wild say for ever that
    /// there is more, so that counts only where nothing says how many there are.
    pub(super) fn part(&self, count: usize) -> Option<Part> {
        let is_part = self.cursor.is_some()
            || self.pages.is_some_and(|pages| pages > 1)
            || self.total.map_or(self.more, |total| total > count as u64);
        is_part.then_some(Part {
            count,
            total: self.total,
            page: self.page,
            pages: self.pages.filter(|pages| *pages > 1),
        })
    }
}
