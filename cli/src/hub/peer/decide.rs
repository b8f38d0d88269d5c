//! `hub peer approve` and `hub peer reject`: decisions on submissions.

use anyhow::{anyhow, bail};
use clap::Args;
use easytier_uptime_hub::service::{Admin, Decision, MAX_DECIDED, NodeId, ServiceError};
use easytier_uptime_store::{
    Access, Conflict, StoreError,
    domain::{NodeFilter, PageRequest, PeerOrder, Submission},
};

use super::for_each;
use crate::{
    exit::Exit,
    hub::{
        config::HubConfig,
        database,
        desk::{DeskError, WhichHub, url_and_name},
    },
    print::{self, count},
};

#[derive(Debug, Args)]
pub struct DecideArgs {
    /// IDs (first column of 'hub peer list'); those of submissions are negative
    #[arg(value_name = "ID", required_unless_present = "all", conflicts_with = "all", allow_negative_numbers = true)]
    ids: Vec<i64>,
    /// All submissions that wait, with --yes ('hub peer list --pending' shows them); it needs the database
    #[arg(long, conflicts_with = "hub")]
    all: bool,
    /// Confirm --all
    #[arg(long, requires = "all")]
    yes: bool,

    #[command(flatten)]
    which: WhichHub,
}

/// Approves submissions, and peers that are not listed.
pub fn approve(args: &DecideArgs, config: &HubConfig) -> anyhow::Result<Exit> {
    if args.all {
        return all(Decision::Approve, args.yes, config);
    }
    for_each(&args.ids, &args.which, config, "approved", async |desk, peer| {
        let id = desk.approve_peer(peer.id()).await.map_err(|error| match error {
            DeskError::Here(ServiceError::Store(StoreError::Conflict(Conflict::PeerListed))) => {
                anyhow!("{} is a peer already, with the same network; see 'hub peer list'", peer.url_and_name())
            }
            error => error.into(),
        })?;
        Ok(match peer.id() {
            NodeId::Pending(submission) => format!("approved submission -{submission}: it is peer {id}"),
            NodeId::Peer(_) => format!("approved peer {id}"),
        })
    })
}

/// Rejects submissions, and never removes a peer.
pub fn reject(args: &DecideArgs, config: &HubConfig) -> anyhow::Result<Exit> {
    if args.all {
        return all(Decision::Reject, args.yes, config);
    }
    if let Some(id) = args.ids.iter().find(|id| **id >= 0) {
        bail!("{id} is no submission, whose ID is negative; nothing was rejected, and 'hub peer remove' removes peers");
    }
    for_each(&args.ids, &args.which, config, "rejected", async |desk, peer| {
        desk.remove_peer(peer.id()).await?;
        Ok(format!("rejected submission {}", peer.id()))
    })
}

/// Decides on all submissions that wait.
fn all(decision: Decision, is_confirmed: bool, config: &HubConfig) -> anyhow::Result<Exit> {
    let (verb, done) = match decision {
        Decision::Approve => ("approve", "approved"),
        Decision::Reject => ("reject", "rejected"),
    };
    database::with(Access::Change, config, async |store| {
        let everything = PageRequest { page: 1, per_page: u32::MAX };
        let waiting = store.submissions(&NodeFilter::default(), PeerOrder::OldestFirst, everything).await?.items;
        if waiting.is_empty() {
            print::note("no submission waits");
            return Ok(());
        }
        if !is_confirmed {
            bail!(
                "nothing was {done}: {} waiting ('hub peer list --pending'); pass --yes to {verb} all",
                match waiting.len() {
                    1 => "1 submission is".to_owned(),
                    more => format!("{} are", count(more, "submission")),
                }
            );
        }
        let admin = Admin::new(store.clone());
        for part in waiting.chunks(MAX_DECIDED) {
            let decided = admin.decide(decision, part.iter().map(|one| NodeId::Pending(one.id))).await?;
            let named = |id: NodeId| {
                let is_it = |one: &&Submission| NodeId::Pending(one.id) == id;
                part.iter()
                    .find(is_it)
                    .map(|one| url_and_name(&one.spec.url.full(), &one.spec.name))
                    .unwrap_or_default()
            };
            for (id, peer) in decided.done {
                let became = peer.map(|peer| format!(": it is peer {peer}")).unwrap_or_default();
                print::line(format!("{done} submission {id}{became}: {}", named(id)))?;
            }
            for id in decided.listed {
                print::note(format!("submission {id} is a peer already, and goes on waiting: {}", named(id)));
            }
        }
        Ok(())
    })?;
    Ok(Exit::Success)
}
