//! The pages of the rules of a channel: add, change, preview, remove.

use axum::{
    extract::{Request, State},
    response::{IntoResponse, Response},
};
use easytier_uptime_alerts::Rule;
use easytier_uptime_store::StoreError;
use maud::{Markup, html};
use serde::Deserialize;
use uuid::Uuid;

use super::{ChannelPath, LIST, channel, rule_form::RuleForm};
use crate::{
    pages::{
        admin::{
            frame::{self, Confirmation},
            operator::Operator,
        },
        form::{Outcome, field_error, no_outcome, outcome, read, refused, see_other, with_refusal},
        format,
        site::Site,
        standing,
        view::View,
    },
    service::{
        ServiceError,
        alerts::{ChannelView, Preview},
    },
    web::{Refusal, input::Path},
};

/// How many messages a preview shows.
const SHOWN: usize = 50;

/// The ids of a channel and of a rule in a path.
#[derive(Debug, Clone, Copy, Deserialize)]
pub struct RulePath {
    id: i64,
    rule: Uuid,
}

/// The form of a new rule.
pub async fn new(
    _: Operator,
    State(site): State<Site>,
    view: View,
    Path(ChannelPath { id }): Path<ChannelPath>,
) -> Result<Response, ServiceError> {
    let channel = channel(&site, id).await?;
    Ok(shown(&view, &channel, None, &RuleForm::new(view.language), None, &no_outcome()))
}

/// Adds a rule, or says what it would have told.
pub async fn add(
    _: Operator,
    State(site): State<Site>,
    view: View,
    Path(ChannelPath { id }): Path<ChannelPath>,
    request: Request,
) -> Result<Response, Refusal> {
    let form: RuleForm = read(request).await?;
    let channel = channel(&site, id).await?;
    take(&site, &view, &channel, None, &form).await
}

/// The form that changes a rule.
pub async fn edit(
    _: Operator,
    State(site): State<Site>,
    view: View,
    Path(RulePath { id, rule }): Path<RulePath>,
) -> Result<Response, ServiceError> {
    let channel = channel(&site, id).await?;
    let form = RuleForm::of(find(&channel, rule)?, view.language);
    Ok(shown(&view, &channel, Some(rule), &form, None, &no_outcome()))
}

/// Changes a rule, or says what it would have told.
pub async fn save(
    _: Operator,
    State(site): State<Site>,
    view: View,
    Path(RulePath { id, rule }): Path<RulePath>,
    request: Request,
) -> Result<Response, Refusal> {
    let form: RuleForm = read(request).await?;
    let channel = channel(&site, id).await?;
    find(&channel, rule)?;
    take(&site, &view, &channel, Some(rule), &form).await
}

async fn take(
    site: &Site,
    view: &View,
    channel: &ChannelView,
    id: Option<Uuid>,
    form: &RuleForm,
) -> Result<Response, Refusal> {
    let done = match form.rule(id.unwrap_or_else(Uuid::now_v7)) {
        Err(error) => Err(error.into()),
        Ok(rule) if form.is_preview() => {
            // Its words are for who reads the page.
            let rule = Rule { language: view.language.of_messages(), ..rule };
            site.alerts.preview(rule).await.map(Some)
        }
        Ok(rule) => site.alerts.put_rule(&channel.name, rule).await.map(|_| None),
    };
    Ok(match done {
        Ok(Some(preview)) => shown(view, channel, id, form, None, &previewed(view, &preview)),
        Ok(None) => {
            let done = if id.is_some() { "saved" } else { "rule-added" };
            see_other(&format!("{LIST}/{}?done={done}", channel.id))
        }
        Err(error) => with_refusal(shown(view, channel, id, form, Some(&error), &refused(view, &error)), error),
    })
}

/// Asks before a rule is removed.
pub async fn removal(
    _: Operator,
    State(site): State<Site>,
    view: View,
    Path(RulePath { id, rule }): Path<RulePath>,
) -> Result<Response, ServiceError> {
    let (channel, texts) = (channel(&site, id).await?, view.language.channels());
    let words = find(&channel, rule)?.in_words(view.language.of_messages());
    let question = Confirmation {
        title: texts.rule_remove_title,
        subject: html! { strong { (channel.name) } (view.language.dash()) (words) },
        hint: texts.rule_remove_hint,
        action: &format!("{LIST}/{id}/rules/{rule}/remove"),
        fields: &[],
        button: texts.remove,
        class: "danger",
        back: &format!("{LIST}/{id}"),
        edits: true,
    };
    Ok(frame::confirmation(&view, &no_outcome(), &question))
}

/// Removes a rule.
pub async fn remove(_: Operator, State(site): State<Site>, Path(RulePath { id, rule }): Path<RulePath>) -> Response {
    let removed = async {
        find(&channel(&site, id).await?, rule)?;
        site.alerts.remove_rule(rule).await
    };
    match removed.await {
        Ok(()) => see_other(&format!("{LIST}/{id}?done=rule-removed")),
        Err(error) => error.into_response(),
    }
}

fn find(channel: &ChannelView, rule: Uuid) -> Result<&Rule, ServiceError> {
    let found = channel.rules.iter().map(|one| &one.rule).find(|one| one.id == rule);
    Ok(found.ok_or(StoreError::NotFound("rule"))?)
}

/// The form of a rule. `id`: of the one that it changes.
fn shown(
    view: &View,
    channel: &ChannelView,
    id: Option<Uuid>,
    form: &RuleForm,
    error: Option<&ServiceError>,
    outcome: &Markup,
) -> Response {
    let texts = view.language.channels();
    let back = format!("{LIST}/{}", channel.id);
    let (action, button) = match id {
        None => (format!("{back}/rules"), view.texts().create),
        Some(id) => (format!("{back}/rules/{id}"), view.texts().save),
    };
    let form = html! {
        form.sheet method="post" action=(action) {
            (form.render(view.language, error.and_then(field_error)))
            div.actions {
                button.primary type="submit" { (button) }
                button type="submit" name="step" value="preview" { (texts.preview) }
                a.button href=(back) { (view.texts().cancel) }
            }
        }
    };
    let title = format!("{} · {}", channel.name, if id.is_some() { texts.rule } else { texts.new_rule });
    frame::page(view, &title, &html! { (outcome) (standing::edits(view, &form)) })
}

fn previewed(view: &View, preview: &Preview) -> Markup {
    let (texts, language) = (view.language.channels(), view.language);
    let (count, from) = (preview.messages.len(), preview.messages.len().saturating_sub(SHOWN));
    let content = html! {
        p { strong { (texts.preview_title) } }
        p { (preview.words) }
        @if preview.is_cut { p { (texts.preview_cut) } }
        @if count == 0 { p { (texts.preview_none) } }
        @else {
            p.muted { (language.previewed(count)) }
            ul.changes {
                // The newest first.
                @for one in preview.messages[from..].iter().rev() {
                    li { span { (one.message.title) } time datetime=(one.at) { (format::exact(one.at)) } }
                }
            }
            @if from > 0 { p.muted { (language.more(from)) } }
        }
    };
    outcome(Outcome::Good, &content)
}
