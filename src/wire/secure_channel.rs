//! The encryption of packets on a connection in secure mode (since 2.6.0; `peers/secure_datagram.rs` in EasyTier).
//!
//! Both directions have keys of their own, which are derived from the root key of the handshake and change with the epoch.
//! The nonce at the end of a packet is its epoch and its number, so packets may arrive in any order.

use ring::hkdf::{HKDF_SHA256, KeyType, Salt};

use super::cipher::{Cipher, Keys, seal_aes_128_gcm};

/// The size of the root key and of a derived key, in bytes.
pub(super) const KEY_SIZE: usize = 32;

/// Which packets are encrypted by a key: those of the node with the lower peer id, or those of the other.
#[derive(Clone, Copy)]
enum Direction {
    FromLower = 0,
    FromHigher = 1,
}

/// The keys of one connection.
pub(crate) struct SecureChannel {
    root: [u8; KEY_SIZE],
    sending: Direction,
    receiving: Direction,
    /// The epoch of packets that are sent. It stays the same: the sender decides when it changes, and sends few packets.
    epoch: u32,
    /// The number of the next packet that is sent.
    next: u64,
    /// The cipher of the other side, once a packet was opened.
    fitting: Option<Cipher>,
}

impl SecureChannel {
    pub(super) fn new(root: [u8; KEY_SIZE], epoch: u32, me: u32, node: u32) -> Self {
        let (sending, receiving) = match me < node {
            true => (Direction::FromLower, Direction::FromHigher),
            false => (Direction::FromHigher, Direction::FromLower),
        };
        Self { root, sending, receiving, epoch, next: 0, fitting: None }
    }

    /// Encrypts a payload. The node closes the connection after ten packets that it cannot open.
    pub fn seal(&mut self, payload: &[u8]) -> Option<Vec<u8>> {
        let mut nonce = [0; 12];
        nonce[..4].copy_from_slice(&self.epoch.to_be_bytes());
        nonce[4..].copy_from_slice(&self.next.to_be_bytes());
        self.next += 1;
        seal_aes_128_gcm(&self.keys(self.sending, self.epoch)?, nonce, payload)
    }

    /// Decrypts a payload and returns what `read` makes of it; `None` when it was not encrypted for this connection.
    pub fn open<T>(&mut self, payload: &[u8], read: impl Fn(&[u8]) -> Option<T>) -> Option<T> {
        let (_, nonce) = payload.split_last_chunk::<12>()?;
        let epoch = u32::from_be_bytes(*nonce.first_chunk()?);
        let keys = self.keys(self.receiving, epoch)?;
        let (cipher, content) = self.fitting.into_iter().chain(Cipher::AUTHENTICATED).find_map(|cipher| {
            let opened = cipher.open(&keys, payload)?;
            Some((cipher, read(&opened)?))
        })?;
        self.fitting = Some(cipher);
        Some(content)
    }

    fn keys(&self, direction: Direction, epoch: u32) -> Option<Keys> {
        let info: [&[u8]; 3] = [b"et-traffic", &epoch.to_be_bytes(), &[direction as u8]];
        let mut long = [0; KEY_SIZE];
        let pseudorandom = Salt::new(HKDF_SHA256, &[0; KEY_SIZE]).extract(&self.root);
        pseudorandom.expand(&info, KeySize).ok()?.fill(&mut long).ok()?;
        Some(Keys { short: *long.first_chunk()?, long })
    }
}

struct KeySize;

impl KeyType for KeySize {
    fn len(&self) -> usize {
        KEY_SIZE
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn both_sides_open_what_the_other_sealed(
            root: [u8; KEY_SIZE],
            epoch: u32,
            (me, node) in any::<(u32, u32)>().prop_filter("two nodes have two ids", |(me, node)| me != node),
            contents in proptest::collection::vec(proptest::collection::vec(any::<u8>(), 0..50), 1..4),
        ) {
            let mut mine = SecureChannel::new(root, epoch, me, node);
            let mut theirs = SecureChannel::new(root, epoch, node, me);
            let mut nonces = Vec::new();
            for content in &contents {
                for (from, to) in [(0, 1), (1, 0)] {
                    let sides = [&mut mine, &mut theirs];
                    let sealed = sides[from].seal(content).unwrap();
                    let as_is = |opened: &[u8]| Some(opened.to_vec());
                    prop_assert_eq!(sides[to].open(&sealed, as_is), Some(content.clone()));
                    // A packet that is sent back is none of the other side.
                    prop_assert_eq!(sides[from].open(&sealed, as_is), None);
                    prop_assert_eq!(sides[to].open(&sealed[..sealed.len() - 1], as_is), None);
                    nonces.push((from, *sealed.last_chunk::<12>().unwrap()));
                }
            }
            nonces.sort_unstable();
            nonces.dedup();
            prop_assert_eq!(nonces.len(), 2 * contents.len());
        }

        #[test]
        fn any_bytes_can_be_opened_without_a_panic(payload in proptest::collection::vec(any::<u8>(), 0..64)) {
            let mut channel = SecureChannel::new([1; KEY_SIZE], 0, 1, 2);
            prop_assert_eq!(channel.open(&payload, |_| Some(())), None);
        }
    }
}
