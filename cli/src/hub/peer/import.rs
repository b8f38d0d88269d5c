//! `hub peer import`.

use std::io::{self, Read};

use anyhow::{Context, bail};
use clap::Args;
use easytier_uptime_hub::{
    peer_file::{self, Placed},
    service::Admin,
};

use super::fetch;
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
public API's list), TOML, CSV, and URLs one a line. A peer that is listed already, with the same URL and
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
    let done = database::with(config, async |store| {
        Admin::new(store.clone()).import_nodes(candidates).await.context("nothing was imported")
    })?;
    let waiting = if done.waiting == 0 { String::new() } else { format!(", {} of them to be approved", done.waiting) };
    print::line(format!("imported {}{waiting}; {} listed already", count(done.added, "peer"), done.known))?;
    Ok(Exit::Success)
}

fn from_file(source: &str) -> anyhow::Result<Vec<Placed>> {
    let (name, text) = if source == "-" {
        let mut text = String::new();
        ("standard input".to_owned(), io::stdin().read_to_string(&mut text).map(|_| text))
    } else {
        (format!("'{source}'"), std::fs::read_to_string(source))
    };
    let text = text.with_context(|| format!("cannot read {name}"))?;
    peer_file::parse(&text).map_err(|problem| anyhow::anyhow!("nothing was imported: {name} is {problem}"))
}
