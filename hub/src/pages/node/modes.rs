//! The node in each mode of checking, side by side. The figures are those of `modes` in `GET /api/nodes/{id}/regions`.

use easytier_uptime_monitor::public::modes::{ModeReport, Modes};
use easytier_uptime_store::domain::Timestamp;
use maud::{Markup, html};

use super::super::{format::latency_or_nothing, language::Language, widgets};

/// The panel.
pub fn panel(language: Language, modes: &Modes, now: Timestamp) -> Markup {
    let texts = language.modes();
    let Modes { direct, remote, relay, reverse } = modes;
    html! {
        section.panel #modes {
            h2 { (texts.title) }
            dl.big.modes {
                (mode(language, "direct", texts.direct, texts.no_direct, direct.as_ref(), now))
                (mode(language, "remote", texts.remote, texts.no_remote, remote.as_ref(), now))
                (mode(language, "relay", texts.relay, texts.no_relay, relay.as_ref(), now))
                (mode(language, "reverse", texts.reverse, texts.no_reverse, reverse.as_ref(), now))
            }
        }
    }
}

/// One mode by its name in the API, what it means, and what it last said; `nothing`: why it may have said nothing.
fn mode(
    language: Language,
    name: &str,
    meaning: &str,
    nothing: &str,
    report: Option<&ModeReport>,
    now: Timestamp,
) -> Markup {
    html! {
        div {
            dt { code { (name) } " " (meaning) }
            @match report {
                None => dd.muted { (nothing) },
                Some(report) => (said(language, report, now)),
            }
        }
    }
}

fn said(language: Language, report: &ModeReport, now: Timestamp) -> Markup {
    html! {
        dd { (widgets::state(language, report.verdict)) }
        dd.muted {
            (latency_or_nothing(report.response_time)) " · " (widgets::ago(language, report.checked_at, now))
        }
        @if report.total > 1 { dd.muted { (report.online) "/" (report.total) " " (language.texts().regions_agree) } }
        @if let Some(code) = report.error { dd.muted { (language.failure(code)) " " code { (code) } } }
    }
}
