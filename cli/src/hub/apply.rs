//! `hub apply`: makes peers, channels and maintenance windows what a file says.

use std::{
    fs,
    path::{Path, PathBuf},
};

use anyhow::{Context, anyhow, bail};
use clap::Args;
use easytier_uptime_alerts::ChannelKind;
use easytier_uptime_hub::service::{ServiceError, apply::Action};
use easytier_uptime_store::{Access, Conflict, StoreError};
use serde_json::{Map, Value};

use super::{
    config::HubConfig,
    desk::{Application, AppliedStep, DeskError, WhichHub},
};
use crate::{exit::Exit, peer_list::indent, print, text::printable};

const EXAMPLES: &str = "\
Example:
  [[peers]]
  url = \"tcp://192.0.2.7:11010\"
  name = \"Shanghai 2\"
  tags = [\"cn\"]

  [[peers]]
  url = \"udp://node.example.net:11010\"
  network_name = \"home\"
  network_secret_env = \"HOME_SECRET\"

  [[channels]]
  name = \"ops\"
  kind = \"webhook\"
  settings = { url_file = \"/run/secrets/hook\" }
  rules = [{ on = [\"down\", \"up\"], after_seconds = 60 }]

  [[maintenance]]
  title = \"Updates\"
  tags = [\"cn\"]
  start = \"2027-01-31T02:00\"
  time_zone = \"Asia/Shanghai\"
  minutes = 90
  rrule = \"FREQ=WEEKLY;BYDAY=SU\"

The fields are those of 'hub peer export', of /api/admin/channels and of /api/admin/maintenance; what is left out
has its default. Peers are told apart by URL and network, channels by name, windows by title. A secret is read
from a file (network_secret_file, url_file) or a variable (network_secret_env, url_env), and never printed.

Exit codes:
  0  done, or there was nothing to do
  2  nothing was changed; all mistakes are printed";

/// Makes peers, channels with their rules, and maintenance windows what a TOML or YAML file says, all or nothing
///
/// It prints what it adds, changes and removes. A second run does nothing. What the file does not name stays, unless --prune
/// is given; of a kind that the file does not have (peers, channels, maintenance) nothing is ever removed. With --hub the key
/// needs the scope peers, and the file may have peers alone; its secrets are read here.
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub struct ApplyArgs {
    /// A file that ends in .toml, .yaml, .yml or .json
    #[arg(value_name = "FILE")]
    file: PathBuf,
    /// Remove what the file does not name, of the kinds that it has
    #[arg(long)]
    prune: bool,
    /// Print what would be done, and change nothing
    #[arg(long)]
    dry_run: bool,

    #[command(flatten)]
    which: WhichHub,
}

pub fn run(args: &ApplyArgs, config: &HubConfig) -> anyhow::Result<Exit> {
    let unchanged = || format!("nothing was changed: '{}'", args.file.display());
    let document = read(&args.file).with_context(unchanged)?;
    let ApplyArgs { prune, dry_run, .. } = *args;
    let access = if dry_run { Access::Read } else { Access::Change };
    let steps = args.which.run(access, config, async |desk| {
        desk.apply(Application { document, prune, dry_run })
            .await
            .map_err(|error| explained(error).context(unchanged()))
    })?;
    show(&steps, dry_run)?;
    Ok(Exit::Success)
}

fn explained(error: DeskError) -> anyhow::Error {
    match error {
        DeskError::Here(ServiceError::Store(StoreError::Conflict(
            Conflict::PeerChanged
            | Conflict::PeerListed
            | Conflict::ChannelChanged
            | Conflict::ChannelNamed
            | Conflict::MaintenanceChanged,
        ))) => anyhow!("somebody else made changes at the same time; run it again"),
        DeskError::Mistakes(mistakes) => anyhow!("\n{}", indent(&printable_lines(&mistakes.0))),
        error => error.into(),
    }
}

fn printable_lines(lines: &[String]) -> String {
    lines.iter().map(|line| printable(line)).collect::<Vec<_>>().join("\n")
}

fn show(steps: &[AppliedStep], is_dry: bool) -> anyhow::Result<()> {
    for step in steps {
        let sign = match step.action {
            Action::Add => '+',
            Action::Change => '~',
            Action::Remove => '-',
        };
        let fields = if step.fields.is_empty() { String::new() } else { format!(": {}", step.fields.join(", ")) };
        print::line(format!("{sign} {} {}", step.kind, printable(&format!("{}{fields}", step.name))))?;
    }
    let number = |action| steps.iter().filter(|step| step.action == action).count();
    let [added, changed, removed] = [Action::Add, Action::Change, Action::Remove].map(number);
    match (steps.is_empty(), is_dry) {
        (true, _) => print::note("there is nothing to do"),
        (false, true) => print::note(format_args!(
            "nothing was changed; without --dry-run: {added} to add, {changed} to change, {removed} to remove"
        )),
        (false, false) => print::note(format_args!("{added} added, {changed} changed, {removed} removed")),
    }
    Ok(())
}

/// The document in a file, with its secrets in place.
fn read(file: &Path) -> anyhow::Result<Map<String, Value>> {
    let text = fs::read_to_string(file).context("it cannot be read")?;
    let mut document = match file.extension().and_then(|end| end.to_str()) {
        Some("toml") => toml::from_str::<Map<String, Value>>(&text).map_err(|error| anyhow!("{}", error.message()))?,
        Some("yaml" | "yml" | "json") => {
            serde_saphyr::from_str::<Map<String, Value>>(&text).map_err(|error| anyhow!("{}", first_line(&error)))?
        }
        _ => bail!("its name must end in .toml, .yaml, .yml or .json"),
    };
    let mut mistakes = take_secrets(&mut document, "peers", |peer| take_secret(peer, "network_secret"));
    mistakes.extend(take_secrets(&mut document, "channels", take_secrets_of_channel));
    match mistakes.is_empty() {
        true => Ok(document),
        false => bail!("\n{}", indent(&printable_lines(&mistakes))),
    }
}

/// What is wrong, without the part of the file in which it is: that may hold a secret.
fn first_line(error: &impl std::fmt::Display) -> String {
    error.to_string().lines().next().unwrap_or_default().to_owned()
}

/// Puts the secrets of the objects of a kind in their place, and returns every mistake.
fn take_secrets(
    document: &mut Map<String, Value>,
    kind: &str,
    take: impl Fn(&mut Map<String, Value>) -> anyhow::Result<()>,
) -> Vec<String> {
    let objects = document.get_mut(kind).and_then(Value::as_array_mut).into_iter().flatten();
    let with_number = (1..).zip(objects).filter_map(|(number, object)| Some((number, object.as_object_mut()?)));
    let mistake = |(number, object)| take(object).err().map(|error| format!("{kind} {number}: {error:#}"));
    with_number.filter_map(mistake).collect()
}

fn take_secrets_of_channel(channel: &mut Map<String, Value>) -> anyhow::Result<()> {
    let kind = channel.get("kind").and_then(Value::as_str).and_then(ChannelKind::from_name);
    if let (Some(kind), Some(Value::Object(settings))) = (kind, channel.get_mut("settings")) {
        for field in kind.fields() {
            take_secret(settings, field.name)?;
        }
    }
    Ok(())
}

/// Replaces `NAME_file` or `NAME_env` by `NAME`, with what the file or the variable holds.
fn take_secret(object: &mut Map<String, Value>, name: &str) -> anyhow::Result<()> {
    let mut place = |end: &str| object.remove(&format!("{name}{end}"));
    let read = match (place("_file"), place("_env")) {
        (None, None) => return Ok(()),
        (Some(Value::String(path)), None) => {
            fs::read_to_string(&path).with_context(|| format!("{name}_file: '{path}' cannot be read"))?
        }
        (None, Some(Value::String(variable))) => {
            std::env::var(&variable).map_err(|_| anyhow!("{name}_env: the variable {variable} is not set"))?
        }
        _ => bail!("write either {name}_file or {name}_env, and a text"),
    };
    let secret = read.trim_end_matches(['\r', '\n']).to_owned();
    match object.insert(name.to_owned(), secret.into()) {
        None => Ok(()),
        Some(_) => bail!("write {name}, {name}_file or {name}_env, and only one of them"),
    }
}
