//! Places on the earth, and where they are on the map. `tools/world-map` draws the outlines with the same projection.

/// The size of the map, in its own units.
pub const WIDTH: f64 = 1000.0;
pub const HEIGHT: f64 = 482.0;

/// The northern edge of the map, in degrees. Antarctica is not on it.
const NORTH: f64 = 84.0;

/// Shapes are true at this many degrees.
const TRUE_AT: f64 = 35.0;

/// A place on the earth.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Position {
    /// Degrees, -90 to 90.
    north: f64,
    /// Degrees, -180 to 180.
    east: f64,
}

impl Position {
    /// `None` for degrees that are out of range.
    pub fn new(north: f64, east: f64) -> Option<Self> {
        let is_valid = (-90.0..=90.0).contains(&north) && (-180.0..=180.0).contains(&east);
        is_valid.then_some(Self { north, east })
    }

    /// Where it is on the map, from the upper left corner: at the edge, when it is beyond.
    pub fn projected(self) -> (f64, f64) {
        let per_degree = WIDTH / 360.0;
        let y = (NORTH - self.north) * per_degree / TRUE_AT.to_radians().cos();
        ((self.east + 180.0) * per_degree, y.clamp(0.0, HEIGHT))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn the_outlines_have_the_same_size_and_projection() {
        let outlines = include_str!("world.svg");
        assert!(outlines.contains(&format!("viewBox=\"0 0 {WIDTH} {HEIGHT}\"")));
        // The southernmost part of Africa, from the same atlas.
        let (x, y) = Position::new(-34.82, 20.07).unwrap().projected();
        assert!(outlines.contains("M"), "{outlines}");
        let lowest = lowest_between(outlines, x - 1.0, x + 1.0, y - 8.0);
        assert!((lowest - y).abs() < 1.0, "Africa ends at {lowest} and not at {y}");
    }

    /// The lowest point of the outlines within some columns, that is not above `above` and of a ring which is north of it.
    fn lowest_between(svg: &str, from: f64, to: f64, above: f64) -> f64 {
        let path = svg.split(" d=\"").nth(1).unwrap().split('"').next().unwrap();
        let mut lowest = 0.0_f64;
        for ring in path.split('M').skip(1) {
            let spaced = ring.replace('-', " -").replace(['l', 'z'], " ");
            let numbers: Vec<f64> = spaced.split_whitespace().map(|number| number.parse().unwrap()).collect();
            let (mut x, mut y) = (0.0, 0.0);
            for step in numbers.chunks_exact(2) {
                (x, y) = (x + step[0], y + step[1]);
                if (from..=to).contains(&x) && y >= above {
                    lowest = lowest.max(y);
                }
            }
        }
        lowest
    }

    #[test]
    fn degrees_out_of_range_are_no_place() {
        for (north, east) in [(90.1, 0.0), (0.0, -180.1), (f64::NAN, 0.0), (0.0, f64::INFINITY)] {
            assert_eq!(Position::new(north, east), None);
        }
    }

    proptest! {
        #[test]
        fn north_is_up_and_east_is_right(a in (-90.0..=90.0, -180.0..=180.0), b in (-90.0..=90.0, -180.0..=180.0)) {
            let of = |(north, east): (f64, f64)| Position::new(north, east).unwrap().projected();
            let ((ax, ay), (bx, by)) = (of(a), of(b));
            for (x, y) in [(ax, ay), (bx, by)] {
                prop_assert!((0.0..=WIDTH).contains(&x) && (0.0..=HEIGHT).contains(&y));
            }
            prop_assert!(a.1 >= b.1 || ax < bx);
            prop_assert!(a.0 <= b.0 || ay <= by);
        }
    }
}
