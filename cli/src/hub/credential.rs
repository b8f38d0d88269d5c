//! `hub token`, `hub key`, `hub enroll`: the credentials of probes and readers.

use std::{collections::BTreeMap, sync::LazyLock, time::Duration};

use anyhow::{anyhow, bail};
use clap::{Args, Subcommand};
use easytier_uptime_config::{duration, values};
use easytier_uptime_hub::service::{
    Admin, CredentialRequest, ENROLLMENT_LIFETIME, ENROLLMENT_USES, KeyLimit, MAX_DAYS, MAX_NAME, MAX_USES,
    ServiceError,
};
use easytier_uptime_store::{
    Access, Conflict, Store, StoreError,
    domain::{Credential, CredentialId, CredentialKind, DAY, IssuedToken, Lapsed, Region, Scope, Timestamp},
};
use serde_json::json;

use super::{
    config::HubConfig,
    database,
    peer::joined,
    rotate::{self, RotateArgs},
};
use crate::{exit::Exit, print, text::printable};

const NEVER: &str = "never";
const UNLIMITED: &str = "unlimited";

static USUAL_USES: LazyLock<String> = LazyLock::new(|| ENROLLMENT_USES.to_string());
static USUAL_LIFETIME: LazyLock<String> = LazyLock::new(|| duration::format(ENROLLMENT_LIFETIME));

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

/// Manages API keys, for programs: to list peers without their secrets, or to change who leads a cluster; and replaces the key
/// of the hub itself
#[derive(Debug, Subcommand)]
pub enum KeyCommand {
    /// Creates a key and prints only the key on standard output; it is never shown again
    ///
    /// Programs send it as 'Authorization: Bearer KEY' or, to list peers, 'x-api-key: KEY'.
    Create(KeyArgs),
    /// Lists the names and states of keys
    List(ListArgs),
    /// Revokes keys permanently and immediately
    Revoke(RevokeArgs),
    RotateSecrets(RotateArgs),
}

/// Manages enrollment keys, with which new probes request their own token from the hub
#[derive(Debug, Subcommand)]
pub enum EnrollCommand {
    /// Creates a key and prints only the key on standard output; it is never shown again
    ///
    /// Probes need it as ENROLLMENT_KEY. It does not allow to list peers or to report results. A probe needs it once: it gets
    /// a token of its own, which stays valid when the key ends. So a key is for one region, a few probes and a few days,
    /// unless you say otherwise.
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
    /// Time after which the token ends by itself, such as 24h, or never
    #[arg(long, value_name = "DURATION", default_value = NEVER, value_parser = lifetime)]
    expires: KeyLimit<Duration>,
}

#[derive(Debug, Args)]
pub struct KeyArgs {
    /// Name shown in lists
    #[arg(long, value_name = "NAME", value_parser = name)]
    name: String,
    /// What the key may do (repeatable): read lists peers and probes; peers adds, changes, approves and deletes peers; nodes
    /// manages probes and regions; checks has peers checked; instances promotes, demotes and removes instances of a cluster;
    /// metrics reads the metrics; audit reads the audit log
    #[arg(long = "scope", value_name = "SCOPE", default_value = Scope::Read.as_str(), value_parser = scope)]
    scopes: Vec<Scope>,
    /// Time after which the key ends by itself, such as 24h, or never
    #[arg(long, value_name = "DURATION", default_value = NEVER, value_parser = lifetime)]
    expires: KeyLimit<Duration>,
}

#[derive(Debug, Args)]
pub struct EnrollArgs {
    /// Name shown in lists
    #[arg(long, value_name = "NAME", value_parser = name)]
    name: String,
    /// The only region for which the key enrolls probes
    #[arg(long, value_name = "NAME", required_unless_present = "any_region")]
    region: Option<Region>,
    /// Let each probe choose its region: who has the key can then outvote all regions
    #[arg(long, conflicts_with = "region")]
    any_region: bool,
    /// Number of probes that the key enrolls, or unlimited
    #[arg(long, value_name = "N", default_value = USUAL_USES.as_str(), value_parser = uses)]
    uses: KeyLimit<u32>,
    /// Time after which the key ends by itself, such as 24h, or never
    #[arg(long, value_name = "DURATION", default_value = USUAL_LIFETIME.as_str(), value_parser = lifetime)]
    expires: KeyLimit<Duration>,
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
            let TokenArgs { name, region, server_id, expires } = args;
            let admin = Admin::new(store.clone());
            let (named, place) = (server_id.clone(), Some(region.clone()));
            let request = CredentialRequest {
                server_id: named,
                region: place,
                lifetime: expires,
                ..CredentialRequest::new(KIND, &name)
            };
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
    if let KeyCommand::RotateSecrets(args) = command {
        return rotate::run(&args, config);
    }
    database::with(access, config, async |store| match command {
        KeyCommand::RotateSecrets(_) => unreachable!("it runs without a hub"),
        KeyCommand::Create(KeyArgs { name, scopes, expires }) => {
            let scopes = scopes.into_iter().collect();
            let request = CredentialRequest { scopes, lifetime: expires, ..CredentialRequest::new(KIND, &name) };
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
        EnrollCommand::Create(EnrollArgs { name, region, any_region, uses, expires }) => {
            let request = CredentialRequest {
                region,
                any_region,
                uses,
                lifetime: expires,
                ..CredentialRequest::new(KIND, &name)
            };
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
                "last_used_at": credential.last_used_at,
                "expires_at": credential.expires_at,
                "revoked_at": credential.revoked_at,
                "scopes": (kind == CredentialKind::Api).then(|| scope_names(credential)),
                "uses": (kind == CredentialKind::Enrollment).then_some(credential.uses),
                "max_uses": credential.max_uses,
            })
        });
        print::json(&documents.collect::<Vec<_>>())?;
    } else if credentials.is_empty() {
        print::note(format_args!("there is no {} yet; 'create' creates one", name_of(kind)));
    } else {
        let now = Timestamp::now();
        let rows: Vec<_> = credentials.iter().map(|credential| row(credential, now)).collect();
        let probes = match kind {
            CredentialKind::Node => "PROBE",
            CredentialKind::Api => "SCOPES",
            CredentialKind::Enrollment => "ENROLLED",
        };
        print::table(["ID", "NAME", probes, "REGION", "CREATED", "LAST USED", "STATE"], &rows)?;
    }
    Ok(Exit::Success)
}

fn row(credential: &Credential, now: Timestamp) -> [String; 7] {
    let time = |at: Option<Timestamp>| at.map(|at| at.to_string()).unwrap_or_default();
    let probes = match (credential.kind, credential.max_uses) {
        (CredentialKind::Enrollment, Some(max)) => format!("{} of {max}", credential.uses),
        (CredentialKind::Enrollment, None) => credential.uses.to_string(),
        (CredentialKind::Api, _) => scope_names(credential).join(", "),
        (CredentialKind::Node, _) => credential.server_id.as_deref().map(printable).unwrap_or_default(),
    };
    let state = match (credential.lapsed(now), credential.expires_at) {
        (Some(Lapsed::Revoked { at }), _) => format!("revoked {at}"),
        (Some(Lapsed::Expired { at }), _) => format!("expired {at}"),
        (Some(Lapsed::UsedUp { .. }), _) => "used up".to_owned(),
        (None, Some(at)) => format!("valid until {at}"),
        (None, None) => "valid".to_owned(),
    };
    let region = credential.region.as_ref().map(Region::to_string);
    [
        credential.id.to_string(),
        printable(&credential.name),
        probes,
        region.as_deref().map(printable).unwrap_or_default(),
        credential.created_at.to_string(),
        time(credential.last_used_at),
        state,
    ]
}

fn scope_names(credential: &Credential) -> Vec<&'static str> {
    credential.scopes.iter().map(|scope| scope.as_str()).collect()
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

fn scope(text: &str) -> Result<Scope, String> {
    Scope::from_name(text).ok_or_else(|| format!("write {}", Scope::ALL.map(Scope::as_str).join(" or ")))
}

/// The time until a token or key ends by itself: at most ten years, or `never`.
fn lifetime(text: &str) -> Result<KeyLimit<Duration>, String> {
    if text == NEVER {
        return Ok(KeyLimit::Unlimited);
    }
    let lifetime = duration::parse_positive(text).map_err(|error| format!("{error}; or {NEVER}"))?;
    match lifetime <= DAY * MAX_DAYS {
        true => Ok(KeyLimit::At(lifetime)),
        false => Err(format!("write at most {}, or {NEVER}", duration::format(DAY * MAX_DAYS))),
    }
}

/// A number of probes, or `unlimited`.
fn uses(text: &str) -> Result<KeyLimit<u32>, String> {
    if text == UNLIMITED {
        return Ok(KeyLimit::Unlimited);
    }
    values::number(text, 1..=MAX_USES).map(KeyLimit::At).map_err(|error| format!("{error}, or {UNLIMITED}"))
}
