//! Reads what a plan depends on.

use std::collections::HashSet;

use super::plan::{Facts, Remembered, State, Stored, said};
use crate::{
    db::{Tx, args, sql},
    domain::{NewPeer, PeerId, SourceId, SubmissionId, Timestamp},
    error::StoreError,
    store::{peers::Identity, rows},
};

/// How many submissions may wait so that a source may add one. There is always room for those of visitors, who may fill a
/// queue of twice the size.
const MAX_QUEUE: i64 = 500;

#[derive(sqlx::FromRow)]
struct RememberedRow {
    url: String,
    network: String,
    state: String,
    said: String,
    changed_at: Timestamp,
    submission_id: Option<SubmissionId>,
    missing_since: Option<Timestamp>,
}

#[derive(sqlx::FromRow)]
struct StoredRow {
    id: PeerId,
    url: String,
    network: String,
    approved: bool,
    updated_at: Timestamp,
    name: String,
    allow_relay: bool,
    max_connections: i64,
    tags: Option<String>,
}

const REMEMBERED: &str = "SELECT url, network, state, said, changed_at, submission_id, missing_since FROM source_peers \
                          WHERE source_id = $1";

impl RememberedRow {
    fn into_entry(self) -> Result<(Identity, Remembered), StoreError> {
        let Self { url, network, state, said, changed_at, submission_id: submission, missing_since } = self;
        let state = State::from_name(&state).ok_or_else(|| StoreError::Corrupt("source_peers.state".to_owned()))?;
        Ok((Identity { url, network }, Remembered { state, said, changed_at, submission, missing_since }))
    }
}

impl StoredRow {
    fn into_entry(self) -> (Identity, Stored) {
        let Self { id, url, network, approved, updated_at, name, allow_relay, max_connections, tags } = self;
        let tags = rows::labels(tags).into_iter();
        let said = said(&name, allow_relay, rows::count(max_connections), tags);
        (Identity { url, network }, Stored { id, approved, updated_at, said })
    }
}

/// What is known of the nodes of a list and of those that its source had.
pub(super) async fn read(tx: &mut Tx, source: SourceId, listed: &[NewPeer]) -> Result<Facts, StoreError> {
    let remembered: Vec<RememberedRow> = tx.all(REMEMBERED, args![source]).await?;
    let urls: HashSet<String> =
        listed.iter().map(|peer| peer.spec.url.full()).chain(remembered.iter().map(|row| row.url.clone())).collect();
    let urls: Vec<String> = urls.into_iter().collect();
    let peers = sql!(
        "SELECT p.id, p.url, coalesce(p.network_name, '') AS network, p.approved, p.updated_at, p.name, p.allow_relay, \
         p.max_connections, (SELECT string_agg(tag, ',') FROM peer_tags WHERE peer_id = p.id) AS tags FROM peers p \
         WHERE NOT p.set_aside AND p.url ",
        (in 1)
    );
    let peers: Vec<StoredRow> = tx.all(peers, args![urls.clone()]).await?;
    let queue = sql!("SELECT url, coalesce(network_name, '') FROM submissions WHERE url ", (in 1));
    let queue: Vec<(String, String)> = tx.all(queue, args![urls.clone()]).await?;
    let elsewhere = sql!(
        "SELECT url, network FROM source_peers WHERE source_id <> $1 AND missing_since IS NULL \
         AND state IN ('brought', 'known') AND url ",
        (in 2)
    );
    let elsewhere: Vec<(String, String)> = tx.all(elsewhere, args![source, urls]).await?;
    let (waiting,): (i64,) = tx.one("SELECT count(*) FROM submissions", vec![]).await?;
    let identities = |rows: Vec<(String, String)>| rows.into_iter().map(|(url, network)| Identity { url, network });
    Ok(Facts {
        remembered: remembered.into_iter().map(RememberedRow::into_entry).collect::<Result<_, _>>()?,
        peers: peers.into_iter().map(StoredRow::into_entry).collect(),
        queue: identities(queue).collect(),
        elsewhere: identities(elsewhere).collect(),
        room: usize::try_from(MAX_QUEUE - waiting).unwrap_or(0),
    })
}
