//! The report of an invocation to its caller, and its metrics for CloudWatch.

use std::time::Duration;

use chrono::{DateTime, Utc};
use easytier_probe::CycleReport;
use serde::Serialize;
use serde_json::{Value, json};

/// The namespace of the metrics.
const NAMESPACE: &str = "EasyTierUptime";

/// The response to an invocation. Its size does not depend on the number of peers.
#[derive(Debug, Serialize)]
pub struct InvocationReport {
    pub region: Option<String>,
    #[serde(flatten)]
    pub cycle: CycleReport,
    /// How many results went into the queue because the hub did not accept them.
    pub spooled: u64,
    /// How many results from the queue were delivered before the checks.
    pub drained: u64,
    /// Why the invocation fails although the cycle ran.
    #[serde(skip)]
    pub failure: Option<anyhow::Error>,
}

/// A log line in CloudWatch's embedded metric format. Without a `report`, all counts are 0.
pub fn metrics(
    report: Option<&InvocationReport>,
    region: Option<&str>,
    took: Duration,
    request_id: &str,
    now: DateTime<Utc>,
) -> Value {
    let count = |count: fn(&InvocationReport) -> u64| report.map(count).unwrap_or_default();
    let counts = [
        ("checked", count(|report| report.cycle.checked)),
        ("online", count(|report| report.cycle.online)),
        ("offline", count(|report| report.cycle.offline)),
        ("unknown", count(|report| report.cycle.unknown)),
        ("spooled", count(|report| report.spooled)),
    ];
    let mut metrics: Vec<Value> = counts.iter().map(|(name, _)| json!({"Name": name, "Unit": "Count"})).collect();
    metrics.push(json!({"Name": "duration", "Unit": "Milliseconds"}));
    let mut line = json!({
        "_aws": {
            "Timestamp": now.timestamp_millis(),
            "CloudWatchMetrics": [{ "Namespace": NAMESPACE, "Dimensions": [["region"]], "Metrics": metrics }],
        },
        "requestId": request_id,
        "region": region.unwrap_or("default"),
        "duration": took.as_secs_f64() * 1000.0,
    });
    for (name, count) in counts {
        line[name] = count.into();
    }
    line
}
