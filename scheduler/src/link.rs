//! The backend, as soon as the probe has what it needs to talk to it.

use easytier_probe::Backend;
use tokio::sync::watch;

/// The probe's backend. There is none as long as an enrollment is under way.
#[derive(Clone)]
pub struct Link(watch::Receiver<Option<Backend>>);

/// Where the backend is set.
pub struct LinkSetter(watch::Sender<Option<Backend>>);

/// Nothing is linked at first.
pub fn link() -> (LinkSetter, Link) {
    let (sender, receiver) = watch::channel(None);
    (LinkSetter(sender), Link(receiver))
}

impl Link {
    /// The backend, if there is one by now.
    pub fn now(&self) -> Option<Backend> {
        self.0.borrow().clone()
    }

    /// The backend, as soon as there is one.
    pub async fn ready(&mut self) -> Backend {
        match self.0.wait_for(Option::is_some).await {
            Ok(backend) => backend.clone().expect("it was waited for"),
            // Nobody is left who could set it.
            Err(_) => std::future::pending().await,
        }
    }
}

impl LinkSetter {
    pub fn set(&self, backend: Backend) {
        self.0.send_replace(Some(backend));
    }
}
