//! The daemon on a machine that has troubles of its own: a full disk, a clock that is set, a bad line, and very many
//! peers. The real program, real nodes and a real hub.

mod clock;
mod full_disk;
#[path = "../support/daemon/http.rs"]
mod http;
#[path = "../support/daemon/hub.rs"]
mod hub;
mod line;
mod many;
mod namespace;
#[path = "../support/daemon/program.rs"]
mod program;
#[path = "../support/mod.rs"]
mod support;
#[path = "../support/daemon/wait.rs"]
mod wait;
mod wire;

use crate::wait::{PATIENCE, eventually, until};
