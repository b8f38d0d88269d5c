//! What a rule would have told.

use std::collections::BTreeMap;

use super::{
    compose::Draft,
    facts::{Counts, Facts, Fresh, Seen},
    step::{State, step},
    subject::Subject,
};

/// How many steps a preview takes at most.
const MAX_STEPS: usize = 100_000;

/// How many messages a preview has at most.
const MAX_MESSAGES: usize = 500;

/// A message that would have been sent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Previewed {
    /// When, in milliseconds since 1970.
    pub at: i64,
    /// The message.
    pub draft: Draft,
}

/// What the rules of `facts` would have told of `changes`, which are in order, between two times; as if the hub had looked all the
/// time, and with the nodes as they are now. At most 500 messages.
pub fn preview(changes: &[Fresh], facts: &Facts<'_>, from: i64, until: i64) -> Vec<Previewed> {
    let mut seen: BTreeMap<Subject, Seen> = BTreeMap::new();
    for change in changes {
        seen.entry(change.subject).or_insert(change.was);
    }
    let mut probes = facts.probes.clone();
    let (mut state, mut told) = (State::default(), Vec::new());
    // What is looked at now and then may be wrong from the beginning.
    let (mut rest, mut now, mut next_at) = (changes, from, Some(from));
    for _ in 0..MAX_STEPS {
        let next = [rest.first().map(|change| change.at), next_at].into_iter().flatten().min();
        let Some(at) = next.filter(|at| *at <= until && told.len() < MAX_MESSAGES) else { break };
        now = at.max(now);
        let (fresh, later) = rest.split_at(rest.iter().take_while(|change| change.at <= now).count());
        rest = later;
        for change in fresh {
            seen.insert(change.subject, change.became);
        }
        for (id, probe) in &mut probes {
            probe.can_check = seen.get(&Subject::Probe(*id)).is_none_or(|seen| *seen == Seen::Up);
        }
        let unknown = seen.iter().filter(|(subject, seen)| is_node(subject) && **seen == Seen::Unknown).count();
        let counts = Counts { nodes: facts.nodes.len() as u64, unknown: unknown as u64 };
        state.planned_at = Some(now);
        let done = step(&mut state, fresh, &Facts { counts, probes: &probes, ..*facts }, now);
        told.extend(done.drafts.into_iter().filter(|draft| !draft.ends_only).map(|draft| Previewed { at: now, draft }));
        next_at = done.next_at.map(|at| at.max(now + 1));
    }
    told
}

fn is_node(subject: &Subject) -> bool {
    matches!(subject, Subject::Node(_))
}
