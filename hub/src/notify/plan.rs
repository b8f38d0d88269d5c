//! The planner: reads what changed, and stores what is told.

use std::collections::{BTreeMap, BTreeSet};

use easytier_probe::backend::BaseUrl;
use easytier_uptime_alerts::{
    ChannelKind, Rule, Severity,
    policy::{Condition, Draft, Facts, Fresh, Key, Levels, Recipient, Rhythm, Seen, State, Step, Subject, step},
};
use easytier_uptime_store::{
    Store, StoreError,
    domain::{
        AlertCondition, AlertNews, AlertNode, AlertPlan, ChannelId, Event, EventKind, NewDelivery, PlanStep, Presence,
        Probe, Timestamp, VisitorStep,
    },
};
use serde::{Deserialize, Serialize};
use url::Url;
use uuid::Uuid;

use super::{
    levels::LevelReader,
    visitors::{Visitors, link},
};
use crate::{
    instance::alerts::MIRRORED_PLAN,
    service::alerts::{
        About, ChannelConfig, check_interval, counts, fresh, link_token, millis, node_facts, probe_facts, seen,
        staleness,
    },
};

/// How many events one step takes at most.
const MAX_EVENTS: u32 = 1000;

/// How often the planner notes that it looks, in milliseconds. It is far shorter than a pause that counts as one.
const SIGN_INTERVAL: i64 = 5000;

/// What changed so long before a primary before this instance looked, in milliseconds, is looked at again: it may have been stored
/// later. It is longer than a pause that counts as one.
const MIRRORED_PAUSE: i64 = 60_000;

/// The part of the state that the store keeps as one text.
#[derive(Debug, Default, Serialize, Deserialize)]
#[serde(default)]
struct Stored {
    rhythms: BTreeMap<Uuid, Rhythm>,
    calm_until: i64,
}

/// Reads what changed, and stores what is told. [`notify`](super::notify) lets it look each second.
pub struct Planner {
    store: Store,
    public_url: Option<BaseUrl>,
    known: Option<Known>,
    levels: LevelReader,
}

/// The rules of enabled channels.
struct ChannelRules {
    rules: Vec<(Recipient, Rule)>,
    /// The channels whose services keep what was told open.
    keeping: BTreeSet<Recipient>,
}

/// What it knows from the step before. All of it can be read again.
struct Known {
    /// By what the store shows that channels or people's edits changed.
    stamps: [(i64, i64); 2],
    /// When there is something to do.
    next_at: Option<i64>,
}

impl Planner {
    /// A planner that knows nothing yet. `public_url`: where readers find the pages of nodes.
    pub fn new(store: Store, public_url: Option<BaseUrl>) -> Self {
        Self { store, public_url, known: None, levels: LevelReader::default() }
    }

    /// Reads everything at the next step.
    pub fn forget(&mut self) {
        self.known = None;
        self.levels.forget();
    }

    /// Looks once, and returns how many messages there are to send.
    ///
    /// # Errors
    ///
    /// When the database fails. Nothing was stored then, or all of the step; the next step goes on from there after
    /// [`forget`](Self::forget).
    pub async fn step(&mut self, now: Timestamp) -> Result<usize, StoreError> {
        let Some(news) = self.store.alert_news(MAX_EVENTS).await? else {
            self.forget();
            return Ok(0);
        };
        let stored: Stored = serde_json::from_str(&news.plan.state).unwrap_or_default();
        // The primary before this instance may have looked a moment ago, and this instance never has.
        let pause = if news.plan.state == MIRRORED_PLAN { MIRRORED_PAUSE } else { 0 };
        let planned_at = news.plan.planned_at.map(|at| at.0 - pause);
        let mut state =
            State { conditions: BTreeMap::new(), rhythms: stored.rhythms, planned_at, calm_until: stored.calm_until };
        let was_away = planned_at.is_none() || state.was_away(now.0);
        let stamps = [news.channels, news.edits];
        let known = self.known.take().filter(|known| known.stamps == stamps);
        if known.is_none() {
            self.levels.forget();
        }
        if let Some(known) = known {
            let is_due = known.next_at.is_some_and(|at| at <= now.0);
            if news.events.is_empty() && !was_away && !is_due {
                self.known = Some(known);
                return self.sign(news, now).await;
            }
        }
        let channels = self.channels().await?;
        let levels = self.levels.current(&self.store, &channels.rules, now).await?;
        let (step, mut plan) = self.plan(channels, &levels, &mut state, &news, was_away, now).await?;
        plan.deliveries = step.drafts.iter().filter_map(|draft| self.delivery(draft, now)).collect();
        let next_at = step.next_at.into_iter().chain(self.levels.next_at()).min();
        let messages = plan.deliveries.len() + plan.visitors.mails.len();
        if let Err(error) = self.store.store_plan_step(news.plan.cursor, &plan, now).await {
            return match error {
                // Another hub plans now.
                StoreError::DutyLost(_) | StoreError::Overtaken => Ok(0),
                error => Err(error),
            };
        }
        self.known = Some(Known { stamps, next_at });
        Ok(messages)
    }

    /// Notes now and then that the planner looks.
    async fn sign(&self, news: AlertNews, now: Timestamp) -> Result<usize, StoreError> {
        let is_recent = news.plan.planned_at.is_some_and(|at| now.0 - at.0 < SIGN_INTERVAL);
        if is_recent && news.newest_event == news.plan.cursor {
            return Ok(0);
        }
        let from = news.plan.cursor;
        let plan = AlertPlan { cursor: from.max(news.newest_event), planned_at: Some(now), ..news.plan };
        let step = PlanStep {
            plan,
            changed: Vec::new(),
            removed: Vec::new(),
            ended: Vec::new(),
            deliveries: Vec::new(),
            visitors: VisitorStep::default(),
        };
        match self.store.store_plan_step(from, &step, now).await {
            Ok(()) | Err(StoreError::DutyLost(_) | StoreError::Overtaken) => Ok(0),
            Err(error) => Err(error),
        }
    }

    /// The rules of enabled channels.
    async fn channels(&self) -> Result<ChannelRules, StoreError> {
        let (mut rules, mut keeping) = (Vec::new(), BTreeSet::new());
        for channel in self.store.alert_channels().await?.into_iter().filter(|channel| channel.spec.enabled) {
            let Some(config) = ChannelConfig::read(&channel.spec.config) else {
                tracing::warn!(channel = channel.spec.name, "the rules of the channel cannot be read");
                continue;
            };
            let recipient = Recipient::Channel(channel.id.0);
            rules.extend(config.rules.into_iter().map(|rule| (recipient, rule)));
            if ChannelKind::from_name(&channel.spec.kind).is_some_and(ChannelKind::keeps_open) {
                keeping.insert(recipient);
            }
        }
        Ok(ChannelRules { rules, keeping })
    }

    async fn plan(
        &self,
        ChannelRules { mut rules, keeping }: ChannelRules,
        levels: &Levels,
        state: &mut State,
        news: &AlertNews,
        was_away: bool,
        now: Timestamp,
    ) -> Result<(Step, PlanStep), StoreError> {
        let conditions = self.store.alert_conditions().await?;
        let acknowledged: BTreeSet<Key> =
            conditions.iter().filter(|one| one.acknowledged.is_some()).filter_map(|one| one.key.parse().ok()).collect();
        let mut unreadable = Vec::new();
        for condition in conditions {
            match read(&condition) {
                Some((key, one)) => drop(state.conditions.insert(key, one)),
                None => unreadable.push(condition.key),
            }
        }
        let mut visitors = Visitors::read(&self.store, state).await?;
        let probes = self.store.probes(now).await?;
        let is_gone = |id: i64| probes.iter().find(|one| one.id.0 == id).map(|one| one.presence == Presence::Offline);
        let changes = match was_away {
            true => self.levels(state, news, is_gone, now).await?,
            false => news.events.iter().filter_map(fresh).collect(),
        };
        let changed = changes.iter().filter_map(|change| change.subject.node()).collect();
        rules.extend(visitors.rules(&self.store, changed).await?);
        let nodes = subjects(state, &changes).filter_map(Subject::node).chain(levels.nodes()).collect::<BTreeSet<_>>();
        let nodes = node_facts(self.store.alert_nodes(nodes.into_iter().collect()).await?);
        let mut muted: BTreeSet<String> =
            self.store.alert_mutes(now).await?.into_iter().map(|mute| mute.scope).collect();
        muted.extend(self.in_maintenance(&probes, now).await?.map(|subject| subject.to_string()));
        let interval = check_interval(&self.store, &probes, now);
        let probes = probe_facts(&probes);
        let facts = Facts {
            rules: &rules,
            nodes: &nodes,
            probes: &probes,
            counts: counts(&self.store, &probes).await?,
            levels,
            acknowledged: &acknowledged,
            muted: &muted,
            check_interval: millis(interval),
            staleness: millis(staleness(&self.store, interval)),
        };
        let mut step = step(state, &changes, &facts, now.0);
        step.drafts.retain(|draft| !draft.ends_only || keeping.contains(&draft.recipient));
        let plan = self.plan_step(&step, state, &visitors, cursor(news, was_away), unreadable, now);
        Ok((step, plan))
    }

    /// The nodes and probes of which nothing is told now, because people work on them. What is still wrong afterwards is told then.
    async fn in_maintenance(
        &self,
        probes: &[Probe],
        now: Timestamp,
    ) -> Result<impl Iterator<Item = Subject> + use<>, StoreError> {
        let windows = self.store.active_maintenance(now).await?;
        let is_covered =
            |probe: &&Probe| windows.iter().any(|window| window.window.spec.coverage.covers_region(&probe.region));
        let probes: Vec<Subject> = probes.iter().filter(is_covered).map(|probe| Subject::Probe(probe.id.0)).collect();
        let nodes = self.store.peers_in_maintenance(now).await?;
        Ok(nodes.into_keys().map(|peer| Subject::Node(peer.0)).chain(probes))
    }

    /// How everything is that changed while nobody looked: what was in between is not told. Of probes the events say it, because
    /// many that are gone were gone before.
    async fn levels(
        &self,
        state: &State,
        news: &AlertNews,
        is_gone: impl Fn(i64) -> Option<bool>,
        now: Timestamp,
    ) -> Result<Vec<Fresh>, StoreError> {
        let since = state.planned_at.map_or(now, Timestamp);
        let known = state.conditions.keys().filter_map(|key| match key.subject {
            Subject::Node(id) => Some(id),
            _ => None,
        });
        let known: Vec<i64> = known.collect::<BTreeSet<_>>().into_iter().collect();
        let nodes = self.store.alert_nodes_changed(since, known).await?;
        let level = |node: &AlertNode| Fresh {
            at: node.since.0,
            subject: Subject::Node(node.id.0),
            was: Seen::Up,
            became: seen(node.verdict),
        };
        let mut changes: Vec<Fresh> = nodes.iter().map(level).collect();
        changes.sort_by_key(|change| change.at);
        let of_probes =
            |event: &&Event| event.kind == EventKind::Probe && news.plan.planned_at.is_some_and(|at| event.at > at);
        changes.extend(news.events.iter().filter(of_probes).filter_map(fresh));
        let probes = state.conditions.keys().filter_map(|key| match key.subject {
            Subject::Probe(id) => Some(id),
            _ => None,
        });
        for id in probes.collect::<BTreeSet<_>>() {
            let Some(is_gone) = is_gone(id) else { continue };
            let became = if is_gone { Seen::Down } else { Seen::Up };
            changes.push(Fresh { at: now.0, subject: Subject::Probe(id), was: Seen::Up, became });
        }
        Ok(changes)
    }

    fn plan_step(
        &self,
        step: &Step,
        state: &State,
        visitors: &Visitors,
        cursor: i64,
        unreadable: Vec<String>,
        now: Timestamp,
    ) -> PlanStep {
        let of_channels = |key: &&Key| !visitors.are_told(key);
        let stored = Stored { rhythms: state.rhythms.clone(), calm_until: state.calm_until };
        let text = |key: &Key| Some((key.to_string(), serde_json::to_string(state.conditions.get(key)?).ok()?));
        PlanStep {
            plan: AlertPlan {
                cursor,
                planned_at: Some(now),
                state: serde_json::to_string(&stored).unwrap_or_else(|_| "{}".to_owned()),
            },
            changed: step.changed.iter().filter(of_channels).filter_map(text).collect(),
            removed: step.removed.iter().filter(of_channels).map(Key::to_string).chain(unreadable).collect(),
            ended: step.ended.iter().filter(of_channels).map(Key::to_string).collect(),
            deliveries: Vec::new(),
            visitors: visitors.step(&self.store, self.public_url.as_ref(), step, state),
        }
    }

    fn delivery(&self, draft: &Draft, now: Timestamp) -> Option<NewDelivery> {
        let Recipient::Channel(channel) = draft.recipient else { return None };
        let (id, channel) = (Uuid::now_v7(), ChannelId(channel));
        let mut message = draft.clone().into_message(id, self.link(draft));
        if draft.severity != Severity::Info {
            message.acknowledge = self.link_to_acknowledge(id, now);
        }
        Some(NewDelivery { id, channel, message: About::of(draft).beside(&message)? })
    }

    /// The page on which somebody who has the message may say that they know.
    fn link_to_acknowledge(&self, message: Uuid, now: Timestamp) -> Option<Url> {
        let mut url = self.public_url.as_ref()?.join("/alerts");
        url.query_pairs_mut().append_pair("token", &link_token(&self.store, message, now));
        Some(url)
    }

    /// The page of the one node, or the first page.
    fn link(&self, draft: &Draft) -> Option<Url> {
        Some(link(self.public_url.as_ref()?, draft))
    }
}

fn read(condition: &AlertCondition) -> Option<(Key, Condition)> {
    Some((condition.key.parse().ok()?, serde_json::from_str(&condition.state).ok()?))
}

/// The newest event that the step has taken, or left out.
fn cursor(news: &AlertNews, was_away: bool) -> i64 {
    let last = news.events.last().map_or(0, |event| event.id);
    let is_all = was_away || news.events.len() < MAX_EVENTS as usize;
    news.plan.cursor.max(last).max(if is_all { news.newest_event } else { 0 })
}

fn subjects<'a>(state: &'a State, changes: &'a [Fresh]) -> impl Iterator<Item = Subject> + 'a {
    state.conditions.keys().map(|key| key.subject).chain(changes.iter().map(|change| change.subject))
}
