//! `hub region`: the regions of probes.

use anyhow::anyhow;
use clap::{Args, Subcommand};
use easytier_uptime_store::{Access, domain::Region};

use super::{
    config::HubConfig,
    desk::{Desk, DeskError, ListedRegion, WhichHub},
};
use crate::{exit::Exit, print, text::printable};

/// Manages the regions of probes; a region is added with its first probe, token or key
///
/// With --hub the key needs the scope nodes.
#[derive(Debug, Subcommand)]
pub enum RegionCommand {
    List(ListArgs),
    Rename(RenameArgs),
    Remove(RemoveArgs),
}

/// Lists the regions, with the numbers of their probes, valid node tokens and valid enrollment keys
///
/// CHECKED is the number of peers with results in the region, NAMED that of peers that are checked only from named regions,
/// this one among them.
#[derive(Debug, Args)]
pub struct ListArgs {
    /// Print a JSON array instead of a table
    #[arg(long)]
    json: bool,

    #[command(flatten)]
    which: WhichHub,
}

/// Gives a region another name
///
/// Its probes, tokens, keys, peers and history stay with it. Maintenance windows, rules of alerts and submissions that name it
/// name it anew. Probes that are configured with the former name (REGION) work on for 90 days; change their configuration
/// until then. The name of another region is refused: regions are not merged. So is a rename in a cluster of instances, which
/// know regions by their names.
#[derive(Debug, Args)]
pub struct RenameArgs {
    /// The name that it has
    #[arg(value_name = "OLD")]
    old: Region,
    /// The name that it gets
    #[arg(value_name = "NEW")]
    new: Region,

    #[command(flatten)]
    which: WhichHub,
}

/// Removes a region with its probes and all their results
///
/// It is refused while a probe of the region is not offline, while node tokens or enrollment keys for it are valid, while peers name
/// it, and in a cluster of instances.
#[derive(Debug, Args)]
pub struct RemoveArgs {
    /// The name of the region
    #[arg(value_name = "NAME")]
    name: Region,

    #[command(flatten)]
    which: WhichHub,
}

pub fn run(command: RegionCommand, config: &HubConfig) -> anyhow::Result<Exit> {
    match command {
        RegionCommand::List(args) => {
            let regions = args.which.run(Access::Read, config, async |desk| Ok(desk.regions().await?))?;
            list(&regions, args.json)?;
        }
        RegionCommand::Rename(args) => {
            args.which.run(Access::Change, config, async |desk| rename(desk, &args).await)?
        }
        RegionCommand::Remove(args) => {
            args.which.run(Access::Change, config, async |desk| remove(desk, &args.name).await)?;
        }
    }
    Ok(Exit::Success)
}

fn list(regions: &[ListedRegion], as_json: bool) -> anyhow::Result<()> {
    if as_json {
        return print::json(&regions);
    }
    if regions.is_empty() {
        print::note("there are no regions yet; 'hub token create --region NAME' adds one");
        return Ok(());
    }
    let row = |one: &ListedRegion| {
        let ListedRegion { name, probes, node_tokens, enrollment_keys, named, checked } = one;
        let numbers = [probes, node_tokens, enrollment_keys, checked, named].map(u64::to_string);
        let [probes, tokens, keys, checked, named] = numbers;
        [printable(name), probes, tokens, keys, checked, named]
    };
    let rows: Vec<_> = regions.iter().map(row).collect();
    Ok(print::table(["REGION", "PROBES", "TOKENS", "KEYS", "CHECKED", "NAMED"], &rows)?)
}

/// What to say when there is no such region.
fn explained(error: DeskError, region: &Region) -> anyhow::Error {
    match error.is_not_found() {
        true => anyhow!("there is no region '{}'; see 'hub region list'", printable(region.as_str())),
        false => error.into(),
    }
}

async fn rename(desk: &Desk, RenameArgs { old, new, .. }: &RenameArgs) -> anyhow::Result<()> {
    desk.rename_region(old, new).await.map_err(|error| explained(error, old))?;
    let (old, new) = (printable(old.as_str()), printable(new.as_str()));
    print::line(format!("renamed region '{old}' to '{new}'"))?;
    print::note(format_args!("probes with REGION={old} work on for 90 days; set REGION={new} until then"));
    Ok(())
}

async fn remove(desk: &Desk, region: &Region) -> anyhow::Result<()> {
    desk.remove_region(region).await.map_err(|error| explained(error, region))?;
    Ok(print::line(format!("removed region '{}'", printable(region.as_str())))?)
}
