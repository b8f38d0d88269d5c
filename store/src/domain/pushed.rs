//! Configuration that a hub pushes to a probe, and the rule by which the probe takes it.

use std::{collections::BTreeMap, fmt};

use easytier_probe::Secret;
use serde::{Deserialize, Serialize};

use super::{ConfigVersion, MAX_EPOCH_LEAD};

/// Which configuration of which cluster it is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PushedVersion {
    /// The id of the cluster of the hub. A probe only compares it.
    pub cluster: String,
    /// The version within the cluster.
    #[serde(flatten)]
    pub config: ConfigVersion,
}

/// Why a probe does not take a configuration.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum PushConflict {
    /// It belongs to another cluster.
    #[error("this probe is bound to another cluster; 'easytier-uptime daemon --reset-control' ends that")]
    OtherCluster,
    /// It is older than the one that the probe holds.
    #[error("this probe holds the newer configuration {0}")]
    Older(ConfigVersion),
    /// No cluster gets so far while it pushes to its probes. After such an epoch, the probe would take none of the right ones.
    #[error(
        "the epoch is more than {MAX_EPOCH_LEAD} ahead of {0}, which this probe holds; 'easytier-uptime daemon \
         --reset-control' has it take any"
    )]
    TooFarAhead(i64),
}

impl PushedVersion {
    /// Whether a probe that holds the version `held`, if any, may take this one: any at first, then the same or a newer one of
    /// the same cluster.
    ///
    /// # Errors
    ///
    /// When it must not.
    pub fn may_follow(&self, held: Option<&Self>) -> Result<(), PushConflict> {
        let Some(held) = held else { return Ok(()) };
        if self.cluster != held.cluster {
            return Err(PushConflict::OtherCluster);
        }
        if self.config.epoch > held.config.epoch.saturating_add(MAX_EPOCH_LEAD) {
            return Err(PushConflict::TooFarAhead(held.config.epoch));
        }
        match self.config < held.config {
            true => Err(PushConflict::Older(held.config)),
            false => Ok(()),
        }
    }
}

impl fmt::Display for PushedVersion {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} of the cluster {}", self.config, self.cluster)
    }
}

/// What a probe keeps of a configuration that was pushed to it, apart from the peers.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PushedConfig {
    /// Its version.
    #[serde(flatten)]
    pub version: PushedVersion,
    /// When the hub made it, as it was sent.
    pub updated_at: Option<String>,
    /// Who made it, as it was sent.
    pub updated_by: Option<String>,
    /// The settings that replace the probe's own, written as in the environment, by their names in lower case.
    pub settings: BTreeMap<String, String>,
    /// The backend, of a probe that has none of its own.
    pub enrollment: Option<PushedEnrollment>,
}

/// The backend of a probe that has none in its own configuration.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PushedEnrollment {
    /// The base URL, or several separated by commas.
    pub backend_base_url: String,
    /// Identifies the probe to the backend.
    pub node_token: Secret,
    /// The region of the probe.
    pub region: Option<String>,
    /// The id of the probe at the backend.
    pub server_id: String,
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn version(cluster: &str, epoch: i64, version: i64) -> PushedVersion {
        PushedVersion { cluster: cluster.to_owned(), config: ConfigVersion { epoch, version } }
    }

    #[test]
    fn a_probe_takes_what_is_newer_and_of_its_cluster() {
        let held = version("a", 3, 7);
        let after = |pushed: PushedVersion| pushed.may_follow(Some(&held));
        assert_eq!(version("b", 1, 1).may_follow(None), Ok(()));
        assert_eq!(version("b", 5000, 1).may_follow(None), Ok(()), "nothing is held that it could be ahead of");
        assert_eq!(after(version("a", 3, 7)), Ok(()), "the same again");
        assert_eq!(after(version("a", 3, 8)), Ok(()));
        assert_eq!(after(version("a", 4, 1)), Ok(()));
        assert_eq!(after(version("a", 1003, 1)), Ok(()));
        assert_eq!(after(version("a", 1004, 1)), Err(PushConflict::TooFarAhead(3)));
        assert_eq!(after(version("a", 3, 6)), Err(PushConflict::Older(held.config)));
        assert_eq!(after(version("a", 2, 99)), Err(PushConflict::Older(held.config)));
        assert_eq!(after(version("b", 3, 8)), Err(PushConflict::OtherCluster));
    }

    fn any_version() -> impl Strategy<Value = PushedVersion> {
        let epochs = prop_oneof![0..4_i64, 998..1004_i64, Just(i64::MAX)];
        ("[ab]", epochs, 0..4_i64).prop_map(|(cluster, epoch, number)| version(&cluster, epoch, number))
    }

    proptest! {
        /// Whatever is pushed, in whatever order: the probe stays in one cluster, never goes back, and goes ahead in steps.
        #[test]
        fn what_is_held_stays_in_its_cluster_and_never_gets_older(pushes in prop::collection::vec(any_version(), 1..30)) {
            let mut held: Option<PushedVersion> = None;
            for pushed in pushes {
                let outcome = pushed.may_follow(held.as_ref());
                if let Some(held) = &held {
                    let same_cluster = held.cluster == pushed.cluster;
                    let near = pushed.config.epoch <= held.config.epoch.saturating_add(MAX_EPOCH_LEAD);
                    prop_assert_eq!(outcome.is_ok(), same_cluster && near && pushed.config >= held.config);
                } else {
                    prop_assert_eq!(outcome, Ok(()));
                }
                if outcome.is_ok() {
                    prop_assert_eq!(pushed.may_follow(Some(&pushed)), Ok(()), "it can be pushed again");
                    held = Some(pushed);
                }
            }
        }

        /// Two configurations of one cluster end at the same one, whichever arrives first.
        #[test]
        fn the_order_in_which_two_arrive_does_not_matter(one in any_version(), other in any_version()) {
            let arrive = |first: &PushedVersion, second: &PushedVersion| match second.may_follow(Some(first)) {
                Ok(()) => second.clone(),
                Err(_) => first.clone(),
            };
            let far = (one.config.epoch).abs_diff(other.config.epoch) > MAX_EPOCH_LEAD as u64;
            prop_assume!(one.cluster == other.cluster && !far);
            prop_assert_eq!(arrive(&one, &other), arrive(&other, &one));
        }
    }
}
