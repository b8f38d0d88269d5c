//! The form fields that describe a node, as they were sent. The form of submissions and the form of the operator share
//! them.

use easytier_probe::{Scheme, Secret};
use easytier_uptime_store::domain::PeerSpec;
use maud::{Markup, html};
use serde::Deserialize;

use super::{Fields, Input};
use crate::{
    pages::language::Texts,
    service::{FieldError, FieldProblem, NodeFields},
};

/// The maximum of the field `max_connections`.
const MAX_CONNECTIONS: u32 = 1_000_000;

/// The text of each field.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub struct NodeForm {
    name: String,
    protocol: String,
    host: String,
    port: String,
    path: String,
    description: String,
    tags: String,
    max_connections: String,
    allow_relay: String,
    pub network_name: String,
    network_secret: Option<Secret>,
    mail: String,
    qq_number: String,
    wechat: String,
}

impl NodeForm {
    /// The form of a stored node, without its secret.
    pub fn of(spec: &PeerSpec) -> Self {
        let text = |text: &Option<String>| text.clone().unwrap_or_default();
        Self {
            name: spec.name.clone(),
            protocol: spec.url.protocol().to_owned(),
            host: spec.url.host().map(ToString::to_string).unwrap_or_default(),
            port: spec.url.port().map(|port| port.to_string()).unwrap_or_default(),
            path: spec.url.path().to_owned(),
            description: spec.description.clone(),
            tags: spec.tags.iter().map(|tag| tag.as_str()).collect::<Vec<_>>().join(", "),
            max_connections: spec.max_connections.to_string(),
            allow_relay: if spec.allow_relay { "true" } else { "" }.to_owned(),
            network_name: text(&spec.network_name),
            network_secret: None,
            mail: text(&spec.contacts.mail),
            qq_number: text(&spec.contacts.qq_number),
            wechat: text(&spec.contacts.wechat),
        }
    }

    /// The fields that were filled in.
    pub fn filled_fields(&self) -> Result<NodeFields, FieldError> {
        let filled = |text: &str| Some(text.trim().to_owned()).filter(|text| !text.is_empty());
        Ok(NodeFields {
            name: filled(&self.name),
            host: filled(&self.host),
            path: filled(&self.path),
            description: filled(&self.description),
            network_name: filled(&self.network_name),
            qq_number: filled(&self.qq_number),
            wechat: filled(&self.wechat),
            mail: filled(&self.mail),
            ..self.fields()?
        })
    }

    /// All fields of the form. An empty text clears the stored value; an empty number or secret leaves it unchanged.
    pub fn fields(&self) -> Result<NodeFields, FieldError> {
        let text = |text: &str| Some(text.trim().to_owned());
        Ok(NodeFields {
            name: text(&self.name),
            host: text(&self.host),
            port: number("port", &self.port, 0, u16::MAX.into())?.and_then(|port| u16::try_from(port).ok()),
            protocol: match self.protocol.as_str() {
                "" => None,
                name => Some(name.parse().map_err(|_| FieldError::new("protocol", malformed("protocol")))?),
            },
            path: text(&self.path),
            description: text(&self.description),
            max_connections: number("max_connections", &self.max_connections, 1, MAX_CONNECTIONS)?,
            allow_relay: Some(!self.allow_relay.is_empty()),
            network_name: text(&self.network_name),
            network_secret: self.secret().cloned(),
            qq_number: text(&self.qq_number),
            wechat: text(&self.wechat),
            mail: text(&self.mail),
            tags: Some(list(&self.tags)),
        })
    }

    /// The secret, unless the field is empty.
    pub fn secret(&self) -> Option<&Secret> {
        self.network_secret.as_ref().filter(|secret| !secret.expose().is_empty())
    }
}

fn malformed(kind: &str) -> FieldProblem {
    FieldProblem::Malformed(format!("no such {kind}"))
}

/// The number in a field; `None` if the field is empty.
pub fn number(field: &'static str, text: &str, min: u32, max: u32) -> Result<Option<u32>, FieldError> {
    match text.trim() {
        "" => Ok(None),
        text => match text.parse::<u32>() {
            Ok(number) if (min..=max).contains(&number) => Ok(Some(number)),
            _ => Err(FieldError::new(field, FieldProblem::OutOfRange { min: min.max(1), max })),
        },
    }
}

/// The entries of a field with a list, separated by commas.
pub fn list(text: &str) -> Vec<String> {
    text.split([',', '，']).map(str::trim).filter(|entry| !entry.is_empty()).map(str::to_owned).collect()
}

/// Name, address, description, tags, capacity.
pub fn details(texts: &Texts, fields: Fields, form: &NodeForm, host_hint: &str) -> Markup {
    let protocol = if form.protocol.is_empty() { Scheme::Tcp.as_str() } else { &form.protocol };
    let max_connections = if form.max_connections.is_empty() { "100" } else { &form.max_connections };
    let host = Input::text("host", texts.host, &form.host, 253).required();
    let capacity = Input::number("max_connections", texts.max_connections, max_connections, 1, MAX_CONNECTIONS);
    let port = Input::number("port", texts.port, &form.port, 1, u16::MAX.into());
    let path = Input::text("path", texts.path, &form.path, 1000);
    html! {
        (fields.input(&Input::text("name", texts.name, &form.name, 100).required()))
        div.row {
            (fields.select("protocol", texts.protocol, protocol, Scheme::all().map(|scheme| (scheme.as_str(), scheme.as_str()))))
            (fields.input(&Input { placeholder: Some("node.example.net"), ..host.hint(host_hint) }))
            (fields.input(&Input { class: "short", placeholder: Some("11010"), ..port }))
        }
        (fields.input(&Input { placeholder: Some("/easytier"), ..path.hint(texts.path_hint) }))
        (fields.text_area("description", texts.description, &form.description, 2000, None))
        (fields.input(&Input::text("tags", texts.tags, &form.tags, 400).hint(texts.tags_hint)))
        div.row {
            (fields.input(&Input { class: "half", ..capacity }))
            (fields.check("allow_relay", texts.allow_relay, !form.allow_relay.is_empty()))
        }
    }
}

/// Mail, QQ, WeChat.
pub fn contacts(texts: &Texts, fields: Fields, form: &NodeForm) -> Markup {
    let mail = Input::text("mail", texts.mail, &form.mail, 100);
    html! {
        (fields.input(&Input { kind: "email", ..mail }))
        div.row {
            (fields.input(&Input::text("qq_number", texts.qq_number, &form.qq_number, 100)))
            (fields.input(&Input::text("wechat", texts.wechat, &form.wechat, 100)))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn form(text: &str) -> NodeForm {
        serde_html_form::from_str(text).unwrap()
    }

    #[test]
    fn empty_fields_of_a_submission_are_left_out() {
        let blank = "name=&host=+a.example+&port=&max_connections=&tags=&network_name=&network_secret=&mail=";
        let fields = form(blank).filled_fields().unwrap();
        assert_eq!((fields.name, fields.host.as_deref(), fields.port), (None, Some("a.example"), None));
        assert_eq!((fields.network_name, fields.mail, fields.max_connections), (None, None, None));
        assert_eq!((fields.tags, fields.allow_relay), (Some(Vec::new()), Some(false)));
        assert!(fields.network_secret.is_none());
    }

    #[test]
    fn numbers_lists_and_boxes_are_read() {
        let text =
            "host=a&port=7&max_connections=50&tags=x,%E5%9B%BD%E5%86%85%EF%BC%8C+y&allow_relay=true&network_secret=+s";
        let fields = form(text).fields().unwrap();
        assert_eq!((fields.port, fields.max_connections, fields.allow_relay), (Some(7), Some(50), Some(true)));
        assert_eq!(fields.tags, Some(vec!["x".into(), "国内".into(), "y".into()]));
        assert_eq!(fields.network_secret, Some(" s".into()));
        assert_eq!(fields.name.as_deref(), Some(""), "an empty text clears");
    }

    #[test]
    fn a_number_that_is_none_is_refused_by_its_field() {
        for (text, field) in [("port=many", "port"), ("port=65536", "port"), ("max_connections=0", "max_connections")] {
            assert_eq!(form(text).fields().unwrap_err().field, field);
        }
    }
}
