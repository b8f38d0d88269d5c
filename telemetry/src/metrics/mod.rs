//! Exports metrics: the SDK knows those of its own instruments only, and a registry of `prometheus-client` is read by its text.

mod otlp;
pub(crate) mod push;
mod text;
