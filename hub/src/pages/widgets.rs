//! Parts that several pages share.

use easytier_uptime_store::domain::{Node, Presence, Timestamp, Verdict};
use maud::{Markup, html};

use super::{
    format,
    language::{Language, Texts},
    view::View,
};

/// How long ago something happened, with the exact time as a title.
pub fn ago(language: Language, at: Timestamp, now: Timestamp) -> Markup {
    html! { time datetime=(at) title=(format::exact(at)) { (language.ago(now.since(at))) } }
}

/// Whether a node relays, by its owner and by tests; nothing where neither says so.
pub fn relay(language: Language, node: &Node) -> Markup {
    let verdict = node.relay.as_ref().map(|relay| relay.verdict);
    let (declared, measured) = (language.relay_declared(node.allow_relay), language.relay_measured(verdict));
    html! {
        @if let Some(words) = language.relay_badge(node.allow_relay, verdict) {
            span.badge title=(format!("{declared} · {measured}")) { (words) }
        }
    }
}

/// In how long something will happen, with the exact time as a title.
pub fn ahead(language: Language, at: Timestamp, now: Timestamp) -> Markup {
    html! { time datetime=(at) title=(format::exact(at)) { (language.ahead(at.since(now))) } }
}

/// How long a state has lasted, with the exact start time as a title.
pub fn lasting(language: Language, since: Timestamp, now: Timestamp) -> Markup {
    html! { time datetime=(since) title=(format::exact(since)) { (language.lasting(now.since(since))) } }
}

/// A verdict as a shape and a text.
pub fn state(language: Language, verdict: Verdict) -> Markup {
    marked(verdict, language.verdict(verdict))
}

/// The maintenance that a node is in, if it is in any; its verdict is shown beside it.
pub fn maintenance(language: Language, node: &Node) -> Markup {
    html! {
        @if let Some(maintenance) = &node.maintenance {
            span.badge.maintenance title=(language.maintenance_title(maintenance)) {
                (language.maintenance_until(maintenance.until))
            }
        }
    }
}

/// The presence of a probe as a shape and a text.
pub fn presence(language: Language, presence: Presence) -> Markup {
    let like = match presence {
        Presence::Online => Verdict::Up,
        Presence::Degraded | Presence::Overdue => Verdict::Partial,
        Presence::Offline => Verdict::Down,
    };
    marked(like, language.presence(presence))
}

/// A text with the shape and colour of a verdict.
pub fn marked(verdict: Verdict, text: &str) -> Markup {
    html! { span class=(format!("state {}", verdict.as_str())) { (mark(verdict)) (text) } }
}

/// The shape of a verdict: states differ by shape as well as by colour.
pub fn mark(verdict: Verdict) -> Markup {
    html! {
        svg class=(format!("mark {}", verdict.as_str())) viewBox="0 0 16 16" width="14" height="14" aria-hidden="true" {
            @match verdict {
                Verdict::Up => { circle cx="8" cy="8" r="7" {} path d="M4.800 8.300l2.200 2.200 4.200-4.600" {} }
                Verdict::Partial => { path.shape d="M8 1l7.200 13.500H.8z" {} path d="M8 6v4M8 12.200v.3" {} }
                Verdict::Down => { rect x="1" y="1" width="14" height="14" rx="3" {} path d="M5 5l6 6M11 5l-6 6" {} }
                Verdict::Unknown => { circle.hollow cx="8" cy="8" r="6" {} path d="M5.500 8h5" {} }
            }
        }
    }
}

/// The load of a node in percent, as text and as a meter.
pub fn load(texts: &Texts, node: &Node) -> Markup {
    html! {
        @if let Some(usage) = node.usage_percentage() {
            span.figure { (format!("{usage:.0}%")) }
            meter min="0" max="100" high="80" value=(format!("{usage:.0}")) aria-hidden="true" {}
        } @else {
            span.figure { (texts.not_measured) }
        }
    }
}

/// The notice that the nodes are out of date, if they are.
pub fn stale(language: Language, since: Option<Timestamp>) -> Markup {
    html! { @if let Some(since) = since { p.warning role="status" { (language.stale(&format::exact(since))) } } }
}

/// That incidents are open, if any is.
pub fn open_incidents(language: Language, open: u64) -> Markup {
    html! {
        @if open > 0 {
            p.warning.bad role="status" { a href="/incidents" { (language.open_incidents(open)) } }
        }
    }
}

/// The switch for automatic updates, which only the script shows.
pub fn live_switch(texts: &Texts) -> Markup {
    html! { button.live #live type="button" aria-pressed="true" title=(texts.live_hint) hidden { (texts.live) } }
}

/// The head of a table.
pub fn table_head<const COLUMNS: usize>(labels: [&str; COLUMNS]) -> Markup {
    html! { thead { tr { @for label in labels { th scope="col" { (label) } } } } }
}

/// The shell command that connects to a node.
pub fn command(node: &Node) -> String {
    let url = node.url.full();
    let plain = |c: char| c.is_ascii_alphanumeric() || "-._:/".contains(c);
    match url.chars().all(plain) {
        true => format!("easytier-core -p {url}"),
        false => format!("easytier-core -p '{}'", url.replace('\'', r"'\''")),
    }
}

/// Links to the pages before and after; `name` is the parameter of the page number.
pub fn paging(view: &View, name: &str, number: usize, pages: usize) -> Markup {
    let texts = view.texts();
    let link = |page: usize| view.with(&[(name, &page.to_string())]);
    html! {
        @if pages > 1 {
            nav.paging aria-label=(texts.pages) {
                @if number > 1 { a rel="prev" href=(link(number - 1)) { "← " (texts.previous) } }
                span { (number) " / " (pages) }
                @if number < pages { a rel="next" href=(link(number + 1)) { (texts.next) " →" } }
            }
        }
    }
}
