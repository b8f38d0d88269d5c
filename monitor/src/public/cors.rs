//! What pages of other sites may do.

use axum::http::{HeaderValue, Method, request::Parts};
use tower_http::cors::{AllowOrigin, CorsLayer};

/// Lets pages of other sites read, and do nothing else.
pub fn readable_from_anywhere() -> CorsLayer {
    let reads = |_: &HeaderValue, parts: &Parts| [Method::GET, Method::HEAD, Method::OPTIONS].contains(&parts.method);
    CorsLayer::new().allow_origin(AllowOrigin::predicate(reads)).allow_methods([Method::GET, Method::HEAD])
}
