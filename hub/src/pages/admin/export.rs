//! `/admin/export.json`: all nodes, without their secrets, in a format that `easytier-uptime hub peer import` reads.

use axum::{
    Json,
    extract::State,
    http::header,
    response::{IntoResponse, Response},
};

use super::operator::Operator;
use crate::{pages::site::Site, service::ServiceError};

pub async fn export(_: Operator, State(site): State<Site>) -> Result<Response, ServiceError> {
    let peers = site.admin.export_nodes(false).await?;
    Ok(([(header::CACHE_CONTROL, "no-store")], Json(peers)).into_response())
}
