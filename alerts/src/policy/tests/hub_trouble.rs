//! A hub that is cut off, was away, or hears from no probe.

use super::*;
use crate::{Nodes, Severity, Topic};

/// Takes away the network of the hub: it hears from no probe, and then knows nothing about any node.
fn cut_off(world: &mut World) {
    for (after, id) in [(95, 1), (30, 2)] {
        world.run(after * SECOND);
        world.probe(id, Seen::Down);
    }
    let nodes: Vec<i64> = world.nodes.keys().copied().collect();
    // Results become stale one after another, as they came.
    for chunk in nodes.chunks(20) {
        for id in chunk {
            world.node(*id, Seen::Unknown);
        }
        world.run(5 * SECOND);
    }
}

/// Gives it back: the probes report again, and then results of one node after another.
fn connect(world: &mut World) {
    for id in [1, 2] {
        world.probe(id, Seen::Up);
        world.run(10 * SECOND);
    }
    let nodes: Vec<i64> = world.nodes.keys().copied().collect();
    for chunk in nodes.chunks(20) {
        for id in chunk {
            world.node(*id, Seen::Up);
        }
        world.run(6 * SECOND);
    }
}

#[test]
fn a_hub_that_is_cut_off_for_ten_minutes_says_one_thing_and_nothing_about_its_200_nodes() {
    let mut world = World::new(everything(), 200);
    cut_off(&mut world);
    world.run(10 * MINUTE);
    connect(&mut world);
    world.run(2 * HOUR);
    assert_eq!(world.titles(), ["This monitor has no current results: it or its probes may be cut off"]);
    assert_eq!(world.told[0].1.topic, Topic::Hub);
    // A service that keeps it open is told that it is over.
    assert_eq!(world.ended.len(), 1);
    assert_eq!((&world.ended[0].subject, world.ended[0].severity), (&world.told[0].1.subject, Severity::Info));

    let mut usual = World::new(super::usual(), 200);
    cut_off(&mut usual);
    usual.run(10 * MINUTE);
    connect(&mut usual);
    usual.run(2 * HOUR);
    assert!(usual.told.is_empty(), "{:?}", usual.titles());
}

#[test]
fn the_same_when_nodes_become_unknown_before_the_probes_are_missed() {
    let mut world = World::new(everything(), 200);
    for id in 1..=200 {
        world.node(id, Seen::Unknown);
    }
    for (after, id) in [(60, 1), (40, 2)] {
        world.run(after * SECOND);
        world.probe(id, Seen::Down);
    }
    world.run(10 * MINUTE);
    connect(&mut world);
    world.run(2 * HOUR);
    assert_eq!(world.titles(), ["This monitor has no current results: it or its probes may be cut off"]);
}

#[test]
fn a_long_trouble_of_the_hub_is_told_to_be_over() {
    let mut world = World::new(everything(), 200);
    cut_off(&mut world);
    world.run(30 * MINUTE);
    connect(&mut world);
    world.run(2 * HOUR);
    assert_eq!(world.titles()[1..], ["This monitor has current results again"]);
    assert!(world.ended.is_empty());
    assert_eq!(world.told[0].1.subject, world.told[1].1.subject);
}

#[test]
fn a_probe_that_does_not_come_back_with_the_others_is_told() {
    let mut world = World::new(everything(), 200);
    cut_off(&mut world);
    world.run(30 * MINUTE);
    world.probe(1, Seen::Up);
    for id in 1..=200 {
        world.node(id, Seen::Up);
    }
    world.run(2 * HOUR);
    assert_eq!(world.titles()[1..], ["The probe b in asia does not report", "This monitor has current results again"]);
}

#[test]
fn nodes_that_are_down_afterwards_are_told() {
    let mut world = World::new(usual(), 200);
    cut_off(&mut world);
    world.run(10 * MINUTE);
    connect(&mut world);
    world.node(7, Seen::Down);
    world.run(MINUTE);
    assert_eq!(world.titles(), ["node 7 is down"]);
}

#[test]
fn a_probe_that_is_gone_is_told_as_such_and_not_its_nodes() {
    let mut world = World::new(everything(), 10);
    for id in 1..=3 {
        world.nodes.get_mut(&id).unwrap().regions = ["eu".into()].into();
    }
    world.probe(1, Seen::Down);
    for id in 1..=3 {
        world.node(id, Seen::Unknown);
    }
    world.run(HOUR);
    assert_eq!(world.titles(), ["The probe a in eu does not report"]);
    world.probe(1, Seen::Up);
    world.run(10 * SECOND);
    for id in 1..=3 {
        world.node(id, Seen::Up);
    }
    world.run(HOUR);
    assert_eq!(world.titles()[1..], ["The probe a reports again"]);
}

#[test]
fn a_node_that_is_unknown_although_its_probes_run_is_told() {
    let mut world = World::new(everything(), 10);
    world.node(1, Seen::Unknown);
    world.run(80 * SECOND);
    assert!(world.told.is_empty());
    world.run(MINUTE);
    assert_eq!(world.titles(), ["node 1 has no current result"]);
    world.node(1, Seen::Up);
    world.run(HOUR);
    assert_eq!(world.titles()[1..], ["node 1 is up again"]);
}

#[test]
fn a_rule_for_a_region_tells_of_its_probes_only() {
    let nodes = Nodes { regions: ["asia".into()].into(), ..Nodes::default() };
    let mut world = World::new(Rule { nodes, ..rule(&[Change::Probe]) }, 10);
    world.probe(1, Seen::Down);
    world.run(5 * MINUTE);
    assert!(world.told.is_empty());
}

#[test]
fn a_probe_that_comes_and_goes_is_told_so() {
    let mut world = World::new(everything(), 10);
    for nth in 0..20 {
        world.probe(1, if nth % 2 == 0 { Seen::Down } else { Seen::Up });
        world.run(90 * SECOND);
    }
    assert_eq!(world.titles(), ["The probe a in eu does not report", "The probe a comes and goes"]);
    world.run(2 * HOUR);
    assert_eq!(world.titles()[2..], ["The probe a reports again"]);
}

#[test]
fn a_restart_while_a_node_is_down_tells_nothing() {
    let mut world = World::new(everything(), 10);
    world.node(1, Seen::Down);
    world.run(MINUTE);
    assert_eq!(world.told.len(), 1);
    world.pause(10 * MINUTE);
    // The review finds that all results are stale; then they come again.
    for id in 1..=10 {
        world.node(id, Seen::Unknown);
    }
    world.run(MINUTE);
    for id in 1..=10 {
        world.node(id, if id == 1 { Seen::Down } else { Seen::Up });
    }
    world.run(2 * HOUR);
    assert_eq!(world.titles(), ["node 1 is down"]);
}

#[test]
fn after_a_restart_what_differs_from_what_was_told_is_told_when_everything_was_checked() {
    let mut world = World::new(usual(), 10);
    world.node(1, Seen::Down);
    world.run(MINUTE);
    world.pause(10 * MINUTE);
    world.node(1, Seen::Up);
    world.node(2, Seen::Down);
    let restarted = world.now;
    world.run(10 * MINUTE);
    assert_eq!(world.titles()[1..], ["node 2 is down", "node 1 is up again"]);
    assert!(world.told[1].0 - restarted >= 3 * MINUTE);
}

#[test]
fn a_hub_that_takes_over_soon_goes_on_at_once() {
    let mut world = World::new(usual(), 10);
    world.pause(20 * SECOND);
    world.node(2, Seen::Down);
    world.run(15 * SECOND);
    assert_eq!(world.titles(), ["node 2 is down"]);
}

#[test]
fn a_hub_that_was_upgraded_tells_nothing_of_what_it_finds_and_a_new_one_does_not_wait() {
    let mut world = World::new(usual(), 10);
    world.state.planned_at = None;
    world.node(2, Seen::Down);
    world.run(2 * MINUTE);
    assert!(world.told.is_empty());

    let mut new = World::new(usual(), 1);
    new.state.planned_at = None;
    new.seen.insert(Subject::Node(1), Seen::Unknown);
    new.run(20 * SECOND);
    new.node(1, Seen::Down);
    new.run(15 * SECOND);
    assert_eq!(new.titles(), ["node 1 is down"]);
}
