//! Text that must not reach a log, an error or a page.

use std::{convert::Infallible, fmt, str::FromStr};

use serde::{
    Deserialize, Deserializer, Serialize,
    de::{Error, Visitor},
};

/// A secret that formats as `[redacted]`. Only [`Secret::expose`] gives its text.
///
/// It serialises as its text, for documents that carry secrets on purpose, such as a backend's listing of peers.
#[derive(Clone, Default, PartialEq, Eq, Hash, Serialize)]
#[serde(transparent)]
pub struct Secret(String);

impl<'de> Deserialize<'de> for Secret {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        // Asked for a string, serde_json makes errors that show another value.
        deserializer.deserialize_any(SecretVisitor)
    }
}

/// Its error for a value that is not a text does not show it: it may be a secret that lacks its quotes.
struct SecretVisitor;

fn not_a_text<T, E: Error>() -> Result<T, E> {
    Err(E::custom("a secret must be a text; put it in quotes"))
}

impl Visitor<'_> for SecretVisitor {
    type Value = Secret;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a text")
    }

    fn visit_str<E: Error>(self, text: &str) -> Result<Secret, E> {
        Ok(text.into())
    }

    fn visit_string<E: Error>(self, text: String) -> Result<Secret, E> {
        Ok(Secret(text))
    }

    fn visit_bool<E: Error>(self, _: bool) -> Result<Secret, E> {
        not_a_text()
    }

    fn visit_i64<E: Error>(self, _: i64) -> Result<Secret, E> {
        not_a_text()
    }

    fn visit_u64<E: Error>(self, _: u64) -> Result<Secret, E> {
        not_a_text()
    }

    fn visit_i128<E: Error>(self, _: i128) -> Result<Secret, E> {
        not_a_text()
    }

    fn visit_u128<E: Error>(self, _: u128) -> Result<Secret, E> {
        not_a_text()
    }

    fn visit_f64<E: Error>(self, _: f64) -> Result<Secret, E> {
        not_a_text()
    }

    fn visit_bytes<E: Error>(self, _: &[u8]) -> Result<Secret, E> {
        not_a_text()
    }
}

impl Secret {
    /// The text of the secret.
    pub fn expose(&self) -> &str {
        &self.0
    }
}

impl From<String> for Secret {
    fn from(text: String) -> Self {
        Self(text)
    }
}

impl From<&str> for Secret {
    fn from(text: &str) -> Self {
        Self(text.to_owned())
    }
}

/// Takes any text, so that a command-line flag can be a secret.
impl FromStr for Secret {
    type Err = Infallible;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        Ok(text.into())
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("[redacted]")
    }
}

impl fmt::Display for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("[redacted]")
    }
}
