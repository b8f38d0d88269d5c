//! A daemon's API, as somebody who watches the daemon asks it.

use std::{
    io::{Read, Write},
    net::TcpStream,
};

/// The API at a place like `127.0.0.1:4711`.
pub struct Api(pub String);

impl Api {
    /// The body of the answer.
    pub fn get(&self, path: &str) -> String {
        let mut connection = TcpStream::connect(&self.0).expect("it listens");
        let request = format!("GET {path} HTTP/1.0\r\nHost: {}\r\n\r\n", self.0);
        connection.write_all(request.as_bytes()).expect("open");
        let mut answer = String::new();
        connection.read_to_string(&mut answer).expect("text");
        let (head, body) = answer.split_once("\r\n\r\n").expect("a head");
        assert!(head.contains(" 200 "), "{path}: {answer}");
        body.to_owned()
    }

    /// A figure of `/metrics`; 0 when there is none yet.
    pub fn figure(&self, name: &str) -> f64 {
        let metrics = self.get("/metrics");
        let line = metrics.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(' '));
        line.map_or(0.0, |value| value.parse().expect("a number"))
    }
}
