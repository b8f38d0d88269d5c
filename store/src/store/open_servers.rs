//! Servers that announced themselves without a credential. They have a table of their own, which nothing but their list reads: so
//! none of them is ever taken for a probe.

use std::net::IpAddr;

use serde_json::Value as Json;

use super::{
    Store,
    probes::{self, json_text},
    rows::{self, without_nul},
};
use crate::{
    db::{Sql, Tx, args, sql, work},
    domain::{
        Announced, LifeSigns, MAX_OPEN_SERVERS, MAX_OPEN_SERVERS_OF_ADDRESS, OPEN_SERVER_EXPIRES_AFTER, OpenServer,
        Ownership, Presence, Region, Registration, Timestamp, network_of,
    },
    error::{Conflict, StoreError},
};

/// Others that announce servers wait, so that the limits hold. A file of SQLite has one writer anyway.
const LOCK: Sql =
    sql!(["DELETE FROM open_servers WHERE FALSE" | "LOCK TABLE open_servers IN SHARE ROW EXCLUSIVE MODE"]);

#[derive(sqlx::FromRow)]
struct ServerRow {
    server_id: String,
    region: String,
    host: Option<String>,
    port: Option<i64>,
    version: Option<String>,
    capabilities: Option<String>,
    system: Option<String>,
    counters: Option<String>,
    registered_at: Timestamp,
    last_seen_at: Timestamp,
}

impl ServerRow {
    fn into_server(self, now: Timestamp) -> Result<OpenServer, StoreError> {
        let json = |text: Option<String>| text.and_then(|text| serde_json::from_str(&text).ok());
        let signs = LifeSigns {
            last_seen_at: self.last_seen_at,
            last_heartbeat_at: Some(self.last_seen_at),
            ..LifeSigns::default()
        };
        Ok(OpenServer {
            region: self.region.parse().map_err(|_| StoreError::Corrupt("open_servers.region".to_owned()))?,
            server_id: self.server_id,
            presence: Presence::of(&signs, now),
            registration: Registration {
                host: self.host,
                port: self.port.map(rows::count),
                version: self.version,
                capabilities: json(self.capabilities),
                system: json(self.system),
            },
            counters: json(self.counters),
            registered_at: self.registered_at,
            last_seen_at: self.last_seen_at,
        })
    }
}

impl Store {
    /// Lists a server without a credential, or notes what it declares now, if the same address announced it before.
    ///
    /// # Errors
    ///
    /// [`Conflict::ServerIdTaken`] when a probe has the `server_id`, or another address announced it; otherwise when the database
    /// fails.
    pub async fn announce_server(
        &self,
        from: IpAddr,
        server_id: &str,
        region: &Region,
        registration: &Registration,
        now: Timestamp,
    ) -> Result<Announced, StoreError> {
        let (from, server_id) = (&network_of(from), &without_nul(server_id));
        let announcement = Announcement { from, server_id, region, registration };
        self.db().transaction(|tx| work(announce(tx, announcement, now))).await
    }

    /// Stores a heartbeat of a server without a credential, if the address `from` announced it.
    ///
    /// # Errors
    ///
    /// When the database fails.
    pub async fn open_heartbeat(
        &self,
        from: IpAddr,
        server_id: &str,
        counters: Option<&Json>,
        now: Timestamp,
    ) -> Result<Ownership, StoreError> {
        let (from, server_id) = (&network_of(from), &without_nul(server_id));
        let update =
            "UPDATE open_servers SET last_seen_at = $2, counters = coalesce($3, counters) WHERE server_id = $1";
        let parameters = &args![server_id.as_str(), now, counters.map(json_text)];
        self.db()
            .transaction(|tx| {
                work(async move {
                    let owned = ownership(tx, from, server_id, now).await?;
                    if owned == Ownership::Own {
                        tx.execute(update, parameters.clone()).await?;
                    }
                    Ok(owned)
                })
            })
            .await
    }

    /// Takes a server without a credential off the list, if the address `from` announced it.
    ///
    /// # Errors
    ///
    /// When the database fails.
    pub async fn withdraw_server(
        &self,
        from: IpAddr,
        server_id: &str,
        now: Timestamp,
    ) -> Result<Ownership, StoreError> {
        let (from, server_id) = (&network_of(from), &without_nul(server_id));
        self.db()
            .transaction(|tx| {
                work(async move {
                    let owned = ownership(tx, from, server_id, now).await?;
                    if owned == Ownership::Own {
                        let delete = "DELETE FROM open_servers WHERE server_id = $1";
                        tx.execute(delete, args![server_id.as_str()]).await?;
                    }
                    Ok(owned)
                })
            })
            .await
    }

    /// The servers without a credential that were heard from within 24 hours, in the order of their `server_id`s. One of which a
    /// probe has the `server_id` by now is not among them.
    ///
    /// # Errors
    ///
    /// When the database fails.
    pub async fn open_servers(&self, now: Timestamp) -> Result<Vec<OpenServer>, StoreError> {
        let select = "SELECT server_id, region, host, port, version, capabilities, system, counters, registered_at, \
                      last_seen_at FROM open_servers o WHERE last_seen_at > $1 \
                      AND NOT EXISTS (SELECT 1 FROM probes b WHERE b.server_id = o.server_id)";
        let rows: Vec<ServerRow> = self.db().all(select, args![now - OPEN_SERVER_EXPIRES_AFTER]).await?;
        let mut servers = rows.into_iter().map(|row| row.into_server(now)).collect::<Result<Vec<_>, _>>()?;
        servers.sort_by(|a, b| a.server_id.cmp(&b.server_id));
        Ok(servers)
    }
}

/// A server that wants to be listed.
#[derive(Clone, Copy)]
struct Announcement<'a> {
    from: &'a str,
    server_id: &'a str,
    region: &'a Region,
    registration: &'a Registration,
}

async fn announce(tx: &mut Tx, announcement: Announcement<'_>, now: Timestamp) -> Result<Announced, StoreError> {
    let Announcement { from, server_id, region, registration } = announcement;
    if probes::find(tx, server_id).await?.is_some() {
        return Err(Conflict::ServerIdTaken.into());
    }
    tx.execute(LOCK, vec![]).await?;
    // Those that are gone take no place.
    sweep(tx, now).await?;
    match ownership(tx, from, server_id, now).await? {
        Ownership::Own => {}
        Ownership::Foreign => return Err(Conflict::ServerIdTaken.into()),
        Ownership::Unknown => {
            let count = "SELECT count(*), count(CASE WHEN announced_by = $1 THEN 1 END) FROM open_servers";
            let (in_all, of_address): (i64, i64) = tx.one(count, args![from]).await?;
            if of_address >= i64::from(MAX_OPEN_SERVERS_OF_ADDRESS) {
                return Ok(Announced::AddressFull);
            }
            if in_all >= i64::from(MAX_OPEN_SERVERS) {
                return Ok(Announced::ListFull);
            }
        }
    }
    let insert = "INSERT INTO open_servers (server_id, announced_by, region, host, port, version, capabilities, system, \
                  registered_at, last_seen_at) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $9) ON CONFLICT (server_id) \
                  DO UPDATE SET region = excluded.region, host = excluded.host, port = excluded.port, \
                  version = excluded.version, capabilities = excluded.capabilities, system = excluded.system, \
                  last_seen_at = excluded.last_seen_at";
    let row = args![
        server_id,
        from,
        region.as_str(),
        registration.host.as_deref().map(without_nul),
        registration.port,
        registration.version.as_deref().map(without_nul),
        registration.capabilities.as_ref().map(json_text),
        registration.system.as_ref().map(json_text),
        now,
    ];
    tx.execute(insert, row).await?;
    Ok(Announced::Listed)
}

async fn ownership(tx: &mut Tx, from: &str, server_id: &str, now: Timestamp) -> Result<Ownership, StoreError> {
    let select = "SELECT announced_by FROM open_servers WHERE server_id = $1 AND last_seen_at > $2";
    let row: Option<(String,)> = tx.optional(select, args![server_id, now - OPEN_SERVER_EXPIRES_AFTER]).await?;
    Ok(match row {
        None => Ownership::Unknown,
        Some((announced_by,)) if announced_by == from => Ownership::Own,
        Some(_) => Ownership::Foreign,
    })
}

/// Forgets those that were silent for a day. Returns how many.
pub(super) async fn sweep(tx: &mut Tx, now: Timestamp) -> Result<u64, StoreError> {
    let delete = "DELETE FROM open_servers WHERE last_seen_at <= $1";
    tx.execute(delete, args![now - OPEN_SERVER_EXPIRES_AFTER]).await
}
