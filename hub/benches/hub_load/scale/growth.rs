//! How the database grows, and how large it becomes.

use std::time::Duration;

use easytier_uptime_store::domain::{DAY, Retention};

use super::witness::Sizes;

const GIB: f64 = (1_u64 << 30) as f64;

/// Prints the growth by `results` results, and the size of a hub that stores `rate` results a second for long. `pairs`: how
/// many pairs of a peer and a region there are.
pub fn print(before: &Sizes, after: &Sizes, results: usize, pairs: usize, rate: f64) {
    let size = |sizes: &Sizes| sizes.values().map(|(bytes, _)| bytes).sum::<i64>() as f64;
    let grown = |table: &str| (after[table].0 - before[table].0) as f64;
    println!("growth of the database: {:.0} bytes a result, of which", (size(after) - size(before)) / results as f64);
    let raw = grown("results") / results as f64;
    println!("  raw results: {raw:.0} bytes a result");
    for table in ["latest", "peer_states", "rings", "appends"] {
        println!("  {table}: {:.0} MiB, which is reused", grown(table) / f64::from(1 << 20));
    }
    let Retention { results: kept, five_minutes, hours, .. } = Retention::default();
    let a_day = raw * rate * DAY.as_secs_f64();
    let days = |kept: Duration| kept.as_secs_f64() / DAY.as_secs_f64();
    println!(
        "at this rate: raw results {:.1} GiB a day, {:.0} GiB in {:.0} days",
        a_day / GIB,
        a_day * days(kept) / GIB,
        days(kept)
    );
    let (bytes, rows) = after["rollups"];
    if rows == 0 {
        println!("  counts: none were completed in so short a time");
        return;
    }
    let row = bytes as f64 / rows as f64;
    let of_pair = days(five_minutes) * 288.0 + days(hours) * 24.0;
    println!(
        "  counts: {row:.0} bytes a row; {:.1} GiB for five minutes and hours, and {:.2} GiB for each year of days",
        row * of_pair * pairs as f64 / GIB,
        row * 365.0 * pairs as f64 / GIB
    );
}
