//! The `check` command: its output and its exit codes.

#![allow(clippy::disallowed_methods, clippy::restriction, reason = "a test fails by a panic")]

mod support;

use std::{
    collections::BTreeSet,
    path::PathBuf,
    process::{ExitStatus, Stdio},
    sync::LazyLock,
    time::Duration,
};

use easytier_probe::Scheme;
use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;
use support::{
    closed_port::ClosedPort,
    fake,
    node::{Node, NodeOptions},
    scripted::{Script, ScriptedNode},
};
use tokio::{
    io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader},
    process::Command,
    time::{Instant, timeout},
};

const SECRET: &str = "test-secret";

static NODE: LazyLock<Node> = LazyLock::new(|| {
    NodeOptions::listening_on(&[Scheme::Tcp, Scheme::Udp, Scheme::Wss]).start(env!("CARGO_BIN_EXE_easytier-uptime"))
});

fn url(scheme: Scheme) -> String {
    NODE.url(scheme).to_string()
}

/// The exit status and the output of a run.
#[derive(Debug)]
struct Outcome {
    status: ExitStatus,
    stdout: String,
    stderr: String,
}

impl Outcome {
    #[track_caller]
    fn assert_code(&self, code: i32) {
        assert_eq!(self.status.code(), Some(code), "{self:?}");
    }

    /// The objects of the JSON array on standard output.
    #[track_caller]
    fn objects(&self) -> Vec<Value> {
        match serde_json::from_str(&self.stdout) {
            Ok(Value::Array(objects)) => objects,
            other => panic!("no JSON array ({other:?}): {self:?}"),
        }
    }

    #[track_caller]
    fn object(&self) -> Value {
        let [object] = self.objects().try_into().expect("one peer, one object");
        object
    }

    #[track_caller]
    fn assert_without(&self, secret: &str) {
        for text in [&self.stdout, &self.stderr] {
            assert!(!text.contains(secret), "'{secret}' in {self:?}");
        }
    }
}

fn command(args: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_easytier-uptime"));
    command.arg("check").args(args);
    // The caller's settings must not affect the test.
    for name in ["NETWORK_SECRET", "ALLOW_LOCAL_PEERS", "ALLOW_PRIVATE_PEERS", "RUST_LOG"] {
        command.env_remove(name);
    }
    command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped()).kill_on_drop(true);
    command
}

async fn ended(mut command: Command) -> Outcome {
    let output = command.output().await.unwrap();
    let text = |bytes| String::from_utf8(bytes).unwrap();
    Outcome { status: output.status, stdout: text(output.stdout), stderr: text(output.stderr) }
}

async fn run(args: &[&str]) -> Outcome {
    ended(command(args)).await
}

/// A file that is removed at the end of the test.
struct TempFile(PathBuf);

impl TempFile {
    fn new(name: &str, text: &str) -> Self {
        let path = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join(format!("{}-{name}", std::process::id()));
        std::fs::write(&path, text).unwrap();
        Self(path)
    }

    fn path(&self) -> &str {
        self.0.to_str().unwrap()
    }
}

impl Drop for TempFile {
    fn drop(&mut self) {
        let _ = std::fs::remove_file(&self.0);
    }
}

// --- output ----------------------------------------------------------------------------------------------------------

#[tokio::test]
async fn relaying_is_tested_on_request() {
    let outcome = run(&["--relay", "--json", &url(Scheme::Tcp)]).await;
    outcome.assert_code(0);
    let objects = outcome.objects();
    assert_eq!(
        (&objects[0]["relay"], &objects[0]["stage"]),
        (&Value::from("ok"), &Value::from("relay")),
        "{objects:?}"
    );
    assert!(objects[0]["relay_ms"].is_f64(), "{objects:?}");
    let table = run(&["--relay", &url(Scheme::Udp)]).await;
    table.assert_code(0);
    assert!(table.stdout.contains("RELAY") && table.stdout.contains("ok "), "{}", table.stdout);
}

#[tokio::test]
async fn json_is_one_array_with_the_fields_of_the_contract() {
    let outcome = run(&["--json", &url(Scheme::Tcp), &url(Scheme::Wss)]).await;
    outcome.assert_code(0);
    let objects = outcome.objects();
    assert_eq!(objects.len(), 2);

    let names = |object: &Value| object.as_object().unwrap().keys().cloned().collect::<BTreeSet<_>>();
    let of_contract = "checked_at checks error healthy hostname id max_ms message min_ms network_count peer_id relay \
                       relay_error response_time stage status version";
    let more = "is_public_server latency timings url";
    let expected: BTreeSet<String> = of_contract.split(' ').chain(more.split(' ')).map(str::to_owned).collect();
    assert_eq!(names(&objects[0]), expected);
    assert_eq!(
        names(&objects[0]["latency"]),
        BTreeSet::from(["jitter_ms", "loss", "max_ms", "median_ms", "min_ms"].map(str::to_owned))
    );
    assert_eq!(
        names(&objects[0]["timings"]),
        BTreeSet::from(["resolve", "connect", "handshake", "admit", "ping", "route"].map(str::to_owned))
    );
    // A wss node also has a certificate.
    let mut with_certificate = expected;
    with_certificate.insert("certificate_expires_at".to_owned());
    assert_eq!(names(&objects[1]), with_certificate);

    for (number, (object, url)) in (1..).zip(objects.iter().zip([url(Scheme::Tcp), url(Scheme::Wss)])) {
        assert_eq!((&object["peer_id"], &object["url"]), (&Value::from(number), &Value::from(url)));
        assert_eq!((&object["status"], &object["stage"]), (&Value::from("Online"), &Value::from("route")));
        assert_eq!((&object["checks"], &object["healthy"]), (&Value::from(1), &Value::from(1)));
        assert_eq!((&object["error"], &object["message"]), (&Value::Null, &Value::Null));
        assert_eq!(object["version"], easytier_probe::EASYTIER_VERSION);
        assert_eq!(object["hostname"], "PublicServer_test-node");
        assert!(object["network_count"].is_null() && object["is_public_server"].is_boolean(), "{object}");
        assert!(object["response_time"].is_f64(), "{object}");
        assert!(object["checked_at"].as_str().unwrap().ends_with('Z'), "{object}");
        assert!(object["timings"]["connect"].is_f64(), "{object}");
    }
}

#[tokio::test]
async fn json_of_a_failed_check_has_the_code_the_stage_and_the_message() {
    let port = ClosedPort::new();
    let object = run(&["--json", &port.url(Scheme::Tcp)]).await.object();
    assert_eq!((&object["status"], &object["healthy"]), (&Value::from("Offline"), &Value::from(0)));
    assert_eq!((&object["error"], &object["stage"]), (&Value::from("connect_refused"), &Value::from("connect")));
    assert!(object["message"].as_str().unwrap().contains("nothing listens"), "{object}");
    assert_eq!((&object["latency"], &object["response_time"]), (&Value::Null, &Value::Null));
}

#[tokio::test]
async fn the_table_has_a_row_for_each_peer_and_the_summary_is_on_stderr() {
    let (port, node) = (ClosedPort::new(), url(Scheme::Tcp));
    let outcome = run(&[&port.url(Scheme::Tcp), &node]).await;
    outcome.assert_code(1);
    let lines: Vec<&str> = outcome.stdout.lines().collect();
    assert_eq!(lines.len(), 3, "{outcome:?}");
    assert!(lines[0].starts_with("STATUS"), "{outcome:?}");
    assert!(lines[1].starts_with("offline") && lines[1].contains("[connect_refused]"), "{outcome:?}");
    assert!(lines[2].starts_with("online") && lines[2].contains(&node), "{outcome:?}");
    assert!(lines[2].contains(easytier_probe::EASYTIER_VERSION), "{outcome:?}");
    assert!(!outcome.stdout.contains('\x1b'), "colours without a terminal: {outcome:?}");
    assert!(outcome.stderr.starts_with("2 peers: 1 online, 1 offline, 0 unknown in "), "{outcome:?}");
}

#[tokio::test]
async fn results_are_in_the_order_of_the_peers() {
    let silent = fake::silent().await;
    let urls = [silent.url(Scheme::Tcp), url(Scheme::Tcp), silent.url(Scheme::Ws), url(Scheme::Udp)];
    let args: Vec<&str> = ["--json", "--timeout", "700ms"].into_iter().chain(urls.iter().map(String::as_str)).collect();
    let outcome = run(&args).await;
    let printed: Vec<Value> = outcome.objects().into_iter().map(|mut object| object["url"].take()).collect();
    assert_eq!(printed, urls);
}

#[tokio::test]
async fn debug_logs_the_check_on_stderr_only() {
    let outcome = run(&["--json", "--debug", &url(Scheme::Tcp)]).await;
    outcome.assert_code(0);
    outcome.object();
    for trace in ["connected over TCP", "sending the handshake", "handshake answered", "route information"] {
        assert!(outcome.stderr.contains(trace), "no '{trace}' in {outcome:?}");
    }
    let quiet = run(&["--json", &url(Scheme::Tcp)]).await;
    assert!(!quiet.stderr.contains("handshake"), "{quiet:?}");
}

// --- exit codes ------------------------------------------------------------------------------------------------------

#[tokio::test]
async fn fail_on_decides_which_outcome_is_a_failure() {
    let (port, node) = (ClosedPort::new(), url(Scheme::Tcp));
    let dead = port.url(Scheme::Tcp);
    let cases: [(&[&str], i32); 7] = [
        (&[&node], 0),
        (&[&node, &dead], 1),
        (&["--fail-on", "any", &node, &dead], 1),
        (&["--fail-on", "all", &node, &dead], 0),
        (&["--fail-on", "all", &dead], 1),
        (&["--fail-on", "never", &dead], 0),
        // Unknown, because wg does not work for guests.
        (&["wg://127.0.0.1:9"], 1),
    ];
    for (args, code) in cases {
        run(args).await.assert_code(code);
    }
}

#[tokio::test]
async fn all_invalid_peers_are_reported_together_and_nothing_is_checked() {
    let node = ScriptedNode::start(Script::default()).await;
    let good = node.url().to_string();
    let outcome = run(&[&good, "node.example.net,tcp://", "[::1", "--file", "/nowhere/peers.txt"]).await;
    outcome.assert_code(2);
    assert_eq!(outcome.stdout, "");
    for problem in ["URL 2: 'node.example.net' has", "URL 3: ", "URL 4: ", "cannot read '/nowhere/peers.txt'"] {
        assert!(outcome.stderr.contains(problem), "no '{problem}' in {outcome:?}");
    }
    assert_eq!(node.fake.arrived(), 0);
}

#[tokio::test]
async fn a_peer_of_an_unknown_protocol_is_one_unknown_result_and_the_others_are_checked() {
    let node = url(Scheme::Tcp);
    let list = format!("{node}\nfaketcp://node.example.net:11013\nunix:///run/easytier.sock\n");
    let file = TempFile::new("peers.txt", &list);
    let outcome = run(&["--json", "--file", file.path()]).await;
    let objects = outcome.objects();
    assert_eq!(objects.iter().map(|object| &object["status"]).collect::<Vec<_>>(), ["Online", "Unknown", "Unknown"]);
    for (object, protocol) in objects[1..].iter().zip(["faketcp", "unix"]) {
        assert_eq!(object["error"], "unsupported_protocol");
        assert!(object["message"].as_str().unwrap().contains(protocol), "{object}");
    }
}

/// The list of a site as people save it, with an entry that hides its address.
#[tokio::test]
async fn with_skip_invalid_the_valid_peers_of_a_list_are_checked_and_the_others_named() {
    let tcp = NODE.url(Scheme::Tcp).port().unwrap();
    let items = format!(
        r#"[{{"id": "7", "name": "a", "host": "127.0.0.1", "port": "{tcp}", "protocol": "tcp", "allow_relay": 1}},
            {{"id": 8, "name": "b", "host": "****", "port": 11010, "protocol": "tcp"}}, "faketcp://node.example.net:1"]"#
    );
    let list =
        TempFile::new("nodes.json", &format!(r#"{{"success": true, "data": {{"items": {items}, "total": 3}}}}"#));
    let refused = run(&["--file", list.path()]).await;
    refused.assert_code(2);
    assert!(refused.stderr.contains("peer 2 ('b'): the address in 'tcp://****:11010' is masked"), "{refused:?}");
    let skipped = run(&["--skip-invalid", "--json", "--file", list.path(), url(Scheme::Tcp).as_str()]).await;
    skipped.assert_code(0);
    let ids: Vec<_> = skipped.objects().iter().map(|object| object["peer_id"].clone()).collect();
    assert_eq!(ids, [1, 7]);
    for warned in ["warning: skipped 2 peers", "peer 2 ('b')", "peer 3 ('faketcp://node.example.net:1')"] {
        assert!(skipped.stderr.contains(warned), "{skipped:?}");
    }
    let part = TempFile::new(
        "page.json",
        &format!(r#"{{"data": {{"items": {items}, "total": 500, "total_pages": 25, "page": 1}}}}"#),
    );
    let refused = run(&["--skip-invalid", "--file", part.path()]).await;
    refused.assert_code(2);
    assert!(refused.stderr.contains("is page 1 of 25, with 3 of 500 peers"), "{refused:?}");
}

/// Answers each request with this text.
async fn web_server(text: String) -> String {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let router = axum::Router::new().fallback(async move || text);
    tokio::spawn(async { axum::serve(listener, router).await });
    url
}

/// Others choose what a list at a URL says, so its peers have no access to this machine.
#[tokio::test]
async fn a_list_at_a_url_is_read_like_a_file_and_the_address_policy_applies_to_its_peers() {
    let server = web_server(format!("{}\n", url(Scheme::Tcp))).await;
    let list = format!("{server}/nodes.txt?token={SECRET}");
    let refused = run(&["--json", "--file", &list]).await;
    refused.assert_code(1);
    assert_eq!(refused.object()["error"], "forbidden_address", "{refused:?}");
    let allowed = run(&["--json", "--allow-local-peers", "--file", &list]).await;
    allowed.assert_code(0);
    let missing = run(&["--file", &format!("{}/?token={SECRET}", ClosedPort::new().url(Scheme::Http))]).await;
    missing.assert_code(2);
    assert!(missing.stderr.contains("cannot be reached"), "{missing:?}");
    for outcome in [&refused, &allowed, &missing] {
        outcome.assert_without(SECRET);
    }
}

#[tokio::test]
async fn a_query_is_shown_neither_in_results_nor_in_logs() {
    let port = ClosedPort::new();
    let list = format!("{}/?token={SECRET}", port.url(Scheme::Http));
    for args in [&["--json", "--debug", &list][..], &["--debug", &list]] {
        let outcome = run(args).await;
        outcome.assert_code(1);
        outcome.assert_without(SECRET);
    }
}

#[tokio::test]
async fn a_check_ends_at_its_timeout() {
    let silent = fake::silent().await;
    let started = Instant::now();
    let outcome = run(&["--json", "--timeout", "500ms", &silent.url(Scheme::Tcp)]).await;
    outcome.assert_code(1);
    assert_eq!(outcome.object()["error"], "handshake_timeout");
    assert!(started.elapsed() < Duration::from_secs(4), "{:?}", started.elapsed());
}

#[tokio::test]
async fn count_is_the_number_of_pings() {
    let node = ScriptedNode::start(Script::default()).await;
    let outcome = run(&["--count", "5", &node.url().to_string()]).await;
    outcome.assert_code(0);
    assert_eq!(node.pings(), 5);
}

#[tokio::test]
async fn handshake_only_stops_after_the_response() {
    let outcome = run(&["--json", "--handshake-only", &url(Scheme::Tcp)]).await;
    outcome.assert_code(0);
    let object = outcome.object();
    assert_eq!((&object["stage"], &object["latency"]), (&Value::from("handshake"), &Value::Null));
}

// --- sources of peers ------------------------------------------------------------------------------------------------

#[tokio::test]
async fn a_list_is_read_from_standard_input() {
    let mut child = command(&["--json", "-"]).stdin(Stdio::piped()).spawn().unwrap();
    let list = format!("# nodes\n{}  # the first\n\n{}\n", url(Scheme::Tcp), url(Scheme::Udp));
    child.stdin.take().unwrap().write_all(list.as_bytes()).await.unwrap();
    let output = child.wait_with_output().await.unwrap();
    assert!(output.status.success());
    let objects: Vec<Value> = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(objects.iter().map(|object| &object["url"]).collect::<Vec<_>>(), [&url(Scheme::Tcp), &url(Scheme::Udp)]);
}

#[tokio::test]
async fn files_are_read_as_toml_and_as_the_json_of_a_hub() {
    let tcp = NODE.url(Scheme::Tcp).port().unwrap();
    let toml = format!(
        "[[peers]]\nid = 7\nurl = \"{}\"\nnetwork_name = \"test-network\"\nnetwork_secret = \"{SECRET}\"\n",
        url(Scheme::Udp)
    );
    let json = format!(
        r#"{{"code": 200, "message": "ok", "data": {{"peers": [
            {{"id": 40, "name": "a", "host": "127.0.0.1", "port": {tcp}, "protocol": "tcp"}},
            {{"id": 41, "name": "b", "host": "127.0.0.1", "port": {tcp}, "protocol": "tcp", "check": "handshake"}}
        ]}}}}"#
    );
    let (toml, json) = (TempFile::new("peers.toml", &toml), TempFile::new("peers.json", &json));
    let outcome = run(&["--json", "--debug", "--file", toml.path(), "--file", json.path()]).await;
    outcome.assert_code(0);
    outcome.assert_without(SECRET);
    let objects = outcome.objects();
    let rows: Vec<_> =
        objects.iter().map(|object| (&object["peer_id"], &object["hostname"], &object["stage"])).collect();
    let hostname = |name| Value::from(name);
    assert_eq!(
        rows,
        [
            (&7.into(), &hostname("test-node"), &"route".into()),
            (&40.into(), &hostname("PublicServer_test-node"), &"route".into()),
            (&41.into(), &Value::Null, &"handshake".into()),
        ]
    );
}

// --- secrets ---------------------------------------------------------------------------------------------------------

/// The peer was checked as a member, and the secret is not in the output.
#[track_caller]
fn assert_member(outcome: &Outcome) {
    outcome.assert_code(0);
    assert_eq!(outcome.object()["hostname"], "test-node", "{outcome:?}");
    assert!(outcome.stderr.contains("sending the handshake"), "nothing was traced: {outcome:?}");
    outcome.assert_without(SECRET);
}

const TRACED_MEMBER: [&str; 4] = ["--json", "--debug", "--network-name", "test-network"];

#[tokio::test]
async fn the_secret_of_a_flag_the_environment_or_a_file_is_used_and_never_shown() {
    let node = url(Scheme::Tcp);
    assert_member(&run(&[&TRACED_MEMBER[..], &["--network-secret", SECRET, &node]].concat()).await);

    let mut from_environment = command(&[&TRACED_MEMBER[..], &[&node]].concat());
    from_environment.env("NETWORK_SECRET", SECRET);
    assert_member(&ended(from_environment).await);

    let file = TempFile::new("secret", &format!("{SECRET}\n"));
    assert_member(&run(&[&TRACED_MEMBER[..], &["--network-secret-file", file.path(), &node]].concat()).await);
}

#[tokio::test]
async fn a_wrong_secret_is_not_shown_in_the_error() {
    for scheme in [Scheme::Tcp, Scheme::Udp, Scheme::Wss] {
        let args = ["--network-secret", "hunter2-and-wrong", "--timeout", "2s", &url(scheme)];
        let outcome = run(&[&TRACED_MEMBER[..], &args].concat()).await;
        outcome.assert_code(1);
        assert_eq!(outcome.object()["error"], "secret_mismatch", "{outcome:?}");
        outcome.assert_without("hunter2");
        outcome.assert_without(SECRET);
    }
}

#[tokio::test]
async fn a_secret_is_not_shown_when_the_command_is_refused() {
    let broken =
        TempFile::new("broken.toml", &format!("[[peers]]\nnetwork_secret = \"{SECRET}\"\nurl = \"nonsense\"\n"));
    let cases: [&[&str]; 3] = [
        &["--network-secret", SECRET, "--network-secret-file", "/nowhere", "tcp://127.0.0.1:9"],
        &["--network-secret", SECRET, "nonsense"],
        &["--file", broken.path()],
    ];
    for args in cases {
        let outcome = run(args).await;
        outcome.assert_code(2);
        outcome.assert_without(SECRET);
    }
}

// --- repeated checks -------------------------------------------------------------------------------------------------

#[tokio::test]
async fn with_an_interval_checks_are_repeated_until_interrupted() {
    let node = ScriptedNode::start(Script::default()).await;
    // The shortest interval at which the same node is joined.
    let mut child = command(&["--json", "--interval", "1s", &node.url().to_string()]).spawn().unwrap();
    let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
    for _round in 0..2 {
        let line =
            timeout(Duration::from_secs(10), lines.next_line()).await.expect("a round a second").unwrap().unwrap();
        let object: Value = serde_json::from_str(&line).unwrap();
        assert_eq!(object["status"], "Online");
    }

    kill_process(Pid::from_raw(child.id().unwrap() as i32).unwrap(), Signal::INT).unwrap();
    let status = timeout(Duration::from_secs(10), child.wait()).await.expect("Ctrl-C ends it").unwrap();
    assert_eq!(status.code(), Some(0));
    let mut stderr = String::new();
    child.stderr.take().unwrap().read_to_string(&mut stderr).await.unwrap();
    assert!(stderr.contains("online 2") || stderr.contains("online 3"), "{stderr}");
}

/// Runs in a network namespace with one network, where nobody is, a rule against another, and no route to any other.
#[tokio::test]
async fn a_missing_route_of_the_probe_is_not_the_fault_of_the_peer() {
    let script = "ip link set lo up && ip link add v0 type veth peer name v1 && ip link set v0 up && ip link set v1 up \
                  && ip addr add 198.51.100.1/24 dev v0 && ip route add unreachable 203.0.113.0/24 && exec \"$0\" \"$@\"";
    let mut command = Command::new("unshare");
    command.args(["--net", "--map-root-user", "sh", "-c", script, env!("CARGO_BIN_EXE_easytier-uptime")]).args([
        "check",
        "--json",
        "tcp://192.0.2.1:11010",
        "tcp://203.0.113.1:11010",
        "tcp://198.51.100.9:11010",
    ]);
    let outcome = ended(command).await;
    outcome.assert_code(1);
    let rows: Vec<_> = outcome
        .objects()
        .into_iter()
        .map(|object| ["status", "stage", "error"].map(|field| object[field].as_str().unwrap_or_default().to_owned()))
        .collect();
    let cut_off = ["Unknown", "connect", "probe_unreachable"];
    assert_eq!(rows, [cut_off, cut_off, ["Offline", "connect", "unreachable"]]);
}
