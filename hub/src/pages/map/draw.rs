//! The map as an image.

use easytier_uptime_store::domain::Verdict;
use maud::{Markup, html};

use super::{
    super::{assets, language::Language, widgets},
    Kind, Mark,
    position::{HEIGHT, WIDTH},
    spread::{Pin, Room, arrange},
};

/// The map is drawn twice, and the style sheet shows the one that fits: on a narrow screen the pins are larger.
const SIZES: [Size; 2] = [Size { class: "wide", scale: 1.0, pins: 60 }, Size { class: "narrow", scale: 2.1, pins: 18 }];

/// The least distance between two pins of scale 1, in units of the map.
const DISTANCE: f64 = 37.0;

/// The radius of the ring around a region.
const RING: f64 = 16.0;

/// A pin further from its place than this has a line to it.
const LINE_FROM: f64 = 4.0;

struct Size {
    class: &'static str,
    scale: f64,
    pins: usize,
}

/// A map of the world with marks on it. Marks without a position are listed below.
pub fn world(marks: &[Mark], language: Language) -> Markup {
    let texts = language.texts();
    let placed: Vec<(&Mark, (f64, f64))> =
        marks.iter().filter_map(|mark| Some((mark, mark.position?.projected()))).collect();
    let unplaced: Vec<&Mark> = marks.iter().filter(|mark| mark.position.is_none()).collect();
    html! {
        figure.world {
            @for size in SIZES { (image(&placed, &size, language)) }
            figcaption {
                ul.summary {
                    @for (state, text) in legend(marks) { li { (widgets::mark(state)) (text) } }
                }
                @if !unplaced.is_empty() {
                    p.muted {
                        (language.labelled(texts.off_map, ""))
                        @for (nth, mark) in unplaced.iter().enumerate() {
                            @if nth > 0 { (language.comma()) }
                            a href=(mark.href) { (mark.label) " " (mark.name) }
                        }
                    }
                }
            }
        }
    }
}

/// The states of the marks in words, the good ones first.
fn legend(marks: &[Mark]) -> Vec<(Verdict, &'static str)> {
    let mut legend = Vec::new();
    for state in [Verdict::Up, Verdict::Partial, Verdict::Down, Verdict::Unknown] {
        for text in marks.iter().filter(|mark| mark.state == state).map(|mark| mark.state_text) {
            if !legend.contains(&(state, text)) {
                legend.push((state, text));
            }
        }
    }
    legend
}

fn image(placed: &[(&Mark, (f64, f64))], size: &Size, language: Language) -> Markup {
    let places: Vec<(f64, f64)> = placed.iter().map(|(_, place)| *place).collect();
    let room = Room { width: WIDTH, height: HEIGHT, distance: DISTANCE * size.scale, pins: size.pins };
    let pins = arrange(&places, room);
    html! {
        svg class=(size.class) viewBox=(format!("0 0 {WIDTH} {HEIGHT}")) role="group" aria-label=(language.texts().world_map) {
            image href=(assets::WORLD.path()) width=(WIDTH) height=(HEIGHT) {}
            @for pin in &pins { (line(pin)) }
            @for pin in &pins {
                @let marks: Vec<&Mark> = pin.marks.iter().filter_map(|nth| placed.get(*nth)).map(|(mark, _)| *mark).collect();
                (drawn(pin, &marks, size.scale, language))
            }
        }
    }
}

/// The line from a pin that was moved to its place.
fn line(pin: &Pin) -> Markup {
    let ((x, y), (to_x, to_y)) = (pin.shown, pin.place);
    html! {
        @if (to_x - x).hypot(to_y - y) > LINE_FROM {
            path.lead d=(format!("M{x:.1} {y:.1}L{to_x:.1} {to_y:.1}")) {}
            circle.lead cx=(format!("{to_x:.1}")) cy=(format!("{to_y:.1}")) r="2" {}
        }
    }
}

fn drawn(pin: &Pin, marks: &[&Mark], scale: f64, language: Language) -> Markup {
    let [first, others @ ..] = marks else { return html! {} };
    let state = if others.iter().all(|mark| mark.state == first.state) { first.state } else { Verdict::Partial };
    let label = if others.is_empty() { first.label.clone() } else { format!("×{}", marks.len()) };
    let said: Vec<String> = marks.iter().map(|mark| said(mark, language)).collect();
    let said = said.join("; ");
    let is_instance = marks.iter().all(|mark| mark.kind == Kind::Instance);
    // A triangle has less room.
    let most = if state == Verdict::Partial { 1 } else { 2 };
    let ((x, y), class) = (pin.shown, format!("pin {}", state.as_str()));
    html! {
        a class=(class) href=(first.href) aria-label=(said) transform=(format!("translate({x:.1} {y:.1}) scale({scale})")) {
            title { (said) }
            circle.ground r=(RING + 2.0) {}
            @if is_instance { circle.own r=(RING) {} } @else { (ring(marks)) }
            @match state {
                Verdict::Up => circle.shape r="11.5" {},
                Verdict::Partial => path.shape d="M0-13.500L13.500 9.500h-27z" {},
                Verdict::Down => rect.shape x="-10.500" y="-10.500" width="21" height="21" rx="3" {},
                Verdict::Unknown => circle.hollow r="10.500" {},
            }
            text class=[(label.chars().count() > most).then_some("long")] y=(if state == Verdict::Partial { "6" } else { "4" }) { (label) }
        }
    }
}

/// What a mark says to who points at it or hears it.
fn said(mark: &Mark, language: Language) -> String {
    let gap = if mark.summary.is_empty() { "" } else { language.comma() };
    language.labelled(&format!("{} {}", mark.label, mark.name), &format!("{}{gap}{}", mark.state_text, mark.summary))
}

/// The shares of the nodes that the regions see online, partly online and offline, clockwise from the top.
fn ring(marks: &[&Mark]) -> Markup {
    let mut counts = [0_u64; 3];
    for sight in marks.iter().filter_map(|mark| mark.sight) {
        counts.iter_mut().zip(sight).for_each(|(sum, count)| *sum += count);
    }
    let total: u64 = counts.iter().sum();
    let classes = [Verdict::Up, Verdict::Partial, Verdict::Down].map(Verdict::as_str);
    let mut before = 0;
    let arcs: Vec<(&str, u64, u64)> = classes
        .into_iter()
        .zip(counts)
        .map(|(class, count)| {
            before += count;
            (class, count, before - count)
        })
        .filter(|(_, count, _)| *count > 0)
        .collect();
    html! {
        @for (class, count, before) in arcs {
            circle class=(format!("arc {class}")) r=(RING) pathLength=(total) transform="rotate(-90)"
                stroke-dasharray=(format!("{count} {}", total - count)) stroke-dashoffset=(-i128::from(before)) {}
        }
    }
}
