//! Between what instances say to each other and what the store keeps: results.

use std::time::Duration;

use chrono::{DateTime, Utc};
use easytier_probe::{CheckResult, FailureCode, Stage, Status};
use easytier_uptime_store::domain::{ForeignResult, InstanceId, LabelError};
use ring::digest::{SHA256, digest};
use serde::{Serialize, de::DeserializeOwned};
use serde_json::{Map, Value};
use uuid::{Builder, Uuid};

use super::wire::{MonitoringResult, UpOrDown};
use crate::server_id::{ServerId, ServerIdError};

/// A result of another instance cannot be used.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum InvalidResult {
    /// It names no region.
    #[error("location: {0}")]
    Region(#[from] LabelError),
    /// It names no probe.
    #[error("metadata.server_id: {0}")]
    Probe(#[from] ServerIdError),
}

/// A result as it is sent by the instance `from`.
pub fn to_wire(foreign: &ForeignResult, from: InstanceId) -> MonitoringResult {
    let result = &foreign.result;
    let mut metadata = Map::new();
    let mut put = |name: &str, value: Value| {
        if !value.is_null() {
            metadata.insert(name.to_owned(), value);
        }
    };
    put("status", json(&result.status));
    put("region", json(&foreign.region));
    put("server_id", json(&foreign.server_id));
    put("peer_uid", json(&foreign.peer_uid));
    put("check_interval_ms", json(&foreign.check_interval.map(|interval| interval.as_millis() as u64)));
    put("checks", json(&result.checks));
    put("healthy", json(&result.healthy));
    put("response_ms", json(&result.response_time));
    put("min_ms", json(&result.min_ms));
    put("max_ms", json(&result.max_ms));
    put("stage", json(&result.stage));
    put("error", json(&result.error));
    put("message", json(&result.message));
    put("version", json(&result.version));
    put("hostname", json(&result.hostname));
    put("network_count", json(&result.network_count));
    put("relay", json(&result.relay));
    put("relay_error", json(&result.relay_error));
    put("relay_ms", json(&result.relay_ms));
    put("certificate_expires_at", json(&result.certificate_expires_at));
    let is_ok = result.status == Status::Online;
    MonitoringResult {
        id: Some(result.id),
        endpoint_id: result.peer_id,
        instance_id: from,
        timestamp: result.checked_at,
        is_ok,
        response_time: result.response_time.unwrap_or_default(),
        status: if is_ok { UpOrDown::Up } else { UpOrDown::Down },
        failure_reason: result.error.map(|code| code.as_str().to_owned()),
        location: foreign.region.to_string(),
        check_type: foreign.protocol.clone(),
        metadata,
    }
}

fn json(value: &impl Serialize) -> Value {
    serde_json::to_value(value).unwrap_or_default()
}

/// A result that another instance sent. What other programs put into the metadata counts if it has our form. `sender`: the name of
/// the instance, which stands for a probe that has no name. Without `peer_uid` in the metadata, the uid is empty: the peer is
/// known by its id.
///
/// # Errors
///
/// When the name of its region or probe is not valid.
pub fn from_wire(sent: &MonitoringResult, sender: &str) -> Result<ForeignResult, InvalidResult> {
    let metadata = &sent.metadata;
    let region: String = read(metadata, "region").unwrap_or_else(|| sent.location.clone());
    let status = match (read(metadata, "status"), sent.is_ok && sent.status == UpOrDown::Up) {
        (Some(Status::Unknown), _) => Status::Unknown,
        (_, true) => Status::Online,
        (_, false) => Status::Offline,
    };
    let measured = (status == Status::Online && sent.response_time > 0.0).then_some(sent.response_time);
    let told = || sent.failure_reason.as_ref().and_then(|code| serde_json::from_value(code.as_str().into()).ok());
    let failure: Option<FailureCode> = read(metadata, "error").or_else(told);
    let message: Option<String> = read(metadata, "message");
    Ok(ForeignResult {
        server_id: ServerId::try_from(read(metadata, "server_id").unwrap_or_else(|| sender.to_owned()))?.into(),
        region: region.parse()?,
        peer_uid: read(metadata, "peer_uid").unwrap_or_default(),
        protocol: sent.check_type.clone(),
        check_interval: read(metadata, "check_interval_ms").map(Duration::from_millis),
        result: CheckResult {
            id: sent.id.unwrap_or_else(|| made_id(sent)),
            peer_id: sent.endpoint_id,
            checked_at: sent.timestamp,
            checks: read(metadata, "checks").unwrap_or(1),
            healthy: read(metadata, "healthy"),
            status,
            response_time: read(metadata, "response_ms").or(measured),
            min_ms: read(metadata, "min_ms"),
            max_ms: read(metadata, "max_ms"),
            stage: read(metadata, "stage").unwrap_or(if status == Status::Online {
                Stage::Ping
            } else {
                Stage::Connect
            }),
            // A code that is not ours is told in words.
            message: message.or_else(|| sent.failure_reason.clone().filter(|_| failure.is_none())),
            error: failure,
            version: read(metadata, "version"),
            hostname: read(metadata, "hostname"),
            network_count: read(metadata, "network_count"),
            relay: read(metadata, "relay"),
            relay_error: read(metadata, "relay_error"),
            relay_ms: read(metadata, "relay_ms"),
            certificate_expires_at: read(metadata, "certificate_expires_at"),
            listing: None,
        },
    })
}

fn read<T: DeserializeOwned>(metadata: &Map<String, Value>, name: &str) -> Option<T> {
    serde_json::from_value(metadata.get(name)?.clone()).ok()
}

/// An id with the form of a UUIDv7, the same for the same check: so a result that is sent again is recognised.
fn made_id(sent: &MonitoringResult) -> Uuid {
    let at: DateTime<Utc> = sent.timestamp;
    let subject = format!("{} {} {}", sent.instance_id, sent.endpoint_id, at.timestamp_micros());
    let hash = digest(&SHA256, subject.as_bytes());
    let mut random = [0; 10];
    random.iter_mut().zip(hash.as_ref()).for_each(|(byte, hashed)| *byte = *hashed);
    Builder::from_unix_timestamp_millis(at.timestamp_millis().max(0) as u64, &random).into_uuid()
}

#[cfg(test)]
mod tests;
