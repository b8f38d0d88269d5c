//! Maintenance windows between instances.

use easytier_uptime_store::domain::{
    Coverage, MaintenanceSpec, PeerId, Schedule, ScheduleText, SyncedMaintenance, Timestamp,
};

use super::{ConvertError, labels};
use crate::instance::wire::{SharedWindow, Version};

pub(super) fn shared(uid: &str, window: &SyncedMaintenance, version: Version) -> SharedWindow {
    let (spec, coverage) = (&window.spec, &window.spec.coverage);
    let ScheduleText { start, time_zone, minutes, rrule, until } = spec.schedule.text();
    SharedWindow {
        uid: uid.to_owned(),
        title: spec.title.clone(),
        title_zh: spec.title_zh.clone(),
        all: coverage.all,
        nodes: coverage.peers.iter().map(|peer| peer.0).collect(),
        tags: coverage.tags.iter().map(ToString::to_string).collect(),
        regions: coverage.regions.iter().map(ToString::to_string).collect(),
        start,
        time_zone,
        minutes,
        rrule,
        until,
        ended_at: window.ended_at.map(Into::into),
        created_at: window.created_at.into(),
        updated_at: window.updated_at.into(),
        version,
    }
}

/// The window; `None` when its time is one that only a later version understands.
pub(super) fn synced(sent: &SharedWindow) -> Result<Option<SyncedMaintenance>, ConvertError> {
    let invalid = |field| ConvertError::Invalid { kind: "maintenance window", uid: sent.uid.clone(), field };
    let text = ScheduleText {
        start: sent.start.clone(),
        time_zone: sent.time_zone.clone(),
        minutes: sent.minutes,
        rrule: sent.rrule.clone(),
        until: sent.until.clone(),
    };
    let Ok(schedule) = Schedule::parse(&text) else { return Ok(None) };
    let coverage = Coverage {
        all: sent.all,
        peers: sent.nodes.iter().copied().map(PeerId).collect(),
        tags: labels(&sent.tags).ok_or_else(|| invalid("tags"))?,
        regions: labels(&sent.regions).ok_or_else(|| invalid("regions"))?,
    };
    Ok(Some(SyncedMaintenance {
        spec: MaintenanceSpec { title: sent.title.clone(), title_zh: sent.title_zh.clone(), coverage, schedule },
        ended_at: sent.ended_at.map(Timestamp::from),
        created_at: sent.created_at.into(),
        updated_at: sent.updated_at.into(),
    }))
}
