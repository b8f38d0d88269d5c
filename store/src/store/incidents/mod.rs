//! Incidents: what the planner stores, what people read, and what the operator writes.

mod listing;
mod operator;
mod plan;
mod sights;
