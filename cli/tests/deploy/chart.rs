//! The Helm chart: what it renders from some values, and which values it refuses.

use std::{
    io::Write,
    process::{Command, Stdio},
    sync::LazyLock,
};

use easytier_uptime_config::Setting;
use serde::Deserialize;
use serde_json::{Value, json};

use crate::{assert_contains, read, root, tool::assert_silent};

/// Values, by a name for messages.
fn accepted() -> Vec<(&'static str, Value)> {
    let place = json!({"nodeSelector": {"region": "eu"}, "tolerations": [{"key": "edge", "operator": "Exists"}]});
    let own = |extra: Value| {
        let mut all = place.as_object().unwrap().clone();
        all.extend(extra.as_object().unwrap().clone());
        Value::Object(all)
    };
    vec![
        ("the defaults", json!({})),
        ("three hubs on PostgreSQL", json!({"hub": {"database": "postgresql", "replicas": 3}})),
        (
            "a probe on every machine, of a hub elsewhere",
            json!({
                "hub": {"enabled": false},
                "backendUrl": "https://hub.example.com",
                "probe": {"enabled": true, "kind": "DaemonSet", "region": "eu", "storage": {"hostPath": "/srv/probe"}},
            }),
        ),
        (
            "everything",
            json!({
                "image": {"repository": "registry.example.com/uptime", "tag": "1@sha256:00", "pullPolicy": "Always", "pullSecrets": ["registry"]},
                "hub": own(json!({
                    "database": "postgresql", "replicas": 2, "existingSecret": "of-the-hub", "trustedProxies": "10.244.0.0/16",
                    "env": {"FLAP_DAMPING": 3, "OPEN_DISCOVERY": true},
                    "ingress": {"host": "hub.example.com", "className": "nginx", "tlsSecret": "tls", "annotations": {"a/b": "c"}},
                })),
                "probe": own(json!({
                    "enabled": true, "serverId": "probe-eu", "region": "eu", "existingSecret": "of-the-probe",
                    "storage": {"size": "1Gi", "storageClass": "fast"},
                })),
                "once": own(json!({"enabled": true, "everyMinutes": 30, "existingSecret": "of-the-job", "env": {"REPORT_STYLE": "results"}})),
                "serviceMonitor": {"enabled": true, "labels": {"release": "prometheus"}},
                "networkPolicy": {"enabled": true, "from": [{"namespaceSelector": {"matchLabels": {"name": "ingress"}}}]},
            }),
        ),
        (
            "a hub with a volume, and a job often",
            json!({
                "hub": {"storage": {"size": "500M", "storageClass": "slow"}, "env": {"LOG_FORMAT": null}},
                "once": {"enabled": true, "everyMinutes": 2},
                "networkPolicy": {"enabled": true},
            }),
        ),
    ]
}

/// Values, and words of the message with which they are refused.
fn refused() -> Vec<(Value, &'static str)> {
    let mut all = vec![
        (json!({"hubs": {}}), "additional properties 'hubs' not allowed"),
        (json!({"hub": {"replica": 2}}), "additional properties 'replica' not allowed"),
        (json!({"hub": {"replicas": 2}}), "at '/hub/replicas': value must be 1"),
        (json!({"hub": {"database": "mysql"}}), "value must be one of 'sqlite', 'postgresql'"),
        (json!({"hub": {"ingress": {"host": "hub.example.com"}}}), "at '/hub/trustedProxies': minLength"),
        (json!({"hub": {"storage": {"size": "10 GB"}}}), "at '/hub/storage/size'"),
        (json!({"hub": {"env": {"logFormat": "text"}}}), "invalid propertyName 'logFormat'"),
        (json!({"hub": {"env": {"PUBLIC_URL": {"url": "a"}}}}), "at '/hub/env/PUBLIC_URL': got object"),
        (json!({"hub": {"enabled": false}, "once": {"enabled": true}}), "at '/backendUrl': minLength"),
        (json!({"hub": {"enabled": false}, "serviceMonitor": {"enabled": true}}), "at '/serviceMonitor/enabled'"),
        (json!({"backendUrl": "hub.example.com"}), "at '/backendUrl'"),
        (json!({"probe": {"enabled": true}}), "at '/probe/serverId': minLength"),
        (json!({"probe": {"kind": "StatefulSet"}}), "value must be one of 'Deployment', 'DaemonSet'"),
        // The minutes of an hour must be a multiple, or the time between two runs would vary.
        (json!({"once": {"everyMinutes": 7}}), "at '/once/everyMinutes'"),
        (json!({"networkPolicy": {"from": [{"namespace": "a"}]}}), "additional properties 'namespace' not allowed"),
    ];
    // Secrets, whose values would be in the release's records, and what other values set.
    let secrets = Setting::all().filter(|setting| setting.is_secret).map(|setting| setting.name);
    for name in secrets.chain(["BACKEND_BASE_URL", "REGION", "SERVER_ID", "SERVER_PORT", "TRUSTED_PROXIES"]) {
        all.push((json!({"hub": {"env": {name: "a"}}}), name));
    }
    all
}

/// What `tools/chart` says of values.
#[derive(Deserialize)]
#[serde(rename_all = "lowercase")]
enum Outcome {
    Documents(String),
    Refused(String),
}

static OUTCOMES: LazyLock<Vec<Outcome>> = LazyLock::new(|| {
    let values: Vec<Value> = accepted()
        .into_iter()
        .map(|(_, values)| values)
        .chain(refused().into_iter().map(|(values, _)| values))
        .collect();
    let mut chart = Command::new(root().join("tools/chart"));
    let mut chart = chart.arg("--render").stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
    chart.stdin.take().unwrap().write_all(&serde_json::to_vec(&values).unwrap()).unwrap();
    let output = chart.wait_with_output().unwrap();
    assert!(output.status.success(), "{}", output.status);
    serde_json::from_slice(&output.stdout).unwrap()
});

/// What the chart renders from each of the accepted values.
pub fn rendered() -> impl Iterator<Item = (&'static str, &'static str)> {
    accepted().into_iter().zip(OUTCOMES.iter()).map(|((name, _), outcome)| match outcome {
        Outcome::Documents(text) => (name, text.as_str()),
        Outcome::Refused(why) => panic!("{name}: {why}"),
    })
}

#[test]
fn values_that_cannot_work_are_refused() {
    let refused = refused();
    let outcomes = &OUTCOMES[OUTCOMES.len() - refused.len()..];
    for ((values, words), outcome) in refused.iter().zip(outcomes) {
        match outcome {
            Outcome::Refused(why) => assert_contains(why, &[words]),
            Outcome::Documents(_) => panic!("{values} is not refused"),
        }
    }
}

/// It lints the chart first.
#[test]
fn the_manifests_are_what_the_chart_renders() {
    assert_silent(Command::new(root().join("tools/chart")).arg("--check"));
}

#[test]
fn the_chart_has_the_version_of_the_program() {
    let version = env!("CARGO_PKG_VERSION");
    let chart = read("deploy/helm/easytier-uptime/Chart.yaml");
    assert_contains(&chart, &[&format!("\nversion: {version}\n"), &format!("\nappVersion: {version}\n")]);
}
