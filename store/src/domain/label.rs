//! Short names that people choose: tags and regions.

use std::{fmt, str::FromStr};

use serde::{Deserialize, Serialize};

/// The maximum length of a tag or region name, in characters.
const MAX_CHARS: usize = 64;

/// A text that cannot be a tag or a region name.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("'{0}' is not a valid {1}: write 1 to {MAX_CHARS} characters, without commas and control characters")]
pub struct LabelError(String, &'static str);

macro_rules! labels {
    ($($(#[$doc:meta])* $name:ident = $word:literal,)+) => {$(
        $(#[$doc])*
        #[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
        #[serde(try_from = "String", into = "String")]
        pub struct $name(String);

        impl $name {
            /// The name as text.
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl FromStr for $name {
            type Err = LabelError;

            fn from_str(text: &str) -> Result<Self, LabelError> {
                let trimmed = text.trim();
                let length = trimmed.chars().count();
                let allowed = |c: char| c != ',' && !c.is_control();
                match (1..=MAX_CHARS).contains(&length) && trimmed.chars().all(allowed) {
                    true => Ok(Self(trimmed.to_owned())),
                    false => Err(LabelError(trimmed.chars().take(MAX_CHARS).collect(), $word)),
                }
            }
        }

        impl TryFrom<String> for $name {
            type Error = LabelError;

            fn try_from(text: String) -> Result<Self, LabelError> {
                text.parse()
            }
        }

        impl From<$name> for String {
            fn from(label: $name) -> String {
                label.0
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }
    )+};
}

labels! {
    /// A label by which launchers filter nodes.
    Tag = "tag",
    /// The place or network where a probe runs.
    Region = "region",
}

/// The region of a probe whose operator set none: `default`.
impl Default for Region {
    fn default() -> Self {
        Self("default".to_owned())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn labels_are_trimmed_short_and_without_commas() {
        assert_eq!(" eu-west ".parse::<Region>().unwrap().as_str(), "eu-west");
        assert_eq!("中国电信".parse::<Tag>().unwrap().as_str(), "中国电信");
        for wrong in ["", "  ", "a,b", "a\nb", "\0", &"x".repeat(65)] {
            assert!(wrong.parse::<Tag>().is_err(), "{wrong:?}");
        }
    }
}
