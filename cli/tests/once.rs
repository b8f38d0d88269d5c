//! The `once` command with a real node over real HTTP: its requests, its output and its exit codes.

#![allow(clippy::disallowed_methods, clippy::restriction, reason = "a test fails by a panic")]

#[path = "../../tests/support/backend.rs"]
mod backend;
#[path = "../../tests/support/cycle.rs"]
mod cycle;
#[path = "../../tests/support/hub.rs"]
mod hub;
#[path = "../../tests/support/mod.rs"]
mod support;

use std::{
    fs,
    path::PathBuf,
    process::{ExitStatus, Stdio},
    sync::{LazyLock, Mutex},
    time::Duration,
};

use easytier_probe::{PeerUrl, Scheme, backend::BaseUrl};
use quick_xml::{XmlVersion, events::BytesStart, events::Event};
use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::{io::AsyncWriteExt, process::Command, time::Instant};

use self::{
    backend::{Reply, TestBackend, envelope, hub as hub_answer, third_party},
    hub::{Hub, NODE_TOKEN, listed},
    support::{
        closed_port::ClosedPort,
        fake,
        node::{Node, NodeOptions},
    },
};

const API_KEY: &str = "api-key-77d0";
const PEER_SECRET: &str = "peer-secret-91ac";

/// A host name that must be escaped in every output format.
const HOSTILE: &str = "a|b`<img>[x](//e)";

static NODE: LazyLock<Node> = LazyLock::new(|| {
    NodeOptions { hostname: Some(HOSTILE.to_owned()), ..NodeOptions::listening_on(&[Scheme::Tcp]) }
        .start(env!("CARGO_BIN_EXE_easytier-uptime"))
});

fn up() -> PeerUrl {
    NODE.url(Scheme::Tcp)
}

/// The node as a peer with a secret that is not its own.
fn listed_member(id: i64) -> Value {
    let mut peer = listed(id, &up());
    peer["network_name"] = "test-network".into();
    peer["network_secret"] = PEER_SECRET.into();
    peer
}

/// A hub that lists the node, and a peer at each closed port.
async fn hub_with(ports: &[&ClosedPort]) -> Hub {
    Hub::listing(peers_with(ports), 500).await
}

fn peers_with(ports: &[&ClosedPort]) -> Vec<Value> {
    let down = ports.iter().map(|port| port.url(Scheme::Tcp).parse().unwrap());
    (1..).zip([up()].into_iter().chain(down)).map(|(id, url)| listed(id, &url)).collect()
}

/// A run of the command with its own folder and environment.
struct Run {
    command: Command,
    folder: TempDir,
    stdin: String,
}

/// The exit status and the output.
#[derive(Debug)]
struct Outcome {
    status: ExitStatus,
    stdout: String,
    stderr: String,
}

impl Run {
    fn new(args: &[&str]) -> Self {
        let mut command = Command::new(env!("CARGO_BIN_EXE_easytier-uptime"));
        let folder = tempfile::tempdir().unwrap();
        command.arg("once").args(args).env_clear().current_dir(&folder).kill_on_drop(true);
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let run = Self { command, folder, stdin: String::new() };
        // The node has a loopback address, which a backend may not name by default.
        run.env("ALLOW_LOCAL_PEERS", "true")
    }

    /// On a machine of this name.
    fn on_host(name: &str, args: &[&str]) -> Self {
        let mut run = Self::new(&[]);
        let mut command = Command::new("unshare");
        command.args([
            "--uts",
            "--map-root-user",
            "sh",
            "-c",
            "echo \"$0\" >/proc/sys/kernel/hostname && exec \"$@\"",
            name,
        ]);
        command.args([env!("CARGO_BIN_EXE_easytier-uptime"), "once"]).args(args);
        command.env_clear().env("PATH", "/usr/bin:/bin").current_dir(&run.folder).kill_on_drop(true);
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        run.command = command;
        run.env("ALLOW_LOCAL_PEERS", "true")
    }

    /// With this backend, and a token for it.
    fn at(url: &BaseUrl, args: &[&str]) -> Self {
        Self::new(args).env("BACKEND_BASE_URL", &url.to_string()).env("NODE_TOKEN", NODE_TOKEN)
    }

    fn env(mut self, name: &str, value: &str) -> Self {
        self.command.env(name, value);
        self
    }

    fn file(self, name: &str, text: &str) -> Self {
        fs::write(self.path(name), text).unwrap();
        self
    }

    fn stdin(mut self, text: &str) -> Self {
        self.stdin = text.to_owned();
        self
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    async fn ended(self) -> Outcome {
        self.ended_with_files().await.0
    }

    /// The files it left are in the folder.
    async fn ended_with_files(mut self) -> (Outcome, TempDir) {
        let mut child = self.command.spawn().unwrap();
        // The command may end before it reads its input.
        let _ = child.stdin.take().unwrap().write_all(self.stdin.as_bytes()).await;
        let output = child.wait_with_output().await.unwrap();
        let text = |bytes| String::from_utf8(bytes).unwrap();
        let outcome = Outcome { status: output.status, stdout: text(output.stdout), stderr: text(output.stderr) };
        (outcome, self.folder)
    }
}

impl Outcome {
    #[track_caller]
    fn assert_code(&self, code: i32) {
        assert_eq!(self.status.code(), Some(code), "{self:?}");
    }

    #[track_caller]
    fn assert_says(&self, words: &[&str]) {
        for words in words {
            assert!(self.stderr.contains(words), "no '{words}' in {self:?}");
        }
    }

    #[track_caller]
    fn json(&self) -> Value {
        serde_json::from_str(&self.stdout).unwrap_or_else(|error| panic!("no JSON ({error}): {self:?}"))
    }
}

/// The tags of a well-formed document, with their attributes.
fn tags(xml: &str) -> Vec<(String, Vec<(String, String)>)> {
    let attributes = |tag: &BytesStart| {
        tag.attributes()
            .map(|attribute| {
                let attribute = attribute.unwrap();
                let name = String::from_utf8(attribute.key.as_ref().to_vec()).unwrap();
                (name, attribute.normalized_value(XmlVersion::Explicit1_0).unwrap().into_owned())
            })
            .collect()
    };
    let mut reader = quick_xml::Reader::from_str(xml);
    let mut tags = Vec::new();
    loop {
        match reader.read_event().unwrap() {
            Event::Start(tag) | Event::Empty(tag) => {
                tags.push((String::from_utf8(tag.name().as_ref().to_vec()).unwrap(), attributes(&tag)));
            }
            Event::Eof => return tags,
            _ => {}
        }
    }
}

fn attribute<'a>(tag: &'a (String, Vec<(String, String)>), name: &str) -> &'a str {
    &tag.1.iter().find(|(key, _)| key == name).unwrap_or_else(|| panic!("no {name} in {tag:?}")).1
}

// --- a cycle -----------------------------------------------------------------------------------------------------

#[tokio::test]
async fn peers_are_fetched_checked_and_reported_and_shown_in_a_table() {
    let hub = hub_with(&[]).await;
    let outcome = Run::at(&hub.http.url, &["--check-interval", "5m"]).env("SERVER_ID", "ci-7").ended().await;
    outcome.assert_code(0);

    let requests = hub.http.lines();
    assert_eq!(requests, ["GET /peers", "POST /results", "PUT /nodes/status"]);
    let stored: Vec<Value> = hub.stored().into_values().collect();
    assert_eq!(stored.len(), 1);
    assert_eq!((&stored[0]["peer_id"], &stored[0]["status"]), (&1.into(), &"Online".into()));
    let metadata = &hub.statuses()[0]["metadata"];
    assert_eq!((&metadata["check_interval"], &metadata["server_id"]), (&300.into(), &"ci-7".into()));
    assert_eq!((&metadata["total_monitored_nodes"], &metadata["healthy_nodes"]), (&1.into(), &1.into()));

    let lines: Vec<&str> = outcome.stdout.lines().collect();
    assert!(lines[0].starts_with("STATUS"), "{outcome:?}");
    assert!(lines[1].starts_with("online") && lines[1].contains(&up().to_string()), "{outcome:?}");
    assert!(outcome.stdout.contains("1 peer: 1 online, 0 offline, 0 unknown in "), "{outcome:?}");
    assert!(outcome.stdout.ends_with("results: 1 delivered\n"), "{outcome:?}");
    assert_eq!(outcome.stderr, "", "no warnings and no errors");
}

#[tokio::test]
async fn fail_on_decides_which_outcome_is_a_failure() {
    let port = ClosedPort::new();
    let cases = [
        (hub_with(&[&port]).await, "any", 1),
        (hub_with(&[&port]).await, "all", 0),
        (hub_with(&[&port]).await, "never", 0),
        (Hub::listing(peers_with(&[&port]).split_off(1), 500).await, "all", 1),
    ];
    for (hub, fail_on, code) in cases {
        let outcome = Run::at(&hub.http.url, &["--fail-on", fail_on]).ended().await;
        outcome.assert_code(code);
        assert!(outcome.stdout.contains("[connect_refused]"), "{outcome:?}");
        assert_eq!(hub.stored().len(), hub.bodies("POST", "/results")[0]["results"].as_array().unwrap().len());
    }
}

#[tokio::test]
async fn a_dry_run_sends_nothing() {
    let hub = hub_with(&[]).await;
    let outcome = Run::at(&hub.http.url, &["--dry-run"]).ended().await;
    outcome.assert_code(0);
    assert_eq!(hub.http.lines(), ["GET /peers"]);
    assert!(outcome.stdout.ends_with("nothing was reported, because this is a dry run\n"), "{outcome:?}");
}

#[tokio::test]
async fn a_backend_without_peers_is_reported() {
    let hub = Hub::listing(Vec::new(), 500).await;
    let outcome = Run::at(&hub.http.url, &[]).ended().await;
    outcome.assert_code(0);
    assert!(outcome.stdout.contains("the backend lists no peers for this probe"), "{outcome:?}");
}

#[tokio::test]
async fn a_backend_that_does_not_accept_results_gets_none() {
    let peers = peers_with(&[]);
    let backend = TestBackend::start(move |seen| match seen.method.as_str() {
        "GET" => third_party(200, envelope(json!({"peers": peers}))),
        _ => third_party(200, envelope(Value::Null)),
    })
    .await;
    let outcome = Run::at(&backend.url, &[]).ended().await;
    outcome.assert_code(0);
    assert_eq!(backend.lines(), ["GET /peers", "PUT /nodes/status"]);
    assert!(outcome.stdout.contains("the backend does not accept results of single peers"), "{outcome:?}");
}

#[tokio::test]
async fn unfinished_checks_make_the_command_fail() {
    let silent = fake::silent().await;
    let peers = vec![listed(1, &silent.url(Scheme::Tcp).parse().unwrap())];
    let hub = Hub::listing(peers, 500).await;
    let started = Instant::now();
    let outcome = Run::at(&hub.http.url, &["--budget", "2s"]).ended().await;
    outcome.assert_code(1);
    assert!(started.elapsed() < Duration::from_secs(4), "{:?}", started.elapsed());
    assert!(outcome.stdout.contains("1 peer was not checked: the time was up"), "{outcome:?}");
}

// --- lists of peers -------------------------------------------------------------------------------------------------

#[tokio::test]
async fn a_list_needs_no_backend_and_is_not_reported() {
    let port = ClosedPort::new();
    let list = format!("{}\n{}  # down\n", up(), port.url(Scheme::Tcp));
    let alone = Run::new(&["--peers", "nodes.txt"]).file("nodes.txt", &list).ended().await;
    alone.assert_code(1);
    assert!(alone.stdout.ends_with("nothing was reported, because the peers come from a list\n"), "{alone:?}");

    let hub = hub_with(&[]).await;
    let beside_a_backend = Run::at(&hub.http.url, &["--peers", "-"]).stdin(&list).ended().await;
    beside_a_backend.assert_code(1);
    assert!(hub.http.lines().is_empty());

    let masked = format!("{list}tcp://****:11010\n");
    let refused = Run::new(&["--peers", "-"]).stdin(&masked).ended().await;
    refused.assert_code(2);
    refused.assert_says(&["--peers", "line 3: the address in 'tcp://****:11010' is masked"]);
    let skipped = Run::new(&["--peers", "-", "--skip-invalid"]).stdin(&masked).ended().await;
    skipped.assert_code(1);
    skipped.assert_says(&["warning: skipped 1 peer:", "line 3: ", "is masked"]);
}

#[tokio::test]
async fn a_list_with_the_ids_of_the_backend_is_reported_with_report() {
    let hub = hub_with(&[]).await;
    let list = envelope(json!({"peers": [listed(40, &up())]})).to_string();
    let outcome =
        Run::at(&hub.http.url, &["--peers", "peers.json", "--report"]).file("peers.json", &list).ended().await;
    outcome.assert_code(0);
    assert_eq!(hub.bodies("POST", "/results")[0]["results"][0]["peer_id"], 40);
    assert!(hub.bodies("GET", "/peers").is_empty());
}

// --- output ----------------------------------------------------------------------------------------------------------

#[tokio::test]
async fn json_is_one_object_with_the_cycle_and_every_result() {
    let port = ClosedPort::new();
    let hub = hub_with(&[&port]).await;
    let outcome = Run::at(&hub.http.url, &["--format", "json"]).ended().await;
    outcome.assert_code(1);

    let document = outcome.json();
    let cycle = &document["cycle"];
    let counts = ["checked", "online", "offline", "unknown", "skipped", "delivered", "undelivered", "rejected"];
    assert_eq!(counts.map(|name| cycle[name].as_u64().unwrap()), [2, 1, 1, 0, 0, 2, 0, 0]);
    assert_eq!(cycle["failures"], json!({"connect_refused": 1}));
    assert_eq!(cycle["cycle_id"], hub.bodies("POST", "/results")[0]["cycle_id"]);
    let peers = document["peers"].as_array().unwrap();
    assert_eq!(peers.iter().map(|peer| &peer["peer_id"]).collect::<Vec<_>>(), [1, 2]);
    assert_eq!(
        (&peers[0]["hostname"], &peers[1]["error"]),
        (&format!("PublicServer_{HOSTILE}").into(), &"connect_refused".into())
    );
    assert!(outcome.stderr.starts_with("2 peers: 1 online, 1 offline, 0 unknown in "), "{outcome:?}");
}

#[tokio::test]
async fn junit_has_a_test_case_for_each_peer() {
    let port = ClosedPort::new();
    // wg does not work for guests, which is not the fault of the peer.
    let mut peers = peers_with(&[&port]);
    peers.push(listed(3, &"wg://127.0.0.1:9".parse().unwrap()));
    peers[0]["name"] = "a <b> & \"c\" \u{1b}[31m".into();
    let hub = Hub::listing(peers, 500).await;
    let outcome = Run::at(&hub.http.url, &["--format", "junit"]).ended().await;
    outcome.assert_code(1);

    let tags = tags(&outcome.stdout);
    let named = |name: &str| tags.iter().filter(|tag| tag.0 == name).collect::<Vec<_>>();
    let [suite] = named("testsuite").try_into().unwrap();
    let counts = ["tests", "failures", "errors", "skipped"].map(|name| attribute(suite, name));
    assert_eq!(counts, ["3", "1", "0", "1"], "{}", outcome.stdout);
    let cases: Vec<&str> = named("testcase").into_iter().map(|case| attribute(case, "name")).collect();
    assert_eq!(cases, [format!("a <b> & \"c\" [31m ({})", up()), port.url(Scheme::Tcp), "wg://127.0.0.1:9".to_owned()]);
    let [failure] = named("failure").try_into().unwrap();
    assert_eq!(attribute(failure, "type"), "connect_refused");
    assert!(attribute(failure, "message").contains("nothing listens"), "{failure:?}");
    let [skipped] = named("skipped").try_into().unwrap();
    assert!(attribute(skipped, "message").contains("[unsupported_protocol]"), "{skipped:?}");
}

#[tokio::test]
async fn markdown_is_a_table_that_no_node_can_break_out_of() {
    let port = ClosedPort::new();
    let hub = hub_with(&[&port]).await;
    let outcome = Run::at(&hub.http.url, &["--format", "markdown"]).ended().await;
    outcome.assert_code(1);
    let rows: Vec<&str> = outcome.stdout.lines().filter(|line| line.starts_with('|')).collect();
    assert_eq!(rows.len(), 4, "{outcome:?}");
    assert!(rows[2].starts_with("| 🔴 offline |") && rows[2].contains("connect_refused"), "{outcome:?}");
    assert!(rows[3].contains(r"| `PublicServer_a\|b'<img>[x](//e)` |"), "{outcome:?}");
    let ends = |row: &str| row.replace(r"\|", "").matches('|').count();
    assert!(rows.iter().all(|row| ends(row) == ends(rows[0])), "{outcome:?}");
}

#[tokio::test]
async fn the_output_can_go_to_a_file() {
    let hub = hub_with(&[]).await;
    let run = Run::at(&hub.http.url, &["--format", "json", "--output", "results.json"]);
    let (outcome, folder) = run.file("results.json", "of the run before").ended_with_files().await;
    outcome.assert_code(0);
    assert_eq!(outcome.stdout, "");
    outcome.assert_says(&["1 peer: 1 online", "results: 1 delivered"]);
    let document: Value = serde_json::from_str(&read(&folder, "results.json")).unwrap();
    assert_eq!(document["cycle"]["online"], 1);

    let unwritable = Run::at(&hub.http.url, &["--output", "nowhere/results.json"]).ended().await;
    unwritable.assert_code(2);
    unwritable.assert_says(&["cannot write to 'nowhere/results.json'"]);
    assert_eq!(hub.bodies("POST", "/results").len(), 1, "nothing was checked in vain");
}

#[tokio::test]
async fn on_github_actions_the_results_are_appended_to_the_summary_and_their_numbers_to_the_outputs() {
    let hub = hub_with(&[]).await;
    let run = Run::at(&hub.http.url, &[]).env("GITHUB_STEP_SUMMARY", "summary.md").file("summary.md", "# before\n");
    let run = run.env("GITHUB_OUTPUT", "output").file("output", "a=b\n");
    let (outcome, folder) = run.ended_with_files().await;
    outcome.assert_code(0);
    assert_eq!(read(&folder, "output"), "a=b\nonline=1\noffline=0\nunknown=0\n");
    let summary = read(&folder, "summary.md");
    assert!(summary.starts_with("# before\n### EasyTier nodes\n"), "{summary}");
    assert!(summary.contains(&format!("| 🟢 online | `{}` |", up())), "{summary}");

    // A summary that cannot be written does not change the exit code.
    let outcome = Run::at(&hub.http.url, &[]).env("GITHUB_STEP_SUMMARY", "nowhere/summary.md").ended().await;
    outcome.assert_code(0);
    outcome.assert_says(&["warning: cannot append to 'nowhere/summary.md' (GITHUB_STEP_SUMMARY)"]);
}

fn read(folder: &TempDir, name: &str) -> String {
    fs::read_to_string(folder.path().join(name)).unwrap()
}

// --- configuration ---------------------------------------------------------------------------------------------------

#[tokio::test]
async fn all_mistakes_are_reported_together_and_nothing_is_sent() {
    let outcome = Run::new(&["--health-check-pings", "0", "--peers", "list.txt"])
        .file("list.txt", "nonsense\n")
        .file(".env", "NODE_TOKEN=two words\n")
        .env("BACKEND_BASE_URL", "https://user:hunter2@hub.example.com")
        .env("LOG_FORMAT", "yaml")
        .ended()
        .await;
    outcome.assert_code(2);
    assert_eq!(outcome.stdout, "");
    let places = ["--health-check-pings = '0'", "BACKEND_BASE_URL (environment)", "LOG_FORMAT", "--peers", "line 1"];
    outcome.assert_says(&places);
    assert!(!outcome.stderr.contains("hunter2"), "{outcome:?}");
}

#[tokio::test]
async fn without_a_backend_or_a_list_both_are_named() {
    let outcome = Run::new(&[]).ended().await;
    outcome.assert_code(2);
    outcome.assert_says(&["BACKEND_BASE_URL: is not set", "--peers"]);

    let outcome = Run::new(&["--peers", "-", "--report"]).stdin("tcp://192.0.2.7").ended().await;
    outcome.assert_code(2);
    outcome.assert_says(&["BACKEND_BASE_URL: is not set"]);
}

#[tokio::test]
async fn contradictory_and_invalid_options_are_refused() {
    for (args, words) in [
        (&["--peers", "-"][..], "names no peer"),
        (&["--report"], "--peers"),
        (&["--peers", "-", "--report", "--dry-run"], "--dry-run"),
        (&["--budget", "0"], "longer than zero"),
        (&["--format", "xml"], "junit"),
        (&["--rust-log", "easytier=loud"], "info,hyper=debug"),
    ] {
        let outcome = Run::new(args).env("BACKEND_BASE_URL", "http://192.0.2.7").ended().await;
        outcome.assert_code(2);
        outcome.assert_says(&[words]);
    }
}

#[tokio::test]
async fn wrong_log_settings_are_reported_once_with_other_mistakes() {
    let wrong = [("RUST_LOG", "easytier=loud"), ("LOG_FORMAT", "xml"), ("CHECK_CONCURRENCY", "many")];
    let run = wrong.iter().fold(Run::new(&["--peers", "-"]), |run, (name, value)| run.env(name, value));
    let outcome = run.ended().await;
    outcome.assert_code(2);
    outcome.assert_says(&["names no peer"]);
    for (name, value) in wrong {
        let line = format!("{name} (environment) = '{value}': ");
        assert_eq!(outcome.stderr.matches(&line).count(), 1, "{line}\n{}", outcome.stderr);
    }
}

/// A hub binds a token to the first id that comes with it. The host name of a CI runner is another one in each run.
#[tokio::test]
async fn a_token_works_from_one_machine_after_the_other() {
    let bound = Mutex::new(None);
    let hub = Hub::with_exceptions(peers_with(&[]), 500, move |seen, _| {
        let id = seen.body["metadata"]["server_id"].as_str()?.to_owned();
        let bound = bound.lock().unwrap().get_or_insert(id.clone()).clone();
        let taken = json!({"code": 409, "message": "the token belongs to another server_id", "data": null});
        (bound != id).then(|| hub_answer(409, taken).into())
    })
    .await;
    let on_host = |name: &str| {
        let run = Run::on_host(name, &["--fail-on", "never"]);
        run.env("BACKEND_BASE_URL", &hub.http.url.to_string()).env("NODE_TOKEN", NODE_TOKEN)
    };
    for host in ["fv-az1", "fv-az2"] {
        // The action passes the inputs that are not given as empty variables.
        on_host(host).env("SERVER_ID", "").ended().await.assert_code(0);
    }
    assert_eq!(hub.statuses().len(), 2);
    assert!(hub.statuses().iter().all(|status| status["metadata"].get("server_id").is_none()), "{:?}", hub.statuses());

    on_host("fv-az3").env("SERVER_ID", "ci").ended().await.assert_code(0);
    assert_eq!(hub.statuses()[2]["metadata"]["server_id"], "ci");
}

#[tokio::test]
async fn flags_override_the_environment_then_dotenv_then_the_file() {
    let hub = hub_with(&[]).await;
    let toml = format!(
        "backend_base_url = \"{}\"\nnode_token = \"{NODE_TOKEN}\"\n\
         region = \"toml\"\nserver_id = \"toml\"\napi_key = \"toml\"\n",
        hub.http.url
    );
    let outcome = Run::new(&["--config", "probe.toml", "--region", "flag"])
        .file("probe.toml", &toml)
        .file(".env", "REGION=dotenv\nSERVER_ID=dotenv\nAPI_KEY=dotenv\n")
        .env("REGION", "environment")
        .env("SERVER_ID", "environment")
        .ended()
        .await;
    outcome.assert_code(0);
    let listing = &hub.http.requests()[0];
    assert_eq!(listing.line(), "GET /peers?region=flag");
    assert_eq!(listing.header("x-api-key"), Some("dotenv"));
    assert_eq!(listing.header("x-node-token"), Some(NODE_TOKEN));
    assert_eq!(hub.statuses()[0]["metadata"]["server_id"], "environment");
}

#[tokio::test]
async fn the_log_is_json_on_request() {
    let hub = hub_with(&[]).await;
    let run = Run::at(&hub.http.url, &["--log-format", "json", "--rust-log", "debug"]);
    let outcome = run.ended().await;
    outcome.assert_code(0);
    let lines: Vec<Value> = outcome.stderr.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert!(lines.iter().any(|line| line["message"] == "sent a request to the backend"), "{outcome:?}");
}

// --- failures --------------------------------------------------------------------------------------------------------

/// The response to a wrong token.
fn unauthorized() -> Reply {
    hub_answer(401, json!({"code": 401, "message": "unknown token", "data": null})).into()
}

#[tokio::test]
async fn refused_credentials_are_reported_once_as_a_configuration_error() {
    let hub = Hub::with_exceptions(Vec::new(), 500, |_, _| Some(unauthorized())).await;
    let outcome = Run::at(&hub.http.url, &["--format", "json"]).ended().await;
    outcome.assert_code(2);
    assert_eq!(outcome.stderr.matches("401").count(), 1, "{outcome:?}");
    outcome.assert_says(&[
        "no peers could be fetched: GET http://",
        "refused NODE_TOKEN (401 Unauthorized: unknown token)",
    ]);
    assert_eq!(hub.http.lines(), ["GET /peers"]);
    assert!(outcome.json()["cycle"]["fetch_error"].as_str().unwrap().contains("401"));
}

#[tokio::test]
async fn results_are_printed_even_if_the_token_may_not_report() {
    let hub = Hub::with_exceptions(peers_with(&[]), 500, |seen, _| (seen.method != "GET").then(unauthorized)).await;
    let outcome = Run::at(&hub.http.url, &["--format", "json"]).ended().await;
    outcome.assert_code(2);
    assert_eq!(outcome.stderr.matches("401").count(), 1, "{outcome:?}");
    outcome.assert_says(&["1 result was not delivered: POST http://", "results: 1 not delivered"]);
    assert_eq!(outcome.json()["peers"][0]["status"], "Online");
}

#[tokio::test]
async fn an_unreachable_backend_has_its_own_exit_code() {
    let closed = ClosedPort::new();
    let outcome = Run::at(&closed.url("http").parse().unwrap(), &["--budget", "2s", "--format", "junit"]).ended().await;
    outcome.assert_code(3);
    outcome.assert_says(&["error: no peers could be fetched: GET http://127.0.0.1:", "no connection"]);
    let tags = tags(&outcome.stdout);
    let case = tags.iter().find(|tag| tag.0 == "testcase").unwrap();
    assert_eq!(attribute(case, "name"), "the backend lists its peers");
    assert!(tags.iter().any(|tag| tag.0 == "error"), "{outcome:?}");
}

#[tokio::test]
async fn a_backend_that_does_not_answer_is_unreachable() {
    let backend = TestBackend::start(|_| Reply::Silence).await;
    let outcome = Run::at(&backend.url, &["--budget", "1s"]).ended().await;
    outcome.assert_code(3);
    outcome.assert_says(&["error: no peers could be fetched: "]);
}

#[tokio::test]
async fn results_that_cannot_be_delivered_are_counted_and_shown() {
    let port = ClosedPort::new();
    let broken = || hub_answer(503, json!({"code": 503, "message": "moving house", "data": null})).into();
    let hub =
        Hub::with_exceptions(peers_with(&[&port]), 500, move |seen, _| (seen.method == "POST").then(broken)).await;
    let run = Run::at(&hub.http.url, &["--budget", "3s", "--format", "json", "--output", "results.json"]);
    let (outcome, folder) = run.env("GITHUB_STEP_SUMMARY", "summary.md").ended_with_files().await;
    outcome.assert_code(3);
    outcome.assert_says(&["error: 2 results were not delivered: ", "moving house", "results: 2 not delivered"]);
    let document: Value = serde_json::from_str(&read(&folder, "results.json")).unwrap();
    assert_eq!((&document["cycle"]["undelivered"], document["peers"].as_array().unwrap().len()), (&2.into(), 2));
    let summary = read(&folder, "summary.md");
    assert!(summary.contains("**error**: `2 results were not delivered: "), "{summary}");
}

#[tokio::test]
async fn no_secret_is_shown_at_any_log_level() {
    let everything = "trace,easytier=trace,hyper=trace,hyper_util=trace,reqwest=trace,rustls=trace,h2=trace,mio=trace";
    // A backend whose error repeats the headers of the request.
    let echoing = |seen: &backend::Seen, _| {
        let text = format!("{:?}", seen.headers.values().collect::<Vec<_>>());
        (seen.method == "PUT").then(|| hub_answer(500, json!({"code": 500, "message": text, "data": null})).into())
    };
    let mut peers = peers_with(&[]);
    peers.push(listed_member(2));
    let hub = Hub::with_exceptions(peers, 500, echoing).await;
    for format in ["text", "json", "junit", "markdown"] {
        let run = Run::at(&hub.http.url, &["--budget", "3s", "--format", format]).env("API_KEY", API_KEY);
        let (outcome, folder) =
            run.env("RUST_LOG", everything).env("GITHUB_STEP_SUMMARY", "summary.md").ended_with_files().await;
        outcome.assert_code(3);
        outcome.assert_says(&["TRACE hyper", "sending the handshake", "[redacted]"]);
        assert!(outcome.stdout.contains("secret_mismatch"), "{outcome:?}");
        for secret in [NODE_TOKEN, API_KEY, PEER_SECRET] {
            for text in [&outcome.stdout, &outcome.stderr, &read(&folder, "summary.md")] {
                assert!(!text.contains(secret), "'{secret}' in {text}");
            }
        }
    }
}
