//! Checks every cell of a set of nodes, and asks the nodes afterwards what they have left of the probe.

use std::{cell::RefCell, collections::HashMap, time::Duration};

use easytier_probe::{Checker, HeldPeer, Peer, Scheme, Status};
use futures::future::join_all;
use tokio::{
    sync::Semaphore,
    time::{Instant, sleep},
};

use crate::{
    cell::{Cell, Mode, Role, Session, TRANSPORTS, Version, cells_of},
    expectations::{Expectation, Expectations, Outcome, Shows},
    nodes::{LabNode, start_all},
    support::{LONG, options},
};

/// The timeout of checks that must use all of it.
const SHORT: Duration = Duration::from_secs(3);
/// How many checks join nodes at the same time; more would let checks wait for the processor.
const JOINING: usize = 8;
/// When a held session is checked again: after the first ping of the node.
const HELD: [Duration; 2] = [Duration::ZERO, Duration::from_millis(2500)];
const MINUTE: [Duration; 13] = {
    let mut dues = [Duration::ZERO; 13];
    let mut check = 1;
    while check < 13 {
        dues[check] = Duration::from_secs(5 * check as u64);
        check += 1;
    }
    dues
};
/// The check of [`MINUTE`] at which the number of networks has settled: nodes forget a silent guest of an earlier check after
/// some 10 s, and count every 10 s.
const COUNTED: usize = 9;

/// What was found.
#[derive(Default)]
pub struct Findings {
    /// Each cell, and how it differs from its expectation.
    pub cells: Vec<(Cell, Result<(), String>)>,
    /// What is wrong with nodes after the checks, where it belongs to no single cell.
    pub left: Vec<((Version, Mode), String)>,
}

/// Which cells are checked.
pub struct Cut {
    pub sessions: &'static [Session],
    /// The time after which a node must have forgotten the probe.
    pub settle: Duration,
}

struct Lab<'a> {
    expectations: &'a Expectations,
    cut: &'a Cut,
    checker: Checker,
    joining: Semaphore,
}

/// Checks all cells of the nodes that exist.
pub async fn run(expectations: &Expectations, kinds: &[(Version, Mode)], cut: &Cut) -> Findings {
    let nodes = start_all(kinds);
    let lab = Lab { expectations, cut, checker: Checker::new(options(LONG)), joining: Semaphore::new(JOINING) };
    let found = join_all(nodes.iter().map(|node| lab.run_node(node))).await;
    found.into_iter().fold(Findings::default(), |mut all, one| {
        all.cells.extend(one.cells);
        all.left.extend(one.left);
        all
    })
}

/// The checks of one cell.
struct Checked {
    cell: Cell,
    difference: Option<String>,
    /// Whether a session was held.
    held: bool,
    /// The number of networks at the check [`COUNTED`].
    networks: Option<u32>,
}

impl Lab<'_> {
    async fn run_node(&self, node: &LabNode) -> Findings {
        // The foreign networks that the node was seen to know, and the check after which each was first seen.
        let seen = RefCell::new(HashMap::new());
        let cells = || cells_of(node.version, node.mode).filter(|cell| self.cut.sessions.contains(&cell.session));

        let lanes = TRANSPORTS.map(|transport| {
            let lane = cells().filter(move |cell| cell.transport == transport && cell.session == Session::OneShot);
            self.one_after_the_other(node, lane, &seen)
        });
        let mut checked: Vec<_> = join_all(lanes).await.into_iter().flatten().collect();
        let held = cells().filter(|cell| cell.session != Session::OneShot);
        checked.extend(join_all(held.map(|cell| self.check(node, cell, &seen))).await);
        compare_networks(&mut checked);

        sleep(self.cut.settle).await;
        let mut left = self.left_at(node, &mut checked, &seen.into_inner()).await;
        left.extend(self.last_check(node).await);
        let cells = checked.into_iter().map(|checked| (checked.cell, checked.difference.map_or(Ok(()), Err)));
        let left = left.into_iter().map(|wrong| ((node.version, node.mode), wrong));
        Findings { cells: cells.collect(), left: left.collect() }
    }

    async fn one_after_the_other(
        &self,
        node: &LabNode,
        lane: impl Iterator<Item = Cell>,
        seen: &RefCell<HashMap<String, Cell>>,
    ) -> Vec<Checked> {
        let mut checked = Vec::new();
        for cell in lane {
            checked.push(self.check(node, cell, seen).await);
        }
        checked
    }

    async fn check(&self, node: &LabNode, cell: Cell, seen: &RefCell<HashMap<String, Cell>>) -> Checked {
        let expected = self.expectations.of(&cell).expect("a test compares the table with the cells");
        let must = expected.must;
        let timeout = if must.is_timeout() { SHORT } else { LONG };
        let peer = Peer { timeout: Some(timeout), ..node.as_peer(&cell) };
        let dues = match cell.session {
            Session::OneShot => &HELD[..1],
            Session::Held => &HELD,
            Session::HeldMinute => &MINUTE,
        };
        let mut checking = Checking { cell, expected, held: self.checker.hold(peer), networks: None };
        let mut difference = None;
        let mut started = Instant::now();
        for (check, after) in dues.iter().enumerate() {
            // A check that waits for its timeout takes no processor.
            let permit = match check == 0 && !must.is_timeout() {
                true => Some(self.joining.acquire().await.expect("it is never closed")),
                false => None,
            };
            let due = if check == 0 { Instant::now() } else { started + *after };
            difference = checking.check(self, node, check, due, timeout).await;
            drop(permit);
            if check == 0 {
                started = due;
                let networks = node.foreign_networks().unwrap_or_default();
                networks.into_iter().for_each(|network| _ = seen.borrow_mut().entry(network).or_insert(cell));
            }
            if let Some(difference) = &mut difference {
                *difference = format!("check {} of {}: {difference}", check + 1, dues.len());
                break;
            }
        }
        Checked { cell, difference, held: checking.held.is_open(), networks: checking.networks }
    }

    /// What the node has left of the probe. What belongs to a cell is noted there.
    async fn left_at(&self, node: &LabNode, checked: &mut [Checked], seen: &HashMap<String, Cell>) -> Vec<String> {
        let mut left = Vec::new();
        for network in node.foreign_networks().unwrap_or_default() {
            let words = format!("the node lists the network {network} {:?} later", self.cut.settle);
            match checked.iter_mut().find(|checked| seen.get(&network) == Some(&checked.cell)) {
                Some(checked) => _ = checked.difference.get_or_insert(words),
                None => left.push(words),
            }
        }
        let [peers, routes] = node.peers_and_routes().unwrap_or_default();
        if (peers, routes) != (0, 0) {
            left.push(format!("{peers} peers and {routes} routes of its own network"));
        }
        left
    }

    /// A member's check, which tells how many networks the node counts; the only way to know it of a node that cannot be asked.
    async fn last_check(&self, node: &LabNode) -> Option<String> {
        let result = self.checker.check(&node.as_member(Scheme::Tcp)).await.result;
        let right = (result.status, result.network_count) == (Status::Online, Some(0));
        let (networks, message) = (result.network_count, result.message.unwrap_or_default());
        (!right).then(|| format!("a last check as a member: {:?}, networks {networks:?}, {message}", result.status))
    }
}

/// The repeated check of one cell.
struct Checking<'a> {
    cell: Cell,
    expected: Expectation<'a>,
    held: HeldPeer,
    networks: Option<u32>,
}

impl Checking<'_> {
    /// Checks the peer when it is due, and returns how the report differs from what it must be.
    async fn check(
        &mut self,
        lab: &Lab<'_>,
        node: &LabNode,
        check: usize,
        due: Instant,
        timeout: Duration,
    ) -> Option<String> {
        let report = match self.cell.session {
            Session::OneShot => lab.checker.check(self.held.peer()).await,
            Session::Held | Session::HeldMinute => self.held.next(due).await,
        };
        if check == COUNTED {
            self.networks = report.result.network_count;
        }
        let took = report.timings.total();
        let is_kept = self.cell.session != Session::OneShot && self.expected.must.shows_an_open_session();
        self.expected.difference(&report, self.cell.version, node.hostname()).or_else(|| {
            if self.expected.must.is_prompt() && took > timeout * 4 / 5 {
                return Some(format!("it is right, but took {took:?}"));
            }
            (is_kept && !self.held.is_open()).then(|| "it is right, but the session did not stay open".to_owned())
        })
    }
}

impl Outcome {
    /// Whether a held session is open after the check.
    fn shows_an_open_session(&self) -> bool {
        matches!(self.shows, Shows::AsGuest | Shows::AsMember)
    }
}

/// Compares the number of networks that held members saw with the number of guests at that time.
fn compare_networks(checked: &mut [Checked]) {
    let is = |checked: &Checked, role| checked.cell.session == Session::HeldMinute && checked.cell.role == role;
    let guests = checked.iter().filter(|checked| is(checked, Role::Guest) && checked.held).count() as u32;
    // Those that are checked with a new session each time are counted if they happen to be there.
    let passing = TRANSPORTS.len() as u32 + 1;
    for checked in checked.iter_mut().filter(|checked| is(checked, Role::Member)) {
        let right = checked.networks.is_some_and(|networks| (guests..=guests + passing).contains(&networks));
        if checked.difference.is_none() && !right {
            checked.difference = Some(format!("{:?} networks, but {guests} guests are held", checked.networks));
        }
    }
}
