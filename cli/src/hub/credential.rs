//! `hub token`, `hub key`, `hub enroll`: what probes and readers show the hub.

use std::collections::BTreeMap;

use anyhow::{anyhow, bail};
use clap::{Args, Subcommand};
use easytier_uptime_hub::{
    model::{Credential, CredentialId, Issued, Region},
    store::{Conflict, Store, StoreError},
    time::Timestamp,
    token::CredentialKind,
};
use serde_json::json;

use super::{config::HubConfig, database, peer::joined, print};
use crate::{exit::Exit, text::printable};

/// Tokens by which the hub knows its probes, each bound to one probe and one region
#[derive(Debug, Subcommand)]
pub enum TokenCommand {
    /// Makes a token and prints it alone on standard output; it is never shown again
    ///
    /// The probe takes it as NODE_TOKEN. Example:
    ///   NODE_TOKEN=$(easytier-uptime hub token create --name probe-1 --region eu)
    #[command(verbatim_doc_comment)]
    Create(TokenArgs),
    /// Lists the tokens, without the tokens themselves
    List(ListArgs),
    /// Ends tokens, for good and at once; what their probes saw is kept
    Revoke(RevokeArgs),
}

/// API keys, for programs that list peers without their secrets
#[derive(Debug, Subcommand)]
pub enum KeyCommand {
    /// Makes a key and prints it alone on standard output; it is never shown again
    ///
    /// Whoever uses it sends it as 'Authorization: Bearer KEY' or 'x-api-key: KEY'.
    Create(NamedArgs),
    /// Lists the keys, without the keys themselves
    List(ListArgs),
    /// Ends keys, for good and at once
    Revoke(RevokeArgs),
}

/// Enrollment keys, with which new probes get their own token from the hub by themselves
#[derive(Debug, Subcommand)]
pub enum EnrollCommand {
    /// Makes a key and prints it alone on standard output; it is never shown again
    ///
    /// Probes take it as ENROLLMENT_KEY. It lists no peers and reports nothing.
    Create(EnrollArgs),
    /// Lists the keys, without the keys themselves
    List(ListArgs),
    /// Ends keys, for good and at once; the probes that they enrolled go on
    Revoke(RevokeArgs),
}

#[derive(Debug, Args)]
pub struct TokenArgs {
    /// What to call it in lists
    #[arg(long, value_name = "NAME", value_parser = name)]
    name: String,
    /// Where the probe stands: it gets the peers of this region, and speaks for it
    #[arg(long, value_name = "NAME", default_value_t)]
    region: Region,
    /// The probe's own id (its SERVER_ID); without it the one under which it first reports
    #[arg(long, value_name = "ID", value_parser = easytier_uptime_config::values::server_id)]
    server_id: Option<String>,
}

#[derive(Debug, Args)]
pub struct NamedArgs {
    /// What to call it in lists
    #[arg(long, value_name = "NAME", value_parser = name)]
    name: String,
}

#[derive(Debug, Args)]
pub struct EnrollArgs {
    /// What to call it in lists
    #[arg(long, value_name = "NAME", value_parser = name)]
    name: String,
    /// The only region that it enrolls probes for [default: any]
    #[arg(long, value_name = "NAME")]
    region: Option<Region>,
}

#[derive(Debug, Args)]
pub struct ListArgs {
    /// Print a JSON array instead of a table
    #[arg(long)]
    json: bool,
}

#[derive(Debug, Args)]
pub struct RevokeArgs {
    /// Their numbers, as 'list' shows them
    #[arg(value_name = "ID", required = true)]
    ids: Vec<i64>,
}

pub fn run_token(command: TokenCommand, config: &HubConfig) -> anyhow::Result<Exit> {
    const KIND: CredentialKind = CredentialKind::Node;
    database::with(config, async |store| match command {
        TokenCommand::Create(args) => {
            let TokenArgs { name, region, server_id } = args;
            let issued = store.create_node_token(&name, server_id.as_deref(), &region, Timestamp::now()).await;
            let issued = issued.map_err(|error| match error {
                StoreError::Conflict(Conflict::ProbeElsewhere) => anyhow!(
                    "the probe '{}' stands in another region than '{region}' ('hub token list' tells which); name that \
                     region, or another --server-id",
                    server_id.as_deref().unwrap_or(&name)
                ),
                error => error.into(),
            })?;
            show(&issued, &format!("token {} for the probe '{name}' in region '{region}'", issued.id))
        }
        TokenCommand::List(args) => list(store, KIND, &args).await,
        TokenCommand::Revoke(args) => revoke(store, KIND, &args).await,
    })
}

pub fn run_key(command: KeyCommand, config: &HubConfig) -> anyhow::Result<Exit> {
    const KIND: CredentialKind = CredentialKind::Api;
    database::with(config, async |store| match command {
        KeyCommand::Create(NamedArgs { name }) => {
            let issued = store.create_api_key(&name, Timestamp::now()).await?;
            show(&issued, &format!("API key {} '{name}'", issued.id))
        }
        KeyCommand::List(args) => list(store, KIND, &args).await,
        KeyCommand::Revoke(args) => revoke(store, KIND, &args).await,
    })
}

pub fn run_enroll(command: EnrollCommand, config: &HubConfig) -> anyhow::Result<Exit> {
    const KIND: CredentialKind = CredentialKind::Enrollment;
    database::with(config, async |store| match command {
        EnrollCommand::Create(EnrollArgs { name, region }) => {
            let issued = store.create_enrollment_key(&name, region.as_ref(), Timestamp::now()).await?;
            show(&issued, &format!("enrollment key {} '{name}'", issued.id))
        }
        EnrollCommand::List(args) => list(store, KIND, &args).await,
        EnrollCommand::Revoke(args) => revoke(store, KIND, &args).await,
    })
}

/// The token alone on standard output, for `$(…)`; what it is, for people, beside it.
fn show(issued: &Issued, what: &str) -> anyhow::Result<Exit> {
    print::line(issued.token.expose())?;
    anstream::eprintln!("made {what}; it is shown this once");
    Ok(Exit::Success)
}

async fn list(store: &Store, kind: CredentialKind, args: &ListArgs) -> anyhow::Result<Exit> {
    let credentials = store.credentials(kind).await?;
    if args.json {
        let documents = credentials.iter().map(|credential| {
            json!({
                "id": credential.id,
                "name": credential.name,
                "server_id": credential.server_id,
                "region": credential.region,
                "created_at": credential.created_at,
                "revoked_at": credential.revoked_at,
            })
        });
        print::json(&documents.collect::<Vec<_>>())?;
    } else if credentials.is_empty() {
        anstream::eprintln!("there is no {} yet; 'create' makes one", word(kind));
    } else {
        let row = |credential: &Credential| {
            let revoked = credential.revoked_at.map(|at| format!("revoked {at}"));
            let region = credential.region.as_ref().map(Region::to_string);
            [
                credential.id.to_string(),
                printable(&credential.name),
                credential.server_id.as_deref().map(printable).unwrap_or_default(),
                region.as_deref().map(printable).unwrap_or_default(),
                credential.created_at.to_string(),
                revoked.unwrap_or_default(),
            ]
        };
        let rows: Vec<_> = credentials.iter().map(row).collect();
        print::table(["ID", "NAME", "PROBE", "REGION", "MADE", "STATE"], &rows)?;
    }
    Ok(Exit::Success)
}

/// Ends all of them, or none when one does not exist.
async fn revoke(store: &Store, kind: CredentialKind, args: &RevokeArgs) -> anyhow::Result<Exit> {
    let known: BTreeMap<CredentialId, Credential> =
        store.credentials(kind).await?.into_iter().map(|credential| (credential.id, credential)).collect();
    let ids = args.ids.iter().copied().map(CredentialId);
    let missing: Vec<CredentialId> = ids.clone().filter(|id| !known.contains_key(id)).collect();
    if !missing.is_empty() {
        bail!("there is no {} {}; nothing was revoked, see 'list' for what there is", word(kind), joined(&missing));
    }
    for id in ids {
        let name = printable(&known[&id].name);
        match store.revoke_credential(kind, id, Timestamp::now()).await {
            Ok(()) => print::line(format!("revoked {} {id} '{name}'", word(kind)))?,
            Err(StoreError::NotFound(_)) => print::line(format!("{} {id} '{name}' was revoked before", word(kind)))?,
            Err(error) => return Err(error.into()),
        }
    }
    Ok(Exit::Success)
}

fn word(kind: CredentialKind) -> &'static str {
    match kind {
        CredentialKind::Node => "token",
        CredentialKind::Api => "API key",
        CredentialKind::Enrollment => "enrollment key",
    }
}

fn name(text: &str) -> Result<String, String> {
    let name = text.trim();
    match (1..=128).contains(&name.chars().count()) && !name.contains(char::is_control) {
        true => Ok(name.to_owned()),
        false => Err("write 1 to 128 characters in one line".to_owned()),
    }
}
