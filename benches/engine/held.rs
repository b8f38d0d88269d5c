//! Compares held sessions, pinged every five seconds, to instances of the EasyTier library that watch the same nodes.
//!
//! Both run in one network namespace, at the same time.

use std::{
    thread::sleep,
    time::{Duration, Instant},
};

use easytier_probe::Status;

use crate::{
    instances::{self, INSTANCES},
    namespace,
    nodes::{self, Helper},
    usage::{cpu_of, mebibytes, resident, threads},
};

const SESSIONS: usize = 1000;
const PING_INTERVAL: Duration = Duration::from_secs(5);
/// The due times of checks are multiples of this interval, so that sessions share wake-ups.
const GRID: Duration = Duration::from_millis(100);
const SETTLE: Duration = Duration::from_secs(20);
const MEASURE: Duration = Duration::from_secs(60);

pub fn run() {
    if !namespace::in_own_namespace(&["held".to_owned()]) {
        return;
    }
    let (_nodes, urls) = nodes::start();
    let mut sessions = Helper::role("hold-sessions", &urls);
    let mut instances = Helper::role("hold-instances", &urls);
    assert_eq!((sessions.line().as_str(), instances.line().as_str()), ("ready", "ready"));
    let before = [&sessions, &instances].map(|helper| (resident(helper.pid()), threads(helper.pid())));
    sessions.go_on();
    instances.go_on();
    println!("open: {}; {}", sessions.line(), instances.line());
    sleep(SETTLE);

    let start = [cpu_of(sessions.pid()), cpu_of(instances.pid())];
    sleep(MEASURE);
    let spent = [cpu_of(sessions.pid()) - start[0], cpu_of(instances.pid()) - start[1]];
    let after = [&sessions, &instances].map(|helper| (resident(helper.pid()), threads(helper.pid())));
    sessions.go_on();
    instances.go_on();
    println!("after {} s: {}; {}", (SETTLE + MEASURE).as_secs(), sessions.line(), instances.line());

    let per_peer = |which: usize, count: usize| {
        let memory = (after[which].0.saturating_sub(before[which].0)) as f64 / count as f64;
        let cpu = spent[which].as_secs_f64() / MEASURE.as_secs_f64() * 100.0 / count as f64;
        let threads = (after[which].1 - before[which].1) as f64 / count as f64;
        (memory, cpu, threads)
    };
    let session = per_peer(0, SESSIONS);
    let instance = per_peer(1, INSTANCES);
    println!("                     memory per peer  CPU per peer (of a core) threads per peer");
    println!("held session     {:10.1} KiB        {:10.5} %         {:8.3}", session.0 / 1024.0, session.1, session.2);
    println!(
        "instance         {:10.1} KiB        {:10.5} %         {:8.3}",
        instance.0 / 1024.0,
        instance.1,
        instance.2
    );
    println!("ratio            {:10.0}            {:10.1}", instance.0 / session.0, instance.1 / session.1);
    println!("whole process of {SESSIONS} held sessions: {:.1} MiB", mebibytes(after[0].0));
}

/// The role: holds sessions to the given nodes, and checks each every [`PING_INTERVAL`].
pub fn hold_sessions(urls: &[String]) {
    nodes::say("ready");
    nodes::wait_to_go_on();
    nodes::runtime().block_on(async {
        let checker = nodes::checker();
        let started = tokio::time::Instant::now();
        let (sender, mut changes) = tokio::sync::mpsc::unbounded_channel();
        for (index, peer) in nodes::peers(urls, SESSIONS).into_iter().enumerate() {
            let mut held = checker.hold(peer);
            let sender = sender.clone();
            let slots = (PING_INTERVAL.as_millis() / GRID.as_millis()) as usize;
            let mut due = started + GRID * (index % slots) as u32;
            tokio::spawn(async move {
                let mut status = Status::Unknown;
                loop {
                    let report = held.next(due).await;
                    if report.result.status != status {
                        let change =
                            i64::from(report.result.status == Status::Online) - i64::from(status == Status::Online);
                        status = report.result.status;
                        let _ = sender.send(change);
                    }
                    due += PING_INTERVAL;
                }
            });
        }
        let mut online = 0;
        while online < SESSIONS as i64 {
            online += changes.recv().await.expect("sessions run");
        }
        nodes::say(format!("{online} of {SESSIONS} held sessions online"));
        tokio::task::spawn_blocking(nodes::wait_to_go_on).await.expect("the parent sends a line");
        while let Ok(change) = changes.try_recv() {
            online += change;
        }
        nodes::say(format!("{online} of {SESSIONS} held sessions online"));
    });
}

/// The time from the start of an instance to its first peer; `None` if it cannot be measured.
pub fn instance_verdict_time() -> Option<Duration> {
    let output = namespace::in_namespace().args(["--role", "time-instance"]).output().ok()?;
    let millis: u64 = String::from_utf8(output.stdout).ok()?.lines().last()?.parse().ok()?;
    Some(Duration::from_millis(millis))
}

/// The role: prints the milliseconds from the start of an instance to its first peer.
pub fn time_instance(_: &[String]) {
    let (_nodes, urls) = nodes::start();
    let started = Instant::now();
    let instance = instances::start(&urls[0]);
    while !instances::has_peer(&instance) {
        assert!(started.elapsed() < Duration::from_secs(30), "the instance found no peer");
        sleep(Duration::from_millis(1));
    }
    println!("{}", started.elapsed().as_millis());
    std::process::exit(0);
}
