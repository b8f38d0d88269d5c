//! `hub apply`: makes peers, channels and maintenance windows what a file says.

use std::{
    fs,
    path::{Path, PathBuf},
};

use anyhow::{Context, anyhow, bail};
use clap::Args;
use easytier_probe::peer_list;
use easytier_uptime_alerts::ChannelKind;
use easytier_uptime_hub::{
    peer_file::imported,
    service::{
        Admin, ServiceError, WindowFields,
        apply::{Action, Plan, Wanted, WantedChannel},
    },
};
use easytier_uptime_store::{Access, Conflict, StoreError, domain::NewPeer};
use serde::de::DeserializeOwned;
use serde_json::{Map, Value, json};

use super::{channel::alerts, config::HubConfig, database};
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
/// is given; of a kind that the file does not have (peers, channels, maintenance) nothing is ever removed.
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
}

pub fn run(args: &ApplyArgs, config: &HubConfig) -> anyhow::Result<Exit> {
    let unchanged = || format!("nothing was changed: '{}'", args.file.display());
    let wanted = Wanted { prune: args.prune, ..read(&args.file).with_context(unchanged)? };
    let access = if args.dry_run { Access::Read } else { Access::Change };
    database::with(access, config, async |store| {
        let admin = Admin::new(store.clone());
        let plan = admin.plan(&alerts(store), wanted).await.with_context(unchanged)?;
        if !args.dry_run {
            admin.carry_out(&plan).await.map_err(explained)?;
        }
        show(&plan, args.dry_run)
    })?;
    Ok(Exit::Success)
}

fn explained(error: ServiceError) -> anyhow::Error {
    match error {
        ServiceError::Store(StoreError::Conflict(
            Conflict::PeerChanged
            | Conflict::PeerListed
            | Conflict::ChannelChanged
            | Conflict::ChannelNamed
            | Conflict::MaintenanceChanged,
        )) => anyhow!("nothing was changed: somebody else made changes at the same time; run it again"),
        error => anyhow::Error::new(error).context("nothing was changed"),
    }
}

fn show(plan: &Plan, is_dry: bool) -> anyhow::Result<()> {
    for step in &plan.steps {
        let sign = match step.action {
            Action::Add => '+',
            Action::Change => '~',
            Action::Remove => '-',
        };
        let fields = if step.fields.is_empty() { String::new() } else { format!(": {}", step.fields.join(", ")) };
        print::line(format!("{sign} {} {}{fields}", step.kind, printable(&step.name)))?;
    }
    let number = |action| plan.steps.iter().filter(|step| step.action == action).count();
    let [added, changed, removed] = [Action::Add, Action::Change, Action::Remove].map(number);
    match (plan.steps.is_empty(), is_dry) {
        (true, _) => print::note("there is nothing to do"),
        (false, true) => print::note(format_args!(
            "nothing was changed; without --dry-run: {added} to add, {changed} to change, {removed} to remove"
        )),
        (false, false) => print::note(format_args!("{added} added, {changed} changed, {removed} removed")),
    }
    Ok(())
}

/// The kinds of objects that a file may have.
const KINDS: [&str; 3] = ["peers", "channels", "maintenance"];

/// The fields of a peer. Lists of others may have more, but here a field that is not known is a mistake.
const PEER_FIELDS: [&str; 20] = [
    "url",
    "host",
    "port",
    "protocol",
    "name",
    "description",
    "access",
    "network_name",
    "network_secret",
    "check",
    "timeout_ms",
    "allow_relay",
    "max_connections",
    "tags",
    "regions",
    "qq_number",
    "wechat",
    "mail",
    "is_approved",
    "submitted",
];

/// The fields of a window.
const WINDOW_FIELDS: [&str; 11] =
    ["title", "title_zh", "all", "nodes", "tags", "regions", "start", "time_zone", "minutes", "rrule", "until"];

fn read(file: &Path) -> anyhow::Result<Wanted> {
    let text = fs::read_to_string(file).context("it cannot be read")?;
    let mut document = match file.extension().and_then(|end| end.to_str()) {
        Some("toml") => toml::from_str::<Map<String, Value>>(&text).map_err(|error| anyhow!("{}", error.message()))?,
        Some("yaml" | "yml" | "json") => {
            serde_saphyr::from_str::<Map<String, Value>>(&text).map_err(|error| anyhow!("{}", first_line(&error)))?
        }
        _ => bail!("its name must end in .toml, .yaml, .yml or .json"),
    };
    if let Some(other) = document.keys().find(|key| !KINDS.contains(&key.as_str())) {
        bail!("it has '{}'; it may have {}", printable(other), KINDS.join(", "));
    }
    let mut objects = |kind| document.remove(kind).map(|list| objects_of(kind, list)).transpose();
    Ok(Wanted {
        peers: objects("peers")?.map(peers).transpose()?,
        channels: objects("channels")?.map(channels).transpose()?,
        windows: objects("maintenance")?.map(|list| all("maintenance", list, window)).transpose()?,
        prune: false,
    })
}

/// What is wrong, without the part of the file in which it is: that may hold a secret.
fn first_line(error: &impl std::fmt::Display) -> String {
    error.to_string().lines().next().unwrap_or_default().to_owned()
}

fn objects_of(kind: &str, list: Value) -> anyhow::Result<Vec<Map<String, Value>>> {
    let Value::Array(list) = list else { bail!("'{kind}' is no list") };
    let object = |(number, item)| match item {
        Value::Object(object) => Ok(object),
        _ => Err(anyhow!("{kind} {number} has no fields")),
    };
    (1..).zip(list).map(object).collect()
}

/// All of them, or every mistake.
fn all<T>(
    kind: &str,
    list: Vec<Map<String, Value>>,
    read: impl Fn(Map<String, Value>) -> anyhow::Result<T>,
) -> anyhow::Result<Vec<T>> {
    let (mut read_ones, mut mistakes) = (Vec::with_capacity(list.len()), Vec::new());
    for (number, object) in (1..).zip(list) {
        match read(object) {
            Ok(one) => read_ones.push(one),
            Err(error) => mistakes.push(printable(&format!("{kind} {number}: {error:#}"))),
        }
    }
    if mistakes.is_empty() { Ok(read_ones) } else { bail!("\n{}", indent(&mistakes.join("\n"))) }
}

fn parsed<T: DeserializeOwned>(object: Map<String, Value>) -> anyhow::Result<T> {
    Ok(serde_json::from_value(Value::Object(object))?)
}

fn peers(list: Vec<Map<String, Value>>) -> anyhow::Result<Vec<NewPeer>> {
    all("peers", list, |mut object| {
        take_secret(&mut object, "network_secret")?;
        only("a peer", &object, &PEER_FIELDS)?;
        let read = peer_list::parse(&json!([object]).to_string()).map_err(|problem| anyhow!("it is {problem}"))?;
        let Some((_, peer)) = imported(read).pop() else { bail!("it is no peer") };
        peer.map_err(|problems| anyhow!("{}", problems.iter().map(ToString::to_string).collect::<Vec<_>>().join("; ")))
    })
}

fn window(object: Map<String, Value>) -> anyhow::Result<WindowFields> {
    only("a window", &object, &WINDOW_FIELDS)?;
    parsed(object)
}

/// Refuses a field that is not known: it would be a mistake that nobody notices.
fn only(what: &str, object: &Map<String, Value>, fields: &[&str]) -> anyhow::Result<()> {
    match object.keys().find(|key| !fields.contains(&key.as_str())) {
        Some(other) => bail!("{what} has no field '{other}'"),
        None => Ok(()),
    }
}

fn channels(list: Vec<Map<String, Value>>) -> anyhow::Result<Vec<WantedChannel>> {
    all("channels", list, |mut object| {
        let kind = object.get("kind").and_then(Value::as_str).and_then(ChannelKind::from_name);
        if let (Some(kind), Some(Value::Object(settings))) = (kind, object.get_mut("settings")) {
            for field in kind.fields() {
                take_secret(settings, field.name)?;
            }
            // A port is a number in the file, and a text among the settings.
            for value in settings.values_mut().filter(|value| value.is_number() || value.is_boolean()) {
                *value = value.to_string().into();
            }
        }
        parsed(object)
    })
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
