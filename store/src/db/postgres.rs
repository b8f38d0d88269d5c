//! Opening PostgreSQL, directly or through a pooler.

use std::{io, time::Duration};

use sqlx::{
    Connection, PgConnection, Row,
    pool::PoolConnectionMetadata,
    postgres::{PgConnectOptions, PgPoolOptions},
};
use tokio::time::{sleep, timeout};

use super::connection::{Db, Postgres, Sessions};
use crate::error::StoreError;

/// The maximum time to wait for a free connection.
const ACQUIRE_TIMEOUT: Duration = Duration::from_secs(15);

/// The pause before a server that is starting is tried again.
const STARTING_PAUSE: Duration = Duration::from_millis(100);

/// The maximum number of connections.
const CONNECTIONS: u32 = 16;

/// The maximum time for the reply to a ping on an idle connection; shorter than the timeout of any caller.
const PING_TIMEOUT: Duration = Duration::from_secs(2);

/// A connection that was used this recently is taken without a ping.
const FRESH: Duration = Duration::from_secs(1);

/// The bounds of what a session does outside [`Db::transaction`], which has its own. When a connection is lost without a
/// close, PostgreSQL does not notice: without the last one, a transaction that was open on it would hold its locks for
/// hours.
const BOUNDS: [(&str, &str); 3] =
    [("statement_timeout", "15s"), ("lock_timeout", "5s"), ("idle_in_transaction_session_timeout", "10s")];

/// Ends a statement whose caller is gone, for which PostgreSQL looks from version 14 on.
const NOTICE_LOST_CALLERS: &str = "SET client_connection_check_interval = '5s'";

/// The first version that knows [`NOTICE_LOST_CALLERS`].
const VERSION_14: u32 = 140_000;

impl Db {
    /// Connects to PostgreSQL; `name` is what the server lists the connections as.
    pub(crate) async fn open_postgres(url: &str, name: &str) -> Result<Self, StoreError> {
        // Our columns have no floating-point numbers, and PgBouncer refuses the parameter.
        let plain = url.parse::<PgConnectOptions>()?.application_name(name).extra_float_digits(None);
        let bounded = plain.clone().options(BOUNDS);
        let sessions = sessions_once_started(&bounded).await?;
        let pool = PgPoolOptions::new()
            .max_connections(CONNECTIONS)
            .acquire_timeout(ACQUIRE_TIMEOUT)
            // sqlx's own test has no timeout: it would never return on a connection that was lost without a close.
            .test_before_acquire(false)
            .before_acquire(|connection, used| Box::pin(ping_unless_fresh(connection, used)))
            // This also completes the rollback of a transaction that was dropped.
            .after_release(|connection, _| Box::pin(ping(connection)));
        let pool = match sessions {
            Sessions::Own => pool.after_connect(|connection, _| Box::pin(notice_lost_callers(connection))),
            Sessions::PerTransaction => {
                tracing::info!("PostgreSQL is behind a pooler; statements are not prepared");
                pool
            }
        };
        let options = if sessions == Sessions::Own { bounded } else { plain };
        Ok(Self::Postgres(Postgres { pool: pool.connect_with(options).await?, sessions }))
    }
}

/// Finds out what a connection is, and waits for a server that is starting.
async fn sessions_once_started(bounded: &PgConnectOptions) -> Result<Sessions, sqlx::Error> {
    let found = async {
        loop {
            match sessions(bounded).await {
                Err(error) if is_starting(&error) => sleep(STARTING_PAUSE).await,
                found => return found,
            }
        }
    };
    timeout(ACQUIRE_TIMEOUT, found).await.map_err(|_| sqlx::Error::PoolTimedOut)?
}

/// Whether a server that is starting refuses connections, or one that has too many.
fn is_starting(error: &sqlx::Error) -> bool {
    match error {
        sqlx::Error::Io(error) => error.kind() == io::ErrorKind::ConnectionRefused,
        sqlx::Error::Database(error) => error.code().is_some_and(|code| matches!(code.as_ref(), "57P03" | "53300")),
        _ => false,
    }
}

/// Finds out what a connection is. A session has the settings that it was opened with; a pooler refuses or ignores them.
async fn sessions(bounded: &PgConnectOptions) -> Result<Sessions, sqlx::Error> {
    let mut connection = match PgConnection::connect_with(bounded).await {
        Ok(connection) => connection,
        Err(sqlx::Error::Database(error)) if error.message().contains("unsupported startup parameter") => {
            return Ok(Sessions::PerTransaction);
        }
        Err(error) => return Err(error),
    };
    let (name, wanted) = BOUNDS[0];
    let row = sqlx::raw_sql("SHOW statement_timeout").fetch_one(&mut connection).await?;
    let is: String = row.try_get(name)?;
    connection.close().await?;
    Ok(if is == wanted { Sessions::Own } else { Sessions::PerTransaction })
}

async fn notice_lost_callers(connection: &mut PgConnection) -> Result<(), sqlx::Error> {
    if connection.server_version_num().is_some_and(|version| version >= VERSION_14) {
        sqlx::raw_sql(NOTICE_LOST_CALLERS).execute(connection).await?;
    }
    Ok(())
}

async fn ping_unless_fresh(connection: &mut PgConnection, used: PoolConnectionMetadata) -> Result<bool, sqlx::Error> {
    if used.idle_for < FRESH { Ok(true) } else { ping(connection).await }
}

async fn ping(connection: &mut PgConnection) -> Result<bool, sqlx::Error> {
    match timeout(PING_TIMEOUT, connection.ping()).await {
        Ok(answered) => answered.map(|()| true),
        Err(elapsed) => Err(sqlx::Error::Io(elapsed.into())),
    }
}
