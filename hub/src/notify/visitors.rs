//! What the planner does for visitors who subscribed by mail: each is one more recipient, with one rule of its own. What is known and
//! was told of their nodes is kept beside their subscriptions, and not among the conditions that the operator sees.

use std::collections::BTreeMap;

use easytier_probe::backend::BaseUrl;
use easytier_uptime_alerts::{
    Language, Nodes, Rule,
    policy::{Draft, Key, Recipient, State, Step, Subject},
};
use easytier_uptime_store::{
    Store, StoreError,
    domain::{NewMail, PeerId, SubscriberId, VisitorStep, Watcher},
};
use url::Url;
use uuid::Uuid;

use crate::service::subscriptions::{sender, unsubscribe_url};

/// For how many seconds what happens is gathered into one mail: a mail is read later than that, and a visitor's nodes often go down
/// together, but are not checked together.
const GATHERED: u32 = 60;

/// The visitors whom a step may concern. Each is known by the hash of the mailbox, which is also the id of its rule.
#[derive(Debug, Default)]
pub(super) struct Visitors {
    ids: BTreeMap<Uuid, SubscriberId>,
    unreadable: Vec<(SubscriberId, PeerId)>,
}

impl Visitors {
    /// Adds to the state what is known of nodes of visitors.
    ///
    /// # Errors
    ///
    /// When the database fails.
    pub(super) async fn read(store: &Store, state: &mut State) -> Result<Self, StoreError> {
        let mut visitors = Self::default();
        for known in store.watched_states().await? {
            visitors.ids.insert(known.mailbox, known.id);
            match serde_json::from_str(&known.state) {
                Ok(condition) => {
                    let key = Key { rule: known.mailbox, subject: Subject::Node(known.peer.0) };
                    state.conditions.insert(key, condition);
                }
                Err(_) => visitors.unreadable.push((known.id, known.peer)),
            }
        }
        Ok(visitors)
    }

    /// The rules of visitors who subscribed to one of these nodes, or of whom something is known. There are none when no channel
    /// serves visitors; what was known is forgotten then.
    ///
    /// # Errors
    ///
    /// When the database fails.
    pub(super) async fn rules(&mut self, store: &Store, nodes: Vec<i64>) -> Result<Vec<(Recipient, Rule)>, StoreError> {
        if nodes.is_empty() && self.ids.is_empty() {
            return Ok(Vec::new());
        }
        let watchers = store.watchers(nodes).await?;
        if watchers.is_empty() || sender(store).await?.is_none() {
            return Ok(Vec::new());
        }
        self.ids.extend(watchers.iter().map(|watcher| (watcher.mailbox, watcher.id)));
        Ok(watchers.into_iter().map(|watcher| (Recipient::Visitor(watcher.id.0), rule(watcher))).collect())
    }

    /// Whether a condition is of a visitor.
    pub(super) fn are_told(&self, key: &Key) -> bool {
        self.ids.contains_key(&key.rule)
    }

    /// What is to be stored of a step.
    pub(super) fn step(&self, store: &Store, public_url: Option<&BaseUrl>, step: &Step, state: &State) -> VisitorStep {
        let place = |key: &Key| Some((*self.ids.get(&key.rule)?, PeerId(key.subject.node()?)));
        let text = |key: &Key| serde_json::to_string(state.conditions.get(key)?).ok();
        let changed = step.changed.iter().filter_map(|key| Some((place(key)?, text(key))));
        let removed = step.removed.iter().filter_map(|key| Some((place(key)?, None)));
        let unreadable = self.unreadable.iter().map(|place| (*place, None));
        // First, because a step may know the same node anew.
        let states = unreadable.chain(changed).chain(removed).map(|((id, peer), state)| (id, peer, state));
        let mail = |draft: &Draft| self.mail(store, public_url?, draft);
        VisitorStep { states: states.collect(), mails: step.drafts.iter().filter_map(mail).collect() }
    }

    fn mail(&self, store: &Store, public_url: &BaseUrl, draft: &Draft) -> Option<NewMail> {
        let Recipient::Visitor(to) = draft.recipient else { return None };
        let id = Uuid::now_v7();
        let mut message = draft.clone().into_message(id, Some(link(public_url, draft)));
        message.unsubscribe = Some(unsubscribe_url(store, public_url, draft.rule));
        let peer = node(draft).map(PeerId);
        Some(NewMail { id, to: SubscriberId(to), peer, message: serde_json::to_string(&message).ok()? })
    }
}

fn rule(watcher: Watcher) -> Rule {
    let language = Language::from_name(&watcher.language).unwrap_or_default();
    let nodes = Nodes { ids: watcher.nodes, ..Nodes::default() };
    Rule { nodes, language, group_seconds: GATHERED, ..Rule::new(watcher.mailbox) }
}

/// The one node that a message is about.
fn node(draft: &Draft) -> Option<i64> {
    if let [key] = draft.keys.as_slice() { key.subject.node() } else { None }
}

/// The page of the one node, or the first page.
pub(super) fn link(public_url: &BaseUrl, draft: &Draft) -> Url {
    node(draft).map_or_else(|| public_url.join("/"), |id| public_url.join(&format!("/nodes/{id}")))
}
