//! Errors of connections.

use std::{io, net::SocketAddr};

use crate::{Stage, check::stage_failure::StageFailure, io_failure::io_failure};

/// Why a link has ended.
#[derive(Debug)]
pub(in crate::check) enum LinkError {
    /// The other side closed it, or the network did.
    Closed,
    /// What arrived is not an EasyTier packet; the text describes it.
    NotEasytier(&'static str),
}

/// The failure of connecting to `address` with `error`.
pub(super) fn connect_failure(address: SocketAddr, error: io::Error) -> StageFailure {
    StageFailure { stage: Stage::Connect, failure: io_failure(address, &error) }
}
