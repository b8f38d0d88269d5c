//! Where the regions and the instances of a board are.

use easytier_uptime_store::domain::Region;

use super::{places, position::Position};
use crate::board::{Probes, Seat};

/// The position of a region: by its name, else that of an instance whose own probe is there.
pub fn region(region: &Region, known: &Probes) -> Option<Position> {
    places::find(region.as_str()).or_else(|| {
        let is_there = |seat: &&Seat| known.probes.iter().any(|it| it.server_id == seat.name && it.region == *region);
        known.seats.iter().filter(is_there).find_map(told)
    })
}

/// The position of an instance: as it was configured, else by the name of its location, of the region of its own probe, or of
/// itself.
pub fn instance(seat: &Seat, known: &Probes) -> Option<Position> {
    let own_probe = || known.probes.iter().find(|probe| probe.server_id == seat.name);
    told(seat)
        .or_else(|| places::find(seat.location.as_deref()?))
        .or_else(|| places::find(own_probe()?.region.as_str()))
        .or_else(|| places::find(&seat.name))
}

fn told(seat: &Seat) -> Option<Position> {
    seat.coordinates.and_then(|(north, east)| Position::new(north, east))
}
