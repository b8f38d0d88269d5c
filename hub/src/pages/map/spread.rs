//! Which marks share a pin, and where the pins stand: marks that lie close together would cover one another.

use std::f64::consts::PI;

/// Pushing pins apart ends after so many rounds; far fewer are needed.
const ROUNDS: usize = 1000;

/// A pin for one or more marks.
#[derive(Debug, Clone, PartialEq)]
pub struct Pin {
    /// The place that it is for.
    pub place: (f64, f64),
    /// Where it stands.
    pub shown: (f64, f64),
    /// The numbers of its marks, in their order.
    pub marks: Vec<usize>,
}

/// How pins are arranged, in units of the map.
#[derive(Debug, Clone, Copy)]
pub struct Room {
    pub width: f64,
    pub height: f64,
    /// The least distance between two pins; half of it lies between a pin and the edge.
    pub distance: f64,
    /// More pins than this have no room.
    pub pins: usize,
}

/// The pins for marks at these places.
pub fn arrange(places: &[(f64, f64)], room: Room) -> Vec<Pin> {
    let mut pins: Vec<Pin> = grouped(places, -1.0);
    let mut within = 0.0;
    while pins.len() > room.pins.max(1) {
        pins = grouped(places, within);
        within = f64::max(within * 1.5, room.distance / 2.0);
    }
    for pin in &mut pins {
        pin.shown = room.inside(pin.place);
    }
    for _ in 0..ROUNDS {
        if !push_apart(&mut pins, room) {
            break;
        }
    }
    pins
}

impl Room {
    fn inside(self, (x, y): (f64, f64)) -> (f64, f64) {
        let half = self.distance / 2.0;
        (x.clamp(half, self.width - half), y.clamp(half, self.height - half))
    }
}

/// Puts each place into the first group whose first place is `within` this distance.
fn grouped(places: &[(f64, f64)], within: f64) -> Vec<Pin> {
    let mut pins: Vec<Pin> = Vec::new();
    for (nth, place) in places.iter().enumerate() {
        let near = |pin: &&mut Pin| (pin.place.0 - place.0).hypot(pin.place.1 - place.1) <= within;
        match pins.iter_mut().find(near) {
            Some(pin) => pin.marks.push(nth),
            None => pins.push(Pin { place: *place, shown: *place, marks: vec![nth] }),
        }
    }
    pins
}

/// Moves each two pins apart that are too close. Whether there were any.
fn push_apart(pins: &mut [Pin], room: Room) -> bool {
    let mut moved = false;
    for second in 1..pins.len() {
        let (before, after) = pins.split_at_mut(second);
        let Some(b) = after.first_mut() else { break };
        for (nth, a) in before.iter_mut().enumerate() {
            let (dx, dy) = (b.shown.0 - a.shown.0, b.shown.1 - a.shown.1);
            let apart = dx.hypot(dy);
            // What rounding leaves over does not matter.
            if apart >= room.distance - 0.01 {
                continue;
            }
            moved = true;
            // Pins at one point go in different directions, the same at each rendering.
            let angle = (nth + 2 * second) as f64 * (3.0 - 5.0_f64.sqrt()) * PI;
            let (ux, uy) = if apart > 1e-6 { (dx / apart, dy / apart) } else { (angle.cos(), angle.sin()) };
            let by = (room.distance - apart) / 2.0;
            a.shown = room.inside((a.shown.0 - ux * by, a.shown.1 - uy * by));
            b.shown = room.inside((b.shown.0 + ux * by, b.shown.1 + uy * by));
        }
    }
    moved
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const ROOM: Room = Room { width: 1000.0, height: 482.0, distance: 30.0, pins: 48 };

    #[test]
    fn a_mark_that_stands_alone_stays_at_its_place() {
        let pins = arrange(&[(100.0, 100.0), (300.0, 200.0)], ROOM);
        assert!(pins.iter().all(|pin| pin.shown == pin.place), "{pins:?}");
    }

    #[test]
    fn two_marks_at_one_place_stand_side_by_side() {
        let pins = arrange(&[(100.0, 100.0), (100.0, 100.0)], ROOM);
        let [a, b] = &pins[..] else { panic!("{pins:?}") };
        assert!((a.shown.0 - b.shown.0).hypot(a.shown.1 - b.shown.1) > 29.9, "{pins:?}");
        for pin in [a, b] {
            assert!((pin.shown.0 - 100.0).hypot(pin.shown.1 - 100.0) < 16.0, "{pins:?}");
        }
    }

    proptest! {
        #[test]
        fn every_mark_has_a_pin_and_no_two_pins_overlap(
            spread in proptest::collection::vec((0.0..1000.0, 0.0..482.0), 0..80),
            close in proptest::collection::vec((780.0..860.0, 140.0..220.0), 0..40),
        ) {
            let places: Vec<(f64, f64)> = spread.into_iter().chain(close).collect();
            let pins = arrange(&places, ROOM);
            prop_assert!(pins.len() <= ROOM.pins);
            let mut marks: Vec<usize> = pins.iter().flat_map(|pin| pin.marks.clone()).collect();
            marks.sort_unstable();
            prop_assert_eq!(marks, (0..places.len()).collect::<Vec<_>>());
            for (nth, a) in pins.iter().enumerate() {
                prop_assert!((15.0..=985.0).contains(&a.shown.0) && (15.0..=467.0).contains(&a.shown.1));
                for b in &pins[..nth] {
                    let apart = (a.shown.0 - b.shown.0).hypot(a.shown.1 - b.shown.1);
                    prop_assert!(apart > 28.0, "{apart}: {a:?} {b:?}");
                }
            }
            prop_assert_eq!(pins, arrange(&places, ROOM));
        }
    }
}
