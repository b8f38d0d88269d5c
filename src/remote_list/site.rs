//! Where sites have their lists, and how they give them page by page.

use url::Url;

use super::{
    error::{FetchError, shown},
    request::Reader,
};
use crate::peer_list::Paging;

/// Page sizes to try before [`SMALLEST_PAGE_SIZE`], because sites have different maximums.
const PAGE_SIZES: [u32; 2] = [1000, 100];
const SMALLEST_PAGE_SIZE: u32 = 20;

/// The list of the public API.
const LIST: &str = "/api/nodes";

/// Parameters of the query for a page.
type Query = Vec<(&'static str, String)>;

/// Where the list is that `url` stands for, and where it may be if it is not there.
pub(super) fn places(url: &Url) -> (Url, Option<Url>) {
    let is_site = ["", "/api"].contains(&url.path().trim_end_matches('/'));
    if !is_site {
        return (url.clone(), None);
    }
    let mut list = url.clone();
    list.set_path(LIST);
    (list, Some(url.clone()))
}

/// Refuses a list of which the site has more than it gave. A site that says how many there are need not be believed that
/// there is more.
pub(super) fn complete(url: &Url, paging: &Paging, given: usize) -> Result<(), FetchError> {
    let url = || shown(url);
    match paging.total {
        Some(announced) if announced > given as u64 => Err(FetchError::Incomplete { url: url(), given, announced }),
        None if paging.more || paging.cursor.is_some() => Err(FetchError::NoNextPage { url: url(), given }),
        _ => Ok(()),
    }
}

/// A list that is read page by page.
pub(super) struct Paged<'a> {
    url: &'a Url,
    /// The size of pages that the site accepts.
    size: u32,
    /// How many pages were read.
    pages: u64,
}

impl<'a> Paged<'a> {
    pub(super) fn new(url: &'a Url) -> Self {
        Self { url, size: SMALLEST_PAGE_SIZE, pages: 0 }
    }

    pub(super) fn pages(&self) -> u64 {
        self.pages
    }

    /// The first page, with the largest page size that the site accepts; `None` if the list has the version that is known.
    pub(super) async fn first(&mut self, reader: &mut Reader) -> Result<Option<Vec<u8>>, FetchError> {
        self.pages = 1;
        for size in PAGE_SIZES {
            self.size = size;
            match reader.get_new(&with_query(self.url, &self.numbered(1))).await {
                Err(error) if error.refuses_size() => {}
                outcome => return outcome,
            }
        }
        self.size = SMALLEST_PAGE_SIZE;
        reader.get_new(&with_query(self.url, &self.numbered(1))).await
    }

    pub(super) async fn page(&mut self, reader: &mut Reader, query: &Query) -> Result<Vec<u8>, FetchError> {
        let body = reader.get(&with_query(self.url, query)).await?;
        self.pages += 1;
        Ok(body)
    }

    /// The query of the page after one that says `paging`, if there is one: by cursor, as in our `GET /peers`, or by number,
    /// as in the public API. `given`: how many peers the site gave until now.
    pub(super) fn next(&self, paging: &Paging, given: usize) -> Option<Query> {
        if let Some(cursor) = &paging.cursor {
            return Some(vec![("cursor", cursor.clone())]);
        }
        let is_more = match (paging.pages, paging.total) {
            (Some(pages), _) => self.pages < pages,
            (None, Some(total)) => (given as u64) < total,
            (None, None) => paging.more,
        };
        is_more.then(|| self.numbered(self.pages + 1))
    }

    fn numbered(&self, page: u64) -> Query {
        vec![("page", page.to_string()), ("per_page", self.size.to_string())]
    }
}

/// `url` with these parameters, which replace those with the same names.
fn with_query(url: &Url, query: &Query) -> Url {
    let kept = url.query_pairs().filter(|(name, _)| query.iter().all(|(new, _)| new != name));
    let kept: Vec<(String, String)> = kept.map(|(name, value)| (name.into(), value.into())).collect();
    let mut result = url.clone();
    result.query_pairs_mut().clear().extend_pairs(kept).extend_pairs(query);
    result
}
