//! What who has the link of a mail sees and does.

use easytier_uptime_store::domain::{PeerId, SubscribedNode, Timestamp};

use super::{Subscriptions, ask::SILENCE, links};
use crate::service::ServiceError;

/// What a mailbox subscribed to.
#[derive(Debug, Clone)]
pub struct Linked {
    /// The address, of which most is hidden: a mail may have been passed on. Empty when nothing is known of the mailbox.
    pub address: String,
    /// The nodes that wait for a confirmation.
    pub waiting: Vec<SubscribedNode>,
    /// The nodes of which mails are sent.
    pub confirmed: Vec<SubscribedNode>,
}

/// Some of the nodes that a mailbox asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Which {
    /// All.
    All,
    /// One.
    Node(PeerId),
}

impl Which {
    fn node(self) -> Option<PeerId> {
        match self {
            Self::All => None,
            Self::Node(id) => Some(id),
        }
    }
}

impl Subscriptions {
    /// What the mailbox of a link subscribed to. Nothing is changed.
    ///
    /// # Errors
    ///
    /// [`ServiceError::Link`] when the link is not genuine; otherwise when the database fails.
    pub async fn linked(&self, token: &str) -> Result<Linked, ServiceError> {
        let mailbox = links::read(&self.store, token)?;
        let known = self.store.subscriber(mailbox, Timestamp::now()).await?;
        let address = known.as_ref().map(|known| masked(known.address.expose())).unwrap_or_default();
        let nodes = known.map(|known| known.nodes).unwrap_or_default();
        let (confirmed, waiting) = nodes.into_iter().partition(|node| node.is_confirmed);
        Ok(Linked { address, waiting, confirmed })
    }

    /// Whether a link is genuine.
    pub fn is_genuine(&self, token: &str) -> bool {
        links::read(&self.store, token).is_ok()
    }

    /// Confirms what the mailbox of a link asked for.
    ///
    /// # Errors
    ///
    /// As [`linked`](Self::linked), and when this instance takes no edits.
    pub async fn confirm(&self, token: &str, which: Which) -> Result<(), ServiceError> {
        let mailbox = links::read(&self.store, token)?;
        Ok(self.store.confirm_subscriptions(mailbox, which.node(), Timestamp::now()).await?)
    }

    /// Ends what the mailbox of a link asked for. It may be done again and again.
    ///
    /// # Errors
    ///
    /// As [`linked`](Self::linked).
    pub async fn unsubscribe(&self, token: &str, which: Which) -> Result<(), ServiceError> {
        let mailbox = links::read(&self.store, token)?;
        Ok(self.store.end_subscriptions(mailbox, which.node(), SILENCE, Timestamp::now()).await?)
    }
}

/// The first character of an address, and its domain.
fn masked(address: &str) -> String {
    let (user, domain) = address.rsplit_once('@').unwrap_or_default();
    let first: String = user.chars().take(1).collect();
    format!("{first}…@{domain}")
}
