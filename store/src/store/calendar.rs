//! When maintenance windows take place, computed once for many questions: the present is asked for every second, and an answer
//! is valid for hours.

use std::{
    sync::{Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use crate::domain::{ActiveWindow, MaintenanceWindow, Occurrence, Timestamp};

/// The windows of one version, and when they take place.
#[derive(Default)]
pub(super) struct Calendar(Mutex<Days>);

#[derive(Default)]
struct Days {
    /// The version of the windows; `None` before they were read.
    version: Option<i64>,
    windows: Vec<Known>,
}

struct Known {
    window: MaintenanceWindow,
    answer: Option<Answer>,
}

/// What is true of a window from one time to another.
#[derive(Clone, Copy)]
struct Answer {
    from: Timestamp,
    /// `None` for ever.
    to: Option<Timestamp>,
    active: Option<Occurrence>,
    next: Option<Occurrence>,
}

impl Answer {
    fn of(window: &MaintenanceWindow, at: Timestamp) -> Self {
        let active = window.active(at);
        let next = window.next(at);
        // While it takes place, the next occurrence may begin before this one ends, and end later.
        let to = active.map(|one| one.ends_at).into_iter().chain(next.map(|one| one.begins_at)).min();
        Self { from: at, to, active, next }
    }

    fn is_valid(&self, at: Timestamp) -> bool {
        self.from <= at && self.to.is_none_or(|to| at < to)
    }
}

impl Known {
    fn at(&mut self, at: Timestamp) -> Answer {
        let known = self.answer.filter(|answer| answer.is_valid(at));
        *self.answer.insert(known.unwrap_or_else(|| Answer::of(&self.window, at)))
    }
}

impl Calendar {
    /// Whether it has the windows of a version.
    pub(super) fn has(&self, version: i64) -> bool {
        self.days().version == Some(version)
    }

    /// Replaces the windows.
    pub(super) fn fill(&self, version: i64, windows: Vec<MaintenanceWindow>) {
        let windows = windows.into_iter().map(|window| Known { window, answer: None }).collect();
        *self.days() = Days { version: Some(version), windows };
    }

    /// The windows that take place at a time.
    pub(super) fn active(&self, at: Timestamp) -> Vec<ActiveWindow> {
        let active =
            |known: &mut Known| Some(ActiveWindow { occurrence: known.at(at).active?, window: known.window.clone() });
        self.days().windows.iter_mut().filter_map(active).collect()
    }

    /// The windows that take place at a time or begin within `ahead`, each once, by their beginning.
    pub(super) fn coming(&self, at: Timestamp, ahead: Duration) -> Vec<ActiveWindow> {
        let coming = |known: &mut Known| {
            let Answer { active, next, .. } = known.at(at);
            let occurrence = active.or(next).filter(|one| one.begins_at <= at + ahead)?;
            Some(ActiveWindow { occurrence, window: known.window.clone() })
        };
        let mut coming: Vec<ActiveWindow> = self.days().windows.iter_mut().filter_map(coming).collect();
        coming.sort_by_key(|one| (one.occurrence, one.window.id));
        coming
    }

    fn days(&self) -> MutexGuard<'_, Days> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
