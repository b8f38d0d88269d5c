//! How often a message arrives when an outcome is not known.

/// What is done when it is not known whether a message arrived.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Guarantee {
    /// It is sent again, with the same key, by which the service recognises a repeat.
    AtLeastOnce,
    /// It is not sent again: the service would show it twice.
    AtMostOnce,
}
