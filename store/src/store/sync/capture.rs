//! Versions: what differs from the last known content was changed here since, and gets the next version. So whoever changes a
//! row need not know about synchronisation, and a change by an older program counts too.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use super::{
    read,
    records::{self, Record},
    uids::Uids,
};
use crate::{
    crypto::HubKey,
    db::Tx,
    domain::{
        ConfigVersion, Content, Fields, InstanceId, ObjectKey, ObjectKind, ObjectState, ObjectVersion, Role,
        SyncedObject, Timestamp,
    },
    error::StoreError,
    merge,
    store::{instance, metadata},
};

/// The place to which the hashes of contents are bound, see [`HubKey::keyed_hash`].
const DIGEST_PLACE: &str = "synced_objects.digest";

/// Of each instance, the highest counter that is known here.
const SEEN: &str = "sync_seen";

/// An object as this instance has it.
pub(in crate::store) struct Held {
    pub object: SyncedObject,
    /// The key of its row, or that of the row before its deletion.
    pub local_key: Option<String>,
    /// Whether this version was made here.
    pub made_here: bool,
}

/// This instance.
pub(in crate::store) struct Me {
    pub id: InstanceId,
    pub role: Role,
    pub epoch: i64,
    /// The version of the primary's configuration that a dependent holds.
    pub synced: ConfigVersion,
}

/// Everything that this instance shares.
pub(in crate::store) struct Captured {
    pub me: Me,
    /// The version of the list of peers.
    pub version: i64,
    pub held: BTreeMap<ObjectKey, Held>,
    pub seen: BTreeMap<InstanceId, i64>,
    /// The highest counter that is known.
    pub counter: i64,
}

impl Captured {
    /// The version of the configuration: a dependent's is that of the primary's.
    pub fn config_version(&self) -> ConfigVersion {
        let epoch = if self.me.role == Role::Dependent { self.me.synced.epoch } else { self.me.epoch };
        ConfigVersion { epoch, version: self.version }
    }

    /// The version of a change that is made now.
    pub fn next_version(&self) -> ObjectVersion {
        ObjectVersion { epoch: self.me.epoch, counter: self.counter.saturating_add(1) }
    }
}

/// The keyed hash of a content, by which a change is noticed. The id of a peer is no part of it: no edit changes it.
pub(super) fn digest(key: &HubKey, content: &Content) -> Vec<u8> {
    key.keyed_hash(DIGEST_PLACE, content.fields(Fields::Whole).to_string().as_bytes())
}

/// Reads what this instance shares, after it has given a version to what was changed here. No list of peers changes until the
/// end of the transaction. It also runs before a primary steps down: what was changed until then belongs to its own epoch.
///
/// `now` is the time of deletions, and that by which old ones are forgotten; without it, that of the last change of a peer.
pub(in crate::store) async fn capture(
    tx: &mut Tx,
    key: &HubKey,
    now: Option<Timestamp>,
) -> Result<Captured, StoreError> {
    let row = instance::lock(tx).await?;
    let me = Me { id: row.id()?, role: row.role()?, epoch: row.epoch, synced: row.synced() };
    let version = metadata::lock_config_version(tx).await?;
    let now = match now {
        Some(now) => now,
        None => last_change(tx).await?,
    };
    let mut seen: BTreeMap<InstanceId, i64> = metadata::json(tx, SEEN).await?;
    let records = records::all(tx).await?;
    let counter = records.iter().map(|record| record.version.counter).chain(seen.values().copied()).max().unwrap_or(0);
    let rows = read::rows(tx, key).await?;
    let mut captured = Captured { me, version, held: BTreeMap::new(), seen: BTreeMap::new(), counter };
    let next = captured.next_version();

    let mut known: HashMap<(ObjectKind, String), Record> = HashMap::new();
    let mut gone = Vec::new();
    for record in records {
        match record.local_key.clone() {
            Some(local_key) => drop(known.insert((record.key.kind, local_key), record)),
            None => gone.push(record),
        }
    }
    let taken = known.values().chain(&gone).filter(|record| record.key.kind == ObjectKind::Peer);
    let mut uids = Uids::new(row.cluster()?, taken.map(|record| record.key.uid.clone()).collect());
    let dependent = captured.me.role == Role::Dependent;
    let (mut changed, mut forgotten) = (Vec::new(), Vec::new());
    for ((kind, local_key), content) in rows {
        let record = known.remove(&(kind, local_key.clone()));
        let digest = digest(key, &content);
        let uid = uid(&content, &local_key, record.as_ref(), &mut uids);
        let (version, made_here) = match &record {
            // Regions are never deleted here; one that another instance removed stays, for the history.
            Some(record) if record.deleted_at.is_some() && kind == ObjectKind::Region => {
                gone.extend(Some(record.clone()));
                continue;
            }
            Some(record) if record.deleted_at.is_none() && record.digest == digest => {
                let is_kept = dependent || !record.version.is_local();
                if is_kept { (record.version, record.made_here) } else { (next, true) }
            }
            Some(record) if dependent && record.version.is_local() => (record.version, true),
            Some(record) => (ObjectVersion { epoch: next.epoch.max(record.version.epoch), ..next }, true),
            // What a dependent has of its own gives way to whatever the primary says.
            None if dependent => (ObjectVersion::default(), true),
            None => (next, true),
        };
        let object = SyncedObject { key: ObjectKey { kind, uid }, version, state: ObjectState::Present(content) };
        let is_known =
            |record: Record| record.version == version && record.digest == digest && record.deleted_at.is_none();
        if !record.is_some_and(is_known) {
            changed.push(Record::of(&object, Some(local_key.clone()), digest, made_here));
        }
        captured.held.insert(object.key.clone(), Held { object, local_key: Some(local_key), made_here });
    }
    let set_aside: Vec<(i64,)> = tx.all("SELECT id FROM peers WHERE set_aside", vec![]).await?;
    let set_aside: BTreeSet<String> = set_aside.into_iter().map(|(id,)| id.to_string()).collect();
    for mut record in gone.into_iter().chain(known.into_values()) {
        if record.key.kind == ObjectKind::Peer && record.local_key.as_ref().is_some_and(|id| set_aside.contains(id)) {
            forgotten.push(record.key);
            continue;
        }
        // A dependent tidies up probes of others that it has not heard from: that is not the operator's decision.
        let is_deletion = record.key.kind == ObjectKind::Peer || !dependent;
        if record.deleted_at.is_none() && is_deletion {
            record.version = ObjectVersion { epoch: next.epoch.max(record.version.epoch), ..next };
            (record.deleted_at, record.made_here) = (Some(now), true);
            changed.push(record.clone());
        }
        let Some(object) = record.deleted().filter(|object| merge::is_remembered(object, now)) else {
            forgotten.push(record.key);
            continue;
        };
        let held = Held { object, local_key: record.local_key, made_here: record.made_here };
        captured.held.insert(record.key, held);
    }
    if changed.iter().any(|record| record.version.counter == next.counter) {
        captured.counter = next.counter;
        seen.insert(captured.me.id, next.counter);
        put_seen(tx, &seen).await?;
    }
    captured.seen = seen;
    records::forget(tx, &forgotten).await?;
    records::put(tx, changed).await?;
    Ok(captured)
}

/// When a peer was last deleted or changed.
async fn last_change(tx: &mut Tx) -> Result<Timestamp, StoreError> {
    let select = "SELECT coalesce(max(at), 0) FROM (SELECT max(deleted_at) AS at FROM deleted_peers \
                  UNION ALL SELECT max(updated_at) FROM peers) times";
    tx.one::<(Timestamp,)>(select, vec![]).await.map(|(at,)| at)
}

/// Stores which changes are known here.
pub(super) async fn put_seen(tx: &mut Tx, seen: &BTreeMap<InstanceId, i64>) -> Result<(), StoreError> {
    metadata::put_json(tx, SEEN, seen).await
}

/// The uid of a row: a peer gets one when it is first seen.
fn uid(content: &Content, local_key: &str, record: Option<&Record>, uids: &mut Uids) -> String {
    match (record, content) {
        (Some(record), _) => record.key.uid.clone(),
        (None, Content::Peer(peer)) => uids.of(&peer.spec),
        (None, _) => local_key.to_owned(),
    }
}
