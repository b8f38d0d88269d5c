//! The configuration: its layers, its validation, and its errors.

#![allow(clippy::disallowed_methods, clippy::restriction, reason = "a test fails by a panic")]

#[path = "../../tests/support/logs.rs"]
mod logs;

use std::{collections::BTreeMap, ffi::OsString, fs, os::unix::ffi::OsStringExt, time::Duration};

use easytier_probe::{AddressPolicy, Secret, backend::ReportStyle};
use easytier_uptime_config::{
    ConfigErrors, LogFormat, PROBE_SETTINGS, ProbeConfig, Reader, Setting, Sources,
    duration::{self, DurationError},
    values,
};
use proptest::prelude::*;
use tempfile::TempDir;

/// Sources without a value, with an empty directory.
fn no_sources() -> (Sources, TempDir) {
    let directory = tempfile::tempdir().expect("a folder");
    (Sources { directory: directory.path().to_owned(), ..Sources::default() }, directory)
}

/// The environment as the only source.
fn environment(values: &[(&str, &str)]) -> Result<ProbeConfig, ConfigErrors> {
    let (sources, _directory) = no_sources();
    ProbeConfig::load(&Sources { environment: variables(values), ..sources })
}

fn variables(values: &[(&str, &str)]) -> BTreeMap<String, OsString> {
    values.iter().map(|(name, value)| ((*name).to_owned(), value.into())).collect()
}

/// A TOML file as the only source, apart from the variable that names it.
fn toml(text: &str) -> Result<ProbeConfig, ConfigErrors> {
    let (mut sources, directory) = no_sources();
    fs::write(directory.path().join("probe.toml"), text).unwrap();
    sources.environment = variables(&[("CONFIG_FILE", "probe.toml")]);
    ProbeConfig::load(&sources)
}

/// The errors, one per line, without the line above them.
fn lines(result: Result<ProbeConfig, ConfigErrors>) -> Vec<String> {
    let shown = result.expect_err("not valid").to_string();
    shown.lines().skip(1).map(|line| line.trim().to_owned()).collect()
}

#[test]
fn without_sources_the_defaults_apply() {
    let config = environment(&[]).unwrap();
    assert!(!config.distributed_mode_enabled);
    assert!(config.backend_base_url.is_empty() && config.node_token.is_none() && config.api_key.is_none());
    assert_eq!(config.peer_fetch_interval, Duration::from_secs(60));
    assert_eq!(config.status_report_interval, Duration::from_secs(30));
    assert_eq!(config.health_check_interval, Duration::from_secs(5));
    assert_eq!(config.peer_forget_after, Duration::from_secs(86_400));
    assert_eq!(config.health_check_timeout, Duration::from_secs(5));
    assert_eq!((config.health_check_pings, config.check_concurrency), (3, 512));
    assert_eq!((config.server_host.to_string().as_str(), config.server_port), ("127.0.0.1", 8080));
    assert_eq!(config.addresses, AddressPolicy { allow_private: true, allow_local: false });
    assert_eq!(config.database_path.to_str(), Some("uptime.db"));
    assert_eq!((config.report_style, config.log_format), (ReportStyle::Auto, LogFormat::Text));
    assert_eq!(config.rust_log, "info");
    assert!(!config.server_id.is_empty() && !config.server_id.contains(char::is_whitespace));
}

#[test]
fn every_setting_is_read() {
    let config = environment(&[
        ("DISTRIBUTED_MODE_ENABLED", "yes"),
        ("BACKEND_BASE_URL", "https://a.example.com/api, http://192.0.2.1:8080"),
        ("NODE_TOKEN", "ssm:/probe/token"),
        ("API_KEY", "key"),
        ("REGION", "eu west"),
        ("SERVER_ID", "probe-7"),
        ("ENROLLMENT_KEY", "enroll"),
        ("ADVERTISE_ADDR", "[2001:db8::1]:9000"),
        ("REPORT_STYLE", "per-node"),
        ("PEER_FETCH_INTERVAL", "90"),
        ("STATUS_REPORT_INTERVAL", "2m"),
        ("HEALTH_CHECK_INTERVAL", "500ms"),
        ("PROBE_SCHEDULE", "0 */5 * * * MON-FRI"),
        ("PROBE_TIMEZONE", "Europe/Berlin"),
        ("PROBE_JITTER", "2m"),
        ("PEER_FORGET_AFTER", "48h"),
        ("SPOOL_MAX_AGE", "12h"),
        ("SPOOL_MAX_RESULTS", "5000"),
        ("PEERS_FILE", "peers.txt"),
        ("SKIP_INVALID_PEERS", "yes"),
        ("HEALTH_CHECK_TIMEOUT", "3s"),
        ("HEALTH_CHECK_PINGS", "5"),
        ("CHECK_CONCURRENCY", "64"),
        ("SELF_CHECK_TARGETS", "https://example.com, tcp://192.0.2.1:53"),
        ("ALLOW_PRIVATE_PEERS", "false"),
        ("ALLOW_LOCAL_PEERS", "1"),
        ("SERVER_HOST", "::"),
        ("SERVER_PORT", "0"),
        ("DATABASE_PATH", "/var/lib/uptime.db"),
        ("DATABASE_URL", "postgres://u:p@h/d"),
        ("RUST_LOG", "easytier_probe=debug"),
        ("LOG_FORMAT", "json"),
    ])
    .unwrap();
    assert!(config.distributed_mode_enabled);
    let urls: Vec<_> = config.backend_base_url.iter().map(ToString::to_string).collect();
    assert_eq!(urls, ["https://a.example.com/api", "http://192.0.2.1:8080"]);
    assert_eq!(config.node_token, Some(Secret::from("ssm:/probe/token")));
    assert_eq!((config.region.as_deref(), config.server_id.as_str()), (Some("eu west"), "probe-7"));
    let advertised = config.advertise_addr.as_ref().unwrap();
    assert_eq!((advertised.host.to_string().as_str(), advertised.port), ("[2001:db8::1]", Some(9000)));
    assert_eq!(config.report_style, ReportStyle::PerNode);
    assert_eq!(config.peer_fetch_interval, Duration::from_secs(90));
    assert_eq!(config.status_report_interval, Duration::from_secs(120));
    assert_eq!(config.health_check_interval, Duration::from_millis(500));
    assert_eq!(config.probe_schedule.as_deref(), Some("0 */5 * * * MON-FRI"));
    assert_eq!(config.probe_timezone, "Europe/Berlin");
    assert_eq!(config.probe_jitter, Duration::from_secs(120));
    assert_eq!((config.spool_max_age, config.spool_max_results), (Duration::from_secs(12 * 3600), 5000));
    assert_eq!(config.peers_file.as_deref(), Some("peers.txt".as_ref()));
    assert!(config.skip_invalid_peers);
    let targets: Vec<_> = config.self_check_targets.iter().map(ToString::to_string).collect();
    assert_eq!(targets, ["tcp://example.com:443", "tcp://192.0.2.1:53"]);
    assert_eq!(config.addresses, AddressPolicy { allow_private: false, allow_local: true });
    assert_eq!((config.server_host.to_string().as_str(), config.server_port), ("::", 0));
    assert_eq!(config.database_url, Some(Secret::from("postgres://u:p@h/d")));
    assert_eq!(config.log_format, LogFormat::Json);

    let backend = config.backend().unwrap();
    assert_eq!((backend.base_urls.len(), backend.report_style), (2, ReportStyle::PerNode));
    assert_eq!(backend.region.as_deref(), Some("eu west"));
    let checks = config.checks();
    assert_eq!((checks.timeout, checks.pings), (Duration::from_secs(3), 5));
    assert_eq!(checks.addresses, config.addresses);
}

#[test]
fn flags_override_the_environment_then_dotenv_then_toml() {
    let (mut sources, directory) = no_sources();
    fs::write(
        directory.path().join("probe.toml"),
        "health_check_pings = 1\nserver-port = 1\nregion = \"toml\"\napi_key = \"toml\"\nbackend_base_url = \
         [\"http://a\", \"http://b\"]\nallow_local_peers = true",
    )
    .unwrap();
    fs::write(
        directory.path().join(".env"),
        "# a comment\nexport HEALTH_CHECK_PINGS=2\nSERVER_PORT=2\nREGION='dot env'\nSOMEBODY_ELSES=7\n\
         CONFIG_FILE=probe.toml\n",
    )
    .unwrap();
    sources.environment = variables(&[("HEALTH_CHECK_PINGS", "3"), ("SERVER_PORT", "3"), ("UNRELATED", "?")]);
    sources.flags = BTreeMap::from([("HEALTH_CHECK_PINGS".to_owned(), "4".to_owned())]);

    let config = ProbeConfig::load(&sources).unwrap();
    assert_eq!((config.health_check_pings, config.server_port), (4, 3));
    assert_eq!((config.region.as_deref(), config.api_key), (Some("dot env"), Some("toml".into())));
    assert_eq!(config.backend_base_url.len(), 2);
    assert!(config.addresses.allow_local);
    assert!(std::env::var_os("SOMEBODY_ELSES").is_none(), "the environment of the process is left alone");
}

#[test]
fn an_empty_value_counts_as_no_value() {
    let (mut sources, directory) = no_sources();
    fs::write(directory.path().join(".env"), "REGION=eu\n").unwrap();
    sources.environment = variables(&[("REGION", ""), ("API_KEY", ""), ("HEALTH_CHECK_PINGS", "")]);
    let config = ProbeConfig::load(&sources).unwrap();
    assert_eq!((config.region.as_deref(), config.api_key, config.health_check_pings), (Some("eu"), None, 3));
}

#[test]
fn defaults_of_the_sources_replace_those_of_the_table() {
    let (sources, _directory) = no_sources();
    let mut sources = Sources { defaults: BTreeMap::from([("ALLOW_PRIVATE_PEERS", "false")]), ..sources };
    assert!(!ProbeConfig::load(&sources).unwrap().addresses.allow_private);
    sources.environment = variables(&[("ALLOW_PRIVATE_PEERS", "true")]);
    assert!(ProbeConfig::load(&sources).unwrap().addresses.allow_private);
}

#[test]
fn all_mistakes_are_reported_at_once_with_what_to_write() {
    let (mut sources, directory) = no_sources();
    fs::write(directory.path().join("probe.toml"), "peer_fetch_intervall = 5\nserver_port = 70000\nlog_format = 1.5\n")
        .unwrap();
    fs::write(directory.path().join(".env"), "HEALTH_CHECK_PINGS=0\nNODE_TOKEN=s3cr3t s3cr3t\n").unwrap();
    sources.environment = variables(&[
        ("CONFIG_FILE", "probe.toml"),
        ("DISTRIBUTED_MODE_ENABLED", "maybe"),
        ("PEER_FETCH_INTERVAL", "1 minute"),
        ("STATUS_REPORT_INTERVAL", "1500ms"),
        ("HEALTH_CHECK_INTERVAL", "50ms"),
        ("SPOOL_MAX_RESULTS", "5"),
        ("HEALTH_CHECK_TIMEOUT", "0"),
        ("SERVER_HOST", "everywhere"),
        ("REPORT_STYLE", "loud"),
        ("ADVERTISE_ADDR", "localhost:8080"),
        ("DATABASE_URL", "mysql://u:s3cr3t@h/d"),
        ("BACKEND_BASE_URL", "https://u:s3cr3t@h/x?key=s3cr3t,hub.example.com"),
    ]);
    sources.environment.insert("REGION".to_owned(), OsString::from_vec(vec![0xff]));
    sources.flags = BTreeMap::from([("CHECK_CONCURRENCY".to_owned(), "many".to_owned())]);

    let shown = lines(ProbeConfig::load(&sources));
    let expected = [
        "REGION (environment): write it in UTF-8",
        ".env, line 2: write each line as NAME=VALUE",
        "log_format (probe.toml): write a string, a number, true or false",
        "peer_fetch_intervall (probe.toml): there is no such setting; did you mean peer_fetch_interval?",
        "DISTRIBUTED_MODE_ENABLED (environment) = 'maybe': write true or false",
        "BACKEND_BASE_URL (environment) = '…@h/x,hub.example.com': carries a user name or password",
        "ADVERTISE_ADDR (environment) = 'localhost:8080': write the address at which other machines reach this one",
        "REPORT_STYLE (environment) = 'loud': write one of auto, results, status, per-node, neo",
        "PEER_FETCH_INTERVAL (environment) = '1 minute': write a whole number of seconds",
        "STATUS_REPORT_INTERVAL (environment) = '1500ms': write whole seconds, at least 1s",
        "HEALTH_CHECK_INTERVAL (environment) = '50ms': write at least 100ms",
        "SPOOL_MAX_RESULTS (environment) = '5': write a whole number from 1000",
        "HEALTH_CHECK_TIMEOUT (environment) = '0': must be longer than zero",
        "HEALTH_CHECK_PINGS (.env) = '0': write a whole number from 1 to 100",
        "--check-concurrency = 'many': write a whole number from 1 to 65535",
        "SERVER_HOST (environment) = 'everywhere': write an IP address of this machine",
        "server_port (probe.toml) = '70000': write a port from 1 to 65535",
        "DATABASE_URL (environment): write it as postgres://USER:PASSWORD@HOST/DATABASE, or leave it out and name a SQLite file with DATABASE_PATH",
    ];
    assert_eq!(shown.len(), expected.len(), "{shown:#?}");
    for (line, start) in shown.iter().zip(expected) {
        assert!(line.starts_with(start), "'{line}' should start with '{start}'");
    }
    assert!(!shown.join("\n").contains("s3cr3t"));
}

#[test]
fn a_distributed_probe_needs_a_hub_and_a_token_or_an_enrollment_key() {
    let shown = lines(environment(&[("DISTRIBUTED_MODE_ENABLED", "true")]));
    assert_eq!(shown.len(), 2, "{shown:#?}");
    assert!(shown[0].starts_with("BACKEND_BASE_URL: is not set; "), "{}", shown[0]);
    assert!(shown[1].starts_with("NODE_TOKEN: is not set; ") && shown[1].contains("hub token create"), "{}", shown[1]);

    let given = [("DISTRIBUTED_MODE_ENABLED", "true"), ("BACKEND_BASE_URL", "http://h"), ("ENROLLMENT_KEY", "k")];
    environment(&given).unwrap();
    // A wrong value is not reported as missing too.
    let wrong = [("DISTRIBUTED_MODE_ENABLED", "true"), ("BACKEND_BASE_URL", "h"), ("NODE_TOKEN", "t")];
    assert_eq!(lines(environment(&wrong)).len(), 1);
    assert!(environment(&[]).unwrap().backend().unwrap_err().to_string().contains("BACKEND_BASE_URL: is not set"));
}

#[test]
fn a_daemon_takes_the_url_of_discovery_for_its_backend() {
    let daemon = [("DISTRIBUTED_MODE_ENABLED", "true"), ("NODE_TOKEN", "t"), ("DISCOVERY_SERVER_URL", "http://h")];
    let urls = |more: &[(&str, &str)]| {
        let config = environment(&[&daemon[..], more].concat())?;
        Ok(config.backend().unwrap().base_urls.iter().map(ToString::to_string).collect::<Vec<_>>())
    };
    assert_eq!(urls(&[]).unwrap(), ["http://h"]);
    assert_eq!(urls(&[("BACKEND_BASE_URL", "http://h/")]).unwrap(), ["http://h"]);
    let different: ConfigErrors = urls(&[("BACKEND_BASE_URL", "http://other")]).unwrap_err();
    let shown = different.to_string();
    assert!(shown.contains("DISCOVERY_SERVER_URL (environment): names another URL than BACKEND_BASE_URL"), "{shown}");
    assert_eq!(shown.lines().count(), 2, "{shown}");
    // Others than a daemon fetch nothing from there.
    assert!(environment(&daemon[2..]).unwrap().backend_base_url.is_empty());
    let secret = environment(&[("DISCOVERY_SERVER_URL", "https://u:s3cr3t@h/")]).unwrap_err().to_string();
    assert!(!secret.contains("s3cr3t"), "{secret}");
}

#[test]
fn unknown_and_repeated_keys_in_a_toml_file_are_errors() {
    let shown = lines(toml(
        "colour = 'red'\nregion = 'a'\nserver-id = 'a'\nserver_id = 'b'\nSERVER_PORT = 1\nconfig_file = 'x'\n\
         [hub]\nx = 1\n",
    ));
    let starts = [
        "SERVER_PORT (probe.toml): there is no such setting; did you mean server_port?",
        "colour (probe.toml): there is no such setting",
        "config_file (probe.toml): there is no such setting",
        "hub (probe.toml): there is no such setting",
        "server_id (probe.toml): occurs twice",
    ];
    assert_eq!(shown.len(), starts.len(), "{shown:#?}");
    for (line, start) in shown.iter().zip(starts) {
        assert!(line.starts_with(start), "'{line}' should start with '{start}'");
    }
}

#[test]
fn an_unreadable_file_is_reported_without_its_contents() {
    let shown = lines(toml("region = 'eu'\nnode_token = s3cr3t\n")).join("\n");
    assert!(shown.starts_with("CONFIG_FILE (environment) = 'probe.toml': not TOML, at line 2: "), "{shown}");
    assert!(!shown.contains("s3cr3t"), "{shown}");

    let shown = lines(environment(&[("CONFIG_FILE", "absent.toml")])).join("\n");
    assert!(shown.contains("'absent.toml': cannot be read: No such file"), "{shown}");

    let (sources, directory) = no_sources();
    fs::write(directory.path().join(".env"), [b'A', b'=', 0xff, b'\n']).unwrap();
    assert_eq!(lines(ProbeConfig::load(&sources)), [".env: cannot be read: stream did not contain valid UTF-8"]);
}

#[test]
fn no_secret_is_printed_or_logged() {
    let logs = logs::Logs::collect();
    let (mut sources, directory) = no_sources();
    fs::write(directory.path().join(".env"), "API_KEY=s3cr3t-dotenv\n").unwrap();
    fs::write(directory.path().join("probe.toml"), "enrollment_key = 's3cr3t-toml'\n").unwrap();
    sources.environment = variables(&[("CONFIG_FILE", "probe.toml"), ("DATABASE_URL", "postgres://u:s3cr3t-db@h/d")]);
    sources.flags = BTreeMap::from([("NODE_TOKEN".to_owned(), "s3cr3t-flag".to_owned())]);
    let config = ProbeConfig::load(&sources).unwrap();
    let printed = format!("{sources:?} {config:#?}");
    assert!(printed.matches("[redacted]").count() == 4 && !printed.contains("s3cr3t"), "{printed}");

    for setting in PROBE_SETTINGS.iter().filter(|setting| setting.is_secret) {
        let errors = environment(&[(setting.name, "s3cr3t\n s3cr3t")]).unwrap_err();
        assert!(!format!("{errors} {errors:?}").contains("s3cr3t"), "{errors}");
    }
    assert!(!logs.text().contains("s3cr3t"));
}

#[test]
fn flags_can_be_made_from_the_table() {
    let setting = Setting::named("PEER_FETCH_INTERVAL").unwrap();
    assert_eq!((setting.flag().as_str(), setting.key().as_str()), ("peer-fetch-interval", "peer_fetch_interval"));
    assert!(Setting::named("ALLOW_LOCAL_PEERS").unwrap().is_boolean());
    for setting in Setting::all() {
        assert!(!setting.help.is_empty() && !setting.help.ends_with('.') && !setting.value_name.is_empty());
        assert!(setting.default.is_none() || !setting.is_secret, "no default secret: {}", setting.name);
        assert_eq!(Setting::all().filter(|other| other.name == setting.name).count(), 1);
    }
    let (sources, _directory) = no_sources();
    let sources = Sources { flags: BTreeMap::from([("COLOUR".to_owned(), "red".to_owned())]), ..sources };
    assert_eq!(lines(ProbeConfig::load(&sources)), ["COLOUR: there is no such flag"]);
}

#[test]
fn the_hubs_settings_come_from_the_same_layers() {
    // A probe that shares its file with a hub accepts the hub's settings without validating them.
    toml("flap_damping = 3\nhub-key = 'no key at all'\n").unwrap();
    assert_eq!(
        lines(toml("result_retentoin = '24h'")),
        ["result_retentoin (probe.toml): there is no such setting; did you mean result_retention?"]
    );

    let (sources, directory) = no_sources();
    fs::write(directory.path().join(".env"), "RESULT_RETENTION=24h\nEVENT_RETENTION=23h\nHOUR_RETENTION=87841h\n")
        .unwrap();
    let sources = Sources { environment: variables(&[("FLAP_DAMPING", "3")]), ..sources };
    let mut reader = Reader::new(&sources);
    assert_eq!(reader.value("RESULT_RETENTION", values::retention), Duration::from_secs(24 * 3600));
    assert_eq!(reader.value("FIVE_MINUTE_RETENTION", values::retention), Duration::from_secs(48 * 3600));
    assert_eq!(reader.value("FLAP_DAMPING", |text| values::number(text, 1..=100)), 3);
    reader.value("EVENT_RETENTION", values::retention);
    reader.value("HOUR_RETENTION", values::retention);
    reader.require("HUB_KEY", "it is needed here");
    reader.reject("FLAP_DAMPING", "not with that".to_owned());
    let errors = reader.finish(()).unwrap_err().to_string();
    let lines: Vec<&str> = errors.lines().skip(1).map(str::trim).collect();
    assert_eq!(
        lines,
        [
            "EVENT_RETENTION (.env) = '23h': write at least 24h, and at most 87840h (ten years)",
            "HOUR_RETENTION (.env) = '87841h': write at least 24h, and at most 87840h (ten years)",
            "HUB_KEY: is not set; it is needed here",
            "FLAP_DAMPING (environment): not with that",
        ]
    );
}

/// `docker run --env-file` keeps the quotes of the file.
#[test]
fn a_value_in_quotes_is_an_error_that_names_the_quotes() {
    for (name, value) in
        [("NODE_TOKEN", "\"abc\""), ("BACKEND_BASE_URL", "'https://hub.example.com'"), ("SERVER_PORT", "\"80\"")]
    {
        let told = lines(environment(&[(name, value)]));
        assert!(told.len() == 1 && told[0].contains("is in quotes") && !told[0].contains("abc"), "{told:?}");
    }
}

/// This shows that the configuration reads every setting of the table.
#[test]
fn every_setting_of_the_table_is_validated() {
    // Any text is a path. The scheduler and the programs validate the others.
    const NOT_VALIDATED: [&str; 5] = ["DATABASE_PATH", "PEERS_FILE", "PROBE_SCHEDULE", "PROBE_TIMEZONE", "RUST_LOG"];
    for setting in PROBE_SETTINGS.iter().filter(|setting| !NOT_VALIDATED.contains(&setting.name)) {
        let errors = environment(&[(setting.name, "\u{7} not a valid value")]);
        assert_eq!(lines(errors).len(), 1, "{} is not validated", setting.name);
    }
}

#[test]
fn limits_of_values() {
    let fine = [
        ("HEALTH_CHECK_PINGS", "100"),
        ("CHECK_CONCURRENCY", "65535"),
        ("SERVER_PORT", "65535"),
        ("SERVER_HOST", "localhost"),
        ("PEER_FORGET_AFTER", "8784h"),
        ("ADVERTISE_ADDR", "2001:db8::1"),
        ("ADVERTISE_ADDR", "probe.example.com"),
        ("ADVERTISE_ADDR", "192.0.2.1:80"),
        ("ALLOW_LOCAL_PEERS", "TRUE"),
    ];
    for (name, value) in fine {
        environment(&[(name, value)]).expect(name);
    }
    let wrong = [
        ("HEALTH_CHECK_PINGS", "101"),
        ("CHECK_CONCURRENCY", "0"),
        ("SERVER_PORT", "-1"),
        ("PEER_FORGET_AFTER", "8785h"),
        ("PEER_FORGET_AFTER", "18446744073709551615"),
        ("ADVERTISE_ADDR", "127.0.0.1"),
        ("ADVERTISE_ADDR", "0.0.0.0:80"),
        ("ADVERTISE_ADDR", "h:0"),
        ("ADVERTISE_ADDR", "h:99999"),
        ("SERVER_ID", "a/b"),
        ("REGION", " eu"),
        ("BACKEND_BASE_URL", "http://a,,http://b"),
        ("SELF_CHECK_TARGETS", "example.com"),
        ("SELF_CHECK_TARGETS", "https://a.example.com,"),
    ];
    for (name, value) in wrong {
        assert_eq!(lines(environment(&[(name, value)])).len(), 1, "{name}={value}");
    }
}

proptest! {
    #[test]
    fn a_duration_is_its_number_times_its_unit(
        number in 0..=u64::MAX / 3_600_000,
        (unit, millis) in
            prop::sample::select(vec![("ms", 1), ("", 1000), ("s", 1000), ("m", 60_000), ("h", 3_600_000)]),
    ) {
        prop_assert_eq!(duration::parse(&format!("{number}{unit}")), Ok(Duration::from_millis(number * millis)));
    }

    #[test]
    fn a_duration_never_wraps(number in any::<u128>(), unit in prop::sample::select(vec!["ms", "", "s", "m", "h"])) {
        let millis = match unit { "ms" => 1, "m" => 60_000, "h" => 3_600_000, _ => 1000_u128 };
        let expected = number.checked_mul(millis).and_then(|millis| u64::try_from(millis).ok());
        let expected = expected.map(Duration::from_millis).ok_or(DurationError::TooLong);
        prop_assert_eq!(duration::parse(&format!("{number}{unit}")), expected);
    }

    #[test]
    fn any_text_is_a_duration_or_an_error(text in "\\PC*") {
        if let Ok(duration) = duration::parse(&text) {
            prop_assert!(text.bytes().next().is_some_and(|byte| byte.is_ascii_digit()));
            prop_assert_eq!(duration::parse_positive(&text).is_ok(), duration > Duration::ZERO);
        }
    }
}
