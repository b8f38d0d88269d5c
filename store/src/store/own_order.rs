//! The place of this instance in the order of failover.

use super::{
    Store,
    audit::{self, Change},
};
use crate::{
    db::args,
    domain::{AuditObject, AuditVerb},
    error::StoreError,
};

impl Store {
    /// The place of this instance in the order of failover. `named`: the one that the configuration names; as long as it names
    /// the same, the place that an admin gave to the instance counts.
    ///
    /// # Errors
    ///
    /// When the database fails.
    pub async fn own_order(&self, named: i64) -> Result<i64, StoreError> {
        let select = "SELECT failover_order, named_order FROM instance";
        let (given, then): (Option<i64>, Option<i64>) = self.db().one(select, vec![]).await?;
        Ok(given.filter(|_| then == Some(named)).unwrap_or(named))
    }

    /// The place that the configuration named when this instance was last given one.
    ///
    /// # Errors
    ///
    /// When the database fails.
    pub async fn named_order(&self) -> Result<Option<i64>, StoreError> {
        self.db().one::<(Option<i64>,)>("SELECT named_order FROM instance", vec![]).await.map(|(named,)| named)
    }

    /// Gives this instance its place in the order of failover, while the configuration names `named`.
    ///
    /// # Errors
    ///
    /// When the database fails.
    pub async fn give_own_order(&self, order: i64, named: i64) -> Result<(), StoreError> {
        let update = "UPDATE instance SET failover_order = $1, named_order = $2";
        let change = Change::of(AuditObject::Instance, AuditVerb::Change).detail(format!("own order {order}"));
        audit::change_one(self.db(), update, args![order, named], "instance", change).await
    }
}
