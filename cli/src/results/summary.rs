//! A summary of all results in one line.

use std::time::Duration;

use easytier_probe::Status;

use super::words;

/// `3 peers: 2 online, 1 offline, 0 unknown in 12.3 ms`
pub fn line(statuses: impl Iterator<Item = Status>, took: Duration) -> String {
    let (mut online, mut offline, mut unknown) = (0, 0, 0);
    for status in statuses {
        match status {
            Status::Online => online += 1,
            Status::Offline => offline += 1,
            _ => unknown += 1,
        }
    }
    let peers = online + offline + unknown;
    format!(
        "{peers} peer{}: {online} online, {offline} offline, {unknown} unknown in {}",
        if peers == 1 { "" } else { "s" },
        words::millis(took.as_secs_f64() * 1000.0),
    )
}

#[cfg(test)]
mod tests {
    use easytier_probe::Status::{Offline, Online};

    use super::*;

    #[test]
    fn counts_by_status() {
        let line = |statuses: &[Status]| line(statuses.iter().copied(), Duration::from_micros(12_340));
        assert_eq!(line(&[Online, Offline, Online]), "3 peers: 2 online, 1 offline, 0 unknown in 12.3 ms");
        assert_eq!(line(&[Offline]), "1 peer: 0 online, 1 offline, 0 unknown in 12.3 ms");
    }
}
