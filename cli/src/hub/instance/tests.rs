//! What the settings of an instance mean, and which are refused.

use easytier_uptime_config::{ConfigErrors, Sources};

use super::*;

const SECRET: (&str, &str) = ("SYNC_SECRET", "0123456789abcdef0123456789abcdef");
const PRIMARY: (&str, &str) = ("ENABLE_SYNC_API", "true");
const DEPENDENT: (&str, &str) = ("PRIMARY_SYNC_URL", "http://hub-1:3002");

fn environment(values: &[(&str, &str)]) -> Result<InstanceConfig, ConfigErrors> {
    let directory = tempfile::tempdir().unwrap();
    let sources = Sources {
        environment: values.iter().map(|(name, value)| ((*name).to_owned(), value.into())).collect(),
        directory: directory.path().to_owned(),
        ..Sources::default()
    };
    let mut reader = Reader::new(&sources);
    let config = InstanceConfig::read(&mut reader, None);
    reader.finish(config)
}

/// The only mistake.
fn mistake(values: &[(&str, &str)]) -> String {
    let shown = environment(values).expect_err("not valid").to_string();
    let lines: Vec<_> = shown.lines().skip(1).map(|line| line.trim().to_owned()).collect();
    assert_eq!(lines.len(), 1, "{shown}");
    lines[0].clone()
}

#[test]
fn without_settings_an_instance_is_standalone() {
    let config = environment(&[]).unwrap();
    assert_eq!((config.role, config.sync_port), (ConfiguredRole::Standalone, 3002));
    let options = config.options;
    let defaults = InstanceOptions::named(options.name.clone());
    assert!(options.secret.is_none() && options.location.is_none() && options.coordinates.is_none());
    assert_eq!(
        (options.failover_order, options.sync_interval, options.heartbeat_interval),
        (defaults.failover_order, defaults.sync_interval, defaults.heartbeat_interval)
    );
    assert_eq!(
        (options.failover_after, options.connection_timeout),
        (defaults.failover_after, defaults.connection_timeout)
    );
}

#[test]
fn the_settings_name_the_role_and_the_place_of_an_instance() {
    assert_eq!(environment(&[PRIMARY, SECRET]).unwrap().role, ConfiguredRole::Primary);
    let config = environment(&[
        DEPENDENT,
        SECRET,
        ("INSTANCE_NAME", "hub-2"),
        ("INSTANCE_LOCATION", "Frankfurt am Main"),
        ("LATITUDE", "50.1"),
        ("LONGITUDE", "-8.7"),
        ("FAILOVER_ORDER", "1"),
        ("FAILOVER_AFTER", "2m"),
        ("SYNC_INTERVAL", "10"),
        ("HEARTBEAT_INTERVAL", "20"),
        ("CONNECTION_TIMEOUT", "500ms"),
        ("SYNC_API_PORT", "4000"),
    ]);
    let config = config.unwrap();
    assert_eq!(config.role, ConfiguredRole::Dependent { primary: "http://hub-1:3002/".parse().unwrap() });
    let options = config.options;
    assert_eq!((options.name.as_str(), options.location.as_deref()), ("hub-2", Some("Frankfurt am Main")));
    assert_eq!((options.coordinates, options.failover_order), (Some((50.1, -8.7)), 1));
    assert_eq!(options.secret.map(|secret| secret.expose().to_owned()).as_deref(), Some(SECRET.1));
    let durations =
        [options.failover_after, options.sync_interval, options.heartbeat_interval, options.connection_timeout];
    assert_eq!(durations.map(|duration| duration.as_millis()), [120_000, 10_000, 20_000, 500]);
    assert_eq!(config.sync_port, 4000);
}

#[test]
fn an_instance_has_one_role() {
    let both = mistake(&[PRIMARY, DEPENDENT, SECRET]);
    assert!(both.starts_with("PRIMARY_SYNC_URL") && both.contains("excludes ENABLE_SYNC_API"), "{both}");
    for role in [PRIMARY, DEPENDENT] {
        let refused = mistake(&[role, SECRET, ("DISTRIBUTED_MODE_ENABLED", "true")]);
        assert!(refused.starts_with(role.0) && refused.contains("excludes DISTRIBUTED_MODE_ENABLED"), "{refused}");
    }
    assert_eq!(environment(&[("ENABLE_SYNC_API", "false"), DEPENDENT, SECRET]).unwrap().role.role(), Role::Dependent);
}

#[test]
fn a_role_requires_a_long_secret_that_is_never_shown() {
    for role in [PRIMARY, DEPENDENT] {
        let refused = mistake(&[role]);
        assert!(refused.starts_with("SYNC_SECRET: is not set; ") && refused.contains("openssl rand"), "{refused}");
        for bad in ["0123456789abcdef0123456789abcde", "0123456789abcdef 0123456789abcdef"] {
            let refused = mistake(&[role, ("SYNC_SECRET", bad)]);
            assert!(refused.contains("at least 32 characters") && !refused.contains(bad), "{refused}");
        }
    }
    let shown = format!("{:?}", environment(&[PRIMARY, SECRET]).unwrap());
    assert!(!shown.contains(SECRET.1), "{shown}");
}

#[test]
fn a_place_on_the_map_has_two_coordinates() {
    for (given, missing) in [("LATITUDE", "LONGITUDE"), ("LONGITUDE", "LATITUDE")] {
        let refused = mistake(&[(given, "1.5")]);
        assert!(refused.starts_with(&format!("{missing}: is not set; ")), "{refused}");
    }
    for (latitude, longitude) in [("90.5", "0"), ("0", "-180.5"), ("NaN", "0"), ("0", "inf")] {
        let refused = mistake(&[("LATITUDE", latitude), ("LONGITUDE", longitude)]);
        assert!(refused.contains("write a number from -"), "{refused}");
    }
}

#[test]
fn values_out_of_range_are_refused() {
    for (name, value) in [
        ("FAILOVER_ORDER", "-1"),
        ("FAILOVER_ORDER", "1000001"),
        ("FAILOVER_AFTER", "500ms"),
        ("SYNC_INTERVAL", "0"),
        ("HEARTBEAT_INTERVAL", "1500ms"),
        ("CONNECTION_TIMEOUT", "0s"),
        ("SYNC_API_PORT", "65536"),
        ("INSTANCE_NAME", "hub 2"),
        ("PRIMARY_SYNC_URL", "hub-1:3002"),
    ] {
        assert!(mistake(&[(name, value)]).starts_with(name), "{name}={value}");
    }
}

#[tokio::test]
async fn others_reach_an_instance_at_its_own_address_unless_it_says_another() {
    let config = environment(&[PRIMARY, SECRET, ("SYNC_API_PORT", "4000")]).unwrap();
    let own = config.own("192.0.2.1:8080".parse().unwrap()).await;
    assert_eq!(own.options.public_endpoint.as_ref().map(Url::as_str), Some("http://192.0.2.1:4000/"));
    let mut named = config;
    named.options.public_endpoint = "https://hub.example.com/".parse().ok();
    let own = named.own("192.0.2.1:8080".parse().unwrap()).await;
    assert_eq!(own.options.public_endpoint.as_ref().map(Url::as_str), Some("https://hub.example.com/"));
}
