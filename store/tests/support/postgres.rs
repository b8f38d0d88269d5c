//! A private PostgreSQL cluster for this test process.
//!
//! It is created with `initdb` in a new folder and listens on a free loopback port. PostgreSQL refuses to run as root; then
//! it runs as `nobody`. A shell stops the server and removes the folder when a pipe that this process holds is closed, so
//! nothing is left even after `kill -9`.

use std::{
    env, fs,
    io::{BufRead, BufReader},
    net::TcpListener,
    os::unix::process::CommandExt,
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    sync::{
        OnceLock,
        atomic::{AtomicBool, AtomicU32, Ordering},
    },
};

use sqlx::{Connection, PgConnection};

const KEEPER: &str = r#"
set -u
bin=$1 folder=$2 port=$3 fsync=$4 buffers=$5
export LC_ALL=C
cd "$folder"
"$bin/initdb" -D data -U probe -A trust --no-sync --locale=C -E UTF8 >log 2>&1 || { tr '\n' ' ' <log; exit 1; }
"$bin/pg_ctl" -D data -l log -w start -o "-p $port -c listen_addresses=127.0.0.1 -c unix_socket_directories= \
    -c fsync=$fsync -c max_connections=300 -c shared_buffers=${buffers}MB" >/dev/null 2>&1 || { tr '\n' ' ' <log; exit 1; }
echo ready
cat >/dev/null
"$bin/pg_ctl" -D data -m immediate stop >/dev/null 2>&1
cd / && rm -rf "$folder"
"#;

/// Whether commits reach the disk. Set it before the first database, where durability is measured or tested.
pub static DURABLE: AtomicBool = AtomicBool::new(false);

/// The memory that the server has for its buffers. Set it before the first database.
pub static BUFFERS_MEBIBYTES: AtomicU32 = AtomicU32::new(64);

struct Cluster {
    port: u16,
    /// Holds the pipe that stops the server when it is closed.
    _keeper: Child,
}

/// The URL of a new, empty database.
pub async fn fresh_database() -> String {
    fresh_database_and_port().await.0
}

/// The URL of a new, empty database, and the port of the server.
pub async fn fresh_database_and_port() -> (String, u16) {
    static CLUSTER: OnceLock<Cluster> = OnceLock::new();
    static COUNT: AtomicU32 = AtomicU32::new(0);
    let port = CLUSTER.get_or_init(start).port;
    let name = format!("test_{}", COUNT.fetch_add(1, Ordering::Relaxed));
    let url = |database: &str| format!("postgres://probe@127.0.0.1:{port}/{database}?sslmode=disable");
    let mut connection = PgConnection::connect(&url("postgres")).await.expect("the cluster responds");
    // From template0, to which nothing ever connects: several tests create databases at the same time.
    let create = format!("CREATE DATABASE {name} TEMPLATE template0");
    sqlx::query(sqlx::AssertSqlSafe(create)).execute(&mut connection).await.expect("a database can be created");
    connection.close().await.expect("the connection closes");
    (url(&name), port)
}

fn start() -> Cluster {
    let bin = find_bin().unwrap_or_else(|| {
        panic!("no PostgreSQL: neither initdb on PATH nor /usr/lib/postgresql/*/bin. Run tools/setup to install it.")
    });
    let mut output = String::new();
    // A port that was free may be in use a moment later.
    for _ in 0..5 {
        match try_start(&bin) {
            Ok(cluster) => return cluster,
            Err(message) => output = message,
        }
    }
    panic!("PostgreSQL in {} does not start: {output}", bin.display());
}

fn try_start(bin: &Path) -> Result<Cluster, String> {
    let folder = tempfile::Builder::new().prefix("easytier-uptime-pg-").tempdir().expect("a temporary folder").keep();
    let port = TcpListener::bind("127.0.0.1:0").and_then(|free| free.local_addr()).expect("a free port").port();
    let is_root = fs::metadata("/proc/self").is_ok_and(|own| std::os::unix::fs::MetadataExt::uid(&own) == 0);
    let mut command = if is_root {
        let owned = Command::new("chown").arg("nobody").arg(&folder).status().expect("chown runs");
        assert!(owned.success(), "the folder cannot be given to nobody");
        let mut command = Command::new("setpriv");
        command.args(["--reuid=nobody", "--regid=nogroup", "--clear-groups", "sh"]);
        command
    } else {
        Command::new("sh")
    };
    let mut keeper = command
        .args(["-c", KEEPER, "keeper"])
        .arg(bin)
        .arg(&folder)
        .arg(port.to_string())
        .arg(if DURABLE.load(Ordering::Relaxed) { "on" } else { "off" })
        .arg(BUFFERS_MEBIBYTES.load(Ordering::Relaxed).to_string())
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        // Ctrl-C must not reach the keeper: the pipe stops it.
        .process_group(0)
        .spawn()
        .map_err(|error| format!("sh (as nobody, by setpriv): {error}"))?;
    let mut output = String::new();
    let stdout = keeper.stdout.take().expect("stdout is piped");
    BufReader::new(stdout).read_line(&mut output).map_err(|error| error.to_string())?;
    match output.trim() {
        "ready" => Ok(Cluster { port, _keeper: keeper }),
        other => Err(other.to_owned()),
    }
}

fn find_bin() -> Option<PathBuf> {
    let on_path = env::var_os("PATH").into_iter().flat_map(|path| env::split_paths(&path).collect::<Vec<_>>());
    let packaged =
        fs::read_dir("/usr/lib/postgresql").into_iter().flatten().flatten().map(|version| version.path().join("bin"));
    on_path.chain(packaged).find(|folder| folder.join("initdb").is_file())
}
