//! Adopting what another instance changed.

use std::{cmp::Ordering, collections::BTreeMap};

use super::{
    capture::{self, Captured, Held, capture},
    check, conflicts, ids, moves,
    records::{self, Record},
    write::{self, Adoption, Change},
};
use crate::{
    db::{Tx, args, work},
    domain::{
        Actor, ActorKind, Adopted, AuditObject, AuditVerb, ConfigVersion, Content, InstanceId, MergePartner, ObjectKey,
        ObjectKind, ObjectState, ObjectVersion, Role, SharedConfig, SyncedObject, Timestamp,
    },
    error::{Conflict, StoreError},
    merge,
    store::{Store, audit, exchange, metadata, shared::Shared},
};

/// How many times results that wait for the fold are folded, before peers get other ids.
const FOLDS: u32 = 3;

/// What one transaction did.
enum Step {
    Adopted(Adopted),
    /// Peers must get other ids, and results of them may wait for the fold. Nothing was adopted.
    Fold,
    /// Peers got other ids, and their history is to follow. Nothing was adopted.
    Moved(Assigned),
}

/// The ids that were assigned to peers because another one has theirs, and the versions of these changes.
type Assigned = BTreeMap<ObjectKey, (i64, ObjectVersion)>;

impl Store {
    /// Merges the configuration of another instance into this one, object by object: the higher version wins. Both have the
    /// same afterwards, when each has adopted the configuration of the other. A peer whose id another peer has too gets another
    /// one, and its history follows.
    ///
    /// # Errors
    ///
    /// [`Conflict::OlderConfiguration`] when it is the primary's, but older than what this instance holds,
    /// [`Conflict::NotDependent`] when it is the primary's, and this instance is not a dependent,
    /// [`Conflict::ImpossibleConfiguration`] when no instance can have made it: then nothing changes. Otherwise when the
    /// database fails.
    pub async fn adopt(
        &self,
        theirs: &SharedConfig,
        from: MergePartner,
        now: Timestamp,
    ) -> Result<Adopted, StoreError> {
        let objects = &check::known_objects(theirs, now)?;
        let (mut folds, mut assigned) = (0, Assigned::new());
        loop {
            self.finish_moves().await?;
            let shared = &self.shared;
            let what = Theirs { theirs, objects, from, assigned: &assigned, may_fold: folds < FOLDS };
            let step = self.db().transaction(|tx| work(adopt(tx, shared, what, now))).await?;
            match step {
                Step::Adopted(adopted) => {
                    self.reload_live_settings().await?;
                    return Ok(adopted);
                }
                Step::Fold => {
                    folds += 1;
                    self.fold().await?;
                }
                Step::Moved(ids) => {
                    tracing::info!("peers get other ids, because another instance gave out theirs too");
                    assigned = ids;
                }
            }
        }
    }
}

/// What is adopted.
#[derive(Clone, Copy)]
struct Theirs<'a> {
    theirs: &'a SharedConfig,
    /// Its objects that this program knows.
    objects: &'a [SyncedObject],
    from: MergePartner,
    /// What an earlier step assigned.
    assigned: &'a Assigned,
    /// Whether results that wait should be folded, before peers get other ids.
    may_fold: bool,
}

async fn adopt(tx: &mut Tx, shared: &Shared, what: Theirs<'_>, now: Timestamp) -> Result<Step, StoreError> {
    let captured = capture(tx, &shared.key, Some(now)).await?;
    refuse(&captured, what)?;
    let highest = ids::highest(tx).await?.max(what.theirs.highest_peer_id);
    let (merged, assigned) = merge_with(&captured, what, highest, now);
    let stages = moves::plan(tx, &captured, &merged, highest).await?;
    if stages.is_empty() {
        return finish(tx, shared, captured, what, &merged, now).await.map(Step::Adopted);
    }
    // Results that are not folded yet know their peer by its old id.
    if what.may_fold && tx.optional::<(i64,)>("SELECT id FROM appends LIMIT 1", vec![]).await?.is_some() {
        return Ok(Step::Fold);
    }
    moves::begin(tx, stages, now).await?;
    lists_changed(tx, captured.version.saturating_add(1)).await?;
    Ok(Step::Moved(assigned))
}

/// Refuses a primary's configuration that must not be adopted.
fn refuse(captured: &Captured, what: Theirs<'_>) -> Result<(), StoreError> {
    match what.from {
        MergePartner::Other => Ok(()),
        MergePartner::Primary if captured.me.role != Role::Dependent => Err(Conflict::NotDependent.into()),
        MergePartner::Primary if what.theirs.version < captured.me.synced => Err(Conflict::OlderConfiguration.into()),
        MergePartner::Primary => Ok(()),
    }
}

/// The objects of both, in which each peer has an id and a place of its own, and the ids that were assigned for that.
fn merge_with(
    captured: &Captured,
    what: Theirs<'_>,
    highest: i64,
    now: Timestamp,
) -> (BTreeMap<ObjectKey, SyncedObject>, Assigned) {
    let ours = captured.held.values().map(|held| held.object.clone());
    let mut merged = merge::merge(ours, what.objects.iter().cloned());
    for (key, (id, version)) in what.assigned {
        if let Some(object) = merged.get_mut(key).filter(|object| object.version < *version)
            && let ObjectState::Present(Content::Peer(peer)) = &mut object.state
        {
            (peer.id, object.version) = (*id, *version);
        }
    }
    let counter = merged.values().map(|object| object.version.counter).fold(captured.counter, i64::max);
    let version = ObjectVersion { epoch: captured.me.epoch, counter: counter.saturating_add(1) };
    // A dependent leaves that to the primary.
    if what.from == MergePartner::Other {
        merge::unite(&mut merged, now, version);
    }
    let renumbered = merge::assign_ids(&mut merged, highest, version);
    let mut assigned = what.assigned.clone();
    for key in renumbered {
        if let Some(object) = merged.get(&key)
            && let Some(peer) = write::present_peer(object)
        {
            assigned.insert(key, (peer.id, object.version));
        }
    }
    (merged, assigned)
}

/// Writes what the merge changed here. Every peer of this instance has its id already.
async fn finish(
    tx: &mut Tx,
    shared: &Shared,
    captured: Captured,
    what: Theirs<'_>,
    merged: &BTreeMap<ObjectKey, SyncedObject>,
    now: Timestamp,
) -> Result<Adopted, StoreError> {
    let changes: Vec<Change<'_>> = merged
        .values()
        .map(|object| Change { object, was: captured.held.get(&object.key) })
        .filter(|change| change.was.is_none_or(|was| merge::order(&was.object, change.object) != Ordering::Equal))
        .collect();
    let lost = lost(&captured, what, merged);
    conflicts::record(tx, &lost, now).await?;

    let lists_change = changes.iter().any(|change| changes_list(change));
    let version = version_after(&captured, what, lists_change);
    write::apply(tx, shared, &changes, &Adoption { from: what.from, version: version.version, now }).await?;
    let records = changes.iter().map(|change| record_of(shared, change)).collect();
    records::put(tx, records).await?;
    if !what.theirs.more {
        note_seen(tx, &captured, what).await?;
    }
    let ids = merged.values().filter_map(write::present_peer).map(|peer| peer.id);
    ids::reserve(tx, ids.fold(what.theirs.highest_peer_id, i64::max)).await?;
    if lists_change || version.version != captured.version {
        lists_changed(tx, version.version).await?;
    }
    if what.from == MergePartner::Primary {
        note_primary(tx, version, now).await?;
        let present = what.objects.iter().filter(|object| write::present_peer(object).is_some());
        exchange::pass_on_refused(tx, &present.map(|object| object.key.uid.as_str()).collect()).await?;
    }
    if !changes.is_empty() {
        let instance = what.theirs.instance.map(|instance| instance.to_string()).unwrap_or_default();
        let adopted = audit::Change::of(AuditObject::Configuration, AuditVerb::Change).id(version.version);
        let adopted = adopted.detail(format!("{} objects", changes.len()));
        audit::note_by(tx, &Actor::new(ActorKind::Instance, instance), adopted).await?;
    }
    Ok(Adopted { changed: changes.len(), lost: lost.len(), ahead: ahead(merged, what.objects), version })
}

/// The changes that were lost: those that were made here, and those that the other instance made.
fn lost<'a>(
    captured: &'a Captured,
    what: Theirs<'a>,
    merged: &'a BTreeMap<ObjectKey, SyncedObject>,
) -> Vec<(&'a ObjectState, &'a SyncedObject)> {
    let Theirs { theirs, objects, .. } = what;
    let counter = |seen: &BTreeMap<InstanceId, i64>, of: InstanceId| seen.get(&of).copied().unwrap_or(0);
    let they_know = (!theirs.seen.is_empty()).then(|| counter(&theirs.seen, captured.me.id));
    let we_know = theirs.instance.map(|instance| counter(&captured.seen, instance));
    let ours = captured.held.values().filter(|held| held.made_here).map(|held| (&held.object, they_know));
    let of_theirs = objects.iter().filter(|object| theirs.own.contains(&object.key)).map(|object| (object, we_know));
    ours.chain(of_theirs)
        .filter_map(|(change, known)| Some((change, merged.get(&change.key)?, known)))
        .filter(|(change, won, known)| conflicts::is_lost(change, won, *known))
        .map(|(change, won, _)| (&change.state, won))
        .collect()
}

/// Whether a change is one of the lists that probes get.
fn changes_list(change: &Change<'_>) -> bool {
    let was = change.was.map(|was| &was.object.state);
    match (&change.object.state, was) {
        (ObjectState::Present(Content::Peer(_)), was) => was != Some(&change.object.state),
        (ObjectState::Deleted(_), Some(ObjectState::Present(Content::Peer(_)))) => true,
        _ => false,
    }
}

/// The version of the configuration after the adoption: a dependent's is the primary's. Otherwise it is greater than both, if
/// the lists change.
fn version_after(captured: &Captured, what: Theirs<'_>, lists_change: bool) -> ConfigVersion {
    let theirs = what.theirs.version;
    match what.from {
        MergePartner::Primary => theirs,
        MergePartner::Other => {
            let version = captured.version.max(theirs.version) + i64::from(lists_change);
            ConfigVersion { version, ..captured.config_version() }
        }
    }
}

fn record_of(shared: &Shared, change: &Change<'_>) -> Record {
    let Change { object, was } = change;
    let (local_key, digest) = match &object.state {
        ObjectState::Present(content) => {
            let local_key = match content {
                Content::Peer(peer) => peer.id.to_string(),
                _ => object.key.uid.clone(),
            };
            (Some(local_key), capture::digest(&shared.key, content))
        }
        ObjectState::Deleted(_) => {
            let of_others = || (object.key.kind != ObjectKind::Peer).then(|| object.key.uid.clone());
            (was.and_then(|was: &Held| was.local_key.clone()).or_else(of_others), Vec::new())
        }
    };
    Record::of(object, local_key, digest, false)
}

/// Stores which changes are known now.
async fn note_seen(tx: &mut Tx, captured: &Captured, what: Theirs<'_>) -> Result<(), StoreError> {
    let mut seen = captured.seen.clone();
    for (instance, counter) in &what.theirs.seen {
        let known = seen.entry(*instance).or_default();
        *known = (*known).max(*counter);
    }
    capture::put_seen(tx, &seen).await
}

/// Notes that the lists that probes get have changed, and have this version.
async fn lists_changed(tx: &mut Tx, version: i64) -> Result<(), StoreError> {
    metadata::set_config_version(tx, version).await?;
    metadata::count_adoption(tx).await?;
    // Whatever version they belong to, it may come again.
    let leases = "UPDATE regions SET leases_version = -1 WHERE leases_version IS NOT NULL";
    tx.execute(leases, vec![]).await.map(drop)
}

/// Notes at a dependent that it holds the primary's configuration.
async fn note_primary(tx: &mut Tx, version: ConfigVersion, now: Timestamp) -> Result<(), StoreError> {
    tx.execute("UPDATE peers SET from_primary = TRUE WHERE NOT from_primary AND NOT set_aside", vec![]).await?;
    let update = "UPDATE instance SET synced_epoch = $1, synced_version = $2, synced_at = $3, sync_error = NULL";
    tx.execute(update, args![version.epoch, version.version, now]).await.map(drop)
}

/// How many objects are newer here than there.
fn ahead(merged: &BTreeMap<ObjectKey, SyncedObject>, theirs: &[SyncedObject]) -> usize {
    let theirs: BTreeMap<&ObjectKey, ObjectVersion> =
        theirs.iter().map(|object| (&object.key, object.version)).collect();
    let is_newer = |object: &&SyncedObject| match theirs.get(&object.key) {
        Some(version) => object.version > *version,
        None => !object.version.is_local() && matches!(object.state, ObjectState::Present(_)),
    };
    merged.values().filter(is_newer).count()
}
