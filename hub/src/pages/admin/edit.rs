//! `/admin/nodes/{id}`: everything that the operator may change of a node.

use axum::{extract::State, response::Response};
use easytier_probe::{CheckMode, Scheme};
use maud::{Markup, html};

use super::Operator;
use crate::{
    pages::{Site, view::View},
    web::{Refusal, input::Path, parameter::NodePath},
};

pub async fn page(
    _: Operator,
    State(site): State<Site>,
    view: View,
    Path(NodePath { id }): Path<NodePath>,
) -> Result<Response, Refusal> {
    let record = site.store.peer(id).await?;
    let (texts, spec) = (view.texts(), &record.spec);
    let joined = |labels: Vec<&str>| labels.join(", ");
    let text = |name: &str, label: &str, value: Option<&str>| field(name, label, "text", value, None);
    let content = html! {
        form.sheet data-api="PUT" data-clear action=(format!("/api/admin/nodes/{id}")) data-then="/admin" {
            fieldset {
                legend { (texts.the_node) " " (id) }
                (text("name", texts.name, Some(&spec.name)))
                div.row {
                    label { span { (texts.protocol) }
                        select name="protocol" {
                            @for scheme in Scheme::all() {
                                option value=(scheme.as_str()) selected[scheme == spec.url.scheme()] { (scheme.as_str()) }
                            }
                        }
                    }
                    (text("host", texts.host, Some(&spec.url.host().to_string())))
                    label.short { span { (texts.port) }
                        input name="port" type="number" min="1" max="65535" data-type="number" value=[spec.url.port()];
                    }
                }
                label { span { (texts.description) } textarea name="description" rows="3" maxlength="2000" { (spec.description) } }
                (field("tags", texts.tags, "text", Some(&joined(spec.tags.iter().map(|tag| tag.as_str()).collect())), Some("list")))
                div.row {
                    label { span { (texts.max_connections) }
                        input name="max_connections" type="number" min="1" max="1000000" data-type="number" value=(spec.max_connections);
                    }
                    label.check { input type="checkbox" name="allow_relay" checked[spec.allow_relay]; span { (texts.allow_relay) } }
                }
            }
            fieldset {
                legend { (texts.checking) }
                (field("regions", texts.watched_from, "text", Some(&joined(spec.regions.iter().map(|region| region.as_str()).collect())), Some("list")))
                div.row {
                    label { span { (texts.depth) }
                        select name="check" {
                            option value="full" selected[spec.mode == CheckMode::Full] { (texts.depth_full) }
                            option value="handshake" selected[spec.mode == CheckMode::Handshake] { (texts.depth_handshake) }
                        }
                    }
                    label { span { (texts.deadline) }
                        input name="timeout_ms" type="number" min="0" max="60000" data-type="number" value=(spec.timeout.map_or(0, |timeout| timeout.as_millis()));
                    }
                }
                (text("network_name", texts.network_name, spec.network_name.as_deref()))
                label { span { (texts.new_secret) }
                    input name="network_secret" type="password" maxlength="255" autocomplete="new-password" data-type="kept";
                }
                @if spec.network_secret.is_some() {
                    label.check { input type="checkbox" name="has_secret" data-type="remove"; span { (texts.remove_secret) } }
                }
            }
            fieldset {
                legend { (texts.contact) }
                (text("mail", texts.mail, spec.contacts.mail.as_deref()))
                (text("qq_number", texts.qq_number, spec.contacts.qq_number.as_deref()))
                (text("wechat", texts.wechat, spec.contacts.wechat.as_deref()))
            }
            div.actions { button.primary type="submit" { (texts.save) } a.button href="/admin" { (texts.cancel) } }
        }
    };
    Ok(super::page(&view, &spec.name, &content))
}

fn field(name: &str, label: &str, kind: &str, value: Option<&str>, of: Option<&str>) -> Markup {
    html! {
        label.grow { span { (label) } input name=(name) type=(kind) value=[value] data-type=[of] autocomplete="off"; }
    }
}
