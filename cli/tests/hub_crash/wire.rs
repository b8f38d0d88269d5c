//! A TCP proxy between hubs and PostgreSQL, which a test can cut.

use std::net::SocketAddr;

use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{
        TcpListener, TcpStream,
        tcp::{OwnedReadHalf, OwnedWriteHalf},
    },
    sync::watch,
};

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Condition {
    Whole,
    /// Open connections are reset, and new ones are refused.
    Cut,
    /// Connections stay open but pass no data.
    Stalled,
}

#[derive(Debug, Clone, Copy)]
struct State {
    condition: Condition,
    /// The number of cuts. Older connections end even if the wire is restored before they notice the cut.
    cuts: u32,
    /// Connections of an earlier age pass no more data.
    age: u32,
}

pub struct Wire {
    pub address: SocketAddr,
    state: watch::Sender<State>,
    /// Whether connections are accepted.
    listens: watch::Receiver<bool>,
}

impl Wire {
    pub async fn to(server: SocketAddr) -> Self {
        // No other test uses this loopback address, so the port stays free while connections are refused.
        let listener = TcpListener::bind("127.7.7.7:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let state = watch::Sender::new(State { condition: Condition::Whole, cuts: 0, age: 0 });
        let (tell, listens) = watch::channel(true);
        tokio::spawn(listen(listener, server, state.subscribe(), tell));
        Self { address, state, listens }
    }

    /// Sets the state. It is in effect when this returns.
    pub async fn set_condition(&mut self, condition: Condition) {
        self.state.send_modify(|state| {
            state.condition = condition;
            state.cuts += u32::from(condition == Condition::Cut);
        });
        self.listens.wait_for(|listens| *listens == (condition != Condition::Cut)).await.unwrap();
    }

    /// Acts like a firewall that has dropped its state: old connections stay open but pass no data, new ones work.
    pub fn forget_connections(&self) {
        self.state.send_modify(|state| state.age += 1);
    }
}

async fn listen(
    mut listener: TcpListener,
    server: SocketAddr,
    mut state: watch::Receiver<State>,
    listens: watch::Sender<bool>,
) {
    let mut cut = state.clone();
    loop {
        tokio::select! {
            accepted = listener.accept() => {
                let (client, _) = accepted.unwrap();
                tokio::spawn(connect(client, server, state.clone()));
            }
            is_cut = await_state(&mut cut, |state| state.condition == Condition::Cut) => {
                if !is_cut {
                    return;
                }
                let address = listener.local_addr().unwrap();
                drop(listener);
                listens.send_replace(false);
                if !await_state(&mut state, |state| state.condition != Condition::Cut).await {
                    return;
                }
                listener = TcpListener::bind(address).await.unwrap();
                listens.send_replace(true);
            }
        }
    }
}

async fn connect(client: TcpStream, server: SocketAddr, state: watch::Receiver<State>) {
    let State { cuts, age, .. } = *state.borrow();
    let Ok(server) = TcpStream::connect(server).await else { return };
    // Closed with a reset, as by a cut.
    client.set_zero_linger().unwrap();
    server.set_zero_linger().unwrap();
    let (from_client, to_client) = client.into_split();
    let (from_server, to_server) = server.into_split();
    let mut cut = state.clone();
    let is_cut = |state: &State| (state.cuts != cuts || state.condition == Condition::Cut) && state.age == age;
    tokio::select! {
        _ = await_state(&mut cut, is_cut) => {}
        () = pass(from_client, to_server, state.clone(), age) => {}
        () = pass(from_server, to_client, state.clone(), age) => {}
    }
}

async fn pass(mut from: OwnedReadHalf, mut to: OwnedWriteHalf, mut state: watch::Receiver<State>, age: u32) {
    let is_open = move |state: &State| state.condition == Condition::Whole && state.age == age;
    let mut piece = vec![0; 16 * 1024];
    while let Ok(length @ 1..) = from.read(&mut piece).await {
        if !await_state(&mut state, is_open).await || to.write_all(&piece[..length]).await.is_err() {
            return;
        }
    }
    // The end of a dropped connection is not passed on either.
    await_state(&mut state, is_open).await;
}

/// Waits for a state. Returns false if the wire is gone.
async fn await_state(state: &mut watch::Receiver<State>, wanted: impl FnMut(&State) -> bool) -> bool {
    state.wait_for(wanted).await.is_ok()
}
