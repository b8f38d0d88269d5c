//! `hub peer import`.

use std::io::{self, Read};

use anyhow::{Context, bail};
use clap::Args;
use easytier_uptime_hub::{
    model::PeerSpec,
    store::{Conflict, Store, StoreError},
    time::Timestamp,
};
use serde_json::Value;

use super::{
    csv,
    document::{Candidate, Entry},
    fetch,
};
use crate::{
    exit::Exit,
    hub::{config::HubConfig, database, print, print::count},
    peer_list::indent,
    text::printable,
};

const EXAMPLES: &str = "\
Examples:
  Take over the nodes of a running site, all pages of them:
    easytier-uptime hub peer import https://uptime.example.com
  From another hub, secrets and all:
    easytier-uptime hub peer export --with-secrets | ssh HOST easytier-uptime hub peer import -
  A spreadsheet, whose first line names its columns (url, name, tags, regions, ...):
    easytier-uptime hub peer import nodes.csv

It reads JSON (an export, an array of peers or of URLs, a backend's answer to GET /peers, the
public API's list), CSV, and URLs one a line. A peer that is listed already, with the same URL and
network, stays as it is. What is imported is approved at once, unless it says 'is_approved' false:
then it waits for 'hub peer approve'.

Exit codes:
  0  imported
  2  something was wrong, all of which is told, and nothing was imported";

/// Adds peers from a file, another hub or a running site
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub struct ImportArgs {
    /// A file, '-' for standard input, or the URL of a site or of its list of nodes
    #[arg(value_name = "FILE|URL|-")]
    source: String,
    /// Import the rest when some peers cannot be
    #[arg(long)]
    skip_invalid: bool,
}

/// Where a peer stands in a list, and what came of reading it.
pub type Placed = (String, Result<Candidate, Vec<String>>);

pub fn run(args: ImportArgs, config: &HubConfig) -> anyhow::Result<Exit> {
    let read = if fetch::is_url(&args.source) { fetch::all(&args.source)? } else { from_file(&args.source)? };
    let total = read.len();
    let mut candidates = Vec::with_capacity(total);
    let mut problems = Vec::new();
    for (place, outcome) in read {
        match outcome {
            Ok(candidate) => candidates.push(candidate),
            Err(more) => problems.extend(more.into_iter().map(|problem| printable(&format!("{place}: {problem}")))),
        }
    }
    let wrong = total - candidates.len();
    if !problems.is_empty() {
        let list = indent(&problems.join("\n"));
        if !args.skip_invalid {
            bail!(
                "nothing was imported, because {} of {} cannot be; mend them, or leave them out with --skip-invalid:\n{list}",
                wrong,
                count(total, "peer")
            );
        }
        anstream::eprintln!(
            "warning: {} left out:\n{list}",
            if wrong == 1 { "1 is".to_owned() } else { format!("{wrong} are") }
        );
    }
    if candidates.is_empty() {
        bail!("there is nothing to import: {} lists no peer that can be", args.source);
    }
    let done = database::with(config, async |store| store_all(store, candidates).await)?;
    let waiting = if done.waiting == 0 { String::new() } else { format!(", {} of them to be approved", done.waiting) };
    print::line(format!("imported {}{waiting}; {} listed already", count(done.added, "peer"), done.known))?;
    Ok(Exit::Success)
}

#[derive(Debug, Default)]
struct Done {
    added: usize,
    known: usize,
    waiting: usize,
}

/// The operator's peers all or none, then those that strangers had named, which stay theirs.
async fn store_all(store: &Store, candidates: Vec<Candidate>) -> anyhow::Result<Done> {
    let now = Timestamp::now();
    let (own, others): (Vec<Candidate>, Vec<Candidate>) =
        candidates.into_iter().partition(|candidate| candidate.approved && !candidate.submitted);
    let own: Vec<PeerSpec> = own.into_iter().map(|candidate| candidate.spec).collect();
    let imported = store.import_peers(&own, now).await.context("nothing was imported")?;
    let mut done = Done { added: imported.added, known: imported.known, waiting: 0 };
    for Candidate { spec, approved, .. } in others {
        match store.submit_peer(&spec, now).await {
            Ok(id) if approved => {
                store.set_approved(id, true, now).await?;
                done.added += 1;
            }
            Ok(_) => {
                done.added += 1;
                done.waiting += 1;
            }
            Err(StoreError::Conflict(Conflict::PeerListed)) => done.known += 1,
            Err(error) => return Err(error.into()),
        }
    }
    Ok(done)
}

fn from_file(source: &str) -> anyhow::Result<Vec<Placed>> {
    let (name, text) = if source == "-" {
        let mut text = String::new();
        ("standard input".to_owned(), io::stdin().read_to_string(&mut text).map(|_| text))
    } else {
        (format!("'{source}'"), std::fs::read_to_string(source))
    };
    let text = text.with_context(|| format!("cannot read {name}"))?;
    parse(&text).map_err(|problem| anyhow::anyhow!("nothing was imported: {name} is {problem}"))
}

/// The peers of a text in whichever form it is.
pub fn parse(text: &str) -> Result<Vec<Placed>, String> {
    let text = text.trim_start_matches('\u{feff}');
    let first = text.lines().map(str::trim).find(|line| !line.is_empty() && !line.starts_with('#')).unwrap_or_default();
    if first.starts_with(['{', '[']) {
        let document = serde_json::from_str(text).map_err(|error| format!("not JSON: {error}"))?;
        return Ok(of_json(list_of(document)?, 1));
    }
    // A list of URLs names no columns.
    if first.contains("://") && !first.contains(',') {
        let lines =
            (1..).zip(text.lines()).map(|(number, line)| (number, line.split(" #").next().unwrap_or_default().trim()));
        let lines = lines.filter(|(_, line)| !line.is_empty() && !line.starts_with('#'));
        return Ok(lines
            .map(|(number, line)| (format!("line {number}"), Entry::of_url(line).into_candidate()))
            .collect());
    }
    let rows = csv::read(text)?;
    let row = |(line, row): csv::Row| match row {
        Ok(value) => of_value(&format!("line {line}"), value),
        Err(problem) => (format!("line {line}"), Err(vec![problem])),
    };
    Ok(rows.into_iter().map(row).collect())
}

/// The array of peers in a document: it alone, the contract's `peers`, or the public API's `items`.
pub fn list_of(mut document: Value) -> Result<Vec<Value>, String> {
    let places = ["/data/items", "/data/peers", "/peers", "/items", "/data"];
    let list =
        places.iter().find_map(|place| document.pointer_mut(place).filter(|list| list.is_array()).map(Value::take));
    match list.unwrap_or(document) {
        Value::Array(list) => Ok(list),
        _ => Err("no list of peers: expected an array of peers, or an object with 'peers' or 'data.items'".to_owned()),
    }
}

/// The peers of an array, the first of which is the `first` of the whole list.
pub fn of_json(list: Vec<Value>, first: usize) -> Vec<Placed> {
    (first..).zip(list).map(|(number, value)| of_value(&format!("peer {number}"), value)).collect()
}

fn of_value(place: &str, value: Value) -> Placed {
    let entry = match &value {
        Value::String(url) => Ok(Entry::of_url(url)),
        _ => serde_json::from_value::<Entry>(value.clone()),
    };
    match entry {
        Ok(entry) => {
            let place = match entry.label() {
                Some(label) => format!("{place} ('{label}')"),
                None => place.to_owned(),
            };
            (place, entry.into_candidate())
        }
        // The words may repeat a value, but a secret is a text, and any text can be one.
        Err(error) => (place.to_owned(), Err(vec![format!("not a peer: {error}")])),
    }
}
