//! The web pages: HTML that the hub renders, with one small script as an enhancement.
//!
//! Everything works without the script, with plain HTML pages and forms. Nothing is loaded from another host, and `maud`
//! escapes every text that people wrote. The pages show the same data as the public API, from the same store; their forms
//! call the same use cases in `service`.

mod admin;
mod alert_link;
mod announcements;
mod assets;
mod badge;
mod chart;
mod feed;
mod form;
mod format;
mod histories;
mod incidents;
mod language;
mod layout;
mod list;
mod live;
mod map;
mod node;
mod probes;
mod reports;
mod site;
mod standing;
mod submit;
mod subscriptions;
mod view;
mod widgets;

use std::sync::Arc;

use axum::{
    Router,
    extract::{FromRef, Request, State},
    handler::Handler,
    http::{HeaderName, HeaderValue, StatusCode, Uri, header},
    middleware::{Next, from_fn_with_state},
    response::{IntoResponse, Response},
    routing::{MethodRouter, get},
};
use easytier_uptime_monitor::ShareLayer;
use tower::ServiceBuilder;

use self::{form::see_other, site::Site, view::View};
use crate::{
    board::Board,
    service::ServiceError,
    web::{App, Refusal, refuse_foreign_pages},
};

/// A page may load scripts, styles and images only from its own hub, and send forms and requests only to it.
const CONTENT_SECURITY_POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; \
     connect-src 'self'; form-action 'self'; frame-ancestors 'none'; base-uri 'none'";

/// All pages.
pub(crate) fn routes(app: &App) -> Router {
    Router::new()
        .route("/", get(list::page))
        .route("/nodes/{id}", get(node::page))
        .route("/probes", get(probes::page))
        .route("/map", get(map::page))
        .route("/nodes/{id}/events.atom", get(feed::of_node))
        .route("/incidents", get(incidents::page))
        .route("/incidents/{id}", get(incidents::one))
        .route("/reports", get(reports::choose))
        .route("/reports/{month}", get(reports::page))
        .route("/events.atom", get(feed::feed))
        .route("/badge/{id}/status.svg", get(badge::status))
        .route("/badge/{id}/uptime.svg", get(badge::uptime))
        .route("/badge/{id}/latency.svg", get(badge::latency))
        .route("/alerts", get(alert_link::page).post(alert_link::act))
        .route("/nodes/{id}/subscribe", act(subscriptions::subscribe))
        .route(subscriptions::PATH, get(subscriptions::page).post(subscriptions::act))
        .route(subscriptions::ONE_CLICK, get(subscriptions::page).post(subscriptions::one_click))
        .route("/submit", get(submit::page).post(submit::submit))
        .route("/live", get(live::events))
        .route("/assets/{name}", get(assets::asset))
        .route("/favicon.ico", get(assets::icon))
        .merge(admin::routes())
        .with_state(Site::new(app))
        .layer(ServiceBuilder::new().layer(from_fn_with_state(Arc::<Board>::from_ref(app), finish)).layer(ShareLayer))
}

/// A path that takes a form and has no page. Who opens it, such as by the link to the other language on an answer, gets the page
/// that the path belongs to: the one above it.
fn act<T: 'static>(handler: impl Handler<T, Site>) -> MethodRouter<Site> {
    get(above).post(handler)
}

async fn above(uri: Uri) -> Response {
    let page = uri.path().rsplit_once('/').map_or("/", |(page, _)| page);
    let query = uri.query().map(|query| format!("?{query}")).unwrap_or_default();
    see_other(&format!("{page}{query}"))
}

/// For unknown paths: a page for browsers; programs get the envelope of a refusal.
pub(crate) async fn not_found(request: Request) -> Response {
    let accept = request.headers().get(header::ACCEPT).and_then(|value| value.to_str().ok());
    let is_api = request.uri().path().starts_with("/api/");
    let refusal = Refusal::new(StatusCode::NOT_FOUND, "there is nothing at this path");
    if is_api || !accept.is_some_and(|accept| accept.contains("text/html")) {
        return refusal.into_response();
    }
    let view = View::of(request.uri(), request.headers());
    with_headers(layout::refusal(&view, &refusal, None).into_response())
}

/// Lets pages say what this instance is among others and what is announced, refuses posts of foreign pages, renders refusals as pages, and sets the headers
/// of every page.
async fn finish(State(board): State<Arc<Board>>, mut request: Request, next: Next) -> Response {
    request.extensions_mut().insert(board.for_frame().await);
    let view = View::of_request(request.uri(), request.headers(), request.extensions());
    if view.language_cookie().is_some() {
        // Who chooses a language gets a cookie, and with it the page: a 304 carries none.
        request.headers_mut().remove(header::IF_NONE_MATCH);
    }
    // Mail programs post there for their readers, with a token that only the mailbox has.
    let mut response = match request.uri().path() == subscriptions::ONE_CLICK {
        true => next.run(request).await,
        false => refuse_foreign_pages(request, next).await,
    };
    if let Some(refusal) = response.extensions_mut().remove::<Refusal>() {
        let error = response.extensions_mut().remove::<Arc<ServiceError>>();
        let retry_after = response.headers().get(header::RETRY_AFTER).cloned();
        response = layout::refusal(&view, &refusal, error.as_deref()).into_response();
        if let Some(seconds) = retry_after {
            response.headers_mut().insert(header::RETRY_AFTER, seconds);
        }
    }
    // Badges and the feed are not for the reader's browser alone: a shared cache would give the cookie to others.
    if let Some(cookie) = view.language_cookie().filter(|_| is_page(&response)) {
        response.headers_mut().append(header::SET_COOKIE, cookie);
    }
    with_headers(response)
}

fn is_page(response: &Response) -> bool {
    let media_type = response.headers().get(header::CONTENT_TYPE).map(HeaderValue::as_bytes);
    media_type.is_some_and(|media_type| media_type.starts_with(b"text/html"))
}

fn with_headers(mut response: Response) -> Response {
    let headers = response.headers_mut();
    let mut set_default = |name: HeaderName, value: &'static str| {
        headers.entry(name).or_insert(HeaderValue::from_static(value));
    };
    set_default(header::CONTENT_SECURITY_POLICY, CONTENT_SECURITY_POLICY);
    set_default(header::X_CONTENT_TYPE_OPTIONS, "nosniff");
    set_default(header::REFERRER_POLICY, "same-origin");
    set_default(HeaderName::from_static("cross-origin-opener-policy"), "same-origin");
    // A page depends on the time, the language and the theme.
    set_default(header::CACHE_CONTROL, "no-cache");
    set_default(header::VARY, view::VARY);
    response
}
