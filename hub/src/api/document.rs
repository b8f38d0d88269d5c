//! `/openapi.json`, made of what stands beside the handlers.

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

use super::error::{self, BackendRefusal, PublicRefusal};

#[derive(OpenApi)]
#[openapi(
    info(title = "easytier-uptime hub", description = "Keeps what every probe saw of EasyTier nodes, and shows it."),
    components(schemas(BackendRefusal, PublicRefusal)),
    modifiers(&Credentials),
    tags(
        (name = "backend", description = "What probes fetch and report. All of it is served under /api too."),
        (name = "registry", description = "The probes."),
        (name = "public", description = "What launchers and dashboards read."),
        (name = "admin", description = "For the person who runs the hub."),
        (name = "operations", description = "For machines that watch the hub itself."),
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
        components.add_security_scheme("node_token", header("x-node-token", "A probe's token; it decides alone"));
        components.add_security_scheme("api_key", header("x-api-key", "A reader's key"));
        components.add_security_scheme("bearer", SecurityScheme::Http(Http::new(HttpAuthScheme::Bearer)));
    }
}

/// What all routes have in common, to which they add themselves.
pub(super) fn base() -> Document {
    Base::openapi()
}

/// The document as it is served.
pub(super) fn finish(document: &Document) -> Bytes {
    let mut document = serde_json::to_value(document).expect("a document is plain JSON");
    let mut known = HashSet::new();
    let paths = document["paths"].as_object_mut().expect("there are paths");
    for (path, operations) in paths {
        let refusal = if error::is_for_probes(path) { "BackendRefusal" } else { "PublicRefusal" };
        for operation in operations.as_object_mut().into_iter().flat_map(|operations| operations.values_mut()) {
            if operation.get("responses").is_some() {
                complete(operation, refusal, &mut known);
            }
        }
    }
    document.to_string().into()
}

/// Adds how every operation may fail, and makes its id unique: the backend contract is served at two places.
fn complete(operation: &mut Value, refusal: &str, known: &mut HashSet<String>) {
    for (status, about) in
        [("500", "The hub failed"), ("503", "The hub is too busy, stopping, or without its database")]
    {
        let schema = json!({ "$ref": format!("#/components/schemas/{refusal}") });
        let content = json!({ "application/json": { "schema": schema } });
        let responses = operation["responses"].as_object_mut().expect("responses are by their status");
        responses.entry(status).or_insert_with(|| json!({ "description": about, "content": content }));
    }
    let id = operation["operationId"].as_str().unwrap_or_default().to_owned();
    if !known.insert(id.clone()) {
        let other = format!("{id}_under_api");
        known.insert(other.clone());
        operation["operationId"] = other.into();
    }
}
