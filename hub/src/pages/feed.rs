//! `/events.atom`: announcements, and status changes of nodes, for feed readers.

use axum::{
    extract::State,
    http::header,
    response::{IntoResponse, Response},
};
use easytier_uptime_store::domain::{Announcement, Event, PeerId, Timestamp};
use maud::{Markup, PreEscaped, html};

use super::{announcements, site::Site, view::View};
use crate::web::Refusal;

pub async fn feed(State(site): State<Site>, view: View) -> Result<Response, Refusal> {
    let snapshot = site.board.newest().await?;
    let updated = snapshot.events.first().map_or(Timestamp(0), |event| event.at);
    // Ids must differ between hubs: a feed reader may follow several.
    // The hub knows its own URL only if it is configured: behind a proxy neither scheme nor host of a request are those that
    // readers use. Without it the links are relative to the URL from which the feed was fetched (RFC 4287, section 2).
    let link = |path: &str| match &site.options.public_url {
        Some(url) => url.join(path).to_string(),
        None => path.to_owned(),
    };
    let urn = format!("urn:easytier-uptime:{}", site.database_id().await?);
    let announced = snapshot.announcements.iter().map(|one| announcement(&view, &urn, one, &link("/")));
    let updated = snapshot.announcements.iter().map(|one| one.created_at).fold(updated, Timestamp::max);
    let entries = snapshot.events.iter().filter_map(|event| {
        let name = &snapshot.entry(PeerId(event.subject_id))?.node().name;
        let address = link(&format!("/nodes/{}", event.subject_id));
        Some(entry(&view, &urn, event, name, &address))
    });
    let document = html! {
        (PreEscaped("<?xml version=\"1.0\" encoding=\"utf-8\"?>\n"))
        feed xmlns="http://www.w3.org/2005/Atom" xml:lang=(view.language.tag()) {
            id { (urn) ":events" }
            title { (view.texts().site) }
            updated { (updated) }
            author { name { (view.texts().site) } }
            (element("self", &link("/events.atom")))
            (element("alternate", &link("/")))
            @for entry in announced.chain(entries) { (entry) }
        }
    };
    Ok(([(header::CONTENT_TYPE, "application/atom+xml; charset=utf-8")], document.into_string()).into_response())
}

fn entry(view: &View, urn: &str, event: &Event, name: &str, address: &str) -> Markup {
    let language = view.language;
    let name = printable(name);
    let (was, became) = (language.state(&event.was), language.state(&event.became));
    html! {
        entry {
            id { (urn) ":event:" (event.id) }
            title { (name) ": " (became) }
            updated { (event.at) }
            (element("alternate", address))
            summary {
                (name) ": " (was) " → " (became)
                @if let (Some(online), Some(regions)) = (event.detail["online"].as_u64(), event.detail["regions"].as_u64()) {
                    " (" (online) "/" (regions) " " (view.texts().regions_agree) ")"
                }
            }
        }
    }
}

fn announcement(view: &View, urn: &str, announcement: &Announcement, address: &str) -> Markup {
    let text = printable(announcements::text(view.language, announcement));
    html! {
        entry {
            id { (urn) ":announcement:" (announcement.id) }
            title { (view.texts().announcements) ": " (text) }
            updated { (announcement.created_at) }
            (element("alternate", address))
            summary { (text) }
        }
    }
}

/// `maud` writes HTML, in which `link` has no end tag; XML needs one.
fn element(relation: &str, path: &str) -> Markup {
    html! { (PreEscaped("<link rel=\"")) (relation) (PreEscaped("\" href=\"")) (path) (PreEscaped("\"/>")) }
}

/// Without the characters that XML does not allow.
fn printable(text: &str) -> String {
    text.chars().filter(|c| !c.is_control() && !matches!(c, '\u{fffe}' | '\u{ffff}')).collect()
}
