//! Work that many requests ask for, which is done for all of them, and not again before some time has passed.

use std::time::Duration;

use tokio::{sync::Mutex, time::Instant};

/// The time of the last work.
pub struct Paced {
    interval: Duration,
    done: Mutex<Option<Instant>>,
}

impl Paced {
    /// Work that is done once in `interval` at most.
    pub fn new(interval: Duration) -> Self {
        Self { interval, done: Mutex::default() }
    }

    /// Does `work` if it is due. Callers that come meanwhile wait for it. Work that fails is due again at once.
    ///
    /// # Errors
    ///
    /// When the work fails.
    pub async fn when_due<E>(&self, work: impl Future<Output = Result<(), E>>) -> Result<(), E> {
        let mut done = self.done.lock().await;
        if done.is_some_and(|done| done.elapsed() < self.interval) {
            return Ok(());
        }
        work.await?;
        *done = Some(Instant::now());
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicU32, Ordering::Relaxed};

    use super::*;

    #[tokio::test(start_paused = true)]
    async fn many_callers_share_one_piece_of_work() {
        let paced = Paced::new(Duration::from_secs(5));
        let count = AtomicU32::new(0);
        let ask = async |succeeds: bool| {
            let work = async {
                count.fetch_add(1, Relaxed);
                tokio::time::sleep(Duration::from_secs(1)).await;
                succeeds.then_some(()).ok_or("failed")
            };
            paced.when_due(work).await
        };
        let (one, two, three) = tokio::join!(ask(false), ask(true), ask(true));
        assert_eq!((one, two, three), (Err("failed"), Ok(()), Ok(())));
        assert_eq!(count.load(Relaxed), 2, "the failure was no work that others could share");
        tokio::time::sleep(Duration::from_secs(4)).await;
        ask(true).await.unwrap();
        assert_eq!(count.load(Relaxed), 2);
        tokio::time::sleep(Duration::from_secs(1)).await;
        ask(true).await.unwrap();
        assert_eq!(count.load(Relaxed), 3);
    }
}
