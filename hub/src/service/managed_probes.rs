//! Managed probes: the hub pushes its configuration to them, and asks them for statistics.

use std::net::IpAddr;

use easytier_probe::Secret;
use easytier_uptime_config::PushedSettings;
use easytier_uptime_monitor::input;
use easytier_uptime_store::{
    Store,
    domain::{
        ControlAddress, ManageProblem, ManagedProbe, ManagedProbeChange, NewManagedProbe, ProbeId, ProbeSettings,
        Region, Timestamp,
    },
};
use serde::{Deserialize, Serialize};
use serde_json::Value as Json;
use url::{Host, Url};
use utoipa::ToSchema;

use super::{FieldError, FieldProblem, ServiceError};
use crate::{
    manager::client::{ControlClient, is_forbidden},
    server_id::ServerId,
};

/// The maximum length of a host, in characters.
const MAX_HOST: usize = 255;

/// The lengths that a `CONTROL_TOKEN` may have, in characters.
const MIN_TOKEN: usize = 32;
const MAX_TOKEN: usize = 1024;

/// A probe to manage.
#[derive(Debug, Clone, Default, Deserialize, ToSchema)]
#[serde(default, deny_unknown_fields)]
pub struct ManageRequest {
    /// A host name or an IP address, or `https://NAME`. Without it, the probe is reached over its own connection to this hub, and
    /// `server_id` is required.
    #[schema(max_length = 255, example = "192.0.2.7")]
    pub host: Option<String>,
    /// The port of the probe's monitoring API.
    #[serde(deserialize_with = "input::whole_number")]
    #[schema(minimum = 1, maximum = 65535, example = 8080)]
    pub http_port: Option<u16>,
    /// The probe's `CONTROL_TOKEN`.
    #[schema(min_length = 32, max_length = 1024)]
    pub http_token: Option<String>,
    /// The `server_id` of a probe that does not say its own.
    #[schema(max_length = 255)]
    pub server_id: Option<String>,
    /// The region of a new probe that does not say its own; `default` by default.
    #[schema(max_length = 64)]
    pub region: Option<String>,
    /// What the probe uses in place of its own settings: `health_check_interval`, `status_report_interval`, `health_check_timeout`,
    /// `health_check_pings` and `check_concurrency`, with values as in its environment.
    #[schema(value_type = Object)]
    pub settings: ProbeSettings,
}

/// A change of a managed probe. A missing field changes nothing.
#[derive(Debug, Clone, Default, Deserialize, ToSchema)]
#[serde(default, deny_unknown_fields)]
pub struct ManageChange {
    /// A host name or an IP address, or `https://NAME`.
    #[schema(max_length = 255)]
    pub host: Option<String>,
    /// The port of the probe's monitoring API.
    #[serde(deserialize_with = "input::whole_number")]
    #[schema(minimum = 1, maximum = 65535)]
    pub http_port: Option<u16>,
    /// The probe's `CONTROL_TOKEN`.
    #[schema(min_length = 32, max_length = 1024)]
    pub http_token: Option<String>,
    /// All that the probe uses in place of its own settings.
    #[schema(value_type = Option<Object>)]
    pub settings: Option<ProbeSettings>,
}

/// A managed probe, without its token.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub struct ManagedView {
    /// The probe's id.
    pub id: i64,
    /// Its host, with the scheme if that is `https`; empty when it is reached over its own connection alone.
    pub host: String,
    /// Its port; 0 when it is reached over its own connection alone.
    pub http_port: u16,
    /// The bytes of its checks since it is managed, in gigabytes.
    pub usage: f64,
    /// The bytes of its checks since it is managed.
    pub usage_bytes: i64,
    /// `""` before the first try, `available`, `dirty` (through the proxy) or `unavailable`.
    pub push_status: &'static str,
    /// `""` before the first answer, `available`, or `unavailable` after a minute without one.
    pub pull_status: &'static str,
    /// When it last took a configuration, in seconds since 1970; 0 for never.
    pub pushed_at: i64,
    /// When it last told its statistics, in seconds since 1970; 0 for never.
    pub pulled_at: i64,
    /// Its `server_id`.
    pub server_id: String,
    /// Its region.
    pub region: String,
    /// How it was reached last: `direct`, `proxy` or `reverse`.
    pub path: Option<&'static str>,
    /// How long its last answer took, in milliseconds.
    pub round_trip_ms: Option<f64>,
    /// What was wrong at the last try.
    pub problem: Option<String>,
    /// What it uses in place of its own settings.
    #[schema(value_type = Object)]
    pub settings: ProbeSettings,
}

impl From<&ManagedProbe> for ManagedView {
    fn from(probe: &ManagedProbe) -> Self {
        let contact = &probe.contact;
        let seconds = |time: Option<Timestamp>| time.map_or(0, |time| time.0.div_euclid(1000));
        let (host, http_port) = match &probe.address {
            Some((host, port)) => (host.trim_start_matches("http://").to_owned(), *port),
            None => (String::new(), 0),
        };
        Self {
            id: probe.id.0,
            host,
            http_port,
            usage: contact.usage_bytes as f64 / 1e9,
            usage_bytes: contact.usage_bytes,
            push_status: contact.push_state.as_str(),
            pull_status: contact.pull_state.as_str(),
            pushed_at: seconds(contact.pushed_at),
            pulled_at: seconds(contact.pulled_at),
            server_id: probe.server_id.clone(),
            region: probe.region.to_string(),
            path: contact.path.map(|path| path.as_str()),
            round_trip_ms: contact.round_trip_us.map(|micros| micros as f64 / 1000.0),
            problem: contact.problem.as_ref().map(ToString::to_string),
            settings: probe.settings.clone(),
        }
    }
}

/// The use cases of managed probes. Cheap to clone.
#[derive(Clone)]
pub struct ManagedProbes {
    store: Store,
    client: ControlClient,
}

impl ManagedProbes {
    /// The managed probes in `store`, which `client` reaches.
    pub fn new(store: Store, client: ControlClient) -> Self {
        Self { store, client }
    }

    /// All of them, in the order of their `server_id`s.
    ///
    /// # Errors
    ///
    /// When the database fails.
    pub async fn all(&self) -> Result<Vec<ManagedProbe>, ServiceError> {
        Ok(self.store.managed_probes().await?)
    }

    /// One of them.
    ///
    /// # Errors
    ///
    /// When there is none with this id, or the database fails.
    pub async fn one(&self, id: ProbeId) -> Result<ManagedProbe, ServiceError> {
        Ok(self.store.managed_probe(id).await?.probe)
    }

    /// Manages a probe, once it has told its statistics to this hub. Its configuration is pushed within a second.
    ///
    /// # Errors
    ///
    /// When a field is not valid, the probe does not answer as one, it is managed already or reports to another hub, this instance is a
    /// dependent, or the database fails.
    pub async fn add(&self, request: &ManageRequest) -> Result<ProbeId, ServiceError> {
        let now = Timestamp::now();
        check_settings(&request.settings)?;
        let named = request.server_id.as_deref().map(str::trim).filter(|id| !id.is_empty());
        let named = named.map(|id| server_id("server_id", id)).transpose()?;
        let region = input::region("region", request.region.as_deref()).map_err(|_| {
            FieldError::new(
                "region",
                FieldProblem::Malformed("a region has 1 to 64 characters, without commas".to_owned()),
            )
        })?;
        let address = self.address(request)?;
        let new = match address {
            None => {
                let server_id = named.ok_or_else(|| FieldError::new("host", FieldProblem::Missing))?;
                if !self.store.has_channel(&server_id, now).await? {
                    return Err(ManageProblem::NoConnection.into());
                }
                NewManagedProbe {
                    server_id,
                    region: region.unwrap_or_default(),
                    address: None,
                    settings: request.settings.clone(),
                    has_backend: true,
                }
            }
            Some(address) => {
                let said = self.client.introduce(&address).await?;
                let own = said.server_id.map(|id| server_id("server_id", &id)).transpose()?;
                let fallback = || format!("{}-{}", host_of(&address.host), address.port);
                let own_region = said.region.and_then(|region| region.parse::<Region>().ok());
                NewManagedProbe {
                    server_id: named.or(own).unwrap_or_else(fallback),
                    region: region.or(own_region).unwrap_or_default(),
                    settings: request.settings.clone(),
                    has_backend: said.has_backend.unwrap_or(false),
                    address: Some(address),
                }
            }
        };
        Ok(self.store.manage_probe(&new, now).await?)
    }

    /// Changes a managed probe. What it needs because of it is pushed within a second.
    ///
    /// # Errors
    ///
    /// When a field is not valid, there is none with this id, or the database fails.
    pub async fn change(&self, id: ProbeId, change: &ManageChange) -> Result<(), ServiceError> {
        let settings = change.settings.clone();
        settings.as_ref().map_or(Ok(()), check_settings)?;
        let token = change.http_token.as_deref().map(token).transpose()?;
        let known = self.store.managed_probe(id).await?.probe.address;
        let host = match (change.host.as_deref().map(base).transpose()?, change.http_port) {
            (None, None) => None,
            (host, port) => {
                let host = host.or(known.clone().map(|(host, _)| host));
                let port = port.filter(|port| *port > 0).or(known.map(|(_, port)| port));
                let host = host.ok_or_else(|| FieldError::new("host", FieldProblem::Missing))?;
                Some((host, port.ok_or_else(|| FieldError::new("http_port", FieldProblem::Missing))?))
            }
        };
        Ok(self.store.change_managed_probe(id, &ManagedProbeChange { host, token, settings }).await?)
    }

    /// Has the configuration pushed again within a second.
    ///
    /// # Errors
    ///
    /// When there is none with this id, or the database fails.
    pub async fn push(&self, id: ProbeId) -> Result<(), ServiceError> {
        Ok(self.store.push_again(id).await?)
    }

    /// Manages a probe no longer. It stays registered and keeps what it holds.
    ///
    /// # Errors
    ///
    /// When there is none with this id, or the database fails.
    pub async fn remove(&self, id: ProbeId) -> Result<(), ServiceError> {
        Ok(self.store.stop_managing(id).await?)
    }

    fn address(&self, request: &ManageRequest) -> Result<Option<ControlAddress>, ServiceError> {
        let host = request.host.as_deref().map(str::trim).filter(|host| !host.is_empty());
        let Some(host) = host.map(base).transpose()? else { return Ok(None) };
        let missing = |field| FieldError::new(field, FieldProblem::Missing);
        let port = request.http_port.filter(|port| *port > 0).ok_or_else(|| missing("http_port"))?;
        let token = token(request.http_token.as_deref().ok_or_else(|| missing("http_token"))?)?;
        Ok(Some(ControlAddress { host, port, token }))
    }
}

/// The base URL without a port of a host, which may have the scheme `http` or `https`.
fn base(host: &str) -> Result<String, ServiceError> {
    let refused = || FieldError::new("host", FieldProblem::NoHost);
    let host = host.trim();
    if host.chars().count() > MAX_HOST {
        return Err(FieldError::new("host", FieldProblem::TooLong { max: MAX_HOST }).into());
    }
    let with_scheme = match host.contains("://") {
        true => host.to_owned(),
        // The port has a field of its own.
        false if host.parse::<std::net::Ipv6Addr>().is_ok() => format!("http://[{host}]"),
        false => format!("http://{host}"),
    };
    let url: Url = with_scheme.parse().map_err(|_| refused())?;
    let is_bare = ["", "/"].contains(&url.path()) && url.query().is_none() && url.fragment().is_none();
    let is_plain = url.username().is_empty() && url.password().is_none() && url.port().is_none();
    let known = ["http", "https"].contains(&url.scheme());
    let Some(found) = url.host().filter(|_| is_bare && is_plain && known) else { return Err(refused().into()) };
    let literal = match found {
        Host::Ipv4(ip) => Some(IpAddr::from(ip)),
        Host::Ipv6(ip) => Some(IpAddr::from(ip)),
        Host::Domain(_) => None,
    };
    if literal.is_some_and(is_forbidden) {
        return Err(ManageProblem::ForbiddenAddress.into());
    }
    Ok(format!("{}://{found}", url.scheme()))
}

fn host_of(base: &str) -> &str {
    base.split_once("://").map_or(base, |(_, host)| host)
}

fn token(text: &str) -> Result<Secret, FieldError> {
    let text = text.trim();
    let is_token = (MIN_TOKEN..=MAX_TOKEN).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_graphic());
    match is_token {
        true => Ok(text.into()),
        false => Err(FieldError::new("http_token", FieldProblem::NoControlToken)),
    }
}

fn server_id(field: &'static str, text: &str) -> Result<String, FieldError> {
    let id = ServerId::try_from(text.to_owned());
    id.map(String::from).map_err(|error| FieldError::new(field, FieldProblem::Malformed(error.to_string())))
}

/// The probe applies the same rules, but would tell of a mistake only when the settings are pushed.
fn check_settings(settings: &ProbeSettings) -> Result<(), FieldError> {
    let refused = |problem: String| FieldError::new("settings", FieldProblem::Malformed(problem));
    let text = |(name, value): (&String, &Json)| match value {
        Json::String(text) => Ok((name.clone(), text.clone())),
        Json::Number(number) => Ok((name.clone(), number.to_string())),
        _ => Err(refused(format!("{name}: write a text or a number"))),
    };
    let texts = settings.iter().map(text).collect::<Result<_, _>>()?;
    PushedSettings::parse(&texts).map(drop).map_err(refused)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_host_is_a_name_an_address_or_a_bare_url() {
        for (text, expected) in [
            ("192.0.2.7", "http://192.0.2.7"),
            (" probe.example.com ", "http://probe.example.com"),
            ("https://probe.example.com/", "https://probe.example.com"),
            ("2001:db8::7", "http://[2001:db8::7]"),
            ("[2001:db8::7]", "http://[2001:db8::7]"),
            ("127.0.0.1", "http://127.0.0.1"),
        ] {
            assert_eq!(base(text).unwrap(), expected, "{text}");
        }
        for wrong in ["", "a b", "ftp://h", "http://u:p@h", "h:8080", "http://h/path", "http://h?x", "http://"] {
            assert!(matches!(base(wrong), Err(ServiceError::Field(_))), "{wrong}");
        }
        for forbidden in ["169.254.169.254", "http://[fe80::1]", "0.0.0.0", "2852039166"] {
            assert!(
                matches!(base(forbidden), Err(ServiceError::Probe(ManageProblem::ForbiddenAddress))),
                "{forbidden}"
            );
        }
    }

    #[test]
    fn only_known_settings_are_pushed() {
        let settings = |text: &str| check_settings(&serde_json::from_str(text).unwrap());
        assert_eq!(settings(r#"{"health_check_interval":"5s","health_check_pings":3}"#), Ok(()));
        for wrong in [
            r#"{"node_token":"x"}"#,
            r#"{"HEALTH_CHECK_PINGS":3}"#,
            r#"{"health_check_pings":[3]}"#,
            r#"{"health_check_pings":999}"#,
        ] {
            assert!(settings(wrong).is_err(), "{wrong}");
        }
    }
}
