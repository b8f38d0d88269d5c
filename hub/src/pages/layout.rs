//! The frame of every page: head, navigation, footer.

use axum::{
    http::{HeaderName, StatusCode, header},
    response::{IntoResponse, Response},
};
use maud::{DOCTYPE, Markup, html};

use super::{announcements, assets, language::Language, standing, view::View};
use crate::{service::ServiceError, web::Refusal};

/// The entry of the navigation that a page belongs to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Place {
    Nodes,
    Probes,
    Map,
    Incidents,
    Submit,
    /// The pages of the operator, which say more about the place of this instance.
    Admin,
    Elsewhere,
}

/// A page that neither caches nor search engines keep. Its address is not told to other sites, as that of no page is; with
/// `no-referrer` browsers would send its forms as those of no known page.
pub fn private(page: &Markup) -> Response {
    let headers = [
        (header::CACHE_CONTROL, "no-store"),
        (HeaderName::from_static("x-robots-tag"), "noindex, nofollow, noarchive"),
    ];
    (headers, page.clone()).into_response()
}

/// A whole page.
pub fn page(view: &View, place: Place, title: &str, content: &Markup) -> Markup {
    let texts = view.texts();
    let places = [
        (Place::Nodes, "/", texts.nodes),
        (Place::Probes, "/probes", texts.probes),
        (Place::Map, "/map", texts.map),
        (Place::Incidents, "/incidents", view.language.incidents().title),
        (Place::Submit, "/submit", texts.submit),
    ];
    html! {
        (DOCTYPE)
        html lang=(view.language.tag()) data-theme=[view.theme] {
            head {
                meta charset="utf-8";
                title { @if title == texts.site { (title) } @else { (title) " · " (texts.site) } }
                meta name="viewport" content="width=device-width, initial-scale=1";
                meta name="color-scheme" content="light dark";
                link rel="stylesheet" href=(assets::STYLE.path());
                link rel="icon" type="image/svg+xml" href=(assets::ICON.path());
                link rel="alternate" type="application/atom+xml" title=(texts.feed) href="/events.atom";
                script src=(assets::SCRIPT.path()) defer {}
            }
            body data-live=(assets::LIVE.path()) data-copied=(texts.copied) data-copy-failed=(texts.copy_failed) {
                a.skip href="#content" { (texts.skip) }
                header.top {
                    a.brand href="/" { (assets::inline_icon()) span { (texts.site) } }
                    nav aria-label=(texts.main_navigation) {
                        @for (entry, path, name) in places {
                            a href=(path) aria-current=[(entry == place).then_some("page")] { (name) }
                        }
                    }
                    div.switches {
                        (languages(view))
                        button.icon #theme type="button" hidden aria-label=(texts.theme) title=(texts.theme) { (sun_and_moon()) }
                    }
                }
                main #content tabindex="-1" {
                    (announcements::banners(view))
                    @if place != Place::Admin { (standing::line(view)) }
                    (content)
                }
                footer {
                    p { (texts.footer) }
                    p.links {
                        a href="/reports" { (view.language.reports().title) } " · "
                        a href="/events.atom" { (texts.feed) } " · "
                        a href="/openapi.json" { (texts.api) } " · "
                        a href="/admin" { (texts.admin) }
                    }
                }
                div #tip role="status" hidden {}
            }
        }
    }
}

fn languages(view: &View) -> Markup {
    html! {
        span.languages role="group" aria-label=(view.texts().language) {
            @for language in Language::ALL {
                @if language == view.language {
                    span aria-current="true" lang=(language.tag()) { (language.own_name()) }
                } @else {
                    a href=(view.in_language(language)) lang=(language.tag()) hreflang=(language.tag()) rel="alternate nofollow" {
                        (language.own_name())
                    }
                }
            }
        }
    }
}

fn sun_and_moon() -> Markup {
    html! {
        svg viewBox="0 0 20 20" width="18" height="18" aria-hidden="true" {
            circle cx="10" cy="10" r="7" fill="none" stroke="currentColor" stroke-width="1.6" {}
            path d="M10 3a7 7 0 0 1 0 14z" fill="currentColor" {}
        }
    }
}

/// The page for a refused request. `error`: why the service refused, if it did.
pub fn refusal(view: &View, refusal: &Refusal, error: Option<&ServiceError>) -> (StatusCode, Markup) {
    let (title, explanation) = view.language.status(refusal.status);
    let explanation = match (error, view.language) {
        (Some(error), language) => language.refusal(error),
        // The message of a malformed request names the parameter, in English.
        (None, Language::English) if refusal.status == StatusCode::BAD_REQUEST => refusal.message.clone(),
        (None, _) => explanation.to_owned(),
    };
    let content = html! {
        section.notice {
            p.code { (refusal.status.as_u16()) }
            h1 { (title) }
            p { (explanation) }
            p { a href="/" { (view.texts().back) } }
        }
    };
    (refusal.status, page(view, Place::Elsewhere, title, &content))
}
