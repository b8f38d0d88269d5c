//! Samples the CPU time and memory of processes.

use std::{
    thread::sleep,
    time::{Duration, Instant},
};

use crate::usage::{cpu_of, resident};

const SAMPLE_INTERVAL: Duration = Duration::from_secs(5);

/// The CPU time and memory that a process used while it was watched.
pub struct Used {
    /// The average number of cores in use.
    pub cpu: f64,
    /// The samples of resident memory: the time in minutes, and the bytes.
    pub resident: Vec<(f64, f64)>,
}

/// Watches processes for `duration`, and calls `meanwhile` before every sample.
pub fn watch<const N: usize>(pids: [u32; N], duration: Duration, mut meanwhile: impl FnMut()) -> [Used; N] {
    let started = Instant::now();
    let before = pids.map(cpu_of);
    let mut resident_at = pids.map(|_| Vec::new());
    while started.elapsed() < duration {
        meanwhile();
        let at = started.elapsed().as_secs_f64() / 60.0;
        for (pid, resident_at) in pids.iter().zip(&mut resident_at) {
            resident_at.push((at, resident(*pid) as f64));
        }
        sleep(SAMPLE_INTERVAL.min(duration.saturating_sub(started.elapsed())));
    }
    let took = started.elapsed().as_secs_f64();
    let mut each = pids.iter().zip(before).zip(resident_at);
    std::array::from_fn(|_| {
        let ((pid, before), resident) = each.next().expect("one for each process");
        Used { cpu: (cpu_of(*pid) - before).as_secs_f64() / took, resident }
    })
}

impl Used {
    pub fn peak(&self) -> f64 {
        self.resident.iter().map(|(_, bytes)| *bytes).fold(0.0, f64::max)
    }

    pub fn last(&self) -> f64 {
        self.resident.last().map_or(0.0, |(_, bytes)| *bytes)
    }

    /// The peak resident memory in each minute.
    pub fn peak_by_minute(&self) -> Vec<f64> {
        let by_minute = self.resident.chunk_by(|a, b| a.0 as u64 == b.0 as u64);
        by_minute.map(|samples| samples.iter().map(|(_, bytes)| *bytes).fold(0.0, f64::max)).collect()
    }

    /// The memory samples of the second half of the time. `cpu` stays that of the whole time.
    pub fn second_half(&self) -> Self {
        Self { cpu: self.cpu, resident: self.resident[self.resident.len() / 2..].to_vec() }
    }

    /// The growth of memory in bytes per minute, by linear regression, and the standard deviation from that line.
    pub fn slope_and_noise(&self) -> (f64, f64) {
        let count = self.resident.len() as f64;
        let mean = |of: fn(&(f64, f64)) -> f64| self.resident.iter().map(of).sum::<f64>() / count;
        let (mean_at, mean_bytes) = (mean(|sample| sample.0), mean(|sample| sample.1));
        let sum = |of: &dyn Fn(f64, f64) -> f64| {
            self.resident.iter().map(|(at, bytes)| of(at - mean_at, bytes - mean_bytes)).sum::<f64>()
        };
        let slope = sum(&|at, bytes| at * bytes) / sum(&|at, _| at * at).max(f64::MIN_POSITIVE);
        let noise = (sum(&|at, bytes| (bytes - slope * at).powi(2)) / count).sqrt();
        (slope, noise)
    }
}
