//! Maintenance windows as the operator makes them.

use std::time::Duration;

use uuid::Uuid;

use super::{bump, version};
use crate::{
    db::{self, Tx, Value, args, work},
    domain::{
        ActiveWindow, AuditObject, AuditVerb, DAY, MaintenanceSpec, MaintenanceWindow, Schedule, ScheduleText,
        Timestamp, WindowId,
    },
    error::{Conflict, StoreError},
    store::{Store, audit::Change, edits, rows},
};

/// The maximum number of windows.
const MAX_WINDOWS: i64 = 200;

/// For how long a window that is over stays in the list.
const KEPT_FOR: Duration = DAY.saturating_mul(90);

const NOT_FOUND: StoreError = StoreError::NotFound("maintenance window");

#[derive(sqlx::FromRow)]
pub(super) struct WindowRow {
    id: WindowId,
    title: String,
    title_zh: Option<String>,
    coverage: String,
    starts: String,
    zone: String,
    minutes: i64,
    rule: Option<String>,
    until: Option<String>,
    ended_at: Option<Timestamp>,
    created_at: Timestamp,
    updated_at: Timestamp,
}

/// The windows.
macro_rules! windows {
    () => {
        "SELECT id, uid, title, title_zh, coverage, starts, zone, minutes, rule, until, ended_at, created_at, updated_at \
         FROM maintenance_windows"
    };
}
pub(super) use windows;

impl WindowRow {
    fn into_window(self) -> Result<MaintenanceWindow, StoreError> {
        let corrupt = |what: String| StoreError::Corrupt(format!("maintenance_windows of {}: {what}", self.id));
        let text = ScheduleText {
            start: self.starts,
            time_zone: self.zone,
            minutes: rows::count(self.minutes),
            rrule: self.rule,
            until: self.until,
        };
        let schedule = Schedule::parse(&text).map_err(|error| corrupt(error.to_string()))?;
        let coverage = serde_json::from_str(&self.coverage).map_err(|error| corrupt(error.to_string()))?;
        Ok(MaintenanceWindow {
            id: self.id,
            spec: MaintenanceSpec { title: self.title, title_zh: self.title_zh, coverage, schedule },
            ended_at: self.ended_at,
            created_at: self.created_at,
            updated_at: self.updated_at,
        })
    }
}

impl WindowRow {
    /// The window; `None` when its time zone is known to another version only: the other windows are shown all the same.
    pub(super) fn readable(self) -> Option<MaintenanceWindow> {
        self.into_window().inspect_err(|error| tracing::error!(%error, "ignoring a maintenance window")).ok()
    }
}

/// The columns of what an operator says, from `title` to `until`.
pub(super) fn columns(spec: &MaintenanceSpec) -> Result<Vec<Value>, StoreError> {
    let coverage = db::json(&spec.coverage)?;
    let ScheduleText { start, time_zone, minutes, rrule, until } = spec.schedule.text();
    let title_zh = spec.title_zh.as_deref().map(rows::without_nul);
    Ok(args![rows::without_nul(&spec.title), title_zh, coverage, start, time_zone, minutes, rrule, until])
}

impl Store {
    /// All maintenance windows, the oldest first. Those that are over are kept for 90 days.
    ///
    /// # Errors
    ///
    /// When the database fails.
    pub async fn maintenance_windows(&self) -> Result<Vec<MaintenanceWindow>, StoreError> {
        let rows: Vec<WindowRow> = self.db().all(concat!(windows!(), " ORDER BY created_at, id"), vec![]).await?;
        Ok(rows.into_iter().filter_map(WindowRow::readable).collect())
    }

    /// A maintenance window.
    ///
    /// # Errors
    ///
    /// [`StoreError::NotFound`] when there is none with this id; otherwise when the database fails.
    pub async fn maintenance_window(&self, id: WindowId) -> Result<MaintenanceWindow, StoreError> {
        let row: Option<WindowRow> = self.db().optional(concat!(windows!(), " WHERE id = $1"), args![id]).await?;
        row.ok_or(NOT_FOUND)?.into_window()
    }

    /// The maintenance windows that take place now. It reads little, so it may be called often.
    ///
    /// # Errors
    ///
    /// When the database fails.
    pub async fn active_maintenance(&self, now: Timestamp) -> Result<Vec<ActiveWindow>, StoreError> {
        self.fill_calendar().await?;
        Ok(self.shared.calendar.active(now))
    }

    /// The maintenance windows that take place now or begin within `ahead`, each with this one occurrence, by their beginning. It
    /// reads little, so it may be called often.
    ///
    /// # Errors
    ///
    /// When the database fails.
    pub async fn coming_maintenance(&self, now: Timestamp, ahead: Duration) -> Result<Vec<ActiveWindow>, StoreError> {
        self.fill_calendar().await?;
        Ok(self.shared.calendar.coming(now, ahead))
    }

    async fn fill_calendar(&self) -> Result<(), StoreError> {
        // Before the windows: what changes in between is read again.
        let version = version(self.db()).await?;
        if !self.shared.calendar.has(version) {
            self.shared.calendar.fill(version, self.maintenance_windows().await?);
        }
        Ok(())
    }

    /// Makes a maintenance window. Nodes that it covers now are in maintenance when this returns.
    ///
    /// # Errors
    ///
    /// [`Conflict::TooManyWindows`] when there are 200; [`StoreError::NotPrimary`] at a dependent; otherwise when the database fails.
    pub async fn add_maintenance(&self, spec: &MaintenanceSpec, now: Timestamp) -> Result<WindowId, StoreError> {
        let added = self.db().transaction(|tx| work(add(tx, spec, now)));
        let id = added.await?;
        self.keep_maintenance(now).await?;
        Ok(id)
    }

    /// Changes a maintenance window, if nobody changed it since `seen`, its `updated_at` when the caller read it. What was in
    /// maintenance until now stays so.
    ///
    /// # Errors
    ///
    /// [`StoreError::NotFound`] when there is none with this id; [`Conflict::MaintenanceChanged`] when somebody did;
    /// [`StoreError::NotPrimary`] at a dependent; otherwise when the database fails.
    pub async fn change_maintenance(
        &self,
        id: WindowId,
        seen: Option<Timestamp>,
        spec: &MaintenanceSpec,
        now: Timestamp,
    ) -> Result<(), StoreError> {
        let change = self.db().transaction(|tx| work(change(tx, id, seen, spec, now)));
        change.await?;
        self.keep_maintenance(now).await.map(drop)
    }

    /// Ends the occurrence of a maintenance window that takes place now. Later ones take place all the same.
    ///
    /// # Errors
    ///
    /// [`StoreError::NotFound`] when there is none with this id; [`Conflict::NotInMaintenance`] when it does not take place now;
    /// [`StoreError::NotPrimary`] at a dependent; otherwise when the database fails.
    pub async fn end_maintenance(&self, id: WindowId, now: Timestamp) -> Result<(), StoreError> {
        let end = self.db().transaction(|tx| {
            work(async move {
                let edit = edits::allow(tx).await?;
                bump(tx).await?;
                let known = read(tx, id).await?;
                if known.active(now).is_none() {
                    return Err(Conflict::NotInMaintenance.into());
                }
                let update = "UPDATE maintenance_windows SET ended_at = $2, updated_at = $3 WHERE id = $1";
                tx.execute(update, args![id, now, now.max(known.updated_at + ONE)]).await?;
                edit.note(tx, noted(AuditVerb::End, id, &known.spec.title)).await
            })
        });
        end.await?;
        self.keep_maintenance(now).await.map(drop)
    }

    /// Removes a maintenance window. What was in maintenance until now stays so.
    ///
    /// # Errors
    ///
    /// [`StoreError::NotFound`] when there is none with this id; [`StoreError::NotPrimary`] at a dependent; otherwise when the
    /// database fails.
    pub async fn remove_maintenance(&self, id: WindowId, now: Timestamp) -> Result<(), StoreError> {
        let remove = self.db().transaction(|tx| work(remove(tx, id)));
        remove.await?;
        self.keep_maintenance(now).await.map(drop)
    }

    /// The windows that were over a long time ago, for the sweep to remove.
    pub(in crate::store) async fn windows_to_forget(&self, now: Timestamp) -> Result<Vec<i64>, StoreError> {
        let before = now - KEPT_FOR;
        let is_old =
            |window: &MaintenanceWindow| window.updated_at < before && window.occurrences(before, 1).is_empty();
        Ok(self.maintenance_windows().await?.iter().filter(|one| is_old(one)).map(|one| one.id.0).collect())
    }
}

/// Makes a maintenance window, and notes it.
pub(in crate::store) async fn add(tx: &mut Tx, spec: &MaintenanceSpec, now: Timestamp) -> Result<WindowId, StoreError> {
    let edit = edits::allow(tx).await?;
    bump(tx).await?;
    let (count,): (i64,) = tx.one("SELECT count(*) FROM maintenance_windows", vec![]).await?;
    if count >= MAX_WINDOWS {
        return Err(Conflict::TooManyWindows.into());
    }
    let insert = "INSERT INTO maintenance_windows \
                              (title, title_zh, coverage, starts, zone, minutes, rule, until, created_at, updated_at, uid) \
                              VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $9, $10) RETURNING id";
    let mut values = columns(spec)?;
    values.extend(args![now, Uuid::new_v4().to_string()]);
    let (id,): (WindowId,) = tx.one(insert, values).await?;
    edit.note(tx, noted(AuditVerb::Add, id, &spec.title)).await?;
    Ok(id)
}

/// Changes a maintenance window, if nobody changed it since `seen`, and notes it.
pub(in crate::store) async fn change(
    tx: &mut Tx,
    id: WindowId,
    seen: Option<Timestamp>,
    spec: &MaintenanceSpec,
    now: Timestamp,
) -> Result<(), StoreError> {
    let edit = edits::allow(tx).await?;
    bump(tx).await?;
    let known = read(tx, id).await?;
    if seen.is_some_and(|seen| seen != known.updated_at) {
        return Err(Conflict::MaintenanceChanged.into());
    }
    // The end of an occurrence belongs to the schedule that it had.
    let update = "UPDATE maintenance_windows SET title = $1, title_zh = $2, coverage = $3, starts = $4, \
                              zone = $5, minutes = $6, rule = $7, until = $8, updated_at = $9, \
                              ended_at = CASE WHEN $10 THEN ended_at END WHERE id = $11";
    let mut values = columns(spec)?;
    values.extend(args![now.max(known.updated_at + ONE), known.spec.schedule == spec.schedule, id]);
    tx.execute(update, values).await?;
    edit.note(tx, noted(AuditVerb::Change, id, &spec.title)).await
}

/// Removes a maintenance window, and notes it.
pub(in crate::store) async fn remove(tx: &mut Tx, id: WindowId) -> Result<(), StoreError> {
    let edit = edits::allow(tx).await?;
    bump(tx).await?;
    let delete = "DELETE FROM maintenance_windows WHERE id = $1 RETURNING title";
    let (title,) = tx.optional::<(String,)>(delete, args![id]).await?.ok_or(NOT_FOUND)?;
    edit.note(tx, noted(AuditVerb::Remove, id, &title)).await
}

fn noted(verb: AuditVerb, id: WindowId, title: &str) -> Change {
    Change::of(AuditObject::Maintenance, verb).id(id).named(title)
}

/// The smallest difference between two times.
const ONE: Duration = Duration::from_millis(1);

/// A window, which no other transaction changes until the end of this one.
async fn read(tx: &mut Tx, id: WindowId) -> Result<MaintenanceWindow, StoreError> {
    let row: Option<WindowRow> = tx.optional(concat!(windows!(), " WHERE id = $1"), args![id]).await?;
    row.ok_or(NOT_FOUND)?.into_window()
}
