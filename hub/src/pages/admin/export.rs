//! `/admin/export.json`: all nodes, without their secrets, in a form that `easytier-uptime hub peer import` takes.

use axum::{
    extract::State,
    http::header,
    response::{IntoResponse, Response},
};
use easytier_probe::CheckMode;
use serde_json::json;

use super::Operator;
use crate::{api::error::Refusal, pages::Site};

pub async fn export(_: Operator, State(site): State<Site>) -> Result<Response, Refusal> {
    let records = site.store.export_peers().await?;
    let peers: Vec<serde_json::Value> = records
        .iter()
        .map(|record| {
            let spec = &record.spec;
            let contacts = &spec.contacts;
            json!({
                "id": record.id,
                "name": spec.name,
                "url": spec.url.to_string(),
                "description": spec.description,
                "access": if spec.network_secret.is_some() { "member" } else { "guest" },
                "network_name": spec.network_name,
                "check": if spec.mode == CheckMode::Handshake { "handshake" } else { "full" },
                "timeout_ms": spec.timeout.map(|timeout| timeout.as_millis()),
                "allow_relay": spec.allow_relay,
                "max_connections": spec.max_connections,
                "tags": spec.tags,
                "regions": spec.regions,
                "qq_number": contacts.qq_number,
                "wechat": contacts.wechat,
                "mail": contacts.mail,
                "is_approved": record.approved,
                "submitted": record.submitted,
            })
        })
        .collect();
    let text = serde_json::to_string_pretty(&peers).expect("plain JSON");
    Ok(([(header::CONTENT_TYPE, "application/json"), (header::CACHE_CONTROL, "no-store")], text).into_response())
}
