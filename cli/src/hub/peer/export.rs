//! `hub peer export`.

use std::{
    fs::OpenOptions,
    io::{self, Write},
    os::unix::fs::{OpenOptionsExt, PermissionsExt},
    path::{Path, PathBuf},
};

use anyhow::Context;
use clap::{Args, ValueEnum};
use easytier_uptime_hub::{
    peer_file::{Access, csv},
    service::Admin,
};
use easytier_uptime_store::{Access as StoreAccess, Store};

use crate::{
    exit::Exit,
    hub::{config::HubConfig, database},
    print::{self, count},
};

const EXAMPLES: &str = "\
Examples:
  easytier-uptime hub peer export > peers.json
  easytier-uptime hub peer export --format csv --output peers.csv
  easytier-uptime hub peer export --with-secrets --output peers.json     to move to another hub";

/// Writes all peers as JSON or CSV, for 'hub peer import'
///
/// 'easytier-uptime check --file' and 'easytier-uptime once --peers' read the JSON too.
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub struct ExportArgs {
    /// Output format
    #[arg(long, short, value_name = "FORMAT", value_enum, default_value = "json")]
    format: Format,
    /// Write to this file instead of standard output; with secrets only its owner can read it
    #[arg(long, short, value_name = "FILE")]
    output: Option<PathBuf>,
    /// Include the network secrets, in plain text
    #[arg(long)]
    with_secrets: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Format {
    /// An array of objects
    Json,
    /// A table; tags and regions are joined by commas
    Csv,
}

pub fn run(args: &ExportArgs, config: &HubConfig) -> anyhow::Result<Exit> {
    let export = async |store: &Store| Ok(Admin::new(store.clone()).export_nodes(args.with_secrets).await?);
    let documents = database::with(StoreAccess::Read, config, export)?;
    let secrets = documents.iter().filter(|document| document.access == Access::Member).count();
    let text = match args.format {
        Format::Json => serde_json::to_string_pretty(&documents)? + "\n",
        Format::Csv => csv::write(&documents, args.with_secrets)?,
    };
    match &args.output {
        Some(file) => {
            write(file, &text, args.with_secrets).with_context(|| format!("cannot write to '{}'", file.display()))?
        }
        None => io::stdout().write_all(text.as_bytes())?,
    }
    match (secrets, args.with_secrets) {
        (0, _) => {}
        (_, true) => print::note(format_args!(
            "warning: the export holds the secrets of {} in plain text; keep it where nobody else can read it",
            count(secrets, "network")
        )),
        (_, false) => print::note(format_args!(
            "note: the network secrets of {} are left out, and an import refuses peers without them; --with-secrets \
             includes them",
            count(secrets, "peer")
        )),
    }
    Ok(Exit::Success)
}

fn write(file: &Path, text: &str, is_private: bool) -> io::Result<()> {
    let mut options = OpenOptions::new();
    options.write(true).create(true).truncate(true);
    if is_private {
        options.mode(0o600);
    }
    let mut file = options.open(file)?;
    if is_private && file.metadata()?.is_file() {
        // An existing file keeps its permissions when it is opened.
        file.set_permissions(PermissionsExt::from_mode(0o600))?;
    }
    file.write_all(text.as_bytes())
}
