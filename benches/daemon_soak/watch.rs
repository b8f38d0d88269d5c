//! What a process costs over a time.

use std::{
    thread::sleep,
    time::{Duration, Instant},
};

use crate::usage::{cpu_of, resident};

const LOOK_EVERY: Duration = Duration::from_secs(5);

/// What a process used between two looks, and how its memory went.
pub struct Used {
    /// In parts of a core.
    pub cpu: f64,
    /// Resident memory at each look: the time in minutes, and bytes.
    pub resident: Vec<(f64, f64)>,
}

/// Watches processes for so long, and calls `meanwhile` at every look.
pub fn watch<const N: usize>(pids: [u32; N], lasting: Duration, mut meanwhile: impl FnMut()) -> [Used; N] {
    let started = Instant::now();
    let before = pids.map(cpu_of);
    let mut resident_at = pids.map(|_| Vec::new());
    while started.elapsed() < lasting {
        meanwhile();
        let at = started.elapsed().as_secs_f64() / 60.0;
        for (pid, resident_at) in pids.iter().zip(&mut resident_at) {
            resident_at.push((at, resident(*pid) as f64));
        }
        sleep(LOOK_EVERY.min(lasting.saturating_sub(started.elapsed())));
    }
    let took = started.elapsed().as_secs_f64();
    let mut each = pids.iter().zip(before).zip(resident_at);
    std::array::from_fn(|_| {
        let ((pid, before), resident) = each.next().expect("one for each process");
        Used { cpu: (cpu_of(*pid) - before).as_secs_f64() / took, resident }
    })
}

impl Used {
    pub fn most(&self) -> f64 {
        self.resident.iter().map(|(_, bytes)| *bytes).fold(0.0, f64::max)
    }

    pub fn last(&self) -> f64 {
        self.resident.last().map_or(0.0, |(_, bytes)| *bytes)
    }

    /// The most resident memory in each minute.
    pub fn most_by_minute(&self) -> Vec<f64> {
        let by_minute = self.resident.chunk_by(|a, b| a.0 as u64 == b.0 as u64);
        by_minute.map(|looks| looks.iter().map(|(_, bytes)| *bytes).fold(0.0, f64::max)).collect()
    }

    /// What was seen in the second half of the time.
    pub fn second_half(&self) -> Self {
        Self { cpu: self.cpu, resident: self.resident[self.resident.len() / 2..].to_vec() }
    }

    /// By how much the memory grew a minute, by the line that fits best; and how far it was from that line, as one
    /// standard deviation.
    pub fn slope_and_noise(&self) -> (f64, f64) {
        let count = self.resident.len() as f64;
        let mean = |of: fn(&(f64, f64)) -> f64| self.resident.iter().map(of).sum::<f64>() / count;
        let (mean_at, mean_bytes) = (mean(|look| look.0), mean(|look| look.1));
        let sum = |of: &dyn Fn(f64, f64) -> f64| {
            self.resident.iter().map(|(at, bytes)| of(at - mean_at, bytes - mean_bytes)).sum::<f64>()
        };
        let slope = sum(&|at, bytes| at * bytes) / sum(&|at, _| at * at).max(f64::MIN_POSITIVE);
        let noise = (sum(&|at, bytes| (bytes - slope * at).powi(2)) / count).sqrt();
        (slope, noise)
    }
}
