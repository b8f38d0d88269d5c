//! A private PgBouncer in transaction mode, in front of the cluster of [`super::postgres`].

use std::{
    fs,
    net::TcpListener,
    os::unix::process::CommandExt,
    path::Path,
    process::{Child, Command, Stdio},
};

/// Stops PgBouncer when the pipe that this process holds is closed.
const KEEPER: &str = r#"
pgbouncer -q "$1/pgbouncer.ini" </dev/null >/dev/null 2>&1 &
cat >/dev/null
kill -9 $!
rm -rf "$1"
"#;

/// It ends when this is dropped.
pub struct PgBouncer {
    port: u16,
    keeper: Child,
}

impl PgBouncer {
    /// Starts PgBouncer in front of the server at `port`. `options` are more lines of its configuration.
    pub fn start(server: u16, options: &str) -> Self {
        let folder = tempfile::Builder::new().prefix("easytier-uptime-pgbouncer-").tempdir().unwrap().keep();
        let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        let users = folder.join("users.txt");
        fs::write(&users, "\"probe\" \"\"\n").unwrap();
        // With round robin, two transactions of a connection are rarely in the same session.
        let configuration = format!(
            "[databases]\n* = host=127.0.0.1 port={server}\n[pgbouncer]\nlisten_addr = 127.0.0.1\nlisten_port = {port}\n\
             unix_socket_dir =\nauth_type = trust\nauth_file = {}\npool_mode = transaction\ndefault_pool_size = 3\n\
             server_round_robin = 1\n{options}\n",
            users.display()
        );
        fs::write(folder.join("pgbouncer.ini"), configuration).unwrap();
        let keeper = keeper(&folder).spawn().expect("sh (as nobody, by setpriv)");
        Self { port, keeper }
    }

    /// The URL of a database through PgBouncer. It may refuse connections for a moment.
    pub fn url(&self, database: &str) -> String {
        format!("postgres://probe@127.0.0.1:{}/{database}?sslmode=disable", self.port)
    }
}

impl Drop for PgBouncer {
    fn drop(&mut self) {
        drop(self.keeper.stdin.take());
        self.keeper.wait().expect("the keeper ends");
    }
}

/// PgBouncer refuses to run as root; then it runs as `nobody`.
fn keeper(folder: &Path) -> Command {
    let is_root = fs::metadata("/proc/self").is_ok_and(|own| std::os::unix::fs::MetadataExt::uid(&own) == 0);
    let mut command = if is_root {
        let owned = Command::new("chown").args(["-R", "nobody"]).arg(folder).status().expect("chown runs");
        assert!(owned.success(), "the folder cannot be given to nobody");
        let mut command = Command::new("setpriv");
        command.args(["--reuid=nobody", "--regid=nogroup", "--clear-groups", "sh"]);
        command
    } else {
        Command::new("sh")
    };
    let path = std::env::var("PATH").unwrap_or_default();
    command.env("PATH", format!("{path}:/usr/sbin")).args(["-c", KEEPER, "keeper"]).arg(folder);
    // Ctrl-C must not reach the keeper: the pipe stops it.
    command.stdin(Stdio::piped()).process_group(0);
    command
}
