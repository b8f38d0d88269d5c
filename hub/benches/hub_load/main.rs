//! Measures the figures in docs/performance.md about the hub under load.
//!
//! `cargo bench -p easytier-uptime-hub --bench hub-load [-- [--quick] [NAME…]]` measures all figures or only the named
//! ones, on both engines or only the named one (`sqlite`, `postgres`). `--minutes N` is how long pages are open, and how long
//! the results of `scale` come in, which is measured only by name; `--peers N` is how many peers it has. Each hub and the
//! baseline run in their own process with a durable database; this process generates the load, and its CPU time is reported
//! separately. The bench needs Linux, PostgreSQL's programs, and `wrk` for the
//! figures `reads` and `dialects`.

#![allow(clippy::disallowed_methods, clippy::restriction, unsafe_code, reason = "a bench fails by a panic, and prints")]

mod bare;
mod client;
mod database;
mod dialects;
mod fold;
mod history;
mod hub;
mod ingest;
mod lag;
mod list;
mod load;
mod pages;
#[path = "../../../store/tests/support/postgres.rs"]
mod postgres;
mod reads;
#[path = "../../../benches/support/role.rs"]
mod role;
mod scale;
mod size;
mod transactions;
#[path = "../../../benches/support/usage.rs"]
mod usage;

use std::{sync::atomic::Ordering, time::Duration};

use self::{database::Engine, size::Size};

/// A figure: its name on the command line, and the function that measures it.
type Figure = (&'static str, fn(Engine, &Size));

const FIGURES: [Figure; 9] = [
    ("ingest", ingest::run),
    ("fold", fold::run),
    ("lag", lag::run),
    ("list", list::run),
    ("growth", list::run_growth),
    ("reads", reads::run),
    ("dialects", dialects::run),
    ("pages", pages::run),
    (SOAK, scale::run),
];

/// A figure that takes too long to be measured with the others.
const SOAK: &str = "scale";

/// The roles of this binary in child processes.
const ROLES: [role::Role; 4] =
    [("hub", hub::serve), ("bare", bare::insert), ("document", reads::serve), ("redirect", reads::redirect)];

fn main() {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    if role::play(&ROLES, &arguments) {
        return;
    }
    postgres::DURABLE.store(true, Ordering::Relaxed);
    let is_named = |name: &str| arguments.iter().any(|argument| argument == name);
    let mut size = if is_named("--quick") { Size::QUICK } else { Size::FULL };
    let number = |option: &str| -> Option<u64> {
        let place = arguments.iter().position(|argument| argument == option)?;
        Some(arguments.get(place + 1).and_then(|number| number.parse().ok()).expect("a NUMBER after the option"))
    };
    if let Some(minutes) = number("--minutes") {
        (size.with_pages, size.scale) = (Duration::from_secs(minutes * 60), Duration::from_secs(minutes * 60));
    }
    size.scale_peers = number("--peers").map_or(size.scale_peers, |peers| peers as usize);
    // Without names, all figures and engines are measured.
    let any_figure = FIGURES.iter().any(|(name, _)| is_named(name));
    let any_engine = Engine::ALL.iter().any(|engine| is_named(engine.name()));
    for (name, measure) in FIGURES {
        for engine in Engine::ALL {
            if (is_named(name) || (!any_figure && name != SOAK)) && (!any_engine || is_named(engine.name())) {
                println!("\n## {name}, {engine}");
                measure(engine, &size);
            }
        }
    }
}

/// The runtime of the load generator, with one thread.
fn runtime() -> tokio::runtime::Runtime {
    tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime")
}
