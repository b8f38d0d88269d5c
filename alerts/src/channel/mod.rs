//! Channels: what each kind needs, what it sends for a message, and what an answer means. Nothing here talks to anybody.

mod answer;
mod checked;
mod fault;
mod field;
mod guarantee;
mod kind;
mod kinds;
mod outgoing;
mod redaction;

pub use self::{
    answer::Answer,
    checked::{Channel, ChannelError},
    fault::Fault,
    field::{Field, Format},
    guarantee::Guarantee,
    kind::ChannelKind,
    outgoing::{HttpRequest, Mail, Outgoing, Security},
};
