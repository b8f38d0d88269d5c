//! Digests and keys that the members of a network derive from its name and secret.
//!
//! EasyTier hashes with `DefaultHasher` of Rust's standard library, whose algorithm may change with any release. It is
//! SipHash-1-3 with a key of zeros, which is named explicitly here.

use std::hash::Hasher;

use siphasher::sip::SipHasher13;

/// The size of a network's digest, in bytes. Nodes close the connection when a handshake has a digest of another size.
const DIGEST_SIZE: usize = 32;

/// The digest by which nodes compare network secrets in the handshake (`NetworkIdentity` in the crate).
///
/// It can only be made by hashing: nodes since 2.6 admit a member whose digest is all zeros whatever its secret is, so a
/// check that sent zeros would find every secret right.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct NetworkDigest([u8; DIGEST_SIZE]);

impl NetworkDigest {
    pub fn of(network_name: &str, network_secret: &str) -> Self {
        let mut hasher = SipHasher13::new();
        hasher.write(network_name.as_bytes());
        hasher.write(network_secret.as_bytes());
        Self(fill(hasher))
    }

    pub fn as_bytes(&self) -> &[u8; DIGEST_SIZE] {
        &self.0
    }
}

/// The private WireGuard key that all members of a network share (`WgConfig` in the crate). It equals the network's
/// digest.
pub(crate) fn wireguard_key(network_name: &str, network_secret: &str) -> [u8; 32] {
    NetworkDigest::of(network_name, network_secret).0
}

/// The AES-128 key by which the members of a network encrypt packets (`GlobalCtx::get_128_key` in the crate).
pub(super) fn aes_128_key(network_secret: &str) -> [u8; 16] {
    let mut hasher = SipHasher13::new();
    hasher.write(network_secret.as_bytes());
    fill(hasher)
}

/// The 256-bit key by which the members of a network encrypt packets if their cipher needs one (`GlobalCtx::get_256_key`
/// in EasyTier since 2.4.2): each block is hashed after all bytes before it, and after its number.
pub(super) fn aes_256_key(network_secret: &str) -> [u8; 32] {
    let mut hasher = SipHasher13::new();
    hasher.write(network_secret.as_bytes());
    hasher.write(b"easytier-256bit-key");
    let mut bytes = [0; 32];
    for block in 0..4_u8 {
        let start = usize::from(block) * 8;
        hasher.write(&bytes[..start]);
        hasher.write(&[block]);
        bytes[start..start + 8].copy_from_slice(&hasher.finish().to_be_bytes());
    }
    bytes
}

/// Fills `N` bytes, a multiple of eight, with hashes: each block is hashed in after all bytes before it.
fn fill<const N: usize>(mut hasher: SipHasher13) -> [u8; N] {
    let mut bytes = [0; N];
    for end in (8..=N).step_by(8) {
        bytes[end - 8..end].copy_from_slice(&hasher.finish().to_be_bytes());
        hasher.write(&bytes[..end]);
    }
    bytes
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn no_digest_is_all_zeros(name in ".{0,20}", secret in ".{0,20}") {
            prop_assert_ne!(NetworkDigest::of(&name, &secret), NetworkDigest([0; DIGEST_SIZE]));
        }
    }
}
