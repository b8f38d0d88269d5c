//! The probes: each posts its batches in real time on one connection, and repeats what was not acknowledged.

use std::{
    cell::{Cell, RefCell},
    net::SocketAddr,
    rc::Rc,
    time::{Duration, Instant},
};

use axum::http::StatusCode;
use serde_json::Value;
use tokio::{
    task::JoinHandle,
    time::{MissedTickBehavior, interval, sleep, timeout},
};

use super::{ROUND, witness::Witness};
use crate::{
    client::Connection,
    database::Database,
    load::{BATCH, Load},
};

/// The maximum time for a response; then the batch is sent to another hub.
const PATIENCE: Duration = Duration::from_secs(10);

/// The pause of a probe that was refused, or lost its connection.
const PAUSE: Duration = Duration::from_millis(200);

/// The time between two looks at the lag of the fold.
const LOOK: Duration = Duration::from_millis(500);

/// What the probes saw, and how far the fold was behind.
#[derive(Default)]
pub struct Seen {
    answers: Vec<f64>,
    refused: usize,
    lost: usize,
    repeated: usize,
    lags: Vec<f64>,
}

impl Seen {
    pub fn results(&self) -> usize {
        self.answers.len() * BATCH
    }

    pub fn print(&self) {
        let [answers, lags] = [&self.answers, &self.lags].map(|values| {
            let mut values = values.clone();
            values.sort_by(f64::total_cmp);
            let at = |share: f64| values.get((values.len() as f64 * share) as usize).copied().unwrap_or(f64::NAN);
            (at(0.5), at(0.99), values.last().copied().unwrap_or(f64::NAN))
        });
        println!(
            "POST /results of {BATCH}: p50 {:.1} ms, p99 {:.1} ms, at most {:.1} ms",
            answers.0 * 1000.0,
            answers.1 * 1000.0,
            answers.2 * 1000.0
        );
        println!("lag of the fold: p50 {:.2} s, p99 {:.2} s, at most {:.2} s", lags.0, lags.1, lags.2);
        println!(
            "batches: {} acknowledged, {} refused, {} without a response, {} that had been stored before",
            self.answers.len(),
            self.refused,
            self.lost,
            self.repeated
        );
    }
}

pub struct Probes {
    load: Load,
    tokens: Vec<String>,
    /// How many batches of each probe were acknowledged.
    sent: Vec<Cell<usize>>,
    hubs: RefCell<Vec<SocketAddr>>,
    seen: RefCell<Seen>,
    ends: Cell<bool>,
}

impl Probes {
    pub fn new(load: Load, tokens: Vec<String>) -> Self {
        let sent = vec![Cell::new(0); tokens.len()];
        let (hubs, seen, ends) = (RefCell::default(), RefCell::default(), Cell::new(false));
        Self { load, tokens, sent, hubs, seen, ends }
    }

    /// The results that each probe reports in a second.
    pub fn rate(&self) -> f64 {
        self.load.peers as f64 / ROUND.as_secs_f64()
    }

    /// How many batches were acknowledged.
    pub fn batches(&self) -> usize {
        self.sent.iter().map(Cell::get).sum()
    }

    /// Divides the probes among these hubs.
    pub fn turn_to(&self, hubs: Vec<SocketAddr>) {
        *self.hubs.borrow_mut() = hubs;
    }

    pub async fn say_hourly(&self) {
        for (nth, token) in self.tokens.iter().enumerate() {
            Connection::open(self.hub_of(nth)).await.say_hourly(token).await;
        }
    }

    fn hub_of(&self, nth: usize) -> SocketAddr {
        let hubs = self.hubs.borrow();
        hubs[nth % hubs.len()]
    }

    /// Starts to report.
    pub fn start(self: &Rc<Self>, database: &Database) -> Running {
        self.ends.set(false);
        let mut tasks: Vec<_> =
            (0..self.tokens.len()).map(|nth| tokio::task::spawn_local(Rc::clone(self).report(nth))).collect();
        tasks.push(tokio::task::spawn_local(look(Rc::clone(self), Witness::of(database.place.clone()))));
        Running { probes: Rc::clone(self), tasks }
    }

    async fn report(self: Rc<Self>, nth: usize) {
        let pause = Duration::from_secs_f64(BATCH as f64 / self.rate());
        sleep(pause.mul_f64(nth as f64 / self.tokens.len() as f64)).await;
        let mut ticks = interval(pause);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Burst);
        let mut connection = None;
        while !self.ends.get() {
            ticks.tick().await;
            while !self.deliver(nth, &mut connection).await {
                sleep(PAUSE).await;
            }
            self.sent[nth].set(self.sent[nth].get() + 1);
        }
    }

    /// Sends the next batch of a probe; returns whether it was acknowledged.
    async fn deliver(&self, nth: usize, connection: &mut Option<(SocketAddr, Connection)>) -> bool {
        let (hub, body) = (self.hub_of(nth), self.load.body(nth + 1, self.sent[nth].get()));
        let started = Instant::now();
        let sent = async {
            let open = match connection.take() {
                Some((to, open)) if to == hub => Some(open),
                _ => Connection::try_open(hub).await,
            };
            let mut open = open?;
            let answer = open.try_post_results(&self.tokens[nth], body).await?;
            *connection = Some((hub, open));
            Some(answer)
        };
        let answer = timeout(PATIENCE, sent).await.ok().flatten();
        let mut seen = self.seen.borrow_mut();
        let Some(answer) = answer else {
            seen.lost += 1;
            return false;
        };
        if answer.status == StatusCode::SERVICE_UNAVAILABLE {
            seen.refused += 1;
            return false;
        }
        let answer_text = String::from_utf8_lossy(&answer.body);
        assert_eq!(answer.status, StatusCode::OK, "{answer_text}");
        let answer: Value = serde_json::from_slice(&answer.body).expect("JSON");
        let of = |name: &str| answer["data"][name].as_u64().expect("a number") as usize;
        assert_eq!(of("accepted") + of("duplicates"), BATCH, "{answer}");
        seen.repeated += usize::from(of("duplicates") > 0);
        seen.answers.push(started.elapsed().as_secs_f64());
        true
    }
}

/// Looks at the lag of the fold while the probes report.
async fn look(probes: Rc<Probes>, witness: impl Future<Output = Witness>) {
    let mut witness = witness.await;
    while !probes.ends.get() {
        let lag = witness.lag().await.unwrap_or_default();
        probes.seen.borrow_mut().lags.push(lag.as_secs_f64());
        sleep(LOOK).await;
    }
}

/// Probes that report.
pub struct Running {
    probes: Rc<Probes>,
    tasks: Vec<JoinHandle<()>>,
}

impl Running {
    /// Waits until what was sent is acknowledged; returns what the probes saw.
    pub async fn end(self) -> Seen {
        self.probes.ends.set(true);
        for task in self.tasks {
            task.await.expect("a probe reports until it is told to end");
        }
        self.probes.seen.take()
    }
}
