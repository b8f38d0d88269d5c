//! How the first instances in the order mirror the primary's results, so that one that takes its place knows what the regions
//! said.

use easytier_uptime_store::{
    Store, StoreError,
    domain::{ConfigVersion, ForeignBatch, Role, Timestamp},
};

use super::{
    alerts::{self, OpenAlerts},
    link::Link,
    position, results,
    tools::{StepError, Tools},
    wire::Mirror,
};

/// How many instances mirror the primary.
const STANDBYS: usize = 2;

/// Whether this dependent mirrors the primary: the first two in the order do. One that the primary hands over to mirrors too.
///
/// # Errors
///
/// When the database fails.
pub async fn is_wanted(tools: Tools<'_>) -> Result<bool, StoreError> {
    let Tools { store, options, status, .. } = tools;
    let instance = store.instance().await?;
    let own = (store.own_order(options.failover_order).await?, instance.id);
    let members = store.members().await?;
    let before = members.iter().filter(|one| one.role == Role::Dependent && (one.failover_order, one.id) < own);
    Ok(before.count() < STANDBYS || status.get().handing_over_to == Some(instance.id))
}

/// Takes the next page of the primary's results, and after the last one its verdicts. Returns whether there are more.
///
/// # Errors
///
/// When the primary does not answer, or the database fails.
pub async fn take(link: &Link<'_>) -> Result<bool, StepError> {
    let Tools { store, client, .. } = link.tools;
    let stored = store.mirror_position().await?;
    // A position in the results of an earlier primary means nothing here.
    let after = stored.filter(|stored| position::row_of(Some(stored), link.leader.id).is_some());
    let page = link.with_token(async |url, token| client.results(url, token, after.as_deref()).await).await?;
    let more = page.more;
    store_page(store, &link.leader.name, page).await?;
    Ok(more)
}

async fn store_page(store: &Store, leader: &str, page: Mirror) -> Result<(), StoreError> {
    let now = Timestamp::now();
    let sent_at = Timestamp::from(page.timestamp);
    let config = ConfigVersion { epoch: page.epoch, version: page.config_version };
    let mut taken = Vec::with_capacity(page.results.len());
    for result in &page.results {
        match results::from_wire(result, leader) {
            Ok(result) => taken.push(result),
            Err(error) => tracing::warn!(%error, "the primary has a result that cannot be mirrored"),
        }
    }
    if !taken.is_empty() {
        let batch = ForeignBatch {
            results: taken,
            received_at: now,
            sent_at: Some(sent_at),
            config: Some(config),
            mirrored: true,
        };
        store.ingest_foreign(batch).await?;
    }
    if let Some(verdicts) = &page.verdicts {
        store.fold().await?;
        store.adopt_verdicts(verdicts, sent_at.0 - now.0, now).await?;
        let open = OpenAlerts { alerts: page.open_alerts, mutes: page.open_mutes, planned_at: page.alerts_planned_at };
        alerts::adopt(store, &open, sent_at.0 - now.0, now).await?;
    }
    store.put_mirror_position(Some(&page.cursor)).await
}
