//! `/admin/login` and `/admin/logout`.

use axum::{
    extract::{Request, State},
    http::{HeaderValue, header},
    response::{IntoResponse, Response},
};
use easytier_probe::Secret;
use maud::{Markup, html};
use serde::Deserialize;

use super::{
    frame,
    operator::{LOGIN, Operator},
};
use crate::{
    pages::{
        form,
        layout::{self, Place},
        site::Site,
        view::View,
    },
    service::ServiceError,
    web::{self, Client, Refusal},
};

#[derive(Debug, Deserialize)]
struct Login {
    #[serde(default)]
    password: Secret,
}

pub async fn page(view: View) -> Response {
    shown(&view, &form::no_outcome(), false)
}

/// Begins a session.
pub async fn log_in(
    State(site): State<Site>,
    view: View,
    Client(from): Client,
    request: Request,
) -> Result<Response, Refusal> {
    web::own_page(request.headers())?;
    let headers = request.headers().clone();
    let outcome = match site.sessions.admit(from) {
        Ok(attempt) => {
            let Login { password } = form::read_from_stranger(request).await?;
            site.sessions.log_in(attempt, &password).await
        }
        Err(refusal) => Err(refusal),
    };
    match outcome {
        Ok(session) => Ok(with_cookie(form::see_other("/admin"), web::set_cookie(&session, &headers))),
        Err(error) => {
            let page = shown(&view, &form::refused(&view, &error), matches!(error, ServiceError::WrongPassword));
            Ok(form::with_refusal(page, error))
        }
    }
}

/// Ends the session.
pub async fn log_out(Operator(session): Operator, State(site): State<Site>) -> Result<Response, Refusal> {
    site.sessions.log_out(&session).await?;
    Ok(with_cookie(form::see_other("/"), web::clear_cookie()))
}

fn with_cookie(mut response: Response, cookie: Option<HeaderValue>) -> Response {
    if let Some(cookie) = cookie {
        response.headers_mut().append(header::SET_COOKIE, cookie);
    }
    response
}

fn shown(view: &View, outcome: &Markup, is_wrong: bool) -> Response {
    let texts = view.texts();
    let content = html! {
        div.heading { h1 { (texts.admin) } }
        (outcome)
        form.sheet method="post" action=(LOGIN) {
            fieldset {
                legend { (texts.log_in) }
                label { span { (texts.password) }
                    input name="password" type="password" required autofocus autocomplete="current-password"
                        aria-invalid=[is_wrong.then_some("true")] aria-describedby=[is_wrong.then_some("outcome")];
                }
                button.primary type="submit" { (texts.log_in) }
            }
        }
    };
    frame::private(&layout::page(view, Place::Elsewhere, texts.log_in, &content)).into_response()
}
