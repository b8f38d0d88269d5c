//! Pictures of figures, as plain SVG. What they show is also there as text.

use std::{collections::BTreeMap, fmt::Write, time::Duration};

use maud::{Markup, html};

use super::{format, language::Language};
use crate::{
    model::{Region, SeriesPoint},
    ring::{Count, SLOTS},
    time::{QUARTER, Timestamp},
};

/// The height of a bar's slots, and the width of one with the gap after it.
const BAR: usize = 22;
const STEP: usize = 4;

/// How a quarter of an hour went: each kind has a colour and a height of its own.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Slot {
    Nothing,
    Bad,
    Half,
    Most,
    All,
}

impl Slot {
    const KINDS: [Self; 5] = [Self::Nothing, Self::Bad, Self::Half, Self::Most, Self::All];

    fn of(count: Count) -> Self {
        match (count.checks, count.healthy) {
            (0, _) => Self::Nothing,
            (_, 0) => Self::Bad,
            (checks, healthy) if healthy >= checks => Self::All,
            (checks, healthy) if u64::from(healthy) * 10 >= u64::from(checks) * 9 => Self::Most,
            _ => Self::Half,
        }
    }

    fn class(self) -> &'static str {
        ["s0", "s1", "s2", "s3", "s4"][self as usize]
    }

    fn height(self) -> usize {
        [2, 7, 12, 18, BAR][self as usize]
    }
}

/// The last 24 hours, oldest first: a bar whose exact numbers the script shows on hover and focus, and a summary in words.
pub fn bar(language: Language, ring: &[Count; SLOTS], name: &str, percentage: f64) -> Markup {
    let texts = language.texts();
    let checks: u64 = ring.iter().map(|slot| u64::from(slot.checks)).sum();
    let summary = match checks {
        0 => texts.no_checks.to_owned(),
        _ => format!("{}, {checks} {}", format::percent(percentage), texts.checks),
    };
    let slots: Vec<Count> = ring.iter().rev().copied().collect();
    html! {
        svg.bar viewBox=(format!("0 0 {} {BAR}", SLOTS * STEP - 1)) preserveAspectRatio="none" role="img" tabindex="0"
            aria-label=(format!("{name}, {}: {summary}", texts.last_day)) aria-describedby=(BAR_HINT) data-slots=(packed(&slots)) {
            @for kind in Slot::KINDS {
                @let path = path(&slots, kind);
                @if !path.is_empty() { path class=(kind.class()) d=(path) {} }
            }
        }
    }
}

const BAR_HINT: &str = "bar-hint";

/// How the bars of a page are read with the keyboard, for those who hear it; once on a page.
pub fn bar_hint(language: Language) -> Markup {
    html! { p.unseen id=(BAR_HINT) { (language.texts().bar_hint) } }
}

/// All slots of a kind in one path: a hundred bars are small then.
fn path(slots: &[Count], kind: Slot) -> String {
    let mut path = String::new();
    for (nth, _) in slots.iter().enumerate().filter(|(_, count)| Slot::of(**count) == kind) {
        let height = kind.height();
        write!(path, "M{} {BAR}h3v-{height}h-3z", nth * STEP).expect("a String takes any text");
    }
    path
}

/// `healthy/checks`, or one number where they are the same; `x` and how often for what repeats.
fn packed(slots: &[Count]) -> String {
    let mut packed = String::new();
    let mut rest = slots;
    while let Some(first) = rest.first() {
        let run = rest.iter().take_while(|slot| *slot == first).count();
        rest = &rest[run..];
        if !packed.is_empty() {
            packed.push(' ');
        }
        match first.healthy == first.checks {
            true => write!(packed, "{}", first.checks),
            false => write!(packed, "{}/{}", first.healthy, first.checks),
        }
        .expect("a String takes any text");
        if run > 1 {
            write!(packed, "x{run}").expect("a String takes any text");
        }
    }
    packed
}

/// When the newest slot of a ring began, for the script.
pub fn newest_quarter(now: Timestamp) -> i64 {
    Timestamp::of_bucket(now.bucket(QUARTER), QUARTER).0
}

/// Latencies of a region by time.
pub type Lines = BTreeMap<Region, Vec<(Timestamp, i64)>>;

/// The averages of the points that have a latency, by region.
pub fn lines(points: &[SeriesPoint]) -> Lines {
    let mut lines = Lines::new();
    for point in points {
        if let Some(latency) = point.stats.average_response_us {
            lines.entry(point.region.clone()).or_default().push((point.at, latency));
        }
    }
    lines
}

/// A small line for each region over the last 24 hours.
pub fn sparkline(lines: &Lines, now: Timestamp) -> Markup {
    const WIDTH: f64 = 96.0;
    const HEIGHT: f64 = 20.0;
    let most = lines.values().flatten().map(|(_, latency)| *latency).max().unwrap_or(1).max(1) as f64;
    let hour = |at: Timestamp| 23.0 - (now.since(at).as_secs() / 3600) as f64;
    html! {
        svg.spark viewBox=(format!("0 0 {WIDTH} {HEIGHT}")) width=(WIDTH) height=(HEIGHT) aria-hidden="true" {
            @for (nth, line) in lines.values().enumerate() {
                polyline class=(color(nth)) points=(line.iter().fold(String::new(), |mut points, (at, latency)| {
                    let x = hour(*at).max(0.0) * (WIDTH - 4.0) / 23.0 + 2.0;
                    let y = HEIGHT - 2.0 - *latency as f64 / most * (HEIGHT - 4.0);
                    write!(points, "{}{x:.0},{y:.1}", if points.is_empty() { "" } else { " " }).expect("a String takes any text");
                    points
                })) {}
            }
        }
    }
}

/// The class of the nth line, which has a colour and a pattern of its own.
pub fn color(nth: usize) -> &'static str {
    ["l0", "l1", "l2", "l3", "l4", "l5"][nth % 6]
}

/// How many steps an axis has.
const STEPS: i64 = 4;

/// A chart of latencies with axes. Lines break where there was nothing for more than `gap`.
///
/// The picture is drawn as wide as there is room; what is written beside it is text of the page, and never too small.
pub fn chart(language: Language, lines: &Lines, from: Timestamp, to: Timestamp, gap: Duration) -> Markup {
    const WIDTH: f64 = 900.0;
    const HEIGHT: f64 = 200.0;
    let most = round_up(lines.values().flatten().map(|(_, latency)| *latency).max().unwrap_or(1_000));
    let length = (to.0 - from.0).max(1);
    let x = |at: Timestamp| (at.0 - from.0).clamp(0, length) as f64 / length as f64 * WIDTH;
    let y = |latency: i64| HEIGHT - latency as f64 / most * HEIGHT;
    let summary: Vec<String> = lines
        .iter()
        .filter_map(|(region, line)| Some(format!("{region} {}", format::latency(line.last()?.1))))
        .collect();
    html! {
        div.plot {
            div.ys aria-hidden="true" { @for step in (0..=STEPS).rev() { span { (axis(most * step as f64 / STEPS as f64)) } } }
            svg.chart viewBox=(format!("0 0 {WIDTH} {HEIGHT}")) preserveAspectRatio="none" role="img"
                aria-label=(format!("{}: {}", language.texts().latency_by_region, summary.join(", "))) {
                @for step in 0..=STEPS {
                    @let y = HEIGHT * step as f64 / STEPS as f64;
                    line.grid x1="0" x2=(WIDTH) y1=(y) y2=(y) {}
                }
                @for (nth, line) in lines.values().enumerate() {
                    @let (line, dots) = drawn(line, gap, x, y);
                    path class=(color(nth)) d=(line) {}
                    @if !dots.is_empty() { path class=(format!("dots {}", color(nth))) d=(dots) {} }
                }
            }
            div.xs aria-hidden="true" {
                @for step in 0..=STEPS { span { (tick(Timestamp(from.0 + length * step / STEPS), length)) } }
            }
            span.zone aria-hidden="true" { "UTC" }
        }
    }
}

/// The lines, and the points that are too far from all others for a line.
fn drawn(
    line: &[(Timestamp, i64)],
    gap: Duration,
    x: impl Fn(Timestamp) -> f64,
    y: impl Fn(i64) -> f64,
) -> (String, String) {
    let (mut path, mut dots) = (String::new(), String::new());
    for run in line.chunk_by(|(before, _), (at, _)| at.since(*before) <= gap) {
        if let [(at, latency)] = run {
            write!(dots, "M{:.1} {:.1}h.1", x(*at), y(*latency)).expect("a String takes any text");
            continue;
        }
        for (nth, (at, latency)) in run.iter().enumerate() {
            let verb = if nth == 0 { 'M' } else { 'L' };
            write!(path, "{verb}{:.1} {:.1}", x(*at), y(*latency)).expect("a String takes any text");
        }
    }
    (path, dots)
}

/// The top of an axis for values up to `most`: 1, 2 or 5 with zeros.
fn round_up(most: i64) -> f64 {
    let most = most.max(1) as f64 * 1.05;
    let unit = 10_f64.powf(most.log10().floor());
    [1.0, 2.0, 4.0, 6.0, 8.0, 10.0].into_iter().map(|times| times * unit).find(|top| *top >= most).unwrap_or(most)
}

fn axis(micros: f64) -> String {
    match micros / 1000.0 {
        0.0 => "0".to_owned(),
        ms @ ..10.0 => format!("{} ms", (ms * 100.0).round() / 100.0),
        ms => format!("{ms:.0} ms"),
    }
}

fn tick(at: Timestamp, length: i64) -> String {
    let time = chrono::DateTime::<chrono::Utc>::from(at);
    let pattern = if length > 2 * 86_400_000 { "%m-%d" } else { "%H:%M" };
    time.format(pattern).to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn repeated_slots_are_packed() {
        let (good, bad) = (Count { checks: 12, healthy: 12 }, Count { checks: 12, healthy: 3 });
        assert_eq!(packed(&[Count::default(), good, good, bad]), "0 12x2 3/12");
    }

    #[test]
    fn slots_are_told_apart_by_how_many_checks_were_good() {
        let of = |healthy, checks| Slot::of(Count { checks, healthy });
        assert_eq!(of(0, 0), Slot::Nothing);
        assert_eq!([of(0, 9), of(8, 10), of(9, 10), of(10, 10)], [Slot::Bad, Slot::Half, Slot::Most, Slot::All]);
    }

    #[test]
    fn a_line_breaks_where_nothing_was_measured() {
        let minute = |minute: i64, latency| (Timestamp(minute * 60_000), latency);
        let line = [minute(0, 1), minute(1, 2), minute(9, 3), minute(20, 4), minute(21, 5)];
        let (lines, dots) =
            drawn(&line, Duration::from_secs(120), |at| at.0 as f64 / 60_000.0, |latency| latency as f64);
        assert_eq!(lines, "M0.0 1.0L1.0 2.0M20.0 4.0L21.0 5.0");
        assert_eq!(dots, "M9.0 3.0h.1");
    }

    #[test]
    fn an_axis_ends_above_the_highest_value_at_a_round_one() {
        assert_eq!([900, 1_000, 12_345, 190_000].map(round_up), [1_000.0, 2_000.0, 20_000.0, 200_000.0]);
    }
}
