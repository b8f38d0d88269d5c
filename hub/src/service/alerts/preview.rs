//! What a rule would have told lately.

use std::collections::BTreeSet;

use easytier_uptime_alerts::{
    Message, Rule,
    policy::{Counts, Facts, Fresh, Levels, Recipient, preview},
};
use easytier_uptime_store::domain::{DAY, Timestamp};
use serde::Serialize;
use utoipa::ToSchema;
use uuid::Uuid;

use super::{Alerts, check_interval, fresh, levels, millis, node_facts, probe_facts, staleness};
use crate::service::ServiceError;

/// How many days a preview looks back.
pub const PREVIEW_DAYS: u32 = 7;

/// How many events a preview reads at most, and how many at a time.
const MAX_EVENTS: usize = 20_000;
const PAGE: u32 = 1000;

/// What a rule would have told in the last seven days.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub struct Preview {
    /// What the rule does, in words.
    pub words: String,
    /// What would have been sent, the oldest first; at most 500 messages.
    pub messages: Vec<PreviewedMessage>,
    /// Whether there were more changes than are read: then the first days are left out.
    pub is_cut: bool,
}

/// A message that would have been sent.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub struct PreviewedMessage {
    /// When.
    #[schema(value_type = String, format = DateTime)]
    pub at: Timestamp,
    /// The message.
    #[schema(value_type = Object)]
    pub message: Message,
}

impl Alerts {
    /// What a rule would have told in the last seven days, as if the hub had run all the time, with the nodes as they are now.
    ///
    /// # Errors
    ///
    /// When the database fails.
    pub async fn preview(&self, rule: Rule) -> Result<Preview, ServiceError> {
        let now = Timestamp::now();
        let from = now - DAY * PREVIEW_DAYS;
        let (changes, is_cut) = self.changes_since(from).await?;
        let ids: BTreeSet<i64> = changes.iter().filter_map(|change| change.subject.node()).collect();
        // Which work no hub did is not known afterwards.
        let levels = Levels { idle: BTreeSet::new(), ..levels(&self.store, std::iter::once(&rule), now).await? };
        let ids: BTreeSet<i64> = ids.into_iter().chain(levels.nodes()).collect();
        let nodes = node_facts(self.store.alert_nodes(ids.into_iter().collect()).await?);
        let probes = self.store.probes(now).await?;
        let interval = check_interval(&self.store, &probes, now);
        let words = rule.in_words(rule.language);
        let facts = Facts {
            rules: &[(Recipient::Channel(0), rule)],
            nodes: &nodes,
            probes: &probe_facts(&probes),
            counts: Counts::default(),
            levels: &levels,
            acknowledged: &BTreeSet::new(),
            muted: &BTreeSet::new(),
            check_interval: millis(interval),
            staleness: millis(staleness(&self.store, interval)),
        };
        let told = preview(&changes, &facts, from.0, now.0);
        let message = |told: easytier_uptime_alerts::policy::Previewed| PreviewedMessage {
            at: Timestamp(told.at),
            message: told.draft.into_message(Uuid::nil(), None),
        };
        Ok(Preview { words, messages: told.into_iter().map(message).collect(), is_cut })
    }

    /// The changes since a time in their order, and whether there were too many to read them all.
    async fn changes_since(&self, from: Timestamp) -> Result<(Vec<Fresh>, bool), ServiceError> {
        let (mut changes, mut before, mut read) = (Vec::new(), None, 0);
        loop {
            let events = self.store.events(None, before, PAGE, false).await?;
            let (count, last) = (events.len(), events.last().map(|event| (event.id, event.at)));
            changes.extend(events.iter().filter(|event| event.at >= from).filter_map(fresh));
            read += count;
            match last {
                Some((id, at)) if at >= from && count == PAGE as usize && read < MAX_EVENTS => before = Some(id),
                _ => {
                    changes.reverse();
                    return Ok((changes, read >= MAX_EVENTS));
                }
            }
        }
    }
}
