//! The web pages: HTML that the hub renders, with small scripts on top.
//!
//! They read without scripts. Nothing in them comes from another host, and nothing that people wrote is ever HTML: `maud`
//! escapes every text. They show what the public API shows, from the same store; what changes something goes the way of
//! the API.

mod admin;
mod assets;
mod badge;
mod chart;
mod feed;
mod format;
mod language;
mod layout;
mod live;
mod node;
mod nodes;
mod probes;
mod snapshot;
mod submit;
mod view;

use std::sync::Arc;

use axum::{
    Router,
    extract::{FromRef, Request},
    http::{HeaderName, HeaderValue, header},
    middleware::{Next, from_fn},
    response::{IntoResponse, Response},
    routing::get,
};

use self::{live::Live, snapshot::Snapshots, view::View};
use crate::{
    store::Store,
    web::{App, Refusal},
};

/// What a page may load and do: its own scripts, styles and pictures, and talk to its own hub.
const POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; \
                      connect-src 'self'; form-action 'self'; frame-ancestors 'none'; base-uri 'none'";

/// What the pages share.
#[derive(Clone, FromRef)]
struct Site {
    /// For what the admin's session needs.
    app: App,
    store: Store,
    snapshots: Arc<Snapshots>,
    live: Arc<Live>,
}

/// All pages.
pub(crate) fn routes(app: &App) -> Router {
    let store = Store::from_ref(app);
    let snapshots = Arc::new(Snapshots::new(store.clone()));
    let live = Arc::new(Live::new(store.clone(), Arc::clone(&snapshots)));
    let site = Site { app: app.clone(), store, snapshots, live };
    Router::new()
        .route("/", get(nodes::page))
        .route("/nodes/{id}", get(node::page))
        .route("/probes", get(probes::page))
        .route("/submit", get(submit::page).post(submit::take))
        .route("/events.atom", get(feed::feed))
        .route("/live", get(live::events))
        .route("/badge/{id}/status.svg", get(badge::status))
        .route("/badge/{id}/uptime.svg", get(badge::uptime))
        .route("/badge/{id}/latency.svg", get(badge::latency))
        .route("/assets/{name}", get(assets::asset))
        .route("/favicon.ico", get(assets::icon))
        .merge(admin::routes())
        .with_state(site)
        .layer(from_fn(frame))
}

/// For paths that there are not: a page for people, and nothing for programs, which get an envelope.
pub(crate) async fn nowhere(request: Request) -> Response {
    let accepted = request.headers().get(header::ACCEPT).and_then(|value| value.to_str().ok());
    let is_of_api = request.uri().path().starts_with("/api/");
    let refusal = Refusal::new(axum::http::StatusCode::NOT_FOUND, "there is nothing at this path");
    if is_of_api || !accepted.is_some_and(|accepted| accepted.contains("text/html")) {
        return refusal.into_response();
    }
    let view = View::of(request.uri(), request.headers());
    with_headers(layout::refusal(&view, &refusal).into_response())
}

/// Stands around every page: its headers, and a page in the place of a refusal.
async fn frame(request: Request, next: Next) -> Response {
    let view = View::of(request.uri(), request.headers());
    let mut response = next.run(request).await;
    if let Some(refusal) = response.extensions_mut().remove::<Refusal>() {
        let retry_after = response.headers().get(header::RETRY_AFTER).cloned();
        response = layout::refusal(&view, &refusal).into_response();
        if let Some(seconds) = retry_after {
            response.headers_mut().insert(header::RETRY_AFTER, seconds);
        }
    }
    if let Some(cookie) = view.choice() {
        response.headers_mut().append(header::SET_COOKIE, cookie);
    }
    with_headers(response)
}

fn with_headers(mut response: Response) -> Response {
    let headers = response.headers_mut();
    let mut set = |name: HeaderName, value: &'static str| {
        headers.entry(name).or_insert(HeaderValue::from_static(value));
    };
    set(header::CONTENT_SECURITY_POLICY, POLICY);
    set(header::X_CONTENT_TYPE_OPTIONS, "nosniff");
    set(header::REFERRER_POLICY, "same-origin");
    set(HeaderName::from_static("cross-origin-opener-policy"), "same-origin");
    // What is shown depends on the time, the language and the theme.
    set(header::CACHE_CONTROL, "no-cache");
    set(header::VARY, "accept-language, cookie");
    response
}
