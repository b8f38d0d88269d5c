//! `/events.atom`: announcements, incidents, and changes of nodes, for feed readers. `/nodes/{id}/events.atom`: those of one
//! node.

use axum::{
    extract::State,
    http::header,
    response::{IntoResponse, Response},
};
use easytier_uptime_monitor::Party;
use easytier_uptime_store::domain::{Announcement, Event, Incident, PeerId, Timestamp};
use maud::{Markup, PreEscaped, html};

use super::{announcements, site::Site, view::View};
use crate::{
    board::NodeNews,
    web::{Client, Refusal, input::Path, parameter::NodePath},
};

pub async fn feed(State(site): State<Site>, view: View) -> Result<Response, Refusal> {
    let snapshot = site.board.newest().await?;
    let writer = Writer::new(&site, &view).await?;
    let announced = snapshot.announcements.iter().map(|one| writer.announcement(one));
    let incidents = snapshot.incidents.newest.iter().map(|one| writer.incident(one));
    let events = snapshot.events.iter().filter_map(|event| {
        let name = &snapshot.entry(PeerId(event.subject_id))?.node().name;
        Some(writer.event(event, name))
    });
    let entries = announced.chain(incidents).chain(events).collect();
    Ok(writer.feed("events", view.texts().site, "/events.atom", "/", entries))
}

pub async fn of_node(
    State(site): State<Site>,
    Client(from): Client,
    view: View,
    Path(NodePath { id }): Path<NodePath>,
) -> Result<Response, Refusal> {
    let snapshot = site.board.newest().await?;
    let node = snapshot.entry(id).ok_or_else(|| Refusal::not_found("node"))?.node();
    let news = site.chronicle.of_node(Party::of(from), id).await?;
    let NodeNews { events, incidents } = &*news;
    let writer = Writer::new(&site, &view).await?;
    let incidents = incidents.iter().map(|one| writer.incident(one));
    let entries = incidents.chain(events.iter().map(|event| writer.event(event, &node.name))).collect();
    let title = format!("{} · {}", printable(&node.name), view.texts().site);
    let path = format!("/nodes/{id}");
    Ok(writer.feed(&format!("node:{id}"), &title, &format!("{path}/events.atom"), &path, entries))
}

/// An entry, and when it was last changed.
type Entry = (Timestamp, Markup);

/// Writes a feed for one reader.
struct Writer<'a> {
    site: &'a Site,
    view: &'a View,
    /// Ids must differ between hubs: a feed reader may follow several.
    urn: String,
}

impl<'a> Writer<'a> {
    async fn new(site: &'a Site, view: &'a View) -> Result<Self, Refusal> {
        let urn = format!("urn:easytier-uptime:{}", site.database_id().await?);
        Ok(Self { site, view, urn })
    }

    fn feed(&self, id: &str, title: &str, own_path: &str, page: &str, entries: Vec<Entry>) -> Response {
        let updated = entries.iter().map(|(at, _)| *at).max().unwrap_or(Timestamp(0));
        let document = html! {
            (PreEscaped("<?xml version=\"1.0\" encoding=\"utf-8\"?>\n"))
            feed xmlns="http://www.w3.org/2005/Atom" xml:lang=(self.view.language.tag()) {
                id { (self.urn) ":" (id) }
                title { (title) }
                updated { (updated) }
                author { name { (self.view.texts().site) } }
                (element("self", &self.link(own_path)))
                (element("alternate", &self.link(page)))
                @for (_, entry) in entries { (entry) }
            }
        };
        ([(header::CONTENT_TYPE, "application/atom+xml; charset=utf-8")], document.into_string()).into_response()
    }

    /// The hub knows its own URL only if it is configured: behind a proxy neither scheme nor host of a request are those that
    /// readers use. Without it the links are relative to the URL from which the feed was fetched (RFC 4287, section 2).
    fn link(&self, path: &str) -> String {
        match &self.site.options.public_url {
            Some(url) => url.join(path).to_string(),
            None => path.to_owned(),
        }
    }

    fn entry(&self, id: &str, title: &str, at: Timestamp, path: &str, summary: &str) -> Entry {
        let entry = html! {
            entry {
                id { (self.urn) ":" (id) }
                title { (printable(title)) }
                updated { (at) }
                (element("alternate", &self.link(path)))
                summary { (printable(summary)) }
            }
        };
        (at, entry)
    }

    fn event(&self, event: &Event, name: &str) -> Entry {
        let language = self.view.language;
        let (was, became) = (language.state(&event.was), language.state(&event.became));
        let agreeing = event.detail["online"].as_u64().zip(event.detail["regions"].as_u64());
        let agreeing =
            agreeing.map(|(online, regions)| format!(" ({online}/{regions} {})", self.view.texts().regions_agree));
        let summary = format!("{name}: {was} → {became}{}", agreeing.unwrap_or_default());
        let path = format!("/nodes/{}", event.subject_id);
        self.entry(&format!("event:{}", event.id), &format!("{name}: {became}"), event.at, &path, &summary)
    }

    fn announcement(&self, one: &Announcement) -> Entry {
        let text = announcements::text(self.view.language, one);
        let title = format!("{}: {text}", self.view.texts().announcements);
        self.entry(&format!("announcement:{}", one.id), &title, one.created_at, "/", text)
    }

    fn incident(&self, incident: &Incident) -> Entry {
        let language = self.view.language;
        let (name, _) = language.incident_name(incident);
        let title = language.labelled(language.incidents().incident, &name);
        let nodes: Vec<&str> = incident.nodes.iter().map(|node| node.name.as_str()).collect();
        let summary =
            format!("{}{}{}", language.incident_state(incident), language.dash(), nodes.join(language.comma()));
        let path = format!("/incidents/{}", incident.id);
        self.entry(&format!("incident:{}", incident.id), &title, incident.updated_at, &path, &summary)
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
