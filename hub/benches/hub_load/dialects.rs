//! The list in the forms of other programs, and the best node, beside bare handlers.

use axum::http::{StatusCode, header};

use crate::{
    client::Connection,
    database::Engine,
    hub::Hub,
    reads::{self, Bare},
    runtime,
    size::Size,
};

const DOCUMENTS: [&str; 9] = [
    "/api/nodes?per_page=1000",
    "/nodes.json",
    "/nodes.txt",
    "/nodes.zone?name=a.example.org",
    "/api/status-page/easytier",
    "/api/status-page/heartbeat/easytier",
    "/announce.json",
    "/api/public",
    "/api/query?priority=latency",
];

const CONNECT: &str = "/connect";

/// Clients of many networks: each gets a node of its own.
const CLIENTS: &str = "local n = 0\n\
                       request = function() n = n + 1\n\
                       return wrk.format('GET', nil, {['x-network-name'] = 'network ' .. n % 20000}) end\n";

pub fn run(engine: Engine, size: &Size) {
    let Some((_database, hub)) = reads::settled(engine, size) else { return };
    for path in DOCUMENTS {
        reads::measure(&hub, size, path, 10);
    }
    measure_connect(&hub, size);
}

fn measure_connect(hub: &Hub, size: &Size) {
    let answer = runtime().block_on(async { Connection::open(hub.address).await.ask(CONNECT, &[]).await });
    assert_eq!(answer.status, StatusCode::FOUND, "{}", String::from_utf8_lossy(&answer.body));
    let location = answer.headers[header::LOCATION].to_str().expect("ASCII").to_owned();
    let (mut of_hub, mut of_bare) = (Vec::new(), Vec::new());
    for _ in 0..=size.turns {
        let bare = Bare::redirecting(&location);
        of_hub.push(reads::turn(hub.address, hub.pid(), size, CONNECT, CLIENTS));
        of_bare.push(reads::turn(bare.address, bare.pid, size, CONNECT, CLIENTS));
    }
    reads::print("/connect of 20,000 networks, 302", &of_hub, &of_bare);
}
