//! The history of a hub that ran for a while: writes the rollups and rings that its ingest would have written.

use easytier_uptime_store::{
    domain::{Count, QUARTER, RING_SLOTS, Timestamp},
    ring::Ring,
};

use crate::database::{Database, Engine};

const GRAINS: [u64; 3] = [300, 3600, 86_400];

/// The number of different rings.
const VARIANTS: i64 = 8;

/// Writes a day of rings for each peer, and `hours` hours of rollups in one region, in all grains.
pub async fn write(database: &Database, hours: u64) {
    let now = Timestamp::now();
    let mut statements = vec![match database.engine {
        Engine::Sqlite => "PRAGMA synchronous = OFF",
        Engine::Postgres => "SET synchronous_commit = off",
    }];
    let mut statements: Vec<String> = statements.drain(..).map(str::to_owned).collect();
    statements.extend(GRAINS.map(|grain| rollups(grain, hours, now)));
    statements.extend((0..VARIANTS).map(|variant| rings(database.engine, variant, now)));
    if database.engine == Engine::Postgres {
        // On a hub that ran for two days, autovacuum and checkpoints would have done this.
        statements.push("VACUUM ANALYZE".to_owned());
        statements.push("CHECKPOINT".to_owned());
    }
    database.run(statements).await;
}

/// The complete buckets, with a check every five seconds, of which one in thirty failed.
fn rollups(grain: u64, hours: u64, now: Timestamp) -> String {
    let current = now.bucket(std::time::Duration::from_secs(grain));
    let count = (hours * 3600).div_ceil(grain) as i64;
    let checks = grain as i64 / 5;
    let healthy = checks - checks / 30;
    format!(
        "WITH RECURSIVE buckets (bucket) AS (SELECT CAST({first} AS BIGINT) UNION ALL \
         SELECT bucket + 1 FROM buckets WHERE bucket + 1 < {current}) \
         INSERT INTO rollups SELECT {grain}, b.bucket, 1, p.id, {checks}, {healthy}, {healthy}, {healthy} * 23456, \
         8000 + p.id % 100, 90000 + p.id % 1000 FROM buckets b CROSS JOIN peers p",
        first = current - count,
    )
}

/// The complete quarters of an hour.
fn rings(engine: Engine, variant: i64, now: Timestamp) -> String {
    let newest = now.bucket(QUARTER) - 1;
    let mut ring = Ring::new(newest);
    for age in 0..RING_SLOTS as i64 {
        let bad = if (age * 7 + variant * 13) % 11 == 0 { 6 } else { 0 };
        ring.add(newest - age, Count { checks: 180, healthy: 180 - bad as u32 });
    }
    let hex = data_encoding::HEXLOWER.encode(&ring.to_bytes());
    let counts = match engine {
        Engine::Sqlite => format!("X'{hex}'"),
        Engine::Postgres => format!("'\\x{hex}'::bytea"),
    };
    format!("INSERT INTO rings SELECT id, {newest}, {counts} FROM peers WHERE id % {VARIANTS} = {variant}")
}
