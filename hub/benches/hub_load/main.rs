//! The figures that README quotes about the hub under load.
//!
//! `cargo bench -p easytier-uptime-hub --bench hub-load [-- [--quick] [NAME…]]` runs them all, or those named, on both
//! engines or the one that is named (`sqlite`, `postgres`). The hub is a process of its own that serves over HTTP from a
//! durable database, and so is what it is compared to; this process makes the load, and its CPU is told apart. Needs
//! Linux and PostgreSQL's programs.

#![allow(clippy::disallowed_methods, clippy::restriction, unsafe_code, reason = "a bench fails by a panic, and prints")]

mod bare;
mod client;
mod database;
mod history;
mod hub;
mod ingest;
mod list;
mod load;
#[path = "../../../store/tests/support/postgres.rs"]
mod postgres;
#[path = "../../../benches/support/role.rs"]
mod role;
mod size;
mod transactions;
#[path = "../../../benches/support/usage.rs"]
mod usage;

use std::sync::atomic::Ordering;

use self::{database::Engine, size::Size};

/// A figure: its name on the command line, and what measures it.
type Figure = (&'static str, fn(Engine, &Size));

const FIGURES: [Figure; 3] = [("ingest", ingest::run), ("list", list::run), ("growth", list::run_growth)];

/// Roles that this binary plays for itself in a child process.
const ROLES: [role::Role; 2] = [("hub", hub::serve), ("bare", bare::insert)];

fn main() {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    if role::play(&ROLES, &arguments) {
        return;
    }
    postgres::DURABLE.store(true, Ordering::Relaxed);
    let is_said = |word: &str| arguments.iter().any(|argument| argument == word);
    let size = if is_said("--quick") { Size::QUICK } else { Size::FULL };
    // All are wanted where none is named.
    let any_figure = FIGURES.iter().any(|(name, _)| is_said(name));
    let any_engine = Engine::ALL.iter().any(|engine| is_said(engine.name()));
    for (name, measure) in FIGURES {
        for engine in Engine::ALL {
            if (!any_figure || is_said(name)) && (!any_engine || is_said(engine.name())) {
                println!("\n## {name}, {engine}");
                measure(engine, &size);
            }
        }
    }
}

/// What makes the load: one thread.
fn runtime() -> tokio::runtime::Runtime {
    tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime")
}
