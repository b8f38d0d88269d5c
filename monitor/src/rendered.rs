//! Documents that are rendered once and sent to many callers: they share the bytes, which are compressed once, and a caller
//! that has the document already gets a 304.

use std::{io::Write as _, sync::OnceLock};

use axum::{
    body::Body,
    http::{HeaderMap, HeaderName, HeaderValue, StatusCode, header},
    response::{IntoResponse, Response},
};
use bytes::Bytes;
use easytier_uptime_store::domain::Timestamp;
use flate2::{Compression, write::GzEncoder};

/// Documents that are shorter than this are not compressed: they fit into one packet.
const MIN_COMPRESSED: usize = 1024;

/// Since when the document is out of date, because the database does not answer.
const STALE_SINCE: HeaderName = HeaderName::from_static("x-uptime-stale-since");

/// Which version of a document a caller gets.
#[derive(Debug, Clone)]
pub struct Version {
    /// Changes with the content.
    pub tag: HeaderValue,
    /// Set while the database does not answer.
    pub stale_since: Option<Timestamp>,
    /// The headers of the request that the document depends on, besides `Accept-Encoding`.
    pub vary: &'static str,
}

impl Version {
    /// The headers of a response with this version.
    fn headers(&self) -> HeaderMap {
        let vary = HeaderValue::from_str(&format!(
            "accept-encoding{}{}",
            if self.vary.is_empty() { "" } else { ", " },
            self.vary
        ));
        let mut headers = HeaderMap::new();
        headers.insert(header::ETAG, self.tag.clone());
        headers.insert(header::VARY, vary.unwrap_or(HeaderValue::from_static("*")));
        // Whoever keeps a copy asks each time whether it is still right.
        headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-cache"));
        if let Some(since) = self.stale_since.and_then(|since| HeaderValue::try_from(since.to_string()).ok()) {
            headers.insert(STALE_SINCE, since);
        }
        headers
    }

    /// A 304, if the caller has this version already.
    pub fn not_modified(&self, request: &HeaderMap) -> Option<Response> {
        let known = request.get_all(header::IF_NONE_MATCH).iter().filter_map(|value| value.to_str().ok());
        let own = weak(self.tag.to_str().ok()?);
        let mut tags = known.flat_map(|list| list.split(','));
        tags.any(|tag| tag.trim() == "*" || weak(tag) == own)
            .then(|| (StatusCode::NOT_MODIFIED, self.headers()).into_response())
    }
}

/// A tag without its mark for weak comparison.
fn weak(tag: &str) -> &str {
    tag.trim().trim_start_matches("W/")
}

/// A document that is sent to many callers.
#[derive(Debug)]
pub struct Rendered {
    media_type: &'static str,
    plain: Bytes,
    compressed: OnceLock<Option<Bytes>>,
}

impl Rendered {
    /// A document that is complete.
    pub fn new(media_type: &'static str, plain: impl Into<Bytes>) -> Self {
        Self { media_type, plain: plain.into(), compressed: OnceLock::new() }
    }

    /// Its length in bytes, without compression.
    pub fn len(&self) -> usize {
        self.plain.len()
    }

    /// Whether it has no content.
    pub fn is_empty(&self) -> bool {
        self.plain.is_empty()
    }

    /// The response to a request. Callers may keep a copy.
    pub fn respond(&self, request: &HeaderMap, version: &Version) -> Response {
        if let Some(response) = version.not_modified(request) {
            return response;
        }
        let compressed = if accepts_gzip(request) { self.compressed() } else { None };
        let is_compressed = compressed.is_some();
        let mut response = Body::from(compressed.unwrap_or(&self.plain).clone()).into_response();
        let headers = response.headers_mut();
        *headers = version.headers();
        headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(self.media_type));
        if is_compressed {
            headers.insert(header::CONTENT_ENCODING, HeaderValue::from_static("gzip"));
        }
        response
    }

    fn compressed(&self) -> Option<&Bytes> {
        self.compressed.get_or_init(|| if self.len() < MIN_COMPRESSED { None } else { gzip(&self.plain) }).as_ref()
    }
}

fn gzip(plain: &[u8]) -> Option<Bytes> {
    let mut encoder = GzEncoder::new(Vec::with_capacity(plain.len() / 4), Compression::fast());
    encoder.write_all(plain).ok()?;
    encoder.finish().ok().map(Bytes::from)
}

/// Whether the caller reads gzip.
fn accepts_gzip(request: &HeaderMap) -> bool {
    let lists = request.get_all(header::ACCEPT_ENCODING).iter().filter_map(|value| value.to_str().ok());
    lists.flat_map(|list| list.split(',')).any(|coding| {
        let (name, quality) = coding.split_once(';').unwrap_or((coding, ""));
        let quality = quality.trim().strip_prefix("q=").map_or(Some(1.0), |quality| quality.trim().parse::<f32>().ok());
        name.trim().eq_ignore_ascii_case("gzip") && quality.is_some_and(|quality| quality > 0.0)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn request(name: HeaderName, value: &str) -> HeaderMap {
        HeaderMap::from_iter([(name, value.parse().unwrap())])
    }

    #[test]
    fn gzip_is_for_callers_that_read_it() {
        let accepts = |value| accepts_gzip(&request(header::ACCEPT_ENCODING, value));
        assert!(accepts("gzip") && accepts("br, GZIP;q=0.5") && accepts("deflate,gzip"));
        assert!(!accepts("") && !accepts("br") && !accepts("gzip;q=0") && !accepts("gzip; q=much"));
    }

    #[test]
    fn a_caller_with_the_same_version_gets_no_body() {
        let version = |tag| Version { tag: HeaderValue::from_static(tag), stale_since: None, vary: "cookie" };
        let document = Rendered::new("text/plain", "x".repeat(2000));
        let answer = |known: &str| document.respond(&request(header::IF_NONE_MATCH, known), &version("W/\"a-1\""));
        for known in ["W/\"a-1\"", "\"a-1\"", "\"b\", W/\"a-1\"", "*"] {
            let response = answer(known);
            assert_eq!(response.status(), StatusCode::NOT_MODIFIED, "{known}");
            assert_eq!(response.headers()[header::ETAG], "W/\"a-1\"");
            assert_eq!(response.headers()[header::VARY], "accept-encoding, cookie");
        }
        for known in ["W/\"a-2\"", "a-1", ""] {
            assert_eq!(answer(known).status(), StatusCode::OK, "{known}");
        }
    }
}
