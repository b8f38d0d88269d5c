//! The admin's session in requests: a Bearer token from programs, or a cookie from the pages.

use axum::{
    extract::{FromRef, FromRequestParts, Request},
    http::{HeaderMap, HeaderName, HeaderValue, header, request::Parts},
    middleware::Next,
    response::{IntoResponse, Response},
};
use cookie::{Cookie, SameSite};
use easytier_uptime_monitor::{Caller, Refusal, bearer};
use easytier_uptime_store::{Session, acting, domain::ActorKind};

use super::{cookie::cookie, recognise::recognise};
use crate::service::{NewSession, Sessions};

/// The name of the cookie. It lacks the prefix `__Host-`, because browsers accept that over HTTPS only.
pub(crate) const COOKIE: &str = "uptime_session";

const FETCH_SITE: HeaderName = HeaderName::from_static("sec-fetch-site");
const FORWARDED_HOST: HeaderName = HeaderName::from_static("x-forwarded-host");

/// The admin's session of a request.
#[derive(Debug, Clone, Copy)]
pub(crate) struct AdminSession(pub Session);

impl<S: Send + Sync> FromRequestParts<S> for AdminSession
where
    Sessions: FromRef<S>,
{
    type Rejection = Refusal;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Refusal> {
        find(parts, &Sessions::from_ref(state)).await?.ok_or_else(|| Refusal::unauthorized("log in as the admin first"))
    }
}

/// The session of a request, if it has a valid one. Browsers send the cookie with requests of any page, so a request with a
/// cookie may change something only if it comes from a page of this hub.
pub(crate) async fn find(parts: &Parts, sessions: &Sessions) -> Result<Option<AdminSession>, Refusal> {
    let authorization = parts.headers.get(header::AUTHORIZATION).and_then(|value| value.to_str().ok());
    let (session, by_cookie) = match authorization.and_then(bearer) {
        Some(token) => (sessions.find(token).await?, false),
        None => match cookie(&parts.headers, COOKIE) {
            Some(token) => (sessions.find(token).await?, true),
            None => return Ok(None),
        },
    };
    if session.is_some() && by_cookie && !parts.method.is_safe() {
        own_page(&parts.headers)?;
    }
    if let Some(session) = session {
        acting::acts_as(ActorKind::Admin, session.id.short());
        recognise(parts);
        if let Some(Caller(address)) = parts.extensions.get() {
            sessions.remember(*address);
        }
    }
    Ok(session.map(AdminSession))
}

/// Refuses a request that was not made by a page of this hub.
pub(crate) fn own_page(headers: &HeaderMap) -> Result<(), Refusal> {
    is_own_origin(headers).then_some(()).ok_or_else(foreign_page)
}

/// Refuses whatever changes something on behalf of a page of another site, which can have the browsers of its visitors send
/// it: with their cookies, from their addresses, to hubs that only they can reach. Programs other than browsers pass.
pub(crate) async fn refuse_foreign_pages(request: Request, next: Next) -> Response {
    match !request.method().is_safe() && is_of_foreign_page(request.headers()) {
        true => foreign_page().into_response(),
        false => next.run(request).await,
    }
}

fn foreign_page() -> Refusal {
    // The reader may be the operator of a hub behind a proxy.
    Refusal::forbidden(
        "the Origin of the request is not this hub; a proxy in front of the hub must pass on the original Host header, or set \
         X-Forwarded-Host",
    )
}

/// Whether a browser says that the request was made by a page of another site. A browser sends at least one of the headers
/// with such a request, and no page can change them; other programs need to send neither.
fn is_of_foreign_page(headers: &HeaderMap) -> bool {
    let is_own_site = |site: &HeaderValue| matches!(site.as_bytes(), b"same-origin" | b"none");
    headers.get(FETCH_SITE).is_some_and(|site| !is_own_site(site))
        || (headers.contains_key(header::ORIGIN) && !is_own_origin(headers))
}

/// The value of `Set-Cookie` that stores the session. `headers`: the headers of the login request.
pub(crate) fn set_cookie(session: &NewSession, headers: &HeaderMap) -> Option<HeaderValue> {
    let origin = headers.get(header::ORIGIN);
    // Over plain HTTP a browser drops a cookie that is `Secure`.
    let is_https = origin.is_some_and(|origin| origin.as_bytes().starts_with(b"https://"));
    let max_age = i64::try_from(session.lifetime.as_secs()).unwrap_or(i64::MAX);
    header_value(session.token.expose(), max_age, is_https)
}

/// The value of `Set-Cookie` that removes the session.
pub(crate) fn clear_cookie() -> Option<HeaderValue> {
    header_value("", 0, false)
}

fn header_value(token: &str, max_age_seconds: i64, secure: bool) -> Option<HeaderValue> {
    let mut cookie = Cookie::build((COOKIE, token))
        .path("/")
        .max_age(cookie::time::Duration::seconds(max_age_seconds))
        .http_only(true)
        .same_site(SameSite::Strict);
    if secure {
        cookie = cookie.secure(true);
    }
    // The token is base64url: the value is always valid.
    let mut value = HeaderValue::try_from(cookie.to_string()).ok()?;
    value.set_sensitive(true);
    Some(value)
}

/// Whether the request comes from a page with the host name that the request is for. A page of another origin can set
/// none of these headers. A proxy may replace `Host` and pass on the original one in `X-Forwarded-Host`.
fn is_own_origin(headers: &HeaderMap) -> bool {
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
    fn a_page_of_this_hub_has_the_origin_that_it_asks() {
        let is_own =
            |origin: &str, host: &str| is_own_origin(&headers(&[(header::ORIGIN, origin), (header::HOST, host)]));
        assert!(is_own("http://127.0.0.1:8080", "127.0.0.1:8080"));
        assert!(is_own("https://Hub.example.net", "hub.example.net"));
        for (origin, host) in [
            ("http://127.0.0.1:8081", "127.0.0.1:8080"),
            ("https://hub.example.net.evil.example", "hub.example.net"),
            ("null", "hub.example.net"),
            ("hub.example.net", "hub.example.net"),
        ] {
            assert!(!is_own(origin, host), "{origin}");
        }
        assert!(!is_own_origin(&headers(&[(header::HOST, "hub.example.net")])), "no Origin at all");
        let forwarded = [
            (header::ORIGIN, "https://hub.example.net"),
            (header::HOST, "10.0.0.7:8080"),
            (FORWARDED_HOST, "hub.example.net"),
        ];
        assert!(is_own_origin(&headers(&forwarded)));
    }

    #[test]
    fn a_page_of_another_site_is_told_by_either_header() {
        let host = (header::HOST, "hub.example.net");
        let own = (header::ORIGIN, "https://hub.example.net");
        let is_foreign =
            |more: &[(HeaderName, &str)]| is_of_foreign_page(&headers(&[std::slice::from_ref(&host), more].concat()));
        for site in ["same-origin", "none"] {
            assert!(!is_foreign(&[own.clone(), (FETCH_SITE, site)]));
            assert!(!is_foreign(&[(FETCH_SITE, site)]));
        }
        for site in ["cross-site", "same-site", "", "new-kind"] {
            assert!(is_foreign(&[(FETCH_SITE, site)]), "{site}");
            assert!(is_foreign(&[own.clone(), (FETCH_SITE, site)]), "{site}: a redirect by another site");
        }
        for origin in ["https://evil.example", "null", "", "https://hub.example.net:8443"] {
            assert!(is_foreign(&[(header::ORIGIN, origin)]), "{origin}");
        }
        assert!(!is_foreign(&[]), "a program that is no browser");
    }
}
