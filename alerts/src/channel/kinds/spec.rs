//! What a kind of channel consists of.

use chrono::{DateTime, Utc};

use crate::{
    Message, Outcome,
    channel::{
        answer::Answer,
        fault::Fault,
        field::{Field, Settings},
        guarantee::Guarantee,
        outgoing::Outgoing,
    },
};

/// What a kind of channel consists of: everything but its place in the list of kinds.
pub(crate) struct Spec {
    /// The name in the command line and in the database.
    pub name: &'static str,
    /// Where its messages go, in a few words of English.
    pub about: &'static str,
    /// Its settings.
    pub fields: &'static [Field],
    /// What is done when it is not known whether a message arrived.
    pub guarantee: Guarantee,
    /// What the formats of the fields do not say: the name of a wrong field, and why.
    pub check: fn(&Settings) -> Result<(), (&'static str, Fault)>,
    /// What is sent for a message at this time.
    pub request: fn(&Settings, &Message, DateTime<Utc>) -> Result<Outgoing, String>,
    /// What an answer means.
    pub verdict: fn(&Answer) -> Outcome,
}

/// For kinds whose fields need no more checks.
pub(super) fn no_more(_: &Settings) -> Result<(), (&'static str, Fault)> {
    Ok(())
}
