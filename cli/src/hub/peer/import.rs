//! `hub peer import`.

use std::path::Path;

use anyhow::{Context, anyhow, bail};
use clap::Args;
use easytier_probe::peer_url::without_secrets;
use easytier_uptime_hub::{peer_file::imported, service::Admin};
use easytier_uptime_store::{Access, domain::NewPeer};

use crate::{
    exit::Exit,
    hub::{config::HubConfig, database},
    peer_list::{self, indent},
    print::{self, count},
    text::printable,
};

const EXAMPLES: &str = "\
Examples:
  All nodes of a running site, after a look at what would be added:
    easytier-uptime hub peer import --dry-run https://uptime.example.com
    easytier-uptime hub peer import https://uptime.example.com
  From another hub, with secrets:
    easytier-uptime hub peer export --with-secrets | ssh HOST easytier-uptime hub peer import -
  A CSV file whose first line names the columns (url, name, tags, regions, ...):
    easytier-uptime hub peer import nodes.csv

The forms are JSON (an export, an array of peers or of URLs, a backend's response to GET /peers, the list of the
public API, easytier-worker, a status page of Uptime Kuma, the announcement of PCL-CE), TOML ([[peers]], or the
config.toml of EasyTier), CSV, an easytier-core or docker command line, and URLs. A list at a URL is read to its last
page. A file that says that it is only one page is refused. A peer that is listed already, with the same URL and
network, is not changed. Imported peers are approved at once, except those with 'is_approved' false,
which stay unlisted until 'hub peer approve'. An import replaces submissions of the same peers.

Whoever runs a site decides what its list says. So peers from a URL are treated as a stranger's: checks reach
them at public addresses only. --trust treats them as your own; it is for a site of yours.

Exit codes:
  0  imported, or shown by --dry-run
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
    /// Treat the peers of a URL as your own: checks may reach private addresses
    #[arg(long)]
    trust: bool,
    /// Print what would be imported, and change nothing
    #[arg(long)]
    dry_run: bool,
}

pub fn run(args: ImportArgs, config: &HubConfig) -> anyhow::Result<Exit> {
    let path = Path::new(&args.source);
    let read = imported(peer_list::entries(path).map_err(|problem| anyhow!("nothing was imported: {problem}"))?);
    let total = read.len();
    let mut peers: Vec<NewPeer> = Vec::with_capacity(total);
    let mut problems = Vec::new();
    for (place, outcome) in read {
        match outcome {
            Ok(peer) => peers.push(peer),
            Err(more) => problems.extend(more.into_iter().map(|problem| printable(&format!("{place}: {problem}")))),
        }
    }
    let invalid = total - peers.len();
    if !problems.is_empty() {
        if !args.skip_invalid {
            let list = indent(&problems.join("\n"));
            bail!(
                "nothing was imported, because {invalid} of {} are not valid; fix them, or pass --skip-invalid to skip \
                 them:\n{list}",
                count(total, "peer")
            );
        }
        peer_list::warn_of_skipped(invalid, &problems);
    }
    if peers.is_empty() {
        bail!("there is nothing to import: {} lists no valid peer", without_secrets(&args.source));
    }
    if peer_list::url_in(path).is_some() && !args.trust {
        // The document cannot say otherwise.
        peers.iter_mut().for_each(|peer| peer.submitted = true);
    }
    let access = if args.dry_run { Access::Read } else { Access::Change };
    database::with(access, config, async |store| {
        let admin = Admin::new(store.clone());
        match args.dry_run {
            true => preview(&admin, &peers).await,
            false => import(&admin, &peers).await,
        }
    })?;
    Ok(Exit::Success)
}

async fn import(admin: &Admin, peers: &[NewPeer]) -> anyhow::Result<()> {
    // The connection may break after the database has done it.
    let counts = admin.import_nodes(peers).await.context(
        "the import failed; either all peers were imported or none, and importing them again adds those that are missing",
    )?;
    let unlisted = match counts.unlisted {
        0 => String::new(),
        unlisted => format!(", {unlisted} of them not approved"),
    };
    Ok(print::line(format!("imported {}{unlisted}; {} listed already", count(counts.added, "peer"), counts.known))?)
}

async fn preview(admin: &Admin, peers: &[NewPeer]) -> anyhow::Result<()> {
    let are_new = admin.importable(peers).await?;
    let rows: Vec<_> = peers.iter().zip(&are_new).map(|(peer, is_new)| row(peer, *is_new)).collect();
    print::table(["IMPORT", "ADDRESSES", "URL", "NAME", "NETWORK", "TAGS"], &rows)?;
    let new = are_new.iter().filter(|is_new| **is_new).count();
    print::note(format_args!(
        "nothing was imported; without --dry-run {} would be added, and {} are listed already",
        count(new, "peer"),
        peers.len() - new
    ));
    Ok(())
}

fn row(peer: &NewPeer, is_new: bool) -> [String; 6] {
    let spec = &peer.spec;
    let name = if spec.url.is_written_as(&spec.name) { String::new() } else { printable(&spec.name) };
    [
        if is_new { "new" } else { "listed already" }.to_owned(),
        if peer.submitted { "public only" } else { "any" }.to_owned(),
        spec.url.to_string(),
        name,
        spec.network_name.as_deref().map(printable).unwrap_or_default(),
        printable(&spec.tags.iter().map(ToString::to_string).collect::<Vec<_>>().join(" ")),
    ]
}
