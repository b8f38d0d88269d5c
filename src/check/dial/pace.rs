//! Limits how fast a link reads, so that a node that never stops sending takes little of the probe's time.

use std::{
    future::poll_fn,
    io,
    pin::Pin,
    task::{Context, Poll, ready},
    time::Duration,
};

use tokio::{
    io::{AsyncRead, AsyncWrite, ReadBuf},
    time::{Instant, Sleep, sleep_until},
};

/// What one operation costs: a link may do 1,000 in a second.
const COST: Duration = Duration::from_millis(1);
/// How far a link may be ahead of that. A check does less than 50 operations; the largest route information that is read over
/// a stream takes about 256.
const BURST: Duration = Duration::from_millis(256);

/// The operations of a link: reads and writes, each of which is a system call or as expensive.
pub(super) struct Pace {
    /// When the operations so far would have ended at the rate of [`COST`].
    paid_until: Instant,
    /// Only while a read waits.
    wait: Option<Pin<Box<Sleep>>>,
}

impl Pace {
    pub fn new() -> Self {
        Self { paid_until: Instant::now(), wait: None }
    }

    /// Counts an operation. Writes are counted only: what delays the next read delays what it would cause to be written.
    pub fn count(&mut self) {
        self.paid_until = self.paid_until.max(Instant::now()) + COST;
    }

    /// Waits until the link may read.
    pub async fn turn(&mut self) {
        poll_fn(|context| self.poll_turn(context)).await;
    }

    fn poll_turn(&mut self, context: &mut Context<'_>) -> Poll<()> {
        if self.wait.is_none() && self.paid_until <= Instant::now() + BURST {
            return Poll::Ready(());
        }
        let wait = self.wait.get_or_insert_with(|| Box::pin(sleep_until(self.paid_until - BURST)));
        ready!(wait.as_mut().poll(context));
        self.wait = None;
        Poll::Ready(())
    }
}

/// A stream whose reads wait for their turn.
pub(super) struct Paced<S> {
    stream: S,
    pace: Pace,
}

impl<S> Paced<S> {
    pub fn new(stream: S) -> Self {
        Self { stream, pace: Pace::new() }
    }

    /// The stream below.
    pub fn get_ref(&self) -> &S {
        &self.stream
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for Paced<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        ready!(self.pace.poll_turn(context));
        let read = Pin::new(&mut self.stream).poll_read(context, buffer);
        if read.is_ready() {
            self.pace.count();
        }
        read
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Paced<S> {
    fn poll_write(mut self: Pin<&mut Self>, context: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        self.pace.count();
        Pin::new(&mut self.stream).poll_write(context, bytes)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        pieces: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        self.pace.count();
        Pin::new(&mut self.stream).poll_write_vectored(context, pieces)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(context)
    }
}

#[cfg(test)]
mod tests {
    use tokio::io::{AsyncReadExt, AsyncWriteExt, duplex, repeat};

    use super::*;

    #[tokio::test(start_paused = true)]
    async fn a_flood_is_read_at_the_rate_and_the_burst_without_a_wait() {
        let mut stream = Paced::new(repeat(7));
        let begun = Instant::now();
        let burst = BURST.div_duration_f64(COST) as u32;
        for _ in 0..=burst {
            stream.read_u8().await.unwrap();
        }
        assert_eq!(begun.elapsed(), Duration::ZERO);
        for _ in 0..1000 {
            stream.read_u8().await.unwrap();
        }
        let due = 1000 * COST;
        // The clock of tokio's timers counts whole milliseconds.
        assert!((due..due + Duration::from_millis(2)).contains(&begun.elapsed()), "{:?}", begun.elapsed());
    }

    #[tokio::test(start_paused = true)]
    async fn writes_never_wait_and_delay_the_next_read() {
        let (near, mut far) = duplex(1 << 20);
        let mut stream = Paced::new(near);
        let begun = Instant::now();
        for _ in 0..2000 {
            stream.write_u8(7).await.unwrap();
        }
        assert_eq!(begun.elapsed(), Duration::ZERO);
        far.write_u8(7).await.unwrap();
        stream.read_u8().await.unwrap();
        assert!(begun.elapsed() >= 2000 * COST - BURST, "{:?}", begun.elapsed());
    }
}
