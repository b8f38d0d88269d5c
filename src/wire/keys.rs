//! Digests and keys that the members of a network derive from its name and secret.
//!
//! EasyTier hashes with `DefaultHasher` of Rust's standard library, whose algorithm may change with any release. It is
//! SipHash-1-3 with a key of zeros, which is named explicitly here.

use std::hash::Hasher;

use siphasher::sip::SipHasher13;

/// The size of a network's digest, in bytes. Nodes close the connection when a handshake has a digest of another size.
pub(crate) const DIGEST_SIZE: usize = 32;

/// The digest by which nodes compare network secrets in the handshake (`NetworkIdentity` in the crate).
pub(crate) fn network_digest(network_name: &str, network_secret: &str) -> [u8; DIGEST_SIZE] {
    let mut hasher = SipHasher13::new();
    hasher.write(network_name.as_bytes());
    hasher.write(network_secret.as_bytes());
    fill(hasher)
}

/// The private WireGuard key that all members of a network share (`WgConfig` in the crate). It equals the network's
/// digest.
pub(crate) fn wireguard_key(network_name: &str, network_secret: &str) -> [u8; 32] {
    network_digest(network_name, network_secret)
}

/// The AES-128 key by which the members of a network encrypt packets (`GlobalCtx::get_128_key` in the crate).
pub(super) fn aes_128_key(network_secret: &str) -> [u8; 16] {
    let mut hasher = SipHasher13::new();
    hasher.write(network_secret.as_bytes());
    fill(hasher)
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
