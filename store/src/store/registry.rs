//! The registry of probes: node tokens, enrollment, registration, removal.

use super::{
    Store,
    audit::Change,
    credentials::{self, NewCredential},
    edits, liveness, probes, regions,
    rows::without_nul,
};
use crate::{
    db::{Tx, args, work},
    domain::{
        AuditObject, AuditVerb, CredentialId, CredentialKind, EnrollmentKey, IssuedToken, NewProbe, ProbeId,
        ProbeIdentity, Region, RegionId, Registration, Timestamp,
    },
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
        self.create_temporary_node_token(name, server_id, region, None, now).await
    }

    /// Issues a node token like [`create_node_token`](Self::create_node_token), which is valid until `expires_at`.
    ///
    /// # Errors
    ///
    /// Like `create_node_token`.
    pub async fn create_temporary_node_token(
        &self,
        name: &str,
        server_id: Option<&str>,
        region: &Region,
        expires_at: Option<Timestamp>,
        now: Timestamp,
    ) -> Result<IssuedToken, StoreError> {
        let named = server_id.is_some();
        let server_id = &without_nul(server_id.unwrap_or(name));
        self.db()
            .transaction(|tx| {
                work(async move {
                    let edit = edits::allow(tx).await?;
                    let region_id = regions::ensure(tx, region).await?;
                    let probe = match probes::find(tx, server_id).await? {
                        None => probes::insert(tx, server_id, named, region_id, now).await?,
                        Some((probe, current)) if current == region_id => probe,
                        Some(_) => return Err(Conflict::ProbeInOtherRegion.into()),
                    };
                    let of_kind = NewCredential::of(CredentialKind::Node, name);
                    let new = NewCredential { probe: Some(probe), expires_at, ..of_kind };
                    let token = credentials::issue(tx, &new, now).await?;
                    edit.note(tx, credentials::issued(&new, token.id)).await?;
                    Ok(token)
                })
            })
            .await
    }

    /// Enrolls a new probe with an enrollment key, and returns its node token: its own, or a new one. The same key,
    /// `server_id` and token again change nothing and do not count as a use of the key. A probe of which all tokens have ended
    /// may enroll again: nobody could register it otherwise.
    ///
    /// # Errors
    ///
    /// [`Conflict::OtherRegion`] when the key is for another region, [`Conflict::ServerIdTaken`] when the probe exists and has a
    /// valid token, never had one, or is in another region, [`Conflict::TokenTaken`] when its token cannot be told from another
    /// one, [`StoreError::Lapsed`] when the key is used up or no longer valid; otherwise when the database fails.
    pub async fn enroll_probe(
        &self,
        key: &EnrollmentKey,
        new: &NewProbe<'_>,
        now: Timestamp,
    ) -> Result<(ProbeIdentity, IssuedToken), StoreError> {
        if key.region.as_ref().is_some_and(|only| only != new.region) {
            return Err(Conflict::OtherRegion.into());
        }
        let server_id = &without_nul(new.server_id);
        let (probe, region_id, issued) =
            self.db().transaction(|tx| work(enroll(tx, key.id, NewProbe { server_id, ..*new }, now))).await?;
        let identity = ProbeIdentity { probe, server_id: server_id.clone(), region_id, region: new.region.clone() };
        Ok((identity, issued))
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
                    // A probe does it at each start.
                    edits::allow_registration(tx).await?.skip();
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
        let (probe, region_id) = self
            .db()
            .transaction(|tx| {
                work(async move {
                    let region_id = regions::ensure(tx, region).await?;
                    let probe = match probes::find(tx, server_id).await? {
                        None => probes::insert(tx, server_id, true, region_id, now).await?,
                        Some((probe, _)) => {
                            let update = "UPDATE probes SET region_id = $2 WHERE id = $1";
                            tx.execute(update, args![probe, region_id]).await?;
                            probe
                        }
                    };
                    Ok((probe, region_id))
                })
            })
            .await?;
        Ok(ProbeIdentity { probe, server_id: server_id.clone(), region_id, region: region.clone() })
    }

    /// Removes a probe that is offline: its tokens are deleted, and its `server_id` can be used again. Its results stay.
    ///
    /// # Errors
    ///
    /// [`StoreError::NotFound`] when there is no such probe, [`Conflict::ProbeNotOffline`] when it is not offline; otherwise
    /// when the database fails.
    pub async fn remove_probe(&self, server_id: &str, now: Timestamp) -> Result<(), StoreError> {
        self.db().transaction(|tx| work(remove(tx, server_id, now))).await
    }
}

/// Enrolls a probe, or finds that this key has enrolled it with this token before. A probe whose tokens have ended keeps its row, so
/// that it continues as the same one.
async fn enroll(
    tx: &mut Tx,
    key: CredentialId,
    new: NewProbe<'_>,
    now: Timestamp,
) -> Result<(ProbeId, RegionId, IssuedToken), StoreError> {
    let NewProbe { server_id, region, registration, token } = new;
    let edit = edits::allow_registration(tx).await?;
    let stored_key = credentials::lock_enrollment_key(tx, key).await?;
    let region_id = regions::ensure(tx, region).await?;
    let known = probes::find(tx, server_id).await?;
    let (mut repeated, mut continued) = (None, None);
    if let Some((probe, its_region)) = known {
        if let Some(own) = token.filter(|_| its_region == region_id) {
            let id = credentials::enrolled_token(tx, probe, key, own).await?;
            repeated = id.map(|id| (probe, IssuedToken { id, token: own.secret().clone() }));
        }
        if repeated.is_none() {
            probes::lock(tx, server_id).await?;
            if probes::is_expired(tx, probe, now).await? {
                probes::remove(tx, probe).await?;
            } else if its_region == region_id && credentials::have_ended(tx, probe, now).await? {
                continued = Some(probe);
            } else {
                return Err(Conflict::ServerIdTaken.into());
            }
        }
    }
    let (probe, issued) = match repeated {
        Some(repeated) => {
            edit.skip();
            repeated
        }
        None => {
            if let Some(lapsed) = stored_key.lapsed(now) {
                return Err(lapsed.into());
            }
            credentials::count_use(tx, key, now).await?;
            let probe = match continued {
                Some(probe) => probe,
                None => probes::insert(tx, server_id, true, region_id, now).await?,
            };
            let of_kind = NewCredential::of(CredentialKind::Node, server_id);
            let new = NewCredential { probe: Some(probe), enrolled_by: Some(key), ..of_kind };
            edit.note(tx, Change::of(AuditObject::Probe, AuditVerb::Add).named(server_id).detail(region)).await?;
            (probe, credentials::issue_or_take(tx, &new, token, now).await?)
        }
    };
    probes::write_registration(tx, probe, registration, now).await?;
    Ok((probe, region_id, issued))
}

async fn remove(tx: &mut Tx, server_id: &str, now: Timestamp) -> Result<(), StoreError> {
    let edit = edits::allow(tx).await?;
    let probe = probes::lock(tx, server_id).await?;
    if liveness::probes(tx, now).await?.get(&probe).is_some_and(|facts| facts.live) {
        return Err(Conflict::ProbeNotOffline.into());
    }
    probes::remove(tx, probe).await?;
    edit.note(tx, Change::of(AuditObject::Probe, AuditVerb::Remove).named(server_id)).await
}
