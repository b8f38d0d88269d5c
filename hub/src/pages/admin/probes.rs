//! `/admin/probes`: the probes by name, with all that they said of themselves.

use axum::{extract::State, response::Response};
use maud::html;
use url::form_urlencoded;

use super::{Operator, act};
use crate::{
    model::Presence,
    pages::{Site, format, probes, view::View},
    time::Timestamp,
    web::Refusal,
};

pub async fn page(_: Operator, State(site): State<Site>, view: View) -> Result<Response, Refusal> {
    let (texts, language, now) = (view.texts(), view.language, Timestamp::now());
    let mut known = site.store.probes(now).await?;
    known.sort_by_key(|probe| probe.presence == Presence::Offline);
    let content = html! {
        @if known.is_empty() { p.empty { (texts.no_probes) } }
        @for probe in &known {
            section.panel {
                div.heading {
                    h3 { (probe.server_id) " " (probes::presence(&view, probe.presence)) }
                    @if probe.presence == Presence::Offline {
                        (act("DELETE", &path_of(&probe.server_id), texts.remove, "danger", Some(texts.remove_sure)))
                    }
                }
                dl.facts {
                    dt { (texts.its_region) } dd { (probe.region) }
                    dt { (texts.address) }
                    dd { (probe.host.as_deref().unwrap_or("–")) @if let Some(port) = probe.port { ":" (port) } }
                    dt { (texts.heard) } dd { (format::ago(language, probe.last_seen_at, now)) }
                    dt { (texts.version) } dd { (probe.version.as_deref().unwrap_or("–")) }
                    @for (name, said) in [("system", &probe.system), ("metadata", &probe.metadata), ("counters", &probe.counters)] {
                        @if let Some(said) = said { dt { (name) } dd { code { (said) } } }
                    }
                }
            }
        }
    };
    Ok(super::page(&view, texts.probes, &content))
}

/// Of a probe in the admin's API.
fn path_of(server_id: &str) -> String {
    // In a path a plus is a plus.
    let name = form_urlencoded::byte_serialize(server_id.as_bytes()).collect::<String>().replace('+', "%20");
    format!("/api/admin/probes/{name}")
}
