//! `hub peer import`.

use std::io::{self, Read};

use anyhow::{Context, bail};
use clap::Args;
use easytier_uptime_hub::{
    peer_file::{self, Placed},
    service::Admin,
};
use easytier_uptime_store::Access;

use super::fetch;
use crate::{
    exit::Exit,
    hub::{config::HubConfig, database},
    peer_list::indent,
    print::{self, count},
    text::printable,
};

const EXAMPLES: &str = "\
Examples:
  All nodes of a running site:
    easytier-uptime hub peer import https://uptime.example.com
  From another hub, with secrets:
    easytier-uptime hub peer export --with-secrets | ssh HOST easytier-uptime hub peer import -
  A CSV file whose first line names the columns (url, name, tags, regions, ...):
    easytier-uptime hub peer import nodes.csv

The formats are JSON (an export, an array of peers or of URLs, a backend's response to GET /peers, the
list of the public API), TOML, CSV, and one URL per line. A peer that is listed already, with the same URL and
network, is not changed. Imported peers are approved at once, except those with 'is_approved' false,
which wait for 'hub peer approve'.

Exit codes:
  0  imported
  2  nothing was imported; all mistakes are printed";

/// Adds peers from a file, another hub or a running site
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub struct ImportArgs {
    /// A file, '-' for standard input, or the URL of a site or of its list of nodes
    #[arg(value_name = "FILE|URL|-")]
    source: String,
    /// Skip peers that are not valid, and import the others
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
    let invalid = total - candidates.len();
    if !problems.is_empty() {
        let list = indent(&problems.join("\n"));
        if !args.skip_invalid {
            bail!(
                "nothing was imported, because {invalid} of {} are not valid; fix them, or pass --skip-invalid to skip \
                 them:\n{list}",
                count(total, "peer")
            );
        }
        print::note(format_args!("warning: skipped {}:\n{list}", count(invalid, "peer")));
    }
    if candidates.is_empty() {
        bail!("there is nothing to import: {} lists no valid peer", args.source);
    }
    let done = database::with(Access::Change, config, async |store| {
        Admin::new(store.clone()).import_nodes(candidates).await.context("nothing was imported")
    })?;
    let pending =
        if done.waiting == 0 { String::new() } else { format!(", {} of them pending approval", done.waiting) };
    print::line(format!("imported {}{pending}; {} listed already", count(done.added, "peer"), done.known))?;
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
