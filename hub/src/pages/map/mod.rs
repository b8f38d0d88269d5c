//! `/map`: instances and regions on a map of the world, and what each region sees. The map is an image that the hub draws; the
//! tables beside it say the same.

mod draw;
mod located;
mod page;
mod picture;
mod places;
mod position;
mod spread;

pub use self::{draw::world, located::region as place_of_region, page::page, picture::Picture, position::Position};

use easytier_uptime_store::domain::Verdict;

/// What a mark stands for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    Instance,
    Region,
}

/// Something on the map.
#[derive(Debug, Clone)]
pub struct Mark {
    pub kind: Kind,
    /// What stands on it: one to three characters, which the row of its table has too.
    pub label: String,
    pub name: String,
    /// `None`: it is listed beside the map.
    pub position: Option<Position>,
    /// Its shape and colour.
    pub state: Verdict,
    /// Its state in words.
    pub state_text: &'static str,
    /// What else there is to say about it; may be empty.
    pub summary: String,
    /// How many nodes it sees online, partly online and offline, for the ring around it.
    pub sight: Option<[u64; 3]>,
    /// Where it leads: the row of its table.
    pub href: String,
}

/// The `nth` label of a kind, from zero: `A`, `B`, … for instances, `1`, `2`, … for regions.
pub fn label(kind: Kind, nth: usize) -> String {
    match kind {
        Kind::Region => (nth + 1).to_string(),
        Kind::Instance => {
            let letter = char::from(b'A' + u8::try_from(nth % 26).unwrap_or_default());
            if nth < 26 { letter.to_string() } else { format!("{letter}{}", nth / 26) }
        }
    }
}
