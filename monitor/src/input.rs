//! Reads bodies, queries and paths of requests. A refusal names the field that is wrong.

use std::{fmt, marker::PhantomData, time::Duration};

use axum::{
    body::Body as RawBody,
    extract::{FromRequest, FromRequestParts, Request},
    http::{HeaderMap, StatusCode, header, request},
};
use bytes::{Bytes, BytesMut};
use easytier_uptime_store::domain::Region;
use http_body_util::BodyExt;
use hyper::body::Body as _;
use serde::{
    Deserialize, Deserializer,
    de::{DeserializeOwned, Error as _, MapAccess, Visitor, value::MapAccessDeserializer},
};
use serde_json::Value;

use crate::refusal::Refusal;

/// The longest body that is accepted from a caller with a valid credential, in bytes.
pub const MAX_BODY: usize = 4 << 20;

/// The longest body that is accepted from anybody, in bytes.
pub const MAX_STRANGERS_BODY: usize = 64 << 10;

/// How long a body may take to arrive.
pub const BODY_TIMEOUT: Duration = Duration::from_secs(20);

/// A JSON object in the body, which has at most `MAX` bytes. The extractors before it must have asked for a credential, or for a
/// rate limit.
#[derive(Debug)]
pub struct Body<T, const MAX: usize = MAX_BODY>(
    /// The object.
    pub T,
);

impl<S: Send + Sync, T: DeserializeOwned, const MAX: usize> FromRequest<S> for Body<T, MAX> {
    type Rejection = Refusal;

    async fn from_request(request: Request, _: &S) -> Result<Self, Refusal> {
        parse(&read_json(request, MAX).await?).map(Self)
    }
}

/// The body of a request that takes JSON.
///
/// # Errors
///
/// When the request says that its body is something else (415); otherwise as [`read`].
pub async fn read_json(request: Request, max: usize) -> Result<Bytes, Refusal> {
    check_json(request.headers())?;
    read(request, max).await
}

/// Refuses a content type that is not JSON. A page of another site can send the types of forms and plain text without asking
/// the server first. Without a content type the body is taken for JSON, as simple programs send it.
///
/// # Errors
///
/// When the request says that its body is something else (415).
pub fn check_json(headers: &HeaderMap) -> Result<(), Refusal> {
    let Some(sent) = headers.get(header::CONTENT_TYPE) else { return Ok(()) };
    let sent = sent.to_str().unwrap_or_default();
    let essence = sent.split(';').next().unwrap_or_default().trim().to_ascii_lowercase();
    let is_json = essence == "application/json" || (essence.starts_with("application/") && essence.ends_with("+json"));
    match is_json {
        true => Ok(()),
        false => Err(Refusal::new(
            StatusCode::UNSUPPORTED_MEDIA_TYPE,
            "the body must be JSON, with the header 'content-type: application/json'",
        )),
    }
}

/// The body of a request.
///
/// # Errors
///
/// When it is longer than `max` bytes (413), takes more than 20 s to arrive (408) or breaks off (400).
pub async fn read(request: Request, max: usize) -> Result<Bytes, Refusal> {
    let whole = async {
        let mut parts = Parts::of(request.into_body(), max)?;
        let mut read = BytesMut::new();
        while let Some(part) = parts.next().await? {
            read.extend_from_slice(&part);
        }
        Ok(read.freeze())
    };
    tokio::time::timeout(BODY_TIMEOUT, whole).await.map_err(|_| took_too_long())?
}

/// 408: the body did not arrive within [`BODY_TIMEOUT`].
pub fn took_too_long() -> Refusal {
    Refusal::new(StatusCode::REQUEST_TIMEOUT, "the body took too long to arrive")
}

/// The parts of a body as they arrive.
#[derive(Debug)]
pub struct Parts {
    body: RawBody,
    max: usize,
    /// How many bytes may still come.
    left: usize,
}

impl Parts {
    /// The parts of a body of at most `max` bytes.
    ///
    /// # Errors
    ///
    /// When the caller announces a longer one (413).
    pub fn of(body: RawBody, max: usize) -> Result<Self, Refusal> {
        let announced = body.size_hint().lower();
        let parts = Self { body, max, left: max };
        if announced > max as u64 { Err(parts.too_long()) } else { Ok(parts) }
    }

    /// The next part; `None` at the end.
    ///
    /// # Errors
    ///
    /// When the body becomes too long (413) or breaks off (400).
    pub async fn next(&mut self) -> Result<Option<Bytes>, Refusal> {
        while let Some(frame) = self.body.frame().await {
            let frame = frame.map_err(|_| Refusal::bad_request("the body broke off"))?;
            let Ok(data) = frame.into_data() else { continue };
            self.left = self.left.checked_sub(data.len()).ok_or_else(|| self.too_long())?;
            return Ok(Some(data));
        }
        Ok(None)
    }

    fn too_long(&self) -> Refusal {
        let max = match self.max >> 20 {
            0 => format!("{} KiB", self.max >> 10),
            mebibytes => format!("{mebibytes} MiB"),
        };
        Refusal::new(StatusCode::PAYLOAD_TOO_LARGE, format!("the body is longer than {max}"))
    }
}

/// The body as text.
///
/// # Errors
///
/// When it is not UTF-8 (400).
pub fn text(body: &[u8]) -> Result<&str, Refusal> {
    std::str::from_utf8(body).map_err(|_| Refusal::bad_request("the body is not UTF-8"))
}

/// Reads a JSON object.
///
/// # Errors
///
/// When the text is not a JSON object, or a field is wrong (400).
pub fn parse<T: DeserializeOwned>(body: impl AsRef<[u8]>) -> Result<T, Refusal> {
    parse_any(body).map(|Object(document)| document)
}

/// Reads a JSON document of any type as a `T`.
///
/// # Errors
///
/// When the text is not valid JSON or does not match `T` (400).
pub fn parse_any<T: DeserializeOwned>(body: impl AsRef<[u8]>) -> Result<T, Refusal> {
    let mut reader = serde_json::Deserializer::from_str(text(body.as_ref())?);
    let document = serde_path_to_error::deserialize(&mut reader).map_err(|error| malformed("the body", &error))?;
    reader.end().map_err(|error| Refusal::bad_request(format!("the body: {error}")))?;
    Ok(document)
}

/// Reads the object at `place` in a document that is parsed already.
///
/// # Errors
///
/// When the value is not an object, or a field is wrong (400).
pub fn parse_at<'a, T: Deserialize<'a>>(place: &str, value: &'a Value) -> Result<T, Refusal> {
    serde_path_to_error::deserialize(value).map(|Object(part)| part).map_err(|error| {
        let place = field_of(&error).map_or(place.to_owned(), |field| format!("{place}.{field}"));
        Refusal::bad_request(format!("{place}: {}", error.inner()))
    })
}

/// A `T` that is written as a JSON object. By itself serde also accepts an array of the fields' values.
#[derive(Debug)]
pub struct Object<T>(
    /// The parsed object.
    pub T,
);

impl<'de, T: Deserialize<'de>> Deserialize<'de> for Object<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Fields<T>(PhantomData<T>);

        impl<'de, T: Deserialize<'de>> Visitor<'de> for Fields<T> {
            type Value = T;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object")
            }

            fn visit_map<A: MapAccess<'de>>(self, fields: A) -> Result<T, A::Error> {
                T::deserialize(MapAccessDeserializer::new(fields))
            }
        }

        deserializer.deserialize_map(Fields(PhantomData)).map(Self)
    }
}

/// Reads a whole number in any spelling of JSON: 80, 80.0 and 8e1 are the same.
///
/// # Errors
///
/// When it has a fraction or is not in the range of a `T`.
pub fn whole_number<'de, D, T>(deserializer: D) -> Result<Option<T>, D::Error>
where
    D: Deserializer<'de>,
    T: TryFrom<u64>,
{
    let Some(number) = Option::<f64>::deserialize(deserializer)? else { return Ok(None) };
    let whole = (0.0..=9e15).contains(&number) && number.fract() == 0.0;
    // An `f64` holds every whole number of this size exactly.
    let number = if whole { T::try_from(number as u64).ok() } else { None };
    number.map(Some).ok_or_else(|| D::Error::custom("not a whole number of the right size"))
}

/// The longest JSON value that is stored as it was sent, in bytes of its text.
const MAX_STORED: usize = 16 * 1024;

/// Refuses a JSON value that is too long to be stored.
///
/// # Errors
///
/// When it is longer than 16 KiB (400).
pub fn check_size(place: &str, value: &Value) -> Result<(), Refusal> {
    if value.to_string().len() > MAX_STORED {
        return Err(Refusal::bad_request(format!("{place}: longer than {} KiB", MAX_STORED >> 10)));
    }
    Ok(())
}

/// The region with this name; `None` for an empty name.
///
/// # Errors
///
/// When the name is not valid (400).
pub fn region(place: &str, name: Option<&str>) -> Result<Option<Region>, Refusal> {
    let name = name.map(str::trim).filter(|name| !name.is_empty());
    name.map(|name| name.parse().map_err(|error| Refusal::bad_request(format!("{place}: {error}")))).transpose()
}

fn malformed<E: std::fmt::Display>(place: &str, error: &serde_path_to_error::Error<E>) -> Refusal {
    let field = field_of(error);
    Refusal::bad_request(format!("{}: {}", field.as_deref().unwrap_or(place), error.inner()))
}

/// The path of the field that is wrong; `None` for the document as a whole.
pub fn field_of<E>(error: &serde_path_to_error::Error<E>) -> Option<String> {
    let path = error.path().to_string();
    // The path of an incomplete document ends with an unknown part.
    let field = path.trim_end_matches('?').trim_end_matches('.');
    (!field.is_empty()).then(|| field.to_owned())
}

/// The query. A parameter that takes a list may be repeated.
#[derive(Debug)]
pub struct Query<T>(
    /// Its parameters.
    pub T,
);

impl<S: Send + Sync, T: DeserializeOwned> FromRequestParts<S> for Query<T> {
    type Rejection = Refusal;

    async fn from_request_parts(parts: &mut request::Parts, _: &S) -> Result<Self, Refusal> {
        let pairs = serde_html_form::Deserializer::from_bytes(parts.uri.query().unwrap_or_default().as_bytes());
        serde_path_to_error::deserialize(pairs).map(Self).map_err(|error| malformed("the query", &error))
    }
}

/// The parameters in the path.
#[derive(Debug)]
pub struct Path<T>(
    /// The parameters.
    pub T,
);

impl<S: Send + Sync, T: DeserializeOwned + Send> FromRequestParts<S> for Path<T> {
    type Rejection = Refusal;

    async fn from_request_parts(parts: &mut request::Parts, state: &S) -> Result<Self, Refusal> {
        let path = axum::extract::Path::<T>::from_request_parts(parts, state).await;
        path.map(|axum::extract::Path(value)| Self(value))
            .map_err(|error| Refusal::new(error.status(), error.body_text()))
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use axum::http::Request as HttpRequest;

    use super::*;

    #[derive(Debug, PartialEq, Deserialize)]
    struct Document {
        count: u32,
        #[serde(default)]
        inner: Vec<Inner>,
    }

    #[derive(Debug, PartialEq, Deserialize)]
    struct Sized {
        #[serde(default, deserialize_with = "whole_number")]
        port: Option<u16>,
    }

    #[test]
    fn a_whole_number_may_be_spelled_with_a_fraction_of_zero() {
        let port = |text: &str| parse::<Sized>(format!("{{\"port\": {text}}}")).map(|sized| sized.port);
        assert_eq!(parse::<Sized>("{}").unwrap(), Sized { port: None });
        assert_eq!(port("null").unwrap(), None);
        assert_eq!([port("80").unwrap(), port("80.0").unwrap(), port("8e1").unwrap()], [Some(80); 3]);
        for wrong in ["80.5", "-1", "65536", "1e300", "\"80\"", "true"] {
            assert!(port(wrong).unwrap_err().message.starts_with("port: "), "{wrong}");
        }
    }

    #[derive(Debug, PartialEq, Deserialize)]
    struct Inner {
        name: String,
    }

    fn refused(body: &[u8]) -> String {
        let refusal = parse::<Document>(body).unwrap_err();
        assert_eq!(refusal.status, StatusCode::BAD_REQUEST);
        refusal.message
    }

    #[test]
    fn a_malformed_document_is_refused_by_the_name_of_the_field() {
        assert_eq!(parse::<Document>(br#"{"count": 1, "more": {}}"#).unwrap(), Document { count: 1, inner: vec![] });
        assert!(refused(br#"{"count": "x"}"#).starts_with("count: invalid type: string"));
        assert!(refused(br#"{"count": 1, "inner": [{"name": "a"}, {"name": 5}]}"#).starts_with("inner[1].name: "));
        assert!(refused(br#"{"count": 1, "inner": [{}]}"#).starts_with("inner[0]: missing field `name`"));
        assert!(refused(b"{}").starts_with("the body: missing field `count`"));
        assert!(refused(b"{").starts_with("the body: EOF"));
        assert!(refused(b"").starts_with("the body: EOF"));
        assert!(refused(br#"{"count": 1} {}"#).starts_with("the body: trailing"));
        assert_eq!(refused(b"{\"count\": 1, \"more\": \"\xff\"}"), "the body is not UTF-8");
        refused("[".repeat(100_000).as_bytes());
    }

    #[test]
    fn what_is_no_object_is_refused() {
        for wrong in ["[1]", "[1, []]", "null", "5", "\"count\"", "true"] {
            let message = refused(wrong.as_bytes());
            assert!(message.starts_with("the body: ") && message.contains("expected an object"), "{wrong}: {message}");
        }
        let part = serde_json::json!([1, []]);
        let message = parse_at::<Document>("metadata", &part).unwrap_err().message;
        assert!(message.starts_with("metadata: ") && message.contains("expected an object"), "{message}");
        assert_eq!(parse_any::<Vec<u32>>("[1]").unwrap(), [1]);
    }

    #[test]
    fn a_part_of_a_document_is_refused_by_its_place() {
        let value = serde_json::json!({ "count": -1 });
        assert!(parse_at::<Document>("metadata", &value).unwrap_err().message.starts_with("metadata.count: "));
        let missing = parse_at::<Document>("metadata", &serde_json::json!({})).unwrap_err().message;
        assert!(missing.starts_with("metadata: missing field"), "{missing}");
    }

    #[derive(Debug, Default, PartialEq, Deserialize)]
    #[serde(default)]
    struct Wanted {
        page: Option<u32>,
        active: Option<bool>,
        tags: BTreeSet<String>,
    }

    async fn query(text: &str) -> Result<Wanted, Refusal> {
        let (mut parts, ()) = HttpRequest::get(format!("/?{text}")).body(()).unwrap().into_parts();
        Query::<Wanted>::from_request_parts(&mut parts, &()).await.map(|Query(wanted)| wanted)
    }

    #[tokio::test]
    async fn a_query_takes_lists_and_ignores_what_is_empty_or_unknown() {
        let wanted = query("page=2&active=true&tags=a&tags=b%20c&more=1").await.unwrap();
        let tags = ["a", "b c"].map(str::to_owned).into();
        assert_eq!(wanted, Wanted { page: Some(2), active: Some(true), tags });
        assert_eq!(query("page=&active=").await.unwrap(), Wanted::default());
        assert_eq!(query("").await.unwrap(), Wanted::default());
    }

    #[tokio::test]
    async fn a_wrong_query_is_refused_by_the_name_of_the_parameter() {
        for (text, name) in [("page=x", "page: "), ("page=-1", "page: "), ("active=maybe", "active: ")] {
            let refusal = query(text).await.unwrap_err();
            assert_eq!(refusal.status, StatusCode::BAD_REQUEST);
            assert!(refusal.message.starts_with(name), "{}", refusal.message);
        }
    }

    #[tokio::test]
    async fn a_body_that_is_too_long_is_refused() {
        let request = |length: usize| Request::new(RawBody::from(vec![b' '; length]));
        for (max, said) in [(MAX_BODY, "longer than 4 MiB"), (MAX_STRANGERS_BODY, "longer than 64 KiB")] {
            assert_eq!(read(request(max), max).await.unwrap().len(), max);
            let refusal = read(request(max + 1), max).await.unwrap_err();
            assert_eq!(refusal.status, StatusCode::PAYLOAD_TOO_LARGE);
            assert!(refusal.message.ends_with(said), "{}", refusal.message);
        }
    }
}
