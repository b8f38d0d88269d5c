//! Compares the CPU time of a full check to that of prometheus-blackbox-exporter's `tcp_connect` of the same targets.

use std::{
    io::{Read, Write},
    net::TcpStream,
    process::{Command, Stdio},
    thread::sleep,
    time::{Duration, Instant},
};

use crate::{
    check_cost::check_all,
    interleaved::Spread,
    nodes,
    usage::{cpu_of, micros, own_cpu},
};

const BINARY: &str = "prometheus-blackbox-exporter";
const ROUNDS: usize = 30;
const PROBES_PER_ROUND: usize = 2 * nodes::NODES;

pub fn run() {
    let configuration = std::env::temp_dir().join(format!("blackbox-{}.yml", std::process::id()));
    std::fs::write(&configuration, "modules:\n  tcp_connect:\n    prober: tcp\n    timeout: 5s\n").expect("writable");
    let address = free_address();
    let started = Command::new(BINARY)
        .arg(format!("--config.file={}", configuration.display()))
        .arg(format!("--web.listen-address={address}"))
        .stderr(Stdio::null())
        .spawn();
    let Ok(mut exporter) = started else {
        println!("not measured: {BINARY} is not installed (Debian has it as a package)");
        return;
    };
    let mut connection = connect(&address);
    let (_nodes, urls) = nodes::start();
    let peers = nodes::peers(&urls, PROBES_PER_ROUND);
    let checker = nodes::checker();
    let runtime = nodes::runtime();

    let mut ratios = Vec::new();
    let mut exporter_costs = Vec::new();
    let mut check_costs = Vec::new();
    for round in 0..=ROUNDS {
        let before = cpu_of(exporter.id());
        for peer in &peers {
            probe(&mut connection, &peer.url.to_string().replace("tcp://", ""));
        }
        let exporter_cost = micros(cpu_of(exporter.id()) - before) / PROBES_PER_ROUND as f64;

        let before = own_cpu();
        runtime.block_on(check_all(&checker, &peers));
        let check_cost = micros(own_cpu() - before) / PROBES_PER_ROUND as f64;
        if round > 0 {
            ratios.push(check_cost / exporter_cost);
            exporter_costs.push(exporter_cost);
            check_costs.push(check_cost);
        }
    }
    let _ = exporter.kill();
    let _ = exporter.wait();
    let _ = std::fs::remove_file(configuration);

    println!("median over {ROUNDS} pairs of rounds (10-90 %), µs of CPU");
    println!("blackbox exporter, tcp_connect     {}", Spread::of(exporter_costs));
    println!("one check with three pings         {}", Spread::of(check_costs));
    println!("ratio                              {}", Spread::of(ratios));
}

fn free_address() -> String {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").expect("a free port");
    listener.local_addr().expect("bound").to_string()
}

fn connect(address: &str) -> TcpStream {
    let started = Instant::now();
    loop {
        match TcpStream::connect(address) {
            Ok(stream) => return stream,
            Err(error) if started.elapsed() > Duration::from_secs(10) => panic!("{BINARY} does not listen: {error}"),
            Err(_) => sleep(Duration::from_millis(20)),
        }
    }
}

/// Requests one probe over an open connection, and reads the whole response.
fn probe(connection: &mut TcpStream, target: &str) {
    let request = format!("GET /probe?module=tcp_connect&target={target} HTTP/1.1\r\nHost: exporter\r\n\r\n");
    connection.write_all(request.as_bytes()).expect("open");
    let mut answer = Vec::new();
    let mut buffer = [0; 8192];
    loop {
        let count = connection.read(&mut buffer).expect("open");
        assert!(count > 0, "the exporter closed the connection");
        answer.extend_from_slice(&buffer[..count]);
        let text = String::from_utf8_lossy(&answer);
        let Some((head, body)) = text.split_once("\r\n\r\n") else { continue };
        let length = head.lines().find_map(|line| line.strip_prefix("Content-Length: "));
        let complete = match length {
            Some(length) => body.len() >= length.parse().expect("a number"),
            None => body.ends_with("0\r\n\r\n"),
        };
        if complete {
            assert!(text.contains("probe_success 1"), "the exporter's probe failed: {text}");
            return;
        }
    }
}
