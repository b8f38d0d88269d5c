//! The load of the machine: processors and memory, from `/proc`. Systems without it tell nothing.

use std::{fs, sync::Mutex};

/// The time that the processors were busy, and all their time, since the machine started.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Times {
    busy: u64,
    all: u64,
}

/// Measures the load; each time since the time before.
#[derive(Debug, Default)]
pub struct Load {
    before: Mutex<Option<Times>>,
}

impl Load {
    /// Percentages of the processors and of the memory that are in use. The first one of the processors is over the whole time since
    /// the machine started.
    pub fn measure(&self) -> (Option<f64>, Option<f64>) {
        let read = |path: &str| fs::read_to_string(path).unwrap_or_default();
        let now = times(&read("/proc/stat"));
        let mut before = self.before.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        let since = std::mem::replace(&mut *before, now).unwrap_or(Times { busy: 0, all: 0 });
        (now.and_then(|now| share(since, now)), memory(&read("/proc/meminfo")))
    }
}

/// The sums of the first line of `/proc/stat`: user, nice, system, idle, iowait, irq, softirq, steal. The guests that follow are
/// part of user and nice.
fn times(stat: &str) -> Option<Times> {
    let fields = stat.lines().next()?.strip_prefix("cpu ")?.split_ascii_whitespace();
    let fields: Vec<u64> = fields.take(8).map(str::parse).collect::<Result<_, _>>().ok()?;
    let (all, idle) = (fields.iter().sum::<u64>(), fields.get(3)? + fields.get(4)?);
    Some(Times { busy: all - idle, all })
}

fn share(since: Times, now: Times) -> Option<f64> {
    let (busy, all) = (now.busy.checked_sub(since.busy)?, now.all.checked_sub(since.all)?);
    (all > 0).then(|| (busy as f64 * 100.0 / all as f64).min(100.0))
}

/// The memory that is neither free nor could be freed at once.
fn memory(meminfo: &str) -> Option<f64> {
    let kibibytes = |name: &str| -> Option<u64> {
        let rest = meminfo.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(':'))?;
        rest.split_ascii_whitespace().next()?.parse().ok()
    };
    let (total, available) = (kibibytes("MemTotal")?, kibibytes("MemAvailable")?);
    (total > 0).then(|| total.saturating_sub(available) as f64 * 100.0 / total as f64)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn processors_are_busy_for_what_they_do_not_idle_or_wait() {
        let first = times("cpu  100 0 50 800 50 0 0 0 7 0\ncpu0 1 2 3 4 5 6 7 8\n").unwrap();
        assert_eq!(first, Times { busy: 150, all: 1000 });
        let second = times("cpu  130 10 60 870 50 0 0 0 9 0\n").unwrap();
        assert_eq!(share(first, second), Some(50.0 * 100.0 / 120.0));
        assert_eq!((share(first, first), share(second, first)), (None, None));
        for wrong in ["", "cpu0 1 2 3 4 5", "cpu  1 2 3", "cpu  1 2 3 x 5"] {
            assert_eq!(times(wrong), None, "{wrong}");
        }
    }

    #[test]
    fn memory_that_could_be_freed_is_not_in_use() {
        let meminfo = "MemTotal:       1000 kB\nMemFree:         100 kB\nMemAvailable:    250 kB\n";
        assert_eq!(memory(meminfo), Some(75.0));
        assert_eq!(memory("MemTotal:       1000 kB\n"), None);
        assert_eq!(memory(""), None);
    }

    #[test]
    #[cfg(target_os = "linux")]
    fn this_machine_has_a_load() {
        let (processors, memory) = Load::default().measure();
        for share in [processors.unwrap(), memory.unwrap()] {
            assert!((0.0..=100.0).contains(&share), "{share}");
        }
    }
}
