//! The admin's session as it travels: a signed token (JWT), shown as Bearer by programs, in a cookie by the pages.

use std::sync::LazyLock;

use axum::{
    extract::FromRequestParts,
    http::{HeaderMap, HeaderName, HeaderValue, header, request::Parts},
};
use easytier_probe::Secret;
use jsonwebtoken::{Algorithm, DecodingKey, EncodingKey, Header, Validation};
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::{
    api::{App, auth::bearer, cookie::cookie, error::Refusal},
    store::Session,
    time::Timestamp,
};

/// The cookie's name.
pub(super) const COOKIE: &str = "uptime_session";

const SUBJECT: &str = "admin";
const FORWARDED_HOST: HeaderName = HeaderName::from_static("x-forwarded-host");

/// The session that a request shows, which lasts.
#[derive(Debug, Clone, Copy)]
pub(in crate::api) struct AdminSession(pub Session);

impl FromRequestParts<App> for AdminSession {
    type Rejection = Refusal;

    async fn from_request_parts(parts: &mut Parts, app: &App) -> Result<Self, Refusal> {
        shown(parts, app).await?.ok_or_else(|| Refusal::unauthorized("this is for the admin: log in first"))
    }
}

/// The session that a request shows, if it shows one that lasts. One in a cookie, which browsers add whatever page asks,
/// changes something only for pages of the hub itself.
pub(in crate::api) async fn shown(parts: &Parts, app: &App) -> Result<Option<AdminSession>, Refusal> {
    let authorization = parts.headers.get(header::AUTHORIZATION).and_then(|value| value.to_str().ok());
    let (token, by_cookie) = match (authorization.and_then(bearer), cookie(&parts.headers, COOKIE)) {
        (Some(token), _) => (token, false),
        (None, Some(token)) => (token, true),
        (None, None) => return Ok(None),
    };
    let Some(session) = read(token, &app.options.session_key) else { return Ok(None) };
    if !app.store.session_lasts(session.id, Timestamp::now()).await? {
        return Ok(None);
    }
    if by_cookie && !parts.method.is_safe() {
        own_page(&parts.headers)?;
    }
    Ok(Some(AdminSession(session)))
}

/// Refuses what no page of this hub sent.
pub(in crate::api) fn own_page(headers: &HeaderMap) -> Result<(), Refusal> {
    // Who runs the hub behind a proxy may be the one to read it.
    let words = "the Origin of the request is not this hub; a proxy in front of it must pass on the Host that it was asked \
                 for, or tell it as X-Forwarded-Host";
    is_of_this_hub(headers).then_some(()).ok_or_else(|| Refusal::forbidden(words))
}

/// What a token says.
#[derive(Debug, Serialize, Deserialize)]
struct Claims {
    sub: String,
    /// The session's id: a token is as good as the session is.
    jti: Uuid,
    /// In seconds.
    exp: i64,
}

/// The token of a session.
pub(super) fn token(session: &Session, key: &Secret) -> Secret {
    let claims = Claims { sub: SUBJECT.to_owned(), jti: session.id, exp: session.expires_at.0.div_euclid(1000) };
    let key = EncodingKey::from_secret(key.expose().as_bytes());
    jsonwebtoken::encode(&Header::new(Algorithm::HS256), &claims, &key).expect("claims are plain JSON").into()
}

/// The session that a token names, if the token is one of ours and has not expired.
fn read(token: &str, key: &Secret) -> Option<Session> {
    static VALIDATION: LazyLock<Validation> = LazyLock::new(|| {
        let mut validation = Validation::new(Algorithm::HS256);
        validation.leeway = 0;
        validation.set_required_spec_claims(&["exp", "sub", "jti"]);
        validation.sub = Some(SUBJECT.to_owned());
        validation
    });
    let key = DecodingKey::from_secret(key.expose().as_bytes());
    let claims = jsonwebtoken::decode::<Claims>(token, &key, &VALIDATION).ok()?.claims;
    Some(Session { id: claims.jti, expires_at: Timestamp(claims.exp.saturating_mul(1000)) })
}

/// The header that gives the pages their cookie.
pub(super) fn set_cookie(token: &Secret, max_age_seconds: u64, headers: &HeaderMap) -> HeaderValue {
    let origin = headers.get(header::ORIGIN);
    // Over plain HTTP a browser would not take a cookie that is for HTTPS only.
    let secure = if origin.is_some_and(|origin| origin.as_bytes().starts_with(b"https://")) { "; Secure" } else { "" };
    let token = token.expose();
    let cookie = format!("{COOKIE}={token}; Path=/; Max-Age={max_age_seconds}; HttpOnly; SameSite=Strict{secure}");
    let mut cookie = HeaderValue::try_from(cookie).expect("a JWT is plain ASCII");
    cookie.set_sensitive(true);
    cookie
}

/// The header that takes the cookie away.
pub(super) fn clear_cookie() -> HeaderValue {
    HeaderValue::try_from(format!("{COOKIE}=; Path=/; Max-Age=0; HttpOnly; SameSite=Strict")).expect("plain ASCII")
}

/// Whether the page that asks was served under the very name that it asks. A page of another origin can set neither of
/// the headers compared; a proxy may replace `Host` and tell the original one.
fn is_of_this_hub(headers: &HeaderMap) -> bool {
    let text = |name: HeaderName| headers.get(name).and_then(|value| value.to_str().ok());
    let origin = text(header::ORIGIN).and_then(|origin| origin.split_once("://")).map(|(_, authority)| authority);
    let is_origin = |host: &str| origin.is_some_and(|origin| origin.eq_ignore_ascii_case(host.trim()));
    text(header::HOST).is_some_and(is_origin) || text(FORWARDED_HOST).is_some_and(is_origin)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn headers(pairs: &[(HeaderName, &str)]) -> HeaderMap {
        pairs.iter().map(|(name, value)| (name.clone(), value.parse().unwrap())).collect()
    }

    #[test]
    fn a_token_is_read_with_its_own_key_only() {
        let session = Session { id: Uuid::new_v4(), expires_at: Timestamp(4_000_000_000_000) };
        let key = Secret::from("key");
        let token = token(&session, &key);
        assert_eq!(read(token.expose(), &key), Some(session));
        assert_eq!(read(token.expose(), &"other".into()), None);
        assert_eq!(read(&token.expose()[1..], &key), None);
    }

    #[test]
    fn an_expired_token_is_none() {
        let session = Session { id: Uuid::new_v4(), expires_at: Timestamp::now() - std::time::Duration::from_secs(2) };
        assert_eq!(read(token(&session, &"key".into()).expose(), &"key".into()), None);
    }

    #[test]
    fn a_token_of_another_algorithm_is_none() {
        let key = EncodingKey::from_secret(b"key");
        let claims = |sub: &str| Claims { sub: sub.into(), jti: Uuid::new_v4(), exp: 4_000_000_000 };
        let longer = jsonwebtoken::encode(&Header::new(Algorithm::HS512), &claims(SUBJECT), &key).unwrap();
        assert_eq!(read(&longer, &"key".into()), None);
        let of_somebody = jsonwebtoken::encode(&Header::new(Algorithm::HS256), &claims("probe"), &key).unwrap();
        assert_eq!(read(&of_somebody, &"key".into()), None);
        // {"alg":"none"} and a token without a signature.
        let unsigned = format!("eyJhbGciOiJub25lIn0.{}.", longer.split('.').nth(1).unwrap());
        assert_eq!(read(&unsigned, &"key".into()), None);
    }

    #[test]
    fn a_page_of_this_hub_has_the_origin_that_it_asks() {
        let of_this_hub =
            |origin: &str, host: &str| is_of_this_hub(&headers(&[(header::ORIGIN, origin), (header::HOST, host)]));
        assert!(of_this_hub("http://127.0.0.1:8080", "127.0.0.1:8080"));
        assert!(of_this_hub("https://Hub.example.net", "hub.example.net"));
        for (origin, host) in [
            ("http://127.0.0.1:8081", "127.0.0.1:8080"),
            ("https://hub.example.net.evil.example", "hub.example.net"),
            ("null", "hub.example.net"),
            ("hub.example.net", "hub.example.net"),
        ] {
            assert!(!of_this_hub(origin, host), "{origin}");
        }
        assert!(!is_of_this_hub(&headers(&[(header::HOST, "hub.example.net")])), "no Origin at all");
        let forwarded = [
            (header::ORIGIN, "https://hub.example.net"),
            (header::HOST, "10.0.0.7:8080"),
            (FORWARDED_HOST, "hub.example.net"),
        ];
        assert!(is_of_this_hub(&headers(&forwarded)));
    }
}
