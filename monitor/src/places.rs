//! A limited number of places that callers share. There is no fixed limit for one party, because many people may be behind
//! one address. When all places are taken, the party that holds most of them gives one up.

use std::{
    collections::{BTreeMap, HashMap},
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, Ordering::Relaxed},
    },
};

use tokio::sync::Notify;

use crate::party::Party;

/// The places.
#[derive(Debug)]
pub struct Places {
    max: usize,
    state: Mutex<State>,
    freed: Notify,
}

#[derive(Debug, Default)]
struct State {
    next_id: u64,
    /// The oldest first.
    taken: BTreeMap<u64, Taken>,
    shares: HashMap<Party, Share>,
    vouched: usize,
}

/// A place that is taken.
#[derive(Debug)]
struct Taken {
    party: Party,
    is_vouched: bool,
    lost: Arc<Notify>,
}

/// How many places a party has.
#[derive(Debug, Default, Clone, Copy)]
struct Share {
    anonymous: usize,
    vouched: usize,
}

impl Places {
    /// `max` places, at least one.
    pub fn new(max: usize) -> Arc<Self> {
        Arc::new(Self { max: max.max(1), state: Mutex::default(), freed: Notify::new() })
    }

    /// Takes a place for a caller of this party. When all are taken, the oldest anonymous place of the party with most
    /// anonymous places is lost. A vouched place is lost only when its party has more than half of all places. `None` when
    /// no place can be lost.
    pub fn take(self: &Arc<Self>, party: Party) -> Option<Place> {
        let mut state = self.state();
        if state.taken.len() >= self.max {
            let victim = state.victim(party, self.max)?;
            let taken = state.release(victim)?;
            taken.lost.notify_one();
        }
        let id = state.next_id;
        state.next_id += 1;
        let lost = Arc::new(Notify::new());
        state.taken.insert(id, Taken { party, is_vouched: false, lost: Arc::clone(&lost) });
        state.shares.entry(party).or_default().anonymous += 1;
        let hold = Hold(Arc::new(Held { id, places: Arc::clone(self), is_vouched: AtomicBool::new(false), lost }));
        Some(Place(hold))
    }

    /// Like [`take`](Self::take), but waits when no place can be lost.
    pub async fn wait(self: &Arc<Self>, party: Party) -> Place {
        loop {
            let freed = self.freed.notified();
            if let Some(place) = self.take(party) {
                return place;
            }
            freed.await;
        }
    }

    /// How many places are taken.
    pub fn taken(&self) -> usize {
        self.state().taken.len()
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    /// The place that is lost when `newcomer` takes one more.
    fn victim(&self, newcomer: Party, max: usize) -> Option<u64> {
        if self.vouched == self.taken.len() {
            let oldest = |(_, taken): &(&u64, &Taken)| self.share(taken.party).vouched > max / 2;
            return self.taken.iter().find(oldest).map(|(id, _)| *id);
        }
        let anonymous = |party: Party| self.share(party).anonymous + usize::from(party == newcomer);
        let has_any = self.shares.iter().filter(|(_, share)| share.anonymous > 0);
        let most = has_any.map(|(party, _)| anonymous(*party)).max()?;
        let gives_way = |(_, taken): &(&u64, &Taken)| !taken.is_vouched && anonymous(taken.party) == most;
        self.taken.iter().find(gives_way).map(|(id, _)| *id)
    }

    fn share(&self, party: Party) -> Share {
        self.shares.get(&party).copied().unwrap_or_default()
    }

    fn release(&mut self, id: u64) -> Option<Taken> {
        let taken = self.taken.remove(&id)?;
        if let Some(share) = self.shares.get_mut(&taken.party) {
            if taken.is_vouched {
                share.vouched -= 1;
                self.vouched -= 1;
            } else {
                share.anonymous -= 1;
            }
            if share.anonymous + share.vouched == 0 {
                self.shares.remove(&taken.party);
            }
        }
        Some(taken)
    }

    fn vouch(&mut self, id: u64) {
        let Some(taken) = self.taken.get_mut(&id).filter(|taken| !taken.is_vouched) else { return };
        taken.is_vouched = true;
        self.vouched += 1;
        let share = self.shares.entry(taken.party).or_default();
        share.anonymous -= 1;
        share.vouched += 1;
    }
}

/// A place. It is given back when this is dropped.
#[derive(Debug)]
pub struct Place(Hold);

impl Place {
    /// Resolves when the place is lost to another caller. Only one task may wait.
    pub async fn lost(&self) {
        self.0.0.lost.notified().await;
    }

    /// A handle to the place for those who do not own it.
    pub fn hold(&self) -> Hold {
        self.0.clone()
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let held = &self.0.0;
        held.places.state().release(held.id);
        held.places.freed.notify_one();
    }
}

/// A handle to a place.
#[derive(Debug, Clone)]
pub struct Hold(Arc<Held>);

#[derive(Debug)]
struct Held {
    id: u64,
    places: Arc<Places>,
    is_vouched: AtomicBool,
    lost: Arc<Notify>,
}

impl Hold {
    /// Notes that the caller showed a valid credential, or is a trusted proxy: the place is not lost to strangers any more.
    pub fn vouch(&self) {
        if !self.0.is_vouched.swap(true, Relaxed) {
            self.0.places.state().vouch(self.0.id);
        }
    }

    /// Takes the place away.
    pub fn end(&self) {
        self.0.lost.notify_one();
    }
}

#[cfg(test)]
mod tests {
    use futures::FutureExt;

    use super::*;

    fn party(last: u8) -> Party {
        Party::of([192, 0, 2, last].into())
    }

    fn is_lost(place: &Place) -> bool {
        place.lost().now_or_never().is_some()
    }

    #[test]
    fn the_party_with_most_places_gives_way() {
        let places = Places::new(4);
        let greedy: Vec<Place> = (0..4).map(|_| places.take(party(1)).unwrap()).collect();
        let honest = places.take(party(2)).unwrap();
        assert_eq!(greedy.iter().map(is_lost).collect::<Vec<_>>(), [true, false, false, false]);
        // Whoever has most cannot push out others.
        let more = places.take(party(1)).unwrap();
        assert!(!is_lost(&honest) && !is_lost(&more));
        assert!(is_lost(&greedy[1]));
        assert_eq!(places.taken(), 4);
    }

    #[test]
    fn among_equals_the_oldest_gives_way() {
        let places = Places::new(3);
        let [first, second, third] = [1, 2, 3].map(|last| places.take(party(last)).unwrap());
        let _fourth = places.take(party(4)).unwrap();
        assert_eq!([&first, &second, &third].map(is_lost), [true, false, false]);
    }

    #[test]
    fn a_vouched_place_is_not_lost_to_strangers() {
        let places = Places::new(2);
        let probe = places.take(party(1)).unwrap();
        probe.hold().vouch();
        let _stranger = places.take(party(2)).unwrap();
        for last in 3..20 {
            drop(places.take(party(last)).unwrap());
            let _left_open = places.take(party(last)).unwrap();
        }
        assert!(!is_lost(&probe));
    }

    #[test]
    fn a_party_of_vouched_places_keeps_at_most_half_of_them() {
        let places = Places::new(4);
        let take = |last: u8| {
            let place = places.take(party(last))?;
            place.hold().vouch();
            Some(place)
        };
        let greedy: Vec<Place> = (0..4).map(|_| take(1).unwrap()).collect();
        let others = [take(2).unwrap(), take(3).unwrap()];
        assert_eq!(greedy.iter().filter(|place| is_lost(place)).count(), 2);
        assert!(take(4).is_none(), "all places have a credential behind them, and none has too many");
        drop(others);
        assert!(take(4).is_some());
    }

    #[tokio::test]
    async fn a_place_that_is_given_back_goes_to_who_waits() {
        let places = Places::new(2);
        let taken = [1, 2].map(|last| places.take(party(last)).unwrap());
        taken.iter().for_each(|place| place.hold().vouch());
        let mut waiting = Box::pin(places.wait(party(3)));
        assert!((&mut waiting).now_or_never().is_none());
        drop(taken);
        waiting.await;
    }
}
