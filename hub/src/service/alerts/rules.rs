//! The rules of a channel.

use easytier_uptime_alerts::{Language, Rule};
use easytier_uptime_store::{StoreError, domain::Timestamp};
use serde::Serialize;
use serde_json::{Map, Value};
use utoipa::ToSchema;
use uuid::Uuid;

use super::{
    Alerts,
    config::{ChannelConfig, edit_config},
};
use crate::service::{FieldError, FieldProblem, ServiceError};

/// How many rules a channel may have.
const MAX_RULES: usize = 100;

/// A rule, and what it does in words.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub struct RuleView {
    /// Which changes of which nodes are told, and when not.
    #[schema(value_type = Object)]
    pub rule: Rule,
    /// What it does, in the language of its messages.
    pub words: String,
}

impl RuleView {
    pub(super) fn of(rule: Rule) -> Self {
        Self { words: rule.in_words(rule.language), rule }
    }

    /// What it does.
    pub fn in_words(&self, language: Language) -> String {
        self.rule.in_words(language)
    }
}

impl Alerts {
    /// Reads a rule; one without an id gets one.
    ///
    /// # Errors
    ///
    /// When it is none, or cannot be followed.
    pub fn read_rule(&self, mut document: Map<String, Value>) -> Result<Rule, ServiceError> {
        document.entry("id").or_insert_with(|| Uuid::now_v7().to_string().into());
        let malformed = |why: String| FieldError::new("rule", FieldProblem::Malformed(why));
        let rule: Rule = serde_json::from_value(document.into()).map_err(|error| malformed(error.to_string()))?;
        if let Some(name) = rule.newer.keys().next() {
            return Err(malformed(format!("a rule has no field '{name}'")).into());
        }
        rule.check().map_err(|error| malformed(error.to_string()))?;
        Ok(rule)
    }

    /// Refuses more rules than a channel may have.
    ///
    /// # Errors
    ///
    /// When they are too many.
    pub fn check_count(&self, rules: usize) -> Result<(), ServiceError> {
        match rules > MAX_RULES {
            true => Err(FieldError::new("rules", FieldProblem::TooMany { max: MAX_RULES }).into()),
            false => Ok(()),
        }
    }

    /// Adds a rule to a channel, or changes the one with its id there.
    ///
    /// # Errors
    ///
    /// When there is no such channel, the rule cannot be followed, the channel has too many, this instance takes no edits, or
    /// the database fails.
    pub async fn put_rule(&self, channel: &str, rule: Rule) -> Result<RuleView, ServiceError> {
        rule.check().map_err(|error| FieldError::new("rule", FieldProblem::Malformed(error.to_string())))?;
        let found = self.find(channel).await?;
        let config = ChannelConfig::read(&found.spec.config).unwrap_or_default();
        if config.rules.len() >= MAX_RULES && config.rules.iter().all(|one| one.id != rule.id) {
            return Err(FieldError::new("rule", FieldProblem::TooMany { max: MAX_RULES }).into());
        }
        let edit = |config: &mut ChannelConfig| match config.rules.iter_mut().find(|one| one.id == rule.id) {
            Some(known) => {
                let mut edited = rule.clone();
                edited.keep_newer(known);
                *known = edited;
            }
            None => config.rules.push(rule.clone()),
        };
        self.store.edit_channel(found.id, |spec| edit_config(spec, edit), Timestamp::now()).await?;
        Ok(RuleView::of(rule))
    }

    /// Removes a rule.
    ///
    /// # Errors
    ///
    /// When there is none, this instance takes no edits, or the database fails.
    pub async fn remove_rule(&self, id: Uuid) -> Result<(), ServiceError> {
        let channels = self.store.alert_channels().await?;
        let has = |config: &ChannelConfig| config.rules.iter().any(|rule| rule.id == id);
        let of = channels.iter().find(|channel| ChannelConfig::read(&channel.spec.config).is_some_and(|one| has(&one)));
        let channel = of.ok_or(StoreError::NotFound("rule"))?.id;
        let edit = |config: &mut ChannelConfig| config.rules.retain(|rule| rule.id != id);
        Ok(self.store.edit_channel(channel, |spec| edit_config(spec, edit), Timestamp::now()).await?)
    }
}
