//! How a dependent watches its primary, and obeys what it says about who leads.

use std::time::Duration;

use easytier_uptime_store::domain::{Leader, Leadership, Timestamp};
use tokio::time::Instant;

use super::{
    candidate,
    election::Outage,
    link::Link,
    members,
    tools::{StepError, Tools},
    wire::FailoverOrder,
};

/// How far two measurements of the beginning of one outage may differ.
const SAME_OUTAGE: Duration = Duration::from_secs(5);

/// A watch over one primary.
pub struct Watch<'a> {
    link: &'a Link<'a>,
    outage: Outage,
    began: Instant,
}

impl<'a> Watch<'a> {
    /// Begins a watch.
    pub fn new(link: &'a Link<'a>) -> Self {
        let outage = Outage::watch(link.tools.options.failover_after, Duration::ZERO);
        Self { link, outage, began: Instant::now() }
    }

    /// The time between two checks of the primary.
    pub fn interval(&self) -> Duration {
        self.outage.check_interval()
    }

    /// When the next check must be, if that is before the next interval: the primary counts as lost then, unless it answers.
    pub fn next_in(&self) -> Option<Duration> {
        self.outage.rest(self.began.elapsed())
    }

    /// Checks the primary once. When it is lost, asks the other instances and acts on what they say.
    ///
    /// # Errors
    ///
    /// Why the primary does not count as there, or when the database fails.
    pub async fn check(&mut self) -> Result<(), StepError> {
        let asked = self.ask().await;
        let now = self.began.elapsed();
        self.outage.observe(asked.is_ok(), now);
        self.publish(asked.is_ok(), now);
        match asked {
            Ok(order) => {
                if self.link.introduce_again().await? {
                    // The primary names another order at the next check.
                    return Ok(());
                }
                members::note_order(self.link.tools, &order).await?;
                self.link.tools.status.update(|status| status.handing_over_to = order.handing_over_to);
                self.obey(&order).await
            }
            Err(error) => {
                let lost = self.outage.is_loss(now);
                if lost {
                    candidate::round(self.link.tools, self.interval()).await?;
                }
                Err(error)
            }
        }
    }

    /// Asks the primary who leads. An answer of another cluster, of an epoch that is over, or with an older configuration, counts
    /// as none: an empty database or a restored backup at the primary's address leads nobody. That is noted for the operator. The deadline is the interval at most, so that a
    /// primary that never answers is missed in time.
    async fn ask(&self) -> Result<FailoverOrder, StepError> {
        let Tools { store, client, status, .. } = self.link.tools;
        // Before the answer, which may be older than what this instance takes from the primary meanwhile.
        let instance = store.instance().await?;
        let asked = self.link.with_token(async |url, token| client.failover_order(url, token).await);
        let Ok(order) = tokio::time::timeout(self.interval(), asked).await else {
            let (url, waited) = (self.link.url().to_string(), self.interval());
            return Err(super::client::SyncError::TimedOut { url, waited }.into());
        };
        let order = order?;
        let checked = members::check_order(&instance, &order);
        let refusal = checked.as_ref().err().map(ToString::to_string);
        if let Some(refusal) = &refusal {
            store.note_sync_error(refusal).await?;
        }
        status.update(|status| status.refusal = refusal);
        checked?;
        Ok(order)
    }

    fn publish(&self, answered: bool, now: Duration) {
        let since = self.outage.lasts(now).map(|lasts| Timestamp::now() - lasts);
        self.link.tools.status.update(|status| {
            status.primary_reachable = Some(answered);
            // The same outage began when it began, however exactly that is measured each time.
            let known = status
                .outage_since
                .zip(since)
                .filter(|(known, since)| known.since(*since).max(since.since(*known)) < SAME_OUTAGE);
            status.outage_since = known.map_or(since, |(known, _)| Some(known));
            if answered {
                status.reason = None;
            }
        });
    }

    /// Does what the primary says about who leads: another instance, or this one.
    async fn obey(&self, order: &FailoverOrder) -> Result<(), StepError> {
        let Tools { store, options, .. } = self.link.tools;
        let instance = store.instance().await?;
        let Some(primary) = order.primary else { return Ok(()) };
        if primary == instance.id && order.epoch > instance.epoch {
            store.promote(&options.name, options.endpoint(), instance.epoch, order.epoch - 1).await?;
            tracing::info!(epoch = order.epoch, "the primary handed over to this instance");
            return Ok(());
        }
        let leader = self.named(order);
        if primary == instance.id || (leader == self.link.leader && order.epoch <= instance.epoch) {
            return Ok(());
        }
        if leader.id != self.link.leader.id {
            tracing::info!(primary = %leader.name, epoch = order.epoch, "the primary changed");
        }
        store.follow(&Leadership { cluster: order.cluster_id, epoch: order.epoch, leader }).await?;
        Ok(())
    }

    /// The primary that the answer names. Its address is the one that this instance uses, if it is the same primary.
    fn named(&self, order: &FailoverOrder) -> Leader {
        let own = &self.link.leader;
        let id = order.primary.unwrap_or(own.id);
        let listed = order.order.iter().find(|one| one.instance_id == id);
        Leader {
            id,
            name: listed.map_or_else(|| own.name.clone(), |one| one.instance_name.clone()),
            url: match id == own.id {
                true => own.url.clone(),
                false => listed.and_then(|one| one.public_endpoint.clone()),
            },
        }
    }
}
