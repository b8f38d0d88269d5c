//! `/api/admin/submissions`: decisions on many submissions at once.

use axum::extract::State;
use easytier_uptime_monitor::{
    envelope::{Answer, PublicEnvelope, PublicRefusal},
    input::Body,
};
use easytier_uptime_store::domain::PeerId;
use serde::{Deserialize, Deserializer, Serialize, de::Error};
use utoipa::{
    ToSchema,
    openapi::{
        KnownFormat, SchemaFormat,
        schema::{Array, ArrayBuilder, ObjectBuilder, Type},
    },
};

use super::TAG;
use crate::{
    service::{Admin, Decided, Decision, MAX_DECIDED, NodeId},
    web::{EditPeers, Permitted},
};

/// A decision on submissions.
#[derive(Debug, Deserialize, ToSchema)]
pub(super) struct SubmissionDecision {
    decision: Decision,
    /// The ids of the submissions, which are negative.
    #[serde(deserialize_with = "whole_numbers")]
    #[schema(schema_with = ids)]
    ids: Vec<NodeId>,
}

/// The least id. An `f64` holds every whole number up to this size exactly.
const MIN_ID: i64 = -9_000_000_000_000_000;

/// Reads ids in any spelling of JSON: -3 and -3.0 are the same.
fn whole_numbers<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<NodeId>, D::Error> {
    let numbers = Vec::<f64>::deserialize(deserializer)?;
    let whole = |number: f64| (number >= MIN_ID as f64 && number.fract() == 0.0).then_some(NodeId::from(number as i64));
    let ids: Option<Vec<NodeId>> = numbers.into_iter().map(whole).collect();
    ids.ok_or_else(|| D::Error::custom("an id is no whole number"))
}

fn ids() -> Array {
    let id = ObjectBuilder::new()
        .schema_type(Type::Integer)
        .format(Some(SchemaFormat::KnownFormat(KnownFormat::Int64)))
        .minimum(Some(MIN_ID))
        .maximum(Some(-1));
    ArrayBuilder::new()
        .items(id)
        .min_items(Some(1))
        .max_items(Some(MAX_DECIDED))
        .description(Some("The ids of the submissions, which are negative."))
        .build()
}

/// A submission that was approved or rejected.
#[derive(Debug, Serialize, ToSchema)]
struct DecidedSubmission {
    /// The id that it had.
    #[schema(value_type = i64)]
    id: NodeId,
    /// The id of the node that it is now; null when it was rejected.
    #[schema(value_type = Option<i64>)]
    node_id: Option<PeerId>,
}

/// What became of submissions.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct DecidedSubmissions {
    /// Those that were approved or rejected.
    done: Vec<DecidedSubmission>,
    /// Those that did not wait any more: somebody else decided, or another one of the same node was approved.
    #[schema(value_type = Vec<i64>)]
    gone: Vec<NodeId>,
    /// Those that go on waiting, because a node with their address and network exists.
    #[schema(value_type = Vec<i64>)]
    listed: Vec<NodeId>,
}

impl From<Decided> for DecidedSubmissions {
    fn from(Decided { done, gone, listed }: Decided) -> Self {
        let done = done.into_iter().map(|(id, node_id)| DecidedSubmission { id, node_id }).collect();
        Self { done, gone, listed }
    }
}

/// Approves or rejects submissions. One that cannot be approved, or does not wait any more, does not stop the others.
#[utoipa::path(
    post, path = "/api/admin/submissions", tag = TAG, operation_id = "admin_decide_submissions",
    request_body = SubmissionDecision,
    security(("bearer" = []), ("session_cookie" = [])),
    responses(
        (status = OK, body = PublicEnvelope<DecidedSubmissions>),
        (status = BAD_REQUEST, description = "There are none or too many ids, or ids of nodes.", body = PublicRefusal),
        (status = UNAUTHORIZED, body = PublicRefusal),
        (status = FORBIDDEN, description = "The API key lacks the scope `peers`, or the request comes from a page of another site.", body = PublicRefusal),
        (status = PAYLOAD_TOO_LARGE, body = PublicRefusal),
    ),
)]
pub(super) async fn decide(
    _: Permitted<EditPeers>,
    State(admin): State<Admin>,
    Body(SubmissionDecision { decision, ids }): Body<SubmissionDecision>,
) -> Answer<PublicEnvelope<DecidedSubmissions>> {
    Ok(PublicEnvelope::of(admin.decide(decision, ids).await?.into()))
}
