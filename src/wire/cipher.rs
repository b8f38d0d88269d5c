//! The encryption of packets between members of one network.

use ring::aead::{AES_128_GCM, Aad, LessSafeKey, NONCE_LEN, Nonce, UnboundKey};

use super::keys::aes_128_key;

/// The key that members of a network share. It opens packets that were encrypted with AES-128-GCM, EasyTier's default.
///
/// Only the 16 bytes of the key are kept, because a daemon holds thousands of sessions and each opens few packets.
pub(crate) struct MemberKey([u8; 16]);

impl MemberKey {
    pub fn new(network_secret: &str) -> Self {
        Self(aes_128_key(network_secret))
    }

    /// Decrypts a payload: the ciphertext, a tag of 16 bytes and a nonce of 12 bytes (`AesGcmTail` in the crate).
    ///
    /// `None` when the payload was changed, or encrypted with another key or cipher; newer nodes offer other ciphers.
    pub fn open(&self, payload: &[u8]) -> Option<Vec<u8>> {
        let (sealed, nonce) = payload.split_last_chunk::<NONCE_LEN>()?;
        let key = LessSafeKey::new(UnboundKey::new(&AES_128_GCM, &self.0).ok()?);
        let mut opened = sealed.to_vec();
        let length = key.open_in_place(Nonce::assume_unique_for_key(*nonce), Aad::empty(), &mut opened).ok()?.len();
        opened.truncate(length);
        Some(opened)
    }
}
