//! The span of a check, for traces.

use tracing::{Instrument, Level, Span, field::Empty};

use super::outcome::Outcome;
use crate::{Peer, SPANS};

/// Runs a check of `peer` in a span. `outcome`: that of the check, if it came to one.
pub(super) async fn traced<T>(
    peer: &Peer,
    check: impl Future<Output = T>,
    outcome: impl FnOnce(&T) -> Option<&Outcome>,
) -> T {
    // Boxed, because it is large, and would be in this future several times.
    let check = Box::pin(check);
    if !tracing::span_enabled!(target: SPANS, Level::INFO) {
        return check.await;
    }
    let span = tracing::info_span!(
        target: SPANS,
        "check",
        peer.id = peer.id,
        peer.protocol = peer.url.protocol(),
        check.stage = Empty,
        check.failure = Empty,
        otel.status_code = Empty,
    );
    let checked = check.instrument(span.clone()).await;
    if let Some(outcome) = outcome(&checked) {
        note(&span, outcome);
    }
    checked
}

fn note(span: &Span, outcome: &Outcome) {
    span.record("check.stage", outcome.stage.as_str());
    if let Some(failure) = &outcome.failure {
        span.record("check.failure", failure.code.as_str());
        span.record("otel.status_code", "ERROR");
    }
}
