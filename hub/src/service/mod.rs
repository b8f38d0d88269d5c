//! The use cases of the hub, with their limits: each exists once here, and the API, the pages and the command line are
//! fronts for it. Nothing in here knows HTTP.
//!
//! [`Admin`] is what the operator does, [`Registry`] what probes do, [`Sessions`] the admin's login; [`Submissions`] and
//! [`ConnectionTests`] are for anybody. Reads without rules of their own go to the store directly.

mod admin;
mod connection_test;
mod error;
mod limit;
mod node_change;
mod node_fields;
pub mod password;
mod registry;
mod session;
pub mod settings;
mod submission;

pub use self::{
    admin::{Admin, CredentialRequest, Done, MAX_NAME},
    connection_test::ConnectionTests,
    error::{FieldError, FieldProblem, Forbidden, ServiceError},
    node_change::{NodeChange, OperatorFields},
    node_fields::{NodeFields, VISIBLE, labels_schema},
    registry::{Registered, Registrant, Registry, check_region, check_server_id},
    session::{NewSession, Sessions},
    submission::Submissions,
};
