//! What an invocation says: to its caller, and to CloudWatch.

use easytier_probe::CycleReport;
use serde::Serialize;
use serde_json::{Value, json};

/// The metrics' namespace.
const NAMESPACE: &str = "EasyTierUptime";

/// The answer to an invocation. Its size does not depend on the number of peers.
#[derive(Debug, Serialize)]
pub struct InvocationReport {
    pub region: Option<String>,
    #[serde(flatten)]
    pub cycle: CycleReport,
    /// Results that went into the queue, because the hub did not take them.
    pub spooled: u64,
    /// Results that came out of the queue and were delivered, before the checks.
    pub drained: u64,
}

impl InvocationReport {
    /// A line from which CloudWatch makes metrics (its embedded metric format).
    pub fn metrics(&self, request_id: &str, now: chrono::DateTime<chrono::Utc>) -> Value {
        let cycle = &self.cycle;
        let counts = [
            ("checked", cycle.checked),
            ("online", cycle.online),
            ("offline", cycle.offline),
            ("unknown", cycle.unknown),
            ("spooled", self.spooled),
        ];
        let mut metrics: Vec<Value> = counts.iter().map(|(name, _)| json!({"Name": name, "Unit": "Count"})).collect();
        metrics.push(json!({"Name": "duration", "Unit": "Milliseconds"}));
        let mut line = json!({
            "_aws": {
                "Timestamp": now.timestamp_millis(),
                "CloudWatchMetrics": [{ "Namespace": NAMESPACE, "Dimensions": [["region"]], "Metrics": metrics }],
            },
            "requestId": request_id,
            "region": self.region.as_deref().unwrap_or("default"),
            "duration": cycle.duration_ms,
        });
        for (name, count) in counts {
            line[name] = count.into();
        }
        line
    }
}
