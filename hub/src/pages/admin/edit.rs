//! `/admin/nodes/{id}`: the form with which the operator changes a node.

use axum::{
    extract::{Request, State},
    response::Response,
};
use easytier_probe::CheckMode;
use easytier_uptime_store::domain::Timestamp;
use maud::{Markup, html};
use serde::Deserialize;

use super::{frame, nodes::Done, operator::Operator};
use crate::{
    check_depth::CheckDepth,
    pages::{
        form::{self, Fields, Input, NodeForm},
        site::Site,
        standing,
        view::View,
    },
    service::{Entry, FieldError, NodeChange, NodeId, OperatorFields, ServiceError},
    web::{EntryPath, Refusal, input::Path},
};

/// The maximum timeout of one check, in milliseconds.
const MAX_TIMEOUT_MS: u32 = 60_000;

/// The fields as they were sent.
#[derive(Debug, Deserialize)]
#[serde(default)]
struct NodeEdit {
    #[serde(flatten)]
    node: NodeForm,
    regions: String,
    check: CheckDepth,
    timeout_ms: String,
    remove_secret: String,
    /// When the node was last changed before it was shown.
    seen: String,
}

impl Default for NodeEdit {
    fn default() -> Self {
        Self {
            node: NodeForm::default(),
            regions: String::new(),
            check: CheckMode::Full.into(),
            timeout_ms: String::new(),
            remove_secret: String::new(),
            seen: String::new(),
        }
    }
}

impl NodeEdit {
    fn of(entry: &Entry) -> Self {
        let spec = entry.spec();
        Self {
            node: NodeForm::of(spec),
            regions: spec.regions.iter().map(|region| region.as_str()).collect::<Vec<_>>().join(", "),
            check: spec.mode.into(),
            timeout_ms: spec.timeout.map_or(0, |timeout| timeout.as_millis()).to_string(),
            remove_secret: String::new(),
            seen: entry.changed_at().0.to_string(),
        }
    }

    fn change(&self) -> Result<NodeChange, FieldError> {
        let removes_secret = !self.remove_secret.is_empty();
        Ok(NodeChange {
            node: self.node.fields()?,
            operator: OperatorFields {
                regions: Some(form::list(&self.regions)),
                check: Some(self.check),
                timeout_ms: form::number("timeout_ms", &self.timeout_ms, 0, MAX_TIMEOUT_MS)?,
                has_secret: removes_secret.then_some(false),
            },
            seen: self.seen.parse().ok().map(Timestamp),
        })
    }
}

pub async fn page(
    _: Operator,
    State(site): State<Site>,
    view: View,
    Path(EntryPath { id }): Path<EntryPath>,
) -> Result<Response, ServiceError> {
    let entry = site.admin.node(id).await?;
    Ok(shown(&view, &entry, &NodeEdit::of(&entry), None, &form::no_outcome()))
}

pub async fn save(
    _: Operator,
    State(site): State<Site>,
    view: View,
    Path(EntryPath { id }): Path<EntryPath>,
    request: Request,
) -> Result<Response, Refusal> {
    let edit: NodeEdit = form::read(request).await?;
    let Err(error) = change(&site, id, &edit).await else { return Ok(Done::Saved.back(&view)) };
    let entry = site.admin.node(id).await?;
    let page = shown(&view, &entry, &edit, form::field_error(&error), &form::refused(&view, &error));
    Ok(form::with_refusal(page, error))
}

async fn change(site: &Site, id: NodeId, edit: &NodeEdit) -> Result<(), ServiceError> {
    site.admin.change_node(id, edit.change()?).await
}

/// `stored`: the stored node.
fn shown(view: &View, stored: &Entry, edit: &NodeEdit, wrong: Option<&FieldError>, outcome: &Markup) -> Response {
    let texts = view.texts();
    let (id, stored) = (stored.id(), stored.spec());
    let fields = Fields::new(view.language, wrong);
    let NodeEdit { node, regions, check, timeout_ms, remove_secret, seen } = edit;
    let depth = if CheckMode::from(*check) == CheckMode::Handshake { "handshake" } else { "full" };
    let secret = Input::secret("network_secret", texts.new_secret, 255);
    let lost_secret = node.secret().is_some();
    let form = html! {
        form.sheet method="post" action=(view.at(&format!("/admin/nodes/{id}"), &[])) {
            input type="hidden" name="seen" value=(seen);
            fieldset {
                legend { @if let NodeId::Peer(id) = id { (texts.node) " " (id) } @else { (texts.node_details) } }
                (form::details(texts, fields, node, texts.operator_host_hint))
            }
            fieldset {
                legend { (texts.check_settings) }
                (fields.input(&Input::text("regions", texts.watched_from, regions, 4000).hint(texts.tags_hint)))
                div.row {
                    (fields.select("check", texts.depth, depth, [("full", texts.depth_full), ("handshake", texts.depth_handshake)]))
                    (fields.input(&Input { class: "grow", ..Input::number("timeout_ms", texts.timeout_ms, timeout_ms, 0, MAX_TIMEOUT_MS) }))
                }
                (fields.input(&Input::text("network_name", texts.network_name, &node.network_name, 255)))
                (fields.input(&if lost_secret { secret.hint(texts.secret_again) } else { secret }))
                @if stored.network_secret.is_some() {
                    (fields.check("remove_secret", texts.remove_secret, !remove_secret.is_empty()))
                }
            }
            fieldset {
                legend { (texts.contact) }
                (form::contacts(texts, fields, node))
            }
            div.actions {
                button.primary type="submit" { (texts.save) }
                a.button href=(view.at("/admin", &[])) { (texts.cancel) }
            }
        }
    };
    let checks = view.language.requested_checks();
    let content = html! {
        (outcome)
        (standing::edits(view, &form))
        section.panel {
            (frame::button(&format!("/admin/nodes/{id}/check"), checks.check, ""))
            p.muted { (checks.check_hint) }
        }
    };
    frame::page(view, &stored.name, &content)
}
