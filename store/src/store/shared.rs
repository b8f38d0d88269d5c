//! The state that all clones of a store share.

use std::{collections::BTreeMap, path::PathBuf};

use tokio::sync::{Notify, watch};
use uuid::Uuid;

use super::{
    audit::Failures, calendar::Calendar, duties::Duties, known_peers::KnownPeers, last_capture::LastCapture,
    last_uses::LastUses, relay_tests::RelayTests,
};
use crate::{
    crypto::HubKey,
    db::{Db, FileLock},
    domain::{ClockDifference, LiveSetting, LiveSettings, Policy, Retention, Timestamp},
    pulse::Pulses,
};

pub(super) struct Shared {
    pub db: Db,
    pub key: HubKey,
    /// The live settings as they are configured, without the operator's changes.
    pub configured: LiveSettings,
    /// The live settings that the operator cannot change, and where each is configured.
    pub fixed: BTreeMap<LiveSetting, String>,
    /// The live settings in use.
    pub live_settings: watch::Sender<LiveSettings>,
    pub known_peers: KnownPeers,
    pub last_uses: LastUses,
    pub auth_failures: Failures,
    /// What this instance shares, as it was read last.
    pub last_capture: LastCapture,
    pub duties: Duties,
    /// When maintenance windows take place, as it was computed last.
    pub calendar: Calendar,
    /// Notified when results were appended.
    pub appended: Notify,
    /// The id of this hub among those on the database; `None` for a command, and on SQLite.
    pub hub: Option<Uuid>,
    /// Held as long as the store is open, if it serves a SQLite file.
    pub lock: Option<FileLock>,
    /// How far the clock of this hub is from that of the database.
    pub clock: watch::Sender<ClockDifference>,
    /// Since when partitions could not be created or dropped.
    pub postponed: watch::Sender<Option<Timestamp>>,
    pub pulses: Pulses,
    /// The tests of relaying that are due, as they were read last.
    pub relay_tests: RelayTests,
    /// The file of the database, if it is one.
    pub file: Option<PathBuf>,
}

impl Shared {
    /// When evidence counts.
    pub fn policy(&self) -> Policy {
        self.live_settings.borrow().policy
    }

    /// How long history is kept.
    pub fn retention(&self) -> Retention {
        self.live_settings.borrow().retention
    }
}
