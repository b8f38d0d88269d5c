//! The `Authorization` header.

/// The token in the value of an `Authorization` header with the scheme Bearer. Other schemes are ignored, because they may be
/// for a proxy.
pub fn bearer(authorization: &str) -> Option<&str> {
    let (scheme, token) = authorization.split_once(' ')?;
    let token = token.trim();
    (scheme.eq_ignore_ascii_case("bearer") && !token.is_empty()).then_some(token)
}
