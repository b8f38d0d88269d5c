//! Which traces are exported.

use opentelemetry::{
    Context, KeyValue,
    trace::{Link, SpanKind, TraceContextExt, TraceId},
};
use opentelemetry_sdk::trace::{IdGenerator, RandomIdGenerator, SamplingResult, ShouldSample};

/// Samples as the sampler of `OTEL_TRACES_SAMPLER`, but decides itself about a span whose parent is in another process: whoever sends
/// a `traceparent` chooses neither that it is sampled nor, by its trace id, whether it is among the ratio that is.
#[derive(Debug, Clone)]
pub(crate) struct OwnDecision(pub Box<dyn ShouldSample>);

impl ShouldSample for OwnDecision {
    fn should_sample(
        &self,
        parent: Option<&Context>,
        trace_id: TraceId,
        name: &str,
        kind: &SpanKind,
        attributes: &[KeyValue],
        links: &[Link],
    ) -> SamplingResult {
        match parent.is_some_and(|parent| parent.span().span_context().is_remote()) {
            true => {
                let id = RandomIdGenerator::default().new_trace_id();
                self.0.should_sample(None, id, name, kind, attributes, links)
            }
            false => self.0.should_sample(parent, trace_id, name, kind, attributes, links),
        }
    }
}

#[cfg(test)]
mod tests {
    use opentelemetry::trace::{SpanContext, SpanId, TraceFlags, TraceState};
    use opentelemetry_sdk::trace::{Sampler, SamplingDecision};

    use super::*;

    #[test]
    fn who_sends_a_traceparent_decides_nothing() {
        // The smallest id is within every ratio.
        let id = TraceId::from_bytes([0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1]);
        let of = |sampler: Sampler, flags, is_remote| {
            let span = SpanContext::new(id, SpanId::from_bytes([1; 8]), flags, is_remote, TraceState::NONE);
            let parent = Context::new().with_remote_span_context(span);
            let sampler = OwnDecision(Box::new(sampler));
            let result = sampler.should_sample(Some(&parent), id, "request", &SpanKind::Server, &[], &[]);
            result.decision == SamplingDecision::RecordAndSample
        };
        let by_parent = |root: Sampler| Sampler::ParentBased(Box::new(root));
        assert!(!of(by_parent(Sampler::AlwaysOff), TraceFlags::SAMPLED, true));
        assert!(!of(by_parent(Sampler::TraceIdRatioBased(1e-9)), TraceFlags::SAMPLED, true));
        assert!(!of(Sampler::TraceIdRatioBased(1e-9), TraceFlags::SAMPLED, true));
        assert!(of(by_parent(Sampler::AlwaysOn), TraceFlags::default(), true));
        assert!(of(by_parent(Sampler::AlwaysOff), TraceFlags::SAMPLED, false), "its own spans stay together");
    }
}
