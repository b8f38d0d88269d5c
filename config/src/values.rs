//! Parsers of values. Each error text says what to write instead, without repeating the text, which may be secret.

use std::{
    fmt::Display,
    net::{IpAddr, Ipv4Addr},
    ops::RangeInclusive,
    path::PathBuf,
    time::Duration,
};

use easytier_probe::{
    Secret,
    backend::{BaseUrl, ReportStyle},
    self_check::SelfCheckTarget,
};
use url::Host;

use crate::{LogFormat, duration};

const HOUR: Duration = Duration::from_secs(3600);

/// A year. A longer interval is a mistake, and could overflow a point in time that it is added to.
const MAX_INTERVAL: Duration = HOUR.saturating_mul(366 * 24);

/// A day, because the public list shows the last day.
const MIN_RETENTION: Duration = HOUR.saturating_mul(24);

/// Ten minutes: tests take bandwidth of somebody else's node.
const MIN_RELAY_INTERVAL: Duration = Duration::from_secs(600);

/// Ten years.
const MAX_RETENTION: Duration = HOUR.saturating_mul(10 * 366 * 24);

/// A node, which may be somebody else's, is checked at most ten times a second.
const MIN_CHECK_INTERVAL: Duration = Duration::from_millis(100);

/// The longest region or server id.
const MAX_NAME_BYTES: usize = 128;

/// A host at which other machines reach this one, and optionally a port.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AdvertisedAddress {
    /// A host name or an IP address, never a local one.
    pub host: Host,
    /// The port, never 0. `None` stands for the port of the HTTP server.
    pub port: Option<u16>,
}

/// `true`, `1`, `yes` or `on`; `false`, `0`, `no` or `off`; in any case.
///
/// # Errors
///
/// For any other text.
pub fn boolean(text: &str) -> Result<bool, String> {
    match text.to_ascii_lowercase().as_str() {
        "true" | "1" | "yes" | "on" => Ok(true),
        "false" | "0" | "no" | "off" => Ok(false),
        _ => Err("write true or false".to_owned()),
    }
}

/// Any text.
///
/// # Errors
///
/// Never.
pub fn text(text: &str) -> Result<String, String> {
    Ok(text.to_owned())
}

/// Any text, as a path.
///
/// # Errors
///
/// Never.
pub fn path(text: &str) -> Result<PathBuf, String> {
    Ok(text.into())
}

/// A duration from a millisecond to a year, in the form of [`duration::parse`].
///
/// # Errors
///
/// If the text is not a duration, or is zero or longer than a year.
pub fn interval(text: &str) -> Result<Duration, String> {
    let duration = duration::parse_positive(text).map_err(to_string)?;
    match duration > MAX_INTERVAL {
        true => Err("write at most 8784h (a year)".to_owned()),
        false => Ok(duration),
    }
}

/// The limit of a delay: zero, which is no delay, or an [`interval`].
///
/// # Errors
///
/// If the text is not a duration, or is longer than a year.
pub fn jitter(text: &str) -> Result<Duration, String> {
    match duration::parse(text) {
        Ok(Duration::ZERO) => Ok(Duration::ZERO),
        _ => interval(text),
    }
}

/// An [`interval`] in whole seconds.
///
/// # Errors
///
/// As [`interval`]; also if the interval is not a whole number of seconds.
pub fn whole_seconds(text: &str) -> Result<Duration, String> {
    let duration = interval(text)?;
    match duration.subsec_nanos() {
        0 => Ok(duration),
        _ => Err("write whole seconds, at least 1s".to_owned()),
    }
}

/// An [`interval`] of at least 100 milliseconds.
///
/// # Errors
///
/// As [`interval`]; also if the interval is shorter than 100 milliseconds.
pub fn check_interval(text: &str) -> Result<Duration, String> {
    let duration = interval(text)?;
    match duration >= MIN_CHECK_INTERVAL {
        true => Ok(duration),
        false => Err("write at least 100ms".to_owned()),
    }
}

/// How long data is kept: from a day to ten years.
///
/// # Errors
///
/// If the text is not a duration, or out of range.
pub fn retention(text: &str) -> Result<Duration, String> {
    let duration = duration::parse(text).map_err(to_string)?;
    match (MIN_RETENTION..=MAX_RETENTION).contains(&duration) {
        true => Ok(duration),
        false => Err("write at least 24h, and at most 87840h (ten years)".to_owned()),
    }
}

/// The time between two tests whether a node relays: zero for no tests, else from ten minutes to a day.
///
/// # Errors
///
/// If the text is not a duration, or out of range.
pub fn relay_interval(text: &str) -> Result<Duration, String> {
    let duration = duration::parse(text).map_err(to_string)?;
    match duration.is_zero() || (MIN_RELAY_INTERVAL..=MIN_RETENTION).contains(&duration) {
        true => Ok(duration),
        false => Err("write 10m to 24h, or 0 for no tests".to_owned()),
    }
}

/// A whole number in `range`.
///
/// # Errors
///
/// If the text is not a whole number, or out of range.
pub fn number(text: &str, range: RangeInclusive<u32>) -> Result<u32, String> {
    let number = text.parse().ok().filter(|number| range.contains(number));
    number.ok_or_else(|| format!("write a whole number from {} to {}", range.start(), range.end()))
}

/// A port from 0 to 65535.
///
/// # Errors
///
/// For any other text.
pub fn port(text: &str) -> Result<u16, String> {
    text.parse().map_err(|_| "write a port from 1 to 65535, or 0 for any free port".to_owned())
}

/// An IP address, in brackets or not, or `localhost`.
///
/// # Errors
///
/// For any other text, other host names among them.
pub fn ip_address(text: &str) -> Result<IpAddr, String> {
    match text {
        "localhost" => Ok(Ipv4Addr::LOCALHOST.into()),
        text => text.trim_matches(['[', ']']).parse().map_err(|_| {
            "write an IP address of this machine: 127.0.0.1 for local clients only, 0.0.0.0 or :: for all clients"
                .to_owned()
        }),
    }
}

/// Base URLs, separated by commas.
///
/// # Errors
///
/// If one of them is not a [`BaseUrl`].
pub fn base_urls(text: &str) -> Result<Vec<BaseUrl>, String> {
    text.split(',').map(|url| url.parse().map_err(to_string)).collect()
}

/// Targets of the self-check, separated by commas.
///
/// # Errors
///
/// If one of them is not a [`SelfCheckTarget`].
pub fn self_check_targets(text: &str) -> Result<Vec<SelfCheckTarget>, String> {
    text.split(',').map(|target| target.parse().map_err(to_string)).collect()
}

/// `auto`, `results`, `status`, `per-node` or `neo`.
///
/// # Errors
///
/// For any other text.
pub fn report_style(text: &str) -> Result<ReportStyle, String> {
    text.parse().map_err(to_string)
}

/// `text` or `json`.
///
/// # Errors
///
/// For any other text.
pub fn log_format(text: &str) -> Result<LogFormat, String> {
    match text {
        "text" => Ok(LogFormat::Text),
        "json" => Ok(LogFormat::Json),
        _ => Err("write text or json".to_owned()),
    }
}

/// Whether a text begins and ends with the same quote, as a shell or a file with settings has it.
pub(crate) fn is_quoted(text: &str) -> bool {
    ['"', '\''].iter().any(|quote| text.len() > 1 && text.starts_with(*quote) && text.ends_with(*quote))
}

/// A token or key that fits into an HTTP header: visible ASCII characters.
///
/// # Errors
///
/// If the text holds any other character, such as a space, or is in quotes.
pub fn token(text: &str) -> Result<Secret, String> {
    match text.bytes().all(|byte| byte.is_ascii_graphic()) && !is_quoted(text) {
        true => Ok(text.into()),
        false => Err("holds spaces or characters that no token has; copy it again, without quotes".to_owned()),
    }
}

/// A number of degrees from `-limit` to `limit`.
///
/// # Errors
///
/// When the text is no such number.
pub fn degrees(text: &str, limit: f64) -> Result<f64, String> {
    let degrees = text.parse::<f64>().ok().filter(|degrees| degrees.abs() <= limit);
    degrees.ok_or_else(|| format!("write a number from -{limit} to {limit}, such as 52.5"))
}

/// A secret of at least 32 characters without white space.
///
/// # Errors
///
/// When the text is no such secret.
pub fn sync_secret(text: &str) -> Result<Secret, String> {
    match text.chars().count() >= 32 && !text.contains(char::is_whitespace) && !text.contains(char::is_control) {
        true => Ok(text.into()),
        false => {
            Err("write at least 32 characters without spaces, the same at all instances; make one with 'openssl rand \
                      -hex 32'"
                .to_owned())
        }
    }
}

/// A [`token`] that nobody guesses.
///
/// # Errors
///
/// As [`token`]; also if the text is shorter than 16 characters.
pub fn long_token(text: &str) -> Result<Secret, String> {
    token_of(16, text)
}

/// A [`token`] from which a key is derived.
///
/// # Errors
///
/// As [`token`]; also if the text is shorter than 32 characters.
pub fn control_token(text: &str) -> Result<Secret, String> {
    token_of(32, text)
}

fn token_of(min: usize, text: &str) -> Result<Secret, String> {
    match text.len() < min {
        true => Err(format!("write at least {min} characters; 'openssl rand -hex 24' makes a token")),
        false => token(text),
    }
}

/// The number of pings in one check: 1 to 100.
///
/// # Errors
///
/// For any other text.
pub fn pings(text: &str) -> Result<u32, String> {
    number(text, 1..=100)
}

/// The maximum number of concurrent checks: 1 to 65,535.
///
/// # Errors
///
/// For any other text.
pub fn concurrency(text: &str) -> Result<usize, String> {
    number(text, 1..=65535).map(|number| number as usize)
}

/// The [`BaseUrl`] at which others reach this program.
///
/// # Errors
///
/// If the text is not a [`BaseUrl`].
pub fn base_url(text: &str) -> Result<BaseUrl, String> {
    text.parse().map_err(to_string)
}

/// The URL of a PostgreSQL database. Only its scheme is checked.
///
/// # Errors
///
/// If the scheme is neither `postgres` nor `postgresql`.
pub fn database_url(text: &str) -> Result<Secret, String> {
    match text.starts_with("postgres://") || text.starts_with("postgresql://") {
        true => Ok(text.into()),
        false => {
            Err("write it as postgres://USER:PASSWORD@HOST/DATABASE, or leave it out and name a SQLite file with \
                      DATABASE_PATH"
                .to_owned())
        }
    }
}

/// The name of a region: at most 128 bytes, no space at either end, no control characters.
///
/// # Errors
///
/// For any other text.
pub fn region(text: &str) -> Result<String, String> {
    match text.len() <= MAX_NAME_BYTES && text.trim() == text && !text.contains(char::is_control) {
        true => Ok(text.to_owned()),
        false => Err(format!("write at most {MAX_NAME_BYTES} bytes, with no space at either end")),
    }
}

/// The id of a probe: at most 128 ASCII letters, digits, `.`, `_`, `-`.
///
/// # Errors
///
/// For any other text.
pub fn server_id(text: &str) -> Result<String, String> {
    match text.len() <= MAX_NAME_BYTES && text.chars().all(is_allowed_in_id) {
        true => Ok(text.to_owned()),
        false => Err(format!("write at most {MAX_NAME_BYTES} letters, digits, '.', '_', '-'")),
    }
}

/// A [`server_id`] made from a host name: other characters become `-`; an empty name becomes `probe`.
pub fn host_name_as_id(host_name: &str) -> String {
    let to_allowed = |c| if is_allowed_in_id(c) { c } else { '-' };
    let id: String = host_name.chars().map(to_allowed).take(MAX_NAME_BYTES).collect();
    if id.is_empty() { "probe".to_owned() } else { id }
}

fn is_allowed_in_id(c: char) -> bool {
    c.is_ascii_alphanumeric() || matches!(c, '.' | '_' | '-')
}

/// `HOST` or `HOST:PORT`, with a host that other machines can reach.
///
/// # Errors
///
/// If the text has another form, the host is a loopback or unspecified address, or the port is 0.
pub fn advertised_address(text: &str) -> Result<AdvertisedAddress, String> {
    let (host, port) = host_and_port(text)
        .filter(|(host, port)| !is_local(host) && *port != Some(0))
        .ok_or("write the address at which other machines reach this one, as HOST or HOST:PORT")?;
    Ok(AdvertisedAddress { host, port })
}

fn host_and_port(text: &str) -> Option<(Host, Option<u16>)> {
    match text.parse::<IpAddr>() {
        Ok(IpAddr::V4(ip)) => return Some((Host::Ipv4(ip), None)),
        Ok(IpAddr::V6(ip)) => return Some((Host::Ipv6(ip), None)),
        Err(_) => {}
    }
    let (host, port) = match text.rsplit_once(':') {
        Some((host, port)) if !text.ends_with(']') => (host, Some(port.parse().ok()?)),
        _ => (text, None),
    };
    Some((Host::parse(host).ok()?, port))
}

/// Whether other machines cannot reach this one by this host.
fn is_local(host: &Host) -> bool {
    match host {
        Host::Domain(name) => name == "localhost",
        Host::Ipv4(ip) => ip.is_loopback() || ip.is_unspecified(),
        Host::Ipv6(ip) => ip.is_loopback() || ip.is_unspecified(),
    }
}

fn to_string(error: impl Display) -> String {
    error.to_string()
}
