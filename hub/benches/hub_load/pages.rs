//! A thousand open pages while results come in at half the rate that the hub can take.

use std::{
    cell::RefCell,
    net::SocketAddr,
    rc::Rc,
    time::{Duration, Instant},
};

use axum::http::{StatusCode, header};
use futures::future::join_all;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
    sync::Mutex,
    task::LocalSet,
    time::{MissedTickBehavior, interval, sleep},
};

use crate::{
    client::Connection,
    database::{Database, Engine},
    history,
    hub::Hub,
    list::REGIONS,
    load::{BATCH, Load},
    runtime,
    size::Size,
    usage::{mebibytes, own_cpu},
};

const PAGES: usize = 1000;

/// The connections over which the pages load their content.
const LOADERS: usize = 64;

/// The most batches of each probe in a second.
const MAX_BATCHES_A_SECOND: u64 = 12;

/// How long the highest rate is measured.
const PEAK: Duration = Duration::from_secs(10);

/// What the open pages saw.
#[derive(Default)]
struct Seen {
    news: usize,
    loads: Vec<f64>,
    not_modified: usize,
    refused: usize,
    lost_streams: usize,
}

/// The number of a probe, its token, and its connection with the number of its next batch.
type Probe = (usize, String, Mutex<(Connection, usize)>);

struct Probes {
    load: Load,
    /// The batches whose checks lie in the past.
    max_batches: usize,
    all: Vec<Probe>,
}

impl Probes {
    /// Reports the next batch of a probe; returns how long that took, in milliseconds.
    async fn report(&self, (probe, token, connection): &Probe) -> f64 {
        let mut connection = connection.lock().await;
        let (connection, nth) = &mut *connection;
        assert!(*nth < self.max_batches, "the load is used up");
        let body = self.load.body(*probe, *nth);
        *nth += 1;
        let started = Instant::now();
        assert_eq!(connection.post_results(token, body).await, BATCH as u64);
        started.elapsed().as_secs_f64() * 1000.0
    }

    /// Results per second when each probe reports without a pause.
    async fn peak(&self) -> f64 {
        let started = Instant::now();
        let counts = join_all(self.all.iter().map(async |probe| {
            let mut batches = 0;
            while started.elapsed() < PEAK {
                self.report(probe).await;
                batches += 1;
            }
            batches
        }))
        .await;
        (counts.iter().sum::<usize>() * BATCH) as f64 / started.elapsed().as_secs_f64()
    }

    /// Reports at a rate; returns the times of all batches in milliseconds.
    async fn at_rate(&self, rate: f64, length: Duration) -> Vec<f64> {
        let pause = Duration::from_secs_f64((self.all.len() * BATCH) as f64 / rate);
        let times = join_all(self.all.iter().enumerate().map(async |(nth, probe)| {
            sleep(pause * nth as u32 / self.all.len() as u32).await;
            let (started, mut times) = (Instant::now(), Vec::new());
            let mut ticks = interval(pause);
            ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
            while started.elapsed() < length {
                ticks.tick().await;
                times.push(self.report(probe).await);
            }
            times
        }))
        .await;
        times.concat()
    }
}

pub fn run(engine: Engine, size: &Size) {
    LocalSet::new().block_on(&runtime(), measure(engine, size));
}

async fn measure(engine: Engine, size: &Size) {
    let database = Database::fresh(engine).await;
    let tokens = database.fill(size.many_peers, REGIONS).await;
    history::write(&database, size.hours).await;
    let hub = Hub::start(&database, size.hours + 1);
    let length = PEAK + size.alone + size.with_pages;
    let max_batches = (length.as_secs() * MAX_BATCHES_A_SECOND) as usize;
    let load = Load::up_to_now(size.many_peers, max_batches);
    let mut all = Vec::new();
    for (probe, token) in (1..).zip(tokens) {
        let mut connection = Connection::open(hub.address).await;
        connection.say_hourly(&token).await;
        all.push((probe, token, Mutex::new((connection, 0))));
    }
    let probes = Probes { load, max_batches, all };
    let peak = probes.peak().await;
    let half = peak / 2.0;
    // What was reported so fast is still worked on.
    sleep(Duration::from_secs(15)).await;
    let without = probes.at_rate(half, size.alone).await;

    let seen = Rc::new(RefCell::new(Seen::default()));
    let loaders = Rc::new(join_all((0..LOADERS).map(async |_| Mutex::new(Connection::open(hub.address).await))).await);
    let pages: Vec<_> = (0..PAGES)
        .map(|nth| tokio::task::spawn_local(page(nth, hub.address, Rc::clone(&loaders), Rc::clone(&seen))))
        .collect();
    let (started, cpu, hub_cpu) = (Instant::now(), own_cpu(), hub.cpu());
    let with = probes.at_rate(half, size.with_pages).await;
    let length = started.elapsed().as_secs_f64();
    let (cpu, hub_cpu) = ((own_cpu() - cpu).as_secs_f64() / length, (hub.cpu() - hub_cpu).as_secs_f64() / length);
    pages.iter().for_each(tokio::task::JoinHandle::abort);

    let seen = seen.borrow();
    let (now, most) = hub.memory();
    println!(
        "{} peers reported from {REGIONS} regions; peak {peak:.0} results/s, half of it for {} s alone and then {length:.0} s \
         beside {PAGES} open pages\n\n\
         POST /results of {BATCH}, p50 and p99: alone {:.1} and {:.1} ms, beside the pages {:.1} and {:.1} ms; p99 {:.1} times\n\
         the pages: {} news, {} loads ({} of them 304), p99 {:.1} ms; refused {}, streams lost {}\n\
         CPU in cores: the hub {hub_cpu:.2}, the load generator {cpu:.2}\n\
         memory of the hub {:.1} MiB, peak {:.1} MiB",
        size.many_peers,
        size.alone.as_secs(),
        quantile(&without, 0.5),
        quantile(&without, 0.99),
        quantile(&with, 0.5),
        quantile(&with, 0.99),
        quantile(&with, 0.99) / quantile(&without, 0.99),
        seen.news,
        seen.loads.len(),
        seen.not_modified,
        quantile(&seen.loads, 0.99),
        seen.refused,
        seen.lost_streams,
        mebibytes(now),
        mebibytes(most),
    );
    assert_eq!((seen.refused, seen.lost_streams), (0, 0), "the hub refused pages");
}

/// An open page: loads its content, and again after news, at its own moment.
async fn page(nth: usize, address: SocketAddr, loaders: Rc<Vec<Mutex<Connection>>>, seen: Rc<RefCell<Seen>>) {
    // Pages are opened within ten seconds.
    sleep(Duration::from_millis(nth as u64 * 10)).await;
    let mut tag = String::new();
    let mut load = async || {
        let mut connection = loaders[nth % LOADERS].lock().await;
        let started = Instant::now();
        let answer = connection.ask("/", &[("accept-encoding", "gzip"), ("if-none-match", &tag)]).await;
        let mut seen = seen.borrow_mut();
        seen.loads.push(started.elapsed().as_secs_f64() * 1000.0);
        match answer.status {
            StatusCode::OK => tag = answer.headers[header::ETAG].to_str().expect("ASCII").to_owned(),
            StatusCode::NOT_MODIFIED => seen.not_modified += 1,
            _ => seen.refused += 1,
        }
    };
    load().await;
    let mut stream = TcpStream::connect(address).await.expect("the hub listens");
    stream.write_all(b"GET /live HTTP/1.1\r\nhost: hub\r\n\r\n").await.expect("open");
    let mut heard = Vec::new();
    loop {
        match stream.read_buf(&mut heard).await {
            Ok(1..) => {}
            _ => {
                seen.borrow_mut().lost_streams += 1;
                return;
            }
        }
        let text = String::from_utf8_lossy(&heard);
        let Some((_, within)) = text.rsplit_once("\"within\":") else {
            if text.starts_with("HTTP/1.1 503") {
                seen.borrow_mut().refused += 1;
                return;
            }
            continue;
        };
        let Some((within, _)) = within.split_once('}') else { continue };
        let within: u64 = within.parse().expect("milliseconds");
        heard.clear();
        seen.borrow_mut().news += 1;
        // Every page has its own moment, spread evenly as random moments would be.
        sleep(Duration::from_millis(within * (nth as u64 * 7919 % PAGES as u64) / PAGES as u64)).await;
        load().await;
    }
}

fn quantile(values: &[f64], share: f64) -> f64 {
    let mut values = values.to_vec();
    values.sort_by(f64::total_cmp);
    let place = (values.len() as f64 * share) as usize;
    values.get(place.min(values.len().saturating_sub(1))).copied().unwrap_or(f64::NAN)
}
