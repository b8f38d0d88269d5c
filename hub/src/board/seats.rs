//! The instances of the cluster, for visitors: their names and where they are, but no addresses.

use easytier_uptime_store::{
    Store, StoreError,
    domain::{Role, Timestamp},
};

use crate::service::OwnInstance;

/// An instance of the cluster.
#[derive(Debug, Clone, PartialEq)]
pub struct Seat {
    /// Its name, which is also that of its own probe.
    pub name: String,
    pub role: Role,
    /// Where it is, in words.
    pub location: Option<String>,
    /// Degrees north and degrees east.
    pub coordinates: Option<(f64, f64)>,
    /// Whether it was not heard from lately.
    pub is_away: bool,
}

/// All instances: the primary first, the others in the order of failover. One that belongs to no cluster is listed if its
/// configuration says where it is.
///
/// # Errors
///
/// When the database fails.
pub async fn read(store: &Store, own: &OwnInstance, now: Timestamp) -> Result<Vec<Seat>, StoreError> {
    let (options, role) = (&own.options, store.instance().await?.role);
    let seat = Seat {
        name: options.name.clone(),
        role,
        location: options.location.clone(),
        coordinates: options.coordinates,
        is_away: false,
    };
    if role == Role::Standalone {
        let is_told = seat.location.is_some() || seat.coordinates.is_some();
        return Ok(if is_told { vec![seat] } else { Vec::new() });
    }
    let mut seats = vec![(options.failover_order, seat)];
    for member in store.members().await? {
        let is_away = !own.hears(&member, now);
        let seat = Seat {
            name: member.name,
            role: member.role,
            location: member.location,
            coordinates: member.coordinates,
            is_away,
        };
        seats.push((member.failover_order, seat));
    }
    seats.sort_by(|(a_order, a), (b_order, b)| {
        let rank = |seat: &Seat| seat.role != Role::Primary;
        (rank(a), a_order, &a.name).cmp(&(rank(b), b_order, &b.name))
    });
    Ok(seats.into_iter().map(|(_, seat)| seat).collect())
}
