//! Forms. All of them work without the script: a form is posted to a page, which answers with a redirect (303), or with
//! the form as it was filled in and what is wrong beside the field.

mod field;
mod node;

use axum::{
    extract::Request,
    http::{HeaderValue, StatusCode, header},
    response::{IntoResponse, Response},
};
use maud::{Markup, html};
use serde::de::DeserializeOwned;

pub use self::{
    field::{Fields, Input},
    node::{NodeForm, contacts, details, list, number},
};
use super::view::View;
use crate::{
    service::{FieldError, ServiceError},
    web::{Refusal, input},
};

/// The form in the body of a request.
pub async fn read<T: DeserializeOwned>(request: Request) -> Result<T, Refusal> {
    let body = input::read(request).await?;
    serde_html_form::from_bytes(&body).map_err(|error| Refusal::bad_request(error.to_string()))
}

/// Whether a form was taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Outcome {
    Good,
    Bad,
}

/// The message about a form that was sent.
pub fn outcome(outcome: Outcome, content: &Markup) -> Markup {
    let class = match outcome {
        Outcome::Good => "outcome good",
        Outcome::Bad => "outcome bad",
    };
    html! { div class=(class) #outcome role="status" { (content) } }
}

/// The message that a form was taken.
pub fn done(text: &str) -> Markup {
    outcome(Outcome::Good, &html! { p { strong { (text) } } })
}

/// The message why a form was refused.
pub fn refused(view: &View, error: &ServiceError) -> Markup {
    let (heading, dash) = (view.texts().refused, view.language.dash());
    outcome(Outcome::Bad, &html! { p { strong { (heading) } (dash) (view.language.refusal(error)) } })
}

/// The place of the message before there is one: screen readers announce changes of an element that they know.
pub fn no_outcome() -> Markup {
    html! { div.outcome #outcome role="status" {} }
}

/// The field that an error is about.
pub fn field_error(error: &ServiceError) -> Option<&FieldError> {
    match error {
        ServiceError::Field(error) => Some(error),
        _ => None,
    }
}

/// A redirect after a form was taken, so that reloading the page does not send the form again.
pub fn see_other(path: &str) -> Response {
    match HeaderValue::try_from(path) {
        Ok(path) => (StatusCode::SEE_OTHER, [(header::LOCATION, path)]).into_response(),
        Err(_) => Refusal::bad_request("the address has invalid characters").into_response(),
    }
}

/// The page of a form that was refused, with the status and the headers of the refusal.
pub fn with_refusal(mut page: Response, error: ServiceError) -> Response {
    let refusal = Refusal::from(error).into_response();
    *page.status_mut() = refusal.status();
    page.headers_mut().extend(refusal.headers().clone());
    page
}
