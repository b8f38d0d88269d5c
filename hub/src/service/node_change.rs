//! Changes that the operator may make to a node.

use std::{collections::BTreeSet, time::Duration};

use easytier_probe::{CheckMode, PeerUrl};
use easytier_uptime_monitor::input;
use easytier_uptime_store::domain::{PeerSpec, Region, Timestamp};
use serde::Deserialize;
use utoipa::{ToSchema, openapi::Schema};

use super::{
    FieldError, FieldProblem, NodeFields,
    node_fields::{ValidFields, from_json, labels, labels_schema},
};
use crate::check_depth::CheckDepth;

/// The maximum deadline of one check, in milliseconds.
const MAX_TIMEOUT_MS: u32 = 60_000;
const MAX_REGIONS: usize = 64;

/// The fields that only the operator may change.
#[derive(Debug, Clone, Default, Deserialize, ToSchema)]
#[serde(default)]
pub struct OperatorFields {
    /// The regions that check the node; an empty list means all regions.
    #[schema(schema_with = regions)]
    pub regions: Option<Vec<String>>,
    /// How far a check goes.
    pub check: Option<CheckDepth>,
    /// The deadline of one check in milliseconds; 0 means the probe's own deadline.
    #[serde(deserialize_with = "input::whole_number")]
    #[schema(maximum = 60_000)]
    pub timeout_ms: Option<u32>,
    /// False removes the secret. True changes nothing.
    pub has_secret: Option<bool>,
}

fn regions() -> Schema {
    labels_schema(MAX_REGIONS)
}

/// A change of a node. A missing field leaves the stored value unchanged, and an empty text clears it.
#[derive(Debug, Clone, Default)]
pub struct NodeChange {
    /// The fields of a submission.
    pub node: NodeFields,
    /// The operator's own fields.
    pub operator: OperatorFields,
    /// When the node was last changed before the operator read it. If somebody changed it since then, the change is refused.
    pub seen: Option<Timestamp>,
}

impl NodeChange {
    /// Reads the fields of a form, as a JSON object.
    ///
    /// # Errors
    ///
    /// When a value has the wrong type for its field.
    pub fn from_json(fields: &serde_json::Value) -> Result<Self, FieldError> {
        Ok(Self { node: from_json(fields)?, operator: from_json(fields)?, seen: None })
    }

    pub(super) fn validate(self) -> Result<ValidChange, FieldError> {
        let Self { node, operator, seen: _ } = self;
        let node = node.validate()?;
        if operator.timeout_ms.is_some_and(|timeout| timeout > MAX_TIMEOUT_MS) {
            return Err(FieldError::new("timeout_ms", FieldProblem::TooLarge { max: MAX_TIMEOUT_MS }));
        }
        Ok(ValidChange {
            node,
            regions: operator.regions.map(|regions| labels("regions", regions, MAX_REGIONS)).transpose()?,
            mode: operator.check.map(CheckMode::from),
            timeout_ms: operator.timeout_ms,
            remove_secret: operator.has_secret == Some(false),
        })
    }
}

/// A [`NodeChange`] that is valid.
#[derive(Clone)]
pub(super) struct ValidChange {
    node: ValidFields,
    regions: Option<BTreeSet<Region>>,
    mode: Option<CheckMode>,
    timeout_ms: Option<u32>,
    remove_secret: bool,
}

impl ValidChange {
    /// A new peer.
    pub fn into_spec(self) -> Result<PeerSpec, FieldError> {
        let mut spec = self.node.clone().into_spec()?;
        let url = spec.url.clone();
        self.apply(&mut spec, url);
        Ok(spec)
    }

    /// The new URL of a peer whose current URL is `known`.
    pub fn url(&self, known: &PeerUrl) -> Result<PeerUrl, FieldError> {
        self.node.url(known)
    }

    /// Applies the change to `spec`.
    pub fn apply(self, spec: &mut PeerSpec, url: PeerUrl) {
        if let Some(regions) = self.regions {
            spec.regions = regions;
        }
        if let Some(mode) = self.mode {
            spec.mode = mode;
        }
        if let Some(timeout) = self.timeout_ms {
            spec.timeout = (timeout > 0).then(|| Duration::from_millis(timeout.into()));
        }
        if self.remove_secret {
            spec.network_secret = None;
        }
        self.node.apply(spec);
        spec.url = url;
    }
}
