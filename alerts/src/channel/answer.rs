//! What a service answered, and what that means.

use std::time::{Duration, SystemTime};

use easytier_probe::backend::retry_after;
use reqwest::header::{self, HeaderMap};
use serde_json::Value;
use url::Url;

use crate::Outcome;

/// The longest pause that is taken from a body; a longer one is most likely a mistake.
const LONGEST_PAUSE: Duration = Duration::from_secs(24 * 3600);

/// The answer to a request.
pub struct Answer {
    /// The status of HTTP.
    pub status: u16,
    /// The pause of the header `Retry-After`.
    pub retry_after: Option<Duration>,
    /// Where a redirect leads: scheme and host.
    pub redirect: Option<String>,
    /// The beginning of the body.
    pub body: Vec<u8>,
}

impl Answer {
    /// `received_at` stands in for a missing header `Date`.
    pub fn new(status: u16, headers: &HeaderMap, body: Vec<u8>, received_at: SystemTime) -> Self {
        let location = headers.get(header::LOCATION).and_then(|value| value.to_str().ok());
        let origin =
            location.and_then(|location| Url::parse(location).ok()).map(|url| url.origin().ascii_serialization());
        Self { status, retry_after: retry_after(headers, received_at), redirect: origin, body }
    }

    /// The body, if it is JSON.
    pub(crate) fn json(&self) -> Option<Value> {
        serde_json::from_slice(&self.body).ok()
    }

    /// The status, and what the body says. It is neither short nor free of secrets yet.
    pub(crate) fn quote(&self) -> String {
        let said = match self.json() {
            Some(json) => said(&json).unwrap_or_else(|| json.to_string()),
            None => String::from_utf8_lossy(&self.body).into_owned(),
        };
        match said.trim() {
            "" => format!("it answered {}", self.status),
            said => format!("it answered {}: {said}", self.status),
        }
    }

    /// The pause that the service asks for, in a header or in the body.
    pub(crate) fn pause(&self) -> Option<Duration> {
        self.retry_after.or_else(|| {
            let json = self.json()?;
            let number = |pointer: &str| json.pointer(pointer)?.as_f64();
            let seconds = number("/retry_after")
                .or_else(|| number("/parameters/retry_after"))
                .or_else(|| number("/retry_after_ms").map(|milliseconds| milliseconds / 1000.0))?;
            Some(Duration::try_from_secs_f64(seconds.max(0.0)).unwrap_or(LONGEST_PAUSE).min(LONGEST_PAUSE))
        })
    }

    /// What the status means, where the service has no codes of its own.
    pub(crate) fn by_status(&self) -> Outcome {
        let why = self.quote();
        match self.status {
            200..=299 => Outcome::Delivered,
            300..=399 => Outcome::refused(match &self.redirect {
                Some(origin) => format!("it redirects to {origin}, and redirects are not followed: set the new URL"),
                None => format!("{why}; redirects are not followed"),
            }),
            // The server did not read the request, or says that it cannot work.
            408 | 425 | 429 | 500 | 503 | 507 | 521..=523 | 529 => Outcome::Retry { after: self.pause(), why },
            501 | 505 => Outcome::refused(why),
            // Something between may have passed it on.
            500..=599 => Outcome::unclear(why),
            _ => Outcome::refused(why),
        }
    }

    /// What it means for a service whose good answers look like this: another web server may answer 200 to anything.
    pub(crate) fn by_sign(&self, is_good: impl FnOnce(&Self) -> bool) -> Outcome {
        match self.by_status() {
            Outcome::Delivered if !is_good(self) => {
                Outcome::unclear(format!("not the answer of this service: {}", self.quote()))
            }
            outcome => outcome,
        }
    }

    /// [`Answer::by_sign`] for answers of JSON with a value there.
    pub(crate) fn by_member(&self, pointer: &str) -> Outcome {
        self.by_sign(|answer| answer.json().is_some_and(|json| json.pointer(pointer).is_some()))
    }

    /// What it means for a service that answers 200 with a code in a JSON body.
    pub(crate) fn by_code(&self, codes: &Codes) -> Outcome {
        if !(200..=299).contains(&self.status) {
            return self.by_status();
        }
        let json = self.json().unwrap_or_default();
        let Some(code) = codes.at.iter().find_map(|pointer| json.pointer(pointer)?.as_i64()) else {
            return Outcome::unclear(format!("not the answer of this service: {}", self.quote()));
        };
        let why = || format!("code {code}: {}", self.quote());
        match code {
            code if code == codes.taken => Outcome::Delivered,
            code if codes.later.contains(&code) => Outcome::Retry { after: self.pause(), why: why() },
            _ => Outcome::refused(why()),
        }
    }
}

/// The codes in the answers of a service.
pub(crate) struct Codes {
    /// Where the code is; the first that exists counts.
    pub at: &'static [&'static str],
    /// The code of success.
    pub taken: i64,
    /// Codes after which it can be tried again.
    pub later: &'static [i64],
}

/// The text in an answer, under the name that services give it.
fn said(json: &Value) -> Option<String> {
    const NAMES: [&str; 7] = ["description", "message", "errmsg", "error", "msg", "StatusMessage", "errors"];
    let texts: Vec<String> = NAMES
        .iter()
        .filter_map(|name| json.get(name))
        .filter_map(|value| match value {
            Value::String(text) => Some(text.clone()),
            Value::Array(items) => Some(items.iter().filter_map(Value::as_str).collect::<Vec<_>>().join(", "))
                .filter(|all| !all.is_empty()),
            _ => None,
        })
        .collect();
    (!texts.is_empty()).then(|| texts.join(": "))
}
