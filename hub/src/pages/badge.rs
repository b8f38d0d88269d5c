//! Badges: small SVG images for a README or a forum post.

use std::time::Duration;

use axum::{
    extract::State,
    http::header,
    response::{IntoResponse, Response},
};
use easytier_uptime_monitor::Party;
use easytier_uptime_store::domain::{DAY, Verdict};
use maud::{Markup, html};
use serde::Deserialize;
use serde_html_form::de::empty_as_none;

use super::{
    format::{self, NOTHING},
    site::Site,
    view::View,
};
use crate::web::{
    Client, Refusal,
    input::{Path, Query},
    parameter::{NodePath, Whole},
};

/// How long caches may keep a badge.
const CACHE_CONTROL: &str = "public, max-age=60";

const GREEN: &str = "#137a54";
const YELLOW: &str = "#8f6400";
const RED: &str = "#b3261e";
const GREY: &str = "#5f6b68";
/// In maintenance, whatever the verdict.
const BLUE: &str = "#1f5f8f";

#[derive(Debug, Deserialize)]
pub struct Window {
    #[serde(default, deserialize_with = "empty_as_none")]
    days: Option<Whole<1, 3650>>,
}

pub async fn status(State(site): State<Site>, view: View, Path(path): Path<NodePath>) -> Result<Response, Refusal> {
    let snapshot = site.board.newest().await?;
    let node = snapshot.entry(path.id).ok_or_else(|| Refusal::not_found("node"))?.node();
    let verdict = view.language.verdict(node.verdict);
    Ok(match node.maintenance {
        None => badge(&node.name, verdict, color(node.verdict)),
        Some(_) => badge(&node.name, &format!("{verdict} · {}", view.language.maintenance().in_maintenance), BLUE),
    })
}

pub async fn uptime(
    State(site): State<Site>,
    Client(from): Client,
    view: View,
    Path(path): Path<NodePath>,
    Query(window): Query<Window>,
) -> Result<Response, Refusal> {
    let days = window.days.map_or(30, |days| days.0);
    let length: Duration = DAY * days;
    site.board.newest().await?.entry(path.id).ok_or_else(|| Refusal::not_found("node"))?;
    let uptime = site.histories.uptime(Party::of(from), path.id, length).await?;
    let label = view.language.uptime_of_days(days);
    let Some(percentage) = uptime.percentage() else { return Ok(badge(&label, NOTHING, GREY)) };
    let color = match percentage {
        99.0.. => GREEN,
        90.0.. => YELLOW,
        _ => RED,
    };
    Ok(badge(&label, &format::percent(percentage), color))
}

pub async fn latency(State(site): State<Site>, view: View, Path(path): Path<NodePath>) -> Result<Response, Refusal> {
    let snapshot = site.board.newest().await?;
    let node = snapshot.entry(path.id).ok_or_else(|| Refusal::not_found("node"))?.node();
    let (text, color) = match node.response_us {
        Some(micros) => (format::latency(micros), color(node.verdict)),
        None => (NOTHING.to_owned(), GREY),
    };
    Ok(badge(view.texts().latency, &text, color))
}

fn color(verdict: Verdict) -> &'static str {
    match verdict {
        Verdict::Up => GREEN,
        Verdict::Partial => YELLOW,
        Verdict::Down => RED,
        Verdict::Unknown => GREY,
    }
}

/// The longest label, in characters.
const MAX_LABEL: usize = 40;

fn badge(label: &str, text: &str, color: &str) -> Response {
    let visible: String = label.chars().filter(|c| !c.is_control()).collect();
    let label = match visible.chars().count() {
        ..=MAX_LABEL => visible,
        _ => format!("{}…", visible.chars().take(MAX_LABEL - 1).collect::<String>()),
    };
    let image = svg(&label, text, color).into_string();
    ([(header::CONTENT_TYPE, "image/svg+xml"), (header::CACHE_CONTROL, CACHE_CONTROL)], image).into_response()
}

fn svg(label: &str, text: &str, color: &str) -> Markup {
    let (left, right) = (width(label) + 12, width(text) + 12);
    let fitted = |x: usize, length: usize, text: &str| {
        html! { text x=(x) y="14" textLength=(length) lengthAdjust="spacingAndGlyphs" { (text) } }
    };
    html! {
        svg xmlns="http://www.w3.org/2000/svg" width=(left + right) height="20" role="img" aria-label=(format!("{label}: {text}")) {
            title { (label) ": " (text) }
            clipPath id="round" { rect width=(left + right) height="20" rx="4" {} }
            g clip-path="url(#round)" {
                rect width=(left) height="20" fill="#3a4341" {}
                rect x=(left) width=(right) height="20" fill=(color) {}
            }
            g fill="#fff" font-family="Verdana,DejaVu Sans,sans-serif" font-size="11" {
                (fitted(6, left - 12, label))
                (fitted(left + 6, right - 12, text))
            }
        }
    }
}

/// The approximate width of a text in pixels. `textLength` then fits the text exactly.
fn width(text: &str) -> usize {
    let wide = |c: char| match c {
        'i' | 'l' | 'j' | '.' | ',' | ':' | ' ' | 'I' | 't' | 'f' | 'r' | '(' | ')' => 45,
        'm' | 'w' | 'M' | 'W' | '%' => 100,
        c if c.is_ascii() => 70,
        // Chinese characters are as wide as they are high.
        _ => 115,
    };
    text.chars().map(wide).sum::<usize>().div_ceil(10).max(1)
}
