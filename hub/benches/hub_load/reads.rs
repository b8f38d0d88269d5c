//! What visitors read, beside a bare handler that sends the same bytes. `wrk` generates the load.

use std::{
    fs,
    io::Write as _,
    net::SocketAddr,
    process::{Command, Stdio},
    sync::Arc,
    time::Duration,
};

use axum::{
    Router,
    body::Bytes,
    extract::State,
    http::{HeaderMap, HeaderValue, StatusCode, header},
    response::{IntoResponse, Response},
};
use tokio::net::TcpListener;

use crate::{
    client::{Answer, Connection},
    database::{Database, Engine},
    hub::Hub,
    list,
    role::{self, Helper},
    runtime,
    size::Size,
    usage::{cpu_of, ended_children_cpu, mebibytes, median},
};

/// The connections of the load generator, which has one thread.
const CONNECTIONS: usize = 16;

/// What is measured: a path, and how many requests in ten bring no version of the document.
const READS: [(&str, u32); 3] = [("/api/nodes?per_page=1000", 1), ("/", 1), ("/", 10)];

/// A server whose handler sends what it was started with.
pub struct Bare {
    _process: Helper,
    pub pid: u32,
    pub address: SocketAddr,
}

pub fn run(engine: Engine, size: &Size) {
    let Some((_database, hub)) = settled(engine, size) else { return };
    for (path, fresh) in READS {
        measure(&hub, size, path, fresh);
    }
    let (now, most) = hub.memory();
    println!("\nmemory of the hub {:.1} MiB, peak {:.1} MiB", mebibytes(now), mebibytes(most));
}

/// A hub to which nothing reports any more, after the head of the table was printed; `None` without wrk.
pub fn settled(engine: Engine, size: &Size) -> Option<(Database, Hub)> {
    if Command::new("wrk").arg("--version").stdout(Stdio::null()).status().is_err() {
        println!("wrk is not there: apt-get install wrk");
        return None;
    }
    let (database, hub) = runtime().block_on(list::with_history(engine, size.many_peers, size.hours));
    let settled = Duration::from_secs(if size.turns > 2 { 120 } else { 30 });
    println!(
        "{} peers reported from {} regions, {} h of 5-minute rollups; wrk with {CONNECTIONS} connections, medians of {} turns \
         of {} s, in turns with a bare axum handler that sends the same bytes\n\n{:52} {:>10} {:>12} {:>8} {:>16} {:>16}",
        size.many_peers,
        list::REGIONS,
        size.hours,
        size.turns,
        size.reading.as_secs(),
        "",
        "requests/s",
        "bare handler",
        "ratio",
        "CPU µs, hub",
        "wrk, share of CPU",
    );
    // After a while the snapshot is the last one.
    std::thread::sleep(settled);
    Some((database, hub))
}

/// The figures of one turn of one server.
pub struct Turn {
    rate: f64,
    /// CPU time of the server, in microseconds for a request.
    cpu: f64,
    /// CPU time of wrk, in cores.
    generator: f64,
}

/// Measures a document: `fresh` of ten requests bring no version of it.
pub fn measure(hub: &Hub, size: &Size, path: &str, fresh: u32) {
    let (mut of_hub, mut of_bare) = (Vec::new(), Vec::new());
    for _ in 0..=size.turns {
        let document = document(hub.address, path);
        let (bare, script) = (Bare::start(&document), reading(fresh, &document));
        of_hub.push(turn(hub.address, hub.pid(), size, path, &script));
        of_bare.push(turn(bare.address, bare.pid, size, path, &script));
    }
    print(&format!("{path}, {} % with gzip, {} % 304", fresh * 10, 100 - fresh * 10), &of_hub, &of_bare);
}

/// Prints a row of the table.
pub fn print(what: &str, of_hub: &[Turn], of_bare: &[Turn]) {
    // The first turn is a warm-up.
    let of = |turns: &[Turn], figure: fn(&Turn) -> f64| median(turns[1..].iter().map(figure).collect());
    let ratio = median(of_hub[1..].iter().zip(&of_bare[1..]).map(|(hub, bare)| hub.rate / bare.rate).collect());
    println!(
        "{:52} {:10.0} {:12.0} {:8.2} {:16.0} {:16.2}",
        what,
        of(of_hub, |turn| turn.rate),
        of(of_bare, |turn| turn.rate),
        ratio,
        of(of_hub, |turn| turn.cpu),
        of(of_hub, |turn| turn.generator),
    );
}

/// The document as the hub sends it, compressed.
pub fn document(address: SocketAddr, path: &str) -> Answer {
    runtime().block_on(async {
        let mut connection = Connection::open(address).await;
        connection.ask(path, &[("accept-encoding", "gzip")]).await
    })
}

/// The requests for a document.
fn reading(fresh: u32, document: &Answer) -> String {
    let tag = document.headers[header::ETAG].to_str().expect("ASCII");
    format!(
        "local n = 0\n\
         local plain = wrk.format('GET', nil, {{['accept-encoding'] = 'gzip'}})\n\
         local known = wrk.format('GET', nil, {{['accept-encoding'] = 'gzip', ['if-none-match'] = '{tag}'}})\n\
         request = function() n = n + 1; if n % 10 < {fresh} then return plain end return known end\n"
    )
}

/// At the end of each script.
const DONE: &str = "done = function(s, l, r) io.write('done ', s.requests / s.duration * 1e6, ' ', s.requests, ' ', \
                    s.errors.status + s.errors.connect + s.errors.read + s.errors.timeout, '\\n') end\n";

/// One turn of the requests of `script`.
pub fn turn(address: SocketAddr, pid: u32, size: &Size, path: &str, requests: &str) -> Turn {
    let mut script = tempfile::NamedTempFile::with_suffix(".lua").expect("a temporary file");
    write!(script, "{requests}{DONE}").expect("writable");
    let (cpu, generator) = (cpu_of(pid), ended_children_cpu());
    let seconds = size.reading.as_secs();
    let ran = Command::new("wrk")
        .args(["-t1", &format!("-c{CONNECTIONS}"), &format!("-d{seconds}s"), "-s"])
        .arg(script.path())
        .arg(format!("http://{address}{path}"))
        .output()
        .expect("wrk runs");
    let (cpu, generator) = (cpu_of(pid) - cpu, ended_children_cpu() - generator);
    let output = String::from_utf8_lossy(&ran.stdout);
    let done = output.lines().find_map(|line| line.strip_prefix("done ")).unwrap_or_else(|| panic!("{output}"));
    let [rate, requests, errors] = figures(done);
    assert!(errors == 0.0, "{errors} of {requests} requests failed\n{output}");
    Turn {
        rate,
        cpu: cpu.as_secs_f64() * 1e6 / requests,
        generator: generator.as_secs_f64() / size.reading.as_secs_f64(),
    }
}

fn figures<const N: usize>(text: &str) -> [f64; N] {
    let figures: Vec<f64> = text.split(' ').map(|text| text.parse().expect("a number")).collect();
    figures.try_into().expect("the expected count of numbers")
}

impl Bare {
    fn start(document: &Answer) -> Self {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let file = folder.path().join("document");
        fs::write(&file, &document.body).expect("writable");
        let header = |name| document.headers[name].to_str().expect("ASCII").to_owned();
        let arguments = [file.display().to_string(), header(header::ETAG), header(header::CONTENT_TYPE)];
        Self::of(Helper::role("document", &arguments))
    }

    /// A server that redirects all requests to `location`.
    pub fn redirecting(location: &str) -> Self {
        Self::of(Helper::role("redirect", &[location.to_owned()]))
    }

    fn of(mut process: Helper) -> Self {
        let address = process.line().parse().expect("an address");
        Self { pid: process.pid(), _process: process, address }
    }
}

/// The role of the child process: sends one document, until its standard input is closed.
pub fn serve(arguments: &[String]) {
    let [file, tag, media_type] = arguments else { panic!("a file, a tag, a media type: {arguments:?}") };
    let body = Bytes::from(fs::read(file).expect("it was written"));
    let state = Arc::new((body, tag.clone(), media_type.clone()));
    serve_router(Router::new().fallback(send).with_state(state));
}

/// The role of the child process: redirects.
pub fn redirect(arguments: &[String]) {
    let [location] = arguments else { panic!("a location: {arguments:?}") };
    let location = HeaderValue::from_str(location).expect("a URL");
    let answer = move || {
        let location = location.clone();
        async move { (StatusCode::FOUND, [(header::LOCATION, location)]) }
    };
    serve_router(Router::new().fallback(answer));
}

fn serve_router(router: Router) {
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().expect("a runtime");
    runtime.block_on(async {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
        role::say(listener.local_addr().expect("bound"));
        axum::serve(listener, router).await.expect("it serves");
    });
}

async fn send(State(document): State<Arc<(Bytes, String, String)>>, request: HeaderMap) -> Response {
    let (body, tag, media_type) = &*document;
    if request.get(header::IF_NONE_MATCH).is_some_and(|known| known.as_bytes() == tag.as_bytes()) {
        return (StatusCode::NOT_MODIFIED, [(header::ETAG, tag.clone())]).into_response();
    }
    let headers = [
        (header::ETAG, tag.clone()),
        (header::CONTENT_TYPE, media_type.clone()),
        (header::CONTENT_ENCODING, "gzip".to_owned()),
    ];
    (headers, body.clone()).into_response()
}
