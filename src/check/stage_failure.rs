//! Why a check stopped.

use crate::{Failure, FailureCode, Stage};

/// Why a check stopped, and at which stage.
#[derive(Debug)]
pub(super) struct StageFailure {
    pub stage: Stage,
    pub failure: Failure,
}

impl StageFailure {
    pub fn new(stage: Stage, code: FailureCode, message: impl Into<String>) -> Self {
        Self { stage, failure: Failure::new(code, message) }
    }

    /// No connection could be made.
    pub fn at_connect(code: FailureCode, message: impl Into<String>) -> Self {
        Self::new(Stage::Connect, code, message)
    }

    /// A connection was made, but the handshake failed: the transport's own or EasyTier's.
    pub fn at_handshake(code: FailureCode, message: impl Into<String>) -> Self {
        Self::new(Stage::Handshake, code, message)
    }
}
