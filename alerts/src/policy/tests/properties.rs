//! What holds whatever happens.

use proptest::prelude::*;

use super::*;
use crate::{Rule, Topic};

/// What happens, and how many seconds later the next thing does.
#[derive(Debug, Clone)]
enum Event {
    Node(i64, Seen),
    Probe(i64, bool),
    /// The certificate of a node expires in so many days.
    Certificate(i64, i64),
    /// A node reports this version.
    Version(i64, bool),
    /// No hub does a work.
    Idle(bool),
    /// The hub is away for so many seconds.
    Pause(u16),
}

fn seen() -> impl Strategy<Value = Seen> {
    prop_oneof![
        4 => Just(Seen::Up),
        4 => Just(Seen::Down),
        2 => Just(Seen::Partial),
        1 => Just(Seen::Unknown),
    ]
}

fn event() -> impl Strategy<Value = Event> {
    prop_oneof![
        20 => (1_i64..=4, seen()).prop_map(|(id, seen)| Event::Node(id, seen)),
        2 => (1_i64..=2, any::<bool>()).prop_map(|(id, up)| Event::Probe(id, up)),
        2 => (1_i64..=4, 0_i64..30).prop_map(|(id, days)| Event::Certificate(id, days)),
        2 => (1_i64..=4, any::<bool>()).prop_map(|(id, old)| Event::Version(id, old)),
        1 => any::<bool>().prop_map(Event::Idle),
        1 => (1_u16..600).prop_map(Event::Pause),
    ]
}

fn events() -> impl Strategy<Value = Vec<(Event, u16)>> {
    prop::collection::vec((event(), prop_oneof![0_u16..10, 0_u16..600]), 1..60)
}

fn rules() -> impl Strategy<Value = Rule> {
    let on = prop::sample::subsequence(Change::ALL.to_vec(), 1..=9);
    (on, prop_oneof![Just(0_u32), 1_u32..600], any::<bool>(), prop_oneof![Just(0_u32), Just(5)]).prop_map(
        |(on, after, reminds, group)| Rule {
            after_seconds: after,
            reminder_seconds: reminds.then_some(1800),
            group_seconds: group,
            ..rule(&on)
        },
    )
}

fn apply(world: &mut World, event: &Event) {
    match event {
        Event::Node(id, seen) => world.node(*id, *seen),
        Event::Probe(id, up) => world.probe(*id, if *up { Seen::Up } else { Seen::Down }),
        Event::Certificate(id, days) => {
            world.levels.certificates.insert(*id, world.now + days * 24 * HOUR);
        }
        Event::Version(id, old) => {
            world.levels.versions.insert(*id, if *old { "2.3.1-abc" } else { "2.4.0" }.to_owned());
        }
        Event::Idle(idle) => world.levels.idle = idle.then_some(Duty::Fold).into_iter().collect(),
        Event::Pause(seconds) => world.pause(i64::from(*seconds) * SECOND),
    }
}

/// What a store would give back after a restart.
fn stored(state: &State) -> State {
    let texts = state.conditions.iter().map(|(key, one)| (key.to_string(), serde_json::to_string(one).unwrap()));
    let conditions = texts.map(|(key, text)| (key.parse().unwrap(), serde_json::from_str(&text).unwrap()));
    State { conditions: conditions.collect(), ..state.clone() }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn the_end_of_something_is_told_only_to_who_was_told_of_it(events in events(), rule in rules()) {
        let mut world = World::new(rule, 4);
        let mut told = BTreeSet::new();
        let mut read = 0;
        for (event, seconds) in events {
            apply(&mut world, &event);
            world.run(i64::from(seconds) * SECOND);
            for (_, draft) in &world.told[read..] {
                for key in &draft.keys {
                    let is_end = draft.severity == crate::Severity::Info;
                    prop_assert!(!is_end || told.remove(key), "{key}: {:?}", draft.title);
                    prop_assert!(draft.topic != Topic::Reminder || told.contains(key));
                    if !is_end {
                        told.insert(*key);
                    }
                }
            }
            read = world.told.len();
        }
    }

    #[test]
    fn what_is_over_is_open_nowhere(events in events(), rule in rules()) {
        let mut world = World::new(rule, 4);
        for (event, seconds) in events {
            apply(&mut world, &event);
            world.run(i64::from(seconds) * SECOND);
        }
        for id in [1, 2] {
            world.probe(id, Seen::Up);
        }
        for id in 1..=4 {
            world.node(id, Seen::Up);
        }
        world.levels = Levels::default();
        world.run(3 * HOUR);
        prop_assert!(world.open.is_empty(), "{:?}: {:?} {:?}", world.open, world.titles(), world.ended);
    }

    #[test]
    fn nothing_is_told_twice(events in events(), rule in rules()) {
        let mut world = World::new(rule, 4);
        let mut last: BTreeMap<Key, (Topic, crate::Severity, i64)> = BTreeMap::new();
        for (event, seconds) in events {
            apply(&mut world, &event);
            world.run(i64::from(seconds) * SECOND);
        }
        for (_, draft) in world.told.iter().filter(|(_, draft)| draft.topic != Topic::Reminder) {
            for key in &draft.keys {
                // What happened at another time is something else.
                let told = (draft.topic, draft.severity, draft.at);
                let before = last.insert(*key, told);
                prop_assert_ne!(before, Some(told), "{:?} {}", draft.keys, draft.title);
            }
        }
    }

    #[test]
    fn a_hub_that_takes_over_at_any_moment_tells_the_same(events in events(), rule in rules()) {
        let (mut one, mut other) = (World::new(rule.clone(), 4), World::new(rule, 4));
        for (event, seconds) in events {
            for world in [&mut one, &mut other] {
                apply(world, &event);
                world.run(i64::from(seconds) * SECOND);
            }
            other.state = stored(&other.state);
        }
        prop_assert_eq!(one.told, other.told);
        prop_assert_eq!(one.state, other.state);
    }

    #[test]
    fn changes_that_are_read_one_by_one_tell_the_same_as_all_at_once(
        events in prop::collection::vec(event(), 1..40),
        rule in rules(),
    ) {
        // Without a time in which changes are gathered, what is read first is told before the rest is known.
        let rule = Rule { group_seconds: 5, reminder_seconds: None, ..rule };
        let (mut one, mut other) = (World::new(rule.clone(), 4), World::new(rule, 4));
        for event in events.iter().filter(|event| !matches!(event, Event::Pause(_))) {
            apply(&mut one, event);
            apply(&mut other, event);
        }
        let all = std::mem::take(&mut other.fresh);
        for change in all {
            other.fresh.push(change);
            other.look();
        }
        for world in [&mut one, &mut other] {
            world.run(HOUR);
        }
        prop_assert_eq!(one.titles(), other.titles());
    }

    #[test]
    fn looking_only_when_something_is_due_tells_the_same(events in events(), rule in rules()) {
        let (mut often, mut seldom) = (World::new(rule.clone(), 4), World::new(rule, 4));
        for (event, seconds) in events.iter().filter(|(event, _)| !matches!(event, Event::Pause(_))) {
            let until = often.now + i64::from(*seconds) * SECOND;
            apply(&mut often, event);
            apply(&mut seldom, event);
            // Levels are read again now and then, and looked at then.
            seldom.next_at = None;
            while often.now < until {
                often.look();
                often.now += SECOND;
            }
            while seldom.now < until {
                let has_work = !seldom.fresh.is_empty() || seldom.next_at.is_none_or(|at| at <= seldom.now);
                if has_work {
                    seldom.look();
                } else {
                    seldom.state.planned_at = Some(seldom.now);
                }
                seldom.now += SECOND;
            }
        }
        prop_assert_eq!(often.titles(), seldom.titles());
    }
}
