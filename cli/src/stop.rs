//! When a command has to stop.

use std::{io, thread};

use anyhow::Context;
use tokio::{
    signal::unix::{Signal, SignalKind, signal},
    sync::oneshot,
};

/// Handles Ctrl-C and SIGTERM from now on. The future completes at the first of them, or `with_stdin` at the end of standard
/// input.
pub fn requested(with_stdin: bool) -> anyhow::Result<impl Future<Output = ()>> {
    let mut interrupt = handler(SignalKind::interrupt())?;
    let mut terminate = handler(SignalKind::terminate())?;
    let stdin_ended = with_stdin.then(stdin_ended);
    Ok(async move {
        let stdin_ended = async {
            match stdin_ended {
                // The sender is dropped without a message.
                Some(ended) => drop(ended.await),
                None => std::future::pending().await,
            }
        };
        tokio::select! {
            _ = interrupt.recv() => {}
            _ = terminate.recv() => {}
            () = stdin_ended => {}
        }
    })
}

fn handler(kind: SignalKind) -> anyhow::Result<Signal> {
    signal(kind).context("cannot listen for signals")
}

/// Reads in a thread of its own: with tokio's stdin the runtime could not shut down before a read returns.
fn stdin_ended() -> oneshot::Receiver<()> {
    let (sender, ended) = oneshot::channel();
    thread::spawn(move || {
        // An error ends the input as well.
        let _ = io::copy(&mut io::stdin().lock(), &mut io::sink());
        drop(sender);
    });
    ended
}
