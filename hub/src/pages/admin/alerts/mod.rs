//! `/admin/alerts`: what is wrong now, what is muted, and what became of messages.

mod messages;
mod muted;
mod scope;
mod wrong;

use std::{collections::BTreeSet, time::Duration};

use axum::{
    extract::{Request, State},
    response::Response,
};
use easytier_uptime_alerts::policy::{Key, Subject};
use easytier_uptime_store::domain::{DeliveryState, Timestamp};
use maud::{Markup, html};
use serde::Deserialize;
use uuid::Uuid;

use self::{muted::MuteForm, scope::Names};
use super::{frame, operator::Operator};
use crate::{
    pages::{
        form::{done, field_error, no_outcome, read, refused, see_other, with_refusal},
        site::Site,
        standing,
        view::View,
    },
    service::{ServiceError, alerts::ADMIN},
    web::{Refusal, input::Query},
};

const PATH: &str = "/admin/alerts";

/// Which messages are listed, and what was done before this page.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub struct AlertsQuery {
    /// Only messages in this state.
    state: String,
    /// Only messages before this one.
    before: Option<i64>,
    done: String,
}

#[derive(Debug, Deserialize)]
struct AcknowledgeForm {
    key: String,
}

#[derive(Debug, Deserialize)]
struct UnmuteForm {
    id: i64,
}

#[derive(Debug, Deserialize)]
struct RepeatForm {
    id: Uuid,
}

pub async fn page(
    _: Operator,
    State(site): State<Site>,
    view: View,
    Query(query): Query<AlertsQuery>,
) -> Result<Response, ServiceError> {
    let texts = view.language.alerts();
    let outcome = match query.done.as_str() {
        "acknowledged" => done(texts.acknowledged),
        "muted" => done(texts.muted),
        "unmuted" => done(texts.unmuted),
        "repeated" => done(texts.repeated),
        _ => no_outcome(),
    };
    shown(&site, &view, &query, &MuteForm::default(), None, &outcome).await
}

/// Acknowledges something that is wrong.
pub async fn acknowledge(
    _: Operator,
    State(site): State<Site>,
    view: View,
    request: Request,
) -> Result<Response, Refusal> {
    let AcknowledgeForm { key } = read(request).await?;
    answer(&site, &view, site.alerts.acknowledge(&key, ADMIN).await, "acknowledged").await
}

/// Mutes something for some hours.
pub async fn mute(_: Operator, State(site): State<Site>, view: View, request: Request) -> Result<Response, Refusal> {
    let form: MuteForm = read(request).await?;
    let muted = async {
        let length = Duration::from_secs(u64::from(form.hours()?) * 3600);
        site.alerts.mute(&form.scope()?, length, ADMIN).await
    };
    match muted.await {
        Ok(_) => Ok(see_other(&format!("{PATH}?done=muted"))),
        Err(error) => {
            let (view, outcome) = (view.clone().moved_to(PATH), refused(&view, &error));
            let page = shown(&site, &view, &AlertsQuery::default(), &form, Some(&error), &outcome).await?;
            Ok(with_refusal(page, error))
        }
    }
}

/// Ends a mute before its time.
pub async fn unmute(_: Operator, State(site): State<Site>, view: View, request: Request) -> Result<Response, Refusal> {
    let UnmuteForm { id } = read(request).await?;
    answer(&site, &view, site.alerts.unmute(id).await, "unmuted").await
}

/// Has a message sent again that failed.
pub async fn repeat(_: Operator, State(site): State<Site>, view: View, request: Request) -> Result<Response, Refusal> {
    let RepeatForm { id } = read(request).await?;
    answer(&site, &view, site.alerts.repeat(id).await, "repeated").await
}

async fn answer(site: &Site, view: &View, done: Result<(), ServiceError>, word: &str) -> Result<Response, Refusal> {
    let Err(error) = done else { return Ok(see_other(&format!("{PATH}?done={word}"))) };
    let (view, outcome) = (view.clone().moved_to(PATH), refused(view, &error));
    let page = shown(site, &view, &AlertsQuery::default(), &MuteForm::default(), None, &outcome).await?;
    Ok(with_refusal(page, error))
}

async fn shown(
    site: &Site,
    view: &View,
    query: &AlertsQuery,
    form: &MuteForm,
    error: Option<&ServiceError>,
    outcome: &Markup,
) -> Result<Response, ServiceError> {
    let (texts, now) = (view.language.alerts(), Timestamp::now());
    let (conditions, mutes) = (site.alerts.conditions().await?, site.alerts.mutes().await?);
    let of_mute = |scope: &str| scope.parse::<Key>().map(|key| key.subject).or_else(|_| scope.parse::<Subject>()).ok();
    let subjects: BTreeSet<Subject> = conditions
        .iter()
        .take(wrong::SHOWN)
        .map(|condition| condition.subject)
        .chain(mutes.iter().filter_map(|mute| of_mute(&mute.scope)))
        .collect();
    let names = Names::new(view.language, site.alerts.names(subjects).await?, site.alerts.channels().await?);
    let state = DeliveryState::from_name(&query.state);
    let messages = site.alerts.deliveries(state, query.before, messages::LISTED + 1).await?;
    let sections = html! {
        section.panel {
            h2 { (texts.wrong_now) }
            (wrong::table(view, &conditions, &names, now))
        }
        section.panel {
            h2 { (texts.mutes) }
            p.muted { (texts.mutes_hint) }
            (muted::table(view, &mutes, &names, now))
            (form.render(view, &names, error.and_then(field_error)))
        }
        section.panel {
            h2 { (texts.messages) }
            (messages::list(view, state, &messages, now))
        }
    };
    // Only the primary plans and sends, by what is acknowledged and muted there.
    let content = html! { (outcome) (standing::edits(view, &sections)) };
    Ok(frame::page(view, texts.title, &content))
}
