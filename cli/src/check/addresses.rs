//! The options that say where peers may lead.

use clap::{ArgAction, Args, builder::BoolishValueParser};
use easytier_probe::AddressPolicy;

#[derive(Debug, Args)]
pub struct AddressArgs {
    /// Allow http, https, txt and srv peers, and peers of a list at a URL, to lead to this machine, its link or a cloud's
    /// metadata service. Addresses that you name yourself are always allowed
    #[arg(
        long, env = "ALLOW_LOCAL_PEERS", value_name = "BOOL", default_value = "false", default_missing_value = "true",
        num_args = 0..=1, require_equals = true, action = ArgAction::Set, value_parser = BoolishValueParser::new(),
    )]
    allow_local_peers: bool,
    /// Allow http, https, txt and srv peers, and peers of a list at a URL, to lead to private networks
    #[arg(
        long, env = "ALLOW_PRIVATE_PEERS", value_name = "BOOL", default_value = "true", default_missing_value = "true",
        num_args = 0..=1, require_equals = true, action = ArgAction::Set, value_parser = BoolishValueParser::new(),
    )]
    allow_private_peers: bool,
}

impl AddressArgs {
    pub fn policy(&self) -> AddressPolicy {
        AddressPolicy { allow_private: self.allow_private_peers, allow_local: self.allow_local_peers }
    }
}
