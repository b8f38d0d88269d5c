//! The registry of probes: node tokens, enrollment, registration, removal.

use super::{Store, credentials, liveness, probes, regions, rollups, rows::without_nul, states};
use crate::{
    db::{args, sql, work},
    domain::{CredentialKind, IssuedToken, ProbeId, ProbeIdentity, Region, Registration, Timestamp},
    error::{Conflict, StoreError},
};

impl Store {
    /// Issues a token for the probe `server_id` in `region`. Without a `server_id` the name of the token is a placeholder
    /// for it, until the probe reports under its own. A probe may have several tokens, so that one can be replaced.
    ///
    /// # Errors
    ///
    /// [`Conflict::ProbeInOtherRegion`] when the probe exists in another region; otherwise when the database fails.
    pub async fn create_node_token(
        &self,
        name: &str,
        server_id: Option<&str>,
        region: &Region,
        now: Timestamp,
    ) -> Result<IssuedToken, StoreError> {
        let named = server_id.is_some();
        let server_id = &without_nul(server_id.unwrap_or(name));
        self.db()
            .transaction(|tx| {
                work(async move {
                    let region_id = regions::ensure(tx, region).await?;
                    let probe = match probes::find(tx, server_id).await? {
                        None => probes::insert(tx, server_id, named, region_id, now).await?,
                        Some((probe, current)) if current == region_id => probe,
                        Some(_) => return Err(Conflict::ProbeInOtherRegion.into()),
                    };
                    credentials::issue(tx, CredentialKind::Node, name, Some(probe), None, now).await
                })
            })
            .await
    }

    /// Enrolls a new probe with an enrollment key. `key_region` is the only region of the key, if it has one.
    ///
    /// # Errors
    ///
    /// [`Conflict::OtherRegion`] when the key is for another region, [`Conflict::ServerIdTaken`] when the probe exists;
    /// otherwise when the database fails.
    pub async fn enroll_probe(
        &self,
        key_region: Option<&Region>,
        server_id: &str,
        region: &Region,
        registration: &Registration,
        now: Timestamp,
    ) -> Result<(ProbeIdentity, IssuedToken), StoreError> {
        if key_region.is_some_and(|only| only != region) {
            return Err(Conflict::OtherRegion.into());
        }
        let server_id = &without_nul(server_id);
        self.db()
            .transaction(|tx| {
                work(async move {
                    let region_id = regions::ensure(tx, region).await?;
                    if probes::find(tx, server_id).await?.is_some() {
                        return Err(Conflict::ServerIdTaken.into());
                    }
                    let probe = probes::insert(tx, server_id, true, region_id, now).await?;
                    let issued =
                        credentials::issue(tx, CredentialKind::Node, server_id, Some(probe), None, now).await?;
                    probes::write_registration(tx, probe, registration, now).await?;
                    let identity =
                        ProbeIdentity { probe, server_id: server_id.clone(), region_id, region: region.clone() };
                    Ok((identity, issued))
                })
            })
            .await
    }

    /// Registers a probe, for the first time or again, with its own token.
    ///
    /// # Errors
    ///
    /// [`Conflict::ServerIdTaken`] or [`Conflict::OtherProbe`] when `server_id` is not the caller's; otherwise when the
    /// database fails.
    pub async fn register_probe(
        &self,
        caller: &ProbeIdentity,
        server_id: &str,
        registration: &Registration,
        now: Timestamp,
    ) -> Result<(), StoreError> {
        self.db()
            .transaction(|tx| {
                work(async move {
                    probes::claim_server_id(tx, caller, server_id).await?;
                    probes::write_registration(tx, caller.probe, registration, now).await
                })
            })
            .await
    }

    /// The identity of a probe in this process, which needs no token. The probe is added when it is new, and moved when it
    /// was in another region.
    ///
    /// # Errors
    ///
    /// When the database fails.
    pub async fn local_probe(
        &self,
        server_id: &str,
        region: &Region,
        now: Timestamp,
    ) -> Result<ProbeIdentity, StoreError> {
        let server_id = &without_nul(server_id);
        self.db()
            .transaction(|tx| {
                work(async move {
                    let region_id = regions::ensure(tx, region).await?;
                    let probe = match probes::find(tx, server_id).await? {
                        None => probes::insert(tx, server_id, true, region_id, now).await?,
                        Some((probe, _)) => {
                            tx.execute("UPDATE probes SET region_id = $2 WHERE id = $1", args![probe, region_id])
                                .await?;
                            probe
                        }
                    };
                    Ok(ProbeIdentity { probe, server_id: server_id.clone(), region_id, region: region.clone() })
                })
            })
            .await
    }

    /// Removes a probe that is offline: its tokens are deleted, and its `server_id` can be used again. Its results stay.
    ///
    /// # Errors
    ///
    /// [`StoreError::NotFound`] when there is no such probe, [`Conflict::ProbeNotOffline`] when it is not offline; otherwise
    /// when the database fails.
    pub async fn remove_probe(&self, server_id: &str, now: Timestamp) -> Result<(), StoreError> {
        self.db()
            .transaction(|tx| {
                work(async move {
                    // Transactions that store results of the probe wait for this lock, and then find the probe missing.
                    let lock = sql!("SELECT id FROM probes WHERE server_id = $1", ["" | " FOR UPDATE"]);
                    let row: Option<(ProbeId,)> = tx.optional(lock, args![server_id]).await?;
                    let (probe,) = row.ok_or(StoreError::NotFound("probe"))?;
                    if liveness::probes(tx, now).await?.get(&probe).is_some_and(|facts| facts.live) {
                        return Err(Conflict::ProbeNotOffline.into());
                    }
                    let peers = rollups::flush_probe(tx, probe).await?;
                    states::review_soon(tx, peers).await?;
                    tx.execute("DELETE FROM credentials WHERE probe_id = $1", args![probe]).await?;
                    tx.execute("DELETE FROM probes WHERE id = $1", args![probe]).await.map(drop)
                })
            })
            .await
    }
}
