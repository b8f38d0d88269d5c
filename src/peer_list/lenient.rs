//! Types of fields as other people's programs write them: 0 and 1 for booleans, numbers as texts, texts as numbers. What
//! a value means stays strict. No error holds the value, which may be a secret in the wrong place.

use std::fmt;

use serde::{
    Deserialize, Deserializer,
    de::{Error, IgnoredAny, MapAccess, SeqAccess, Visitor},
};

/// A value of any type that some program gives a field.
enum Loose {
    Null,
    Boolean(bool),
    Whole(i128),
    Text(String),
    List(Vec<Loose>),
    /// A fraction or an object.
    Other,
}

/// True or false; also 1 and 0, and `true`, `yes`, `1`, `false`, `no` and `0` as texts. An empty text is no value.
pub(super) fn flag<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<bool>, D::Error> {
    let text = match Loose::deserialize(deserializer)? {
        Loose::Null => return Ok(None),
        Loose::Boolean(boolean) => return Ok(Some(boolean)),
        Loose::Whole(number) => number.to_string(),
        Loose::Text(text) => text.trim().to_ascii_lowercase(),
        Loose::List(_) | Loose::Other => return Err(D::Error::custom("not a boolean")),
    };
    match text.as_str() {
        "" => Ok(None),
        "true" | "yes" | "1" => Ok(Some(true)),
        "false" | "no" | "0" => Ok(Some(false)),
        _ => Err(D::Error::custom("not a boolean")),
    }
}

/// A whole number, also as a text. An empty text is no value.
pub(super) fn whole<'de, D, T>(deserializer: D) -> Result<Option<T>, D::Error>
where
    D: Deserializer<'de>,
    T: TryFrom<i128>,
{
    let number = match Loose::deserialize(deserializer)? {
        Loose::Null => None,
        Loose::Whole(number) => Some(number),
        Loose::Text(text) if text.trim().is_empty() => None,
        Loose::Text(text) => Some(text.trim().parse().map_err(|_| D::Error::custom("not a number"))?),
        Loose::Boolean(_) | Loose::List(_) | Loose::Other => return Err(D::Error::custom("not a number")),
    };
    number.map(|number| T::try_from(number).map_err(|_| D::Error::custom("out of range"))).transpose()
}

/// A text; also a whole number, such as the number of a QQ account.
pub(super) fn text<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<String>, D::Error> {
    match Loose::deserialize(deserializer)? {
        Loose::Null => Ok(None),
        other => other.into_text().map(Some).ok_or_else(|| D::Error::custom("not a text")),
    }
}

/// An array of texts, or one text in which commas separate them.
pub(super) fn texts<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Vec<String>>, D::Error> {
    match Loose::deserialize(deserializer)? {
        Loose::Null => Ok(None),
        Loose::Text(text) => {
            Ok(Some(text.split(',').map(|part| part.trim().to_owned()).filter(|part| !part.is_empty()).collect()))
        }
        Loose::List(list) => list
            .into_iter()
            .map(|item| item.into_text().ok_or_else(|| D::Error::custom("not a text")))
            .collect::<Result<_, _>>()
            .map(Some),
        Loose::Boolean(_) | Loose::Whole(_) | Loose::Other => Err(D::Error::custom("not texts")),
    }
}

impl Loose {
    fn into_text(self) -> Option<String> {
        match self {
            Self::Text(text) => Some(text),
            Self::Whole(number) => Some(number.to_string()),
            Self::Null | Self::Boolean(_) | Self::List(_) | Self::Other => None,
        }
    }
}

impl<'de> Deserialize<'de> for Loose {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(AnyValue)
    }
}

struct AnyValue;

impl<'de> Visitor<'de> for AnyValue {
    type Value = Loose;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a value")
    }

    fn visit_unit<E>(self) -> Result<Loose, E> {
        Ok(Loose::Null)
    }

    fn visit_none<E>(self) -> Result<Loose, E> {
        Ok(Loose::Null)
    }

    fn visit_bool<E>(self, value: bool) -> Result<Loose, E> {
        Ok(Loose::Boolean(value))
    }

    fn visit_i64<E>(self, value: i64) -> Result<Loose, E> {
        Ok(Loose::Whole(value.into()))
    }

    fn visit_u64<E>(self, value: u64) -> Result<Loose, E> {
        Ok(Loose::Whole(value.into()))
    }

    fn visit_f64<E>(self, value: f64) -> Result<Loose, E> {
        // Up to here every whole number has a float of its own.
        const EXACT: f64 = (1_u64 << 53) as f64;
        Ok(if value.fract() == 0.0 && value.abs() <= EXACT { Loose::Whole(value as i128) } else { Loose::Other })
    }

    fn visit_str<E>(self, value: &str) -> Result<Loose, E> {
        Ok(Loose::Text(value.to_owned()))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Loose, A::Error> {
        let mut list = Vec::new();
        while let Some(item) = items.next_element()? {
            list.push(item);
        }
        Ok(Loose::List(list))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut entries: A) -> Result<Loose, A::Error> {
        while entries.next_entry::<IgnoredAny, IgnoredAny>()?.is_some() {}
        Ok(Loose::Other)
    }
}
