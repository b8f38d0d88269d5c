//! Failed authentications. They are counted in memory, and stored together every few seconds: whoever guesses passwords costs the
//! database a few rows a minute, however fast and from however many addresses.

use std::{
    collections::{BTreeMap, BTreeSet},
    net::IpAddr,
    sync::{Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use super::cut;
use crate::{
    db::{args, sql, work},
    domain::{Actor, AuthFailure, Timestamp, network_of},
    error::StoreError,
    store::Store,
};

/// How many rows of failures are kept, the newest.
pub(in crate::store) const MAX_FAILURES: i64 = 50_000;

/// How many sources a hub tells apart within a minute. The failures of others are counted together, a row each kind.
const SOURCES: usize = 32;

/// How many rows wait at most while the database is away.
const WAITING: usize = 1000;

const MINUTE: Duration = Duration::from_secs(60);

/// What makes failures one row.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
struct Group {
    minute: i64,
    failure: AuthFailure,
    actor: Actor,
    source: String,
}

#[derive(Debug, Clone, Copy)]
struct Tally {
    count: i64,
    last: Timestamp,
}

/// The failures that are not stored yet.
#[derive(Debug, Default)]
pub(in crate::store) struct Failures(Mutex<Counted>);

#[derive(Debug, Default)]
struct Counted {
    minute: i64,
    /// The groups of this minute, stored or not.
    known: BTreeSet<Group>,
    waiting: BTreeMap<Group, Tally>,
}

impl Failures {
    fn note(&self, failure: AuthFailure, source: Option<IpAddr>, actor: &Actor, now: Timestamp) {
        let mut counted = self.counted();
        let minute = now.bucket(MINUTE);
        if counted.minute != minute {
            counted.minute = minute;
            counted.known.clear();
        }
        let source = source.map(network_of).unwrap_or_default();
        let mut group = Group { minute, failure, actor: actor.clone(), source };
        if !counted.known.contains(&group) {
            if counted.known.len() >= SOURCES {
                group = Group { actor: Actor::new(actor.kind, ""), source: String::new(), ..group };
            } else {
                counted.known.insert(group.clone());
            }
        }
        counted.add(group, Tally { count: 1, last: now });
    }

    fn take(&self) -> BTreeMap<Group, Tally> {
        std::mem::take(&mut self.counted().waiting)
    }

    /// Puts back what could not be stored.
    fn put_back(&self, unstored: BTreeMap<Group, Tally>) {
        let mut counted = self.counted();
        unstored.into_iter().for_each(|(group, tally)| counted.add(group, tally));
    }

    fn counted(&self) -> MutexGuard<'_, Counted> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Counted {
    fn add(&mut self, group: Group, tally: Tally) {
        if self.waiting.len() >= WAITING && !self.waiting.contains_key(&group) {
            return;
        }
        let known = self.waiting.entry(group).or_insert(Tally { count: 0, ..tally });
        known.count += tally.count;
        known.last = known.last.max(tally.last);
    }
}

impl Store {
    /// Counts a failed authentication, of which `actor` is who it seems to be. It costs no statement; the counts are stored by
    /// [`store_auth_failures`](Self::store_auth_failures).
    pub fn note_auth_failure(&self, failure: AuthFailure, source: Option<IpAddr>, actor: &Actor, now: Timestamp) {
        self.shared.auth_failures.note(failure, source, actor, now);
    }

    /// Stores the failed authentications that this hub has counted since the last call. Returns how many rows they are.
    ///
    /// # Errors
    ///
    /// When the database fails. The next call tries again.
    pub async fn store_auth_failures(&self) -> Result<usize, StoreError> {
        let waiting = self.shared.auth_failures.take();
        if waiting.is_empty() {
            return Ok(0);
        }
        let upsert = sql!(
            "INSERT INTO audit (at, kind, action, object_id, object_name, detail, actor, actor_name, source, minute, count) \
             VALUES ($1, 'failure', $2, '', '', '', $3, $4, $5, $6, $7) \
             ON CONFLICT (minute, action, source, actor, actor_name) WHERE minute IS NOT NULL \
             DO UPDATE SET count = audit.count + excluded.count, at = ",
            ["max" | "greatest"],
            "(audit.at, excluded.at)"
        );
        let groups = &waiting;
        // In the order of the groups, as other hubs do.
        let stored = self.db().transaction(|tx| {
            work(async move {
                for (Group { minute, failure, actor, source }, Tally { count, last }) in groups {
                    let actor_name = cut(&actor.name);
                    let source = source.as_str();
                    let parameters =
                        args![*last, failure.as_str(), actor.kind.as_str(), actor_name, source, *minute, *count];
                    tx.execute(upsert, parameters).await?;
                }
                Ok(())
            })
        });
        match stored.await {
            Ok(()) => Ok(waiting.len()),
            Err(error) => {
                self.shared.auth_failures.put_back(waiting);
                Err(error)
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::ActorKind;

    const NOW: Timestamp = Timestamp(1_800_000_000_000);

    fn fail(failures: &Failures, nth: u32, now: Timestamp) {
        let address = IpAddr::from(nth.to_be_bytes());
        failures.note(AuthFailure::Password, Some(address), &Actor::new(ActorKind::Anyone, ""), now);
    }

    #[test]
    fn a_flood_from_many_addresses_is_few_rows_and_loses_no_failure() {
        let failures = Failures::default();
        for nth in 0..10_000 {
            fail(&failures, nth, NOW);
            if nth % 1000 == 999 {
                // Stored, and the minute goes on.
                let rows = failures.take();
                assert!(rows.len() <= SOURCES + 1, "{}", rows.len());
                assert_eq!(rows.values().map(|tally| tally.count).sum::<i64>(), 1000);
            }
        }
        let later = NOW + MINUTE;
        (0..40).for_each(|nth| fail(&failures, nth, later));
        assert_eq!(failures.take().len(), SOURCES + 1, "a new minute tells sources apart again");
    }

    #[test]
    fn what_could_not_be_stored_is_added_to_what_came_since_and_is_bounded() {
        let failures = Failures::default();
        fail(&failures, 1, NOW);
        let unstored = failures.take();
        fail(&failures, 1, NOW + Duration::from_secs(1));
        failures.put_back(unstored);
        let rows: Vec<Tally> = failures.take().into_values().collect();
        let [Tally { count: 2, last }] = rows[..] else { panic!("{rows:?}") };
        assert_eq!(last, NOW + Duration::from_secs(1));

        for minute in 0..100 {
            (0..40).for_each(|nth| fail(&failures, nth, NOW + MINUTE * minute));
        }
        assert_eq!(failures.take().len(), WAITING);
    }
}
