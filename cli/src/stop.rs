//! When to stop.

use std::{io, thread};

use anyhow::Context;
use tokio::{
    signal::unix::{Signal, SignalKind, signal},
    sync::oneshot,
};

/// Takes over Ctrl-C and SIGTERM at once; the future ends when either comes, or, `with_stdin`, when stdin ends.
pub fn requested(with_stdin: bool) -> anyhow::Result<impl Future<Output = ()>> {
    let mut interrupt = handler(SignalKind::interrupt())?;
    let mut terminate = handler(SignalKind::terminate())?;
    let stdin_ended = with_stdin.then(stdin_ended);
    Ok(async move {
        tokio::select! {
            _ = interrupt.recv() => {}
            _ = terminate.recv() => {}
            _ = async { stdin_ended.expect("guarded by the condition").await }, if stdin_ended.is_some() => {}
        }
    })
}

fn handler(kind: SignalKind) -> anyhow::Result<Signal> {
    signal(kind).context("cannot listen for signals")
}

/// A thread of its own, because tokio's stdin would hold up the end of the runtime with a read that never returns.
fn stdin_ended() -> oneshot::Receiver<()> {
    let (sender, ended) = oneshot::channel();
    thread::spawn(move || {
        // An error ends the input as well.
        let _ = io::copy(&mut io::stdin().lock(), &mut io::sink());
        drop(sender);
    });
    ended
}
