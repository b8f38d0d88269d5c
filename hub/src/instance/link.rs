//! The link of a dependent to its primary: the address, the token, and the registration that gets one.

use data_encoding::BASE64;
use easytier_probe::Secret;
use easytier_uptime_store::{
    StoreError,
    domain::{Leader, ObjectKind, SharedConfig, SyncedObject, Timestamp},
};
use reqwest::StatusCode;
use tokio::sync::Mutex;
use url::Url;

use super::{
    client::SyncError,
    convert, introduction, members, position,
    tools::{StepError, Tools},
    wire::Registered,
};

/// The most objects of a request: the body of one arrives within seconds over a slow line too.
const PART: usize = 1000;

/// The link to one primary.
pub struct Link<'a> {
    pub(super) tools: Tools<'a>,
    pub(super) leader: Leader,
    url: Url,
    /// Held during a registration, because each ends the token of the one before.
    registering: Mutex<()>,
}

impl<'a> Link<'a> {
    /// The link to `leader`.
    ///
    /// # Errors
    ///
    /// [`StepError::NoAddress`] when its address is unknown.
    pub fn new(tools: Tools<'a>, leader: Leader) -> Result<Self, StepError> {
        let url = leader.url.as_deref().and_then(|url| url.parse().ok());
        let url = url.ok_or_else(|| StepError::NoAddress(leader.name.clone()))?;
        Ok(Self { tools, leader, url, registering: Mutex::default() })
    }

    /// The base URL of the primary.
    pub fn url(&self) -> &Url {
        &self.url
    }

    /// The token at the primary; registers when there is none.
    ///
    /// # Errors
    ///
    /// When the registration fails.
    pub async fn token(&self) -> Result<Secret, StepError> {
        match self.stored_token().await? {
            Some(token) => Ok(token),
            None => self.register(None).await,
        }
    }

    /// Makes a request with the token. When the primary does not accept it, registers and tries once more.
    ///
    /// # Errors
    ///
    /// When the request or the registration fails.
    pub async fn with_token<T>(
        &self,
        request: impl AsyncFn(&Url, &Secret) -> Result<T, SyncError>,
    ) -> Result<T, StepError> {
        let token = self.token().await?;
        match request(&self.url, &token).await {
            Err(error) if error.is_unauthorized() => Ok(request(&self.url, &self.register(Some(&token)).await?).await?),
            answered => Ok(answered?),
        }
    }

    /// Introduces this instance again if the configuration gives it another place in the order of failover than before.
    ///
    /// # Errors
    ///
    /// When the registration fails.
    pub async fn introduce_again(&self) -> Result<bool, StepError> {
        let named = self.tools.options.failover_order;
        if self.tools.store.named_order().await?.is_none_or(|before| before == named) {
            return Ok(false);
        }
        let token = self.stored_token().await?;
        self.register(token.as_ref()).await?;
        self.tools.store.give_own_order(named, named).await?;
        Ok(true)
    }

    async fn stored_token(&self) -> Result<Option<Secret>, StoreError> {
        let stored = self.tools.store.primary_token().await?;
        Ok(stored.filter(|(of, _)| of.id == self.leader.id).map(|(_, token)| token))
    }

    /// Introduces this instance to the primary, hands in what it changed while it led itself, and returns its token.
    /// `refused`: the token that the primary did not accept.
    async fn register(&self, refused: Option<&Secret>) -> Result<Secret, StepError> {
        let Tools { store, options, client, .. } = self.tools;
        let _turn = self.registering.lock().await;
        if let Some(token) = self.stored_token().await?.filter(|token| Some(token) != refused) {
            // Another part of this instance registered meanwhile.
            return Ok(token);
        }
        let secret = options.secret.as_ref().ok_or(StepError::NoSecret)?;
        let instance = store.instance().await?;
        let own = introduction::of(store, options, &instance).await?;
        let registered = client.register(&self.url, secret, &own).await?;
        members::check(&instance, registered.cluster_id, registered.epoch)?;
        let token = Secret::from(registered.token.clone());
        // Before the token is used for anything else: with its first heartbeat this instance is a dependent like any other.
        self.hand_in(&token, &registered).await?;
        // Before the token is stored, after which this instance does not register again.
        if instance.follows(&self.leader) && registered.epoch > instance.epoch {
            // It knows no token of this instance, and leads in another epoch: it was restored from a backup.
            store.forward_again().await?;
        } else {
            let row = match position::row_of(registered.mirrored.as_deref(), instance.id) {
                // What this instance took in since it was last mirrored goes to the new primary.
                Some(row) => row,
                None => self.last_at_both().await?,
            };
            store.put_forwarded_row(row).await?;
        }
        store.put_primary_token(&token, self.leader.id).await?;
        tracing::info!(primary = %self.leader.name, "registered at the primary");
        Ok(token)
    }

    /// The row up to which results are at the present primary too. The one before may have lost its disk with the last results
    /// that it got, before any mirror had them; so they are sent once more, and count once.
    async fn last_at_both(&self) -> Result<i64, StoreError> {
        let Tools { store, options, .. } = self.tools;
        let unsure = (options.failover_after + options.sync_interval) * 2;
        let newest = store.newest_result().await?;
        let sure = store.last_result_before(Timestamp::now() - unsure, (0, newest)).await?;
        Ok(store.forwarded_row().await?.min(sure))
    }

    /// Gives the primary what this instance changed while it led itself. The primary refuses any other instance, which has
    /// nothing to hand in.
    async fn hand_in(&self, token: &Secret, registered: &Registered) -> Result<(), StepError> {
        let key = registered.public_key.as_deref().and_then(|key| BASE64.decode(key.as_bytes()).ok());
        let Some(key) = key.and_then(|key| <[u8; 32]>::try_from(key).ok()) else { return Ok(()) };
        let config = self.tools.store.shared_config(Timestamp::now()).await?;
        for part in parts(&config) {
            let own = convert::configuration(&part, registered.cluster_id, &key)?;
            match self.tools.client.hand_in(&self.url, token, &own).await {
                Ok(()) if part.more => {}
                Ok(()) => tracing::info!("handed in what this instance changed while it was the primary"),
                Err(SyncError::Refused { status, .. }) if status == StatusCode::FORBIDDEN => return Ok(()),
                Err(error) => return Err(error.into()),
            }
        }
        Ok(())
    }
}

/// The parts of a configuration, in the order in which they are handed in: a token needs its probe. The last is the one after which
/// nothing follows.
fn parts(config: &SharedConfig) -> impl Iterator<Item = SharedConfig> {
    let rank = |object: &SyncedObject| ObjectKind::ALL.iter().position(|kind| *kind == object.key.kind);
    let mut objects = config.objects.clone();
    objects.sort_by_key(rank);
    let count = objects.len().div_ceil(PART).max(1);
    (0..count).map(move |nth| {
        let objects: Vec<SyncedObject> = objects.iter().skip(nth * PART).take(PART).cloned().collect();
        let own = objects.iter().map(|object| &object.key).filter(|key| config.own.contains(key)).cloned().collect();
        let (version, seen) = (config.version, config.seen.clone());
        let SharedConfig { instance, last_modified, highest_peer_id, .. } = *config;
        SharedConfig { version, instance, own, last_modified, highest_peer_id, seen, more: nth + 1 < count, objects }
    })
}

#[cfg(test)]
mod tests {
    use easytier_uptime_store::domain::{Content, ObjectKey, ObjectState, ObjectVersion, SyncedProbe};

    use super::*;

    #[test]
    fn each_object_is_in_one_part_and_probes_come_before_tokens() {
        let probe = |nth: usize| SyncedObject {
            key: ObjectKey { kind: ObjectKind::Probe, uid: format!("p{nth}") },
            version: ObjectVersion { epoch: 1, counter: 1 },
            state: ObjectState::Present(Content::Probe(SyncedProbe {
                region: "eu".into(),
                named: true,
                created_at: Timestamp(0),
            })),
        };
        let token = SyncedObject {
            key: ObjectKey { kind: ObjectKind::Credential, uid: "t".into() },
            version: ObjectVersion { epoch: 1, counter: 1 },
            state: ObjectState::Deleted(Timestamp(0)),
        };
        let mut objects: Vec<SyncedObject> = (0..2 * PART).map(probe).collect();
        objects.insert(0, token.clone());
        let own = objects.iter().map(|object| object.key.clone()).collect();
        let whole = SharedConfig { objects, own, ..SharedConfig::default() };
        let parts: Vec<SharedConfig> = parts(&whole).collect();
        assert_eq!(
            parts.iter().map(|part| (part.objects.len(), part.more)).collect::<Vec<_>>(),
            [(PART, true), (PART, true), (1, false)]
        );
        assert!(parts.iter().all(|part| part.own.len() == part.objects.len()));
        assert_eq!(parts[2].objects, [token]);

        let empty: Vec<SharedConfig> = super::parts(&SharedConfig::default()).collect();
        assert_eq!(empty, [SharedConfig::default()]);
    }
}
