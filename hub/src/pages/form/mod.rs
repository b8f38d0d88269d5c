//! Forms, which also work without the script. A form is posted to a page. The response is a redirect (303), or the form as
//! it was sent with an error message beside the field.

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

/// The form in the body of a request by the operator.
pub async fn read<T: DeserializeOwned>(request: Request) -> Result<T, Refusal> {
    read_within(input::MAX_BODY, request).await
}

/// The form in the body of a request by anybody, for whom a limit was asked.
pub async fn read_from_stranger<T: DeserializeOwned>(request: Request) -> Result<T, Refusal> {
    read_within(input::MAX_STRANGERS_BODY, request).await
}

async fn read_within<T: DeserializeOwned>(max: usize, request: Request) -> Result<T, Refusal> {
    let body = input::read(request, max).await?;
    serde_html_form::from_bytes(&body).map_err(|error| Refusal::bad_request(error.to_string()))
}

/// Whether a form was accepted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Outcome {
    Good,
    Bad,
}

/// The message about the outcome of a form.
pub fn outcome(outcome: Outcome, content: &Markup) -> Markup {
    let class = match outcome {
        Outcome::Good => "outcome good",
        Outcome::Bad => "outcome bad",
    };
    html! { div class=(class) #outcome role="status" { (content) } }
}

/// The message that a form was accepted.
pub fn done(text: &str) -> Markup {
    outcome(Outcome::Good, &html! { p { strong { (text) } } })
}

/// The message why a form was refused.
pub fn refused(view: &View, error: &ServiceError) -> Markup {
    let (heading, dash) = (view.texts().refused, view.language.dash());
    outcome(Outcome::Bad, &html! { p { strong { (heading) } (dash) (view.language.refusal(error)) } })
}

/// The empty element for a later message: screen readers announce only changes of an element that exists already.
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

/// A redirect after a form was accepted, so that a reload of the page does not send the form again.
pub fn see_other(path: &str) -> Response {
    match HeaderValue::try_from(path) {
        Ok(path) => (StatusCode::SEE_OTHER, [(header::LOCATION, path)]).into_response(),
        Err(_) => Refusal::bad_request("the address has invalid characters").into_response(),
    }
}

/// The page of a refused form, with the status and the headers of the refusal.
pub fn with_refusal(mut page: Response, error: ServiceError) -> Response {
    let refusal = Refusal::from(error).into_response();
    *page.status_mut() = refusal.status();
    page.headers_mut().extend(refusal.headers().clone());
    page
}
