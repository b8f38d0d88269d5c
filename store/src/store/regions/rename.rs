//! Another name for a region.

use std::time::Duration;

use serde_json::Value as Json;

use crate::{
    crypto::HubKey,
    db::{self, Tx, args, sql, work},
    domain::{AuditObject, AuditVerb, Coverage, DAY, Region, RegionId, Role, Timestamp, millis},
    error::{Conflict, StoreError},
    store::{
        Store, alerts,
        audit::Change,
        duties::database_now,
        edits, maintenance, metadata,
        rows::{self, without_nul},
    },
};

/// For how long probes may go on to call a region by the name that it had.
const FORMER_FOR: Duration = DAY.saturating_mul(90);

/// A row, and its text that may name regions.
#[derive(sqlx::FromRow)]
struct Naming {
    id: i64,
    text: String,
}

impl Store {
    /// Gives a region another name. Its probes, tokens, keys, peers and history stay with it; maintenance windows, rules of channels and
    /// submissions that name it name it anew. For 90 days its probes may call it by the name that it had.
    ///
    /// # Errors
    ///
    /// [`StoreError::NotFound`] when there is none with this name; [`Conflict::RegionNamed`] when another one has the new name;
    /// [`Conflict::RegionShared`] when this instance belongs to a cluster, whose instances know regions by their names; otherwise when
    /// the database fails. Then nothing is changed.
    pub async fn rename_region(&self, from: &Region, to: &Region, now: Timestamp) -> Result<(), StoreError> {
        let key = &self.shared.key;
        let renamed = self.db().transaction(|tx| work(rename(tx, key, from, to, now))).await;
        match renamed {
            // Another hub added it meanwhile.
            Err(error) if error.is_unique_violation() => Err(Conflict::RegionNamed.into()),
            renamed => renamed,
        }
    }
}

/// Refuses what would be done to a region at one instance of a cluster alone. The transaction has asked [`edits::allow`], so that the
/// role does not change.
pub(super) async fn refuse_shared(tx: &mut Tx) -> Result<(), StoreError> {
    let (role,): (String,) = tx.one("SELECT role FROM instance WHERE id = 1", vec![]).await?;
    match Role::from_name(&role) {
        Some(Role::Standalone) => Ok(()),
        _ => Err(Conflict::RegionShared.into()),
    }
}

async fn rename(tx: &mut Tx, key: &HubKey, from: &Region, to: &Region, now: Timestamp) -> Result<(), StoreError> {
    let edit = edits::allow(tx).await?;
    refuse_shared(tx).await?;
    metadata::bump_config_version(tx).await?;
    maintenance::bump(tx).await?;
    rename_in_windows(tx, from, to, now).await?;
    let id = super::present(tx, from).await?.ok_or(StoreError::NotFound("region"))?;
    if super::present(tx, to).await?.is_some() {
        return Err(Conflict::RegionNamed.into());
    }
    tx.execute("UPDATE regions SET name = $2 WHERE id = $1", args![id, to.as_str()]).await?;
    note_former(tx, id, from, to).await?;
    rename_in_rules(tx, key, from, to, now).await?;
    rename_in_submissions(tx, from, to).await?;
    tx.execute("UPDATE requested_runs SET region = $2 WHERE region = $1", args![from.as_str(), to.as_str()]).await?;
    edit.note(tx, Change::of(AuditObject::Region, AuditVerb::Change).named(to).detail(format!("was {from}"))).await
}

/// Notes the name that a region had.
async fn note_former(tx: &mut Tx, id: RegionId, from: &Region, to: &Region) -> Result<(), StoreError> {
    tx.execute("DELETE FROM former_regions WHERE name = $1", args![to.as_str()]).await?;
    let note = sql!(
        "INSERT INTO former_regions (name, region_id, until) VALUES ($1, $2, $3 + ",
        (database_now),
        ") ON CONFLICT (name) DO UPDATE SET region_id = excluded.region_id, until = excluded.until"
    );
    tx.execute(note, args![from.as_str(), id, millis(FORMER_FOR)]).await.map(drop)
}

async fn rename_in_windows(tx: &mut Tx, from: &Region, to: &Region, now: Timestamp) -> Result<(), StoreError> {
    let windows: Vec<Naming> =
        tx.all("SELECT id, coverage AS text FROM maintenance_windows ORDER BY id", vec![]).await?;
    for Naming { id, text } in windows {
        // One of a newer version is not touched.
        let Ok(mut coverage) = serde_json::from_str::<Coverage>(&text) else { continue };
        if coverage.regions.remove(from) {
            coverage.regions.insert(to.clone());
            let update = sql!(
                "UPDATE maintenance_windows SET coverage = $2, updated_at = ",
                ["max" | "greatest"],
                "(updated_at + 1, $3) WHERE id = $1"
            );
            tx.execute(update, args![id, db::json(&coverage)?, now]).await?;
        }
    }
    Ok(())
}

/// Renames it in the rules of channels, which are documents of the crate of alerts.
async fn rename_in_rules(
    tx: &mut Tx,
    key: &HubKey,
    from: &Region,
    to: &Region,
    now: Timestamp,
) -> Result<(), StoreError> {
    let is_named = |region: &Json| region.as_str() == Some(from.as_str());
    alerts::edit_configs(tx, key, now, |config| {
        let rules = config.get_mut("rules").and_then(Json::as_array_mut).into_iter().flatten();
        let mut is_changed = false;
        for rule in rules {
            let Some(Json::Array(regions)) = rule.pointer_mut("/nodes/regions") else { continue };
            if regions.iter().any(is_named) {
                regions.retain(|region| !is_named(region));
                regions.push(to.as_str().into());
                is_changed = true;
            }
        }
        is_changed
    })
    .await
}

async fn rename_in_submissions(tx: &mut Tx, from: &Region, to: &Region) -> Result<(), StoreError> {
    let select = "SELECT id, regions AS text FROM submissions WHERE regions IS NOT NULL ORDER BY id";
    for Naming { id, text } in tx.all::<Naming>(select, vec![]).await? {
        let mut regions = rows::labels::<Region>(Some(text));
        if regions.remove(from) {
            regions.insert(to.clone());
            let joined = regions.iter().map(Region::as_str).collect::<Vec<_>>().join(",");
            tx.execute("UPDATE submissions SET regions = $2 WHERE id = $1", args![id, without_nul(&joined)]).await?;
        }
    }
    Ok(())
}
