//! `GET /peers`: the list of peers, and claims of peers that are due.

use std::time::Duration;

use axum::extract::State;
use easytier_uptime_monitor::{
    Party, Readers, Refusal,
    envelope::{Answer, BackendEnvelope, BackendRefusal},
    input::{self, Query},
    parameter::{self, Id, Whole},
};
use easytier_uptime_store::{
    Store,
    domain::{Claim, ConfigVersion, PeerId, PeerScope, ProbeIdentity, ProbePeer, Region, Role, Timestamp},
};
use serde::{Deserialize, Serialize};
use serde_html_form::de::empty_as_none;
use utoipa::{IntoParams, ToSchema, openapi::Schema};

use super::{
    relay_tests::relay_tests,
    version::{named_version, refuse_if_behind},
};
use crate::{
    listed_peer::ListedPeer,
    service::check_region,
    web::{Client, Lister, NO_TOKEN},
};

const DEFAULT_COUNT: u32 = 500;
const MAX_COUNT: u32 = 5000;
/// The maximum number of peers on a page for a caller without credentials, who may ask for more.
const MAX_COUNT_OF_STRANGERS: u32 = 500;
const DEFAULT_INTERVAL: u32 = 60;
/// A month, in seconds; checking less often is not monitoring.
const MAX_INTERVAL: u32 = 30 * 24 * 3600;
const DEFAULT_LEASE: u32 = 60;
const MAX_LEASE: u32 = 900;

/// Selects the peers.
#[derive(Debug, Default, Deserialize, IntoParams)]
#[serde(default)]
#[into_params(parameter_in = Query)]
pub(super) struct Wanted {
    /// Only peers that this region checks. With a node token, the token's region applies.
    #[param(max_length = 64, pattern = r"^[^,\x00-\x1f\x7f-\x9f]*$")]
    region: Option<String>,
    /// The maximum number of peers on a page or in a claimed batch; without credentials a page has at most 500.
    #[serde(deserialize_with = "empty_as_none")]
    #[param(schema_with = count, required = false)]
    count: Option<Whole<1, MAX_COUNT>>,
    /// The `next_cursor` of the previous page.
    #[serde(deserialize_with = "empty_as_none")]
    #[param(schema_with = parameter::optional_id, required = false)]
    cursor: Option<Id>,
    /// Lease a batch of peers that are due instead of listing. For node tokens only.
    #[serde(deserialize_with = "empty_as_none")]
    #[param(schema_with = parameter::boolean, required = false)]
    claim: Option<bool>,
    /// A peer is due when its region has not checked it for this many seconds.
    #[serde(deserialize_with = "empty_as_none")]
    #[param(schema_with = interval, required = false)]
    interval: Option<Whole<0, MAX_INTERVAL>>,
    /// The length of the lease in seconds: nobody else can claim the peers until it ends.
    #[serde(deserialize_with = "empty_as_none")]
    #[param(schema_with = lease, required = false)]
    lease: Option<Whole<1, MAX_LEASE>>,
    /// Of a claim: whether the caller tests nodes that are marked with `test_relay`.
    #[serde(deserialize_with = "empty_as_none")]
    #[param(schema_with = parameter::boolean, required = false)]
    tests_relay: Option<bool>,
    /// The `epoch` of the listing that the caller has. An instance that holds an older one answers 503.
    #[serde(deserialize_with = "empty_as_none")]
    #[param(required = false)]
    epoch: Option<i64>,
    /// The `config_version` of the listing that the caller has.
    #[serde(deserialize_with = "empty_as_none")]
    #[param(required = false)]
    config_version: Option<i64>,
}

fn count() -> Schema {
    parameter::whole(1, MAX_COUNT, Some(DEFAULT_COUNT))
}

fn interval() -> Schema {
    parameter::whole(0, MAX_INTERVAL, Some(DEFAULT_INTERVAL))
}

fn lease() -> Schema {
    parameter::whole(1, MAX_LEASE, Some(DEFAULT_LEASE))
}

/// One page, or one claimed batch.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct Peers {
    peers: Vec<ListedPeer>,
    /// The number of peers on all pages; for a claim, the number of peers that were due.
    total_available: u64,
    /// Whether there is another page; for a claim, whether more peers are due now.
    next_batch_available: bool,
    /// The cursor of the next page.
    next_cursor: Option<String>,
    /// The version of the list of peers; it grows when the list changes.
    config_version: i64,
    /// Of two lists with different epochs, the one with the greater epoch is newer, whatever its version. 0 at a hub that belongs
    /// to no cluster.
    epoch: i64,
    /// The end of the lease: nobody else can claim the peers before.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>, format = DateTime)]
    lease_expires_at: Option<Timestamp>,
}

/// The peers to check, page by page; or, for stateless callers, the next batch of peers that are due.
///
/// Without credentials: approved peers as the public API shows them. With an API key: with the names of their networks.
/// With a node token: the peers of its region, with the secrets of their networks.
#[utoipa::path(
    get,
    path = "/peers",
    tag = "backend",
    operation_id = "list_peers",
    params(Wanted),
    security((), ("api_key" = []), ("bearer" = []), ("node_token" = [])),
    responses(
        (status = 200, description = "Some peers", body = BackendEnvelope<Peers>),
        (status = 400, description = "A parameter is wrong", body = BackendRefusal),
        (status = 401, description = "The token or key is wrong, or a claim came without a node token", body = BackendRefusal),
        (status = 403, description = "The node token is for another region", body = BackendRefusal),
        (status = 503, description = "This instance does not hold the caller's listing yet (header `x-uptime-behind: 1`), or leases no peers", body = BackendRefusal),
    ),
)]
pub(super) async fn list(
    State(store): State<Store>,
    State(readers): State<Readers>,
    Client(address): Client,
    lister: Lister,
    Query(wanted): Query<Wanted>,
) -> Answer<BackendEnvelope<Peers>> {
    let request = Request::parse(&wanted)?;
    refuse_if_behind(&store, request.known).await?;
    let peers = match (lister, request.claim) {
        (Lister::Probe(probe), claim) => {
            check_region(&store, &probe, request.region.as_ref()).await?;
            match claim {
                Some(claim) => claimed(&store, &probe, &claim, request.tests_relay).await?,
                None => listed_to_probe(&store, &probe, &request).await?,
            }
        }
        (Lister::Reader | Lister::Anybody, Some(_)) => return Err(Refusal::unauthorized(NO_TOKEN)),
        (Lister::Reader, None) => listed(&store, request.region, false, request.cursor, request.count).await?,
        (Lister::Anybody, None) => {
            let _turn = readers.turn(Party::of(address)).await?;
            let count = request.count.min(MAX_COUNT_OF_STRANGERS);
            let mut page = listed(&store, request.region, false, request.cursor, count).await?;
            page.peers.iter_mut().for_each(|peer| peer.network_name = None);
            page
        }
    };
    Ok(BackendEnvelope::of(peers))
}

/// A query that is valid.
struct Request {
    region: Option<Region>,
    count: u32,
    cursor: Option<PeerId>,
    claim: Option<Claim>,
    tests_relay: bool,
    /// The listing that the caller has.
    known: Option<ConfigVersion>,
}

impl Request {
    fn parse(wanted: &Wanted) -> Result<Self, Refusal> {
        let count = wanted.count.map_or(DEFAULT_COUNT, |Whole(count)| count);
        let interval = wanted.interval.map_or(DEFAULT_INTERVAL, |Whole(seconds)| seconds);
        let lease = wanted.lease.map_or(DEFAULT_LEASE, |Whole(seconds)| seconds);
        let seconds = |number: u32| Duration::from_secs(number.into());
        let claim = Claim { interval: seconds(interval), lease: seconds(lease), count };
        Ok(Self {
            region: input::region("region", wanted.region.as_deref())?,
            count,
            cursor: wanted.cursor.map(|Id(id)| PeerId(id)),
            claim: wanted.claim.unwrap_or(false).then_some(claim),
            tests_relay: wanted.tests_relay.unwrap_or(false),
            known: named_version(wanted.epoch, wanted.config_version),
        })
    }
}

async fn claimed(store: &Store, probe: &ProbeIdentity, claim: &Claim, tests_relay: bool) -> Result<Peers, Refusal> {
    // Two instances would lease the same peer.
    if store.instance().await?.role == Role::Dependent {
        return Err(Refusal::unavailable("this instance is a dependent; only its primary leases peers"));
    }
    let now = Timestamp::now();
    let claimed = store.claim_peers(probe, claim, now).await?;
    store.note_fetched(probe, claimed.config.version).await?;
    let to_test = match tests_relay {
        true => relay_tests(store, &claimed.peers.iter().map(|peer| peer.id).collect::<Vec<_>>(), now).await,
        false => Vec::new(),
    };
    let marked = |peer: ProbePeer| {
        let test_relay = to_test.contains(&peer.id);
        ListedPeer::from(peer).with_relay_test(test_relay)
    };
    Ok(Peers {
        total_available: claimed.peers.len() as u64 + claimed.more_due,
        next_batch_available: claimed.more_due > 0,
        next_cursor: None,
        config_version: claimed.config.version,
        epoch: claimed.config.epoch,
        lease_expires_at: Some(claimed.lease_expires_at),
        peers: claimed.peers.into_iter().map(marked).collect(),
    })
}

async fn listed_to_probe(store: &Store, probe: &ProbeIdentity, request: &Request) -> Result<Peers, Refusal> {
    let page = listed(store, Some(probe.region.clone()), true, request.cursor, request.count).await?;
    // A probe has the listing when it has the last page.
    if !page.next_batch_available {
        store.note_fetched(probe, page.config_version).await?;
    }
    Ok(page)
}

async fn listed(
    store: &Store,
    region: Option<Region>,
    with_secrets: bool,
    cursor: Option<PeerId>,
    count: u32,
) -> Result<Peers, Refusal> {
    let page = store.probe_peers(&PeerScope { region, with_secrets }, cursor, count).await?;
    Ok(Peers {
        total_available: page.total,
        next_batch_available: page.next_cursor.is_some(),
        next_cursor: page.next_cursor.map(|id| id.to_string()),
        config_version: page.config.version,
        epoch: page.config.epoch,
        lease_expires_at: None,
        peers: page.peers.into_iter().map(ListedPeer::from).collect(),
    })
}
