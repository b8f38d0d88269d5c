//! `/admin/login`.

use axum::{
    http::header,
    response::{IntoResponse, Response},
};
use maud::html;

use crate::pages::{
    layout::{self, Place},
    view::View,
};

pub async fn page(view: View) -> Response {
    let texts = view.texts();
    let content = html! {
        div.heading { h1 { (texts.admin) } }
        noscript { p.warning { (texts.admin_needs_script) } }
        form.sheet data-api="POST" action="/api/admin/login" data-then="/admin" {
            fieldset {
                legend { (texts.log_in) }
                label { span { (texts.password) }
                    input name="password" type="password" required autocomplete="current-password";
                }
                button.primary type="submit" { (texts.log_in) }
            }
        }
        div.outcome #outcome role="status" aria-live="polite" data-failed=(texts.failed) {}
    };
    ([(header::CACHE_CONTROL, "no-store")], layout::page(&view, Place::Elsewhere, texts.log_in, &content))
        .into_response()
}
