//! The domain of the hub: peers, probes, results, verdicts, and their rules. It has plain values without SQL or I/O, which
//! all other modules share.
//!
//! Labels, URLs and passwords are validated when they are constructed. Latencies are in microseconds; times are
//! [`Timestamp`]s, milliseconds since 1970.

mod alert;
mod announcement;
mod audit;
mod clock;
mod content;
mod count;
mod credential;
mod edit;
mod event;
mod exchange;
mod history;
mod ids;
mod incident;
mod ingest;
mod instance;
mod label;
mod live_settings;
mod maintenance;
mod managed_probe;
mod month;
mod node;
mod node_filter;
mod open_server;
mod overview;
mod page;
mod peer;
mod probe;
mod probe_peer;
mod pushed;
mod recurrence;
mod region;
mod relay;
mod requested_check;
mod retention;
mod schedule;
pub(crate) mod scope;
mod source;
mod submission;
mod subscription;
mod synced;
mod timestamp;
mod uptime;
mod usage;
mod verdict;

pub use self::{
    alert::{
        AlertChannel, AlertCondition, AlertMute, AlertNews, AlertNode, AlertPlan, ChannelSpec, ClaimedDelivery,
        Delivery, DeliveryEnd, DeliveryState, MirroredAlerts, NewDelivery, PlanStep,
    },
    announcement::{Announcement, NewAnnouncement, Severity},
    audit::{Actor, ActorKind, AuditEvent, AuditFilter, AuditKind, AuditObject, AuditVerb, AuthFailure},
    clock::ClockDifference,
    count::{Count, RING_SLOTS},
    credential::{
        Caller, Credential, CredentialKind, EnrollmentKey, EnrollmentLimits, IssuedToken, Lapsed, NewProbe, NodeToken,
        NodeTokenError, ProbeIdentity,
    },
    edit::ObjectEdit,
    event::{Event, EventKind, EventSubject},
    exchange::{ForeignBatch, ForeignResult, PeerVerdict, ProbeEvidence, ProbeSigns, RegionWord, Verdicts},
    history::{CheckStats, Grain, HealthRecord, LatestResult, NodeStats, RecordFilter, RegionReport, RollupPoint},
    ids::{
        AnnouncementId, ChannelId, CredentialId, IncidentId, PeerId, ProbeId, RegionId, SourceId, SubmissionId,
        SubscriberId, WindowId,
    },
    incident::{
        Incident, IncidentEntry, IncidentFilter, IncidentNews, IncidentNode, IncidentPlan, IncidentStep,
        NewIncidentEntry, PlannedIncident, PlannedNode, Sight,
    },
    ingest::{Batch, Receipt, Rejected, Rejection, Via},
    instance::{
        ClusterId, ConfigVersion, Instance, InstanceHealth, InstanceId, Leader, Leadership, MAX_EPOCH, MAX_EPOCH_LEAD,
        Member, MemberBeat, Role, SealingKey, Term,
    },
    label::{LabelError, Region, Tag},
    live_settings::{Intervals, InvalidSetting, LiveSetting, LiveSettings, SettingValue},
    maintenance::{ActiveWindow, Coverage, MaintenanceSpec, MaintenanceWindow, NodeMaintenance},
    managed_probe::{
        Contact, ControlAddress, ManageProblem, Managed, ManagedProbe, ManagedProbeChange, MessageKind, NewContact,
        NewManagedProbe, ProbePath, ProbeSettings, PullState, PushState,
    },
    month::{Month, MonthFigures, Outages},
    node::Node,
    node_filter::NodeFilter,
    open_server::{Announced, MAX_OPEN_SERVERS, MAX_OPEN_SERVERS_OF_ADDRESS, OpenServer, Ownership},
    overview::{FailureCount, NodeView, Pulse, RegionView, SeriesPoint},
    page::{Page, PageRequest, Slice},
    peer::{Contacts, ImportCounts, NewPeer, PeerFilter, PeerOrder, PeerRecord, PeerSpec},
    probe::{LifeSigns, PROBE_EXPIRES_AFTER, Presence, Probe, Registration, StatusReport},
    probe_peer::{Claim, ClaimedPeers, PeerScope, ProbePeer, ProbePeers},
    pushed::{PushConflict, PushedConfig, PushedEnrollment, PushedVersion},
    recurrence::RuleError,
    region::RegionOverview,
    relay::{MeasuredRelay, RegionRelay},
    requested_check::{
        CheckRun, CheckTarget, MAX_VANTAGES, NewCheck, Order, REQUEST_INTERVAL, RequestedAnswer, RequestedCheck,
        RunOutcome,
    },
    retention::Retention,
    schedule::{MAX_MINUTES, Occurrence, Schedule, ScheduleError, ScheduleText},
    scope::Scope,
    source::{ListFault, Source, SourceChanges, SourceProblem, SourceReading, SourceSpec},
    submission::{Duplicate, Submission},
    subscription::{
        ClaimedMail, NewMail, SubscribedNode, Subscriber, SubscriptionCounts, SubscriptionLimits, SubscriptionRequest,
        VisitorStep, WatchedState, Watcher,
    },
    synced::{
        Adopted, Content, DELETIONS_KEPT, LostChange, MergePartner, ObjectKey, ObjectKind, ObjectState, ObjectVersion,
        SharedConfig, SyncedChannel, SyncedCredential, SyncedMaintenance, SyncedObject, SyncedPeer, SyncedProbe,
    },
    timestamp::{CLOCK_TOLERANCE, DAY, QUARTER, Timestamp},
    uptime::{Uptime, VerdictTimes},
    usage::UsualUsage,
    verdict::{Doubt, MAX_EVIDENCE_AGE, Policy, RegionStatus, Verdict},
};
pub(crate) use self::{
    audit::network_of, content::Fields, open_server::OPEN_SERVER_EXPIRES_AFTER, timestamp::millis,
    usage::usage_percentage,
};
