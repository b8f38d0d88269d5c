//! Edits that are made together.

use super::{ChannelId, ChannelSpec, MaintenanceSpec, NewPeer, PeerId, PeerSpec, Timestamp, WindowId};

/// An edit of an object. `seen` is when the object was last changed before the caller read it.
#[derive(Debug, Clone)]
pub enum ObjectEdit {
    /// Adds a peer.
    AddPeer(NewPeer),
    /// Gives a peer another description.
    ChangePeer {
        /// The peer.
        id: PeerId,
        /// See [`ObjectEdit`].
        seen: Timestamp,
        /// Its new description.
        spec: PeerSpec,
    },
    /// Approves a peer, or takes it off the list.
    ApprovePeer {
        /// The peer.
        id: PeerId,
        /// Whether it is on the list.
        approved: bool,
    },
    /// Deletes a peer.
    RemovePeer(PeerId),
    /// Makes a maintenance window.
    AddWindow(MaintenanceSpec),
    /// Changes a maintenance window.
    ChangeWindow {
        /// The window.
        id: WindowId,
        /// See [`ObjectEdit`].
        seen: Timestamp,
        /// What it is then.
        spec: MaintenanceSpec,
    },
    /// Removes a maintenance window.
    RemoveWindow(WindowId),
    /// Adds a channel.
    AddChannel(ChannelSpec),
    /// Changes a channel.
    ChangeChannel {
        /// The channel.
        id: ChannelId,
        /// See [`ObjectEdit`].
        seen: Timestamp,
        /// What it is then.
        spec: ChannelSpec,
    },
    /// Removes a channel; its messages that wait are dropped.
    RemoveChannel(ChannelId),
}

impl ObjectEdit {
    /// Whether it is of a peer.
    pub(crate) fn is_of_peer(&self) -> bool {
        use ObjectEdit::{AddPeer, ApprovePeer, ChangePeer, RemovePeer};
        matches!(self, AddPeer(_) | ChangePeer { .. } | ApprovePeer { .. } | RemovePeer(_))
    }

    /// Whether it is of a maintenance window.
    pub(crate) fn is_of_window(&self) -> bool {
        use ObjectEdit::{AddWindow, ChangeWindow, RemoveWindow};
        matches!(self, AddWindow(_) | ChangeWindow { .. } | RemoveWindow(_))
    }
}
