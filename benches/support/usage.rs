//! CPU time and memory of processes.

#![allow(dead_code, reason = "each bench uses a part of it")]

use std::{fs, time::Duration};

/// The CPU time that all threads of a process have used so far.
pub fn cpu_of(pid: u32) -> Duration {
    let mut clock = 0;
    // SAFETY: both calls only write to the local variable that they get a pointer to.
    let spent = unsafe {
        assert_eq!(libc::clock_getcpuclockid(pid as libc::pid_t, &mut clock), 0, "no CPU clock of process {pid}");
        let mut spent = std::mem::zeroed::<libc::timespec>();
        assert_eq!(libc::clock_gettime(clock, &mut spent), 0, "process {pid} is gone");
        spent
    };
    Duration::new(spent.tv_sec as u64, spent.tv_nsec as u32)
}

/// The CPU time of all child processes that have ended.
pub fn ended_children_cpu() -> Duration {
    // SAFETY: the call only writes to the local variable that it gets a pointer to.
    let usage = unsafe {
        let mut usage = std::mem::zeroed::<libc::rusage>();
        assert_eq!(libc::getrusage(libc::RUSAGE_CHILDREN, &mut usage), 0, "no usage of the children");
        usage
    };
    let spent = |time: libc::timeval| Duration::new(time.tv_sec as u64, time.tv_usec as u32 * 1000);
    spent(usage.ru_utime) + spent(usage.ru_stime)
}

/// The CPU time of this process.
pub fn own_cpu() -> Duration {
    cpu_of(std::process::id())
}

/// The current resident memory of a process, in bytes.
pub fn resident(pid: u32) -> u64 {
    status(pid, "VmRSS:")
}

/// The peak resident memory of a process, in bytes.
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
    let status = fs::read_to_string(format!("/proc/{pid}/status")).expect("the process runs");
    let line = status.lines().find(|line| line.starts_with(name)).expect("the kernel provides it");
    line[name.len()..].trim().to_owned()
}

/// The bytes of IP packets that all processes have sent in this network namespace so far.
pub fn sent_octets() -> u64 {
    let counts = fs::read_to_string("/proc/net/netstat").expect("the kernel provides it");
    let mut lines = counts.lines().filter_map(|line| line.strip_prefix("IpExt: "));
    let (names, values) = (lines.next().expect("names"), lines.next().expect("values"));
    let named = names.split(' ').zip(values.split(' ')).find(|(name, _)| *name == "OutOctets");
    named.expect("the kernel counts it").1.parse().expect("a number")
}

/// The median of `values`, which must not be empty.
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
