//! Schemas of the documents that probes send. The parser is more lenient than a schema can express.

use utoipa::{
    PartialSchema, ToSchema,
    openapi::{
        RefOr, Schema,
        schema::{AnyOfBuilder, ArrayBuilder, Object, SchemaType},
    },
};
use uuid::Uuid;

/// A batch of results.
#[derive(ToSchema)]
#[expect(dead_code, reason = "for the document alone")]
pub(super) struct Results {
    cycle_id: Option<Uuid>,
    /// When the probe sent the batch, by its clock. The hub uses it to correct `checked_at` for the clock's error.
    #[schema(format = DateTime, min_length = 20)]
    sent_at: Option<String>,
    /// The `epoch` of the listing under which the peers were checked. An instance that holds an older one answers 503.
    #[schema(minimum = 0, maximum = 9_000_000_000_000_000_i64)]
    epoch: Option<i64>,
    /// The `config_version` of that listing. Results of a peer that became another one after it are rejected. Without it the
    /// listing counts that the probe fetched last.
    #[schema(minimum = 0, maximum = 9_000_000_000_000_000_i64)]
    config_version: Option<i64>,
    /// Whether the probe tests the nodes of `test_relay` in the answer.
    #[schema(default = false)]
    tests_relay: Option<bool>,
    #[schema(schema_with = results)]
    results: Vec<CheckResult>,
}

/// Anything that is not a result is rejected by its index, and the batch is still accepted.
fn results() -> RefOr<Schema> {
    let anything = Object::with_type(SchemaType::AnyValue);
    let one = AnyOfBuilder::new().item(CheckResult::schema()).item(anything);
    ArrayBuilder::new().items(one).description(Some("At most 5,000.")).into()
}

/// The result of one check, or of several with the same outcome.
#[derive(ToSchema)]
#[expect(dead_code, reason = "for the document alone")]
pub(in crate::api) struct CheckResult {
    /// A UUIDv7 made by the probe: a result that is sent again is the same result.
    id: Uuid,
    peer_id: i64,
    #[schema(format = DateTime)]
    checked_at: String,
    /// How many checks the result stands for.
    #[schema(default = 1, minimum = 1)]
    checks: Option<u32>,
    /// How many checks found the peer healthy. By default all if the status is `Online`, otherwise none.
    healthy: Option<u32>,
    #[schema(inline)]
    status: Status,
    /// The median round trip, in milliseconds.
    #[schema(minimum = 0)]
    response_time: Option<f64>,
    #[schema(minimum = 0)]
    min_ms: Option<f64>,
    #[schema(minimum = 0)]
    max_ms: Option<f64>,
    /// The last stage reached: `resolve`, `connect`, `handshake`, `admit`, `ping`, `route` or `relay`.
    #[schema(example = "route")]
    stage: String,
    /// Why it failed.
    #[schema(example = "connect_timeout")]
    error: Option<String>,
    /// At most 300 characters; the rest is cut off.
    message: Option<String>,
    version: Option<String>,
    hostname: Option<String>,
    network_count: Option<u32>,
    /// Whether the node relays data between two of its guests: `ok`, `refused` or `failed`.
    relay: Option<String>,
    /// Why it does not. A text that names `avoid_relay_data` is the node's own word.
    relay_error: Option<String>,
    /// The time of data there and back, in milliseconds.
    #[schema(minimum = 0)]
    relay_ms: Option<f64>,
    /// When the certificate of a wss node expires.
    #[schema(format = DateTime)]
    certificate_expires_at: Option<String>,
}

#[derive(ToSchema)]
#[expect(dead_code, reason = "for the document alone")]
enum Status {
    Online,
    Offline,
    Unknown,
}
