//! Checks of real nodes of the oldest and of the newest EasyTier, in every mode, over every transport.
//!
//! What they must report stands in `expectations.toml`; docs/compatibility.md shows it beside what was reported. A cut is a test;
//! `tools/compat` runs everything.

#![allow(clippy::disallowed_methods, clippy::restriction, reason = "a test fails by a panic")]

mod cell;
mod endurance;
mod expectations;
mod lab;
mod nodes;
mod page;
#[path = "../support/mod.rs"]
mod support;

use std::{collections::BTreeSet, env, fs, path::PathBuf, time::Duration};

use easytier_probe::{Checker, Scheme};
use tokio::time::{Instant, sleep, timeout};

use cell::{Cell, Mode, Session, Version, all_nodes, cells_of};
use expectations::Expectations;
use lab::{Cut, Findings};
use page::Runs;
use support::{LONG, assert_online, current_node::CurrentNodeOptions, options};

/// Without the sessions of a minute. A node that is not told that a guest has left forgets it after some 10 s, and counts its
/// networks again within another 10 s.
const BRIEF: Cut = Cut { sessions: &[Session::OneShot, Session::Held], settle: Duration::from_secs(25) };
const ALL: Cut = Cut { sessions: Session::ALL, settle: Duration::from_secs(60) };

#[tokio::test]
async fn a_current_node_lists_a_guest_until_the_session_ends() {
    let node = CurrentNodeOptions::listening_on(&[Scheme::Tcp]).start();
    assert_eq!(node.foreign_networks(), Vec::<String>::new());

    let mut held = Checker::new(options(LONG)).hold(node.as_guest(Scheme::Tcp));
    let report = held.next(Instant::now()).await;
    assert_online(&report);
    let version = report.result.version.as_deref().expect("the node says its version");
    assert!(version.starts_with("2.6.4"), "{version}");
    assert_eq!(node.foreign_networks().len(), 1, "{}", node.ask("foreign_networks"));
    assert!(node.peers().is_empty(), "a guest is not in the node's own network");

    drop(held);
    let forgotten = async {
        while !node.foreign_networks().is_empty() {
            sleep(Duration::from_millis(20)).await;
        }
    };
    timeout(LONG, forgotten).await.expect("the node forgets a guest that has left");
}

#[test]
fn every_cell_has_one_expectation_and_every_rule_decides_a_cell() {
    let expectations = Expectations::read();
    let rules: BTreeSet<usize> = possible_cells(&expectations)
        .map(|cell| {
            expectations.of(&cell).unwrap_or_else(|error| panic!("{error}"));
            expectations.rule_of(&cell).unwrap_or_else(|error| panic!("{error}"))
        })
        .collect();
    assert_eq!(rules, (0..expectations.rules()).collect());
}

#[test]
fn the_page_shows_the_expectations() {
    let expectations = Expectations::read();
    let page = fs::read_to_string(page_file()).unwrap();
    let generated = page::page(&expectations, &Runs { findings: Vec::new(), took: Duration::ZERO }, &page);
    assert_eq!(page::expected_parts(&page), page::expected_parts(&generated), "tools/compat writes the page again");
}

#[tokio::test]
async fn checks_report_what_they_must() {
    let expectations = Expectations::read();
    assert_right(&[lab::run(&expectations, &possible_nodes(&expectations), &BRIEF).await]);
}

/// Writes the page. `COMPAT_RUNS` is the number of runs.
#[tokio::test]
#[ignore = "it takes minutes: tools/compat runs it"]
async fn all_cells() {
    let expectations = Expectations::read();
    let started = Instant::now();
    let mut findings = Vec::new();
    for run in 1..=number("COMPAT_RUNS") {
        let found = lab::run(&expectations, &possible_nodes(&expectations), &ALL).await;
        eprintln!("run {run}: {} cells, {} wrong", found.cells.len(), wrong(&found).len());
        wrong(&found).iter().for_each(|line| eprintln!("{line}"));
        findings.push(found);
    }
    let runs = Runs { findings, took: started.elapsed() };
    let before = fs::read_to_string(page_file()).unwrap();
    fs::write(page_file(), page::page(&expectations, &runs, &before)).unwrap();
    assert_right(&runs.findings);
}

/// Writes the part of the page about it. `COMPAT_TCP` and `COMPAT_QUIC` are the numbers of checks.
#[tokio::test]
#[ignore = "it takes minutes: tools/compat runs it"]
async fn endurance() {
    let text = endurance::endure(number("COMPAT_TCP"), number("COMPAT_QUIC")).await;
    let before = fs::read_to_string(page_file()).unwrap();
    fs::write(page_file(), page::with_endurance(&before, &text)).unwrap();
}

fn possible_nodes(expectations: &Expectations) -> Vec<(Version, Mode)> {
    all_nodes().filter(|&(version, mode)| expectations.why_missing(version, mode).is_none()).collect()
}

fn possible_cells(expectations: &Expectations) -> impl Iterator<Item = Cell> {
    possible_nodes(expectations).into_iter().flat_map(|(version, mode)| cells_of(version, mode))
}

fn wrong(findings: &Findings) -> Vec<String> {
    let cells = findings.cells.iter().filter_map(|(cell, found)| Some(format!("{cell}: {}", found.as_ref().err()?)));
    cells.chain(findings.left.iter().map(|((version, mode), words)| format!("{version} ({mode}): {words}"))).collect()
}

fn assert_right(runs: &[Findings]) {
    let wrong: Vec<String> = runs.iter().flat_map(wrong).collect();
    assert!(wrong.is_empty(), "{} wrong:\n{}", wrong.len(), wrong.join("\n"));
}

fn number(variable: &str) -> usize {
    let value = env::var(variable).unwrap_or_else(|_| panic!("{variable} is not set: tools/compat sets it"));
    value.parse().unwrap_or_else(|_| panic!("{variable} is not a number: {value}"))
}

fn page_file() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../docs/compatibility.md")
}
