//! Peers from a backend: its listing page by page, or claimed batches of due peers.

use std::{collections::HashSet, time::Duration};

use chrono::{DateTime, Utc};
use tokio::time::Instant;
use tracing::warn;

use super::{
    client::{Backend, peers_request},
    config::ReportStyle,
    documents::{Envelope, PeersData, parse_peer},
    endpoint::{BackendKind, Endpoint},
    error::BackendError,
    http::{Request, Response},
};
use crate::{ListingVersion, Peer};

/// The maximum number of pages of one listing, in case a backend never ends it.
const MAX_PAGES: u32 = 10_000;

/// One page of the listing.
#[derive(Debug)]
pub struct PeerPage {
    /// The peers of this page that can be watched.
    pub peers: Vec<Peer>,
    /// How many listed peers were skipped because they are invalid. The log names the first.
    pub skipped: u32,
    /// The position of the next page; `None` at the end of the listing.
    pub next: Option<Cursor>,
    /// How many peers the backend says it has in all.
    pub total_available: Option<u64>,
    /// The version of the listing; only our hub sends one. It changes whenever the listing does.
    pub version: Option<ListingVersion>,
    /// Whether the listing is complete. A peer that a complete listing omits must not be watched any more. A
    /// third-party backend may leave peers out just because they are offline.
    pub complete_listing: bool,
}

/// The position of the next page of a listing. Valid only for the [`Backend`] that returned it.
#[derive(Debug, Clone)]
pub struct Cursor {
    /// The endpoint that issued the cursor; it means nothing to others.
    position: usize,
    /// How many pages were fetched so far.
    pages: u32,
    next: Next,
}

#[derive(Debug, Clone)]
enum Next {
    /// The cursor of our hub.
    Token(String),
    /// A backend without cursors announced more peers: the same request is repeated as long as it returns peers that
    /// are not among these ids.
    Repeat(HashSet<i64>),
}

/// Which due peers a caller claims.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ClaimRequest {
    /// The maximum number of peers, 1 to 5000.
    pub count: u32,
    /// A peer is due when its last check is at least this long ago; whole seconds.
    pub interval: Duration,
    /// How long no other caller gets these peers; whole seconds, up to 900.
    pub lease: Duration,
}

/// Peers that are leased to the caller.
#[derive(Debug)]
pub struct Claim {
    /// The leased peers that can be watched.
    pub peers: Vec<Peer>,
    /// As in [`PeerPage::skipped`].
    pub skipped: u32,
    /// When the lease ends, by the backend's clock.
    pub lease_expires_at: Option<DateTime<Utc>>,
    /// Whether more peers are due now.
    pub more: bool,
}

impl Backend {
    /// Fetches a page of the listing: the first one, or the one at `cursor`.
    ///
    /// # Errors
    /// Any [`BackendError`] but [`BackendError::NotAHub`].
    pub async fn peers_page(&self, cursor: Option<Cursor>, deadline: Instant) -> Result<PeerPage, BackendError> {
        if self.config().report_style == ReportStyle::Neo {
            return self.neo_page(deadline).await;
        }
        let mut retry = match &cursor {
            None => self.retry_loop(deadline),
            Some(cursor) => self.retry_loop_at(cursor.position, deadline),
        };
        let mut plain = false;
        loop {
            let endpoint = retry.endpoint();
            let request = self.page_request(endpoint, cursor.as_ref(), plain);
            let error = match self.http().send(endpoint, &request, retry.attempt_deadline()).await {
                Ok(response) => match read_page(endpoint, &request, &response) {
                    Ok((data, page)) => {
                        if !response.is_hub && cursor.is_none() {
                            endpoint.listed_as_third_party();
                        }
                        retry.succeeded();
                        let page = make_page(page, data, response.is_hub, retry.position(), cursor);
                        if page.next.is_none() {
                            self.set_listing(page.version.filter(|_| response.is_hub));
                        }
                        return Ok(page);
                    }
                    Err(error) => error,
                },
                Err(error) => error,
            };
            // Perhaps a third-party backend, which does not know `count`, has replaced the hub.
            plain |= cursor.is_none() && matches!(error, BackendError::Failed { status: 400, .. });
            retry.failed(error).await?;
        }
    }

    fn page_request(&self, endpoint: &Endpoint, cursor: Option<&Cursor>, plain: bool) -> Request<'_> {
        let mut query = self.region_query();
        if endpoint.kind() == BackendKind::Hub && !plain {
            query.push(("count", self.config().page_size.to_string()));
            if let Some(Cursor { next: Next::Token(token), .. }) = cursor {
                query.push(("cursor", token.clone()));
            }
            let listing = self.listing();
            query.extend(names(listing));
            return Request { listing, ..peers_request(query, false) };
        }
        peers_request(query, false)
    }

    /// Claims the next batch of due peers. Only our hub leases peers, and only for a node token.
    ///
    /// # Errors
    /// [`BackendError::NotAHub`] if the backend is not our hub, [`BackendError::Unauthorized`] without a valid node
    /// token, and every error of a failed request.
    pub async fn claim(&self, wanted: ClaimRequest, deadline: Instant) -> Result<Claim, BackendError> {
        let mut retry = self.retry_loop(deadline);
        loop {
            match self.claim_at(retry.endpoint(), wanted, retry.attempt_deadline()).await {
                Ok(claim) => {
                    retry.succeeded();
                    return Ok(claim);
                }
                Err(error) => retry.failed(error).await?,
            }
        }
    }

    async fn claim_at(
        &self,
        endpoint: &Endpoint,
        wanted: ClaimRequest,
        deadline: Instant,
    ) -> Result<Claim, BackendError> {
        if self.identify(endpoint, deadline).await? != BackendKind::Hub {
            return Err(BackendError::NotAHub { base_url: endpoint.url.to_string() });
        }
        let mut query = self.region_query();
        query.extend([
            ("claim", "true".to_owned()),
            ("tests_relay", "true".to_owned()),
            ("count", wanted.count.to_string()),
            ("interval", wanted.interval.as_secs().to_string()),
            ("lease", wanted.lease.as_secs().to_string()),
        ]);
        let listing = self.listing();
        query.extend(names(listing));
        let request = Request { listing, ..peers_request(query, true) };
        let response = self.http().send(endpoint, &request, deadline).await?;
        let (data, page) = read_page(endpoint, &request, &response)?;
        self.set_listing(data.version());
        Ok(Claim {
            peers: page.peers,
            skipped: page.skipped,
            lease_expires_at: data.lease_expires_at,
            more: data.next_batch_available.unwrap_or_default(),
        })
    }
}

/// Names the listing that the probe has, so that a hub that holds an older one does not send that.
fn names(listing: Option<ListingVersion>) -> impl Iterator<Item = (&'static str, String)> {
    listing.into_iter().flat_map(|ListingVersion { epoch, version }| {
        [("epoch", epoch.to_string()), ("config_version", version.to_string())]
    })
}

/// The peers of a response.
struct Peers {
    peers: Vec<Peer>,
    skipped: u32,
}

fn read_page<'a>(
    endpoint: &Endpoint,
    request: &Request<'_>,
    response: &'a Response,
) -> Result<(PeersData<'a>, Peers), BackendError> {
    let invalid =
        |reason: &str| BackendError::InvalidResponse { request: request.describe(endpoint), reason: reason.to_owned() };
    let envelope = Envelope::parse(&response.body).ok_or_else(|| invalid("the answer is not a JSON object"))?;
    let data: PeersData<'a> =
        envelope.data().ok_or_else(|| invalid("the answer has no list of peers at 'data.peers'"))?;
    let mut page = Peers { peers: Vec::with_capacity(data.peers.len()), skipped: 0 };
    let mut first_problem = None;
    for raw in &data.peers {
        match parse_peer(raw) {
            Ok(peer) => page.peers.push(Peer { listing: data.version(), ..peer }),
            Err(problem) => {
                page.skipped += 1;
                first_problem.get_or_insert(problem);
            }
        }
    }
    if let Some(problem) = first_problem {
        let skipped = page.skipped;
        warn!(
            skipped,
            "{}: peers that cannot be watched are skipped; the first: {problem}",
            request.describe(endpoint)
        );
    }
    Ok((data, page))
}

/// Makes the page, and the cursor of the next one.
fn make_page(mut page: Peers, data: PeersData<'_>, is_hub: bool, position: usize, cursor: Option<Cursor>) -> PeerPage {
    let mut complete_listing = is_hub;
    let version = data.version();
    let pages = cursor.as_ref().map_or(0, |cursor| cursor.pages) + 1;
    let at = |next| Some(Cursor { position, pages, next });
    let mut next = match (is_hub, data.next_cursor) {
        (true, Some(token)) => match &cursor {
            Some(Cursor { next: Next::Token(sent), .. }) if *sent == token => {
                warn!("the backend returned the same cursor again; the listing ends here");
                complete_listing = false;
                None
            }
            _ => at(Next::Token(token)),
        },
        (true, None) => None,
        (false, _) => {
            let mut seen = match cursor {
                Some(Cursor { next: Next::Repeat(seen), .. }) => seen,
                _ => HashSet::new(),
            };
            page.peers.retain(|peer| seen.insert(peer.id));
            let more = data.next_batch_available.unwrap_or_default() && !page.peers.is_empty();
            // Some backends announce more when there is no more.
            let all = data.total_available.is_some_and(|total| seen.len() as u64 >= total);
            if more && !all { at(Next::Repeat(seen)) } else { None }
        }
    };
    if pages >= MAX_PAGES && next.is_some() {
        warn!("the listing has more than {MAX_PAGES} pages; it ends here");
        (next, complete_listing) = (None, false);
    }
    PeerPage {
        peers: page.peers,
        skipped: page.skipped,
        next,
        total_available: data.total_available,
        version,
        complete_listing,
    }
}
