//! `/admin/export.json`: all nodes, without their secrets, in a form that `easytier-uptime hub peer import` takes.

use axum::{
    extract::State,
    http::header,
    response::{IntoResponse, Response},
};

use super::Operator;
use crate::{pages::Site, peer_file::Document, web::Refusal};

pub async fn export(_: Operator, State(site): State<Site>) -> Result<Response, Refusal> {
    let records = site.store.export_peers().await?;
    let peers: Vec<Document> = records.iter().map(|record| Document::of(record, false)).collect();
    let text = serde_json::to_string_pretty(&peers).expect("plain JSON");
    Ok(([(header::CONTENT_TYPE, "application/json"), (header::CACHE_CONTROL, "no-store")], text).into_response())
}
