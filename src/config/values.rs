//! From the text of a value to the value, or what would be right instead. No message repeats the text.

use std::{
    fmt,
    net::{IpAddr, Ipv4Addr},
    str::FromStr,
    time::Duration,
};

use tracing::level_filters::LevelFilter;
use url::Host;

use crate::{
    backend::{BaseUrl, ReportStyle},
    duration,
};

/// The longest duration taken: a year. Longer ones are mistakes, and could not be added to every point in time.
const LONGEST: Duration = Duration::from_secs(366 * 24 * 3600);

const SHORTEST_RETENTION: Duration = Duration::from_secs(24 * 3600);
const LONGEST_RETENTION: Duration = Duration::from_secs(10 * 366 * 24 * 3600);

const SHORTEST_CHECK_INTERVAL: Duration = Duration::from_millis(100);

/// The longest name of a region or a server.
const MAX_NAME_BYTES: usize = 128;

/// How the log is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LogFormat {
    /// For people.
    Text,
    /// One JSON object a line.
    Json,
}

/// A host, and perhaps a port.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Advertised {
    pub host: Host,
    /// The port of the monitoring API when `None`.
    pub port: Option<u16>,
}

pub fn switch(text: &str) -> Result<bool, String> {
    match text.to_ascii_lowercase().as_str() {
        "true" | "1" | "yes" | "on" => Ok(true),
        "false" | "0" | "no" | "off" => Ok(false),
        _ => Err("write true or false".to_owned()),
    }
}

/// Any text.
pub fn text(text: &str) -> Result<String, String> {
    Ok(text.to_owned())
}

pub fn interval(text: &str) -> Result<Duration, String> {
    let duration = duration::parse_positive(text).map_err(|error| error.to_string())?;
    match duration > LONGEST {
        true => Err("write at most 8784h (a year)".to_owned()),
        false => Ok(duration),
    }
}

/// An interval of what is scheduled by the second.
pub fn whole_seconds(text: &str) -> Result<Duration, String> {
    let duration = interval(text)?;
    match duration.subsec_nanos() {
        0 => Ok(duration),
        _ => Err("write whole seconds, at least 1s".to_owned()),
    }
}

/// The largest random delay: zero, which is none, up to a year.
pub fn jitter(text: &str) -> Result<Duration, String> {
    match duration::parse(text) {
        Ok(Duration::ZERO) => Ok(Duration::ZERO),
        _ => interval(text),
    }
}

/// Nobody's node is asked more often than ten times a second.
pub fn check_interval(text: &str) -> Result<Duration, String> {
    let duration = interval(text)?;
    match duration >= SHORTEST_CHECK_INTERVAL {
        true => Ok(duration),
        false => Err("write at least 100ms".to_owned()),
    }
}

/// How long something is kept: at least a day, because that is what the public list tells of.
pub fn retention(text: &str) -> Result<Duration, String> {
    let duration = duration::parse(text).map_err(|error| error.to_string())?;
    match (SHORTEST_RETENTION..=LONGEST_RETENTION).contains(&duration) {
        true => Ok(duration),
        false => Err("write at least 24h, and at most 87840h (ten years)".to_owned()),
    }
}

/// A whole number in `range`.
pub fn number(text: &str, range: std::ops::RangeInclusive<u32>) -> Result<u32, String> {
    let number = text.parse().ok().filter(|number| range.contains(number));
    number.ok_or_else(|| format!("write a whole number from {} to {}", range.start(), range.end()))
}

pub fn port(text: &str) -> Result<u16, String> {
    text.parse().map_err(|_| "write a port from 1 to 65535, or 0 for any that is free".to_owned())
}

pub fn address(text: &str) -> Result<IpAddr, String> {
    match text {
        "localhost" => Ok(Ipv4Addr::LOCALHOST.into()),
        text => text.trim_matches(['[', ']']).parse().map_err(|_| {
            "write an IP address of this machine: 127.0.0.1 for itself alone, 0.0.0.0 or :: for every one".to_owned()
        }),
    }
}

pub fn base_urls(text: &str) -> Result<Vec<BaseUrl>, String> {
    text.split(',').map(|url| url.parse().map_err(displayed)).collect()
}

pub fn report_style(text: &str) -> Result<ReportStyle, String> {
    ReportStyle::from_str(text).map_err(displayed)
}

pub fn log_format(text: &str) -> Result<LogFormat, String> {
    match text {
        "text" => Ok(LogFormat::Text),
        "json" => Ok(LogFormat::Json),
        _ => Err("write text or json".to_owned()),
    }
}

/// The filter of a log, which `parse` makes of directives. A level that names no module is for the modules `ours`; of the
/// libraries beneath them, which have much to say about little, only errors come through unless they are named.
pub fn log_filter<F, E>(text: &str, ours: &[&str], parse: impl FnOnce(String) -> Result<F, E>) -> Result<F, String> {
    let directives = text.split(',').map(|directive| match directive.trim().parse::<LevelFilter>() {
        Ok(level) => ours.iter().map(|module| format!("{module}={level}")).collect::<Vec<_>>().join(","),
        Err(_) => directive.to_owned(),
    });
    let directives = directives.collect::<Vec<_>>().join(",");
    parse(format!("error,{directives}"))
        .map_err(|_| "write error, warn, info, debug or trace, or a filter such as info,hyper=debug".to_owned())
}

/// A token or key: it has to go into a header.
pub fn token(text: &str) -> Result<crate::Secret, String> {
    match text.bytes().all(|byte| byte.is_ascii_graphic()) {
        true => Ok(text.into()),
        false => Err("holds spaces or characters that no token has; copy it again, without quotes".to_owned()),
    }
}

pub fn database_url(text: &str) -> Result<crate::Secret, String> {
    match text.starts_with("postgres://") || text.starts_with("postgresql://") {
        true => Ok(text.into()),
        false => Err("write it as postgres://USER:PASSWORD@HOST/DATABASE, or leave it out and name a SQLite file with DATABASE_PATH".to_owned()),
    }
}

pub fn region(text: &str) -> Result<String, String> {
    match text.len() <= MAX_NAME_BYTES && text.trim() == text && !text.contains(char::is_control) {
        true => Ok(text.to_owned()),
        false => Err(format!("write at most {MAX_NAME_BYTES} bytes, with no space around them")),
    }
}

pub fn server_id(text: &str) -> Result<String, String> {
    match text.len() <= MAX_NAME_BYTES && text.chars().all(is_of_id) {
        true => Ok(text.to_owned()),
        false => Err(format!("write at most {MAX_NAME_BYTES} letters, digits, '.', '_', '-'")),
    }
}

/// The machine's name, made an id.
pub fn host_name_as_id(host_name: &str) -> String {
    let id: String = host_name.chars().map(|c| if is_of_id(c) { c } else { '-' }).take(MAX_NAME_BYTES).collect();
    if id.is_empty() { "probe".to_owned() } else { id }
}

fn is_of_id(c: char) -> bool {
    c.is_ascii_alphanumeric() || matches!(c, '.' | '_' | '-')
}

pub fn advertised(text: &str) -> Result<Advertised, String> {
    let wrong = || "write the address at which other machines reach this one, as HOST or HOST:PORT".to_owned();
    if let Ok(ip) = text.parse::<IpAddr>() {
        let host = match ip {
            IpAddr::V4(ip) => Host::Ipv4(ip),
            IpAddr::V6(ip) => Host::Ipv6(ip),
        };
        return not_local(Advertised { host, port: None }).ok_or_else(wrong);
    }
    let (host, port) = match text.rsplit_once(':') {
        Some((host, port)) if !text.ends_with(']') => (host, Some(port.parse().map_err(|_| wrong())?)),
        _ => (text, None),
    };
    let host = Host::parse(host).map_err(|_| wrong())?;
    not_local(Advertised { host, port }).filter(|_| port != Some(0)).ok_or_else(wrong)
}

/// Nobody else reaches this machine by a name or an address that means "myself".
fn not_local(advertised: Advertised) -> Option<Advertised> {
    let is_local = match &advertised.host {
        Host::Domain(name) => name == "localhost",
        Host::Ipv4(ip) => ip.is_loopback() || ip.is_unspecified(),
        Host::Ipv6(ip) => ip.is_loopback() || ip.is_unspecified(),
    };
    (!is_local).then_some(advertised)
}

fn displayed(error: impl fmt::Display) -> String {
    error.to_string()
}
