//! The form itself, and what is written into it.

use easytier_probe::{Scheme, Secret};
use maud::{Markup, html};
use serde::Deserialize;
use serde_json::{Map, Value};

use crate::pages::{
    layout::{self, Place},
    view::View,
};

/// What a button does.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Step {
    Test,
    #[default]
    Send,
}

/// The fields, as they were written.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub struct Written {
    pub step: Step,
    name: String,
    protocol: String,
    host: String,
    port: String,
    description: String,
    tags: String,
    max_connections: String,
    allow_relay: String,
    network_name: String,
    network_secret: Option<Secret>,
    mail: String,
    qq_number: String,
    wechat: String,
}

impl Written {
    /// As the API takes them. What is empty was not said.
    pub fn fields(&self) -> Value {
        let texts = [
            ("name", &self.name),
            ("protocol", &self.protocol),
            ("host", &self.host),
            ("description", &self.description),
            ("network_name", &self.network_name),
            ("mail", &self.mail),
            ("qq_number", &self.qq_number),
            ("wechat", &self.wechat),
        ];
        let filled = texts.into_iter().filter(|(_, text)| !text.trim().is_empty());
        let mut fields: Map<String, Value> = filled.map(|(name, text)| (name.to_owned(), text.trim().into())).collect();
        for (name, text) in [("port", &self.port), ("max_connections", &self.max_connections)] {
            let text = text.trim();
            if !text.is_empty() {
                // What is no number is refused by its name.
                fields.insert(name.to_owned(), text.parse::<u64>().map_or_else(|_| text.into(), Value::from));
            }
        }
        let tags = self.tags.split([',', '，']).map(str::trim).filter(|tag| !tag.is_empty());
        fields.insert("tags".to_owned(), tags.collect());
        fields.insert("allow_relay".to_owned(), (!self.allow_relay.is_empty()).into());
        if let Some(secret) = self.secret() {
            fields.insert("network_secret".to_owned(), secret.expose().into());
        }
        fields.into()
    }

    fn secret(&self) -> Option<&Secret> {
        self.network_secret.as_ref().filter(|secret| !secret.expose().is_empty())
    }
}

/// The form with what was written; a secret is never shown again. `wrong` is the name of a field.
pub fn page(view: &View, written: &Written, wrong: Option<&str>, told: &Markup) -> Markup {
    let texts = view.texts();
    let field = Field { wrong };
    let protocol = if written.protocol.is_empty() { "tcp" } else { &written.protocol };
    let max_connections = if written.max_connections.is_empty() { "100" } else { &written.max_connections };
    let lost_secret = written.secret().is_some();
    let is_wrong = |name: &str| (wrong == Some(name)).then_some("true");
    let content = html! {
        div.heading { h1 { (texts.submit_title) } }
        p { (texts.submit_intro) }
        form.sheet #submission method="post" action="/submit#outcome" data-testing=(texts.testing) data-failed=(texts.failed) {
            fieldset {
                legend { (texts.the_node) }
                (field.of(texts.name, "name", &written.name, 100, true, None))
                div.row {
                    label { span { (texts.protocol) }
                        select name="protocol" {
                            @for scheme in Scheme::all() {
                                option value=(scheme.as_str()) selected[scheme.as_str() == protocol] { (scheme.as_str()) }
                            }
                        }
                    }
                    label.grow { span { (texts.host) " *" }
                        input name="host" required maxlength="253" value=[filled(&written.host)] autocomplete="off"
                            spellcheck="false" autocapitalize="none" placeholder="node.example.net"
                            aria-invalid=[is_wrong("host")] aria-describedby="host-hint";
                        small #host-hint { (texts.host_hint) }
                    }
                    label.short { span { (texts.port) }
                        input name="port" type="number" min="1" max="65535" inputmode="numeric" placeholder="11010"
                            value=[filled(&written.port)] aria-invalid=[is_wrong("port")];
                    }
                }
                label { span { (texts.description) }
                    textarea name="description" rows="3" maxlength="2000" aria-invalid=[is_wrong("description")] { (written.description) }
                }
                (field.of(texts.tags, "tags", &written.tags, 400, false, Some(texts.tags_hint)))
                div.row {
                    label { span { (texts.max_connections) }
                        input name="max_connections" type="number" min="1" max="1000000" value=(max_connections)
                            inputmode="numeric" aria-invalid=[is_wrong("max_connections")];
                    }
                    label.check {
                        input type="checkbox" name="allow_relay" value="true" checked[!written.allow_relay.is_empty()];
                        span { (texts.allow_relay) }
                    }
                }
            }
            details open[lost_secret || !written.network_name.is_empty()] {
                summary { (texts.private_network) }
                p.muted { (texts.private_hint) }
                (field.of(texts.network_name, "network_name", &written.network_name, 255, false, None))
                label.grow {
                    span { (texts.network_secret) }
                    input name="network_secret" type="password" maxlength="255" autocomplete="new-password"
                        aria-invalid=[is_wrong("network_secret")] aria-describedby=[lost_secret.then_some("secret-hint")];
                    @if lost_secret { small #secret-hint .problem { (texts.secret_again) } }
                }
            }
            fieldset {
                legend { (texts.contact) }
                p.muted { (texts.contact_hint) }
                (field.of(texts.mail, "mail", &written.mail, 100, false, None))
                div.row {
                    (field.of(texts.qq_number, "qq_number", &written.qq_number, 100, false, None))
                    (field.of(texts.wechat, "wechat", &written.wechat, 100, false, None))
                }
            }
            (outcome(told))
            div.actions {
                button type="submit" name="step" value="test" formnovalidate { (texts.test) }
                button.primary type="submit" name="step" value="send" { (texts.send) }
            }
        }
    };
    layout::page(view, Place::Submit, texts.submit_title, &content)
}

/// The place of what is told, which is there from the start for those who hear pages.
fn outcome(told: &Markup) -> Markup {
    match told.0.is_empty() {
        true => html! { div.outcome #outcome role="status" {} },
        false => told.clone(),
    }
}

fn filled(text: &str) -> Option<&str> {
    Some(text).filter(|text| !text.is_empty())
}

/// What all fields of text know.
struct Field<'a> {
    wrong: Option<&'a str>,
}

impl Field<'_> {
    fn of(&self, label: &str, name: &str, value: &str, max: u32, required: bool, hint: Option<&str>) -> Markup {
        let described = hint.map(|_| format!("{name}-hint"));
        let kind = if name == "mail" { "email" } else { "text" };
        html! {
            label.grow {
                span { (label) @if required { " *" } }
                input name=(name) type=(kind) required[required] maxlength=(max) value=[filled(value)] autocomplete="off"
                    aria-invalid=[(self.wrong == Some(name)).then_some("true")] aria-describedby=[described.as_deref()];
                @if let Some(hint) = hint { small id=(format!("{name}-hint")) { (hint) } }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn fields(form: &str) -> Value {
        serde_html_form::from_str::<Written>(form).unwrap().fields()
    }

    #[test]
    fn what_is_empty_was_not_said() {
        let blank = "step=test&name=&host=+a.example+&port=&max_connections=&tags=&network_name=&network_secret=&mail=";
        assert_eq!(fields(blank), json!({ "host": "a.example", "tags": [], "allow_relay": false }));
    }

    #[test]
    fn numbers_lists_and_switches_are_what_the_api_takes() {
        let form = "host=a&port=7&max_connections=many&tags=x,%E5%9B%BD%E5%86%85%EF%BC%8C+y&allow_relay=true&network_secret=+s";
        let expected = json!({
            "host": "a", "port": 7, "max_connections": "many", "tags": ["x", "国内", "y"], "allow_relay": true,
            "network_secret": " s",
        });
        assert_eq!(fields(form), expected);
    }
}
