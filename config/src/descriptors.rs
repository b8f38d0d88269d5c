//! How many file descriptors a process has, and how many of them checks may use.

/// DNS look-ups: 128 at the same time, each with a socket for each address family.
const LOOK_UPS: usize = 256;
/// The database, the log, the connections to the backend, the runtime.
const OTHERS: usize = 64;
/// A server uses half of the descriptors for connections, but no more than this.
const MAX_SERVED_CONNECTIONS: usize = 4096;

/// The sockets that checks may use in a process that may open `limit` files and connections:
/// [`CheckOptions::max_sockets`](easytier_probe::CheckOptions::max_sockets).
pub fn sockets_for_checks(limit: usize) -> usize {
    limit.saturating_sub(LOOK_UPS + OTHERS)
}

/// The same in a process that serves HTTP.
pub fn sockets_for_checks_of_server(limit: usize) -> usize {
    sockets_for_checks(limit - (limit / 2).min(MAX_SERVED_CONNECTIONS))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn checks_leave_descriptors_for_the_rest_of_the_process() {
        for (limit, alone, of_server) in
            [(100, 0, 0), (1024, 704, 192), (4096, 3776, 1728), (1 << 20, (1 << 20) - 320, (1 << 20) - 4416)]
        {
            assert_eq!((sockets_for_checks(limit), sockets_for_checks_of_server(limit)), (alone, of_server), "{limit}");
        }
    }
}
