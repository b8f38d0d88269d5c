//! The running hub.

use std::{
    fmt::Write as _,
    io::Write as _,
    net::{IpAddr, SocketAddr},
    time::Duration,
};

use anyhow::Context;
use easytier_probe::{AddressPolicy, Checker, Secret};
use easytier_uptime_hub::{
    api::{self, ApiOptions},
    crypto::HubKey,
    store::Store,
    time::Timestamp,
    upkeep::upkeep,
};
use futures::FutureExt;
use tokio::{net::TcpListener, runtime, sync::oneshot};

use super::{
    config::{Database, HubConfig},
    database::{self, Opened},
};
use crate::{exit::Exit, logging, stop};

/// How long requests under way may take when the hub is told to stop.
const GRACE: Duration = Duration::from_secs(10);

pub fn run(config: HubConfig) -> anyhow::Result<Exit> {
    logging::start(&config.log);
    let runtime =
        runtime::Builder::new_multi_thread().enable_all().build().context("cannot start the async runtime")?;
    let outcome = runtime.block_on(serve(config));
    // Whoever asked twice does not wait for what still runs.
    runtime.shutdown_background();
    outcome
}

async fn serve(config: HubConfig) -> anyhow::Result<Exit> {
    // Before anything is printed, so that a signal that answers it ends the hub in order.
    let stop = stop::requested(false)?;
    // Before the database is made, which would be left behind.
    let listener = TcpListener::bind(config.listen).await.with_context(|| {
        format!("cannot listen at {}; choose another place with SERVER_HOST and SERVER_PORT", config.listen)
    })?;
    let address = listener.local_addr().context("cannot tell where the hub listens")?;
    let is_first_start = matches!(&config.database, Database::Sqlite { path, .. } if !path.exists());
    let Opened { store, key } = database::open(&config).await?;
    let password = admin_password(&store, config.admin_password.as_ref()).await?;

    let greeting = greeting(address, &config.database, is_first_start, password.as_ref());
    std::io::stdout().write_all(greeting.as_bytes())?;
    warn_of_open_tests(config.checks.addresses, address.ip());
    tracing::info!(%address, database = %database::name(&config.database), "the hub listens");

    let options = ApiOptions { trusted_proxies: config.trusted_proxies, session_key: session_key(&key) };
    let router = api::router(store.clone(), Checker::new(config.checks), options);
    let (stopping, told_to_stop) = oneshot::channel::<()>();
    let stopped = async { drop(told_to_stop.await) }.shared();
    let server = async {
        let upkeep = upkeep(store.clone(), stopped.clone()).map(Ok);
        tokio::try_join!(api::serve(listener, router, stopped, GRACE), upkeep).context("the hub cannot serve")?;
        store.close().await;
        anyhow::Ok(())
    };
    let mut server = std::pin::pin!(server);
    tokio::select! {
        ended = &mut server => return ended.map(|()| Exit::Success),
        () = stop => {}
    }
    // Hears only the signals that come from now on.
    let again = stop::requested(false)?;
    tracing::info!("stopping when what was accepted is done; a second signal stops at once");
    drop(stopping);
    tokio::select! {
        ended = server => ended.map(|()| Exit::Success),
        () = again => {
            tracing::warn!("stopped at once");
            Ok(Exit::NotAsExpected)
        }
    }
}

/// Sets the password that is configured, or makes one at the first start, which is given to be shown.
async fn admin_password(store: &Store, configured: Option<&Secret>) -> anyhow::Result<Option<Secret>> {
    let outcome = match configured {
        Some(password) => store.set_admin_password(password, Timestamp::now()).await.map(|()| None),
        None => store.first_admin_password(Timestamp::now()).await,
    };
    outcome.context("cannot set the admin's password")
}

/// What is printed when the hub is ready: the address in the first line, for programs; the rest is for people.
fn greeting(address: SocketAddr, database: &Database, is_first_start: bool, password: Option<&Secret>) -> String {
    let mut text = format!("listening on http://{address}\n");
    let mut say = |line: String| writeln!(text, "{line}").expect("a String takes any text");
    if let Some(password) = password {
        say(format!("admin password: {}", password.expose()));
        say("  shown this once; 'easytier-uptime hub password' makes another".to_owned());
    }
    if is_first_start {
        say(format!("made the database {}", database::name(database)));
        if let Some(file) = database::own_key_file(database) {
            let file = file.display();
            say(format!("  and its key '{file}': keep a copy of it in another place than the database's"));
        }
        say("next: easytier-uptime hub peer add URL, and easytier-uptime hub token create --name NAME".to_owned());
    }
    text
}

/// An operator who opens the tests to private addresses at a place that strangers reach should know.
fn warn_of_open_tests(addresses: AddressPolicy, listening: IpAddr) {
    if addresses != AddressPolicy::PUBLIC_ONLY && !listening.is_loopback() {
        tracing::warn!(
            "everybody who reaches this hub may have addresses checked that are not public, because ALLOW_PRIVATE_PEERS or \
             ALLOW_LOCAL_PEERS is true"
        );
    }
}

/// The key that signs sessions: the same for all hubs with the same hub key.
fn session_key(key: &HubKey) -> Secret {
    key.derive("admin sessions").iter().map(|byte| format!("{byte:02x}")).collect::<String>().into()
}
