//! Pages of a list: the parameters of a request and the document of a response.

use easytier_uptime_store::domain::{Page, PageRequest};
use serde::{Deserialize, Serialize};
use serde_html_form::de::empty_as_none;
use utoipa::{IntoParams, ToSchema};

use crate::parameter::{self, Whole};

const MAX_PER_PAGE: u32 = 1000;

/// Selects a page of a list.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub struct Paging {
    /// The number of the page, from 1.
    #[serde(default, deserialize_with = "empty_as_none")]
    #[param(schema_with = page, required = false)]
    page: Option<Whole<1, { u32::MAX }>>,
    /// The number of items on a page, at most 1000.
    #[serde(default, deserialize_with = "empty_as_none")]
    #[param(schema_with = per_page, required = false)]
    per_page: Option<Whole<1, MAX_PER_PAGE>>,
}

/// The same for lists of which an operator wants most at once.
#[derive(Debug, Clone, Copy, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub struct LongPaging {
    /// The number of the page, from 1.
    #[serde(default, deserialize_with = "empty_as_none")]
    #[param(schema_with = page, required = false)]
    page: Option<Whole<1, { u32::MAX }>>,
    /// The number of items on a page, at most 1000.
    #[serde(default, deserialize_with = "empty_as_none")]
    #[param(schema_with = per_long_page, required = false)]
    per_page: Option<Whole<1, MAX_PER_PAGE>>,
}

fn page() -> utoipa::openapi::Schema {
    parameter::whole(1, u32::MAX, Some(PageRequest::default().page))
}

fn per_page() -> utoipa::openapi::Schema {
    parameter::whole(1, MAX_PER_PAGE, Some(PageRequest::default().per_page))
}

fn per_long_page() -> utoipa::openapi::Schema {
    parameter::whole(1, MAX_PER_PAGE, Some(LONG.per_page))
}

const LONG: PageRequest = PageRequest { page: 1, per_page: 200 };

impl Paging {
    /// The requested page, with defaults for missing parameters.
    pub fn request(self) -> PageRequest {
        let usual = PageRequest::default();
        PageRequest {
            page: self.page.map_or(usual.page, |page| page.0),
            per_page: self.per_page.map_or(usual.per_page, |per_page| per_page.0),
        }
    }
}

impl LongPaging {
    /// The requested page, with defaults for missing parameters.
    pub fn request(self) -> PageRequest {
        PageRequest {
            page: self.page.map_or(LONG.page, |page| page.0),
            per_page: self.per_page.map_or(LONG.per_page, |per_page| per_page.0),
        }
    }
}

/// One page of a list.
#[derive(Debug, Serialize, ToSchema)]
pub struct Paged<T> {
    items: Vec<T>,
    /// The number of items on all pages.
    total: u64,
    page: u32,
    per_page: u32,
    total_pages: u64,
}

impl<T> Paged<T> {
    /// The page for `request`; `item` converts each entry.
    pub fn new<U>(page: Page<U>, request: PageRequest, item: impl FnMut(U) -> T) -> Self {
        Self {
            items: page.items.into_iter().map(item).collect(),
            total: page.total,
            page: request.page,
            per_page: request.per_page,
            total_pages: page.total.div_ceil(u64::from(request.per_page)),
        }
    }
}
