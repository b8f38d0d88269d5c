//! What became of messages.

use easytier_uptime_store::domain::{DeliveryState, Timestamp, Verdict};
use maud::{Markup, html};

use super::PATH;
use crate::{
    pages::{view::View, widgets},
    service::alerts::DeliveryView,
};

/// How many messages are on a page.
pub const LISTED: u32 = 50;

/// `messages`: one more than a page has, if there are more.
pub fn list(view: &View, state: Option<DeliveryState>, messages: &[DeliveryView], now: Timestamp) -> Markup {
    let texts = view.language.alerts();
    let filters = [
        (None, texts.all),
        (Some(DeliveryState::Waiting), texts.waiting),
        (Some(DeliveryState::Failed), texts.failed),
        (Some(DeliveryState::Sent), texts.sent),
    ];
    let page = &messages[..messages.len().min(LISTED as usize)];
    let older = page.last().filter(|_| messages.len() > page.len());
    html! {
        nav.tabs aria-label=(texts.messages) {
            @for (one, text) in filters { a href=(address(one, None)) aria-current=[(one == state).then_some("page")] { (text) } }
        }
        @if page.is_empty() { p.empty { (texts.no_messages) } }
        @else {
            div.frame {
                table.plain.stack {
                    (widgets::table_head([texts.message, texts.channel, view.texts().created, view.texts().state, view.texts().actions]))
                    tbody { @for one in page { (row(view, one, now)) } }
                }
            }
        }
        @if let Some(last) = older {
            nav.paging aria-label=(texts.messages) { a rel="next" href=(address(state, Some(last.seq))) { (texts.older) " →" } }
        }
    }
}

fn address(state: Option<DeliveryState>, before: Option<i64>) -> String {
    let state = state.map(|state| format!("state={}", state.as_str()));
    let before = before.map(|seq| format!("before={seq}"));
    let query = state.into_iter().chain(before).collect::<Vec<_>>().join("&");
    if query.is_empty() { PATH.to_owned() } else { format!("{PATH}?{query}") }
}

fn row(view: &View, one: &DeliveryView, now: Timestamp) -> Markup {
    let (texts, language) = (view.language.alerts(), view.language);
    let state = DeliveryState::from_name(&one.state).unwrap_or(DeliveryState::Waiting);
    let like = match state {
        DeliveryState::Sent => Verdict::Up,
        DeliveryState::Waiting | DeliveryState::Dropped => Verdict::Unknown,
        DeliveryState::Failed => Verdict::Down,
    };
    html! {
        tr {
            th scope="row" { (one.title) }
            td data-label=(texts.channel) { (one.channel.as_deref().unwrap_or(texts.removed_channel)) }
            td data-label=(view.texts().created) { (widgets::ago(language, one.created_at, now)) }
            td data-label=(view.texts().state) {
                div { (widgets::marked(like, language.delivery_state(state))) }
                @if let Some(at) = one.done_at { div { (widgets::ago(language, at, now)) } }
                @if let Some(at) = one.due_at.filter(|_| one.attempts > 0) {
                    div.muted { (widgets::ahead(language, at, now)) " · " (language.attempts(one.attempts)) }
                }
                @if let Some(error) = one.error.as_deref().filter(|_| state != DeliveryState::Sent) {
                    div.problem { (error) }
                }
            }
            td.acts {
                @if state == DeliveryState::Failed {
                    form.inline method="post" action=(format!("{PATH}/repeat")) {
                        input type="hidden" name="id" value=(one.id);
                        button type="submit" { (texts.repeat) }
                    }
                }
            }
        }
    }
}
