//! How fast a caller has to take its responses.

use std::{
    io,
    pin::Pin,
    task::{Context, Poll, ready},
    time::Duration,
};

use tokio::{
    io::{AsyncRead, AsyncWrite, ReadBuf},
    time::{Instant, Sleep, sleep_until},
};

/// The minimum rate at which responses are taken, in bytes per second.
const MIN_RATE: u32 = 4096;

/// A connection that fails when its caller takes responses too slowly: when writing had to wait for longer than `patience`,
/// plus one second for every [`MIN_RATE`] bytes that were written. A caller that takes everything at once never waits.
pub struct Paced<S> {
    stream: S,
    patience: Duration,
    /// For how long writing may still wait; at most `patience`.
    credit: Duration,
    waiting_since: Option<Instant>,
    deadline: Pin<Box<Sleep>>,
}

impl<S> Paced<S> {
    pub fn new(stream: S, patience: Duration) -> Self {
        let deadline = Box::pin(sleep_until(Instant::now()));
        Self { stream, patience, credit: patience, waiting_since: None, deadline }
    }

    fn wait(&mut self, context: &mut Context<'_>) -> Poll<io::Result<usize>> {
        if self.waiting_since.is_none() {
            let now = Instant::now();
            self.waiting_since = Some(now);
            self.deadline.as_mut().reset(now + self.credit);
        }
        ready!(self.deadline.as_mut().poll(context));
        Poll::Ready(Err(io::Error::new(io::ErrorKind::TimedOut, "the caller takes the response too slowly")))
    }

    fn written(&mut self, count: usize) {
        if let Some(since) = self.waiting_since.take() {
            self.credit = self.credit.saturating_sub(since.elapsed());
        }
        let earned = Duration::from_secs_f64(count as f64 / f64::from(MIN_RATE));
        self.credit = self.patience.min(self.credit + earned);
    }

    fn paced(&mut self, context: &mut Context<'_>, polled: Poll<io::Result<usize>>) -> Poll<io::Result<usize>> {
        match polled {
            Poll::Pending => self.wait(context),
            Poll::Ready(Ok(count)) => {
                self.written(count);
                Poll::Ready(Ok(count))
            }
            failed => failed,
        }
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for Paced<S> {
    fn poll_read(self: Pin<&mut Self>, context: &mut Context<'_>, buffer: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.get_mut().stream).poll_read(context, buffer)
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Paced<S> {
    fn poll_write(self: Pin<&mut Self>, context: &mut Context<'_>, buffer: &[u8]) -> Poll<io::Result<usize>> {
        let this = self.get_mut();
        let polled = Pin::new(&mut this.stream).poll_write(context, buffer);
        this.paced(context, polled)
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffers: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let this = self.get_mut();
        let polled = Pin::new(&mut this.stream).poll_write_vectored(context, buffers);
        this.paced(context, polled)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.get_mut().stream).poll_flush(context)
    }

    fn poll_shutdown(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.get_mut().stream).poll_shutdown(context)
    }
}

#[cfg(test)]
mod tests {
    use tokio::io::{AsyncReadExt, AsyncWriteExt, duplex};

    use super::*;

    const PATIENCE: Duration = Duration::from_secs(30);

    /// Writes 1 MB to a caller that reads `count` bytes every `pause`; how long it took, and whether it succeeded.
    async fn sent_to_a_reader_of(count: usize, pause: Duration) -> (Duration, io::Result<()>) {
        let (stream, mut caller) = duplex(16 << 10);
        let reader = tokio::spawn(async move {
            let mut buffer = vec![0; count];
            while caller.read_exact(&mut buffer).await.is_ok() {
                tokio::time::sleep(pause).await;
            }
        });
        let started = Instant::now();
        let sent = Paced::new(stream, PATIENCE).write_all(&vec![0; 1_000_000]).await;
        reader.abort();
        (started.elapsed(), sent)
    }

    #[tokio::test(start_paused = true)]
    async fn a_reader_of_a_few_bytes_a_minute_is_not_waited_for() {
        let (took, sent) = sent_to_a_reader_of(10, Duration::from_secs(20)).await;
        assert_eq!(sent.unwrap_err().kind(), io::ErrorKind::TimedOut);
        assert!(took < PATIENCE * 2, "{took:?}");
    }

    #[tokio::test(start_paused = true)]
    async fn a_reader_below_the_minimum_rate_is_not_waited_for_long() {
        let (took, sent) = sent_to_a_reader_of(MIN_RATE as usize / 2, Duration::from_secs(1)).await;
        assert_eq!(sent.unwrap_err().kind(), io::ErrorKind::TimedOut);
        assert!(took < PATIENCE * 3, "{took:?}");
    }

    #[tokio::test(start_paused = true)]
    async fn a_slow_line_gets_its_response() {
        let (took, sent) = sent_to_a_reader_of(MIN_RATE as usize * 2, Duration::from_secs(1)).await;
        sent.unwrap();
        assert!(took > PATIENCE * 2, "{took:?}");
    }
}
