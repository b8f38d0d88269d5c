//! Charts as plain SVG. The pages show the same figures as text too.

use std::{collections::BTreeMap, time::Duration};

use easytier_uptime_store::domain::{Count, QUARTER, RING_SLOTS, Region, SeriesPoint, Timestamp};
use maud::{Markup, html};

use super::{format, language::Language};

/// The height of a bar, and the width of a slot with the gap after it.
const BAR: usize = 22;
const STEP: usize = 4;

/// The share of healthy checks in 15 minutes. Kinds differ in colour and in height.
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

/// The last 24 hours, oldest first. The script shows the exact numbers of a slot on hover and focus; screen readers get a
/// summary.
pub fn bar(language: Language, ring: &[Count; RING_SLOTS], name: &str, percentage: f64) -> Markup {
    let texts = language.texts();
    let checks: u64 = ring.iter().map(|slot| u64::from(slot.checks)).sum();
    let summary = match checks {
        0 => texts.no_checks.to_owned(),
        _ => format!("{}, {checks} {}", format::percent(percentage), texts.checks),
    };
    let slots: Vec<Count> = ring.iter().rev().copied().collect();
    html! {
        svg.bar viewBox=(format!("0 0 {} {BAR}", RING_SLOTS * STEP - 1)) preserveAspectRatio="none" role="img" tabindex="0"
            aria-label=(language.labelled(&format!("{name}, {}", texts.last_day), &summary)) aria-describedby=(BAR_HINT) data-slots=(packed(&slots)) {
            @for kind in Slot::KINDS {
                @let path = path(&slots, kind);
                @if !path.is_empty() { path class=(kind.class()) d=(path) {} }
            }
        }
    }
}

const BAR_HINT: &str = "bar-hint";

/// The explanation for screen readers of how to read bars with the keyboard. A page has it once.
pub fn bar_hint(language: Language) -> Markup {
    html! { p.unseen id=(BAR_HINT) { (language.texts().bar_hint) } }
}

/// All slots of a kind in one path, to keep a page of a hundred bars small.
fn path(slots: &[Count], kind: Slot) -> String {
    let height = kind.height();
    let places = slots.iter().enumerate().filter(|(_, count)| Slot::of(**count) == kind);
    places.map(|(nth, _)| format!("M{} {BAR}h3v-{height}h-3z", nth * STEP)).collect()
}

/// Runs of equal slots, the oldest first: `healthy/checks`, or one number if both are equal, and `xN` for a run of N slots.
fn packed(slots: &[Count]) -> String {
    let runs = slots.chunk_by(|a, b| a == b).filter_map(|run| {
        let Count { checks, healthy } = *run.first()?;
        let counts = if healthy == checks { checks.to_string() } else { format!("{healthy}/{checks}") };
        Some(if run.len() > 1 { format!("{counts}x{}", run.len()) } else { counts })
    });
    runs.collect::<Vec<_>>().join(" ")
}

/// When the newest slot of a ring began, in milliseconds since 1970, for the script.
pub fn newest_quarter(now: Timestamp) -> i64 {
    Timestamp::of_bucket(now.bucket(QUARTER), QUARTER).0
}

/// Latencies in microseconds by time, by region.
pub type Lines = BTreeMap<Region, Vec<(Timestamp, i64)>>;

/// The average latencies of points, by region; points without a latency are left out.
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
    let point = |(at, latency): &(Timestamp, i64)| {
        let hour = 23.0 - (now.since(*at).as_secs() / 3600) as f64;
        let x = hour.max(0.0) * (WIDTH - 4.0) / 23.0 + 2.0;
        let y = HEIGHT - 2.0 - *latency as f64 / most * (HEIGHT - 4.0);
        format!("{x:.0},{y:.1}")
    };
    html! {
        svg.spark viewBox=(format!("0 0 {WIDTH} {HEIGHT}")) width=(WIDTH) height=(HEIGHT) aria-hidden="true" {
            @for (nth, line) in lines.values().enumerate() {
                polyline class=(color(nth)) points=(line.iter().map(point).collect::<Vec<_>>().join(" ")) {}
            }
        }
    }
}

/// The class of the nth line. Lines differ in colour and in pattern.
pub fn color(nth: usize) -> &'static str {
    ["l0", "l1", "l2", "l3", "l4", "l5"][nth % 6]
}

/// The number of steps of an axis.
const STEPS: i64 = 4;

/// A chart of latencies with axes. A line breaks where points are more than `gap` apart.
///
/// The SVG stretches to the page; labels are text of the page, so that they keep their size.
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
                aria-label=(language.labelled(language.texts().latency_by_region, &summary.join(", "))) {
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

/// The path of the lines, and that of single points, which are further than `gap` from all others.
fn drawn(
    line: &[(Timestamp, i64)],
    gap: Duration,
    x: impl Fn(Timestamp) -> f64,
    y: impl Fn(i64) -> f64,
) -> (String, String) {
    let (mut path, mut dots) = (String::new(), String::new());
    for run in line.chunk_by(|(before, _), (at, _)| at.since(*before) <= gap) {
        let points: Vec<String> = run.iter().map(|(at, latency)| format!("{:.1} {:.1}", x(*at), y(*latency))).collect();
        match points.as_slice() {
            [point] => dots += &format!("M{point}h.1"),
            points => path += &format!("M{}", points.join("L")),
        }
    }
    (path, dots)
}

/// The top of an axis for values up to `most`: 1, 2, 4, 6 or 8 times a power of ten.
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
    fn slots_differ_by_the_share_of_healthy_checks() {
        let of = |healthy, checks| Slot::of(Count { checks, healthy });
        assert_eq!(of(0, 0), Slot::Nothing);
        assert_eq!([of(0, 9), of(8, 10), of(9, 10), of(10, 10)], [Slot::Bad, Slot::Half, Slot::Most, Slot::All]);
    }

    #[test]
    fn a_line_breaks_at_a_gap() {
        let minute = |minute: i64, latency| (Timestamp(minute * 60_000), latency);
        let line = [minute(0, 1), minute(1, 2), minute(9, 3), minute(20, 4), minute(21, 5)];
        let (lines, dots) =
            drawn(&line, Duration::from_secs(120), |at| at.0 as f64 / 60_000.0, |latency| latency as f64);
        assert_eq!(lines, "M0.0 1.0L1.0 2.0M20.0 4.0L21.0 5.0");
        assert_eq!(dots, "M9.0 3.0h.1");
    }

    #[test]
    fn an_axis_ends_at_a_round_value_above_the_highest() {
        assert_eq!([900, 1_000, 12_345, 190_000].map(round_up), [1_000.0, 2_000.0, 20_000.0, 200_000.0]);
    }
}
