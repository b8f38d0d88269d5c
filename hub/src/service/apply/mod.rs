//! Use cases of the operator: making peers, channels and maintenance windows what a file says.
//!
//! The plan is made of what is stored, and then carried out in one transaction, unless somebody changed one of its objects meanwhile.

mod document;

use std::collections::{BTreeMap, BTreeSet};

use easytier_uptime_alerts::Rule;
use easytier_uptime_store::domain::{
    AlertChannel, ChannelSpec, MaintenanceSpec, MaintenanceWindow, NewPeer, ObjectEdit, PeerRecord, PeerSpec, Timestamp,
};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use utoipa::ToSchema;
use uuid::Uuid;

pub use self::document::{KINDS, Mistakes};
use super::{
    Admin, FieldError, FieldProblem, ServiceError, WindowFields,
    alerts::{Alerts, ChannelConfig, Settings},
    line,
};

/// What there should be. Of a kind that is `None` nothing is said.
#[derive(Debug, Default)]
pub struct Wanted {
    /// The peers, which are told apart by URL and network.
    pub peers: Option<Vec<NewPeer>>,
    /// The channels with all their rules, which are told apart by name.
    pub channels: Option<Vec<WantedChannel>>,
    /// The maintenance windows, which are told apart by title.
    pub windows: Option<Vec<WindowFields>>,
    /// Whether what is stored of these kinds and not wanted is removed.
    pub prune: bool,
}

/// A channel with its rules.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct WantedChannel {
    /// The name.
    pub name: String,
    /// The kind, such as `webhook`.
    pub kind: String,
    /// Whether anything is told there.
    #[serde(default = "yes")]
    pub enabled: bool,
    /// The settings of the kind.
    #[serde(default)]
    pub settings: Settings,
    /// The rules, as the API has them; an `id` is not needed.
    #[serde(default)]
    pub rules: Vec<Map<String, Value>>,
}

fn yes() -> bool {
    true
}

/// What has to be done, and what it is in words.
#[derive(Debug, Default)]
pub struct Plan {
    edits: Vec<ObjectEdit>,
    /// What each edit does.
    pub steps: Vec<Step>,
}

/// One step of a [`Plan`], without secrets.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub struct Step {
    /// What is done.
    pub action: Action,
    /// The kind of the object: `peer`, `channel` or `maintenance`.
    #[schema(example = "peer")]
    pub kind: &'static str,
    /// The object.
    pub name: String,
    /// The names of the fields that change.
    pub fields: Vec<&'static str>,
}

/// What is done to an object.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum Action {
    /// It is new.
    Add,
    /// It is another one than before.
    Change,
    /// It is not wanted any more.
    Remove,
}

impl Plan {
    fn step(&mut self, action: Action, kind: &'static str, name: &str, fields: Vec<&'static str>, edit: ObjectEdit) {
        self.steps.push(Step { action, kind, name: name.to_owned(), fields });
        self.edits.push(edit);
    }
}

impl Admin {
    /// What has to be done so that there is what is wanted. Nothing is changed.
    ///
    /// # Errors
    ///
    /// When something wanted is not valid or there twice, or the database fails.
    pub async fn plan(&self, alerts: &Alerts, wanted: Wanted) -> Result<Plan, ServiceError> {
        let (mut plan, prune, now) = (Plan::default(), wanted.prune, Timestamp::now());
        if let Some(peers) = wanted.peers {
            plan_peers(&mut plan, peers, self.store.export_peers().await?, prune)?;
        }
        if let Some(windows) = wanted.windows {
            let windows = windows.into_iter().map(|fields| window(fields, now)).collect::<Result<Vec<_>, _>>()?;
            plan_windows(&mut plan, windows, self.store.maintenance_windows().await?, prune)?;
        }
        if let Some(channels) = wanted.channels {
            let channels = channels.into_iter().map(|channel| read(alerts, channel)).collect::<Result<Vec<_>, _>>()?;
            plan_channels(&mut plan, channels, self.store.alert_channels().await?, prune)?;
        }
        Ok(plan)
    }

    /// Does what was planned, all or nothing.
    ///
    /// # Errors
    ///
    /// When somebody changed one of the objects since it was planned, this instance takes no edits, or the database fails.
    pub async fn carry_out(&self, plan: &Plan) -> Result<(), ServiceError> {
        match plan.edits.is_empty() {
            true => Ok(()),
            false => Ok(self.store.apply_edits(&plan.edits, Timestamp::now()).await?),
        }
    }
}

/// Refuses what is there twice.
fn once(field: &'static str, names: impl Iterator<Item = String>) -> Result<(), FieldError> {
    let mut known = BTreeSet::new();
    for name in names {
        if !known.insert(name.clone()) {
            return Err(FieldError::new(field, FieldProblem::Malformed(format!("'{name}' is there twice"))));
        }
    }
    Ok(())
}

/// What tells peers apart.
fn identity(spec: &PeerSpec) -> (String, String) {
    (spec.url.full(), spec.network_name.clone().unwrap_or_default())
}

fn plan_peers(plan: &mut Plan, wanted: Vec<NewPeer>, stored: Vec<PeerRecord>, prune: bool) -> Result<(), FieldError> {
    once(
        "peers",
        wanted
            .iter()
            .map(|peer| identity(&peer.spec))
            .map(|(url, network)| format!("{url} {network}").trim().to_owned()),
    )?;
    // Those that are set aside are of the time before this instance joined its cluster.
    let stored = stored.into_iter().filter(|record| !record.set_aside);
    let mut stored: BTreeMap<_, PeerRecord> = stored.map(|record| (identity(&record.spec), record)).collect();
    for peer in wanted {
        let name = peer.spec.url.to_string();
        let Some(record) = stored.remove(&identity(&peer.spec)) else {
            plan.step(Action::Add, "peer", &name, Vec::new(), ObjectEdit::AddPeer(peer));
            continue;
        };
        let (id, seen) = (record.id, record.updated_at);
        let fields = record.spec.changed_fields(&peer.spec);
        if !fields.is_empty() {
            let edit = ObjectEdit::ChangePeer { id, seen, spec: peer.spec };
            plan.step(Action::Change, "peer", &name, fields, edit);
        }
        if record.approved != peer.approved {
            let edit = ObjectEdit::ApprovePeer { id, approved: peer.approved };
            plan.step(Action::Change, "peer", &name, vec!["is_approved"], edit);
        }
    }
    for record in stored.into_values().filter(|_| prune) {
        plan.step(Action::Remove, "peer", &record.spec.url.to_string(), Vec::new(), ObjectEdit::RemovePeer(record.id));
    }
    Ok(())
}

fn window(fields: WindowFields, now: Timestamp) -> Result<MaintenanceSpec, FieldError> {
    // A window that begins "now" would be another one each time.
    if fields.start.as_ref().is_none_or(|start| start.trim().is_empty()) {
        return Err(FieldError::new("start", FieldProblem::Missing));
    }
    fields.validate(now)
}

fn plan_windows(
    plan: &mut Plan,
    wanted: Vec<MaintenanceSpec>,
    stored: Vec<MaintenanceWindow>,
    prune: bool,
) -> Result<(), FieldError> {
    const KIND: &str = "maintenance";
    once("maintenance", wanted.iter().map(|window| window.title.clone()))?;
    let mut stored = stored;
    for spec in wanted {
        let title = spec.title.clone();
        let Some(nth) = stored.iter().position(|window| window.spec.title == title) else {
            plan.step(Action::Add, KIND, &title, Vec::new(), ObjectEdit::AddWindow(spec));
            continue;
        };
        let known = stored.remove(nth);
        let fields = [
            ("title_zh", known.spec.title_zh != spec.title_zh),
            ("coverage", known.spec.coverage != spec.coverage),
            ("schedule", known.spec.schedule != spec.schedule),
        ];
        let fields: Vec<_> = fields.into_iter().filter_map(|(name, differs)| differs.then_some(name)).collect();
        if !fields.is_empty() {
            let edit = ObjectEdit::ChangeWindow { id: known.id, seen: known.updated_at, spec };
            plan.step(Action::Change, KIND, &title, fields, edit);
        }
    }
    for window in stored.into_iter().filter(|_| prune) {
        plan.step(Action::Remove, KIND, &window.spec.title, Vec::new(), ObjectEdit::RemoveWindow(window.id));
    }
    Ok(())
}

/// A channel that is valid, with rules that have no ids yet.
struct ReadChannel {
    name: String,
    kind: String,
    enabled: bool,
    config: ChannelConfig,
}

fn read(alerts: &Alerts, wanted: WantedChannel) -> Result<ReadChannel, ServiceError> {
    let WantedChannel { name, kind, enabled, settings, rules } = wanted;
    alerts.check_settings(&kind, &settings)?;
    let rules = rules.into_iter().map(|rule| alerts.read_rule(rule)).collect::<Result<Vec<_>, _>>()?;
    alerts.check_count(rules.len())?;
    Ok(ReadChannel { name: line::name(&name)?, kind, enabled, config: ChannelConfig { settings, rules } })
}

fn plan_channels(
    plan: &mut Plan,
    wanted: Vec<ReadChannel>,
    stored: Vec<AlertChannel>,
    prune: bool,
) -> Result<(), FieldError> {
    const KIND: &str = "channel";
    once("channels", wanted.iter().map(|channel| channel.name.clone()))?;
    let mut stored: BTreeMap<String, AlertChannel> =
        stored.into_iter().map(|channel| (channel.spec.name.clone(), channel)).collect();
    for ReadChannel { name, kind, enabled, config } in wanted {
        let spec = |config: &ChannelConfig| ChannelSpec {
            name: name.clone(),
            kind: kind.clone(),
            enabled,
            config: config.write(),
        };
        let Some(known) = stored.remove(&name) else {
            plan.step(Action::Add, KIND, &name, Vec::new(), ObjectEdit::AddChannel(spec(&config)));
            continue;
        };
        let held = ChannelConfig::read(&known.spec.config).unwrap_or_default();
        let config = ChannelConfig { rules: with_ids(config.rules, &held.rules), ..config };
        let fields = [
            ("kind", known.spec.kind != kind),
            ("enabled", known.spec.enabled != enabled),
            ("settings", held.settings != config.settings),
            ("rules", held.rules != config.rules),
        ];
        let fields: Vec<_> = fields.into_iter().filter_map(|(name, differs)| differs.then_some(name)).collect();
        if !fields.is_empty() {
            let edit = ObjectEdit::ChangeChannel { id: known.id, seen: known.updated_at, spec: spec(&config) };
            plan.step(Action::Change, KIND, &name, fields, edit);
        }
    }
    for channel in stored.into_values().filter(|_| prune) {
        plan.step(Action::Remove, KIND, &channel.spec.name, Vec::new(), ObjectEdit::RemoveChannel(channel.id));
    }
    Ok(())
}

/// The rules with the ids of the stored ones that say the same; of those in the order in which they are stored.
fn with_ids(wanted: Vec<Rule>, held: &[Rule]) -> Vec<Rule> {
    let alike =
        |one: &Rule, other: &Rule| Rule { id: Uuid::nil(), ..one.clone() } == Rule { id: Uuid::nil(), ..other.clone() };
    let mut new = wanted;
    let mut rules = Vec::with_capacity(new.len());
    for known in held {
        if let Some(nth) = new.iter().position(|rule| alike(rule, known)) {
            new.remove(nth);
            rules.push(known.clone());
        }
    }
    rules.extend(new);
    rules
}
