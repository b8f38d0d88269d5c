//! Subscriptions: mails about nodes that visitors ask for, confirm and end.
//!
//! Nobody learns whether a mailbox is known: what a request says, writes and counts is the same for each. Only who reads the
//! mailbox gets a link, and with it confirms, sees and ends what was asked for.

mod ask;
mod linked;
pub(super) mod links;
pub(super) mod mailboxes;
mod message;
mod operator;
mod sender;

use std::{sync::Arc, time::Duration};

use easytier_probe::backend::BaseUrl;
use easytier_uptime_monitor::limit::Limit;
use easytier_uptime_store::{Store, StoreError};

pub use self::{
    linked::{Linked, Which},
    operator::{RemovedMailbox, SubscriptionsView},
};
pub(crate) use self::{
    links::unsubscribe_url,
    sender::{Sender, sender},
};

const PER_HOUR: Duration = Duration::from_secs(3600);

/// The use cases of subscriptions. Cheap to clone.
#[derive(Clone)]
pub struct Subscriptions {
    store: Store,
    public_url: Option<BaseUrl>,
    limit: Arc<Limit>,
}

impl Subscriptions {
    /// The subscriptions in `store`. `public_url`: where visitors find the pages; without it there are no subscriptions, because
    /// mails have links.
    pub fn new(store: Store, public_url: Option<BaseUrl>) -> Self {
        Self { store, public_url, limit: Arc::new(Limit::new(PER_HOUR, 20, 1000)) }
    }

    /// Whether visitors can subscribe: a channel serves them, and the public URL is known.
    ///
    /// # Errors
    ///
    /// When the database fails.
    pub async fn are_offered(&self) -> Result<bool, StoreError> {
        Ok(self.public_url.is_some() && sender(&self.store).await?.is_some())
    }
}
