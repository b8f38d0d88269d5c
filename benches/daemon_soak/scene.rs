//! Measures the cost of a daemon that watches many peers at a few nodes.

use std::{thread::sleep, time::Duration};

use crate::{
    backend::Backend,
    daemon::Daemon,
    instances::INSTANCES,
    nodes::{self, Helper},
    usage::{mebibytes, resident, resident_peak},
    watch::{Used, watch},
};

/// The paths that are requested at every sample, as by an open page and a scraper of metrics.
const REQUESTS: [&str; 4] = ["/health", "/metrics", "/api/nodes?per_page=50", "/api/nodes/1/health/stats?hours=24"];

const MEBIBYTE: f64 = 1024.0 * 1024.0;

pub struct Scene {
    pub name: &'static str,
    pub peers: usize,
    pub interval: Duration,
    /// The goal for memory.
    pub max_mebibytes: f64,
    /// The goal for CPU time.
    pub max_core_percent: f64,
    /// Whether instances of the library are measured at the same time.
    pub with_instances: bool,
}

impl Scene {
    pub fn measure(&self, duration: Duration) {
        let Self { name, peers, interval, .. } = self;
        println!("\n## {name}: {peers} peers every {} s, at {} nodes", interval.as_secs(), nodes::NODES);
        let folder = tempfile::tempdir().expect("a folder");
        let (_nodes, urls) = nodes::start_at("0.0.0.0");
        let backend = Backend::start(folder.path(), &urls, *peers);
        let mut instances = self.with_instances.then(|| {
            let urls: Vec<String> = urls.iter().map(|url| url.replace("0.0.0.0", "127.0.0.1")).collect();
            Helper::role("hold-instances", &urls)
        });
        let before = instances.as_mut().map(|instances| {
            assert_eq!(instances.line(), "ready");
            let before = resident(instances.pid());
            instances.go_on();
            println!("{}", instances.line());
            before
        });
        let daemon = Daemon::start(folder.path(), &backend, *interval);
        daemon.wait_until_online(*peers);
        println!("all online: {:.1} MiB; peak {:.1} MiB", now(&daemon), peak(&daemon));
        // By then the daemon has reported every peer and fetched the listing again.
        sleep(Duration::from_secs(75).max(*interval * 2));

        let ask = || REQUESTS.iter().for_each(|path| drop(daemon.api.get(path)));
        match &instances {
            Some(instances) => {
                let [used, by_instances] = watch([daemon.pid(), instances.pid()], duration, ask);
                self.report(&daemon, &used, duration);
                let grown = by_instances.last() - before.unwrap_or_default() as f64;
                self.compare(&used, grown, by_instances.cpu);
            }
            None => {
                let [used] = watch([daemon.pid()], duration, ask);
                self.report(&daemon, &used, duration);
            }
        }
        assert_eq!(daemon.online(), *peers, "all peers are online at the end");
    }

    fn report(&self, daemon: &Daemon, used: &Used, duration: Duration) {
        let (memory, cpu) = (used.peak() / MEBIBYTE, used.cpu * 100.0);
        println!("over {:.0} minutes:", duration.as_secs_f64() / 60.0);
        println!("peak resident memory   {memory:8.1} MiB          goal: below {} MiB", self.max_mebibytes);
        println!("CPU                    {cpu:8.2} % of a core    goal: below {} %", self.max_core_percent);
        for (when, used) in [("", used), (", second half", &used.second_half())] {
            let (slope, noise) = used.slope_and_noise();
            println!("growth{when:13}    {:8.0} KiB per minute, ± {:.0} KiB", slope / 1024.0, noise / 1024.0);
        }
        let by_minute: Vec<_> = used.peak_by_minute().iter().map(|bytes| format!("{:.1}", bytes / MEBIBYTE)).collect();
        println!("peak in each minute    {} MiB", by_minute.join(" "));
        println!("peak, start included:  {:.1} MiB", peak(daemon));
        let figure = |name: &str| daemon.api.figure(&format!("easytier_uptime_probe_{name}"));
        println!(
            "checks missed: {}; results delivered: {}; waiting: {}",
            figure("checks_missed_total"),
            figure("results_delivered_total"),
            figure("spool_results")
        );
    }

    fn compare(&self, used: &Used, instances_memory: f64, instances_cpu: f64) {
        let each = |all: f64, count: usize| all / count as f64;
        let (memory, cpu) = (each(used.peak(), self.peers), each(used.cpu, self.peers));
        let (other_memory, other_cpu) = (each(instances_memory, INSTANCES), each(instances_cpu, INSTANCES));
        println!("                     memory per peer  CPU per peer (of a core)");
        println!("the whole daemon {:12.1} KiB        {:10.5} %", memory / 1024.0, cpu * 100.0);
        println!("an instance      {:12.1} KiB        {:10.5} %", other_memory / 1024.0, other_cpu * 100.0);
        println!("ratio            {:12.0}            {:10.1}", other_memory / memory, other_cpu / cpu);
    }
}

fn now(daemon: &Daemon) -> f64 {
    mebibytes(resident(daemon.pid()))
}

fn peak(daemon: &Daemon) -> f64 {
    mebibytes(resident_peak(daemon.pid()))
}
