//! The form of a rule.

use std::{collections::BTreeSet, time::Duration};

use easytier_uptime_alerts::{Change, Language as MessageLanguage, NodeVersion, Nodes, QuietHours, Rule, RuleError};
use easytier_uptime_config::duration;
use easytier_uptime_store::domain::{Region, Tag};
use maud::{Markup, html};
use serde::Deserialize;
use uuid::Uuid;

use crate::{
    pages::{
        form::{Fields, Input, list},
        language::Language,
    },
    service::{FieldError, FieldProblem},
};

/// The texts of the fields. A box that is ticked sends `true`.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub struct RuleForm {
    down: String,
    partial: String,
    unknown: String,
    up: String,
    probe: String,
    certificate: String,
    version: String,
    duty: String,
    relay: String,
    nodes: String,
    tags: String,
    regions: String,
    after: String,
    gather: String,
    remind: String,
    certificate_days: String,
    version_below: String,
    quiet_from: String,
    quiet_to: String,
    time_zone: String,
    language: String,
    /// The button that sent the form: `preview`, or another one.
    step: String,
}

impl RuleForm {
    /// The form of a new rule, with the usual settings. `language`: tells which time zone is likely.
    pub fn new(language: Language) -> Self {
        Self::of(&Rule { language: language.of_messages(), ..Rule::new(Uuid::nil()) }, language)
    }

    /// The form of a rule. `language`: as for a new one.
    pub fn of(rule: &Rule, language: Language) -> Self {
        let usual_zone = match language {
            Language::English => "UTC",
            Language::Chinese => "Asia/Shanghai",
        };
        let ticked = |change| if rule.on.contains(&change) { "true".to_owned() } else { String::new() };
        let length = |seconds: u32| match seconds {
            0 => "0s".to_owned(),
            seconds => duration::format(Duration::from_secs(seconds.into())),
        };
        let hours = rule.quiet.as_ref().map(QuietHours::hours);
        let (from, to) = hours.as_deref().and_then(|hours| hours.split_once('-')).unwrap_or_default();
        let joined = |names: &BTreeSet<String>| names.iter().map(String::as_str).collect::<Vec<_>>().join(", ");
        Self {
            down: ticked(Change::Down),
            partial: ticked(Change::Partial),
            unknown: ticked(Change::Unknown),
            up: ticked(Change::Up),
            probe: ticked(Change::Probe),
            certificate: ticked(Change::Certificate),
            version: ticked(Change::Version),
            duty: ticked(Change::Duty),
            relay: ticked(Change::Relay),
            nodes: rule.nodes.ids.iter().map(ToString::to_string).collect::<Vec<_>>().join(", "),
            tags: joined(&rule.nodes.tags),
            regions: joined(&rule.nodes.regions),
            after: length(rule.after_seconds),
            gather: length(rule.group_seconds),
            remind: rule.reminder_seconds.map(length).unwrap_or_default(),
            certificate_days: rule.certificate_days.to_string(),
            version_below: rule.version_below.map(|version| version.to_string()).unwrap_or_default(),
            quiet_from: from.to_owned(),
            quiet_to: to.to_owned(),
            time_zone: rule.quiet.as_ref().map_or(usual_zone, QuietHours::zone_name).to_owned(),
            language: rule.language.name().to_owned(),
            step: String::new(),
        }
    }

    /// Whether the form asks what the rule would have told.
    pub fn is_preview(&self) -> bool {
        self.step == "preview"
    }

    /// The rule with this id.
    pub fn rule(&self, id: Uuid) -> Result<Rule, FieldError> {
        let rule = Rule {
            id,
            nodes: self.named_nodes()?,
            on: Change::ALL.into_iter().filter(|change| !self.ticked(*change).is_empty()).collect(),
            after_seconds: length("after", &self.after)?.unwrap_or(0),
            reminder_seconds: length("remind", &self.remind)?,
            certificate_days: self.days()?,
            version_below: self.version()?,
            quiet: self.quiet()?,
            language: MessageLanguage::from_name(&self.language).unwrap_or_default(),
            group_seconds: length("gather", &self.gather)?.unwrap_or(Rule::new(id).group_seconds),
            ..Rule::new(id)
        };
        rule.check().map_err(|error| FieldError::new(field_of(error), error))?;
        Ok(rule)
    }

    fn ticked(&self, change: Change) -> &str {
        match change {
            Change::Down => &self.down,
            Change::Partial => &self.partial,
            Change::Unknown => &self.unknown,
            Change::Up => &self.up,
            Change::Probe => &self.probe,
            Change::Certificate => &self.certificate,
            Change::Version => &self.version,
            Change::Duty => &self.duty,
            Change::Relay => &self.relay,
        }
    }

    fn named_nodes(&self) -> Result<Nodes, FieldError> {
        let id = |text: &String| {
            let id = text.trim_start_matches('#').parse().ok().filter(|id| *id >= 1);
            id.ok_or_else(|| FieldError::new("nodes", FieldProblem::Malformed(String::new())))
        };
        let tag = |text: &String| text.parse::<Tag>().map(String::from).map_err(|error| FieldError::new("tags", error));
        let region =
            |text: &String| text.parse::<Region>().map(String::from).map_err(|error| FieldError::new("regions", error));
        Ok(Nodes {
            ids: list(&self.nodes).iter().map(id).collect::<Result<_, _>>()?,
            tags: list(&self.tags).iter().map(tag).collect::<Result<_, _>>()?,
            regions: list(&self.regions).iter().map(region).collect::<Result<_, _>>()?,
        })
    }

    fn days(&self) -> Result<u32, FieldError> {
        match self.certificate_days.trim() {
            "" => Ok(Rule::new(Uuid::nil()).certificate_days),
            days => days.parse().map_err(|_| FieldError::new("certificate_days", RuleError::CertificateDays)),
        }
    }

    fn version(&self) -> Result<Option<NodeVersion>, FieldError> {
        match self.version_below.trim() {
            "" => Ok(None),
            version => version.parse().map(Some).map_err(|_| FieldError::new("version_below", RuleError::Version)),
        }
    }

    /// The quiet hours; none when neither time is filled in.
    fn quiet(&self) -> Result<Option<QuietHours>, FieldError> {
        let (from, to) = (self.quiet_from.trim(), self.quiet_to.trim());
        if from.is_empty() && to.is_empty() {
            return Ok(None);
        }
        let quiet = QuietHours::new(&format!("{from}-{to}"), &self.time_zone);
        quiet.map(Some).map_err(|error| {
            use easytier_uptime_alerts::QuietHoursError::{Hours, Zone};
            let field = match error {
                Hours => "quiet_from",
                Zone => "time_zone",
            };
            FieldError::new(field, error)
        })
    }

    /// `wrong`: the field that was refused.
    pub fn render(&self, language: Language, wrong: Option<&FieldError>) -> Markup {
        let (texts, fields) = (language.channels(), Fields::new(language, wrong));
        let coverage = language.maintenance();
        let languages = Language::ALL.map(|language| (language.name(), language.own_name()));
        let text = |name, label, value, max| Input::text(name, label, value, max);
        let time = |name, label, value| Input { kind: "time", class: "short", ..Input::text(name, label, value, 5) };
        html! {
            fieldset {
                legend { (texts.what) }
                (fields.group_problem("on"))
                @for change in Change::ALL {
                    div { (fields.check(change.as_str(), language.change(change), !self.ticked(change).is_empty())) }
                }
                (fields.select("language", texts.language, &self.language, languages))
            }
            fieldset {
                legend { (coverage.which) }
                (fields.input(&text("nodes", coverage.nodes, &self.nodes, 4000).hint(texts.nodes_hint)))
                div.row {
                    (fields.input(&text("tags", coverage.tags, &self.tags, 4000).hint(coverage.nodes_hint)))
                    (fields.input(&text("regions", coverage.regions, &self.regions, 4000).hint(texts.regions_hint)))
                }
            }
            fieldset {
                legend { (texts.when) }
                (fields.input(&text("after", texts.after, &self.after, 20).hint(texts.after_hint)))
                (fields.input(&text("gather", texts.gather, &self.gather, 20).hint(texts.gather_hint)))
                (fields.input(&text("remind", texts.remind, &self.remind, 20).hint(texts.remind_hint)))
                div.row {
                    (fields.input(&text("certificate_days", texts.days, &self.certificate_days, 3).hint(texts.days_hint)))
                    (fields.input(&text("version_below", texts.version, &self.version_below, 20).hint(texts.version_hint)))
                }
            }
            fieldset {
                legend { (texts.quiet) }
                p.muted { (texts.quiet_hint) }
                div.row {
                    (fields.input(&time("quiet_from", texts.from, &self.quiet_from)))
                    (fields.input(&time("quiet_to", texts.to, &self.quiet_to)))
                    (fields.input(&text("time_zone", coverage.time_zone, &self.time_zone, 64).hint(coverage.time_zone_hint)))
                }
            }
        }
    }
}

/// The length of time in a field, in seconds.
fn length(field: &'static str, text: &str) -> Result<Option<u32>, FieldError> {
    let text = text.trim();
    if text.is_empty() {
        return Ok(None);
    }
    let wrong = || FieldError::new(field, FieldProblem::NoDuration);
    let length = duration::parse(text).map_err(|_| wrong())?;
    match length.subsec_millis() {
        0 => Ok(Some(u32::try_from(length.as_secs()).unwrap_or(u32::MAX))),
        _ => Err(wrong()),
    }
}

/// The field that an error is about.
fn field_of(error: RuleError) -> &'static str {
    match error {
        RuleError::TooLate => "after",
        RuleError::Reminder => "remind",
        RuleError::Group => "gather",
        RuleError::TooManyNames => "nodes",
        RuleError::CertificateDays => "certificate_days",
        RuleError::Version => "version_below",
        _ => "on",
    }
}
