//! A client of the daemon's HTTP API.

use std::{
    io::{Read, Write},
    net::TcpStream,
};

/// The API at an address such as `127.0.0.1:4711`.
pub struct Api(pub String);

impl Api {
    /// Returns the body of the response, which must have status 200.
    pub fn get(&self, path: &str) -> String {
        let mut connection = TcpStream::connect(&self.0).expect("the daemon listens");
        let request = format!("GET {path} HTTP/1.0\r\nHost: {}\r\n\r\n", self.0);
        connection.write_all(request.as_bytes()).expect("open");
        let mut answer = String::new();
        connection.read_to_string(&mut answer).expect("text");
        let (head, body) = answer.split_once("\r\n\r\n").expect("a head");
        assert!(head.contains(" 200 "), "{path}: {answer}");
        body.to_owned()
    }

    /// The value of a metric at `/metrics`; 0 if it does not exist yet.
    pub fn figure(&self, name: &str) -> f64 {
        let metrics = self.get("/metrics");
        let line = metrics.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(' '));
        line.map_or(0.0, |value| value.parse().expect("a number"))
    }
}
