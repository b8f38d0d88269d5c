//! Everything that a hub keeps, over SQLite or PostgreSQL.
//!
//! The methods of [`Store`] are grouped by area, one file each. A method that depends on the time gets it as an argument;
//! none reads a clock. A read takes a small, fixed number of statements however long the list is, and lists use the counts
//! that the fold made instead of the raw results.
//!
//! All transactions lock tables in one order, and rows in the order of their keys, so that they cannot deadlock: the row of
//! `instance`, the version of the list of peers and that of maintenance (in `settings`), probes, results, `peer_states`, peers,
//! rings, `maintained_peers`, `verdict_times`, outages, certificates, those of relaying, `latest`, rollups, regions, leases, channels,
//! the tables of alerts, those of subscriptions, those of incidents (the plan first), events, submissions, sources,
//! `source_peers`, `managed_probes`, `probe_channels`, `probe_messages`, those of requested checks, `open_servers`, duties. To the audit log rows are only added, so that it has no place in
//! this order.

mod admin;
mod alerts;
mod announcements;
mod apply;
mod audit;
mod backup;
mod calendar;
mod certificates;
mod clock;
mod credentials;
mod doubts;
mod duties;
mod edits;
mod events;
mod evidence;
mod examination;
mod exchange;
mod expiry;
mod figures;
mod files;
mod fold;
mod hand_over;
mod history;
mod hubs;
mod incidents;
mod ingest;
mod instance;
mod instance_tokens;
mod key_check;
mod known_peers;
mod last_capture;
mod last_uses;
mod leases;
mod live_settings;
mod liveness;
mod maintenance;
mod managed_probes;
mod members;
mod metadata;
mod mirror;
mod month;
mod nodes;
mod open_servers;
mod opening;
mod options;
mod outages;
mod outbox;
mod overview;
mod own_order;
mod partitions;
mod peers;
mod probe_messages;
mod probes;
mod pushed;
mod records;
mod regions;
mod registry;
mod relay_tests;
mod relays;
mod requested_answers;
mod requested_checks;
mod restore;
mod retention;
mod review;
mod rings;
mod roles;
mod rollups;
mod rotation;
mod row_order;
mod rows;
mod selected;
mod senders;
mod set_aside;
mod shared;
mod signature;
mod sources;
mod states;
mod submissions;
mod subscriptions;
mod sync;
mod tally;
mod verdict_times;
mod watched;

use std::sync::Arc;

pub use self::{
    admin::{Session, SessionId},
    backup::backup,
    duties::HeldDuties,
    examination::{DiskSpace, damage, disk_space},
    fold::{Backlog, Folded},
    mirror::PeerListing,
    options::{Access, DEFAULT_CACHE_MEBIBYTES, Location, StoreOptions, key_file},
    outbox::{Outgoing, OutgoingFilter},
    pushed::{HeldPushed, PushedKey, TakenPush},
    restore::{RestoreError, Restored},
    retention::Swept,
    rotation::{KeyedTexts, MailboxHashes, new_key_of, rotate_key},
};
use self::{ingest::Queue, shared::Shared};
use crate::{
    db::Db,
    domain::{Batch, Receipt},
    error::StoreError,
    pulse::Pulses,
};

/// A handle to the database of a hub. It is cheap to clone; clones share connections.
#[derive(Clone)]
pub struct Store {
    shared: Arc<Shared>,
    queue: Queue,
}

impl Store {
    /// Stores results, in one transaction with other batches that arrive at the same time. It returns after the commit:
    /// whatever the receipt does not list as rejected is stored durably. [`Store::fold`] applies them afterwards.
    ///
    /// The same batch may be sent any number of times. A caller that stops waiting does not cancel its batch.
    ///
    /// # Errors
    ///
    /// [`StoreError::Closed`] after [`Store::close`]; [`StoreError::Overtaken`] when the probe or a peer was deleted
    /// meanwhile; otherwise when the database fails. After an error the batch should be sent again.
    pub async fn ingest(&self, batch: Batch) -> Result<Receipt, StoreError> {
        self.queue.send(batch).await
    }

    /// Whether the tasks that write results and do the upkeep go on, whether or not the database answers: none of them is
    /// stuck in a step. For a watchdog, which restarts a process that is not alive.
    pub fn is_alive(&self) -> bool {
        self.shared.pulses.are_alive()
    }

    pub(crate) fn pulses(&self) -> &Pulses {
        &self.shared.pulses
    }

    fn db(&self) -> &Db {
        &self.shared.db
    }
}
