//! The table of instances.

use easytier_uptime_store::domain::{InstanceId, Role, Timestamp, Verdict};
use maud::{Markup, html};
use serde::Deserialize as _;

use super::PATH;
use crate::{
    instance::wire::{InstanceView, MemberStatus, SyncState, SystemMetrics},
    pages::{
        format::{self, NOTHING},
        view::View,
        widgets,
    },
    service::Overview,
};

pub fn table(view: &View, overview: &Overview, now: Timestamp) -> Markup {
    let texts = view.language.instances();
    let columns = [
        view.texts().instance,
        view.texts().role,
        texts.order,
        texts.last_heartbeat,
        texts.synchronisation,
        texts.load,
    ];
    let leads = overview.instance.role == Role::Primary;
    html! {
        div.frame {
            table.plain.stack.instances {
                thead {
                    tr {
                        @for label in columns { th scope="col" { (label) } }
                        @if leads { th scope="col" { (view.texts().actions) } }
                    }
                }
                tbody { @for (place, one) in overview.instances.iter().enumerate() { (row(view, overview, one, place, now)) } }
            }
        }
    }
}

fn row(view: &View, overview: &Overview, one: &InstanceView, place: usize, now: Timestamp) -> Markup {
    let (texts, language) = (view.language.instances(), view.language);
    let is_own = one.instance_id == overview.instance.id;
    let leads = overview.instance.role == Role::Primary;
    html! {
        tr {
            th scope="row" {
                (one.instance_name) @if is_own { " " span.badge { (texts.own) } }
                @if let Some(location) = &one.location { div.muted { (location) } }
                div.muted { @match &one.public_endpoint { Some(endpoint) => code { (endpoint) }, None => (texts.no_endpoint) } }
                @if !one.called_back && one.public_endpoint.is_some() { div.muted { (texts.not_called_back) } }
            }
            td data-label=(view.texts().role) {
                div { (language.role(one.role)) }
                div { (status(view, one.status)) }
                div.muted { (language.labelled(texts.epoch, &one.epoch.to_string())) }
            }
            td data-label=(texts.order) {
                (one.failover_order)
                @if leads { " " (steps(view, one, place, overview.instances.len())) }
            }
            td data-label=(texts.last_heartbeat) {
                @match one.last_heartbeat.filter(|_| !is_own) {
                    Some(at) => (widgets::ago(language, at.into(), now)),
                    None if is_own => (NOTHING),
                    None => (view.texts().never),
                }
            }
            td data-label=(texts.synchronisation) { (synchronisation(view, overview, one, now)) }
            td data-label=(texts.load) { (load(view, one)) }
            @if leads { td.acts { (actions(view, one, is_own)) } }
        }
    }
}

fn status(view: &View, status: MemberStatus) -> Markup {
    let like = match status {
        MemberStatus::Active => Verdict::Up,
        MemberStatus::Inactive | MemberStatus::Promoting => Verdict::Partial,
        MemberStatus::Failed => Verdict::Down,
    };
    widgets::marked(like, view.language.member_status(status))
}

/// The buttons that move an instance in the order.
fn steps(view: &View, one: &InstanceView, place: usize, count: usize) -> Markup {
    let button = |up: bool, is_end: bool| {
        let label = view.language.move_in_order(&one.instance_name, up);
        html! {
            button type="submit" name="step" value=(if up { "up" } else { "down" }) aria-label=(label) title=(label) disabled[is_end] {
                (if up { "↑" } else { "↓" })
            }
        }
    };
    html! {
        form.inline.steps method="post" action=(format!("{PATH}/order")) {
            input type="hidden" name="id" value=(one.instance_id);
            (button(true, place == 0)) (button(false, place + 1 == count))
        }
    }
}

/// How far an instance is behind the primary's configuration, and why.
fn synchronisation(view: &View, overview: &Overview, one: &InstanceView, now: Timestamp) -> Markup {
    let (language, sync) = (view.language, &one.sync_status);
    let of_primary = overview.instances.iter().find(|one| one.role == Role::Primary);
    let wanted = of_primary.and_then(|primary| primary.sync_status.sync_version.as_deref());
    let held = sync.sync_version.as_deref();
    if one.role == Role::Primary {
        return html! { @match held { Some(held) => (language.held_version(held, None)), None => (NOTHING) } };
    }
    let like = match sync.status {
        SyncState::Synced => Verdict::Up,
        SyncState::Pending => Verdict::Unknown,
        SyncState::Error => Verdict::Down,
    };
    html! {
        div { (widgets::marked(like, language.sync_state(sync.status))) }
        @if let Some(at) = sync.last_synced { div { (widgets::ago(language, at.into(), now)) } }
        @if let Some(held) = held { div.muted { (language.held_version(held, wanted.filter(|wanted| *wanted != held))) } }
        @if let Some(error) = &sync.error_message { div.problem { (error) } }
    }
}

fn load(view: &View, one: &InstanceView) -> Markup {
    let texts = view.language.instances();
    let Ok(load) = SystemMetrics::deserialize(&one.system_metrics) else { return html! { (NOTHING) } };
    let shares = [(texts.processor, load.cpu_usage), (texts.memory, load.memory_usage), (texts.disk, load.disk_usage)];
    html! {
        @for (name, share) in shares {
            @if let Some(share) = share { div { (name) " " span.figure { (format::percent(share)) } } }
        }
        div.muted { (load.active_endpoints) " " (texts.endpoints) }
    }
}

/// Links to what is done after a confirmation.
fn actions(view: &View, one: &InstanceView, is_own: bool) -> Markup {
    let texts = view.language.instances();
    let link = |action: &str, id: InstanceId| format!("{PATH}/{action}?id={id}");
    let could_lead = one.status == MemberStatus::Active && one.called_back;
    html! {
        @if is_own {
            a.button href=(link("demote", one.instance_id)) { (texts.demote) }
        } @else {
            @if could_lead { a.button href=(link("promote", one.instance_id)) { (texts.promote) } " " }
            a.button.danger href=(link("remove", one.instance_id)) { (texts.remove) }
        }
    }
}
