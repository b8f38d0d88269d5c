//! `Type=notify`, `WatchdogSec=` and `ExecReload=` of the units: what a service tells systemd.

use std::{os::unix::net::UnixDatagram, path::Path, time::Duration};

use rustix::process::{Pid, Signal, kill_process};

use crate::services::Service;

/// The place of systemd.
struct Manager(UnixDatagram);

impl Manager {
    fn at(path: &Path) -> Self {
        let socket = UnixDatagram::bind(path).unwrap();
        socket.set_read_timeout(Some(Duration::from_secs(30))).unwrap();
        Self(socket)
    }

    /// Waits until the service says this; it says other things before.
    #[track_caller]
    fn await_word(&self, word: &str) {
        let mut buffer = [0; 4096];
        loop {
            let length = self.0.recv(&mut buffer).unwrap_or_else(|error| panic!("no {word}: {error}"));
            let said = String::from_utf8_lossy(&buffer[..length]);
            if said.lines().any(|line| line == word) {
                return;
            }
        }
    }
}

/// A service says when it is ready, that it lives, that it reads its configuration again, and that it stops.
fn assert_speaks(command: &str, variables: &[(&str, &str)]) {
    let folder = tempfile::tempdir().unwrap();
    let socket = folder.path().join("notify");
    let manager = Manager::at(&socket);
    let told = [("NOTIFY_SOCKET", socket.to_str().unwrap()), ("WATCHDOG_USEC", "100000")];
    let service = Service::start(&[command], &[&told, variables].concat());
    for word in ["READY=1", "WATCHDOG=1", "WATCHDOG=1"] {
        manager.await_word(word);
    }
    let signal = |signal| kill_process(Pid::from_child(&service.child), signal).unwrap();
    signal(Signal::HUP);
    for word in ["RELOADING=1", "READY=1", "WATCHDOG=1"] {
        manager.await_word(word);
    }
    signal(Signal::TERM);
    manager.await_word("STOPPING=1");
    service.ended_well();
}

#[test]
fn the_hub_speaks_to_systemd() {
    assert_speaks("hub", &[]);
}

/// The hub need not be there.
#[test]
fn a_probe_speaks_to_systemd() {
    assert_speaks("daemon", &[("BACKEND_BASE_URL", "http://127.0.0.1:1"), ("NODE_TOKEN", "token")]);
}
