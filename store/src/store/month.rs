//! The figures of a month: from the times of verdicts and the outages, without events, which expire.

use std::{collections::HashMap, time::Duration};

use super::{
    Store, metadata, rows,
    verdict_times::{HOUR, times_of},
};
use crate::{
    db::{args, sql},
    domain::{DAY, Month, MonthFigures, Outages, PeerId, Timestamp, Uptime, Verdict, VerdictTimes},
    error::StoreError,
};

/// The name, in `settings`, of the time since which outages are complete.
const OUTAGES_SINCE: &str = "outages_since";

/// The name of the function that gives the least or the greatest of two numbers.
macro_rules! least {
    (sqlite) => {
        "min"
    };
    (postgres) => {
        "least"
    };
}
macro_rules! greatest {
    (sqlite) => {
        "max"
    };
    (postgres) => {
        "greatest"
    };
}

/// How long the row `$row` lasted within the month from `$1` to `$2`.
macro_rules! length_within {
    ($engine:ident $row:literal) => {
        concat!(least!($engine), "(", $row, ".ended_at, $2) - ", greatest!($engine), "(", $row, ".began_at, $1)")
    };
}

/// The sum of a column of a table of times within the month. A row that is not wholly within it is one verdict, which held all
/// the time.
macro_rules! sum_within {
    ($engine:ident $column:literal) => {
        concat!(
            "CAST(coalesce(sum(CASE WHEN v.began_at >= $1 AND v.ended_at <= $2 THEN v.",
            $column,
            " ELSE ",
            least!($engine),
            "(v.",
            $column,
            ", ",
            length_within!($engine "v"),
            ") END), 0) AS BIGINT) AS ",
            $column
        )
    };
}

/// The sums of a table of times within the month for the peers `$3`. `$4` is the first hour of the month and `$5` the first one
/// after it. What went on when the month ended is the first row after it, if any row is.
macro_rules! sums {
    ($engine:ident $table:literal) => {
        concat!(
            "SELECT v.peer_id, ",
            sum_within!($engine "up_ms"),
            ", ",
            sum_within!($engine "partial_ms"),
            ", ",
            sum_within!($engine "down_ms"),
            " FROM peer_states q JOIN ",
            $table,
            " v ON v.peer_id = q.peer_id AND v.hour >= $4 AND v.hour <= coalesce((SELECT min(w.hour) FROM ",
            $table,
            " w WHERE w.peer_id = q.peer_id AND w.hour >= $5), $5) \
             WHERE v.began_at < $2 AND v.ended_at > $1 AND q.peer_id ",
            $crate::db::in_list!($engine 3),
            " GROUP BY v.peer_id"
        )
    };
}

/// The outages that are over within the month for the peers `$3`: `$6` is its first day, `$7` the first one after it.
macro_rules! outages {
    ($engine:ident) => {
        concat!(
            "SELECT o.peer_id, CAST(sum(o.number) AS BIGINT) AS number, \
             CAST(sum(CASE WHEN o.day < $7 THEN o.number ELSE 0 END) AS BIGINT) AS ended, \
             CAST(sum(CASE WHEN o.day < $7 THEN o.down_ms ELSE 0 END) AS BIGINT) AS recovery_ms, \
             max(CASE WHEN o.whole = 0 THEN o.longest_ms ELSE ",
            least!($engine),
            "(o.longest_ms, ",
            length_within!($engine "o"),
            ") END) AS longest_ms FROM outages o WHERE o.day >= $6 AND o.began_at < $2 AND o.ended_at > $1 AND o.peer_id ",
            $crate::db::in_list!($engine 3),
            " GROUP BY o.peer_id"
        )
    };
}

/// What is stored about the month of a peer: the sums of verdicts that are over and of their parts in maintenance, the outages
/// that are over, and what goes on now: a verdict, a maintenance, an outage.
#[derive(sqlx::FromRow)]
struct MonthRow {
    peer_id: PeerId,
    verdict: i64,
    since: Timestamp,
    maintained_from: Option<Timestamp>,
    maintained_to: Option<Timestamp>,
    up_ms: Option<i64>,
    partial_ms: Option<i64>,
    down_ms: Option<i64>,
    maintained_up_ms: Option<i64>,
    maintained_partial_ms: Option<i64>,
    maintained_down_ms: Option<i64>,
    number: Option<i64>,
    ended: Option<i64>,
    recovery_ms: Option<i64>,
    longest_ms: Option<i64>,
    open_from: Option<Timestamp>,
    open_to: Option<Timestamp>,
    open_down_ms: Option<i64>,
    open_maintained_ms: Option<i64>,
}

impl Store {
    /// The figures of these peers for a month, as far as it is over at `now`. Peers that do not exist are left out. A peer that
    /// was changed so that it is another one has figures since then.
    ///
    /// # Errors
    ///
    /// When the database fails.
    pub async fn month_figures(
        &self,
        peers: &[PeerId],
        month: Month,
        now: Timestamp,
    ) -> Result<HashMap<PeerId, MonthFigures>, StoreError> {
        // One statement: a verdict that ends meanwhile would count twice, or not at all.
        let select = sql!(
            "SELECT s.peer_id, s.verdict, s.since, m.began_at AS maintained_from, m.ends_at AS maintained_to, \
             a.up_ms, a.partial_ms, a.down_ms, b.up_ms AS maintained_up_ms, b.partial_ms AS maintained_partial_ms, \
             b.down_ms AS maintained_down_ms, c.number, c.ended, c.recovery_ms, c.longest_ms, g.began_at AS open_from, \
             g.ended_at AS open_to, g.down_ms AS open_down_ms, g.maintained_ms AS open_maintained_ms \
             FROM peer_states s LEFT JOIN maintained_peers m ON m.peer_id = s.peer_id \
             LEFT JOIN open_outages g ON g.peer_id = s.peer_id LEFT JOIN (",
            (sums "verdict_times"),
            ") a ON a.peer_id = s.peer_id LEFT JOIN (",
            (sums "maintained_times"),
            ") b ON b.peer_id = s.peer_id LEFT JOIN (",
            (outages),
            ") c ON c.peer_id = s.peer_id WHERE s.peer_id ",
            (in 3)
        );
        let ids: Vec<i64> = peers.iter().map(|peer| peer.0).collect();
        let (from, to) = (month.begins_at(), month.ends_at());
        let hours = [from.bucket(HOUR), to.bucket(HOUR)];
        let days = [from.bucket(DAY), to.bucket(DAY)];
        let parameters = args![from, to, ids, hours[0], hours[1], days[0], days[1]];
        let found: Vec<MonthRow> = self.db().all(select, parameters).await?;
        let until = now.min(to);
        found.into_iter().map(|row| Ok((row.peer_id, row.figures(from, until, now)?))).collect()
    }

    /// Since when the outages are complete: of earlier ones the events had expired when this database began to keep outages.
    ///
    /// # Errors
    ///
    /// When the database fails.
    pub async fn outages_since(&self) -> Result<Timestamp, StoreError> {
        let corrupt = || StoreError::Corrupt(format!("settings.{OUTAGES_SINCE}"));
        let text = metadata::value(self.db(), OUTAGES_SINCE).await?.ok_or_else(corrupt)?;
        text.parse().map(Timestamp).map_err(|_| corrupt())
    }
}

impl MonthRow {
    /// The figures from `from` to `until`, at `now`.
    fn figures(&self, from: Timestamp, until: Timestamp, now: Timestamp) -> Result<MonthFigures, StoreError> {
        let verdict = rows::verdict(self.verdict)?;
        let mut all = times_of([self.up_ms, self.partial_ms, self.down_ms]);
        all += VerdictTimes::of(verdict, until.since(self.since.max(from)));
        let mut maintained = times_of([self.maintained_up_ms, self.maintained_partial_ms, self.maintained_down_ms]);
        maintained += VerdictTimes::of(verdict, self.maintained_between(from, until));
        let uptime = Uptime::split(all, maintained);
        let mut outages = Outages {
            number: rows::count(self.number.unwrap_or_default()),
            ended: rows::count(self.ended.unwrap_or_default()),
            recovery: duration(self.recovery_ms),
            longest: duration(self.longest_ms),
        };
        let present = self.present_outage(verdict, from, until, now);
        if !present.is_zero() {
            outages.number += 1;
            outages.longest = outages.longest.max(present);
        }
        // An outage that began or goes on in another month may have been in maintenance in all of this one.
        if uptime.counted.down.is_zero() {
            outages = Outages::default();
        }
        outages.longest = outages.longest.min(uptime.counted.down);
        Ok(MonthFigures { uptime, outages })
    }

    /// How long the present verdict was in the present maintenance.
    fn maintained_between(&self, from: Timestamp, until: Timestamp) -> Duration {
        match (self.maintained_from, self.maintained_to) {
            (Some(began_at), Some(ends_at)) => ends_at.min(until).since(self.since.max(began_at).max(from)),
            _ => Duration::ZERO,
        }
    }

    /// How long the outage that goes on took between two times; zero without one.
    fn present_outage(&self, verdict: Verdict, from: Timestamp, until: Timestamp, now: Timestamp) -> Duration {
        let (began_at, seen_to) = match (verdict, self.open_from, self.open_to) {
            (Verdict::Down, began_at, _) => (began_at.unwrap_or(self.since), now),
            (Verdict::Unknown, Some(began_at), Some(seen_to)) => (began_at, seen_to),
            _ => return Duration::ZERO,
        };
        let down = match verdict {
            Verdict::Down => now.since(self.since),
            _ => Duration::ZERO,
        };
        let down = down + duration(self.open_down_ms);
        // The present maintenance takes from the present verdict only.
        let maintained = match verdict {
            Verdict::Down => self.maintained_between(Timestamp(0), now),
            _ => Duration::ZERO,
        };
        let maintained = maintained + duration(self.open_maintained_ms);
        down.saturating_sub(maintained).min(seen_to.min(until).since(began_at.max(from)))
    }
}

fn duration(ms: Option<i64>) -> Duration {
    rows::duration(ms).unwrap_or_default()
}
