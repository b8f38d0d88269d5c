//! The form of a maintenance window.

use easytier_uptime_store::domain::{MAX_MINUTES, MaintenanceWindow, Timestamp};
use maud::{Markup, html};
use serde::Deserialize;

use crate::{
    pages::{
        form::{Fields, Input, list, number},
        language::Language,
    },
    service::{FieldError, FieldProblem, MAX_TITLE, WindowFields},
};

/// The rules that can be chosen, and the value for another one.
const RULES: [&str; 3] = ["FREQ=DAILY", "FREQ=WEEKLY", "FREQ=MONTHLY"];
const BY_RULE: &str = "rule";

/// The texts of the fields.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub struct WindowForm {
    title: String,
    title_zh: String,
    all: String,
    nodes: String,
    tags: String,
    regions: String,
    start: String,
    time_zone: String,
    minutes: String,
    /// Empty, one of [`RULES`], or [`BY_RULE`].
    repeat: String,
    rrule: String,
    until: String,
    /// When the window was last changed before it was shown.
    seen: String,
}

impl WindowForm {
    /// The form of a new window. `language`: tells which time zone is likely.
    pub fn new(language: Language) -> Self {
        let time_zone = match language {
            Language::English => "UTC",
            Language::Chinese => "Asia/Shanghai",
        };
        Self { time_zone: time_zone.to_owned(), minutes: "60".to_owned(), ..Self::default() }
    }

    /// The form of a window.
    pub fn of(window: &MaintenanceWindow) -> Self {
        let (spec, schedule) = (&window.spec, window.spec.schedule.text());
        let joined = |items: Vec<String>| items.join(", ");
        let rule = schedule.rrule.unwrap_or_default();
        let is_other = !rule.is_empty() && !RULES.contains(&rule.as_str());
        Self {
            title: spec.title.clone(),
            title_zh: spec.title_zh.clone().unwrap_or_default(),
            all: if spec.coverage.all { "true".to_owned() } else { String::new() },
            nodes: joined(spec.coverage.peers.iter().map(ToString::to_string).collect()),
            tags: joined(spec.coverage.tags.iter().map(ToString::to_string).collect()),
            regions: joined(spec.coverage.regions.iter().map(ToString::to_string).collect()),
            start: schedule.start,
            time_zone: schedule.time_zone,
            minutes: schedule.minutes.to_string(),
            repeat: if is_other { BY_RULE.to_owned() } else { rule.clone() },
            rrule: if is_other { rule } else { String::new() },
            until: schedule.until.unwrap_or_default(),
            seen: window.updated_at.0.to_string(),
        }
    }

    /// When the window was last changed before it was shown.
    pub fn seen(&self) -> Option<Timestamp> {
        self.seen.parse().ok().map(Timestamp)
    }

    /// The fields that were filled in.
    pub fn fields(&self) -> Result<WindowFields, FieldError> {
        let node = |id: &String| {
            let id = id.trim_start_matches('#').parse().ok().filter(|id| *id >= 1);
            id.ok_or_else(|| FieldError::new("nodes", FieldProblem::Malformed(String::new())))
        };
        let rrule = match self.repeat.as_str() {
            "" => None,
            BY_RULE => Some(self.rrule.clone()).filter(|rule| !rule.trim().is_empty()),
            rule => Some(rule.to_owned()),
        };
        if self.repeat == BY_RULE && rrule.is_none() {
            return Err(FieldError::new("rrule", FieldProblem::Missing));
        }
        Ok(WindowFields {
            title: Some(self.title.clone()),
            title_zh: Some(self.title_zh.clone()),
            all: Some(!self.all.is_empty()),
            nodes: Some(list(&self.nodes).iter().map(node).collect::<Result<_, _>>()?),
            tags: Some(list(&self.tags)),
            regions: Some(list(&self.regions)),
            start: Some(self.start.clone()),
            time_zone: Some(self.time_zone.clone()),
            minutes: number("minutes", &self.minutes, 1, MAX_MINUTES)?,
            rrule,
            until: Some(self.until.clone()),
        })
    }

    /// `wrong`: the field that was refused.
    pub fn render(&self, language: Language, wrong: Option<&FieldError>) -> Markup {
        let (texts, fields) = (language.maintenance(), Fields::new(language, wrong));
        let repeats = [
            ("", texts.once),
            (RULES[0], texts.daily),
            (RULES[1], texts.weekly),
            (RULES[2], texts.monthly),
            (BY_RULE, texts.by_rule),
        ];
        let minutes = Input::number("minutes", texts.minutes, &self.minutes, 1, MAX_MINUTES);
        let start =
            Input { placeholder: Some("2027-01-31T02:00"), ..Input::text("start", texts.start, &self.start, 16) };
        let until = Input { placeholder: Some("2027-12-31"), ..Input::text("until", texts.until, &self.until, 16) };
        html! {
            @if !self.seen.is_empty() { input type="hidden" name="seen" value=(self.seen); }
            fieldset {
                legend { (texts.what) }
                (fields.input(&Input::text("title", texts.title_field, &self.title, MAX_TITLE).required()))
                (fields.input(&Input::text("title_zh", texts.title_zh, &self.title_zh, MAX_TITLE)))
            }
            fieldset {
                legend { (texts.which) }
                (fields.check("all", texts.all, !self.all.is_empty()))
                (fields.input(&Input::text("nodes", texts.nodes, &self.nodes, 4000).hint(texts.nodes_hint)))
                div.row {
                    (fields.input(&Input::text("tags", texts.tags, &self.tags, 4000).hint(texts.nodes_hint)))
                    (fields.input(&Input::text("regions", texts.regions, &self.regions, 4000).hint(texts.regions_hint)))
                }
            }
            fieldset {
                legend { (texts.schedule) }
                div.row {
                    (fields.input(&start.hint(texts.start_hint)))
                    (fields.input(&Input::text("time_zone", texts.time_zone, &self.time_zone, 64).required().hint(texts.time_zone_hint)))
                    (fields.input(&Input { class: "grow", ..minutes.required() }))
                }
                div.row {
                    (fields.select("repeat", texts.repeat, &self.repeat, repeats))
                    (fields.input(&until.hint(texts.until_hint)))
                }
                (fields.input(&Input::text("rrule", texts.rrule, &self.rrule, 256).hint(texts.rrule_hint)))
            }
        }
    }
}
