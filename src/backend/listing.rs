//! Peers from a backend: its listing page by page, or claimed batches of those that are due.

use std::{collections::HashSet, time::Duration};

use chrono::{DateTime, Utc};
use reqwest::Method;
use tokio::time::Instant;
use tracing::warn;

use super::{
    Backend, BackendError,
    base::{Base, Kind},
    credentials::Bearer,
    http::{Answer, Request, shown},
    wire::{self, Envelope, PeersData},
};
use crate::Peer;

/// The longest page that is read, in bytes.
const MAX_PAGE: usize = 32 << 20;

/// The most pages of one listing, in case a backend never comes to an end.
const MAX_PAGES: u32 = 10_000;

/// One page of the listing.
#[derive(Debug)]
pub struct PeerPage {
    pub peers: Vec<Peer>,
    /// Listed peers that cannot be watched because something in them is wrong; they are warned of.
    pub skipped: u32,
    /// Where the listing goes on; `None` at its end.
    pub next: Option<Cursor>,
    /// How many peers the backend says it has in all.
    pub total_available: Option<u64>,
    /// Changes when the listing does (our hub only).
    pub config_version: Option<i64>,
    /// The backend lists all it has: a peer that no page of a whole listing has is no longer watched. Any other may
    /// leave peers out just because they are offline.
    pub complete_listing: bool,
}

/// Where a listing goes on. It holds for the [`Backend`] that gave it.
#[derive(Debug, Clone)]
pub struct Cursor {
    /// A cursor means something only to the very backend that made it, so that it is asked at no other base URL.
    position: usize,
    /// Pages so far.
    pages: u32,
    next: Next,
}

#[derive(Debug, Clone)]
enum Next {
    /// From the page that this cursor names.
    Token(String),
    /// A backend without cursors says that there is more: it is asked the same again as long as that brings peers
    /// which are not among these.
    Again(HashSet<i64>),
}

/// Which peers a stateless caller wants.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ClaimRequest {
    /// At most this many, up to 5000.
    pub count: u32,
    /// Peers that were checked less than this ago are not due; whole seconds.
    pub interval: Duration,
    /// How long the peers are ours; whole seconds, up to 900.
    pub lease: Duration,
}

/// Peers that are the caller's until the lease ends.
#[derive(Debug)]
pub struct Claim {
    pub peers: Vec<Peer>,
    /// As in [`PeerPage::skipped`].
    pub skipped: u32,
    pub lease_expires_at: Option<DateTime<Utc>>,
    /// More peers are due now.
    pub more: bool,
}

impl Backend {
    /// A page of the listing: the first one without a cursor, else the one at the cursor.
    pub async fn peers_page(&self, cursor: Option<Cursor>, deadline: Instant) -> Result<PeerPage, BackendError> {
        let mut attempts = match &cursor {
            None => self.attempts(deadline),
            Some(cursor) => self.attempts_at(cursor.position, deadline),
        };
        let mut plain = false;
        loop {
            let base = attempts.base();
            let request = self.page_request(base, cursor.as_ref(), plain);
            let error = match self.shared.http.send(base, &request, attempts.deadline()).await {
                Ok(answer) => match read_page(base, &request, &answer) {
                    Ok((data, page)) => {
                        if !answer.is_hub {
                            base.learn(Kind::Foreign);
                        }
                        attempts.succeeded();
                        return Ok(follow(page, data, answer.is_hub, attempts.position(), cursor));
                    }
                    Err(error) => error,
                },
                Err(error) => error,
            };
            // Perhaps another backend has taken the hub's place, which knows no count.
            plain |= cursor.is_none() && matches!(error, BackendError::Failed { status: 400, .. });
            attempts.failed(error).await?;
        }
    }

    fn page_request(&self, base: &Base, cursor: Option<&Cursor>, plain: bool) -> Request<'_> {
        let mut query = self.region_query();
        if base.kind() == Kind::Hub && !plain {
            query.push(("count", self.shared.config.page_size.to_string()));
            if let Some(Cursor { next: Next::Token(token), .. }) = cursor {
                query.push(("cursor", token.clone()));
            }
        }
        peers_request(query, false)
    }

    /// The next batch of peers that are due, leased to the caller. Only our hub has them, and only for a node token.
    pub async fn claim(&self, wanted: ClaimRequest, deadline: Instant) -> Result<Claim, BackendError> {
        let mut attempts = self.attempts(deadline);
        loop {
            match self.claim_at(attempts.base(), wanted, attempts.deadline()).await {
                Ok(claim) => {
                    attempts.succeeded();
                    return Ok(claim);
                }
                Err(error) => attempts.failed(error).await?,
            }
        }
    }

    async fn claim_at(&self, base: &Base, wanted: ClaimRequest, deadline: Instant) -> Result<Claim, BackendError> {
        if self.kind_of(base, deadline).await? != Kind::Hub {
            return Err(BackendError::NotAHub { base_url: base.url.to_string() });
        }
        let mut query = self.region_query();
        query.extend([
            ("claim", "true".to_owned()),
            ("count", wanted.count.to_string()),
            ("interval", wanted.interval.as_secs().to_string()),
            ("lease", wanted.lease.as_secs().to_string()),
        ]);
        let request = peers_request(query, true);
        let answer = self.shared.http.send(base, &request, deadline).await?;
        let (data, page) = read_page(base, &request, &answer)?;
        Ok(Claim {
            peers: page.peers,
            skipped: page.skipped,
            lease_expires_at: data.lease_expires_at,
            more: data.next_batch_available.unwrap_or_default(),
        })
    }
}

/// Learns from an answer to a request for peers whose backend it is, if that is a listing.
pub(super) fn learn_from(base: &Base, answer: &Answer) {
    let lists = || Envelope::read(&answer.body).and_then(|envelope| envelope.data::<PeersData>()).is_some();
    if !answer.is_hub && lists() {
        base.learn(Kind::Foreign);
    }
}

pub(super) fn peers_request(query: Vec<(&'static str, String)>, needs_token: bool) -> Request<'static> {
    Request {
        method: Method::GET,
        path: "/peers",
        query,
        body: None,
        bearer: Bearer::ApiKey,
        needs_token,
        max_answer: MAX_PAGE,
    }
}

/// The peers in an answer.
struct Peers {
    peers: Vec<Peer>,
    skipped: u32,
}

fn read_page<'a>(
    base: &Base,
    request: &Request<'_>,
    answer: &'a Answer,
) -> Result<(PeersData<'a>, Peers), BackendError> {
    let nonsense = |reason: &str| BackendError::Nonsense { request: shown(base, request), reason: reason.to_owned() };
    let envelope = Envelope::read(&answer.body).ok_or_else(|| nonsense("the answer is no JSON object"))?;
    let data: PeersData<'a> =
        envelope.data().ok_or_else(|| nonsense("the answer has no list of peers at 'data.peers'"))?;
    let mut page = Peers { peers: Vec::with_capacity(data.peers.len()), skipped: 0 };
    let mut first_problem = None;
    for raw in &data.peers {
        match wire::peer(raw) {
            Ok(peer) => page.peers.push(peer),
            Err(problem) => {
                page.skipped += 1;
                first_problem.get_or_insert(problem);
            }
        }
    }
    if let Some(problem) = first_problem {
        let skipped = page.skipped;
        warn!(skipped, "{}: peers that cannot be watched are skipped; the first: {problem}", shown(base, request));
    }
    Ok((data, page))
}

/// The page, and how the listing goes on after it.
fn follow(mut page: Peers, data: PeersData<'_>, is_hub: bool, position: usize, cursor: Option<Cursor>) -> PeerPage {
    let mut complete_listing = is_hub;
    let pages = cursor.as_ref().map_or(0, |cursor| cursor.pages) + 1;
    let at = |next| Some(Cursor { position, pages, next });
    let mut next = match (is_hub, data.next_cursor) {
        (true, Some(token)) => match &cursor {
            Some(Cursor { next: Next::Token(sent), .. }) if *sent == token => {
                warn!("the backend gives the same page again; the listing ends here");
                complete_listing = false;
                None
            }
            _ => at(Next::Token(token)),
        },
        (true, None) => None,
        (false, _) => {
            let mut seen = match cursor {
                Some(Cursor { next: Next::Again(seen), .. }) => seen,
                _ => HashSet::new(),
            };
            page.peers.retain(|peer| seen.insert(peer.id));
            let more = data.next_batch_available.unwrap_or_default() && !page.peers.is_empty();
            // Some say that there is more when there is not.
            let all = data.total_available.is_some_and(|total| seen.len() as u64 >= total);
            if more && !all { at(Next::Again(seen)) } else { None }
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
        config_version: data.config_version,
        complete_listing,
    }
}
