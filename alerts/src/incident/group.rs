//! Which nodes that went wrong together belong together.

use std::collections::BTreeMap;

use super::{JOIN, state::State};
use crate::cause::{Cause, Place};

/// Where nodes belong that went wrong together.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Groups {
    /// To an incident that is open.
    pub joining: BTreeMap<i64, Vec<i64>>,
    /// To a new one each.
    pub opening: Vec<Vec<i64>>,
}

/// The nodes by what they share, the widest cause first; who shares nothing is alone.
pub(super) fn group(state: &State, nodes: &BTreeMap<i64, Place>, at: i64) -> Groups {
    let mut groups = Groups::default();
    let mut left: BTreeMap<i64, &Place> = nodes.iter().map(|(id, place)| (*id, place)).collect();
    for width in 0..WIDTHS {
        let mut by_cause: BTreeMap<Cause, Vec<i64>> = BTreeMap::new();
        for (id, place) in &left {
            for cause in place.causes().filter(|cause| width_of(cause) == width) {
                by_cause.entry(cause).or_default().push(*id);
            }
        }
        for (cause, ids) in by_cause {
            if let Some(incident) = joinable(state, &cause, at) {
                groups.joining.entry(incident).or_default().extend(&ids);
            } else if let Some(group) = groups.opening.iter_mut().find(|group| shares(nodes, group, &cause)) {
                group.extend(&ids);
            } else if ids.len() > 1 {
                groups.opening.push(ids.clone());
            } else {
                continue;
            }
            left.retain(|id, _| !ids.contains(id));
        }
    }
    groups.opening.extend(left.into_keys().map(|id| vec![id]));
    groups
}

const WIDTHS: usize = 4;

/// The order in which causes are looked for.
fn width_of(cause: &Cause) -> usize {
    match cause {
        Cause::Probe { .. } => 0,
        Cause::Region(_) | Cause::Checker(_) => 1,
        Cause::Network(_) => 2,
        Cause::Host(_) => 3,
    }
}

/// The oldest open incident that nodes with this cause may join.
fn joinable(state: &State, cause: &Cause, at: i64) -> Option<i64> {
    let may_join = |incident: &super::Incident| {
        at - incident.joined_at <= JOIN
            && !incident.members.is_empty()
            && incident.members.values().all(|member| member.place.has(cause))
    };
    state.open.iter().find(|(_, incident)| may_join(incident)).map(|(id, _)| *id)
}

fn shares(nodes: &BTreeMap<i64, Place>, group: &[i64], cause: &Cause) -> bool {
    group.iter().all(|id| nodes.get(id).is_some_and(|place| place.has(cause)))
}
