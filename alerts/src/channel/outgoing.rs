//! What is sent for a message.

use lettre::address::Envelope;
use reqwest::Method;
use serde_json::Value;
use url::Url;

/// What is sent for a message. It holds secrets, and so it cannot be printed.
pub enum Outgoing {
    /// An HTTP request.
    Http(HttpRequest),
    /// A mail.
    Mail(Box<Mail>),
}

/// An HTTP request.
pub struct HttpRequest {
    /// The method.
    pub method: Method,
    /// The URL, perhaps with a token in it.
    pub url: Url,
    /// Names and values of headers.
    pub headers: Vec<(String, String)>,
    /// The body.
    pub body: Vec<u8>,
}

impl HttpRequest {
    /// A POST of a JSON document.
    pub(crate) fn json(url: Url, body: &Value) -> Self {
        let headers = vec![("Content-Type".to_owned(), "application/json; charset=utf-8".to_owned())];
        Self { method: Method::POST, url, headers, body: body.to_string().into_bytes() }
    }

    pub(crate) fn with_header(mut self, name: &str, value: impl Into<String>) -> Self {
        self.headers.push((name.to_owned(), value.into()));
        self
    }
}

impl From<HttpRequest> for Outgoing {
    fn from(request: HttpRequest) -> Self {
        Self::Http(request)
    }
}

/// A mail, and the server that takes it.
pub struct Mail {
    /// The name or address of the server.
    pub host: String,
    /// Its port.
    pub port: u16,
    /// How the connection is encrypted.
    pub security: Security,
    /// User name and password, if the server asks for them.
    pub login: Option<(String, String)>,
    /// Sender and recipients.
    pub envelope: Envelope,
    /// Headers and text.
    pub content: Vec<u8>,
}

/// How a connection to a mail server is encrypted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Security {
    /// TLS after the command STARTTLS; without it nothing is sent.
    StartTls,
    /// TLS from the first byte.
    Tls,
    /// Not at all.
    None,
}
