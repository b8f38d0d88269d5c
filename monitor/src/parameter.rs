//! Parameters of queries and paths: their types and their schemas. An empty parameter counts as missing, because that is
//! how forms send a field that was left out.

use std::borrow::Cow;

use easytier_uptime_store::domain::PeerId;
use serde::{Deserialize, Deserializer, de::Error};
use utoipa::{
    IntoParams,
    openapi::{
        KnownFormat, ObjectBuilder, Schema, SchemaFormat,
        schema::{AnyOfBuilder, ArrayBuilder, Type},
    },
};

/// The id of the node in a path.
#[derive(Debug, Clone, Copy, Deserialize, IntoParams)]
#[into_params(parameter_in = Path)]
pub struct NodePath {
    /// The node's id.
    #[param(schema_with = id)]
    pub id: PeerId,
}

/// A whole number from `MIN` to `MAX`.
#[derive(Debug, Clone, Copy)]
pub struct Whole<const MIN: u32, const MAX: u32>(
    /// The number.
    pub u32,
);

impl<'de, const MIN: u32, const MAX: u32> Deserialize<'de> for Whole<MIN, MAX> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = Cow::<str>::deserialize(deserializer)?;
        let number = text.parse().ok().filter(|number| (MIN..=MAX).contains(number));
        number.map(Self).ok_or_else(|| D::Error::custom(format_args!("must be a whole number from {MIN} to {MAX}")))
    }
}

/// An id, or the cursor of a list.
#[derive(Debug, Clone, Copy)]
pub struct Id(
    /// From 1.
    pub i64,
);

impl<'de> Deserialize<'de> for Id {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let id = Cow::<str>::deserialize(deserializer)?.parse().ok().filter(|id| *id >= 1);
        id.map(Self).ok_or_else(|| D::Error::custom("must be a whole number from 1"))
    }
}

/// A text of at most `MAX` characters.
#[derive(Debug, Clone)]
pub struct Text<const MAX: usize>(
    /// The text.
    pub String,
);

impl<'de, const MAX: usize> Deserialize<'de> for Text<MAX> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        match text.chars().count() <= MAX {
            true => Ok(Self(text)),
            false => Err(D::Error::custom(format_args!("must have at most {MAX} characters"))),
        }
    }
}

/// The schema of a [`Whole`].
pub fn whole(min: u32, max: u32, default: Option<u32>) -> Schema {
    or_empty(integer().minimum(Some(min)).maximum(Some(max)).default(default.map(Into::into)))
}

fn id() -> Schema {
    integer().minimum(Some(1)).maximum(Some(i64::MAX)).build().into()
}

/// The schema of an [`Id`].
pub fn optional_id() -> Schema {
    or_empty(integer().minimum(Some(1)).maximum(Some(i64::MAX)))
}

/// The schema of a [`Text`].
pub fn text(max: usize) -> Schema {
    string().max_length(Some(max)).build().into()
}

/// The schema of `true` and `false`.
pub fn boolean() -> Schema {
    or_empty(ObjectBuilder::new().schema_type(Type::Boolean))
}

/// The schema of a parameter that takes one of `names`.
pub fn one_of<'a>(names: impl IntoIterator<Item = &'a str>) -> Schema {
    string().enum_values(Some(names.into_iter().chain([""]))).build().into()
}

/// The schema of a time, RFC 3339.
pub fn time() -> Schema {
    or_empty(string().format(Some(SchemaFormat::KnownFormat(KnownFormat::DateTime))))
}

/// The schema of a parameter that may be repeated.
pub fn several(item: ObjectBuilder) -> Schema {
    ArrayBuilder::new().items(item).build().into()
}

/// The schema of a text, which the caller completes.
pub fn string() -> ObjectBuilder {
    ObjectBuilder::new().schema_type(Type::String)
}

fn integer() -> ObjectBuilder {
    let format = SchemaFormat::KnownFormat(KnownFormat::Int64);
    ObjectBuilder::new().schema_type(Type::Integer).format(Some(format))
}

fn or_empty(schema: ObjectBuilder) -> Schema {
    AnyOfBuilder::new().item(schema).item(string().max_length(Some(0))).build().into()
}
