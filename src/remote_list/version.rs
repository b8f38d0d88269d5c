//! Which version of a list somebody has, as servers name it.

use reqwest::{
    RequestBuilder,
    header::{ETAG, HeaderMap, HeaderName, IF_MODIFIED_SINCE, IF_NONE_MATCH, LAST_MODIFIED},
};

/// The longest name of a version, in bytes, that is kept.
const MAX_LENGTH: usize = 512;

/// A version of a list; empty if the server names none.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct ListVersion {
    /// The header `ETag`.
    pub etag: Option<String>,
    /// The header `Last-Modified`.
    pub last_modified: Option<String>,
}

impl ListVersion {
    /// The version that a response has.
    pub(super) fn of(headers: &HeaderMap) -> Self {
        let text = |name: HeaderName| headers.get(name)?.to_str().ok().map(str::to_owned);
        let short = |name| text(name).filter(|text| text.len() <= MAX_LENGTH);
        Self { etag: short(ETAG), last_modified: short(LAST_MODIFIED) }
    }

    /// Whether it names no version.
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }

    /// `request` for another version than this one.
    pub(super) fn except(&self, mut request: RequestBuilder) -> RequestBuilder {
        for (name, value) in [(IF_NONE_MATCH, &self.etag), (IF_MODIFIED_SINCE, &self.last_modified)] {
            if let Some(value) = value {
                request = request.header(name, value);
            }
        }
        request
    }
}
