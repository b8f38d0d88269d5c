//! Which addresses a check may connect to.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// Which addresses checks may connect to, for peers that no local user named. Public addresses are always allowed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct AddressPolicy {
    /// Allows private ranges: RFC 1918, carrier-grade NAT (RFC 6598), unique local IPv6 (RFC 4193).
    pub allow_private: bool,
    /// Allows loopback, link-local and the metadata services of clouds.
    pub allow_local: bool,
}

impl AddressPolicy {
    /// For peers that a local user typed or wrote into a file.
    pub const ANY: Self = Self { allow_private: true, allow_local: true };
    /// For peers that strangers submitted.
    pub const PUBLIC_ONLY: Self = Self { allow_private: false, allow_local: false };

    /// Whether a check may connect to `address`.
    pub fn permits(self, address: IpAddr) -> bool {
        match AddressKind::of(address) {
            AddressKind::Public => true,
            AddressKind::Private => self.allow_private,
            AddressKind::Local => self.allow_local,
            AddressKind::Unusable => false,
        }
    }
}

/// The kind of an address.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum AddressKind {
    /// A host on the Internet.
    Public,
    /// A host in a private network, or in a range that is reserved for documentation or assignments.
    Private,
    /// This machine, this link, or a cloud's metadata service.
    Local,
    /// Not an address of a single host: unspecified, multicast, broadcast, reserved.
    Unusable,
}

impl AddressKind {
    /// The kind of `address`. An IPv6 address that embeds an IPv4 one (mapped, NAT64, 6to4) has the kind of the
    /// embedded address, because that is where the packets go.
    pub fn of(address: IpAddr) -> Self {
        match address {
            IpAddr::V4(v4) => Self::of_v4(v4),
            IpAddr::V6(v6) => match embedded_v4(v6) {
                Some(v4) => Self::of_v4(v4),
                None => Self::of_v6(v6),
            },
        }
    }

    fn of_v4(ip: Ipv4Addr) -> Self {
        match ip.octets() {
            [0, ..] | [224..=255, ..] => Self::Unusable,
            [127, ..] | [169, 254, ..] => Self::Local,
            // Metadata services outside link-local: Alibaba Cloud, Oracle Cloud, Azure.
            [100, 100, 100, 200] | [192, 0, 0, 192] | [168, 63, 129, 16] => Self::Local,
            [10, ..] | [172, 16..=31, ..] | [192, 168, ..] | [100, 64..=127, ..] => Self::Private,
            // IETF assignments, documentation and benchmarking: no node is there.
            [192, 0, 0, _] | [192, 0, 2, _] | [198, 51, 100, _] | [203, 0, 113, _] | [198, 18..=19, ..] => {
                Self::Private
            }
            _ => Self::Public,
        }
    }

    fn of_v6(ip: Ipv6Addr) -> Self {
        if ip.is_loopback() {
            return Self::Local;
        }
        match ip.segments() {
            [0xfe80..=0xfebf, ..] => Self::Local,
            // Metadata services inside the unique local range: AWS, Google Cloud, Oracle Cloud, Scaleway.
            [0xfd00, 0x0ec2, ..]
            | [0xfd20, 0x00ce, 0, 0, 0, 0, 0, 0x0254]
            | [0xfd00, 0x00c1, 0, 0, 0, 0, 0xa9fe, 0xa9fe]
            | [0xfd00, 0x0042, 0, 0, 0, 0, 0, 0x0042] => Self::Local,
            // Unique local, the deprecated site-local range, and a network's own NAT64.
            [0xfc00..=0xfdff, ..] | [0xfec0..=0xfeff, ..] | [0x0064, 0xff9b, 0x0001, ..] => Self::Private,
            // IETF assignments and documentation: no node is there.
            [0x2001, 0x0000..=0x01ff, ..] | [0x2001, 0x0db8, ..] | [0x3fff, 0x0000..=0x0fff, ..] => Self::Private,
            [0x2000..=0x3fff, ..] => Self::Public,
            // Unspecified, multicast, and everything outside 2000::/3, which is reserved.
            _ => Self::Unusable,
        }
    }
}

/// The IPv4 address that packets to this IPv6 address reach, where it embeds one.
fn embedded_v4(ip: Ipv6Addr) -> Option<Ipv4Addr> {
    let v4 = |high: u16, low: u16| Ipv4Addr::from((u32::from(high) << 16) | u32::from(low));
    match ip.segments() {
        // ::/96 holds the deprecated "compatible" addresses, besides :: and ::1.
        [0, 0, 0, 0, 0, 0, high, low] if high != 0 => Some(v4(high, low)),
        [0, 0, 0, 0, 0, 0xffff, high, low] => Some(v4(high, low)),
        [0, 0, 0, 0, 0xffff, 0, high, low] => Some(v4(high, low)),
        [0x0064, 0xff9b, 0, 0, 0, 0, high, low] => Some(v4(high, low)),
        [0x2002, high, low, ..] => Some(v4(high, low)),
        _ => None,
    }
}
