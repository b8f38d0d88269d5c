//! The fields of a node in documents and forms, named as in the public API, and their validation.

use std::{
    collections::BTreeSet,
    net::{Ipv4Addr, Ipv6Addr},
    str::FromStr,
};

use easytier_probe::{PeerUrl, Scheme, Secret};
use easytier_uptime_monitor::{input, parameter::string, public::nodes::LABEL_PATTERN};
use easytier_uptime_store::domain::{LabelError, PeerSpec, Tag};
use serde::{Deserialize, de::DeserializeOwned};
use utoipa::{
    ToSchema,
    openapi::{
        KnownFormat, ObjectBuilder, Schema, SchemaFormat,
        schema::{AnyOfBuilder, ArrayBuilder, SchemaType, Type},
    },
};

use super::{FieldError, FieldProblem};

const MAX_NAME: usize = 100;
const MAX_DESCRIPTION: usize = 2000;
const MAX_NETWORK: usize = 255;
const MAX_CONTACT: usize = 100;
const MAX_PATH: usize = 1000;
const MAX_TAGS: usize = 16;
const MAX_CONNECTIONS: u32 = 1_000_000;
/// The limits of the DNS.
const MAX_HOST: usize = 253;
const MAX_LABEL: usize = 63;

/// The pattern of a text with a visible character: neither white space nor a control character.
pub const VISIBLE: &str = r"[^\s\u0000-\u001f\u007f-\u009f]";
/// A host name in ASCII; international names have an `xn--` form. The last label must not begin with a digit, because
/// the text would then be read as an IP address.
const HOST_NAME: &str =
    r"^([A-Za-z0-9_]([A-Za-z0-9_-]{0,61}[A-Za-z0-9_])?\.)*[A-Za-z]([A-Za-z0-9-]{0,61}[A-Za-z0-9])?$";

/// The fields of a node. Null counts as missing.
#[derive(Debug, Clone, Default, Deserialize, ToSchema)]
#[serde(default)]
pub struct NodeFields {
    /// The name in lists.
    #[schema(max_length = 100, pattern = r"[^\s\u0000-\u001f\u007f-\u009f]", example = "Shanghai 2")]
    pub name: Option<String>,
    /// A host name or an IP address.
    #[schema(schema_with = host)]
    pub host: Option<String>,
    /// By default the usual port of the protocol; `txt` and `srv` nodes have none.
    #[serde(deserialize_with = "input::whole_number")]
    #[schema(minimum = 1, maximum = 65535, example = 11010)]
    pub port: Option<u16>,
    /// By default `tcp`.
    #[schema(schema_with = protocol)]
    pub protocol: Option<Scheme>,
    /// The path and query of a `ws`, `wss`, `http` or `https` node, where a web server has the node behind a path; ignored for others.
    #[schema(max_length = 1000, pattern = r#"^[ \t]*[!"$-\[\]-~]*[ \t]*$"#, example = "/easytier")]
    pub path: Option<String>,
    /// Shown on the node's page.
    #[schema(max_length = 2000)]
    pub description: Option<String>,
    /// The maximum number of networks on the node.
    #[serde(deserialize_with = "input::whole_number")]
    #[schema(minimum = 1, maximum = 1_000_000)]
    pub max_connections: Option<u32>,
    /// Whether the owner offers to relay.
    pub allow_relay: Option<bool>,
    /// The name of the node's network.
    #[schema(max_length = 255)]
    pub network_name: Option<String>,
    /// With a secret the node is checked as a member of its network, otherwise as a guest. The secret may be empty if the
    /// network has a name.
    #[schema(value_type = Option<String>, max_length = 255, format = Password)]
    pub network_secret: Option<Secret>,
    /// A contact of the owner, which only the operator sees.
    #[schema(max_length = 100)]
    pub qq_number: Option<String>,
    /// A contact of the owner, which only the operator sees.
    #[schema(max_length = 100)]
    pub wechat: Option<String>,
    /// A contact of the owner, which only the operator sees.
    #[schema(
        max_length = 100,
        pattern = r"^[ \t]*(|[^\s@\u0000-\u001f\u007f-\u009f]+@[^\s@\u0000-\u001f\u007f-\u009f]+)[ \t]*$",
        example = "admin@example.net"
    )]
    pub mail: Option<String>,
    /// Tags by which launchers filter.
    #[schema(schema_with = tags)]
    pub tags: Option<Vec<String>>,
}

fn host() -> Schema {
    let format = |format| string().format(Some(SchemaFormat::KnownFormat(format)));
    AnyOfBuilder::new()
        .description(Some("A host name or an IP address; brackets around an IPv6 address are optional."))
        .item(string().max_length(Some(MAX_HOST)).pattern(Some(HOST_NAME)))
        .item(format(KnownFormat::Ipv4))
        .item(format(KnownFormat::Ipv6))
        .item(ObjectBuilder::new().schema_type(Type::Null))
        .examples(["node.example.net"])
        .build()
        .into()
}

fn protocol() -> Schema {
    let names: Vec<serde_json::Value> =
        Scheme::all().map(|scheme| scheme.as_str().into()).chain([serde_json::Value::Null]).collect();
    ObjectBuilder::new()
        .schema_type(SchemaType::from_iter([Type::String, Type::Null]))
        .enum_values(Some(names))
        .build()
        .into()
}

fn tags() -> Schema {
    labels_schema(MAX_TAGS)
}

/// The schema of a list of tags or regions, or null.
pub fn labels_schema(max: usize) -> Schema {
    ArrayBuilder::new()
        .schema_type(SchemaType::from_iter([Type::Array, Type::Null]))
        .items(string().max_length(Some(64)).pattern(Some(LABEL_PATTERN)))
        .max_items(Some(max))
        .build()
        .into()
}

/// Valid fields; `None` for a field that is missing.
#[derive(Debug, Clone)]
pub(super) struct ValidFields {
    pub name: Option<String>,
    address: Address,
    description: Option<String>,
    max_connections: Option<u32>,
    allow_relay: Option<bool>,
    network_name: Option<String>,
    network_secret: Option<Secret>,
    qq_number: Option<String>,
    wechat: Option<String>,
    mail: Option<String>,
    tags: Option<BTreeSet<Tag>>,
}

/// The parts of an address.
#[derive(Debug, Clone)]
struct Address {
    scheme: Option<Scheme>,
    host: Option<String>,
    port: Option<u16>,
    /// Empty, or with its `/`.
    path: Option<String>,
}

impl NodeFields {
    pub(super) fn validate(self) -> Result<ValidFields, FieldError> {
        let name = text("name", self.name, MAX_NAME)?;
        if name.as_deref() == Some("") {
            return Err(FieldError::new("name", FieldProblem::Empty));
        }
        if self.max_connections.is_some_and(|count| !(1..=MAX_CONNECTIONS).contains(&count)) {
            return Err(FieldError::new("max_connections", FieldProblem::OutOfRange { min: 1, max: MAX_CONNECTIONS }));
        }
        if self.mail.as_deref().is_some_and(|mail| !is_mail_or_blank(mail)) {
            return Err(FieldError::new("mail", FieldProblem::NoMailAddress));
        }
        if self.network_secret.as_ref().is_some_and(|secret| secret.expose().chars().count() > MAX_NETWORK) {
            return Err(FieldError::new("network_secret", FieldProblem::TooLong { max: MAX_NETWORK }));
        }
        Ok(ValidFields {
            name,
            address: Address {
                scheme: self.protocol,
                host: self.host.map(|host| parse_host(&host)).transpose()?,
                port: self.port,
                path: self.path.as_deref().map(parse_path).transpose()?,
            },
            description: text("description", self.description, MAX_DESCRIPTION)?,
            max_connections: self.max_connections,
            allow_relay: self.allow_relay,
            network_name: text("network_name", self.network_name, MAX_NETWORK)?,
            network_secret: self.network_secret,
            qq_number: text("qq_number", self.qq_number, MAX_CONTACT)?,
            wechat: text("wechat", self.wechat, MAX_CONTACT)?,
            mail: text("mail", self.mail, MAX_CONTACT)?,
            tags: self.tags.map(|tags| labels("tags", tags, MAX_TAGS)).transpose()?,
        })
    }
}

/// Whether a node that others describe is within the limits of [`NodeFields`]. The name of one without a name is its URL, which may be
/// longer.
///
/// # Errors
///
/// Names the first field that is not.
pub fn check_lengths(spec: &PeerSpec) -> Result<(), FieldError> {
    let secret = spec.network_secret.as_ref().map(Secret::expose);
    let contacts = &spec.contacts;
    for (field, text, max) in [
        ("name", Some(spec.name.as_str()).filter(|name| !spec.url.is_written_as(name)), MAX_NAME),
        ("description", Some(&spec.description), MAX_DESCRIPTION),
        ("network_name", spec.network_name.as_deref(), MAX_NETWORK),
        ("network_secret", secret, MAX_NETWORK),
        ("qq_number", contacts.qq_number.as_deref(), MAX_CONTACT),
        ("wechat", contacts.wechat.as_deref(), MAX_CONTACT),
        ("mail", contacts.mail.as_deref(), MAX_CONTACT),
    ] {
        if text.is_some_and(|text| text.chars().count() > max) {
            return Err(FieldError::new(field, FieldProblem::TooLong { max }));
        }
    }
    if spec.tags.len() > MAX_TAGS {
        return Err(FieldError::new("tags", FieldProblem::TooMany { max: MAX_TAGS }));
    }
    if spec.max_connections > MAX_CONNECTIONS {
        return Err(FieldError::new("max_connections", FieldProblem::TooLarge { max: MAX_CONNECTIONS }));
    }
    Ok(())
}

/// Reads a part of the fields of a form.
pub(super) fn from_json<T: DeserializeOwned>(fields: &serde_json::Value) -> Result<T, FieldError> {
    serde_path_to_error::deserialize(fields).map_err(|error| {
        let field = input::field_of(&error).unwrap_or_default();
        FieldError::new(field, FieldProblem::Malformed(error.into_inner().to_string()))
    })
}

impl ValidFields {
    /// A new peer.
    pub fn into_spec(self) -> Result<PeerSpec, FieldError> {
        let Address { scheme, host, port, path } = &self.address;
        let host = host.as_deref().ok_or_else(|| FieldError::new("host", FieldProblem::Missing))?;
        let scheme = scheme.unwrap_or(Scheme::Tcp);
        let path = path.as_deref().filter(|_| has_path(scheme));
        let url = address(scheme, host, port.or(scheme.default_port()), path.unwrap_or_default())?;
        let mut spec = PeerSpec::new(url);
        self.apply(&mut spec);
        Ok(spec)
    }

    /// The new URL of a peer whose current URL is `known`.
    pub fn url(&self, known: &PeerUrl) -> Result<PeerUrl, FieldError> {
        let Address { scheme, host, port, path } = &self.address;
        let scheme = match scheme {
            Some(scheme) => *scheme,
            None => known.known_scheme().map_err(|error| FieldError::new("protocol", error))?,
        };
        let is_kept = known.scheme() == Some(scheme);
        let host = host.clone().unwrap_or_else(|| known.host_text());
        let default = if is_kept { known.port() } else { scheme.default_port() };
        let path = match path {
            Some(path) if has_path(scheme) => path,
            _ if is_kept => known.path(),
            _ => "",
        };
        address(scheme, &host, port.or(default), path)
    }

    /// Writes all fields but the URL to `spec`.
    pub fn apply(self, spec: &mut PeerSpec) {
        set(&mut spec.name, self.name);
        set(&mut spec.description, self.description);
        set(&mut spec.max_connections, self.max_connections);
        set(&mut spec.allow_relay, self.allow_relay);
        set(&mut spec.tags, self.tags);
        set_or_clear(&mut spec.network_name, self.network_name);
        set_or_clear(&mut spec.contacts.qq_number, self.qq_number);
        set_or_clear(&mut spec.contacts.wechat, self.wechat);
        set_or_clear(&mut spec.contacts.mail, self.mail);
        if let Some(secret) = self.network_secret {
            // An empty secret without a network name is a blank form. A network with a name may have an empty secret.
            let blank = secret.expose().is_empty() && spec.network_name.is_none();
            spec.network_secret = (!blank).then_some(secret);
        }
    }
}

fn set<T>(target: &mut T, value: Option<T>) {
    if let Some(value) = value {
        *target = value;
    }
}

/// Sets a text; an empty one clears it.
fn set_or_clear(target: &mut Option<String>, value: Option<String>) {
    if let Some(value) = value {
        *target = Some(value).filter(|value| !value.is_empty());
    }
}

/// A text without the space around it; empty when it has no visible character.
fn text(field: &'static str, text: Option<String>, max: usize) -> Result<Option<String>, FieldError> {
    let Some(text) = text else { return Ok(None) };
    if text.chars().count() > max {
        return Err(FieldError::new(field, FieldProblem::TooLong { max }));
    }
    let visible = text.chars().any(|c| !c.is_whitespace() && !c.is_control());
    Ok(Some(if visible { text.trim().to_owned() } else { String::new() }))
}

/// Tags or regions; empty ones count as missing.
pub(super) fn labels<T: FromStr<Err = LabelError> + Ord>(
    field: &'static str,
    texts: Vec<String>,
    max: usize,
) -> Result<BTreeSet<T>, FieldError> {
    if texts.len() > max {
        return Err(FieldError::new(field, FieldProblem::TooMany { max }));
    }
    let labels = texts.iter().filter(|label| !label.trim().is_empty()).map(|label| label.parse());
    labels.collect::<Result<_, _>>().map_err(|error| FieldError::new(field, error))
}

fn is_mail_or_blank(text: &str) -> bool {
    let forbidden = |c: char| c == '@' || c.is_whitespace() || c.is_control();
    let part = |part: &str| !part.is_empty() && !part.contains(forbidden);
    let mail = text.trim_matches([' ', '\t']);
    mail.is_empty() || mail.split_once('@').is_some_and(|(user, host)| part(user) && part(host))
}

/// Reads a host for a [`PeerUrl`]. Its characters cannot become another part of the URL.
fn parse_host(text: &str) -> Result<String, FieldError> {
    let host = text.trim();
    let bare = host.strip_prefix('[').and_then(|host| host.strip_suffix(']')).unwrap_or(host);
    let is_address = bare.parse::<Ipv6Addr>().is_ok() || host.parse::<Ipv4Addr>().is_ok();
    match is_address || is_host_name(host) {
        true => Ok(bare.to_owned()),
        false => Err(FieldError::new("host", FieldProblem::NoHost)),
    }
}

fn is_host_name(host: &str) -> bool {
    let is_label = |label: &str| {
        let allowed = label.bytes().all(|c| c.is_ascii_alphanumeric() || matches!(c, b'-' | b'_'));
        allowed && (1..=MAX_LABEL).contains(&label.len()) && !label.starts_with('-') && !label.ends_with('-')
    };
    let last = host.rsplit('.').next().unwrap_or_default();
    host.len() <= MAX_HOST
        && host.split('.').all(is_label)
        && last.starts_with(|c: char| c.is_ascii_alphabetic())
        && !last.contains('_')
}

/// Reads a path for a [`PeerUrl`], with its query. It cannot become another part of the URL.
fn parse_path(text: &str) -> Result<String, FieldError> {
    if text.chars().count() > MAX_PATH {
        return Err(FieldError::new("path", FieldProblem::TooLong { max: MAX_PATH }));
    }
    let text = text.trim_matches([' ', '\t']);
    if !text.chars().all(|c| c.is_ascii_graphic() && !matches!(c, '#' | '\\')) {
        return Err(FieldError::new("path", FieldProblem::NoPath));
    }
    Ok(if text.is_empty() || text.starts_with('/') { text.to_owned() } else { format!("/{text}") })
}

/// Whether nodes of a scheme may be behind a path.
fn has_path(scheme: Scheme) -> bool {
    matches!(scheme, Scheme::Ws | Scheme::Wss | Scheme::Http | Scheme::Https)
}

fn address(scheme: Scheme, host: &str, port: Option<u16>, path: &str) -> Result<PeerUrl, FieldError> {
    if port == Some(0) && scheme.default_port().is_some() {
        return Err(FieldError::new("port", FieldProblem::OutOfRange { min: 1, max: u16::MAX.into() }));
    }
    let url = PeerUrl::new(scheme, host, port).map_err(|error| FieldError::new("host", error))?;
    match path {
        "" => Ok(url),
        path => format!("{url}{path}").parse().map_err(|error| FieldError::new("path", error)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fields(json: serde_json::Value) -> NodeFields {
        serde_json::from_value(json).unwrap()
    }

    fn refused(json: serde_json::Value) -> String {
        fields(json).validate().and_then(ValidFields::into_spec).unwrap_err().to_string()
    }

    #[test]
    fn an_address_is_made_of_its_parts() {
        let url = |json| fields(json).validate().and_then(ValidFields::into_spec).unwrap().url.to_string();
        assert_eq!(url(serde_json::json!({ "host": " node.example.net " })), "tcp://node.example.net:11010");
        assert_eq!(url(serde_json::json!({ "host": "::1", "protocol": "wss" })), "wss://[::1]:443");
        assert_eq!(url(serde_json::json!({ "host": "[2001:db8::1]", "port": 7.0 })), "tcp://[2001:db8::1]:7");
        assert_eq!(url(serde_json::json!({ "host": "192.0.2.1", "protocol": "wg" })), "wg://192.0.2.1:11011");
        let txt = serde_json::json!({ "host": "_nodes.example.net", "port": 0, "protocol": "txt" });
        assert_eq!(url(txt), "txt://_nodes.example.net");
    }

    #[test]
    fn a_node_behind_a_web_server_has_a_path() {
        let url = |protocol, path| {
            let json = serde_json::json!({ "host": "node.example.net", "protocol": protocol, "path": path });
            fields(json).validate().and_then(ValidFields::into_spec).unwrap().url.full()
        };
        assert_eq!(url("wss", " /et/a?x=1 "), "wss://node.example.net:443/et/a?x=1");
        assert_eq!(url("https", "-node1"), "https://node.example.net:443/-node1");
        assert_eq!(url("ws", "@evil.example/"), "ws://node.example.net:80/@evil.example/");
        assert_eq!([url("ws", ""), url("ws", "/")], ["ws://node.example.net:80", "ws://node.example.net:80"]);
        // As the port of txt and srv.
        assert_eq!(url("tcp", "/et"), "tcp://node.example.net:11010");
    }

    #[test]
    fn nothing_in_a_host_becomes_another_part_of_a_url() {
        for host in [
            "",
            " ",
            "a/b",
            "a?b",
            "a#b",
            "user@a",
            "a:1",
            "a b",
            "a\\b",
            "tcp://a",
            "[::1",
            "1.2.3",
            "256.1.1.1",
            "0x7f.1",
            "a..b",
            ".a",
            "a.",
            "-a",
            "节点.example",
            "a\nb",
            "a%2fb",
            "a.b_c",
        ] {
            let message = refused(serde_json::json!({ "host": host }));
            assert!(message.starts_with("host: "), "{host:?}: {message}");
        }
    }

    #[test]
    fn a_refusal_names_the_field() {
        for (field, value) in [
            ("name", serde_json::json!(" ")),
            ("name", serde_json::json!("x".repeat(101))),
            ("port", serde_json::json!(0)),
            ("path", serde_json::json!("/a b")),
            ("path", serde_json::json!("/a#b")),
            ("path", serde_json::json!("\\a")),
            ("path", serde_json::json!("/节点")),
            ("path", serde_json::json!("\u{84}")),
            ("path", serde_json::json!("x".repeat(1001))),
            ("max_connections", serde_json::json!(0)),
            ("mail", serde_json::json!("nobody")),
            ("mail", serde_json::json!("a@b@c")),
            ("tags", serde_json::json!(["a,b"])),
            ("tags", serde_json::json!(vec!["a"; 17])),
            ("network_secret", serde_json::json!("x".repeat(256))),
        ] {
            let message = refused(serde_json::json!({ "host": "node.example.net", field: value }));
            assert!(message.starts_with(&format!("{field}: ")), "{message}");
        }
        assert!(refused(serde_json::json!({})).starts_with("host: "));
    }

    #[test]
    fn an_empty_secret_is_one_only_of_a_network_that_is_named() {
        let secret = |json| fields(json).validate().and_then(ValidFields::into_spec).unwrap().network_secret;
        let blank = serde_json::json!({ "host": "a", "network_name": "", "network_secret": "" });
        assert_eq!(secret(blank), None);
        let empty = serde_json::json!({ "host": "a", "network_name": "lan", "network_secret": "" });
        assert_eq!(secret(empty), Some("".into()));
        assert_eq!(secret(serde_json::json!({ "host": "a", "network_name": "lan" })), None);
    }

    #[test]
    fn a_change_keeps_what_it_does_not_name() {
        let known: PeerUrl = "http://node.example.net:8080/list?x=1".parse().unwrap();
        let url = |json| fields(json).validate().unwrap().url(&known).unwrap().full();
        assert_eq!(url(serde_json::json!({})), known.full());
        assert_eq!(url(serde_json::json!({ "port": 81 })), "http://node.example.net:81/list?x=1");
        assert_eq!(url(serde_json::json!({ "path": "/new" })), "http://node.example.net:8080/new");
        assert_eq!(url(serde_json::json!({ "path": "" })), "http://node.example.net:8080");
        assert_eq!(url(serde_json::json!({ "protocol": "tcp", "path": "/list" })), "tcp://node.example.net:11010");
        let mut spec = PeerSpec::new(known.clone());
        spec.contacts.wechat = Some("w".into());
        let said = serde_json::json!({ "mail": "a@b", "wechat": "", "name": null });
        fields(said).validate().unwrap().apply(&mut spec);
        assert_eq!((spec.contacts.mail.as_deref(), spec.contacts.wechat.as_deref()), (Some("a@b"), None));
        assert_eq!(spec.name, known.to_string());
    }
}
