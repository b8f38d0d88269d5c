//! The nodes and regions that do not exist, and what happens to them. Nothing is random: two demos show the same.

use easytier_probe::{FailureCode, Stage};

/// The regions, which are also the ids of their probes.
pub const REGIONS: [&str; 3] = ["simulated-frankfurt", "simulated-singapore", "simulated-sao-paulo"];

const FRANKFURT: usize = 0;
const SINGAPORE: usize = 1;
const SAO_PAULO: usize = 2;
const EVERYWHERE: &[usize] = &[FRANKFURT, SINGAPORE, SAO_PAULO];

const HOUR: i64 = 60;
const DAY: i64 = 24 * HOUR;

/// A node that does not exist.
pub struct SimulatedNode {
    pub name: &'static str,
    /// Its host is below `.example`, which no name server has.
    pub url: &'static str,
    pub tag: &'static str,
    pub version: &'static str,
    /// How many networks it serves.
    pub networks: u32,
    pub relays: bool,
    /// In milliseconds, from each of [`REGIONS`].
    pub round_trips: [f64; 3],
    pub outages: &'static [Outage],
}

/// A time in which checks of a node fail.
pub struct Outage {
    /// In minutes before the start of the demo.
    pub began: i64,
    /// In minutes; an outage that is longer than it is ago has not ended.
    pub lasts: i64,
    /// From where it fails, as indexes of [`REGIONS`].
    pub seen_from: &'static [usize],
    pub stage: Stage,
    pub error: FailureCode,
    pub message: &'static str,
}

impl Outage {
    const fn new(began: i64, lasts: i64, seen_from: &'static [usize]) -> Self {
        let (stage, error) = (Stage::Connect, FailureCode::ConnectTimeout);
        Self { began, lasts, seen_from, stage, error, message: "no answer within 5 s" }
    }

    /// A process that does not run.
    const fn stopped(began: i64, lasts: i64) -> Self {
        let (error, message) = (FailureCode::ConnectRefused, "connection refused");
        Self { error, message, ..Self::new(began, lasts, EVERYWHERE) }
    }

    /// A process that takes connections and does not answer.
    const fn hanging(began: i64, lasts: i64) -> Self {
        let (stage, error, message) =
            (Stage::Handshake, FailureCode::HandshakeTimeout, "the port is open, but no handshake came within 5 s");
        Self { stage, error, message, ..Self::new(began, lasts, EVERYWHERE) }
    }

    /// When it begins and ends, in minutes after the start of the demo.
    pub fn changes(&self) -> [i64; 2] {
        [-self.began, self.lasts - self.began]
    }

    /// Whether the node fails in a minute after the start of the demo.
    pub fn covers(&self, minute: i64) -> bool {
        let [begin, end] = self.changes();
        (begin..end).contains(&minute)
    }
}

pub const NODES: [SimulatedNode; 9] = [
    SimulatedNode {
        name: "Frankfurt",
        url: "tcp://fra.simulated.example:11010",
        tag: "europe",
        version: "2.6.4",
        networks: 41,
        relays: true,
        round_trips: [3.1, 158.0, 204.0],
        outages: &[Outage::new(19 * DAY, 35, EVERYWHERE), Outage::new(6 * DAY + 50, 95, EVERYWHERE)],
    },
    SimulatedNode {
        name: "Amsterdam",
        url: "udp://ams.simulated.example:11010",
        tag: "europe",
        version: "2.6.4",
        networks: 23,
        relays: true,
        round_trips: [9.4, 164.0, 199.0],
        outages: &[Outage::new(6 * DAY + 50, 102, EVERYWHERE)],
    },
    SimulatedNode {
        name: "Helsinki",
        url: "wss://hel.simulated.example:443",
        tag: "europe",
        version: "2.4.5",
        networks: 8,
        relays: false,
        round_trips: [24.8, 186.0, 226.0],
        outages: &[
            Outage::stopped(27 * DAY, 22),
            Outage::stopped(13 * DAY + 9 * HOUR, 240),
            Outage::stopped(16 * HOUR, 38),
        ],
    },
    SimulatedNode {
        name: "Singapore",
        url: "tcp://sin.simulated.example:11010",
        tag: "asia",
        version: "2.6.4",
        networks: 57,
        relays: true,
        round_trips: [159.0, 2.6, 331.0],
        outages: &[],
    },
    SimulatedNode {
        name: "东京 Tokyo",
        url: "quic://nrt.simulated.example:11012",
        tag: "asia",
        version: "2.6.4",
        networks: 34,
        relays: true,
        round_trips: [228.0, 71.0, 268.0],
        outages: &[Outage::hanging(22 * DAY + 4 * HOUR, 75), Outage::hanging(3 * DAY + 7 * HOUR, 41)],
    },
    SimulatedNode {
        name: "上海 Shanghai",
        url: "tcp://sha.simulated.example:11010",
        tag: "asia",
        version: "2.5.0",
        networks: 66,
        relays: false,
        round_trips: [214.0, 78.0, 332.0],
        outages: &[
            Outage::new(24 * DAY, 3 * HOUR, &[SAO_PAULO]),
            Outage::new(10 * DAY, 5 * HOUR, &[FRANKFURT, SAO_PAULO]),
            Outage::new(70, DAY, &[FRANKFURT, SAO_PAULO]),
        ],
    },
    SimulatedNode {
        name: "São Paulo",
        url: "udp://gru.simulated.example:11010",
        tag: "america",
        version: "2.4.5",
        networks: 12,
        relays: true,
        round_trips: [206.0, 330.0, 3.9],
        outages: &[Outage::new(8 * DAY + 2 * HOUR, 6 * HOUR, &[SINGAPORE])],
    },
    SimulatedNode {
        name: "New York",
        url: "tcp://nyc.simulated.example:11010",
        tag: "america",
        version: "2.6.4",
        networks: 29,
        relays: true,
        round_trips: [84.0, 231.0, 116.0],
        outages: &[Outage::stopped(15 * DAY + 11 * HOUR, 12)],
    },
    SimulatedNode {
        name: "Sydney",
        url: "ws://syd.simulated.example:80",
        tag: "oceania",
        version: "2.0.3",
        networks: 5,
        relays: false,
        round_trips: [281.0, 94.0, 312.0],
        outages: &[
            Outage::stopped(25 * DAY, 30 * HOUR),
            Outage::stopped(11 * DAY, 7 * HOUR),
            Outage::stopped(3 * HOUR + 20, DAY),
        ],
    },
];
