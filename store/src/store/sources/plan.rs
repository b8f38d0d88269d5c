//! What follows from a list for the nodes of its source: a pure function.
//!
//! A source owns the peers that it brought, until the operator changes one of them. It never touches a peer that others brought, and
//! never brings one again that the operator removed or rejected.

use std::{
    collections::{BTreeMap, HashMap, HashSet},
    time::Duration,
};

use crate::{
    domain::{DAY, NewPeer, PeerId, PeerSpec, SubmissionId, Tag, Timestamp},
    store::{peers::Identity, rows::without_nul},
};

/// How long a list may lack a node until it is not watched any more.
const GONE_AFTER: Duration = DAY;

/// How long a list may lack a node until nothing is remembered of it, unless it is a peer because of the list.
const FORGOTTEN_AFTER: Duration = DAY.saturating_mul(30);

/// What a node is to a source.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum State {
    /// A peer because of the source.
    Brought,
    /// It waits for approval because of the source.
    Proposed,
    /// Others brought it.
    Known,
    /// The operator removed or rejected it.
    Removed,
}

impl State {
    const ALL: [Self; 4] = [Self::Brought, Self::Proposed, Self::Known, Self::Removed];

    pub(super) fn as_str(self) -> &'static str {
        ["brought", "proposed", "known", "removed"][self as usize]
    }

    pub(super) fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|state| state.as_str() == name)
    }
}

/// What is remembered of a node that a list has, or had lately.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Remembered {
    pub state: State,
    /// What the list says of it.
    pub said: String,
    /// The time of the last change of the peer that the source made. A peer with another one is the operator's.
    pub changed_at: Timestamp,
    /// The submission of one that was proposed.
    pub submission: Option<SubmissionId>,
    pub missing_since: Option<Timestamp>,
}

/// A peer that is stored.
#[derive(Debug, Clone)]
pub(super) struct Stored {
    pub id: PeerId,
    pub approved: bool,
    pub updated_at: Timestamp,
    /// What is stored of that which a list says.
    pub said: String,
}

/// What a plan depends on.
#[derive(Debug)]
pub(super) struct Facts {
    pub remembered: BTreeMap<Identity, Remembered>,
    pub peers: HashMap<Identity, Stored>,
    /// What waits for approval.
    pub queue: HashSet<Identity>,
    /// What other sources list.
    pub elsewhere: HashSet<Identity>,
    /// How many nodes may still be proposed.
    pub room: usize,
}

/// What is to be done.
#[derive(Debug, Default)]
pub(super) struct Plan<'a> {
    pub add: Vec<&'a NewPeer>,
    pub propose: Vec<&'a NewPeer>,
    /// How many cannot be proposed, because there is no room.
    pub waiting: usize,
    pub change: Vec<(PeerId, &'a PeerSpec, Timestamp)>,
    /// The peers to watch again, or not any more.
    pub approve: Vec<(PeerId, bool, Timestamp)>,
    pub withdraw: Vec<SubmissionId>,
    /// What is remembered from now on, where it differs; without what is added and proposed.
    pub remember: Vec<(Identity, Remembered)>,
    pub forget: Vec<Identity>,
}

impl Plan<'_> {
    /// Whether it changes the list of peers.
    pub(super) fn changes_peers(&self) -> bool {
        !(self.add.is_empty() && self.change.is_empty() && self.approve.is_empty())
    }
}

/// What a list says of a node, as one text.
pub(super) fn said(name: &str, allow_relay: bool, max_connections: u32, tags: impl Iterator<Item = Tag>) -> String {
    let tags: Vec<String> = tags.map(|tag| tag.to_string()).collect();
    serde_json::json!([without_nul(name), allow_relay, max_connections, tags]).to_string()
}

/// As [`said`], of a description.
pub(super) fn said_of(spec: &PeerSpec) -> String {
    said(&spec.name, spec.allow_relay, spec.max_connections, spec.tags.iter().cloned())
}

/// Plans what follows from a list. `listed`: its nodes; `None` if it has not changed. `trusted`: its nodes need no approval.
pub(super) fn plan<'a>(facts: &Facts, listed: Option<&'a [NewPeer]>, trusted: bool, now: Timestamp) -> Plan<'a> {
    let mut plan = Plan::default();
    let mut seen: HashSet<Identity> = HashSet::new();
    for peer in listed.unwrap_or_default() {
        let identity = Identity::of(&peer.spec);
        if !seen.insert(identity.clone()) {
            continue;
        }
        match facts.remembered.get(&identity) {
            Some(remembered) => plan.keep(facts, identity, remembered, &peer.spec, now),
            None => plan.meet(facts, identity, peer, trusted),
        }
    }
    for (identity, remembered) in &facts.remembered {
        let is_missing = if listed.is_some() { !seen.contains(identity) } else { remembered.missing_since.is_some() };
        if is_missing {
            plan.miss(facts, identity, remembered, now);
        }
    }
    plan
}

impl<'a> Plan<'a> {
    /// A node that the list did not have before.
    fn meet(&mut self, facts: &Facts, identity: Identity, peer: &'a NewPeer, trusted: bool) {
        if facts.peers.contains_key(&identity) || facts.queue.contains(&identity) {
            let said = said_of(&peer.spec);
            let known = Remembered {
                state: State::Known,
                said,
                changed_at: Timestamp(0),
                submission: None,
                missing_since: None,
            };
            self.remember.push((identity, known));
        } else if trusted {
            self.add.push(peer);
        } else if self.propose.len() < facts.room {
            self.propose.push(peer);
        } else {
            self.waiting += 1;
        }
    }

    /// A node that the list still has.
    fn keep(&mut self, facts: &Facts, identity: Identity, remembered: &Remembered, spec: &'a PeerSpec, now: Timestamp) {
        let (mut next, stored) = reviewed(facts, &identity, remembered);
        next.missing_since = None;
        next.said = said_of(spec);
        if let Some(stored) = stored.filter(|stored| is_owned(&next, stored)) {
            let at = after(stored, now);
            if stored.said != next.said {
                self.change.push((stored.id, spec, at));
                next.changed_at = at;
            }
            if !stored.approved {
                self.approve.push((stored.id, true, at));
                next.changed_at = at;
            }
        }
        if next != *remembered {
            self.remember.push((identity, next));
        }
    }

    /// A node that the list does not have any more.
    fn miss(&mut self, facts: &Facts, identity: &Identity, remembered: &Remembered, now: Timestamp) {
        let (mut next, stored) = reviewed(facts, identity, remembered);
        let missing = now.since(*next.missing_since.get_or_insert(now));
        let is_gone = missing >= GONE_AFTER;
        let owned = stored.filter(|stored| is_owned(&next, stored));
        if let Some(stored) = owned.filter(|stored| is_gone && stored.approved && !facts.elsewhere.contains(identity)) {
            next.changed_at = after(stored, now);
            self.approve.push((stored.id, false, next.changed_at));
        }
        let withdrawn = next.submission.filter(|_| is_gone && next.state == State::Proposed);
        self.withdraw.extend(withdrawn);
        let is_forgotten = missing >= FORGOTTEN_AFTER && !(next.state == State::Brought && stored.is_some());
        if is_forgotten || withdrawn.is_some() {
            self.forget.push(identity.clone());
        } else if next != *remembered {
            self.remember.push((identity.clone(), next));
        }
    }
}

/// What is remembered of a node after a look at what the operator did with it, and its peer.
fn reviewed<'a>(facts: &'a Facts, identity: &Identity, remembered: &Remembered) -> (Remembered, Option<&'a Stored>) {
    let (mut next, stored) = (remembered.clone(), facts.peers.get(identity));
    match (next.state, stored, facts.queue.contains(identity)) {
        (State::Removed, ..)
        | (State::Known | State::Proposed, None, true)
        | (State::Known | State::Brought, Some(_), _) => {}
        (State::Proposed, Some(stored), _) => {
            // The operator may have changed it before the approval.
            let is_same = stored.said == remembered.said;
            next.changed_at = if is_same { stored.updated_at } else { Timestamp(0) };
            next.state = State::Brought;
            next.submission = None;
        }
        (State::Brought, None, _) | (_, None, false) => next.state = State::Removed,
    }
    (next, stored)
}

/// Whether the source may change a peer.
fn is_owned(remembered: &Remembered, stored: &Stored) -> bool {
    remembered.state == State::Brought && remembered.changed_at == stored.updated_at
}

/// The time of a change of a peer: each has one of its own.
fn after(stored: &Stored, now: Timestamp) -> Timestamp {
    now.max(stored.updated_at + Duration::from_millis(1))
}
