//! The list of channels.

use std::collections::HashMap;

use axum::response::Response;
use easytier_uptime_alerts::ChannelKind;
use easytier_uptime_store::domain::{DeliveryState, Timestamp, Verdict};
use maud::{Markup, html};

use super::{LIST, kind_name};
use crate::{
    pages::{admin::frame, site::Site, standing, view::View, widgets},
    service::{
        ServiceError,
        alerts::{ChannelView, DeliveryView},
    },
};

pub async fn page(site: &Site, view: &View, outcome: &Markup) -> Result<Response, ServiceError> {
    let (texts, now) = (view.language.channels(), Timestamp::now());
    let channels = site.alerts.channels().await?;
    let last = site.alerts.last_deliveries().await?;
    let subscriptions = site.subscriptions.overview().await?;
    let last: HashMap<&str, &DeliveryView> =
        last.iter().filter_map(|delivery| Some((delivery.channel.as_deref()?, delivery))).collect();
    let kinds = ChannelKind::ALL.map(|kind| (kind.name(), view.language.channel_kind(kind)));
    let chooser = html! {
        form.sheet action=(format!("{LIST}/new")) {
            fieldset {
                legend { (texts.new) }
                label { span { (view.texts().kind) }
                    select name="kind" { @for (name, text) in kinds { option value=(name) { (text) } } }
                }
                button.primary type="submit" { (texts.choose) }
            }
        }
    };
    let content = html! {
        (outcome)
        p.muted { (texts.hint) }
        @if site.options.public_url.is_none() { p.muted { (texts.no_public_url) } }
        @if subscriptions.channel.is_some() && !subscriptions.offered {
            p.warning role="note" { (view.language.subscriptions().no_public_url) }
        }
        @if subscriptions.channel.is_some() || subscriptions.mailboxes > 0 {
            p.muted { (view.language.subscription_counts(&subscriptions)) }
        }
        section.panel {
            h2 { (texts.title) }
            @if channels.is_empty() { p.empty { (view.texts().none) } } @else { (table(view, &channels, &last, now)) }
        }
        (standing::edits(view, &chooser))
    };
    Ok(frame::page(view, texts.title, &content))
}

fn table(view: &View, channels: &[ChannelView], last: &HashMap<&str, &DeliveryView>, now: Timestamp) -> Markup {
    let texts = view.language.channels();
    html! {
        div.frame {
            table.plain.stack {
                (widgets::table_head([texts.channel, texts.rules, texts.last_message, view.texts().actions]))
                tbody {
                    @for channel in channels { (row(view, channel, last.get(channel.name.as_str()).copied(), now)) }
                }
            }
        }
    }
}

fn row(view: &View, channel: &ChannelView, last: Option<&DeliveryView>, now: Timestamp) -> Markup {
    let texts = view.language.channels();
    let path = format!("{LIST}/{}", channel.id);
    html! {
        tr {
            th scope="row" {
                a href=(path) { (channel.name) }
                @if !channel.enabled { " " span.badge { (texts.off) } }
                div.muted { (kind_name(view, channel)) }
            }
            td data-label=(texts.rules) {
                @if channel.rules.is_empty() { span.muted { (texts.no_rules) } }
                @for rule in &channel.rules { p.rule { (rule.in_words(view.language.of_messages())) } }
            }
            td data-label=(texts.last_message) {
                @match last {
                    Some(delivery) => (state(view, delivery, now)),
                    None => { span.muted { (texts.no_message) } },
                }
            }
            td.acts {
                (frame::button(&format!("{path}/test"), texts.test, "")) " "
                @if !standing::is_closed(view) {
                    form.inline method="post" action=(format!("{path}/enable")) {
                        @if channel.enabled { button type="submit" { (texts.disable) } }
                        @else { button type="submit" name="enabled" value="true" { (texts.enable) } }
                    }
                    " " a.button href=(path) { (texts.edit) } " "
                    a.button.danger href=(format!("{path}/remove")) { (texts.remove) }
                }
            }
        }
    }
}

/// What became of a message, when, and why it was not sent.
fn state(view: &View, delivery: &DeliveryView, now: Timestamp) -> Markup {
    let state = DeliveryState::from_name(&delivery.state).unwrap_or(DeliveryState::Waiting);
    let like = match state {
        DeliveryState::Sent => Verdict::Up,
        DeliveryState::Waiting | DeliveryState::Dropped => Verdict::Unknown,
        DeliveryState::Failed => Verdict::Down,
    };
    html! {
        div { (widgets::marked(like, view.language.delivery_state(state))) }
        div { (widgets::ago(view.language, delivery.done_at.unwrap_or(delivery.created_at), now)) }
        @if let Some(error) = delivery.error.as_deref().filter(|_| state != DeliveryState::Sent) {
            div.problem { (error) }
        }
    }
}
