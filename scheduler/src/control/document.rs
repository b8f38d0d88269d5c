//! A configuration as a hub pushes it: the body of `POST /v1/configs`, validated as a whole.

use std::collections::BTreeMap;

use easytier_probe::{Peer, Secret, backend::pushed_peers};
use easytier_uptime_config::{PushedSettings, values};
use easytier_uptime_monitor::{
    Refusal,
    input::{self, Object},
};
use easytier_uptime_store::domain::{ConfigVersion, MAX_EPOCH, PushedConfig, PushedEnrollment, PushedVersion, Region};
use serde::Deserialize;
use serde_json::{Value, value::RawValue};

/// The longest text that says which configuration it is, in bytes.
const MAX_TEXT: usize = 256;

/// A configuration without a mistake.
#[derive(Debug)]
pub struct Pushed {
    pub config: PushedConfig,
    pub peers: Vec<Peer>,
}

#[derive(Deserialize)]
struct Document {
    peers: Vec<Box<RawValue>>,
    settings: Object<BTreeMap<String, Value>>,
    #[serde(default)]
    enrollment: Option<Object<Enrollment>>,
    metadata: Object<Metadata>,
}

#[derive(Deserialize)]
struct Enrollment {
    backend_base_url: String,
    node_token: Secret,
    #[serde(default)]
    region: Option<String>,
    server_id: String,
}

#[derive(Deserialize)]
struct Metadata {
    #[serde(default)]
    updated_at: Option<String>,
    #[serde(default)]
    updated_by: Option<String>,
    cluster_id: String,
    epoch: i64,
    config_version: i64,
}

/// Reads a configuration. The refusal names the field that is wrong, and shows no secret.
pub fn parse(body: &[u8]) -> Result<Pushed, Refusal> {
    let Document { peers, settings: Object(settings), enrollment, metadata: Object(metadata) } = input::parse(body)?;
    let settings = texts(settings).map_err(Refusal::bad_request)?;
    PushedSettings::parse(&settings).map_err(|problem| Refusal::bad_request(format!("settings.{problem}")))?;
    let enrollment = enrollment.map(|Object(enrollment)| validated(enrollment)).transpose();
    let enrollment = enrollment.map_err(|problem| Refusal::bad_request(format!("enrollment.{problem}")))?;
    let version = version(&metadata).map_err(|problem| Refusal::bad_request(format!("metadata.{problem}")))?;
    let entries: Vec<&RawValue> = peers.iter().map(AsRef::as_ref).collect();
    let Metadata { updated_at, updated_by, .. } = metadata;
    Ok(Pushed {
        config: PushedConfig { version, updated_at, updated_by, settings, enrollment },
        peers: pushed_peers(&entries).map_err(Refusal::bad_request)?.peers,
    })
}

/// The values as they are written in the environment.
fn texts(settings: BTreeMap<String, Value>) -> Result<BTreeMap<String, String>, String> {
    let text = |(name, value)| match value {
        Value::String(text) => Ok((name, text)),
        Value::Number(number) => Ok((name, number.to_string())),
        _ => Err(format!("settings.{name}: write a text or a number")),
    };
    settings.into_iter().map(text).collect()
}

fn validated(given: Enrollment) -> Result<PushedEnrollment, String> {
    let Enrollment { backend_base_url, node_token, region, server_id } = given;
    let region = region.filter(|region| !region.is_empty());
    let token = node_token.expose();
    let checks = [
        ("backend_base_url", values::base_urls(&backend_base_url).map(drop)),
        ("node_token", filled(token).and_then(|()| values::token(token).map(drop))),
        ("server_id", filled(&server_id).and_then(|()| values::server_id(&server_id).map(drop))),
        ("region", region.as_deref().map_or(Ok(()), is_region)),
    ];
    for (field, checked) in checks {
        checked.map_err(|problem| format!("{field}: {problem}"))?;
    }
    Ok(PushedEnrollment { backend_base_url, node_token, region, server_id })
}

fn filled(text: &str) -> Result<(), String> {
    if text.is_empty() { Err("is empty".to_owned()) } else { Ok(()) }
}

fn is_region(text: &str) -> Result<(), String> {
    values::region(text)?;
    text.parse::<Region>().map(drop).map_err(|error| error.to_string())
}

fn version(metadata: &Metadata) -> Result<PushedVersion, String> {
    let Metadata { updated_at, updated_by, cluster_id, epoch, config_version } = metadata;
    for (field, number) in [("epoch", epoch), ("config_version", config_version)] {
        if !(0..=MAX_EPOCH).contains(number) {
            return Err(format!("{field}: write a whole number from 0 to {MAX_EPOCH}"));
        }
    }
    let texts =
        [("cluster_id", Some(cluster_id)), ("updated_at", updated_at.as_ref()), ("updated_by", updated_by.as_ref())];
    for (field, text) in texts {
        if text.is_some_and(|text| text.len() > MAX_TEXT || text.contains(char::is_control)) {
            return Err(format!("{field}: write at most {MAX_TEXT} bytes without control characters"));
        }
    }
    filled(cluster_id).map_err(|problem| format!("cluster_id: {problem}"))?;
    let config = ConfigVersion { epoch: *epoch, version: *config_version };
    Ok(PushedVersion { cluster: cluster_id.clone(), config })
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn document() -> Value {
        json!({
            "peers": [{"id": 7, "host": "192.0.2.1", "port": 11010, "protocol": "tcp", "new": {}}],
            "settings": {"health_check_interval": "10s", "health_check_pings": 5},
            "enrollment": {
                "backend_base_url": "https://hub.example", "node_token": "t0ken", "region": "eu", "server_id": "probe-1",
            },
            "metadata": {
                "updated_at": "2026-11-27T12:00:00Z", "updated_by": "admin", "cluster_id": "c", "epoch": 3,
                "config_version": 17, "new": 1,
            },
            "new": [],
        })
    }

    fn refused(document: &Value) -> String {
        let refusal = parse(document.to_string().as_bytes()).unwrap_err();
        assert_eq!(refusal.status.as_u16(), 400);
        refusal.message
    }

    #[test]
    fn a_document_is_read_with_unknown_fields() {
        let Pushed { config, peers } = parse(document().to_string().as_bytes()).unwrap();
        assert_eq!(config.version.to_string(), "3-17 of the cluster c");
        assert_eq!(
            config.settings,
            [("health_check_interval", "10s"), ("health_check_pings", "5")]
                .map(|(key, value)| (key.to_owned(), value.to_owned()))
                .into()
        );
        assert_eq!(config.enrollment.unwrap().server_id, "probe-1");
        assert_eq!(peers.iter().map(|peer| peer.id).collect::<Vec<_>>(), [7]);

        let mut least = json!({"peers": [], "settings": {}});
        least["metadata"] = json!({"cluster_id": "c", "epoch": 0, "config_version": 0});
        let Pushed { config, peers } = parse(least.to_string().as_bytes()).unwrap();
        assert!(config.settings.is_empty() && config.enrollment.is_none() && peers.is_empty());
    }

    #[test]
    fn a_wrong_field_is_named_and_no_secret_is_shown() {
        for (pointer, wrong, field) in [
            ("/peers", json!({}), "peers: "),
            ("/peers/0", json!("x"), "peers[0]: "),
            ("/peers/0/port", json!(70_000), "peers[0]: peer 7: its 'port'"),
            ("/settings", json!([]), "settings: "),
            ("/settings/health_check_interval", json!("soon"), "settings.health_check_interval: "),
            ("/settings/health_check_interval", json!(true), "settings.health_check_interval: "),
            ("/settings/health_check_pings", json!(5.5), "settings.health_check_pings: "),
            ("/settings", json!({"check_timeout": "5s"}), "settings.check_timeout: is no setting"),
            ("/enrollment/backend_base_url", json!("https://u:s3cret@hub"), "enrollment.backend_base_url: "),
            ("/enrollment/node_token", json!("s3cret with a space"), "enrollment.node_token: "),
            ("/enrollment/node_token", json!(""), "enrollment.node_token: "),
            ("/enrollment/node_token", json!(531_337), "enrollment.node_token: "),
            ("/enrollment/server_id", json!("a b"), "enrollment.server_id: "),
            ("/enrollment/region", json!("a,b"), "enrollment.region: "),
            ("/metadata", json!(["c", 3, 17]), "metadata: "),
            ("/metadata/cluster_id", json!(""), "metadata.cluster_id: "),
            ("/metadata/updated_by", json!("x".repeat(257)), "metadata.updated_by: "),
            ("/metadata/epoch", json!(-1), "metadata.epoch: "),
            ("/metadata/config_version", json!(1_u64 << 60), "metadata.config_version: "),
        ] {
            let mut document = document();
            *document.pointer_mut(pointer).unwrap() = wrong;
            let message = refused(&document);
            assert!(message.starts_with(field), "{pointer}: {message}");
            assert!(!message.contains("s3cret") && !message.contains("531337"), "{message}");
        }
        for missing in ["peers", "settings", "metadata"] {
            let mut document = document();
            document.as_object_mut().unwrap().remove(missing);
            assert!(refused(&document).contains(missing));
        }
    }

    #[test]
    fn a_document_that_ends_in_the_middle_is_refused() {
        let whole = document().to_string();
        for end in [0, 1, whole.len() / 2, whole.len() - 1] {
            assert_eq!(parse(&whole.as_bytes()[..end]).unwrap_err().status.as_u16(), 400, "{end}");
        }
    }
}
