//! The `Authorization` header.

use axum::http::{HeaderMap, header};
use easytier_probe::Secret;
use subtle::ConstantTimeEq;

/// The token in the value of an `Authorization` header with the scheme Bearer. Other schemes are ignored, because they may be
/// for a proxy.
pub fn bearer(authorization: &str) -> Option<&str> {
    let (scheme, token) = authorization.split_once(' ')?;
    let token = token.trim();
    (scheme.eq_ignore_ascii_case("bearer") && !token.is_empty()).then_some(token)
}

/// Whether the request carries this token, as `Authorization: Bearer`.
pub fn bears(headers: &HeaderMap, token: &Secret) -> bool {
    let sent = headers.get(header::AUTHORIZATION).and_then(|value| value.to_str().ok()).and_then(bearer);
    sent.is_some_and(|sent| sent.as_bytes().ct_eq(token.expose().as_bytes()).into())
}
