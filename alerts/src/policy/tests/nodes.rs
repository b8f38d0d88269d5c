//! What is told about nodes.

use super::*;
use crate::{Language, Nodes, QuietHours, Severity, Topic};

#[test]
fn an_outage_is_told_within_fifteen_seconds_and_its_end_when_it_has_stayed_up() {
    let mut world = World::new(usual(), 3);
    world.node(1, Seen::Down);
    world.run(15 * SECOND);
    assert_eq!(world.titles(), ["node 1 is down"]);
    let (_, told) = &world.told[0];
    assert_eq!((told.topic, told.severity, told.at), (Topic::Outage, Severity::Critical, START));
    assert_eq!(told.lines, ["Since 2027-01-15 08:00:00 UTC."]);

    world.run(10 * MINUTE);
    assert_eq!(world.told.len(), 1, "it is told once");
    world.node(1, Seen::Up);
    world.run(2 * MINUTE);
    assert_eq!(world.told.len(), 1);
    world.run(2 * MINUTE);
    assert_eq!(world.titles(), ["node 1 is down", "node 1 is up again"]);
    let (outage, recovery) = (&world.told[0].1, &world.told[1].1);
    assert_eq!(recovery.subject, outage.subject, "a service closes what it opened");
    assert_eq!(recovery.lines, ["It was not up for 10 min 15 s."]);
    world.run(2 * HOUR);
    assert_eq!(world.told.len(), 2);
    assert!(world.state.conditions.is_empty(), "nothing is remembered for ever");
}

#[test]
fn a_change_that_does_not_last_as_long_as_the_rule_says_is_not_told() {
    let mut world = World::new(Rule { after_seconds: 300, ..usual() }, 3);
    world.node(1, Seen::Down);
    world.run(4 * MINUTE);
    world.node(1, Seen::Up);
    world.run(HOUR);
    assert!(world.told.is_empty());
    world.node(1, Seen::Down);
    world.run(6 * MINUTE);
    assert_eq!(world.titles(), ["node 1 is down"]);
    let at = world.told[0].0 - START - 4 * MINUTE - HOUR;
    assert!((5 * MINUTE..=5 * MINUTE + 15 * SECOND).contains(&at), "{at}");
}

#[test]
fn who_was_not_told_of_an_outage_is_not_told_of_its_end() {
    let mut world = World::new(usual(), 3);
    world.seen.insert(Subject::Node(1), Seen::Down);
    world.node(1, Seen::Up);
    world.node(2, Seen::Partial);
    world.run(MINUTE);
    world.node(2, Seen::Up);
    world.run(HOUR);
    assert!(world.told.is_empty(), "{:?}", world.titles());

    let mut silent = World::new(rule(&[Change::Down]), 3);
    silent.node(1, Seen::Down);
    silent.run(MINUTE);
    silent.node(1, Seen::Up);
    silent.run(HOUR);
    assert_eq!(silent.titles(), ["node 1 is down"]);
    let subject = &silent.told[0].1.subject;
    assert!(matches!(&silent.ended[..], [end] if end.subject == *subject), "a service closes it: {:?}", silent.ended);
    silent.node(1, Seen::Down);
    silent.run(MINUTE);
    assert_eq!(silent.told.len(), 2, "the next outage is told");
}

#[test]
fn what_a_rule_does_not_name_is_not_its_business() {
    let nodes = Nodes { ids: [1].into(), tags: ["fast".into()].into(), ..Nodes::default() };
    let mut world = World::new(Rule { nodes, ..usual() }, 4);
    world.nodes.get_mut(&2).unwrap().tags = ["fast".into(), "old".into()].into();
    for id in 1..=4 {
        world.node(id, Seen::Down);
    }
    world.run(MINUTE);
    let ids: Vec<i64> = world.told[0].1.nodes.iter().map(|node| node.id).collect();
    assert_eq!((world.told.len(), ids), (1, vec![1, 2]));

    let regions = Nodes { regions: ["eu".into()].into(), ..Nodes::default() };
    let mut world = World::new(Rule { nodes: regions, ..usual() }, 2);
    world.nodes.get_mut(&1).unwrap().regions = ["asia".into()].into();
    world.node(1, Seen::Down);
    world.node(2, Seen::Down);
    world.run(MINUTE);
    assert_eq!(world.titles(), ["node 2 is down"], "node 2 is checked from everywhere");
}

#[test]
fn what_happens_together_is_told_together_and_later_changes_take_longer() {
    let mut world = World::new(usual(), 100);
    for id in 1..=100 {
        world.node(id, Seen::Down);
        world.run(SECOND);
    }
    world.run(10 * MINUTE);
    assert!(world.told.len() <= 6, "{:?}", world.titles());
    let told: usize = world.told.iter().map(|(_, draft)| draft.keys.len()).sum();
    assert_eq!(told, 100, "each is told once");
    let (_, largest) = world.told.iter().max_by_key(|(_, draft)| draft.keys.len()).unwrap();
    assert_eq!((largest.title.as_str(), largest.nodes.len()), ("40 nodes are down", 20));
    assert_eq!(largest.lines.last().unwrap(), "… and 20 more");
}

#[test]
fn a_common_host_or_network_is_named() {
    let mut world = World::new(usual(), 4);
    for id in [1, 2] {
        world.nodes.get_mut(&id).unwrap().host = "shared.example".into();
        world.node(id, Seen::Down);
    }
    world.run(MINUTE);
    world.run(20 * MINUTE);
    for id in [3, 4] {
        world.nodes.get_mut(&id).unwrap().ip = Some(format!("192.0.2.{id}").parse().unwrap());
        world.node(id, Seen::Down);
    }
    world.run(MINUTE);
    assert_eq!(world.titles(), ["2 nodes at shared.example are down", "2 nodes in 192.0.2.0/24 are down"]);
}

#[test]
fn a_node_that_flaps_at_each_check_for_an_hour_gives_two_messages_and_one_when_it_is_stable() {
    let mut world = World::new(usual(), 3);
    for minute in 0..60 {
        world.node(1, if minute % 2 == 0 { Seen::Down } else { Seen::Up });
        world.run(MINUTE);
    }
    assert_eq!(world.titles(), ["node 1 is down", "node 1 is flapping: 4 changes within an hour"]);
    world.run(3 * HOUR);
    assert_eq!(world.titles()[2..], ["node 1 is up again"]);
    assert!(world.told[2].1.nodes[0].what.ends_with("no longer flapping"), "{:?}", world.told[2].1.nodes);
    world.node(1, Seen::Down);
    world.run(MINUTE);
    assert_eq!(world.titles()[3..], ["node 1 is down"]);
}

#[test]
fn a_node_that_ends_flapping_by_being_down_is_told_to_be_down() {
    let mut world = World::new(usual(), 3);
    for minute in 0..9 {
        world.node(1, if minute % 2 == 0 { Seen::Down } else { Seen::Up });
        world.run(MINUTE);
    }
    world.run(HOUR);
    assert_eq!(world.titles()[2..], ["node 1 is down"]);
    world.node(1, Seen::Up);
    world.run(HOUR);
    assert_eq!(world.titles()[3..], ["node 1 is up again"]);
}

#[test]
fn a_node_that_gets_worse_or_better_is_told_so_but_not_twice() {
    let mut world = World::new(rule(&[Change::Down, Change::Partial, Change::Up]), 3);
    world.node(1, Seen::Partial);
    world.run(20 * MINUTE);
    world.node(1, Seen::Down);
    world.run(20 * MINUTE);
    world.node(1, Seen::Unknown);
    world.run(20 * MINUTE);
    world.node(1, Seen::Down);
    world.run(20 * MINUTE);
    assert_eq!(world.titles(), ["node 1 is reachable from some regions only", "node 1 is down"]);
    world.node(1, Seen::Up);
    world.run(20 * MINUTE);
    assert_eq!(world.titles()[2..], ["node 1 is up again"]);
}

#[test]
fn partly_up_is_not_up_for_a_rule_that_only_tells_down() {
    let mut world = World::new(usual(), 3);
    world.node(1, Seen::Down);
    world.run(20 * MINUTE);
    world.node(1, Seen::Partial);
    world.run(20 * MINUTE);
    world.node(1, Seen::Down);
    world.run(20 * MINUTE);
    assert_eq!(world.titles(), ["node 1 is down"]);
    world.node(1, Seen::Up);
    world.run(20 * MINUTE);
    assert_eq!(world.titles()[1..], ["node 1 is up again"]);
}

#[test]
fn in_quiet_hours_nothing_is_told_and_afterwards_what_still_holds() {
    // From 08:00 to 10:00 in UTC.
    let quiet = QuietHours::new("16:00-18:00", "Asia/Shanghai").unwrap();
    let mut world = World::new(Rule { quiet: Some(quiet), ..usual() }, 3);
    world.node(1, Seen::Down);
    world.run(20 * MINUTE);
    world.node(2, Seen::Down);
    world.node(1, Seen::Up);
    world.run(99 * MINUTE);
    assert!(world.told.is_empty());
    world.run(2 * MINUTE);
    assert_eq!(world.titles(), ["node 2 is down"]);
    assert_eq!(world.told[0].1.lines, ["Since 2027-01-15 16:20:00 CST."]);
}

#[test]
fn what_is_muted_is_not_told_and_after_the_mute_what_still_holds() {
    for scope in ["all".to_owned(), format!("rule:{}", Uuid::from_u128(1)), "node:1".to_owned()] {
        let mut world = World::new(usual(), 3);
        world.muted = [scope].into();
        world.node(1, Seen::Down);
        world.run(HOUR);
        assert!(world.told.is_empty(), "{:?}", world.muted);
        world.muted.clear();
        world.run(MINUTE);
        assert_eq!(world.titles(), ["node 1 is down"]);
    }
    let mut world = World::new(usual(), 3);
    world.muted = ["node:2".to_owned()].into();
    world.node(1, Seen::Down);
    world.run(MINUTE);
    assert_eq!(world.titles(), ["node 1 is down"]);
}

#[test]
fn reminders_come_until_somebody_acknowledges() {
    let mut world = World::new(Rule { reminder_seconds: Some(3600), ..usual() }, 3);
    world.node(1, Seen::Down);
    world.run(2 * HOUR + 10 * MINUTE);
    assert_eq!(world.titles(), ["node 1 is down", "node 1 is still not up", "node 1 is still not up"]);
    assert_eq!(world.told[1].1.subject, world.told[0].1.subject);
    let key = Key { rule: Uuid::from_u128(1), subject: Subject::Node(1) };
    world.acknowledged.insert(key);
    world.run(5 * HOUR);
    assert_eq!(world.told.len(), 3);
    world.node(1, Seen::Up);
    world.run(5 * MINUTE);
    assert_eq!(world.titles()[3..], ["node 1 is up again"], "the end is told also of what was acknowledged");
}

#[test]
fn the_end_of_what_was_told_ends_its_acknowledgement() {
    let mut world = World::new(usual(), 3);
    world.node(1, Seen::Down);
    world.run(MINUTE);
    world.node(1, Seen::Up);
    let ended = (0..60).find_map(|_| {
        world.now += 5 * SECOND;
        let done = world.look();
        (!done.drafts.is_empty()).then_some(done.ended)
    });
    assert_eq!(ended, Some(vec![Key { rule: Uuid::from_u128(1), subject: Subject::Node(1) }]));
}

#[test]
fn a_node_that_was_removed_and_a_rule_that_was_removed_are_forgotten() {
    let mut world = World::new(usual(), 3);
    world.node(1, Seen::Down);
    world.node(2, Seen::Down);
    world.run(MINUTE);
    world.nodes.remove(&1);
    let key = |id| Key { rule: Uuid::from_u128(1), subject: Subject::Node(id) };
    assert_eq!(world.look().removed, [key(1)]);
    world.rules.clear();
    assert_eq!(world.look().removed, [key(2)]);
    assert_eq!(world.told.len(), 1);
}

#[test]
fn messages_are_in_the_language_of_the_rule() {
    let mut world = World::new(Rule { language: Language::Chinese, ..usual() }, 3);
    world.node(1, Seen::Down);
    world.run(MINUTE);
    world.node(1, Seen::Up);
    world.run(5 * MINUTE);
    assert_eq!(world.titles(), ["node 1 离线", "node 1 已恢复"]);
}

#[test]
fn a_service_is_told_the_end_of_all_that_it_was_told() {
    // Two outages end together, in one message.
    let mut world = World::new(usual(), 4);
    world.node(1, Seen::Down);
    world.run(MINUTE);
    world.node(2, Seen::Down);
    world.run(10 * MINUTE);
    assert_eq!(world.open.len(), 2);
    world.node(1, Seen::Up);
    world.node(2, Seen::Up);
    world.run(10 * MINUTE);
    assert_eq!(world.titles().last(), Some(&"2 nodes are up again"));
    assert!(world.open.is_empty(), "{:?}", world.open);

    // A node is removed while it is down.
    world.node(3, Seen::Down);
    world.run(10 * MINUTE);
    assert_eq!(world.open.len(), 1);
    world.nodes.remove(&3);
    world.look();
    assert!(world.open.is_empty(), "{:?}", world.open);

    // Nodes flap, which one message says.
    let mut world = World::new(rule(&[Change::Down]), 4);
    for seen in [Seen::Down, Seen::Up, Seen::Down, Seen::Up] {
        world.node(1, seen);
        world.node(2, seen);
        world.run(SECOND);
    }
    world.run(MINUTE);
    assert_eq!(world.told.last().unwrap().1.topic, Topic::Flapping);
    assert_eq!(world.open.len(), 1);
    world.run(HOUR);
    assert!(world.open.is_empty(), "{:?}", world.open);
}

#[test]
fn a_reminder_opens_nothing() {
    let mut world = World::new(Rule { reminder_seconds: Some(1800), ..usual() }, 4);
    for id in [1, 2] {
        world.node(id, Seen::Down);
        world.run(10 * MINUTE);
    }
    let open = world.open.clone();
    world.muted = ["all".to_owned()].into();
    world.run(HOUR);
    world.muted.clear();
    world.run(10 * MINUTE);
    assert!(world.told.iter().any(|(_, draft)| draft.topic == Topic::Reminder && draft.keys.len() == 2));
    assert_eq!(world.open, open);
}

#[test]
fn how_often_the_hub_looks_while_no_probe_checks_does_not_change_when_a_node_is_told() {
    let told_after = |pause: i64| {
        let mut world = World::new(rule(&[Change::Unknown]), 4);
        for id in [1, 2] {
            world.probe(id, Seen::Down);
        }
        world.node(1, Seen::Unknown);
        while world.now < START + MINUTE {
            world.look();
            world.now += pause * SECOND;
        }
        world.now = START + MINUTE;
        world.probe(1, Seen::Up);
        while world.told.is_empty() && world.now < START + HOUR {
            world.look();
            world.now += SECOND;
        }
        (world.told[0].0 - START) / SECOND
    };
    assert_eq!([1, 7, 10].map(told_after), [245; 3]);
}
