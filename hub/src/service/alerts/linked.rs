//! What somebody sees and does who has the link of a message.

use std::{collections::BTreeSet, time::Duration};

use easytier_uptime_alerts::{Message, policy::Key};
use easytier_uptime_store::{
    acting,
    domain::{ActorKind, AuthFailure, Timestamp},
};

use super::{
    Alerts,
    about::About,
    conditions::{ConditionView, MuteView},
    links,
};
use crate::service::{LinkError, ServiceError};

/// For how many hours a link can mute.
pub const LINK_HOURS: [u32; 3] = [1, 8, 24];

/// Mutes that end within this time of each other are the same.
const SAME: Duration = Duration::from_secs(60);

/// The message of a link, and what became of what it is about.
#[derive(Debug, Clone)]
pub struct Linked {
    /// The message.
    pub message: Message,
    /// What of it is wrong now.
    pub open: Vec<ConditionView>,
    /// What is muted of it, or more than it.
    pub mutes: Vec<MuteView>,
    /// Whether muting it mutes its whole rule, because it is about more than a message lists.
    pub mutes_rule: bool,
}

/// A link that was checked.
struct Checked {
    message: Message,
    about: About,
    channel: Option<String>,
}

impl Checked {
    /// Who acts: the channel by which they got the link.
    fn who(&self) -> String {
        let channel = self.channel.as_deref().unwrap_or("?");
        format!("{channel} (link)")
    }

    fn mutes_rule(&self) -> bool {
        self.about.subjects.len() > Message::MAX_NODES
    }

    fn scopes(&self) -> Vec<String> {
        match self.mutes_rule() {
            true => vec![format!("rule:{}", self.about.rule)],
            false => self.about.keys().map(|key| key.to_string()).collect(),
        }
    }

    fn is_muted_by(&self, scope: &str) -> bool {
        let of_key = |key: Key| scope == key.to_string() || scope == key.subject.to_string();
        scope == "all" || scope == format!("rule:{}", self.about.rule) || self.about.keys().any(of_key)
    }
}

impl Alerts {
    /// The message of a link, and what became of what it is about. Nothing is changed.
    ///
    /// # Errors
    ///
    /// [`ServiceError::Link`] when the link cannot be used; otherwise when the database fails.
    pub async fn linked(&self, token: &str) -> Result<Linked, ServiceError> {
        let link = self.check_link(token).await?;
        let keys: BTreeSet<String> = link.about.keys().map(|key| key.to_string()).collect();
        let mut open = self.conditions().await?;
        open.retain(|condition| keys.contains(&condition.key));
        let mut mutes = self.mutes().await?;
        mutes.retain(|mute| link.is_muted_by(&mute.scope));
        Ok(Linked { open, mutes, mutes_rule: link.mutes_rule(), message: link.message })
    }

    /// Acknowledges what the message of a link is about, and nobody has acknowledged.
    ///
    /// # Errors
    ///
    /// As [`linked`](Self::linked).
    pub async fn acknowledge_by_link(&self, token: &str) -> Result<(), ServiceError> {
        let link = self.check_link(token).await?;
        let keys: Vec<String> = link.about.keys().map(|key| key.to_string()).collect();
        Ok(self.store.acknowledge_conditions(&keys, &link.who(), Timestamp::now()).await?)
    }

    /// Mutes what the message of a link is about.
    ///
    /// # Errors
    ///
    /// As [`linked`](Self::linked).
    pub async fn mute_by_link(&self, token: &str, length: Duration) -> Result<(), ServiceError> {
        let link = self.check_link(token).await?;
        let now = Timestamp::now();
        let known = self.mutes().await?;
        for scope in link.scopes() {
            // Who presses twice gets one mute.
            if !known.iter().any(|mute| mute.scope == scope && mute.until + SAME >= now + length) {
                self.store.mute(&scope, now + length, &link.who(), now).await?;
            }
        }
        Ok(())
    }

    async fn check_link(&self, token: &str) -> Result<Checked, ServiceError> {
        let id = links::read(&self.store, token, Timestamp::now()).inspect_err(|error| {
            if matches!(error, LinkError::Wrong) {
                acting::fails(AuthFailure::Link);
            }
        })?;
        let delivery = self.store.delivery(id).await?.ok_or(LinkError::Wrong)?;
        let about = About::read(&delivery.message).ok_or(LinkError::Wrong)?;
        let message = serde_json::from_str(&delivery.message).map_err(|_| LinkError::Wrong)?;
        acting::acts_as(ActorKind::Link, delivery.channel_name.as_deref().unwrap_or_default());
        Ok(Checked { message, about, channel: delivery.channel_name })
    }
}
