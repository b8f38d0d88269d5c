//! The names of what alerts are about.

use std::collections::{BTreeMap, BTreeSet};

use easytier_uptime_alerts::policy::Subject;
use easytier_uptime_store::domain::Timestamp;

use super::Alerts;
use crate::service::ServiceError;

impl Alerts {
    /// The names of these nodes and probes. Those that are gone have none, nor does the hub.
    ///
    /// # Errors
    ///
    /// When the database fails.
    pub async fn names(
        &self,
        subjects: impl IntoIterator<Item = Subject>,
    ) -> Result<BTreeMap<Subject, String>, ServiceError> {
        let subjects: BTreeSet<Subject> = subjects.into_iter().collect();
        let ids: Vec<i64> = subjects.iter().copied().filter_map(Subject::node).collect();
        let nodes = self.store.alert_nodes(ids).await?;
        let mut names: BTreeMap<_, _> = nodes.into_iter().map(|node| (Subject::Node(node.id.0), node.name)).collect();
        if subjects.iter().any(|subject| matches!(subject, Subject::Probe(_))) {
            let probes = self.store.probes(Timestamp::now()).await?;
            names.extend(probes.into_iter().map(|probe| (Subject::Probe(probe.id.0), probe.server_id)));
        }
        Ok(names)
    }
}
