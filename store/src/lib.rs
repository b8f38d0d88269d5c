//! The store: peers, probes and results in SQLite or PostgreSQL, and the consensus of the regions about a peer.
//!
//! In layers, each of which uses only those before it:
//!
//! - [`domain`] holds the values and rules that all other modules share. It knows no SQL.
//! - [`consensus`], [`merge`] and [`ring`] are pure functions and data structures over them.
//! - `crypto` and `token` encrypt secrets and hash tokens; `error` is what can fail, `refusal` why a database is not opened.
//! - `db` puts SQLite and PostgreSQL behind one interface.
//! - [`acting`] says on whose behalf a task acts, for the audit log.
//! - `pulse` tells whether the tasks of a store go on.
//! - [`Store`] keeps everything; its methods are grouped by area, a file each in `store/`.
//! - [`upkeep`] calls the store at intervals.

#![warn(missing_docs)]

pub mod acting;
pub mod consensus;
mod crypto;
mod db;
pub mod domain;
mod error;
pub mod merge;
mod pulse;
mod refusal;
pub mod ring;
mod sealing;
mod store;
mod token;
mod upkeep;

pub use self::{
    crypto::{HubKey, HubKeyError, Unsealable, random},
    error::{Conflict, RoleConflict, StoreError},
    refusal::{Foreign, InUse, OtherHub, Refusal, VersionMismatch},
    sealing::{SealError, open_sealed, seal_for},
    store::{
        Access, Backlog, DEFAULT_CACHE_MEBIBYTES, DiskSpace, Folded, HeldDuties, HeldPushed, KeyedTexts, Location,
        MailboxHashes, Outgoing, OutgoingFilter, PeerListing, PushedKey, RestoreError, Restored, Session, SessionId,
        Store, StoreOptions, Swept, TakenPush, backup, damage, disk_space, key_file, new_key_of, rotate_key,
    },
    upkeep::upkeep,
};
