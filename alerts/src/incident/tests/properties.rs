//! What holds whatever happens.

use proptest::prelude::*;

use super::*;

/// What happens to a node, and how many seconds later the next thing does.
type Happening = (i64, Seen, u16);

fn happenings() -> impl Strategy<Value = Vec<Happening>> {
    let seen =
        prop_oneof![3 => Just(Seen::Up), 3 => Just(Seen::Down), 1 => Just(Seen::Partial), 1 => Just(Seen::Unknown)];
    let pause = prop_oneof![3 => 0_u16..15, 1 => 0_u16..900];
    prop::collection::vec((1_i64..=6, seen, pause), 1..60)
}

fn world() -> World {
    World::new(&["192.0.2.1", "192.0.2.1", "192.0.2.7", "a", "a", "b"])
}

/// What is wrong but for maintenance and for what nobody knows.
fn all_wrong(world: &World) -> Vec<i64> {
    let wrong = |seen: &Seen| matches!(seen, Seen::Down | Seen::Partial);
    world.seen.iter().filter(|(_, seen)| wrong(seen)).map(|(id, _)| *id).collect()
}

/// Opened, members, closed of all incidents.
fn incidents(world: &World) -> Vec<(i64, Vec<i64>, Option<i64>)> {
    let members = |one: &Incident| one.members.keys().copied().collect::<Vec<_>>();
    let closed = world.closed.iter().map(|(id, one, at)| (*id, (one.opened_at, members(one), Some(*at))));
    let open = world.state.open.iter().map(|(id, one)| (*id, (one.opened_at, members(one), None)));
    closed.chain(open).collect::<BTreeMap<_, _>>().into_values().collect()
}

proptest! {
    // Each case takes hours of its own time, second by second.
    #![proptest_config(ProptestConfig::with_cases(48))]

    #[test]
    fn each_node_belongs_to_one_open_incident_at_most_and_what_was_up_and_is_down_to_one(happenings in happenings()) {
        let mut world = world();
        for (id, seen, pause) in happenings {
            world.node(id, seen);
            world.run(i64::from(pause) * SECOND);
            let members: Vec<i64> = world.open().concat();
            let distinct: BTreeSet<i64> = members.iter().copied().collect();
            prop_assert_eq!(members.len(), distinct.len());
            for (_, incident, at) in &world.closed {
                prop_assert!(incident.well_at().is_some_and(|well| well + QUIET <= *at));
            }
            for (id, one) in &world.state.open {
                prop_assert!(one.well_at().is_none_or(|at| at + QUIET > world.now), "{id} is overdue");
                prop_assert!(one.members.len() < 2 || one.cause.is_some(), "{one:?}");
            }
        }
        world.run(MINUTE);
        let members: BTreeSet<i64> = world.open().into_iter().flatten().collect();
        for id in all_wrong(&world) {
            // It went wrong when it was known to be up.
            let was_up = world.state.waiting.contains_key(&id) || members.contains(&id);
            prop_assert!(was_up, "{id} has no incident: {:?}", world.state);
        }
    }

    #[test]
    fn how_often_the_hub_looks_changes_no_incident(happenings in happenings(), looks in prop::collection::vec(any::<bool>(), 60)) {
        let happenings: Vec<Happening> = happenings.into_iter().filter(|(_, seen, _)| *seen != Seen::Unknown).collect();
        let (mut often, mut seldom) = (world(), world());
        for ((id, seen, pause), look) in happenings.into_iter().zip(looks) {
            often.node(id, seen);
            seldom.node(id, seen);
            often.run(i64::from(pause) * SECOND);
            seldom.now = often.now;
            if look {
                seldom.step();
            }
        }
        often.run(GATHER);
        seldom.now = often.now;
        seldom.step();
        prop_assert_eq!(incidents(&often), incidents(&seldom));
        prop_assert_eq!(&often.state.waiting, &seldom.state.waiting);
    }

    #[test]
    fn maintenance_and_blindness_open_nothing(happenings in happenings()) {
        let mut maintained = world();
        maintained.maintained = (1..=6).collect();
        let mut blind = world();
        blind.probes.clear();
        for (id, seen, pause) in happenings {
            maintained.node(id, seen);
            blind.node(id, if seen == Seen::Up { Seen::Up } else { Seen::Unknown });
            for world in [&mut maintained, &mut blind] {
                world.run(i64::from(pause) * SECOND);
                prop_assert_eq!(world.state.last_id, 0);
            }
        }
    }

    #[test]
    fn what_is_stored_is_what_was_known(happenings in happenings()) {
        let mut world = world();
        for (id, seen, pause) in happenings {
            world.node(id, seen);
            world.run(i64::from(pause) * SECOND);
        }
        for member in world.state.open.values().flat_map(|one| one.members.values()) {
            let text = serde_json::to_string(member).unwrap();
            prop_assert_eq!(&serde_json::from_str::<Member>(&text).unwrap(), member);
        }
        for waiting in world.state.waiting.values() {
            let text = serde_json::to_string(waiting).unwrap();
            prop_assert_eq!(&serde_json::from_str::<Waiting>(&text).unwrap(), waiting);
        }
    }
}
