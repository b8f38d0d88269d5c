//! `/admin/announcements`: what visitors read at the top of every page.

use std::time::Duration;

use axum::{
    extract::{Request, State},
    response::{IntoResponse, Response},
};
use easytier_uptime_store::domain::{Announcement, AnnouncementId, Severity, Timestamp};
use maud::{Markup, html};
use serde::Deserialize;

use super::{frame, operator::Operator};
use crate::{
    pages::{
        announcements::text,
        form::{self, Fields, Input},
        language::Texts,
        site::Site,
        view::View,
        widgets,
    },
    service::{AnnouncementRequest, FieldError, FieldProblem, MAX_ANNOUNCED_HOURS, MAX_ANNOUNCEMENT, ServiceError},
    web::Refusal,
};

/// The form that makes an announcement, as it was sent.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct AnnouncementForm {
    severity: String,
    english: String,
    chinese: String,
    hours: String,
}

impl AnnouncementForm {
    fn request(&self) -> Result<AnnouncementRequest, FieldError> {
        let severity = Severity::from_name(&self.severity);
        let hours = form::number("hours", &self.hours, 1, MAX_ANNOUNCED_HOURS)?;
        Ok(AnnouncementRequest {
            severity: severity.ok_or_else(|| FieldError::new("severity", FieldProblem::UnknownKind))?,
            english: self.english.clone(),
            chinese: self.chinese.clone(),
            lasts: hours.map(|hours| Duration::from_secs(u64::from(hours) * 3600)),
        })
    }
}

#[derive(Debug, Deserialize)]
struct EndForm {
    id: AnnouncementId,
}

pub async fn page(_: Operator, State(site): State<Site>, view: View) -> Result<Response, ServiceError> {
    shown(&site, &view, &AnnouncementForm::default(), None, &form::no_outcome()).await
}

/// Makes an announcement.
pub async fn announce(
    _: Operator,
    State(site): State<Site>,
    view: View,
    request: Request,
) -> Result<Response, Refusal> {
    let sent: AnnouncementForm = form::read(request).await?;
    Ok(match make(&site, &sent).await {
        Ok(()) => {
            let done = form::done(view.texts().announced);
            shown(&site, &view, &AnnouncementForm::default(), None, &done).await?
        }
        Err(error) => {
            let refused = form::refused(&view, &error);
            form::with_refusal(shown(&site, &view, &sent, form::field_error(&error), &refused).await?, error)
        }
    })
}

async fn make(site: &Site, sent: &AnnouncementForm) -> Result<(), ServiceError> {
    site.admin.announce(sent.request()?).await.map(drop)
}

/// Ends an announcement.
pub async fn end(_: Operator, State(site): State<Site>, request: Request) -> Result<Response, Refusal> {
    let EndForm { id } = form::read(request).await?;
    Ok(match site.admin.end_announcement(id).await {
        Ok(()) => form::see_other("/admin/announcements"),
        Err(error) => error.into_response(),
    })
}

fn severity_text(texts: &Texts, severity: Severity) -> &'static str {
    match severity {
        Severity::Info => texts.severity_info,
        Severity::Warning => texts.severity_warning,
        Severity::Critical => texts.severity_critical,
    }
}

async fn shown(
    site: &Site,
    view: &View,
    sent: &AnnouncementForm,
    wrong: Option<&FieldError>,
    outcome: &Markup,
) -> Result<Response, ServiceError> {
    let (texts, now) = (view.texts(), Timestamp::now());
    let announcements = site.admin.announcements().await?;
    let fields = Fields::new(view.language, wrong);
    let severities = Severity::ALL.map(|severity| (severity.as_str(), severity_text(texts, severity)));
    let hours = Input::number("hours", texts.ends_after, &sent.hours, 1, MAX_ANNOUNCED_HOURS);
    let content = html! {
        (outcome)
        form.sheet method="post" action="/admin/announcements" {
            fieldset {
                legend { (texts.new_announcement) }
                p.muted { (texts.announcement_hint) }
                (fields.input(&Input::text("english", texts.text_english, &sent.english, MAX_ANNOUNCEMENT)))
                (fields.input(&Input::text("chinese", texts.text_chinese, &sent.chinese, MAX_ANNOUNCEMENT)))
                div.row {
                    (fields.select("severity", texts.severity, &sent.severity, severities))
                    (fields.input(&hours.hint(texts.ends_after_hint)))
                }
                button.primary type="submit" { (texts.announce) }
            }
        }
        section.panel {
            h2 { (texts.announcements) }
            @if announcements.is_empty() { p.empty { (texts.none) } } @else { (table(view, &announcements, now)) }
        }
    };
    Ok(frame::page(view, texts.announcements, &content))
}

fn table(view: &View, announcements: &[Announcement], now: Timestamp) -> Markup {
    let (texts, language) = (view.texts(), view.language);
    html! {
        div.frame {
            table.plain.stack {
                (widgets::table_head([texts.announcements, texts.severity, texts.created, texts.ends, texts.actions]))
                tbody {
                    @for announcement in announcements {
                        tr {
                            th scope="row" { (text(language, announcement)) }
                            td data-label=(texts.severity) { (severity_text(texts, announcement.content.severity)) }
                            td data-label=(texts.created) { (widgets::ago(language, announcement.created_at, now)) }
                            td data-label=(texts.ends) {
                                @match announcement.content.ends_at {
                                    None => (texts.no_expiry),
                                    Some(at) if at > now => (widgets::ahead(language, at, now)),
                                    Some(at) => (widgets::ago(language, at, now)),
                                }
                            }
                            td {
                                @if announcement.is_current(now) {
                                    form.inline method="post" action="/admin/announcements/end" {
                                        input type="hidden" name="id" value=(announcement.id);
                                        button.danger type="submit" { (texts.end) }
                                    }
                                } @else { span.muted { (texts.ended) } }
                            }
                        }
                    }
                }
            }
        }
    }
}
