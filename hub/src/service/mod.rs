//! The use cases of the hub, with their limits. Each is implemented once here; the API, the pages and the command line
//! are its front ends. This module does not depend on HTTP.
//!
//! [`Admin`] is for the operator, [`Registry`] and [`Discovery`] for probes, [`Sessions`] for the admin's login; [`Submissions`]
//! and [`ConnectionTests`] are for anybody. Reads that need no rules go to the store directly.

mod admin;
pub mod alerts;
mod announcements;
pub mod apply;
mod audit;
mod checks;
mod connection_test;
mod credentials;
mod discovery;
mod entry;
mod error;
mod familiar;
pub mod incidents;
mod instances;
mod key_rotation;
mod line;
mod maintenance;
mod managed_probes;
mod node_change;
mod node_fields;
mod orders;
pub mod password;
mod queue;
mod regions;
mod registry;
mod report;
mod session;
pub mod settings;
mod signed;
mod sources;
mod status;
mod submission;
pub mod subscriptions;

pub use self::{
    admin::Admin,
    announcements::{AnnouncementRequest, MAX_ANNOUNCED_HOURS, MAX_ANNOUNCEMENT},
    audit::{AUDIT_LIMIT, AuditPage},
    checks::{Asker, CHECK_TIMEOUTS, CheckWish, Checks},
    connection_test::ConnectionTests,
    credentials::{CredentialRequest, ENROLLMENT_LIFETIME, ENROLLMENT_USES, KeyLimit, MAX_DAYS, MAX_USES},
    discovery::{Discovery, DiscoveryOptions, OpenRefusal, OwnServer, Servers},
    entry::{Entry, NodeId},
    error::{FieldError, FieldProblem, Forbidden, LinkError, ServiceError},
    incidents::{MAX_INCIDENT_NAME, MAX_POST, Wording},
    instances::{Instances, Overview, OwnInstance, Step, SyncRefusal},
    key_rotation::rotate_key,
    line::MAX_NAME,
    maintenance::{MAX_TITLE, WindowFields},
    managed_probes::{ManageChange, ManageRequest, ManagedProbes, ManagedView},
    node_change::{NodeChange, OperatorFields},
    node_fields::{NodeFields, VISIBLE, check_lengths, labels_schema},
    orders::{Channel, Orders, Waiting},
    queue::{Decided, Decision, MAX_DECIDED},
    registry::{Registered, Registrant, Registry, check_region, check_server_id},
    report::{DEFAULT_TARGET, Group, Line, Report, Target, exact},
    session::{LoginAttempt, NewSession, Sessions},
    settings::SharedSetting,
    sources::{DEFAULT_EVERY, EVERY, MAX_LIST_URL, NewSource, SourceView, Sources},
    status::{AlertCounts, FailedAuthentications, HubStatus, PendingResults},
    submission::Submissions,
    subscriptions::Subscriptions,
};
