//! `/admin/incidents`: the incidents; `/admin/incidents/{id}` has forms to say something about one, to name and to close it.

use axum::{
    extract::{Request, State},
    response::Response,
};
use easytier_uptime_store::domain::{IncidentId, PageRequest, Timestamp};
use maud::html;
use serde::Deserialize;

use super::{frame, operator::Operator};
use crate::{
    pages::{
        form::{self, Fields, Input},
        incidents::{ListQuery, PER_PAGE, marked, name, table, timeline},
        site::Site,
        view::View,
        widgets,
    },
    service::{MAX_INCIDENT_NAME, MAX_POST, ServiceError, Wording},
    web::{
        Refusal,
        input::{Path, Query},
        parameter::Id,
    },
};

/// Texts in two languages, as they were sent.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct WordingForm {
    english: String,
    chinese: String,
}

impl WordingForm {
    fn wording(&self) -> Wording {
        Wording { english: self.english.clone(), chinese: self.chinese.clone() }
    }
}

#[derive(Debug, Deserialize)]
pub struct DoneQuery {
    #[serde(default)]
    done: String,
}

pub async fn page(
    _: Operator,
    State(site): State<Site>,
    view: View,
    Query(query): Query<ListQuery>,
) -> Result<Response, ServiceError> {
    let texts = view.language.incidents();
    let request = PageRequest { page: query.number(), per_page: PER_PAGE };
    let incidents = site.admin.incidents(request).await?;
    let pages = usize::try_from(incidents.total.div_ceil(u64::from(PER_PAGE))).unwrap_or(usize::MAX).max(1);
    let content = html! {
        @if incidents.items.is_empty() { p.empty { (texts.none) } } @else {
            section.panel { (table(view.language, &incidents.items, Timestamp::now(), "/admin/incidents")) }
            (widgets::paging(&view, "page", query.number() as usize, pages))
        }
    };
    Ok(frame::page(&view, texts.title, &content))
}

pub async fn one(
    _: Operator,
    State(site): State<Site>,
    view: View,
    Path(Id(id)): Path<Id>,
    Query(query): Query<DoneQuery>,
) -> Result<Response, ServiceError> {
    let outcome = match query.done.as_str() {
        "posted" => form::done(view.language.incidents().was_posted),
        "saved" => form::done(view.texts().saved),
        _ => form::no_outcome(),
    };
    shown(&site, &view, IncidentId(id), &WordingForm::default(), None, &outcome).await
}

/// Adds words to the timeline.
pub async fn post(
    _: Operator,
    State(site): State<Site>,
    view: View,
    Path(Id(id)): Path<Id>,
    request: Request,
) -> Result<Response, Refusal> {
    let sent: WordingForm = form::read(request).await?;
    let Err(error) = site.admin.post_to_incident(IncidentId(id), &sent.wording()).await else {
        return Ok(form::see_other(&format!("/admin/incidents/{id}?done=posted")));
    };
    let refused = form::refused(&view, &error);
    Ok(form::with_refusal(shown(&site, &view, IncidentId(id), &sent, Some(&error), &refused).await?, error))
}

/// Gives the incident a name.
pub async fn rename(
    _: Operator,
    State(site): State<Site>,
    view: View,
    Path(Id(id)): Path<Id>,
    request: Request,
) -> Result<Response, Refusal> {
    let sent: WordingForm = form::read(request).await?;
    let done = site.admin.name_incident(IncidentId(id), &sent.wording()).await;
    answered(&site, &view, id, done).await
}

/// Closes the incident.
pub async fn close(
    _: Operator,
    State(site): State<Site>,
    view: View,
    Path(Id(id)): Path<Id>,
) -> Result<Response, Refusal> {
    let done = site.admin.close_incident(IncidentId(id)).await;
    answered(&site, &view, id, done).await
}

async fn answered(site: &Site, view: &View, id: i64, done: Result<(), ServiceError>) -> Result<Response, Refusal> {
    let Err(error) = done else { return Ok(form::see_other(&format!("/admin/incidents/{id}?done=saved"))) };
    let refused = form::refused(view, &error);
    let page = shown(site, view, IncidentId(id), &WordingForm::default(), None, &refused).await?;
    Ok(form::with_refusal(page, error))
}

async fn shown(
    site: &Site,
    view: &View,
    id: IncidentId,
    sent: &WordingForm,
    error: Option<&ServiceError>,
    outcome: &maud::Markup,
) -> Result<Response, ServiceError> {
    let (language, texts) = (view.language, view.language.incidents());
    let (incident, entries) = site.admin.incident(id).await?;
    let posting = Fields::new(language, error.and_then(form::field_error));
    let naming = Fields::new(language, None);
    let [english, chinese] = [&incident.english, &incident.chinese].map(|text| text.clone().unwrap_or_default());
    let (in_english, in_chinese) = (view.texts().text_english, view.texts().text_chinese);
    let path = format!("/admin/incidents/{id}");
    let content = html! {
        (outcome)
        div.heading {
            h2 { (name(language, &incident)) }
            (marked(language, &incident))
            a href=(format!("/incidents/{id}")) { (texts.show) }
        }
        form.sheet method="post" action=(path) {
            fieldset {
                legend { (texts.post) }
                p.muted { (texts.post_hint) }
                (posting.input(&Input::text("english", in_english, &sent.english, MAX_POST)))
                (posting.input(&Input::text("chinese", in_chinese, &sent.chinese, MAX_POST)))
                button.primary type="submit" { (texts.post) }
            }
        }
        form.sheet method="post" action=(format!("{path}/name")) {
            fieldset {
                legend { (texts.name) }
                p.muted { (texts.name_hint) }
                (naming.input(&Input::text("english", in_english, &english, MAX_INCIDENT_NAME)))
                (naming.input(&Input::text("chinese", in_chinese, &chinese, MAX_INCIDENT_NAME)))
                button type="submit" { (view.texts().save) }
            }
        }
        @if incident.closed_at.is_none() {
            form.sheet method="post" action=(format!("{path}/close")) {
                fieldset {
                    legend { (texts.close) }
                    p.muted { (texts.close_hint) }
                    button.danger type="submit" { (texts.close) }
                }
            }
        }
        section.panel { h2 { (texts.timeline) } (timeline(language, &incident, &entries)) }
    };
    Ok(frame::page(view, texts.title, &content))
}
