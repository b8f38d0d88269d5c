//! `docs/compatibility.md`: the table, and what was found.

use std::{collections::BTreeMap, fmt::Write, time::Duration};

use easytier_probe::Scheme;

use crate::{
    cell::{Cell, Mode, Role, Session, TRANSPORTS, Version, all_nodes},
    expectations::Expectations,
    lab::Findings,
};

const INTRODUCTION: &str = "\
# Compatibility

What a check of a real EasyTier node reports: nodes of 2.0.3, the newest crate, and of 2.6.4, the newest release, in every
mode, over every transport. `tools/compat` writes this page: do not edit it. What must be reported stands in
[expectations.toml](../tests/compat/expectations.toml), and was written before the first run.

- **guest**: as a stranger would use the node; **member**: with the name and the secret of its network; **wrong secret**: with
  the name and another secret; **other network**: as a member of a network that is not the node's; **handshake only**: as a
  guest, and no further than the handshake.
- **one-shot**: one check; **held**: two checks on one session; **held 60 s**: a check every 5 s for a minute. A session must stay
  open where the node admits the probe, and a check must report the same each time.
- *version*, *host name* and *networks* are in the report, and are right. Guests are told another host name, `PublicServer_…`,
  and no number of networks. Everything else stays empty, except that a check as a member of another network may say what a guest
  sees. A check that does not end by a timeout must end well before it.
- After the last check each node must have forgotten the probe: no foreign network, no peer and no route of it is left.
";

/// The heading of the part that [`with_endurance`] replaces.
const ENDURANCE: &str = "## Endurance\n";

/// Several runs.
pub struct Runs {
    pub findings: Vec<Findings>,
    pub took: Duration,
}

/// The page about these runs. `before` is the page as it was.
pub fn page(expectations: &Expectations, runs: &Runs, before: &str) -> String {
    let Runs { findings, took } = runs;
    let endurance = before.find(ENDURANCE).map_or("", |start| &before[start..]);
    let page = page_of_cells(expectations, findings, &total(findings, *took));
    format!("{page}\n{endurance}").trim_end().to_owned() + "\n"
}

/// The page `before` with another text about the endurance of nodes.
pub fn with_endurance(before: &str, text: &str) -> String {
    let cells = before.find(ENDURANCE).map_or(before, |start| &before[..start]);
    format!("{}\n\n{ENDURANCE}\n{text}", cells.trim_end())
}

fn page_of_cells(expectations: &Expectations, runs: &[Findings], total: &str) -> String {
    let mut page = format!("{INTRODUCTION}\n{total}\n");
    for (version, mode) in all_nodes() {
        writeln!(page, "\n## EasyTier {version}: {mode}\n").unwrap();
        match expectations.why_missing(version, mode) {
            Some(why) => writeln!(page, "Not possible: {why}.").unwrap(),
            None => section(&mut page, expectations, runs, (version, mode)),
        }
    }
    page
}

/// The parts of a page that come from the table.
pub fn expected_parts(page: &str) -> Vec<&str> {
    let table = page.lines().filter(|line| line.starts_with("## EasyTier") || line.starts_with("Not possible"));
    let rows = page.lines().filter(|line| line.starts_with("| "));
    let rows = rows.map(|row| row.trim_end_matches(" |").rsplit_once(" | ").expect("a row has columns").0);
    table.chain(rows).collect()
}

/// This program and this day.
pub fn origin() -> String {
    format!("easytier-uptime {}, {}", env!("CARGO_PKG_VERSION"), chrono::Utc::now().format("%Y-%m-%d"))
}

fn total(runs: &[Findings], took: Duration) -> String {
    let cells = runs.first().map_or(0, |run| run.cells.len());
    let wrong = runs.iter().flat_map(|run| &run.cells).filter(|(_, found)| found.is_err()).count();
    let left = runs.iter().map(|run| run.left.len()).sum::<usize>();
    let (runs, minutes) = (runs.len(), (took.as_secs_f64() / 60.0).round());
    format!(
        "**{cells} cells, {runs} runs: {wrong} wrong. Nodes that kept something of the probe: {left}.**\n\n\
         `tools/compat --runs {runs}` ({}) took {minutes} minutes.",
        origin()
    )
}

fn section(page: &mut String, expectations: &Expectations, runs: &[Findings], (version, mode): (Version, Mode)) {
    page.push_str("| check | over | session | must report | right |\n|---|---|---|---|---|\n");
    for role in Role::ALL {
        for (row, must) in rows(expectations, version, mode, *role) {
            let [over, session] = [list(&row.transports), list(&row.sessions)];
            let session = if row.sessions == Session::ALL { "each".to_owned() } else { session };
            let found: Vec<_> = runs.iter().flat_map(|run| run.of(&row)).collect();
            let right = found.iter().filter(|(_, found)| found.is_ok()).count();
            writeln!(page, "| {role} | {over} | {session} | {must} | {right} of {} |", found.len()).unwrap();
        }
    }
    let of_node = |cell: &Cell| (cell.version, cell.mode) == (version, mode);
    let wrong = runs.iter().flat_map(|run| &run.cells).filter(|(cell, _)| of_node(cell));
    let wrong = wrong.filter_map(|(cell, found)| Some(format!("{cell}: {}", found.as_ref().err()?)));
    let left = runs.iter().flat_map(|run| &run.left).filter(|(node, _)| *node == (version, mode));
    let lines: Vec<String> = wrong.chain(left.map(|(_, words)| words.clone())).collect();
    if !lines.is_empty() {
        page.push_str("\nWrong:\n\n");
    }
    lines.iter().for_each(|line| writeln!(page, "- {line}").unwrap());
}

/// Cells with the same expectation: each transport with each session.
struct Row {
    version: Version,
    mode: Mode,
    role: Role,
    transports: Vec<Scheme>,
    sessions: Vec<Session>,
}

fn rows(expectations: &Expectations, version: Version, mode: Mode, role: Role) -> Vec<(Row, String)> {
    let mut rows: Vec<(Row, String)> = Vec::new();
    for transport in TRANSPORTS {
        let mut by_outcome: BTreeMap<String, Vec<Session>> = BTreeMap::new();
        for &session in Session::ALL {
            let outcome = expectations.of(&Cell { version, mode, role, transport, session }).expect("a rule");
            by_outcome.entry(outcome.to_string()).or_default().push(session);
        }
        for (must, sessions) in by_outcome {
            match rows.iter_mut().find(|(row, other)| (&row.sessions, other) == (&sessions, &must)) {
                Some((row, _)) => row.transports.push(transport),
                None => rows.push((Row { version, mode, role, transports: vec![transport], sessions }, must)),
            }
        }
    }
    rows
}

impl Findings {
    fn of<'a>(&'a self, row: &'a Row) -> impl Iterator<Item = &'a (Cell, Result<(), String>)> {
        self.cells.iter().filter(|(cell, _)| {
            (cell.version, cell.mode, cell.role) == (row.version, row.mode, row.role)
                && row.transports.contains(&cell.transport)
                && row.sessions.contains(&cell.session)
        })
    }
}

fn list<T: ToString>(values: &[T]) -> String {
    values.iter().map(T::to_string).collect::<Vec<_>>().join(", ")
}
