//! Requests over transports that lose packets.

use std::time::Duration;

use tokio::time::timeout;

/// How long to wait for an answer before the request is sent again. Each further wait is twice as long.
const FIRST_WAIT: Duration = Duration::from_millis(500);

/// A request that may be sent several times, and its answer. Cancelling either method loses nothing.
pub(super) trait Exchange: Send {
    type Answer;
    type Error;

    /// Sends the request.
    fn send(&mut self) -> impl Future<Output = Result<(), Self::Error>> + Send;

    /// Waits for the answer, and skips everything else.
    fn receive(&mut self) -> impl Future<Output = Result<Self::Answer, Self::Error>> + Send;
}

/// Sends the request again and again until there is an answer or an error. The caller limits the time.
pub(super) async fn send_until_answered<E: Exchange>(mut exchange: E) -> Result<E::Answer, E::Error> {
    let mut wait = FIRST_WAIT;
    loop {
        exchange.send().await?;
        match timeout(wait, exchange.receive()).await {
            Ok(answer) => return answer,
            Err(_) => wait *= 2,
        }
    }
}
