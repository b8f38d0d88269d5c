//! The ciphers of packets between two nodes.
//!
//! Which one a network uses is not said on the wire: its members configure the same one (`--encryption-algorithm`, since
//! 2.4.2; before that AES-128-GCM is the only one). A receiver without the configuration can only try them.

use ring::aead::{
    AES_128_GCM, AES_256_GCM, Aad, Algorithm, CHACHA20_POLY1305, LessSafeKey, NONCE_LEN, Nonce, UnboundKey,
};

use super::keys::{aes_128_key, aes_256_key};

/// A cipher, as `--encryption-algorithm` names it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Cipher {
    /// `aes-gcm`, the default.
    Aes128Gcm,
    /// `aes-256-gcm`
    Aes256Gcm,
    /// `chacha20`
    ChaCha20,
    /// `xor`, which does not authenticate: any bytes can be opened with any key.
    Xor,
}

/// The keys of one direction. Ciphers with keys of 256 bits use the long one, the others the short one.
///
/// Only their bytes are kept, because a daemon holds thousands of sessions and each opens few packets.
#[derive(Clone)]
pub(super) struct Keys {
    pub short: [u8; 16],
    pub long: [u8; 32],
}

impl Cipher {
    /// All of them, the most usual one first.
    pub const ALL: [Self; 4] = [Self::Aes128Gcm, Self::Aes256Gcm, Self::ChaCha20, Self::Xor];
    /// Those that detect a wrong key.
    pub const AUTHENTICATED: [Self; 3] = [Self::Aes128Gcm, Self::Aes256Gcm, Self::ChaCha20];

    /// Decrypts a payload. `None` when it was changed, or encrypted with another key or cipher, as far as the cipher
    /// detects that.
    pub fn open(self, keys: &Keys, payload: &[u8]) -> Option<Vec<u8>> {
        match self {
            Self::Aes128Gcm => open_authenticated(&AES_128_GCM, &keys.short, payload),
            Self::Aes256Gcm => open_authenticated(&AES_256_GCM, &keys.long, payload),
            Self::ChaCha20 => open_authenticated(&CHACHA20_POLY1305, &keys.long, payload),
            Self::Xor => Some(payload.iter().zip(keys.short.iter().cycle()).map(|(byte, key)| byte ^ key).collect()),
        }
    }
}

/// Encrypts a payload with AES-128-GCM. A nonce must not be used twice with the same key.
pub(super) fn seal_aes_128_gcm(keys: &Keys, nonce: [u8; NONCE_LEN], payload: &[u8]) -> Option<Vec<u8>> {
    let key = LessSafeKey::new(UnboundKey::new(&AES_128_GCM, &keys.short).ok()?);
    let mut sealed = payload.to_vec();
    key.seal_in_place_append_tag(Nonce::assume_unique_for_key(nonce), Aad::empty(), &mut sealed).ok()?;
    sealed.extend_from_slice(&nonce);
    Some(sealed)
}

/// Opens the ciphertext, a tag of 16 bytes and a nonce of 12 bytes (`AesGcmTail` in the crate).
fn open_authenticated(algorithm: &'static Algorithm, key: &[u8], payload: &[u8]) -> Option<Vec<u8>> {
    let (sealed, nonce) = payload.split_last_chunk::<NONCE_LEN>()?;
    let key = LessSafeKey::new(UnboundKey::new(algorithm, key).ok()?);
    let mut opened = sealed.to_vec();
    let length = key.open_in_place(Nonce::assume_unique_for_key(*nonce), Aad::empty(), &mut opened).ok()?.len();
    opened.truncate(length);
    Some(opened)
}

/// The keys that members of a network share. The cipher is found by trying, and tried first from then on.
pub(crate) struct MemberCiphers {
    keys: Keys,
    fitting: Option<Cipher>,
}

impl MemberCiphers {
    pub fn new(network_secret: &str) -> Self {
        let keys = Keys { short: aes_128_key(network_secret), long: aes_256_key(network_secret) };
        Self { keys, fitting: None }
    }

    /// Decrypts a payload and returns what `read` makes of it. `read` must refuse arbitrary bytes, because `xor` opens
    /// everything.
    ///
    /// `None` when no cipher with this key yields something that can be read.
    pub fn open<T>(&mut self, payload: &[u8], read: impl Fn(&[u8]) -> Option<T>) -> Option<T> {
        let (cipher, content) = self.fitting.into_iter().chain(Cipher::ALL).find_map(|cipher| {
            let opened = cipher.open(&self.keys, payload)?;
            Some((cipher, read(&opened)?))
        })?;
        self.fitting = Some(cipher);
        Some(content)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use ring::aead::{AES_256_GCM, Algorithm, CHACHA20_POLY1305};

    use super::*;

    fn sealed(algorithm: &'static Algorithm, key: &[u8], nonce: [u8; NONCE_LEN], content: &[u8]) -> Vec<u8> {
        let key = LessSafeKey::new(UnboundKey::new(algorithm, key).unwrap());
        let mut sealed = content.to_vec();
        key.seal_in_place_append_tag(Nonce::assume_unique_for_key(nonce), Aad::empty(), &mut sealed).unwrap();
        [&sealed[..], &nonce].concat()
    }

    /// As a member sends it whose cipher is `cipher`.
    fn encrypted(cipher: Cipher, secret: &str, nonce: [u8; NONCE_LEN], content: &[u8]) -> Vec<u8> {
        let (short, long) = (aes_128_key(secret), aes_256_key(secret));
        match cipher {
            Cipher::Aes128Gcm => sealed(&AES_128_GCM, &short, nonce, content),
            Cipher::Aes256Gcm => sealed(&AES_256_GCM, &long, nonce, content),
            Cipher::ChaCha20 => sealed(&CHACHA20_POLY1305, &long, nonce, content),
            Cipher::Xor => content.iter().enumerate().map(|(at, byte)| byte ^ short[at % 16]).collect(),
        }
    }

    proptest! {
        #[test]
        fn members_open_packets_of_every_cipher(
            cipher in prop::sample::select(Cipher::ALL.to_vec()),
            secret in ".{0,20}",
            nonce: [u8; NONCE_LEN],
            content in proptest::collection::vec(any::<u8>(), 1..100),
        ) {
            let payload = encrypted(cipher, &secret, nonce, &content);
            let mut ciphers = MemberCiphers::new(&secret);
            for _ in 0..2 {
                let opened = ciphers.open(&payload, |opened| (opened == content).then(|| opened.to_vec()));
                prop_assert_eq!(opened.as_ref(), Some(&content));
                prop_assert_eq!(ciphers.fitting, Some(cipher));
            }
            let mut others = MemberCiphers::new("another secret");
            prop_assert_eq!(others.open(&payload, |opened| (opened == content).then_some(())), None);
            prop_assert_eq!(others.fitting, None);
        }

        #[test]
        fn any_bytes_can_be_opened_without_a_panic(payload in proptest::collection::vec(any::<u8>(), 0..64)) {
            prop_assert_eq!(MemberCiphers::new("secret").open(&payload, |_| None::<()>), None);
        }
    }
}
