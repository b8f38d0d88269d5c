//! `deploy/prometheus` and `deploy/grafana`, with Prometheus's own tool and the metrics of a running hub.

use std::{collections::BTreeSet, fs, path::Path, process::Command};

use serde_json::{Value, json};

use crate::{read, root, services::Service, tool};

const DASHBOARDS: [&str; 2] = ["deploy/grafana/hub.json", "deploy/grafana/nodes.json"];

/// Debian's package `prometheus`, which `tools/setup` unpacks.
fn promtool() -> Command {
    let target = Path::new(env!("CARGO_TARGET_TMPDIR")).parent().expect("it is in the target folder");
    let unpacked = target.join("tools/prometheus/usr/bin/promtool");
    let mut command = Command::new(if unpacked.is_file() { unpacked.as_os_str() } else { "promtool".as_ref() });
    command.current_dir(root().join("deploy/prometheus"));
    command
}

#[track_caller]
fn assert_clean(command: &mut Command) {
    let output = tool::output(command);
    let said = [output.stdout, output.stderr].map(|text| String::from_utf8_lossy(&text).into_owned()).concat();
    assert!(output.status.success(), "{said}");
}

#[test]
fn the_configuration_and_the_rules_are_valid() {
    assert_clean(promtool().args(["check", "config", "--syntax-only", "prometheus.yml"]));
    assert_clean(promtool().args(["check", "rules", "--lint-fatal", "rules.yml"]));
    assert_clean(promtool().args(["test", "rules", "rules_test.yml"]));
}

/// The queries of a dashboard, with a value for each of its variables.
fn queries(dashboard: &str) -> Vec<String> {
    let dashboard: Value = serde_json::from_str(&read(dashboard)).unwrap();
    let panels = dashboard["panels"].as_array().unwrap();
    let ids: BTreeSet<u64> = panels.iter().map(|panel| panel["id"].as_u64().unwrap()).collect();
    assert_eq!(ids.len(), panels.len(), "ids are unique");
    let targets = panels.iter().flat_map(|panel| panel["targets"].as_array().unwrap());
    let queries: Vec<String> = targets.map(|target| target["expr"].as_str().unwrap().replace("$node", ".*")).collect();
    assert!(queries.iter().all(|query| !query.contains('$')), "{queries:?}");
    queries
}

#[test]
fn the_queries_of_the_dashboards_are_valid() {
    for dashboard in DASHBOARDS {
        let rules: Vec<Value> = queries(dashboard)
            .iter()
            .enumerate()
            .map(|(nth, query)| json!({ "record": format!("query_{nth}"), "expr": query }))
            .collect();
        assert!(!rules.is_empty());
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("rules.yml");
        // JSON is YAML.
        fs::write(&file, json!({ "groups": [{ "name": "dashboard", "rules": rules }] }).to_string()).unwrap();
        assert_clean(promtool().args(["check", "rules"]).arg(file));
    }
}

/// The names of the hub's metrics in a text.
fn named(text: &str) -> BTreeSet<String> {
    let words = text.split(|c: char| !c.is_ascii_alphanumeric() && c != '_');
    let metrics = words.filter(|word| word.starts_with("easytier_uptime_"));
    let family = |word: &str| {
        let suffixes = ["_total", "_bucket", "_sum", "_count"];
        suffixes.iter().find_map(|suffix| word.strip_suffix(suffix)).unwrap_or(word).to_owned()
    };
    metrics.map(family).collect()
}

#[test]
fn rules_and_dashboards_use_metrics_that_a_hub_has() {
    let token = "token-of-the-scraper";
    let secret = "s".repeat(32);
    let hub = Service::start(
        &["hub"],
        &[("METRICS_TOKEN", token), ("ENABLE_SYNC_API", "true"), ("SYNC_SECRET", &secret), ("SYNC_API_PORT", "0")],
    );
    let curl = |token: &str, path: &str, more: &[&str]| {
        let mut curl = Command::new("curl");
        curl.args(["--silent", "--show-error", "--fail", "--header", &format!("Authorization: Bearer {token}")]);
        String::from_utf8(tool::output(curl.args(more).arg(format!("{}{path}", hub.url))).stdout).unwrap()
    };
    // Some metrics exist from the first request, and from the first result.
    let node_token = hub.command(&["hub", "token", "create", "--name", "probe"]);
    let result = r#"{"results": [{"peer_id": 7}]}"#;
    curl(&node_token, "/results", &["--header", "Content-Type: application/json", "--data", result]);
    let scraped = ["/metrics", "/metrics/nodes"].map(|path| curl(token, path, &[]));
    let types = scraped.iter().flat_map(|text| text.lines()).filter_map(|line| line.strip_prefix("# TYPE "));
    let known: BTreeSet<String> = types.filter_map(|line| line.split(' ').next()).map(str::to_owned).collect();
    for file in DASHBOARDS.into_iter().chain(["deploy/prometheus/rules.yml"]) {
        let used = named(&read(file));
        let missing: Vec<&String> = used.difference(&known).collect();
        assert!(used.len() > 3 && missing.is_empty(), "{file}: {missing:?} of {known:?}");
    }
}
