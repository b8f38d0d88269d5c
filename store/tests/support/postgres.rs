//! A private PostgreSQL cluster for this test process.
//!
//! It is made with `initdb` in a fresh folder, listens on a free port of the loopback, and belongs to an ordinary user
//! (`nobody` when the tests run as root, which PostgreSQL refuses). A shell keeps it: it waits for the end of a pipe
//! that this process holds, then stops the server and removes the folder. So the cluster is gone whatever way the
//! process ends, kill -9 included.

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
bin=$1 folder=$2 port=$3 fsync=$4
export LC_ALL=C
cd "$folder"
"$bin/initdb" -D data -U probe -A trust --no-sync --locale=C -E UTF8 >log 2>&1 || { tr '\n' ' ' <log; exit 1; }
"$bin/pg_ctl" -D data -l log -w start -o "-p $port -c listen_addresses=127.0.0.1 -c unix_socket_directories= \
    -c fsync=$fsync -c max_connections=300 -c shared_buffers=64MB" >/dev/null 2>&1 || { tr '\n' ' ' <log; exit 1; }
echo ready
cat >/dev/null
"$bin/pg_ctl" -D data -m immediate stop >/dev/null 2>&1
cd / && rm -rf "$folder"
"#;

/// Whether what is committed reaches the disk: set before the first database where durability is measured or tested.
pub static DURABLE: AtomicBool = AtomicBool::new(false);

struct Cluster {
    port: u16,
    /// Holds the pipe whose end stops the server.
    _keeper: Child,
}

/// The URL of a database of its own, empty.
pub async fn fresh_database() -> String {
    static CLUSTER: OnceLock<Cluster> = OnceLock::new();
    static COUNT: AtomicU32 = AtomicU32::new(0);
    let port = CLUSTER.get_or_init(start).port;
    let name = format!("test_{}", COUNT.fetch_add(1, Ordering::Relaxed));
    let url = |database: &str| format!("postgres://probe@127.0.0.1:{port}/{database}?sslmode=disable");
    let mut connection = PgConnection::connect(&url("postgres")).await.expect("the cluster answers");
    // From template0, which nobody is ever connected to: several tests make databases at the same time.
    let create = format!("CREATE DATABASE {name} TEMPLATE template0");
    sqlx::query(sqlx::AssertSqlSafe(create)).execute(&mut connection).await.expect("a database can be made");
    connection.close().await.expect("the connection closes");
    url(&name)
}

fn start() -> Cluster {
    let bin = find_bin().unwrap_or_else(|| {
        panic!("no PostgreSQL: neither initdb on PATH nor /usr/lib/postgresql/*/bin. Run tools/setup to install it.")
    });
    let mut said = String::new();
    // A port that was free may be taken a moment later.
    for _ in 0..5 {
        match try_start(&bin) {
            Ok(cluster) => return cluster,
            Err(message) => said = message,
        }
    }
    panic!("PostgreSQL in {} does not start: {said}", bin.display());
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
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        // A Ctrl-C is for the tests; the pipe tells the keeper.
        .process_group(0)
        .spawn()
        .map_err(|error| format!("sh (as nobody, by setpriv): {error}"))?;
    let mut said = String::new();
    let stdout = keeper.stdout.take().expect("stdout is piped");
    BufReader::new(stdout).read_line(&mut said).map_err(|error| error.to_string())?;
    match said.trim() {
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
