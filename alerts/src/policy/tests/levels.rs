//! Certificates, versions, relaying, and work of hubs.

use super::*;
use crate::{Language, Nodes, Topic};

const DAY: i64 = 24 * HOUR;

#[test]
fn a_certificate_is_told_once_in_time_and_that_it_was_renewed() {
    let mut world = World::new(rule(&[Change::Certificate, Change::Up]), 3);
    world.levels.certificates = [(2, START + 14 * DAY + HOUR)].into();
    world.run(55 * MINUTE);
    assert!(world.told.is_empty(), "{:?}", world.titles());
    world.run(6 * MINUTE);
    assert_eq!(world.titles(), ["The certificate of node 2 expires on 2027-01-29 09:00:00 UTC"]);
    assert_eq!(world.told[0].1.topic, Topic::Certificate);
    assert_eq!(world.told[0].1.nodes[0].id, 2);
    world.run(5 * HOUR);
    assert_eq!(world.told.len(), 1);
    world.levels.certificates = [(2, START + 90 * DAY)].into();
    world.run(HOUR);
    assert_eq!(world.titles()[1..], ["The certificate of node 2 does not expire soon any more"]);
    assert_eq!(world.told[0].1.subject, world.told[1].1.subject);
}

#[test]
fn what_is_wrong_when_a_rule_is_made_is_told_together() {
    let mut world = World::new(rule(&[Change::Certificate]), 40);
    world.levels.certificates = (1..=30).map(|id| (id, START + id * HOUR - 2 * HOUR)).collect();
    world.run(MINUTE);
    assert_eq!(world.titles(), ["The certificates of 30 nodes expire soon"]);
    let told = &world.told[0].1;
    assert_eq!((told.nodes.len(), told.lines.last().unwrap().as_str()), (20, "… and 10 more"));
    assert_eq!(told.nodes[0].what, "the certificate has expired on 2027-01-15 07:00:00 UTC");
}

#[test]
fn an_old_version_is_told_when_it_stays() {
    let mut world = World::new(rule(&[Change::Version, Change::Up]), 3);
    for nth in 0..20 {
        // Two nodes behind one name.
        world.levels.versions.insert(1, if nth % 2 == 0 { "2.3.9" } else { "2.4.1-abc" }.into());
        world.run(MINUTE);
    }
    assert!(world.told.is_empty(), "{:?}", world.titles());
    world.levels.versions.insert(1, "2.3.9-abc".into());
    world.levels.versions.insert(2, "unknown".into());
    world.run(20 * MINUTE);
    assert_eq!(world.titles(), ["node 1 runs EasyTier 2.3.9-abc, which is older than 2.4.0"]);
    world.levels.versions.insert(1, "2.4.0".into());
    world.run(20 * MINUTE);
    assert_eq!(world.titles()[1..], ["node 1 does not run an old version any more"]);
}

#[test]
fn a_node_that_does_not_relay_is_told_once_and_when_it_does() {
    let mut world = World::new(rule(&[Change::Relay, Change::Up]), 3);
    world.levels.relays = [(2, true)].into();
    world.run(MINUTE);
    assert_eq!(world.titles(), ["node 2 is declared to relay, and does not"]);
    assert_eq!((world.told[0].1.topic, world.told[0].1.nodes[0].id), (Topic::Relay, 2));
    world.run(5 * HOUR);
    assert_eq!(world.told.len(), 1);
    world.levels.relays.clear();
    world.run(HOUR);
    assert_eq!(world.titles()[1..], ["The relaying of node 2 matches its declaration again"]);
    assert_eq!(world.told[0].1.subject, world.told[1].1.subject);

    let chinese = Rule { language: Language::Chinese, ..rule(&[Change::Relay]) };
    let mut world = World::new(chinese, 3);
    world.levels.relays = [(1, true), (2, false)].into();
    world.run(MINUTE);
    assert_eq!(world.titles(), ["2 个节点声明提供中继，但实测不可用"]);
    let lines: Vec<&str> = world.told[0].1.nodes.iter().map(|node| node.what.as_str()).collect();
    assert_eq!(lines, ["不转发数据", "中继测试未成功"]);
}

#[test]
fn work_that_no_hub_does_is_told_after_a_minute() {
    let chinese = Rule { language: Language::Chinese, ..rule(&[Change::Duty, Change::Up]) };
    for (rule, told, well) in [
        (
            rule(&[Change::Duty, Change::Up]),
            "No hub does this work: making verdicts of results, deleting what is old",
            "A hub does this work again: making verdicts of results, deleting what is old",
        ),
        (
            chinese,
            "没有中心在执行：根据检测结果判定状态、清理过期数据",
            "已有中心恢复执行：根据检测结果判定状态、清理过期数据",
        ),
    ] {
        let mut world = World::new(rule, 3);
        world.levels.idle = [Duty::Fold, Duty::Retention].into();
        world.run(50 * SECOND);
        assert!(world.told.is_empty());
        world.run(MINUTE);
        assert_eq!(world.titles(), [told]);
        world.levels.idle.clear();
        world.run(10 * MINUTE);
        assert_eq!(world.titles()[1..], [well]);
    }
}

#[test]
fn a_node_that_is_muted_or_not_named_has_no_certificate_that_is_told() {
    let nodes = Nodes { ids: [1, 2].into(), ..Nodes::default() };
    let mut world = World::new(Rule { nodes, ..rule(&[Change::Certificate]) }, 3);
    world.levels.certificates = (1..=3).map(|id| (id, START)).collect();
    world.muted = ["node:1".to_owned()].into();
    world.run(MINUTE);
    assert_eq!(world.titles(), ["The certificate of node 2 has expired on 2027-01-15 08:00:00 UTC"]);
    world.muted.clear();
    world.run(20 * MINUTE);
    assert_eq!(world.titles()[1..], ["The certificate of node 1 has expired on 2027-01-15 08:00:00 UTC"]);
}

#[test]
fn reminders_of_a_certificate_end_when_somebody_acknowledges() {
    let mut world = World::new(Rule { reminder_seconds: Some(3600), ..rule(&[Change::Certificate]) }, 3);
    world.levels.certificates = [(1, START + DAY)].into();
    world.run(2 * HOUR + 5 * MINUTE);
    let topics: Vec<_> = world.told.iter().map(|(_, draft)| draft.topic).collect();
    assert_eq!(topics, [Topic::Certificate, Topic::Reminder, Topic::Reminder]);
    world.acknowledged.insert(world.told[0].1.keys[0]);
    world.run(5 * HOUR);
    assert_eq!(world.told.len(), 3);
}

#[test]
fn a_restart_tells_no_certificate_twice_and_a_rule_that_tells_none_any_more_forgets_them() {
    let mut world = World::new(rule(&[Change::Certificate, Change::Down, Change::Up]), 3);
    world.levels.certificates = [(1, START + DAY)].into();
    world.run(MINUTE);
    world.pause(HOUR);
    world.run(HOUR);
    assert_eq!(world.told.len(), 1);
    world.rules[0].1.on.remove(&Change::Certificate);
    world.run(HOUR);
    assert_eq!(world.told.len(), 1);
    assert!(world.state.conditions.is_empty());
}
