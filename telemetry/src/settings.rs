//! The variables that say where to export to. The SDK reads those of the resource, of sampling and of batches.

use std::time::Duration;

use http::{HeaderMap, HeaderName, HeaderValue};
use percent_encoding::percent_decode_str;
use url::Url;

/// The time for one request when no variable says another.
const TIMEOUT: Duration = Duration::from_secs(10);

/// The time between two exports of metrics when no variable says another.
const INTERVAL: Duration = Duration::from_secs(60);

/// A variable that cannot be followed. Its value is not quoted, because it may hold a secret.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum TelemetryError {
    /// The address of the collector.
    #[error("{0} is not a URL that begins with http:// or https://")]
    Endpoint(String),
    /// The exporter is another than `otlp` and `none`.
    #[error("{0}: only otlp and none are supported")]
    UnknownExporter(String),
    /// The protocol is another than HTTP with protobuf.
    #[error("{0}: only http/protobuf is supported")]
    Protocol(String),
    /// Requests would be compressed.
    #[error("{0}: compression is not supported")]
    Compression(String),
    /// A number of milliseconds.
    #[error("{0} is not a number of milliseconds greater than 0")]
    Milliseconds(String),
    /// The headers of requests.
    #[error("{0} is not like name=value,other=value")]
    Headers(String),
    /// There is no client for requests.
    #[error("no web client: {0}")]
    Client(String),
    /// The exporter of spans could not be made.
    #[error("{0}")]
    Exporter(String),
}

/// Where the spans or the metrics are sent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Signal {
    pub url: Url,
    pub headers: HeaderMap,
    pub timeout: Duration,
}

impl Signal {
    /// The collector as messages name it: without what may be secret.
    pub fn server(&self) -> String {
        self.url.origin().ascii_serialization()
    }
}

/// What is exported, and where to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Settings {
    pub traces: Option<Signal>,
    pub metrics: Option<Signal>,
    /// The time between two exports of metrics.
    pub interval: Duration,
}

impl Settings {
    pub fn from_env() -> Result<Self, TelemetryError> {
        Self::read(|name| std::env::var(name).ok())
    }

    fn read(variable: impl Fn(&str) -> Option<String>) -> Result<Self, TelemetryError> {
        let variables =
            Variables(&|name| variable(name).map(|value| value.trim().to_owned()).filter(|value| !value.is_empty()));
        let is_disabled = variables.0("OTEL_SDK_DISABLED").is_some_and(|value| value.eq_ignore_ascii_case("true"));
        let signal = |name| if is_disabled { Ok(None) } else { variables.signal(name) };
        let interval = match is_disabled {
            true => None,
            false => variables.milliseconds(&["OTEL_METRIC_EXPORT_INTERVAL".to_owned()])?,
        };
        Ok(Self { traces: signal("traces")?, metrics: signal("metrics")?, interval: interval.unwrap_or(INTERVAL) })
    }
}

/// The variables that have a value.
struct Variables<'a>(&'a dyn Fn(&str) -> Option<String>);

impl Variables<'_> {
    /// Where a signal is sent: `traces` or `metrics`. A variable of the signal comes before the one for both.
    fn signal(&self, signal: &str) -> Result<Option<Signal>, TelemetryError> {
        let upper = signal.to_ascii_uppercase();
        let both =
            |suffix: &str| [format!("OTEL_EXPORTER_OTLP_{upper}_{suffix}"), format!("OTEL_EXPORTER_OTLP_{suffix}")];
        match self.first(&[format!("OTEL_{upper}_EXPORTER")]) {
            None => {}
            Some((_, value)) if value == "otlp" => {}
            Some((_, value)) if value == "none" => return Ok(None),
            Some((name, _)) => return Err(TelemetryError::UnknownExporter(name)),
        }
        let [own, shared] = both("ENDPOINT");
        let (name, url) = match (self.0(&own), self.0(&shared)) {
            (Some(url), _) => (own, url),
            (None, Some(base)) => (shared, format!("{}/v1/{signal}", base.trim_end_matches('/'))),
            (None, None) => return Ok(None),
        };
        let url = Url::parse(&url).ok().filter(|url| ["http", "https"].contains(&url.scheme()));
        let url = url.ok_or(TelemetryError::Endpoint(name))?;
        if let Some((name, _)) = self.first(&both("PROTOCOL")).filter(|(_, value)| value != "http/protobuf") {
            return Err(TelemetryError::Protocol(name));
        }
        if let Some((name, _)) = self.first(&both("COMPRESSION")).filter(|(_, value)| value != "none") {
            return Err(TelemetryError::Compression(name));
        }
        let headers = match self.first(&both("HEADERS")) {
            Some((name, text)) => headers(&text).ok_or(TelemetryError::Headers(name))?,
            None => HeaderMap::new(),
        };
        let timeout = self.milliseconds(&both("TIMEOUT"))?.unwrap_or(TIMEOUT);
        Ok(Some(Signal { url, headers, timeout }))
    }

    /// The first of the variables that has a value.
    fn first(&self, names: &[String]) -> Option<(String, String)> {
        names.iter().find_map(|name| Some((name.clone(), self.0(name)?)))
    }

    fn milliseconds(&self, names: &[String]) -> Result<Option<Duration>, TelemetryError> {
        let Some((name, text)) = self.first(names) else { return Ok(None) };
        match text.parse() {
            Ok(millis) if millis > 0 => Ok(Some(Duration::from_millis(millis))),
            _ => Err(TelemetryError::Milliseconds(name)),
        }
    }
}

/// Pairs such as `name=value`, separated by commas; values are percent-encoded.
fn headers(text: &str) -> Option<HeaderMap> {
    let pair = |pair: &str| {
        let (name, value) = pair.split_once('=')?;
        let value = percent_decode_str(value.trim()).decode_utf8().ok()?;
        let mut value = HeaderValue::from_str(&value).ok()?;
        value.set_sensitive(true);
        Some((name.trim().parse::<HeaderName>().ok()?, value))
    };
    text.split(',').map(str::trim).filter(|part| !part.is_empty()).map(pair).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(variables: &[(&str, &str)]) -> Result<Settings, TelemetryError> {
        let found =
            |name: &str| variables.iter().find(|(known, _)| *known == name).map(|(_, value)| (*value).to_owned());
        Settings::read(found)
    }

    const ENDPOINT: (&str, &str) = ("OTEL_EXPORTER_OTLP_ENDPOINT", "http://collector.example:4318/");

    #[test]
    fn without_an_endpoint_nothing_is_exported() {
        for variables in [&[][..], &[("OTEL_EXPORTER_OTLP_ENDPOINT", " ")], &[ENDPOINT, ("OTEL_SDK_DISABLED", "TRUE")]]
        {
            let settings = read(variables).unwrap();
            assert_eq!((settings.traces, settings.metrics), (None, None), "{variables:?}");
        }
    }

    #[test]
    fn variables_of_a_signal_come_first() {
        let settings = read(&[
            ENDPOINT,
            ("OTEL_EXPORTER_OTLP_HEADERS", "a=b%20c, x = y"),
            ("OTEL_EXPORTER_OTLP_TIMEOUT", "500"),
            ("OTEL_EXPORTER_OTLP_METRICS_ENDPOINT", "https://other.example/here"),
            ("OTEL_EXPORTER_OTLP_METRICS_HEADERS", "a=d"),
            ("OTEL_METRIC_EXPORT_INTERVAL", "2000"),
        ]);
        let Settings { traces: Some(traces), metrics: Some(metrics), interval } = settings.unwrap() else { panic!() };
        assert_eq!(traces.url.as_str(), "http://collector.example:4318/v1/traces");
        assert_eq!((&traces.headers["a"], &traces.headers["x"]), (&"b c".parse().unwrap(), &"y".parse().unwrap()));
        assert_eq!((traces.timeout, interval), (Duration::from_millis(500), Duration::from_secs(2)));
        assert_eq!(metrics.url.as_str(), "https://other.example/here", "it is not changed");
        assert_eq!((metrics.headers.len(), &metrics.headers["a"]), (1, &"d".parse().unwrap()));
        let only_spans = read(&[ENDPOINT, ("OTEL_METRICS_EXPORTER", "none")]).unwrap();
        assert!(only_spans.traces.is_some() && only_spans.metrics.is_none());
    }

    #[test]
    fn a_value_that_cannot_be_followed_is_an_error_without_the_value() {
        for (name, value) in [
            ("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", "hunter2"),
            ("OTEL_EXPORTER_OTLP_ENDPOINT", "ftp://hunter2"),
            ("OTEL_TRACES_EXPORTER", "hunter2"),
            ("OTEL_EXPORTER_OTLP_PROTOCOL", "grpc"),
            ("OTEL_EXPORTER_OTLP_COMPRESSION", "gzip"),
            ("OTEL_EXPORTER_OTLP_HEADERS", "hunter2"),
            ("OTEL_EXPORTER_OTLP_TIMEOUT", "0"),
            ("OTEL_METRIC_EXPORT_INTERVAL", "1s"),
        ] {
            let error = read(&[(name, value), ENDPOINT]).unwrap_err().to_string();
            assert!(error.contains(name) && !error.contains("hunter2"), "{error}");
        }
    }
}
