//! The audit log: who changed what, from where, and which authentications failed.

use std::net::IpAddr;

use super::Timestamp;

/// An enum whose variants have names, in the database and in the API.
macro_rules! named {
    ($(#[$doc:meta])* $name:ident { $($(#[$variant_doc:meta])* $variant:ident = $text:literal,)+ }) => {
        $(#[$doc])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
        #[non_exhaustive]
        pub enum $name {
            $($(#[$variant_doc])* $variant,)+
        }

        impl $name {
            /// All of them.
            pub const ALL: &[Self] = &[$(Self::$variant,)+];

            /// The name, in the database and in the API.
            pub fn as_str(self) -> &'static str {
                match self {
                    $(Self::$variant => $text,)+
                }
            }

            /// The one with this name.
            pub fn from_name(name: &str) -> Option<Self> {
                Self::ALL.iter().copied().find(|one| one.as_str() == name)
            }
        }
    };
}

named! {
    /// Who changes something.
    ActorKind {
        /// The admin, by a session; the name is the beginning of its id.
        Admin = "admin",
        /// A program, by an API key with this name.
        Key = "key",
        /// A probe, by the node token of this `server_id`.
        Probe = "probe",
        /// A probe that enrolls, by the enrollment key with this id.
        Enrollment = "enrollment",
        /// Another instance of the cluster, with this id.
        Instance = "instance",
        /// Who knows the secret of the cluster.
        ClusterSecret = "cluster_secret",
        /// Who has the link of a message that went to the channel with this name.
        Link = "link",
        /// A command on the machine of the database, by the user of the system with this name.
        Command = "command",
        /// The hub by itself, such as for a list that it follows.
        Hub = "hub",
        /// A caller without any of these.
        Anyone = "anyone",
    }
}

named! {
    /// A kind of object that is changed.
    AuditObject {
        /// A peer.
        Peer = "peer",
        /// A submission, which waits for approval.
        Submission = "submission",
        /// A list that the hub follows.
        Source = "source",
        /// A channel of alerts, with its rules.
        Channel = "channel",
        /// Something that is wrong, by the rules.
        Alert = "alert",
        /// What is muted.
        Mute = "mute",
        /// A message of an alert.
        Message = "message",
        /// A maintenance window.
        Maintenance = "maintenance",
        /// An announcement.
        Announcement = "announcement",
        /// An incident.
        Incident = "incident",
        /// The live settings.
        Settings = "settings",
        /// A node token.
        NodeToken = "node_token",
        /// An API key.
        ApiKey = "api_key",
        /// An enrollment key.
        EnrollmentKey = "enrollment_key",
        /// A probe.
        Probe = "probe",
        /// A region.
        Region = "region",
        /// Another instance of the cluster.
        Instance = "instance",
        /// The role of this instance.
        Role = "role",
        /// What this instance shares with others.
        Configuration = "configuration",
        /// A session of the admin.
        Session = "session",
        /// The admin's password.
        Password = "password",
        /// A visitor who subscribed.
        Subscriber = "subscriber",
        /// The database as a whole.
        Database = "database",
    }
}

named! {
    /// What is done to an object.
    AuditVerb {
        /// It is new.
        Add = "add",
        /// It is another one than before.
        Change = "change",
        /// It is gone.
        Remove = "remove",
        /// It is listed.
        Approve = "approve",
        /// It is not listed, or not valid, any more.
        Revoke = "revoke",
        /// It begins.
        Start = "start",
        /// It ends before its time.
        End = "end",
        /// It is asked for again.
        Repeat = "repeat",
        /// Somebody has seen it.
        Acknowledge = "acknowledge",
    }
}

named! {
    /// How an authentication failed.
    AuthFailure {
        /// The admin's password was wrong.
        Password = "password",
        /// The session was unknown or over.
        Session = "session",
        /// A token or key was unknown.
        Token = "token",
        /// A token or key was right, but revoked or expired.
        Lapsed = "lapsed",
        /// A key was right, but has not the scope.
        Scope = "scope",
        /// The secret of the cluster, or the token of an instance, was wrong.
        Instance = "instance",
        /// The token for the metrics was wrong.
        Metrics = "metrics",
        /// The link of a message was not genuine.
        Link = "link",
    }
}

named! {
    /// What an event of the audit log is.
    AuditKind {
        /// Something was changed.
        Change = "change",
        /// Authentications failed.
        Failure = "failure",
    }
}

/// Who acts.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Actor {
    /// As what.
    pub kind: ActorKind,
    /// Which one; see the kind. It may be empty.
    pub name: String,
}

impl Actor {
    /// The one with this name.
    pub fn new(kind: ActorKind, name: impl Into<String>) -> Self {
        Self { kind, name: name.into() }
    }

    /// The hub by itself.
    pub fn hub() -> Self {
        Self::new(ActorKind::Hub, "")
    }
}

/// One event of the audit log.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AuditEvent {
    /// Grows with time, so it serves as a cursor.
    pub id: i64,
    /// When it happened, by the database's clock; of several failures the last.
    pub at: Timestamp,
    /// What it is.
    pub kind: AuditKind,
    /// Of a change the [`AuditObject`] and the [`AuditVerb`], such as `peer.add`; of a failure the [`AuthFailure`]. A newer hub on
    /// the same database may know others.
    pub action: String,
    /// The id of the object; it may be empty.
    pub object_id: String,
    /// The name of the object; it may be empty.
    pub object_name: String,
    /// What else is known, such as the names of the settings; it may be empty.
    pub detail: String,
    /// Who acted, or tried to.
    pub actor: Actor,
    /// The address of the caller, or the network of failures over IPv6; empty when there is none, or there were too many.
    pub source: String,
    /// How many failures it stands for; 1 for a change.
    pub count: u64,
}

/// Which events of the audit log are wanted.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct AuditFilter {
    /// Only events of this kind.
    pub kind: Option<AuditKind>,
    /// Only what was done by these.
    pub actor: Option<ActorKind>,
    /// Only changes of these.
    pub object: Option<AuditObject>,
    /// Only events with this text in the name of an actor or object, the address or the detail.
    pub search: Option<String>,
    /// Only events with ids less than this one.
    pub before: Option<i64>,
}

/// By what failures are counted: an IPv4 address, or the network of an IPv6 address, because a caller usually has all of it.
pub(crate) fn network_of(address: IpAddr) -> String {
    match address.to_canonical() {
        IpAddr::V4(address) => address.to_string(),
        IpAddr::V6(address) => {
            let network = std::net::Ipv6Addr::from_bits(address.to_bits() & !u128::from(u64::MAX));
            format!("{network}/64")
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_caller_with_many_addresses_is_one_source() {
        for (address, network) in [
            ("192.0.2.7", "192.0.2.7"),
            ("::ffff:192.0.2.7", "192.0.2.7"),
            ("2001:db8:1:2:3:4:5:6", "2001:db8:1:2::/64"),
            ("::1", "::/64"),
        ] {
            assert_eq!(network_of(address.parse().unwrap()), network);
        }
    }

    #[test]
    fn names_are_read_as_they_are_written() {
        for object in AuditObject::ALL {
            assert_eq!(AuditObject::from_name(object.as_str()), Some(*object));
            assert!(!object.as_str().contains('.'), "the verb follows after a dot");
        }
        assert_eq!(ActorKind::from_name("Admin"), None);
    }
}
