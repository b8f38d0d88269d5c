//! What the operator changed while hubs run. It is kept here for all hubs on one database, and each goes by what it read
//! last.

use tokio::sync::watch;

use super::{Shared, Store, StoreError, engine::args};
use crate::{
    time::Timestamp,
    tuning::{Knob, Tuning},
};

impl Store {
    /// What this hub goes by.
    pub fn tuning(&self) -> Tuning {
        *self.shared.tuning.borrow()
    }

    /// The same, and each change of it.
    pub fn follow_tuning(&self) -> watch::Receiver<Tuning> {
        self.shared.tuning.subscribe()
    }

    /// What holds where the operator changed nothing.
    pub fn configured_tuning(&self) -> Tuning {
        self.shared.configured
    }

    /// Where the configuration names a value, which then is not the operator's to change here.
    pub fn fixed_by(&self, knob: Knob) -> Option<&str> {
        self.shared.fixed.get(&knob).map(String::as_str)
    }

    /// Changes what all hubs on this database go by: this one at once, the others when they look next. What is as it
    /// would be anyway is kept nowhere; what is fixed stays as it is.
    pub async fn tune(&self, wanted: &Tuning, now: Timestamp) -> Result<(), StoreError> {
        let was = self.tuning();
        let upsert = "INSERT INTO tuning (name, value, changed_at) VALUES ($1, $2, $3) \
                      ON CONFLICT (name) DO UPDATE SET value = excluded.value, changed_at = excluded.changed_at";
        let mut tx = self.db().begin().await?;
        for knob in Knob::ALL {
            let Some(value) = knob.value(wanted).filter(|value| knob.value(&was).as_ref() != Some(value)) else {
                continue;
            };
            if self.fixed_by(knob).is_some() {
                continue;
            }
            tracing::info!(name = knob.name(), value, "the operator changed a setting");
            match knob.value(&self.shared.configured).as_ref() == Some(&value) {
                true => tx.execute("DELETE FROM tuning WHERE name = $1", args![knob.name()]).await?,
                false => tx.execute(upsert, args![knob.name(), value, now]).await?,
            };
        }
        tx.commit().await?;
        self.read_tuning().await
    }

    /// Goes by what the operator has changed by now, perhaps at another hub.
    pub async fn read_tuning(&self) -> Result<(), StoreError> {
        self.shared.read_tuning().await
    }
}

impl Shared {
    pub(super) async fn read_tuning(&self) -> Result<(), StoreError> {
        let rows: Vec<(String, String)> = self.db.all("SELECT name, value FROM tuning", vec![]).await?;
        let mut tuning = self.configured;
        for (name, value) in rows {
            // A newer hub may know more.
            let Some(knob) = Knob::from_name(&name).filter(|knob| !self.fixed.contains_key(knob)) else { continue };
            if let Err(problem) = knob.set(&mut tuning, &value) {
                tracing::warn!(
                    name,
                    value,
                    problem,
                    "a setting in the database is not valid; the configured one holds"
                );
            }
        }
        self.tuning.send_if_modified(|known| std::mem::replace(known, tuning) != tuning);
        Ok(())
    }
}
