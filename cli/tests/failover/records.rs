//! Reads the database of an instance directly, beside the instance.

use std::{
    collections::{BTreeMap, HashMap},
    path::Path,
};

use sqlx::{ConnectOptions, Connection, SqliteConnection, sqlite::SqliteConnectOptions};
use uuid::Uuid;

use crate::instance::Instance;

/// What instances share, as one of them has it: each object by kind and uid.
pub type Configuration = BTreeMap<(String, String), String>;

/// The peers, with their tags and regions; what the operator set aside is not shared.
const PEERS: &str = "
    SELECT 'peer', o.uid, concat_ws('|', p.id, p.url, p.name, p.description, p.network_name, p.approved, p.submitted,
           p.max_connections, p.created_at, p.updated_at,
           (SELECT group_concat(tag) FROM (SELECT tag FROM peer_tags WHERE peer_id = p.id ORDER BY tag)))
    FROM peers p LEFT JOIN synced_objects o ON o.kind = 'peer' AND o.local_key = CAST(p.id AS TEXT)
    WHERE NOT p.set_aside";

const CREDENTIALS: &str = "
    SELECT 'credential', lookup, concat_ws('|', c.kind, c.name, hex(hash), p.server_id, r.name, revoked_at IS NOT NULL)
    FROM credentials c LEFT JOIN probes p ON p.id = c.probe_id LEFT JOIN regions r ON r.id = c.region_id";

const PROBES: &str = "
    SELECT 'probe', server_id, r.name FROM probes JOIN regions r ON r.id = probes.region_id";

const REGIONS: &str = "SELECT 'region', name, '' FROM regions";

/// The versions of what is shared; a dependent has version zero for what it has of its own.
const VERSIONS: &str = "
    SELECT 'version of ' || kind, uid, concat_ws('|', epoch, counter, deleted_at IS NOT NULL)
    FROM synced_objects WHERE epoch > 0";

/// How many dependents an instance knows, itself included, that the primary reached: only they can take its place.
pub const CALLED_BACK: &str = "
    SELECT (SELECT count(*) FROM instance WHERE role = 'dependent' AND called_back)
           + (SELECT count(*) FROM instances WHERE role = 'dependent' AND called_back_at IS NOT NULL)";

/// Results of peers that were deleted are nobody's any more: they are deleted some time later, and no instance passes them on.
const RESULTS: &str = "
    SELECT result_id, p.url FROM results LEFT JOIN peers p ON p.id = results.peer_id
    WHERE NOT EXISTS (SELECT 1 FROM deleted_peers d WHERE d.peer_id = results.peer_id)";

pub async fn configuration(of: &Instance) -> Configuration {
    let mut connection = open(&of.database()).await;
    let mut all = Configuration::new();
    for query in [PEERS, CREDENTIALS, PROBES, REGIONS, VERSIONS] {
        let rows: Vec<(String, Option<String>, String)> =
            sqlx::query_as(query).fetch_all(&mut connection).await.unwrap();
        all.extend(rows.into_iter().map(|(kind, uid, content)| ((kind, uid.unwrap_or_default()), content)));
    }
    connection.close().await.unwrap();
    all
}

/// How often each result whose id was made up to a time, in milliseconds since 1970, is stored, and for the peer with which URL;
/// without those of deleted peers.
/// Other times of a result depend on the clock of the instance.
pub async fn results(of: &Instance, until: u64) -> HashMap<Uuid, Vec<String>> {
    let mut connection = open(&of.database()).await;
    let rows: Vec<(Uuid, Option<String>)> = sqlx::query_as(RESULTS).fetch_all(&mut connection).await.unwrap();
    connection.close().await.unwrap();
    let mut all: HashMap<Uuid, Vec<String>> = HashMap::new();
    for (id, url) in rows.into_iter().filter(|(id, _)| made_at(id) <= until) {
        all.entry(id).or_default().push(url.unwrap_or_default());
    }
    all
}

/// When an id was made, in milliseconds since 1970: the first 48 bits of a UUIDv7.
fn made_at(id: &Uuid) -> u64 {
    (id.as_u128() >> 80) as u64
}

/// A number that a query returns.
pub async fn number(of: &Instance, query: &'static str) -> i64 {
    let mut connection = open(&of.database()).await;
    let number = sqlx::query_scalar(query).fetch_one(&mut connection).await.unwrap();
    connection.close().await.unwrap();
    number
}

async fn open(path: &Path) -> SqliteConnection {
    SqliteConnectOptions::new().filename(path).read_only(true).connect().await.unwrap()
}
