//! Which peers are listed and checked here: those that are approved, and not set aside.

/// The condition that a peer `p` is listed and checked here.
macro_rules! is_watched {
    ($engine:ident) => {
        "p.approved AND NOT p.set_aside"
    };
}
pub(super) use is_watched;
