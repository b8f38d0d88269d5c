//! A result that is being stored.

use uuid::Uuid;

use super::judge::Judged;
use crate::domain::{DAY, PeerId, ProbeIdentity, Timestamp};

/// A valid result, and the batch that it came in.
pub(super) struct Accepted<'a> {
    /// The position of the batch in the group.
    pub batch: usize,
    /// The position of the result in the batch.
    pub index: usize,
    pub from: &'a ProbeIdentity,
    pub received_at: Timestamp,
    pub judged: Judged,
}

impl Accepted<'_> {
    pub(super) fn peer(&self) -> PeerId {
        PeerId(self.judged.result.peer_id)
    }
}

/// The day on which a UUIDv7 was made; 0 for an id of another version, which no contract allows.
pub(super) fn day_of(id: Uuid) -> i64 {
    let Some(made) = id.get_timestamp() else { return 0 };
    let (seconds, _) = made.to_unix();
    i64::try_from(seconds / DAY.as_secs()).unwrap_or(0)
}
