//! Incidents: changes of one cause, and what is said about them. What causes, states and details say is the business of their
//! users; here they are texts.

use super::{Event, IncidentId, PeerId, Region, RegionStatus, Timestamp};
use easytier_probe::{FailureCode, Stage};

/// How far the planner of incidents is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct IncidentPlan {
    /// Grows with each step.
    pub step: i64,
    /// The id of the newest event that it has read.
    pub cursor: i64,
    /// The id of the newest incident.
    pub last_id: i64,
    /// JSON.
    pub state: String,
}

/// What the planner of incidents has to read.
#[derive(Debug, Clone, PartialEq)]
pub struct IncidentNews {
    /// The plan as the last step left it.
    pub plan: IncidentPlan,
    /// The id of the newest event.
    pub newest_event: i64,
    /// When somebody last acknowledged something, and how many things are acknowledged.
    pub acknowledged: (i64, i64),
    /// The events after those that it has read, the oldest first.
    pub events: Vec<Event>,
}

/// An incident, as the planner knows it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PlannedIncident {
    /// Its id.
    pub id: IncidentId,
    /// When it began.
    pub opened_at: Timestamp,
    /// Since when all its nodes are well; `None` while one is not.
    pub well_at: Option<Timestamp>,
    /// When it was closed; `None` while it is open.
    pub closed_at: Option<Timestamp>,
    /// JSON.
    pub cause: Option<String>,
    /// How many entries there were, also those that were left out.
    pub changes: u32,
    /// JSON.
    pub state: String,
    /// Its nodes.
    pub nodes: Vec<PlannedNode>,
}

/// A node of an incident, as the planner knows it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PlannedNode {
    /// The node.
    pub peer: PeerId,
    /// Its verdict.
    pub verdict: String,
    /// Since when.
    pub since: Timestamp,
    /// JSON.
    pub state: String,
}

/// A new entry of a timeline.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewIncidentEntry {
    /// The incident.
    pub incident: IncidentId,
    /// When it happened.
    pub at: Timestamp,
    /// What happened.
    pub kind: &'static str,
    /// JSON.
    pub detail: String,
    /// The nodes that it names.
    pub nodes: Vec<PeerId>,
}

/// A step of the planner of incidents.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct IncidentStep {
    /// The plan afterwards.
    pub plan: IncidentPlan,
    /// Incidents that are new or changed, with those of their nodes that are to be stored.
    pub incidents: Vec<PlannedIncident>,
    /// Nodes that are no longer part of an incident.
    pub left: Vec<(IncidentId, PeerId)>,
    /// What the timelines say.
    pub entries: Vec<NewIncidentEntry>,
}

/// How a region sees a node, and why its newest check failed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Sight {
    /// The node.
    pub peer: PeerId,
    /// The region.
    pub region: Region,
    /// Its status.
    pub status: RegionStatus,
    /// The stage at which the newest check of the region failed.
    pub stage: Option<Stage>,
    /// Why.
    pub code: Option<FailureCode>,
}

/// Which incidents to list.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub struct IncidentFilter {
    /// Only open ones, or only closed ones.
    pub open: Option<bool>,
    /// Only those of this node.
    pub node: Option<PeerId>,
}

/// An incident, as people see it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Incident {
    /// Its id.
    pub id: IncidentId,
    /// When it began.
    pub opened_at: Timestamp,
    /// Since when all its nodes are well; `None` while one is not, unless it was closed by the operator.
    pub well_at: Option<Timestamp>,
    /// When it was closed; `None` while it is open.
    pub closed_at: Option<Timestamp>,
    /// JSON.
    pub cause: Option<String>,
    /// How many changes there were, also those that its timeline leaves out.
    pub changes: u32,
    /// What the operator calls it, in English.
    pub english: Option<String>,
    /// What the operator calls it, in Chinese.
    pub chinese: Option<String>,
    /// When it was last changed.
    pub updated_at: Timestamp,
    /// Those of its nodes that are listed, at most 50.
    pub nodes: Vec<IncidentNode>,
    /// How many of its nodes are listed.
    pub node_count: u32,
}

/// A node of an incident.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct IncidentNode {
    /// Its id.
    pub id: PeerId,
    /// Its name.
    pub name: String,
    /// Its verdict; when the incident was closed, if it is.
    pub verdict: String,
    /// Since when.
    pub since: Timestamp,
}

/// An entry of a timeline.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct IncidentEntry {
    /// Its id.
    pub id: i64,
    /// When it happened.
    pub at: Timestamp,
    /// `opened`, `joined`, `changed`, `acknowledged`, `closed`, `posted` or `ended`.
    pub kind: String,
    /// JSON.
    pub detail: String,
    /// What the operator wrote, in English.
    pub english: Option<String>,
    /// What the operator wrote, in Chinese.
    pub chinese: Option<String>,
    /// Those of its nodes that are listed: their ids and names.
    pub nodes: Vec<(PeerId, String)>,
}
