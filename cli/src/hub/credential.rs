//! `hub token`, `hub key`, `hub enroll`: the credentials of probes and readers.

use std::collections::BTreeMap;

use anyhow::{anyhow, bail};
use clap::{Args, Subcommand};
use easytier_uptime_hub::service::{Admin, CredentialRequest, MAX_NAME, ServiceError};
use easytier_uptime_store::{
    Access, Conflict, Store, StoreError,
    domain::{Credential, CredentialId, CredentialKind, IssuedToken, Region},
};
use serde_json::json;

use super::{config::HubConfig, database, peer::joined};
use crate::{exit::Exit, print, text::printable};

/// Manages node tokens, each of which identifies one probe in one region
#[derive(Debug, Subcommand)]
pub enum TokenCommand {
    /// Creates a token and prints only the token on standard output; it is never shown again
    ///
    /// The probe needs it as NODE_TOKEN. Example:
    ///   NODE_TOKEN=$(easytier-uptime hub token create --name probe-1 --region eu)
    #[command(verbatim_doc_comment)]
    Create(TokenArgs),
    /// Lists the names and states of tokens
    List(ListArgs),
    /// Revokes tokens permanently and immediately; the results of their probes are kept
    Revoke(RevokeArgs),
}

/// Manages API keys, for programs that list peers without their secrets
#[derive(Debug, Subcommand)]
pub enum KeyCommand {
    /// Creates a key and prints only the key on standard output; it is never shown again
    ///
    /// Programs send it as 'Authorization: Bearer KEY' or 'x-api-key: KEY'.
    Create(NamedArgs),
    /// Lists the names and states of keys
    List(ListArgs),
    /// Revokes keys permanently and immediately
    Revoke(RevokeArgs),
}

/// Manages enrollment keys, with which new probes request their own token from the hub
#[derive(Debug, Subcommand)]
pub enum EnrollCommand {
    /// Creates a key and prints only the key on standard output; it is never shown again
    ///
    /// Probes need it as ENROLLMENT_KEY. It does not allow to list peers or to report results.
    Create(EnrollArgs),
    /// Lists the names and states of keys
    List(ListArgs),
    /// Revokes keys permanently and immediately; the probes that they enrolled keep their tokens
    Revoke(RevokeArgs),
}

#[derive(Debug, Args)]
pub struct TokenArgs {
    /// Name shown in lists
    #[arg(long, value_name = "NAME", value_parser = name)]
    name: String,
    /// Region of the probe: it checks the peers of this region, and its results count for it
    #[arg(long, value_name = "NAME", default_value_t)]
    region: Region,
    /// SERVER_ID of the probe [default: the ID with which it first reports]
    #[arg(long, value_name = "ID", value_parser = easytier_uptime_config::values::server_id)]
    server_id: Option<String>,
}

#[derive(Debug, Args)]
pub struct NamedArgs {
    /// Name shown in lists
    #[arg(long, value_name = "NAME", value_parser = name)]
    name: String,
}

#[derive(Debug, Args)]
pub struct EnrollArgs {
    /// Name shown in lists
    #[arg(long, value_name = "NAME", value_parser = name)]
    name: String,
    /// The only region for which the key enrolls probes [default: any]
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
    /// IDs (first column of 'list')
    #[arg(value_name = "ID", required = true)]
    ids: Vec<i64>,
}

pub fn run_token(command: TokenCommand, config: &HubConfig) -> anyhow::Result<Exit> {
    const KIND: CredentialKind = CredentialKind::Node;
    let access = access(matches!(command, TokenCommand::List(_)));
    database::with(access, config, async |store| match command {
        TokenCommand::Create(args) => {
            let TokenArgs { name, region, server_id } = args;
            let admin = Admin::new(store.clone());
            let (named, place) = (server_id.clone(), Some(region.clone()));
            let request = CredentialRequest { kind: KIND, name: name.clone(), server_id: named, region: place };
            let issued = admin.issue(request).await.map_err(|error| match error {
                ServiceError::Store(StoreError::Conflict(Conflict::ProbeInOtherRegion)) => anyhow!(
                    "the probe '{}' is in another region than '{region}' (see 'hub token list'); name that region, or \
                     another --server-id",
                    server_id.as_deref().unwrap_or(&name)
                ),
                error => error.into(),
            })?;
            print_issued(&issued, &format!("token {} for the probe '{name}' in region '{region}'", issued.id))
        }
        TokenCommand::List(args) => list(store, KIND, &args).await,
        TokenCommand::Revoke(args) => revoke(store, KIND, &args).await,
    })
}

pub fn run_key(command: KeyCommand, config: &HubConfig) -> anyhow::Result<Exit> {
    const KIND: CredentialKind = CredentialKind::Api;
    let access = access(matches!(command, KeyCommand::List(_)));
    database::with(access, config, async |store| match command {
        KeyCommand::Create(NamedArgs { name }) => {
            let request = CredentialRequest { kind: KIND, name: name.clone(), server_id: None, region: None };
            let issued = Admin::new(store.clone()).issue(request).await?;
            print_issued(&issued, &format!("API key {} '{name}'", issued.id))
        }
        KeyCommand::List(args) => list(store, KIND, &args).await,
        KeyCommand::Revoke(args) => revoke(store, KIND, &args).await,
    })
}

pub fn run_enroll(command: EnrollCommand, config: &HubConfig) -> anyhow::Result<Exit> {
    const KIND: CredentialKind = CredentialKind::Enrollment;
    let access = access(matches!(command, EnrollCommand::List(_)));
    database::with(access, config, async |store| match command {
        EnrollCommand::Create(EnrollArgs { name, region }) => {
            let request = CredentialRequest { kind: KIND, name: name.clone(), server_id: None, region };
            let issued = Admin::new(store.clone()).issue(request).await?;
            print_issued(&issued, &format!("enrollment key {} '{name}'", issued.id))
        }
        EnrollCommand::List(args) => list(store, KIND, &args).await,
        EnrollCommand::Revoke(args) => revoke(store, KIND, &args).await,
    })
}

fn access(is_list: bool) -> Access {
    if is_list { Access::Read } else { Access::Change }
}

/// Prints only the token on standard output, for `$(…)`.
fn print_issued(issued: &IssuedToken, description: &str) -> anyhow::Result<Exit> {
    print::line(issued.token.expose())?;
    print::note(format_args!("created {description}; it is not shown again"));
    Ok(Exit::Success)
}

async fn list(store: &Store, kind: CredentialKind, args: &ListArgs) -> anyhow::Result<Exit> {
    let credentials = Admin::new(store.clone()).credentials(kind).await?;
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
        print::note(format_args!("there is no {} yet; 'create' creates one", name_of(kind)));
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
        print::table(["ID", "NAME", "PROBE", "REGION", "CREATED", "STATE"], &rows)?;
    }
    Ok(Exit::Success)
}

/// Revokes all of them, or none if one does not exist.
async fn revoke(store: &Store, kind: CredentialKind, args: &RevokeArgs) -> anyhow::Result<Exit> {
    let admin = Admin::new(store.clone());
    let known: BTreeMap<CredentialId, Credential> =
        admin.credentials(kind).await?.into_iter().map(|credential| (credential.id, credential)).collect();
    let ids = args.ids.iter().copied().map(CredentialId);
    let missing: Vec<CredentialId> = ids.clone().filter(|id| !known.contains_key(id)).collect();
    if !missing.is_empty() {
        bail!("there is no {} {}; nothing was revoked, see 'list'", name_of(kind), joined(&missing));
    }
    for id in ids {
        let name = printable(&known[&id].name);
        match admin.revoke(kind, id).await {
            Ok(()) => print::line(format!("revoked {} {id} '{name}'", name_of(kind)))?,
            Err(ServiceError::Store(StoreError::NotFound(_))) => {
                print::line(format!("{} {id} '{name}' was revoked before", name_of(kind)))?
            }
            Err(error) => return Err(error.into()),
        }
    }
    Ok(Exit::Success)
}

fn name_of(kind: CredentialKind) -> &'static str {
    match kind {
        CredentialKind::Node => "token",
        CredentialKind::Api => "API key",
        CredentialKind::Enrollment => "enrollment key",
    }
}

fn name(text: &str) -> Result<String, String> {
    let name = text.trim();
    match (1..=MAX_NAME).contains(&name.chars().count()) && !name.contains(char::is_control) {
        true => Ok(name.to_owned()),
        false => Err(format!("write 1 to {MAX_NAME} characters in one line")),
    }
}
