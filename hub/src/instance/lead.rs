//! What a primary does: it calls the other instances back, and steps down when one of them leads with a greater term.

use std::collections::HashMap;

use easytier_uptime_store::{
    StoreError,
    domain::{InstanceId, Leader, Leadership, Member, Role, Term, Timestamp},
};
use futures::future::join_all;
use tokio::time::Instant;

use super::{
    members,
    tools::{StepError, Tools},
    wire::FailoverOrder,
};

/// How often an instance that has just registered is called between the rounds: it serves its API a little later.
const FRESH_CALLS: u32 = 5;

/// A primary at work.
pub struct Lead<'a> {
    tools: Tools<'a>,
    /// Whether the others were asked since this primary began to act.
    asked: bool,
    hand_over: Option<HandOver>,
    /// How often those were called that were never reached, since they registered.
    called: HashMap<(InstanceId, Timestamp), u32>,
}

/// A hand-over in progress.
#[derive(Clone, Copy)]
struct HandOver {
    since: Instant,
    /// The newest row of results when edits stopped.
    up_to: i64,
}

impl<'a> Lead<'a> {
    /// Begins. A primary that `was_away` does not know who leads now: it accepts no edits before it has asked the others, if
    /// it knows any, and nobody waits for its hand-over any more.
    ///
    /// # Errors
    ///
    /// When the database fails.
    pub async fn begin(tools: Tools<'a>, was_away: bool) -> Result<Self, StoreError> {
        tools.status.update(|status| status.handing_over_to = None);
        let knows = !was_away || tools.store.members().await?.is_empty();
        if was_away {
            tools.store.set_accepts_edits(knows).await?;
            tools.store.hand_over(None).await?;
        }
        Ok(Self { tools, asked: knows, hand_over: None, called: HashMap::new() })
    }

    /// Goes on with a hand-over: stops edits, waits until the next primary has configuration and results, and makes it the
    /// primary. It gives up when that takes longer than a failover.
    ///
    /// # Errors
    ///
    /// When the database fails.
    pub async fn hand_over(&mut self) -> Result<(), StepError> {
        let Tools { store, options, status, .. } = self.tools;
        let to = store.handing_over_to().await?;
        status.update(|status| status.handing_over_to = to);
        let Some(to) = to else {
            self.hand_over = None;
            return Ok(());
        };
        let Some(member) = store.member(to).await? else { return self.keep_the_lead("it is not known").await };
        let Some(HandOver { since, up_to }) = self.hand_over else {
            store.set_accepts_edits(false).await?;
            self.hand_over = Some(HandOver { since: Instant::now(), up_to: store.newest_result().await? });
            tracing::info!(to = %member.name, "handing over; edits have to wait");
            return Ok(());
        };
        let instance = store.instance().await?;
        if member.config == instance.config && store.mirrored_row(to).await? >= up_to {
            let leader = Leader { id: to, name: member.name.clone(), url: member.public_endpoint.clone() };
            let Some(cluster) = instance.cluster else { return Ok(()) };
            store.demote_to(&Leadership { cluster, epoch: instance.epoch + 1, leader }).await?;
            store.hand_over(None).await?;
            tracing::info!(to = %member.name, epoch = instance.epoch + 1, "handed over");
            return Ok(());
        }
        match since.elapsed() > options.failover_after {
            true => self.keep_the_lead("it did not take over configuration and results in time").await,
            false => Ok(()),
        }
    }

    async fn keep_the_lead(&mut self, why: &str) -> Result<(), StepError> {
        tracing::warn!("cannot hand over to the instance: {why}; this one stays the primary");
        self.hand_over = None;
        self.tools.store.hand_over(None).await?;
        self.tools.store.set_accepts_edits(true).await?;
        Ok(())
    }

    /// Calls those back that have just registered, so that they can soon take the place of this primary.
    ///
    /// # Errors
    ///
    /// When the database fails.
    pub async fn call_fresh(&mut self) -> Result<(), StepError> {
        let others = self.tools.store.members().await?;
        let unreached =
            others.iter().filter(|member| member.called_back_at.is_none() && member.public_endpoint.is_some());
        let calls = |member: &Member| self.called.get(&(member.id, member.registered_at)).copied().unwrap_or(0) + 1;
        let called = unreached.map(|member| ((member.id, member.registered_at), calls(member)));
        self.called = called.collect();
        let fresh: Vec<&Member> = others
            .iter()
            .filter(|member| self.called.get(&(member.id, member.registered_at)).is_some_and(|nth| *nth <= FRESH_CALLS))
            .collect();
        if fresh.is_empty() {
            return Ok(());
        }
        let instance = self.tools.store.instance().await?;
        let answers = join_all(fresh.iter().map(|member| members::ask(self.tools, &instance, member))).await;
        for (member, _) in fresh.iter().zip(answers).filter(|(_, answer)| answer.is_some()) {
            self.tools.store.note_called_back(member.id, Some(Timestamp::now())).await?;
        }
        Ok(())
    }

    /// Calls every other instance, notes who answered, and steps down for a primary with a greater term.
    ///
    /// # Errors
    ///
    /// When the database fails.
    pub async fn round(&mut self) -> Result<(), StepError> {
        self.tools.load().await?;
        let instance = self.tools.store.instance().await?;
        let others = self.tools.store.members().await?;
        let own_order = self.tools.store.own_order(self.tools.options.failover_order).await?;
        let own = Term { epoch: instance.epoch, order: own_order, instance: instance.id };
        let answers = join_all(others.iter().map(|member| members::ask(self.tools, &instance, member))).await;
        for (member, answer) in others.iter().zip(&answers) {
            let Some(order) = answer else { continue };
            self.tools.store.note_called_back(member.id, Some(Timestamp::now())).await?;
            if let Some(leadership) = greater(own, member, order) {
                tracing::warn!(primary = %leadership.leader.name, epoch = leadership.epoch, "another instance leads; stepping down");
                self.tools.store.demote_to(&leadership).await?;
                return Ok(());
            }
        }
        self.tools.status.update(|status| {
            status.primary_reachable = Some(true);
            status.outage_since = None;
            status.reason = None;
        });
        if !self.asked {
            self.asked = true;
            self.tools.store.set_accepts_edits(true).await?;
        }
        Ok(())
    }
}

/// Who leads instead of the primary of the term `own`, by what `member` says.
fn greater(own: Term, member: &Member, order: &FailoverOrder) -> Option<Leadership> {
    let primary = order.primary.filter(|primary| *primary != own.instance)?;
    let listed = order.order.iter().find(|one| one.instance_id == primary);
    let rank = listed.map_or(member.failover_order, |one| one.failover_order);
    // Within one epoch only the other primary itself is believed, because others may be behind.
    let certain = order.epoch > own.epoch || (order.role == Some(Role::Primary) && primary == member.id);
    if !certain || (Term { epoch: order.epoch, order: rank, instance: primary }) <= own {
        return None;
    }
    let url = listed.and_then(|one| one.public_endpoint.clone());
    let url = url.or_else(|| (primary == member.id).then(|| member.public_endpoint.clone()).flatten());
    let name = listed.map_or_else(|| member.name.clone(), |one| one.instance_name.clone());
    Some(Leadership { cluster: order.cluster_id, epoch: order.epoch, leader: Leader { id: primary, name, url } })
}
