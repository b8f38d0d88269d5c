use easytier_uptime_store::domain::ClockDifference;

use super::*;
use crate::hub::doctor::Severity::{self, Ok as Fine, Problem, Skipped, Warning};

const NOW: Timestamp = Timestamp(1_800_000_000_000);
const GIB: u64 = 1 << 30;

/// The severity, and a word that is said.
#[track_caller]
fn assert_is(finding: &Finding, severity: Severity, word: &str) {
    let said = format!("{} {}", finding.found, finding.advice.as_deref().unwrap_or_default());
    assert!(finding.severity == severity && said.contains(word), "{severity:?} {word:?}: {finding:?}");
    assert_eq!(finding.advice.is_some(), severity >= Warning, "who is to do something is told what: {finding:?}");
}

fn hub(works: bool, warnings: &[&str]) -> HubReading {
    HubReading { works, message: "the hub works".into(), warnings: warnings.iter().map(|one| (*one).into()).collect() }
}

#[test]
fn each_setting_that_is_not_valid_is_a_problem() {
    let findings = configuration("the configuration is not valid:\n  SERVER_PORT: 'x' is no port\n  HUB_KEY: is short");
    assert_eq!(findings.len(), 2);
    assert_is(&findings[1], Problem, "HUB_KEY: is short");
}

#[test]
fn a_database_is_judged_by_whether_it_opens() {
    let version = |is_newer| DatabaseReading::Refused(Refusal::Version(VersionMismatch::of(7, 38, is_newer)));
    let opened =
        |damage: Option<Vec<String>>| DatabaseReading::Opened(Opened { damage, size: 5 << 20, ..Opened::default() });
    for (reading, severity, word) in [
        (DatabaseReading::Missing, Warning, "start the hub once"),
        (DatabaseReading::NoKey("no key".into()), Skipped, "key"),
        (DatabaseReading::OtherKey, Skipped, "key"),
        (version(false), Warning, "backup"),
        (version(true), Problem, "install that version"),
        (DatabaseReading::Failed("connection refused".into()), Problem, "connection refused"),
        (opened(None), Fine, "5.0 MiB"),
        (opened(Some(vec![])), Fine, "no damage"),
        (opened(Some(vec!["page 7 is never used".into()])), Problem, "hub restore"),
    ] {
        assert_is(&database("'uptime.db'", &reading)[0], severity, word);
    }
    let others = Opened { other_hubs: vec!["easytier-uptime 9.8.7 (schema 99)".into()], ..Opened::default() };
    assert_is(&database("of DATABASE_URL", &DatabaseReading::Opened(others))[1], Warning, "9.8.7");
}

#[test]
fn a_key_has_to_fit_and_to_be_private() {
    let opened = || DatabaseReading::Opened(Opened::default());
    let file = |is_open_to_others| Some(KeyReading { file: "uptime.db.key".into(), is_open_to_others });
    for (database, file, severity, word) in [
        (DatabaseReading::NoKey("it is missing".into()), file(false), Problem, "it is missing"),
        (DatabaseReading::OtherKey, file(false), Problem, "uptime.db.key"),
        (DatabaseReading::OtherKey, None, Problem, "HUB_KEY_FILE"),
        (opened(), file(true), Warning, "rotate-secrets"),
        (opened(), file(false), Fine, "fits"),
        (opened(), None, Fine, "fits"),
        (DatabaseReading::Missing, None, Skipped, "not opened"),
    ] {
        assert_is(&key(&database, file.as_ref()), severity, word);
    }
}

#[test]
fn a_clock_agrees_with_the_database_and_with_what_came_before() {
    let at = |seconds: i64| Some(Timestamp(NOW.0 + seconds * 1000));
    for (difference, sign, check, severity, word) in [
        (0, None, None, Fine, "no results yet"),
        (0, at(-5), at(-30), Fine, "30s ago"),
        (0, at(-5), at(100), Fine, "agrees"),
        (2001, at(-5), at(-5), Problem, "NTP"),
        (-2001, None, None, Problem, "behind"),
        (0, at(121), at(-5), Problem, "heard from"),
        (0, at(-5), at(3600), Problem, "newest check was made 1h"),
    ] {
        let clock_of = ClockDifference { millis: difference };
        let opened = Opened { clock: clock_of, newest_sign: sign, newest_check: check, ..Opened::default() };
        assert_is(&clock(&opened, NOW), severity, word);
    }
}

#[test]
fn a_disk_has_room_for_results_and_for_a_backup() {
    let space = |free, total| Some(DiskSpace { free, total });
    for (space, size, severity, word) in [
        (None, 0, Skipped, "not a file"),
        (space(50 << 20, 100 * GIB), 0, Problem, "50.0 MiB"),
        (space(2 * GIB, 10 * GIB), 3 * GIB, Warning, "less than the database"),
        (space(4 * GIB, 100 * GIB), GIB, Warning, "RESULT_RETENTION"),
        (space(50 * GIB, 100 * GIB), GIB, Fine, "50.0 GiB of 100.0 GiB"),
    ] {
        assert_is(&disk(space, size), severity, word);
    }
}

#[test]
fn a_port_is_free_or_held_by_a_hub_that_works() {
    for (reading, severity, word) in [
        (PortReading::Any, Skipped, "any free port"),
        (PortReading::Free, Fine, "is free"),
        (PortReading::Unusable("permission denied".into()), Problem, "permission denied"),
        (PortReading::Foreign("answered 404".into()), Problem, "answered 404"),
        (PortReading::Hub(hub(false, &[])), Problem, "does not work"),
        (PortReading::Hub(hub(true, &[])), Fine, "the hub works"),
        (PortReading::Hub(hub(true, &["a proxy that is not in TRUSTED_PROXIES"])), Fine, "the hub works"),
        (PortReading::Hub(hub(true, &["the primary does not answer"])), Warning, "the primary does not answer"),
    ] {
        assert_is(&port(&("127.0.0.1".into(), 8080), &reading), severity, word);
    }
}

fn public_url(is_https: bool, answer: Result<HubReading, String>, days: Option<u64>) -> PublicReading {
    let certificate_left = days.map(|days| DAY * u32::try_from(days).unwrap());
    PublicReading { url: "https://hub.example/".into(), is_https, answer, certificate_left }
}

#[test]
fn a_proxy_before_the_hub_is_trusted() {
    let https = public_url(true, Ok(hub(true, &[])), Some(60));
    let seen = || PortReading::Hub(hub(true, &["requests come through a proxy that is not in TRUSTED_PROXIES"]));
    for (trusts, public, port, severity, word) in [
        (true, Some(&https), seen(), Problem, "its log names the address"),
        (false, None, seen(), Problem, "TRUSTED_PROXIES"),
        (false, Some(&https), PortReading::Free, Warning, "is empty"),
        (true, Some(&https), PortReading::Hub(hub(true, &[])), Fine, "no proxy"),
        (false, None, PortReading::Hub(hub(true, &[])), Fine, "no proxy"),
        (true, Some(&https), PortReading::Free, Skipped, "no hub runs"),
    ] {
        assert_is(&proxies(trusts, public, &port), severity, word);
    }
}

#[test]
fn a_public_url_answers_with_a_certificate_that_lasts() {
    let works = || Ok(hub(true, &[]));
    for (reading, severity, word) in [
        (None, Skipped, "PUBLIC_URL is not set"),
        (Some(public_url(true, Err("certificate expired".into()), None)), Problem, "certificate expired"),
        (Some(public_url(true, Ok(hub(false, &[])), Some(60))), Problem, "not as a hub"),
        (Some(public_url(true, works(), Some(13))), Warning, "13 days"),
        (Some(public_url(true, works(), Some(60))), Fine, "60 days"),
        (Some(public_url(false, works(), None)), Warning, "without encryption"),
    ] {
        assert_is(&public(reading.as_ref()), severity, word);
    }
}
