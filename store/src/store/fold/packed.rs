//! The packed form in which results wait for the fold, so that it reads one row for many results.
//!
//! The first byte is the version of the format; postcard follows.

use std::{borrow::Cow, time::Duration};

use easytier_probe::Status;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::{
    consensus::Observation,
    domain::{Count, PeerId, ProbeId, RegionId, RegionStatus, Timestamp},
    error::StoreError,
};

/// The version of the format that this program writes, and the only one that it reads.
const VERSION: u8 = 1;

/// What the fold needs of a result.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(in crate::store) struct PackedResult<'a> {
    pub peer: PeerId,
    /// Where the result is in `results`.
    pub day: i64,
    pub id: Uuid,
    pub checked_at: i64,
    /// `None` when the result is no evidence.
    pub online: Option<bool>,
    pub checks: u32,
    pub healthy: u32,
    pub response_us: Option<i64>,
    pub min_us: Option<i64>,
    pub max_us: Option<i64>,
    #[serde(borrow)]
    pub version: Option<Cow<'a, str>>,
    pub network_count: Option<u32>,
}

/// Whether a result with this status sees the peer online; `None` when it is no evidence.
pub(in crate::store) fn sees_online(status: Status) -> Option<bool> {
    match status {
        Status::Online => Some(true),
        Status::Offline => Some(false),
        _ => None,
    }
}

/// Packs results of one probe.
pub(in crate::store) fn pack(results: &[PackedResult<'_>]) -> Result<Vec<u8>, StoreError> {
    postcard::to_extend(results, vec![VERSION]).map_err(|error| StoreError::Database(sqlx::Error::Encode(error.into())))
}

/// Unpacks what [`pack`] packed.
pub(super) fn unpack(packed: &[u8]) -> Result<Vec<PackedResult<'_>>, StoreError> {
    let corrupt = |why: String| StoreError::Corrupt(format!("appends.packed: {why}"));
    match packed {
        [VERSION, results @ ..] => postcard::from_bytes(results).map_err(|error| corrupt(error.to_string())),
        [version, ..] => Err(corrupt(format!("results were stored by a newer hub, in format {version}"))),
        [] => Err(corrupt("it is empty".into())),
    }
}

/// A result that waits for the fold, and its sender.
#[derive(Debug, Clone)]
pub(super) struct Appended {
    pub peer: PeerId,
    pub region: RegionId,
    pub probe: ProbeId,
    pub day: i64,
    pub id: Uuid,
    pub checked_at: Timestamp,
    /// `None` when the result is no evidence.
    pub status: Option<RegionStatus>,
    pub count: Count,
    pub response_us: Option<i64>,
    pub min_us: Option<i64>,
    pub max_us: Option<i64>,
    pub version: Option<String>,
    pub network_count: Option<u32>,
}

impl Appended {
    pub fn new(probe: ProbeId, region: RegionId, packed: PackedResult<'_>) -> Self {
        let status = |online| if online { RegionStatus::Online } else { RegionStatus::Offline };
        Self {
            peer: packed.peer,
            region,
            probe,
            day: packed.day,
            id: packed.id,
            checked_at: Timestamp(packed.checked_at),
            status: packed.online.map(status),
            count: Count { checks: packed.checks, healthy: packed.healthy },
            response_us: packed.response_us,
            min_us: packed.min_us,
            max_us: packed.max_us,
            version: packed.version.map(Cow::into_owned),
            network_count: packed.network_count,
        }
    }

    pub fn observation(&self, status: RegionStatus, interval: Duration) -> Observation {
        Observation {
            region: self.region,
            probe: self.probe,
            status,
            at: self.checked_at,
            interval,
            response_us: self.response_us,
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    prop_compose! {
        fn result()(
            (peer, day, id, checked_at) in (any::<i64>(), any::<i64>(), any::<u128>(), any::<i64>()),
            (online, checks, healthy) in (any::<Option<bool>>(), any::<u32>(), any::<u32>()),
            (response_us, min_us, max_us) in (any::<Option<i64>>(), any::<Option<i64>>(), any::<Option<i64>>()),
            (version, network_count) in (any::<Option<String>>(), any::<Option<u32>>()),
        ) -> PackedResult<'static> {
            let (peer, id, version) = (PeerId(peer), Uuid::from_u128(id), version.map(Cow::Owned));
            PackedResult {
                peer, day, id, checked_at, online, checks, healthy, response_us, min_us, max_us, version, network_count,
            }
        }
    }

    proptest! {
        #[test]
        fn what_was_packed_is_unpacked(results in proptest::collection::vec(result(), 0..20)) {
            let packed = pack(&results).unwrap();
            prop_assert_eq!(unpack(&packed).unwrap(), results);
        }

        #[test]
        fn any_other_bytes_are_an_error_and_not_a_panic(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
            drop(unpack(&bytes));
        }
    }

    #[test]
    fn results_of_a_newer_hub_are_an_error_that_says_so() {
        let error = unpack(&[VERSION + 1, 0]).unwrap_err();
        assert!(error.to_string().contains("newer hub"), "{error}");
    }
}
