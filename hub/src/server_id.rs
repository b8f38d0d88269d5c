//! The id that a probe gives itself.

use serde::Deserialize;
use utoipa::ToSchema;

/// The maximum length of an id, in characters: the length of a DNS name.
const MAX_CHARS: usize = 255;

/// A probe's own id, such as a host name. It can be a segment of a path.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize, ToSchema)]
#[serde(try_from = "String")]
#[schema(value_type = String, min_length = 1, max_length = 255, pattern = r"^[^/\\\x00-\x1f\x7f-\x9f]+$")]
pub(crate) struct ServerId(String);

/// The text is not a `server_id`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a server_id must have 1 to {MAX_CHARS} characters, without slashes, backslashes and control characters")]
pub(crate) struct ServerIdError;

impl ServerId {
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl TryFrom<String> for ServerId {
    type Error = ServerIdError;

    fn try_from(text: String) -> Result<Self, ServerIdError> {
        let length = text.chars().count();
        let allowed = |c: char| !matches!(c, '/' | '\\') && !c.is_control();
        match (1..=MAX_CHARS).contains(&length) && text.chars().all(allowed) {
            true => Ok(Self(text)),
            false => Err(ServerIdError),
        }
    }
}

impl From<ServerId> for String {
    fn from(id: ServerId) -> Self {
        id.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_server_id_can_stand_in_a_path() {
        for good in ["probe-1", "pod.ns.svc", "探针", "a b"] {
            assert_eq!(ServerId::try_from(good.to_owned()).unwrap().as_str(), good);
        }
        for wrong in ["", "../etc", "a\\b", "a\nb", "\0", &"x".repeat(256)] {
            assert_eq!(ServerId::try_from(wrong.to_owned()), Err(ServerIdError), "{wrong:?}");
        }
    }
}
