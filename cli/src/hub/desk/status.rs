//! What a hub has, and what is wrong.

use serde_json::Value;

use super::{Desk, admin};
use crate::hub::channel::alerts;

impl Desk {
    /// The status, as the API has it.
    pub async fn status(&self) -> anyhow::Result<Value> {
        Ok(match self {
            Self::Here(store) => serde_json::to_value(admin(store).status(&alerts(store)).await?)?,
            Self::There(hub) => hub.get(&["admin", "status"], &[]).await?,
        })
    }
}
