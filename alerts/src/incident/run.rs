//! One step: takes what changed, and opens, changes and closes incidents.

use std::collections::{BTreeMap, BTreeSet};

use super::{
    Entry, Facts, GATHER, LOOK_AGAIN, LOST_FOR, MAX_ENTRIES, Step, UNKNOWN_HOLD, What,
    group::{Groups, group},
    state::{Incident, LostProbe, Member, State, Waiting},
};
use crate::{
    cause::{Place, common},
    policy::{Fresh, Seen, Subject, cannot_know},
};

/// Takes `fresh`, the changes since the last step in their order, and does what is due until `now`.
pub fn step(state: &mut State, fresh: &[Fresh], facts: &Facts<'_>, now: i64) -> Step {
    let mut run = Run { state, facts, step: Step::default(), clock: i64::MIN };
    run.forget_removed(now);
    for change in fresh {
        run.until(change.at.min(now));
        run.observe(change);
    }
    run.catch_up(now);
    run.until(now);
    run.acknowledge();
    run.step.next_at = run.next_due();
    run.step
}

struct Run<'a> {
    state: &'a mut State,
    facts: &'a Facts<'a>,
    step: Step,
    /// The time up to which everything was done.
    clock: i64,
}

impl Run<'_> {
    /// Does what is due until a time, in its order.
    fn until(&mut self, at: i64) {
        while let Some(due) = self.next_due().filter(|due| *due <= at) {
            self.clock = self.clock.max(due);
            self.open();
            self.note_unknown();
            self.close();
        }
        self.clock = self.clock.max(at);
    }

    fn next_due(&self) -> Option<i64> {
        let waiting = self.state.waiting.values().map(|waiting| waiting.due);
        let closing = self.state.open.values().filter_map(Incident::closes_at);
        let members = self.state.open.values().flat_map(|incident| incident.members.values());
        waiting.chain(closing).chain(members.filter_map(|member| member.due)).min()
    }

    fn observe(&mut self, change: &Fresh) {
        match change.subject {
            Subject::Node(id) if self.facts.nodes.contains_key(&id) => {
                self.see(id, change.was, change.became, self.clock);
            }
            Subject::Probe(id) => self.see_probe(id, change.became),
            _ => {}
        }
    }

    fn see_probe(&mut self, id: i64, became: Seen) {
        let clock = self.clock;
        self.state.lost.retain(|lost| clock - lost.at <= LOST_FOR && lost.id != id);
        if let (Seen::Down, Some(probe)) = (became, self.facts.probes.get(&id)) {
            self.state.lost.push(LostProbe { id, region: probe.region.clone(), at: clock });
        }
    }

    fn see(&mut self, id: i64, was: Seen, became: Seen, at: i64) {
        let hold = self.hold();
        let known = self.state.open.iter_mut().find_map(|(incident, one)| Some((*incident, one.members.get_mut(&id)?)));
        if let Some((incident, member)) = known {
            if member.seen == became {
                return;
            }
            (member.seen, member.since, member.due) = (became, at, None);
            self.step.changed.insert(incident);
            if became == Seen::Unknown {
                member.due = Some(at + hold);
            } else if member.noted != became {
                member.noted = became;
                self.note(incident, at, What::Changed(became), vec![id]);
            }
            return;
        }
        let is_maintained = self.facts.maintained.contains(&id);
        let waiting = self.state.waiting.get_mut(&id);
        match (became, waiting) {
            (Seen::Up, Some(waiting)) if is_maintained || waiting.held || waiting.wrong == Seen::Unknown => {
                self.state.waiting.remove(&id);
            }
            (Seen::Up, None) => {}
            (Seen::Unknown, Some(waiting)) => {
                (waiting.seen, waiting.since, waiting.due) = (became, at, at + hold);
            }
            (_, Some(waiting)) => {
                if waiting.wrong == Seen::Unknown {
                    (waiting.wrong, waiting.began_at, waiting.due) = (became, at, at + GATHER);
                }
                if waiting.seen == Seen::Unknown {
                    waiting.due = waiting.due.min(at + GATHER);
                }
                (waiting.seen, waiting.since) = (became, at);
            }
            // It may never have been online, or have been wrong before.
            (_, None) if was == Seen::Unknown => {}
            (Seen::Unknown, None) if was == Seen::Down => {}
            (_, None) => {
                let due = at + if became == Seen::Unknown { hold } else { GATHER };
                let waiting = Waiting { seen: became, since: at, wrong: became, began_at: at, due, held: false };
                self.state.waiting.insert(id, waiting);
            }
        }
    }

    /// Opens incidents for what has waited long enough, and for what began meanwhile and may belong to it.
    fn open(&mut self) {
        let (clock, facts) = (self.clock, self.facts);
        if self.state.waiting.values().all(|waiting| waiting.due > clock) {
            return;
        }
        let hold = self.hold();
        let mut places: BTreeMap<i64, Place> = BTreeMap::new();
        for (id, waiting) in &mut self.state.waiting {
            let is_gathered = waiting.seen != Seen::Unknown && waiting.wrong != Seen::Unknown;
            if waiting.due > clock && !is_gathered {
                continue;
            }
            let cannot_know = facts.nodes.get(id).is_none_or(|node| cannot_know(node, facts.probes, facts.counts));
            let is_maintained = facts.maintained.contains(id);
            if !(is_maintained || waiting.seen == Seen::Unknown && cannot_know) {
                places.insert(*id, place(facts, &self.state.lost, *id, waiting.began_at));
            } else if waiting.due <= clock {
                (waiting.held, waiting.began_at) = (true, clock);
                waiting.due = clock + if waiting.seen == Seen::Unknown { hold } else { LOOK_AGAIN };
            }
        }
        let Groups { joining, opening } = group(self.state, &places, clock);
        for (incident, nodes) in joining {
            self.join(incident, &nodes, &places, false);
        }
        for nodes in opening {
            self.state.last_id += 1;
            let id = self.state.last_id;
            let began = nodes.iter().filter_map(|node| self.state.waiting.get(node)).map(|waiting| waiting.began_at);
            let opened_at = began.min().unwrap_or(clock);
            let new = Incident { opened_at, joined_at: clock, cause: None, members: BTreeMap::new(), entries: 0 };
            self.state.open.insert(id, new);
            self.join(id, &nodes, &places, true);
        }
    }

    /// Takes nodes that waited into an incident.
    fn join(&mut self, id: i64, nodes: &[i64], places: &BTreeMap<i64, Place>, is_new: bool) {
        let mut joined: BTreeMap<(Seen, i64), Vec<i64>> = BTreeMap::new();
        let mut recovered: Vec<(i64, i64)> = Vec::new();
        let Some(incident) = self.state.open.get_mut(&id) else { return };
        for node in nodes {
            let (Some(waiting), Some(place)) = (self.state.waiting.remove(node), places.get(node)) else { continue };
            let Waiting { seen, since, wrong, began_at, .. } = waiting;
            joined.entry((wrong, began_at)).or_default().push(*node);
            let is_known = seen != Seen::Unknown || wrong == Seen::Unknown;
            let noted = if seen == Seen::Up || !is_known { wrong } else { seen };
            let member = Member {
                place: place.clone(),
                seen,
                since: if seen == Seen::Up { since } else { since.max(began_at) },
                noted: if seen == Seen::Up { Seen::Up } else { noted },
                due: None,
                acknowledged_at: None,
            };
            if seen == Seen::Up {
                recovered.push((*node, since));
            }
            incident.members.insert(*node, member);
        }
        incident.joined_at = self.clock;
        incident.cause = common(&incident.members.values().map(|member| &member.place).collect::<Vec<_>>());
        self.step.changed.insert(id);
        let mut in_order: Vec<_> = joined.into_iter().collect();
        in_order.sort_by_key(|((seen, at), _)| (*at, *seen == Seen::Partial));
        for (nth, ((seen, at), nodes)) in in_order.into_iter().enumerate() {
            let what = if is_new && nth == 0 { What::Opened(seen) } else { What::Joined(seen) };
            self.note(id, at, what, nodes);
        }
        for (node, at) in recovered {
            self.note(id, at, What::Changed(Seen::Up), vec![node]);
        }
    }

    /// Notes that nothing is known about nodes of incidents, where that is not because of the hub.
    fn note_unknown(&mut self) {
        let (clock, facts, hold) = (self.clock, self.facts, self.hold());
        let mut unknown: Vec<(i64, i64, i64)> = Vec::new();
        for (incident, one) in &mut self.state.open {
            for (id, member) in &mut one.members {
                if member.due.is_none_or(|due| due > clock) {
                    continue;
                }
                let cannot_know = facts.nodes.get(id).is_none_or(|node| cannot_know(node, facts.probes, facts.counts));
                member.due = cannot_know.then_some(clock + hold);
                self.step.changed.insert(*incident);
                if !cannot_know && member.noted != Seen::Unknown {
                    member.noted = Seen::Unknown;
                    unknown.push((*incident, member.since, *id));
                }
            }
        }
        for (incident, at, id) in unknown {
            self.note(incident, at, What::Changed(Seen::Unknown), vec![id]);
        }
    }

    fn close(&mut self) {
        let is_due = |incident: &Incident| incident.closes_at().is_some_and(|at| at <= self.clock);
        let due: Vec<i64> = self.state.open.iter().filter(|(_, one)| is_due(one)).map(|(id, _)| *id).collect();
        due.into_iter().for_each(|id| self.close_one(id, self.clock));
    }

    fn close_one(&mut self, id: i64, at: i64) {
        self.note(id, at, What::Closed, Vec::new());
        if let Some(incident) = self.state.open.remove(&id) {
            self.step.changed.remove(&id);
            self.step.closed.push((id, incident, at));
        }
    }

    /// Adds to a timeline, unless it is too long. What happens to several nodes at once is one entry.
    fn note(&mut self, id: i64, at: i64, what: What, nodes: Vec<i64>) {
        let Some(incident) = self.state.open.get_mut(&id) else { return };
        let is_same = |entry: &&mut Entry| entry.incident == id && entry.what == what && at - entry.at < GATHER;
        let last = self.step.entries.iter_mut().rev().find(|entry| entry.incident == id).filter(is_same);
        if let (Some(last), What::Joined(_) | What::Changed(_)) = (last, &what) {
            last.nodes.extend(nodes);
            return;
        }
        incident.entries = incident.entries.saturating_add(1);
        self.step.changed.insert(id);
        if incident.entries <= MAX_ENTRIES || what == What::Closed {
            self.step.entries.push(Entry { incident: id, at, what, nodes });
        }
    }

    /// Forgets nodes that were removed. An incident of which none is left is closed.
    fn forget_removed(&mut self, now: i64) {
        let facts = self.facts;
        self.state.waiting.retain(|id, _| facts.nodes.contains_key(id));
        let mut empty = Vec::new();
        for (incident, one) in &mut self.state.open {
            let gone: BTreeSet<i64> = one.members.keys().filter(|id| !facts.nodes.contains_key(id)).copied().collect();
            if gone.is_empty() {
                continue;
            }
            one.members.retain(|id, _| !gone.contains(id));
            self.step.changed.insert(*incident);
            self.step.left.extend(gone.into_iter().map(|id| (*incident, id)));
            if one.members.is_empty() {
                empty.push(*incident);
            }
        }
        empty.into_iter().for_each(|id| self.close_one(id, now));
    }

    /// Notices what no change said: that of a node that somebody edited may be missing.
    fn catch_up(&mut self, now: i64) {
        let Some(levels) = self.facts.levels else { return };
        self.until(now);
        let members = self.state.open.values().flat_map(|one| &one.members).map(|(id, member)| (*id, member.seen));
        let waiting = self.state.waiting.iter().map(|(id, waiting)| (*id, waiting.seen));
        let known: Vec<(i64, Seen)> = members.chain(waiting).collect();
        for (id, seen) in known {
            if let Some((level, _)) = levels.get(&id).filter(|(level, _)| *level != seen) {
                self.see(id, seen, *level, now);
            }
        }
    }

    /// Notes who takes care of what.
    fn acknowledge(&mut self) {
        let mut noted: BTreeMap<(i64, i64, &str), Vec<i64>> = BTreeMap::new();
        for (incident, one) in &mut self.state.open {
            for (id, member) in &mut one.members {
                let Some((by, at)) = self.facts.acknowledged.get(id) else { continue };
                if *at >= one.opened_at && member.acknowledged_at.is_none_or(|known| known < *at) {
                    member.acknowledged_at = Some(*at);
                    noted.entry((*at, *incident, by)).or_default().push(*id);
                }
            }
        }
        for ((at, incident, by), nodes) in noted {
            self.note(incident, at, What::Acknowledged(by.to_owned()), nodes);
        }
    }

    /// How long nothing must be known about a node before that counts.
    fn hold(&self) -> i64 {
        UNKNOWN_HOLD.max(self.facts.staleness)
    }
}

/// Where a node is that went wrong at a time.
fn place(facts: &Facts<'_>, lost: &[LostProbe], id: i64, at: i64) -> Place {
    let Some(node) = facts.nodes.get(&id) else { return Place::default() };
    let mut place = node.place();
    let Some(sights) = facts.sights.get(&id) else { return place };
    let mut offline = sights.offline.iter();
    if let (Some(region), None, false) = (offline.next(), offline.next(), sights.online.is_empty()) {
        place.region = Some(region.clone());
    }
    let depends = |lost: &&LostProbe| {
        let is_silent = !sights.online.contains(&lost.region) && !sights.offline.contains(&lost.region);
        let checks = node.regions.is_empty() || node.regions.contains(&lost.region);
        is_silent && checks && (lost.at - at).abs() <= LOST_FOR
    };
    place.probe = lost.iter().find(depends).map(|lost| (lost.id, lost.region.clone()));
    place
}
