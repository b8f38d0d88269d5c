//! CPU time and memory of processes.

#![allow(dead_code, reason = "each bench uses a part of it")]

use std::{fs, time::Duration};

/// CPU time that a process has used so far, in all its threads.
pub fn cpu_of(pid: u32) -> Duration {
    let mut clock = 0;
    // SAFETY: both calls write to the locals they are given.
    let spent = unsafe {
        assert_eq!(libc::clock_getcpuclockid(pid as libc::pid_t, &mut clock), 0, "no CPU clock of process {pid}");
        let mut spent = std::mem::zeroed::<libc::timespec>();
        assert_eq!(libc::clock_gettime(clock, &mut spent), 0, "process {pid} is gone");
        spent
    };
    Duration::new(spent.tv_sec as u64, spent.tv_nsec as u32)
}

/// CPU time of this process.
pub fn own_cpu() -> Duration {
    cpu_of(std::process::id())
}

/// Resident memory of a process now, in bytes.
pub fn resident(pid: u32) -> u64 {
    status(pid, "VmRSS:")
}

/// The most resident memory a process had, in bytes.
pub fn resident_peak(pid: u32) -> u64 {
    status(pid, "VmHWM:")
}

pub fn threads(pid: u32) -> u64 {
    let count = field(pid, "Threads:");
    count.parse().expect("a number")
}

fn status(pid: u32, name: &str) -> u64 {
    let kibibytes = field(pid, name);
    kibibytes.trim_end_matches(" kB").trim().parse::<u64>().expect("a number") * 1024
}

fn field(pid: u32, name: &str) -> String {
    let status = fs::read_to_string(format!("/proc/{pid}/status")).expect("the process lives");
    let line = status.lines().find(|line| line.starts_with(name)).expect("the kernel tells it");
    line[name.len()..].trim().to_owned()
}

/// Bytes of IP packets sent in this network namespace so far, by whomever.
pub fn sent_octets() -> u64 {
    let counts = fs::read_to_string("/proc/net/netstat").expect("the kernel tells it");
    let mut lines = counts.lines().filter_map(|line| line.strip_prefix("IpExt: "));
    let (names, values) = (lines.next().expect("names"), lines.next().expect("values"));
    let named = names.split(' ').zip(values.split(' ')).find(|(name, _)| *name == "OutOctets");
    named.expect("it is counted").1.parse().expect("a number")
}

/// The middle of some measurements.
pub fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    values[values.len() / 2]
}

pub fn micros(duration: Duration) -> f64 {
    duration.as_secs_f64() * 1e6
}

pub fn mebibytes(bytes: u64) -> f64 {
    bytes as f64 / (1024.0 * 1024.0)
}
