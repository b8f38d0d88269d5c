//! `/submit`: the form that proposes a node. The script sends it to the public API, which tests and takes nodes.

use easytier_probe::Scheme;
use maud::{Markup, html};

use super::{
    layout::{self, Place},
    view::View,
};

pub async fn page(view: View) -> Markup {
    let texts = view.texts();
    let content = html! {
        div.heading { h1 { (texts.submit_title) } }
        p { (texts.submit_intro) }
        noscript { p.warning { (texts.needs_script) } }
        form.sheet #submission method="post" action="/api/nodes" data-test="/api/test_connection"
            data-testing=(texts.testing) data-good=(texts.test_good) data-bad=(texts.test_bad) data-sent=(texts.sent)
            data-failed=(texts.failed) {
            fieldset {
                legend { (texts.the_node) }
                (field(texts.name, "name", "text", true, "100", None))
                div.row {
                    label { span { (texts.protocol) }
                        select name="protocol" {
                            @for scheme in Scheme::all() { option value=(scheme.as_str()) { (scheme.as_str()) } }
                        }
                    }
                    label.grow { span { (texts.host) " *" }
                        input name="host" required maxlength="253" autocomplete="off" spellcheck="false"
                            autocapitalize="none" placeholder="node.example.net" aria-describedby="host-hint";
                        small #host-hint { (texts.host_hint) }
                    }
                    label.short { span { (texts.port) }
                        input name="port" type="number" min="1" max="65535" inputmode="numeric" placeholder="11010" data-type="number";
                    }
                }
                label { span { (texts.description) } textarea name="description" rows="3" maxlength="2000" {} }
                (field(texts.tags, "tags", "text", false, "400", Some(texts.tags_hint)))
                div.row {
                    label { span { (texts.max_connections) }
                        input name="max_connections" type="number" min="1" max="1000000" value="100" inputmode="numeric" data-type="number";
                    }
                    label.check { input type="checkbox" name="allow_relay" value="true"; span { (texts.allow_relay) } }
                }
            }
            details {
                summary { (texts.private_network) }
                p.muted { (texts.private_hint) }
                (field(texts.network_name, "network_name", "text", false, "255", None))
                (field(texts.network_secret, "network_secret", "password", false, "255", None))
            }
            fieldset {
                legend { (texts.contact) }
                p.muted { (texts.contact_hint) }
                (field(texts.mail, "mail", "email", false, "100", None))
                div.row {
                    (field(texts.qq_number, "qq_number", "text", false, "100", None))
                    (field(texts.wechat, "wechat", "text", false, "100", None))
                }
            }
            div.actions {
                button #test type="button" hidden { (texts.test) }
                button.primary type="submit" { (texts.send) }
            }
            div.outcome #outcome role="status" aria-live="polite" {}
        }
    };
    layout::page(&view, Place::Submit, texts.submit_title, &content)
}

fn field(label: &str, name: &str, kind: &str, required: bool, max: &str, hint: Option<&str>) -> Markup {
    let described = hint.map(|_| format!("{name}-hint"));
    let complete = if kind == "password" { "new-password" } else { "off" };
    html! {
        label.grow {
            span { (label) @if required { " *" } }
            input name=(name) type=(kind) required[required] maxlength=(max) autocomplete=(complete)
                data-type=[(name == "tags").then_some("list")] aria-describedby=[described.as_deref()];
            @if let Some(hint) = hint { small id=(format!("{name}-hint")) { (hint) } }
        }
    }
}
