//! The columns whose values are encrypted with the hub's key.

use easytier_probe::Secret;

use crate::{
    crypto::HubKey,
    db::{Tx, args},
    error::StoreError,
    store::{alerts, instance, key_check, managed_probes, metadata, peers, sources, subscriptions},
};

/// A column of bytes.
struct Column {
    select: &'static str,
    update: &'static str,
    /// To what its values are bound, see [`HubKey::seal`].
    place: &'static str,
}

macro_rules! column {
    ($table:literal, $id:literal, $column:literal, $place:expr) => {
        Column {
            select: concat!("SELECT ", $id, ", ", $column, " FROM ", $table, " WHERE ", $column, " IS NOT NULL"),
            update: concat!("UPDATE ", $table, " SET ", $column, " = $2 WHERE ", $id, " = $1"),
            place: $place,
        }
    };
}

static COLUMNS: &[Column] = &[
    column!("peers", "id", "network_secret", peers::SECRET_PLACE),
    column!("channels", "id", "config", alerts::CONFIG_PLACE),
    column!("subscribers", "id", "address", subscriptions::ADDRESS_PLACE),
    column!("submissions", "id", "network_secret", peers::SECRET_PLACE),
    column!("sources", "id", "url", sources::URL_PLACE),
    column!("managed_probes", "probe_id", "token", managed_probes::TOKEN_PLACE),
    column!("managed_probes", "probe_id", "enrollment", managed_probes::ENROLLMENT_PLACE),
];

/// Encrypts all of them with the new key.
pub(super) async fn seal_again(tx: &mut Tx, old: &HubKey, new: &HubKey) -> Result<(), StoreError> {
    for column in COLUMNS {
        let rows: Vec<(i64, Vec<u8>)> = tx.all(column.select, vec![]).await?;
        for (id, sealed) in rows {
            let secret = open(old, column.place, &sealed, id)?;
            tx.execute(column.update, args![id, new.seal(column.place, &secret)]).await?;
        }
    }
    instance_row(tx, old, new).await?;
    settings(tx, old, new).await
}

/// The key and the token in the row of the instance, which are hexadecimal.
async fn instance_row(tx: &mut Tx, old: &HubKey, new: &HubKey) -> Result<(), StoreError> {
    let select = "SELECT private_key, token FROM instance WHERE id = 1";
    let (private_key, token): (Option<String>, Option<String>) = tx.one(select, vec![]).await?;
    let again = |place, text: Option<String>| {
        let again = |text: String| {
            let sealed = unhex(&text).ok_or_else(|| StoreError::Corrupt(format!("{place}: no hexadecimal digits")))?;
            Ok::<_, StoreError>(hex(&new.seal(place, &open(old, place, &sealed, 1)?)))
        };
        text.map(again).transpose()
    };
    let row = args![again(instance::KEY_PLACE, private_key)?, again(instance::TOKEN_PLACE, token)?];
    tx.execute("UPDATE instance SET private_key = $1, token = $2 WHERE id = 1", row).await.map(drop)
}

/// Single values by name. Those that are encrypted with the key open with it; no other text does.
async fn settings(tx: &mut Tx, old: &HubKey, new: &HubKey) -> Result<(), StoreError> {
    let rows: Vec<(String, String)> = tx.all("SELECT key, value FROM settings", vec![]).await?;
    for (name, text) in rows {
        let place = if name == key_check::NAME { key_check::PLACE } else { name.as_str() };
        if let Some(Ok(secret)) = unhex(&text).map(|sealed| old.open(place, &sealed)) {
            metadata::put(tx, &name, &hex(&new.seal(place, &secret))).await?;
        }
    }
    Ok(())
}

fn open(key: &HubKey, place: &str, sealed: &[u8], id: i64) -> Result<Secret, StoreError> {
    key.open(place, sealed).map_err(|_| StoreError::Undecryptable(format!("{place} of {id}")))
}

fn hex(bytes: &[u8]) -> String {
    data_encoding::HEXLOWER.encode(bytes)
}

fn unhex(text: &str) -> Option<Vec<u8>> {
    data_encoding::HEXLOWER.decode(text.as_bytes()).ok()
}
