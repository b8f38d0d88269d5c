//! Builds `/openapi.json` from the documentation beside the handlers.

use std::collections::HashSet;

use bytes::Bytes;
use serde_json::{Value, json};
use utoipa::{
    Modify, OpenApi,
    openapi::{
        OpenApi as Document,
        security::{ApiKey, ApiKeyValue, Http, HttpAuthScheme, SecurityScheme},
    },
};

use crate::{
    envelope::{BackendRefusal, PublicRefusal},
    refusal,
};

#[derive(OpenApi)]
#[openapi(
    info(title = "easytier-uptime hub", description = "Stores the results of every probe of EasyTier nodes, and shows them."),
    components(schemas(BackendRefusal, PublicRefusal)),
    modifiers(&Credentials),
    tags(
        (name = "backend", description = "Peers to check and results of checks. Every route is also served under /api."),
        (name = "registry", description = "Registration, heartbeats and list of probes."),
        (name = "public", description = "For launchers and dashboards."),
        (name = "admin", description = "For the operator of the hub."),
        (name = "operations", description = "For monitoring of the hub itself."),
        (name = "control", description = "For the hub that controls this probe."),
    ),
)]
struct Base;

struct Credentials;

impl Modify for Credentials {
    fn modify(&self, document: &mut Document) {
        let header = |name: &str, about: &str| {
            SecurityScheme::ApiKey(ApiKey::Header(ApiKeyValue::with_description(name, about)))
        };
        let components = document.components.get_or_insert_default();
        components.add_security_scheme(
            "node_token",
            header("x-node-token", "A probe's token. When it is present, other credentials are ignored."),
        );
        components.add_security_scheme("api_key", header("x-api-key", "An API key, which reads without secrets."));
        components.add_security_scheme("bearer", SecurityScheme::Http(Http::new(HttpAuthScheme::Bearer)));
    }
}

/// The document without routes, which add themselves.
pub fn base() -> Document {
    Base::openapi()
}

/// The document as it is served.
pub(crate) fn finish(document: &Document) -> Bytes {
    let mut document = json!(document);
    let mut known = HashSet::new();
    let paths = document.get_mut("paths").and_then(Value::as_object_mut);
    for (path, operations) in paths.into_iter().flatten() {
        let refusal = match path.as_str() {
            path if refusal::is_of_backend_contract(path) => "BackendRefusal",
            path if refusal::is_of_instances(path) => "SyncErrorBody",
            _ => "PublicRefusal",
        };
        for (method, operation) in operations.as_object_mut().into_iter().flatten() {
            add_failures(method, operation, refusal);
            make_id_unique(operation, &mut known);
        }
    }
    document.to_string().into()
}

/// Adds the failures that every operation has in common.
fn add_failures(method: &str, operation: &mut Value, refusal: &str) {
    let has_body = operation.get("requestBody").is_some();
    let Some(responses) = operation.get_mut("responses").and_then(Value::as_object_mut) else { return };
    let failures = [
        ("403", "The request comes from a page of another site", method != "get"),
        ("415", "The content type of the body is not JSON", has_body),
        ("429", "Too many requests", true),
        ("500", "The hub failed", true),
        ("503", "The hub is too busy, stopping, or without its database", true),
    ];
    for (status, about, _) in failures.into_iter().filter(|(.., applies)| *applies) {
        let schema = json!({ "$ref": format!("#/components/schemas/{refusal}") });
        let content = json!({ "application/json": { "schema": schema } });
        responses.entry(status).or_insert_with(|| json!({ "description": about, "content": content }));
    }
}

/// Makes the id of an operation unique: the backend contract is served at two places.
fn make_id_unique(operation: &mut Value, known: &mut HashSet<String>) {
    let Some(id) = operation.get("operationId").and_then(Value::as_str).map(str::to_owned) else { return };
    if !known.insert(id.clone()) {
        let other = format!("{id}_under_api");
        known.insert(other.clone());
        operation["operationId"] = other.into();
    }
}
