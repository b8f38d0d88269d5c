//! The order of failover, as an admin changes it step by step.

use easytier_uptime_store::domain::InstanceId;

use super::{Instances, SyncRefusal, registration::MAX_ORDER};

/// One step in the order of failover.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Step {
    /// Before the instance that comes before it.
    Up,
    /// After the instance that comes after it.
    Down,
}

impl Instances {
    /// Gives an instance another place in the order of failover, on behalf of an admin. An instance keeps it until its
    /// configuration names another place than before.
    ///
    /// # Errors
    ///
    /// When it is unknown, the place is out of range, or this instance is no primary.
    pub async fn set_order(&self, id: InstanceId, order: i64) -> Result<(), SyncRefusal> {
        let (instance, _) = self.primary().await?;
        if !(0..=MAX_ORDER).contains(&order) {
            return Err(SyncRefusal::bad_request("the order is out of range"));
        }
        match id == instance.id {
            true => self.store.give_own_order(order, self.own.options.failover_order).await?,
            false => self.store.set_failover_order(id, order).await?,
        }
        Ok(())
    }

    /// Moves an instance by one step in the order of failover, on behalf of an admin.
    ///
    /// # Errors
    ///
    /// When it is unknown, or this instance is no primary.
    pub async fn move_in_order(&self, id: InstanceId, step: Step) -> Result<(), SyncRefusal> {
        let (instance, _) = self.primary().await?;
        let all = self.all(&instance).await?;
        let places: Vec<(InstanceId, i64)> = all.iter().map(|one| (one.instance_id, one.failover_order)).collect();
        let changes = moved(&places, id, step).ok_or_else(|| SyncRefusal::not_found("instance"))?;
        for (id, order) in changes {
            self.set_order(id, order).await?;
        }
        Ok(())
    }
}

/// The new places of all whose place changes when `id` moves; none at an end of the order, `None` when `id` is not in it. `places`:
/// in their order. The numbers stay if they differ; otherwise all are numbered from 1.
fn moved(places: &[(InstanceId, i64)], id: InstanceId, step: Step) -> Option<Vec<(InstanceId, i64)>> {
    let from = places.iter().position(|(one, _)| *one == id)?;
    let to = match step {
        Step::Up => from.checked_sub(1),
        Step::Down => Some(from + 1).filter(|to| *to < places.len()),
    };
    let Some(to) = to else { return Some(Vec::new()) };
    let mut ids: Vec<InstanceId> = places.iter().map(|(one, _)| *one).collect();
    ids.swap(from, to);
    let differ = places.windows(2).all(|pair| pair.iter().map(|(_, order)| order).is_sorted_by(|one, next| one < next));
    let numbers: Vec<i64> = match differ {
        true => places.iter().map(|(_, order)| *order).collect(),
        false => (1..).take(places.len()).collect(),
    };
    let changed = |(id, order): &(InstanceId, i64)| !places.contains(&(*id, *order));
    Some(ids.into_iter().zip(numbers).filter(changed).collect())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use uuid::Uuid;

    use super::*;

    fn id(nth: usize) -> InstanceId {
        InstanceId(Uuid::from_u128(nth as u128))
    }

    #[test]
    fn two_neighbours_change_their_numbers_and_equal_numbers_become_different() {
        let places = [(id(0), 1), (id(1), 5), (id(2), 99)];
        assert_eq!(moved(&places, id(2), Step::Up), Some(vec![(id(2), 5), (id(1), 99)]));
        assert_eq!(moved(&places, id(0), Step::Down), Some(vec![(id(1), 1), (id(0), 5)]));
        assert_eq!(moved(&places, id(0), Step::Up), Some(vec![]));
        assert_eq!(moved(&places, id(2), Step::Down), Some(vec![]));
        assert_eq!(moved(&places, id(9), Step::Up), None);
        let equal = [(id(0), 99), (id(1), 99), (id(2), 99)];
        assert_eq!(moved(&equal, id(1), Step::Up), Some(vec![(id(1), 1), (id(0), 2), (id(2), 3)]));
    }

    proptest! {
        /// Whatever the numbers are, after a step the instance is exactly one place further, and the others are as they were.
        #[test]
        fn a_step_is_one_place(numbers in prop::collection::vec(0_i64..6, 1..8), which in 0_usize..8, up: bool) {
            let mut places: Vec<(InstanceId, i64)> = numbers.iter().enumerate().map(|(nth, order)| (id(nth), *order)).collect();
            let sort = |places: &mut Vec<(InstanceId, i64)>| places.sort_by_key(|(id, order)| (*order, *id));
            sort(&mut places);
            let from = which % places.len();
            let step = if up { Step::Up } else { Step::Down };
            let changes = moved(&places, places[from].0, step).unwrap();
            let mut expected: Vec<InstanceId> = places.iter().map(|(id, _)| *id).collect();
            let to = if up { from.saturating_sub(1) } else { (from + 1).min(places.len() - 1) };
            expected.swap(from, to);
            for (id, order) in changes {
                places.iter_mut().filter(|(one, _)| *one == id).for_each(|place| place.1 = order);
            }
            sort(&mut places);
            prop_assert_eq!(places.iter().map(|(id, _)| *id).collect::<Vec<_>>(), expected);
        }
    }
}
