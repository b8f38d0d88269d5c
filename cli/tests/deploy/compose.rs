//! `compose.yaml`: its contents, and its services, run as processes instead of containers.

#[path = "../../../tests/support/node.rs"]
#[allow(dead_code, reason = "a part of it is used")]
pub mod node;
#[path = "../../../store/tests/support/postgres.rs"]
#[allow(dead_code, reason = "a part of it is used")]
mod postgres;

use std::collections::{BTreeMap, BTreeSet};

use easytier_probe::Scheme;
use easytier_uptime_config::Setting;
use node::NodeOptions;
use serde_json::{Map, Value};
use url::Url;

use crate::{
    assert_contains,
    image::STATE,
    program::{PROGRAM, assert_command, assert_refused, assert_setting, default_port},
    read,
    services::{Service, wait_until},
    verify::verify,
};

/// Values for every variable of the example.
const ENV: [(&str, &str); 4] = [
    ("ADMIN_PASSWORD", "of the admin"),
    ("ENROLLMENT_KEY", "made later"),
    ("HUB_KEY", "5e5e5e5e5e5e5e5e5e5e5e5e5e5e5e5e5e5e5e5e5e5e5e5e5e5e5e5e5e5e5e5e"),
    ("POSTGRES_PASSWORD", "of-the-database"),
];

/// The document with its variables replaced, as compose would.
fn document(env: &BTreeMap<String, String>) -> Value {
    let document: Value = serde_saphyr::from_str(&read("deploy/compose.yaml")).unwrap();
    replaced(document, env)
}

fn replaced(value: Value, env: &BTreeMap<String, String>) -> Value {
    match value {
        Value::String(text) => Value::String(interpolated(&text, env)),
        Value::Array(items) => items.into_iter().map(|item| replaced(item, env)).collect(),
        Value::Object(fields) => fields.into_iter().map(|(name, field)| (name, replaced(field, env))).collect(),
        other => other,
    }
}

/// `${NAME:?why}` and `${NAME:-default}`.
fn interpolated(text: &str, env: &BTreeMap<String, String>) -> String {
    let mut parts = text.split("${");
    let mut whole = parts.next().unwrap().to_owned();
    for part in parts {
        let (variable, rest) = part.split_once('}').expect("it ends");
        let (name, otherwise) = variable.split_once(':').expect("a default or an error");
        whole += match env.get(name).filter(|value| !value.is_empty()) {
            Some(value) => value,
            None => otherwise.strip_prefix('-').unwrap_or_else(|| panic!("{name}{otherwise}")),
        };
        whole += rest;
    }
    whole
}

fn complete() -> BTreeMap<String, String> {
    ENV.map(|(name, value)| (name.to_owned(), value.to_owned())).into()
}

fn services(document: &Value) -> &Map<String, Value> {
    document["services"].as_object().unwrap()
}

/// The services that run the program, by name.
fn ours(document: &Value) -> Vec<(&str, &Value)> {
    let is_ours = |service: &Value| service["image"].as_str().unwrap().starts_with("easytier-uptime:");
    let all = services(document).iter().map(|(name, service)| (name.as_str(), service));
    all.filter(|(_, service)| is_ours(service)).collect()
}

fn command(service: &Value) -> Vec<&str> {
    service["command"].as_array().unwrap().iter().map(|word| word.as_str().unwrap()).collect()
}

fn environment(service: &Value) -> Vec<(&str, &str)> {
    let variables = service["environment"].as_object().unwrap();
    variables.iter().map(|(name, value)| (name.as_str(), value.as_str().unwrap())).collect()
}

#[test]
fn it_follows_the_specification() {
    // The parser refuses unknown fields and missing volumes and services.
    let text = serde_json::to_string(&document(&complete())).unwrap();
    let compose = compose_spec::Compose::options().from_yaml_str(&text).unwrap();
    compose.validate_all().unwrap();
    assert!(compose_spec::Compose::options().from_yaml_str(&text.replace("mem_limit", "memory_limit")).is_err());
}

#[test]
fn its_services_get_settings_that_their_commands_read() {
    let document = document(&complete());
    let ours = ours(&document);
    assert_eq!(ours.iter().map(|(name, _)| *name).collect::<BTreeSet<_>>(), ["hub", "probe-asia", "probe-eu"].into());
    for (name, service) in ours {
        let usage = assert_command(&command(service));
        environment(service).iter().for_each(|(variable, _)| assert_setting(&usage, variable));
        assert_eq!(service["image"], format!("easytier-uptime:{}", env!("CARGO_PKG_VERSION")));
        for volume in service["volumes"].as_array().into_iter().flatten() {
            let (volume, place) = volume.as_str().unwrap().split_once(':').unwrap();
            assert_eq!((volume, place), (name, STATE));
            assert!(document["volumes"].as_object().unwrap().contains_key(volume));
        }
        for port in service["ports"].as_array().into_iter().flatten() {
            assert_eq!(port.as_str().unwrap().rsplit_once(':').unwrap().1, default_port().to_string());
        }
    }
}

/// Through the published port, a web server on the machine has the address of the gateway.
#[test]
fn the_hub_trusts_the_machine_and_nothing_else() {
    let document = document(&complete());
    let network = &document["networks"]["default"]["ipam"]["config"][0];
    let hub = environment(&services(&document)["hub"]);
    assert_eq!(hub.iter().find(|(name, _)| *name == "TRUSTED_PROXIES").unwrap().1, network["gateway"]);
    let published = services(&document)["hub"]["ports"][0].as_str().unwrap();
    assert!(published.starts_with("127.0.0.1:"), "others reach the hub through the web server only");
}

/// Without them nothing starts, and an error says what to do.
#[test]
fn no_secret_has_a_default() {
    let text = read("deploy/compose.yaml");
    for line in text.lines().filter(|line| !line.trim_start().starts_with('#')) {
        let Some((name, value)) = line.trim().split_once(": ") else { continue };
        let is_secret = name == "POSTGRES_PASSWORD" || Setting::named(name).is_some_and(|setting| setting.is_secret);
        // The probes report it themselves: the key does not exist yet when the hub starts.
        assert!(!is_secret || value.contains(":?") || value == "${ENROLLMENT_KEY:-}", "{line}");
    }
    let names: BTreeSet<&str> = text.split("${").skip(1).filter_map(|part| part.split(':').next()).collect();
    assert_eq!(names, ENV.map(|(name, _)| name).into());
    let example = read("deploy/.env.example");
    for name in names {
        assert!(example.contains(&format!("\n{name}=\n")), "{name} is to be filled in");
    }
    let without_key = document(&complete().into_iter().filter(|(name, _)| name != "ENROLLMENT_KEY").collect());
    let probe = environment(&services(&without_key)["probe-eu"]).into_iter();
    let probe: Vec<_> = probe.map(|(name, value)| (name.to_owned(), value.to_owned())).collect();
    let refused = crate::program::run(&["daemon"], &probe);
    assert_eq!(refused.status.code(), Some(2));
    assert_contains(&String::from_utf8_lossy(&refused.stderr), &["NODE_TOKEN: is not set; "]);
    assert_refused(&["hub"], &[("ADMIN_PASSWORD".to_owned(), "short".to_owned())], &["ADMIN_PASSWORD"]);
}

/// The commands in its comments and in those of the example.
#[test]
fn the_commands_in_its_comments_exist() {
    let text = read("deploy/compose.yaml") + &read("deploy/.env.example");
    let commands: Vec<&str> =
        text.lines().filter_map(|line| line.split_once(" exec hub easytier-uptime ")).map(|(_, rest)| rest).collect();
    assert_eq!(commands.len(), 3);
    for command in commands {
        let words: Vec<&str> = command.split('#').next().unwrap().split_whitespace().collect();
        assert_command(&words);
    }
}

/// From an empty database to two regions that watch a node; then one of them stops.
#[tokio::test(flavor = "multi_thread")]
async fn its_services_work_together() {
    let database = postgres::fresh_database().await;
    tokio::task::spawn_blocking(move || work_together(&database)).await.unwrap();
}

fn work_together(database: &str) {
    let mut env = complete();
    let at_first = document(&env);
    let of_database = &services(&at_first)["database"]["environment"];
    let hub = environment(&services(&at_first)["hub"]);
    let changed = |changes: &[(&'static str, String)], all: &[(&str, &str)]| -> Vec<(String, String)> {
        let own = all.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned()));
        own.filter(|(name, _)| changes.iter().all(|(other, _)| other != name))
            .chain(changes.iter().map(|(name, value)| ((*name).to_owned(), value.clone())))
            .collect()
    };
    let start = |args: &[&str], variables: &[(String, String)]| {
        let variables: Vec<_> = variables.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
        Service::start(args, &variables)
    };

    let url: Url = hub.iter().find(|(name, _)| *name == "DATABASE_URL").unwrap().1.parse().unwrap();
    assert_eq!((url.host_str(), url.username()), (Some("database"), of_database["POSTGRES_USER"].as_str().unwrap()));
    assert_eq!(url.password(), of_database["POSTGRES_PASSWORD"].as_str());
    assert_eq!(url.path().strip_prefix('/'), of_database["POSTGRES_DB"].as_str());
    let hub = start(&command(&services(&at_first)["hub"]), &changed(&[("DATABASE_URL", database.to_owned())], &hub));

    env.insert(
        "ENROLLMENT_KEY".to_owned(),
        hub.command(&["hub", "enroll", "create", "--name", "compose", "--any-region", "--uses", "2"]),
    );
    let document = document(&env);
    let mut probes = BTreeMap::new();
    for region in ["eu", "asia"] {
        let service = &services(&document)[&format!("probe-{region}")];
        let variables = environment(service);
        let backend: Url = variables.iter().find(|(name, _)| *name == "BACKEND_BASE_URL").unwrap().1.parse().unwrap();
        assert_eq!((backend.host_str(), backend.port()), (Some("hub"), Some(default_port())));
        assert!(variables.contains(&("REGION", region)));
        let changes = [
            ("BACKEND_BASE_URL", hub.url.clone()),
            // For the node of this test on the loopback interface, and for short waits.
            ("ALLOW_LOCAL_PEERS", "true".to_owned()),
            ("PEER_FETCH_INTERVAL", "1s".to_owned()),
            ("HEALTH_CHECK_INTERVAL", "1s".to_owned()),
        ];
        probes.insert(region, start(&command(service), &changed(&changes, &variables)));
    }
    let node = NodeOptions::listening_on(&[Scheme::Tcp]).start(PROGRAM);
    let address = node.url(Scheme::Tcp).to_string();
    hub.command(&["hub", "peer", "add", &address, "--name", "the node"]);
    wait_until("both regions say that the node is healthy", || {
        let regions = hub.get("/api/nodes/1/regions", "")["data"]["regions"].as_array().cloned().unwrap_or_default();
        regions.len() == 2 && regions.iter().all(|region| region["status"] == "healthy")
    });
    // Lists of visitors may be a second old.
    wait_until("the list says it too", || {
        hub.get("/api/nodes", "")["data"]["items"][0]["current_health_status"] == "healthy"
    });

    let key = hub.command(&["hub", "key", "create", "--name", "verify"]);
    let credentials = [("API_KEY", key.as_str())];
    let (code, report) = verify(&[&hub.url, "--grace", "0"], &credentials);
    assert_contains(
        &report,
        &[
            "ok     it is healthy: the hub works\n",
            "ok     its clock and that of this machine agree\n",
            "ok     its API is described, version ",
            "ok     reporting results, listing probes and the admin's data need a token\n",
            "ok     the admin's password is not a common one\n",
            "ok     nodes listed: 1 (1 healthy)\n",
            "ok     the public lists contain no secrets and no contacts\n",
            "ok     the status of every node is fresh\n",
            "ok     probes there: 2 of 2 (asia 1, eu 1)\n",
            "\nall is well\n",
        ],
    );
    assert_eq!((code, report.contains("WRONG")), (0, false), "{report}");
    // A node token works too.
    let token = hub.command(&["hub", "token", "create", "--name", "another", "--region", "eu"]);
    assert_contains(&verify(&[&hub.url], &[("NODE_TOKEN", &token)]).1, &["probes there: 2 of 2"]);
    assert_contains(&verify(&[&hub.url], &[("API_KEY", "no \"key\" at all\\")]).1, &["WRONG  API_KEY is refused (401"]);

    probes.remove("asia").unwrap().stop();
    let (code, report) = verify(&[&hub.url], &credentials);
    assert_contains(
        &report,
        &["WRONG  the region asia has no live probe: probe-asia, last seen 20", "\n1 thing is wrong\n"],
    );
    assert_eq!(code, 1);
    let (code, report) = verify(&[&hub.url, "--retired", "asia"], &credentials);
    assert_eq!(code, 0, "{report}");
}
