//! The configuration of easytier-uptime.
//!
//! A setting is a row of a table ([`PROBE_SETTINGS`], [`HUB_SETTINGS`], [`FUNCTION_SETTINGS`]), from which flags and help
//! texts are made too. Its value comes from the first of these layers that has one: a flag, the environment, `.env` in the
//! working directory, a TOML file, the default. Every value is validated, and all mistakes are reported at once.
//!
//! [`Sources`] holds the input of the layers, [`Reader`] reads single settings, and [`ProbeConfig`] is the configuration
//! of a probe. The hub's configuration is a type of the program that runs the hub; it uses a [`Reader`] as well.
//!
//! [`Sources::from_process`] is the only function that reads the environment of the process.

#![warn(missing_docs)]

pub mod descriptors;
pub mod duration;
mod error;
mod layers;
mod log;
mod probe;
mod pushed;
mod reader;
mod settings;
pub mod values;

pub use self::{
    error::{ConfigError, ConfigErrors},
    layers::Sources,
    log::{LogFormat, log_filter},
    probe::{ProbeConfig, QUIC_PORT, refuse_two_backends},
    pushed::PushedSettings,
    reader::Reader,
    settings::{FUNCTION_SETTINGS, HUB_SETTINGS, PROBE_SETTINGS, Setting},
    values::AdvertisedAddress,
};
