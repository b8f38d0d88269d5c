//! The pages that add a channel, and change one.

use axum::{
    extract::{Request, State},
    response::Response,
};
use easytier_uptime_alerts::ChannelKind;
use maud::{Markup, html};
use serde::Deserialize;

use super::{
    ChannelPath, DoneQuery, LIST, channel,
    form::{ChannelForm, Sent},
    kind_name,
};
use crate::{
    pages::{
        admin::{frame, operator::Operator},
        form::{done, field_error, no_outcome, read, refused, see_other, with_refusal},
        site::Site,
        standing,
        view::View,
    },
    service::{
        FieldError, FieldProblem, ServiceError,
        alerts::{ChannelView, NewChannel},
    },
    web::{
        Refusal,
        input::{Path, Query},
    },
};

/// The kind of a new channel.
#[derive(Debug, Deserialize)]
pub struct KindQuery {
    kind: String,
}

impl KindQuery {
    fn kind(&self) -> Result<ChannelKind, ServiceError> {
        let kind = ChannelKind::from_name(&self.kind);
        Ok(kind.ok_or_else(|| FieldError::new("kind", FieldProblem::UnknownKind))?)
    }
}

/// The form of a new channel.
pub async fn new(_: Operator, view: View, Query(query): Query<KindQuery>) -> Result<Response, ServiceError> {
    Ok(added(&view, query.kind()?, &ChannelForm::default(), None, &no_outcome()))
}

/// Adds a channel.
pub async fn add(
    _: Operator,
    State(site): State<Site>,
    view: View,
    Query(query): Query<KindQuery>,
    request: Request,
) -> Result<Response, Refusal> {
    let kind = query.kind()?;
    let form = ChannelForm::sent(read::<Sent>(request).await?, None);
    let new = NewChannel { name: form.name().to_owned(), kind: kind.name().to_owned(), settings: form.settings(kind) };
    Ok(match site.alerts.add_channel(new).await {
        Ok(channel) => see_other(&format!("{LIST}/{}?done=added", channel.id)),
        Err(error) => with_refusal(added(&view, kind, &form, field_error(&error), &refused(&view, &error)), error),
    })
}

/// The form that changes a channel, and its rules.
pub async fn edit(
    _: Operator,
    State(site): State<Site>,
    view: View,
    Path(ChannelPath { id }): Path<ChannelPath>,
    Query(query): Query<DoneQuery>,
) -> Result<Response, ServiceError> {
    let texts = view.language.channels();
    let channel = channel(&site, id).await?;
    let outcome = match query.done.as_str() {
        "added" => done(texts.added),
        "saved" => done(view.texts().saved),
        "rule-added" => done(texts.rule_added),
        "rule-removed" => done(texts.rule_removed),
        _ => no_outcome(),
    };
    let form = ChannelKind::from_name(&channel.kind).map(|kind| (kind, ChannelForm::of(&channel, kind)));
    Ok(changed(&view, &channel, form.as_ref().map(|(kind, form)| (*kind, form)), None, &outcome))
}

/// Changes a channel.
pub async fn save(
    _: Operator,
    State(site): State<Site>,
    view: View,
    Path(ChannelPath { id }): Path<ChannelPath>,
    request: Request,
) -> Result<Response, Refusal> {
    let sent: Sent = read(request).await?;
    let channel = channel(&site, id).await?;
    let kind = ChannelKind::from_name(&channel.kind)
        .ok_or_else(|| ServiceError::from(FieldError::new("kind", FieldProblem::UnknownKind)))?;
    let form = ChannelForm::sent(sent, Some(&channel));
    Ok(match site.alerts.change_channel(&channel.name, form.change(kind)).await {
        Ok(_) => see_other(&format!("{LIST}/{id}?done=saved")),
        Err(error) => {
            let outcome = refused(&view, &error);
            with_refusal(changed(&view, &channel, Some((kind, &form)), field_error(&error), &outcome), error)
        }
    })
}

fn added(view: &View, kind: ChannelKind, form: &ChannelForm, wrong: Option<&FieldError>, outcome: &Markup) -> Response {
    let texts = view.language.channels();
    let form = html! {
        form.sheet method="post" action=(format!("{LIST}/new?kind={}", kind.name())) {
            (form.render(view.language, kind, wrong))
            div.actions {
                button.primary type="submit" { (view.texts().create) }
                a.button href=(LIST) { (view.texts().cancel) }
            }
        }
    };
    frame::page(view, texts.new, &html! { (outcome) (standing::edits(view, &form)) })
}

fn changed(
    view: &View,
    channel: &ChannelView,
    form: Option<(ChannelKind, &ChannelForm)>,
    wrong: Option<&FieldError>,
    outcome: &Markup,
) -> Response {
    let texts = view.language.channels();
    let path = format!("{LIST}/{}", channel.id);
    // A channel of a newer version has a kind that is not known here.
    let form = html! {
        @match form {
            Some((kind, form)) => {
                form.sheet method="post" action=(path) {
                    (form.render(view.language, kind, wrong))
                    div.actions {
                        button.primary type="submit" { (view.texts().save) }
                        a.button href=(LIST) { (view.texts().cancel) }
                    }
                }
            },
            None => { p { (kind_name(view, channel)) } },
        }
    };
    let content = html! {
        (outcome)
        section.panel {
            div.heading {
                h2 { (texts.rules) }
                @if !standing::is_closed(view) { a.button href=(format!("{path}/rules")) { (texts.new_rule) } }
            }
            (rules(view, channel))
        }
        (standing::edits(view, &form))
    };
    frame::page(view, &channel.name, &content)
}

/// The rules of a channel in words.
fn rules(view: &View, channel: &ChannelView) -> Markup {
    let texts = view.language.channels();
    html! {
        @if channel.rules.is_empty() { p.empty { (texts.no_rules) } }
        @else {
            ul.changes {
                @for one in &channel.rules {
                    @let path = format!("{LIST}/{}/rules/{}", channel.id, one.rule.id);
                    li {
                        span.words { (one.in_words(view.language.of_messages())) }
                        @if !standing::is_closed(view) {
                            span.acts {
                                a.button href=(path) { (texts.edit) } " "
                                a.button.danger href=(format!("{path}/remove")) { (texts.remove) }
                            }
                        }
                    }
                }
            }
        }
    }
}
