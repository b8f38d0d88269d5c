//! Who a session says it is, and the key that goes with it.

use std::{collections::hash_map::DefaultHasher, hash::Hasher};

use easytier::common::config::NetworkIdentity;

use crate::{Access, Membership};

/// A network as a session presents it.
pub(crate) struct Identity {
    pub network_name: String,
    pub digest: [u8; 32],
    /// Opens what members of the network say to each other; a guest's packets are plain.
    key: Option<ring::aead::LessSafeKey>,
}

impl Identity {
    pub fn of(access: &Access) -> Self {
        match access {
            Access::Member(network) => Self::member(network),
            Access::Guest => Self::guest(),
        }
    }

    fn member(network: &Membership) -> Self {
        let secret = network.network_secret.expose();
        Self {
            network_name: network.network_name.clone(),
            digest: digest(&network.network_name, secret),
            key: ring::aead::UnboundKey::new(&ring::aead::AES_128_GCM, &aes_key(secret))
                .map(ring::aead::LessSafeKey::new)
                .ok(),
        }
    }

    /// A throw-away network: nobody else has its name, nobody can join it.
    pub fn guest() -> Self {
        let name = format!("{:016x}", rand::random::<u64>());
        Self { digest: digest(&name, &format!("{:032x}", rand::random::<u128>())), network_name: name, key: None }
    }

    /// Whether this is a throw-away network.
    pub fn is_guest(&self) -> bool {
        self.key.is_none()
    }

    /// Opens an encrypted payload: the ciphertext, then a tag of 16 bytes, then the nonce of 12 bytes (`AesGcmTail` in
    /// the crate). `None` when this identity has no key, or another cipher was used, as newer nodes may.
    pub fn decrypt(&self, payload: &[u8]) -> Option<Vec<u8>> {
        let (sealed, nonce) = payload.split_last_chunk::<12>()?;
        let mut sealed = sealed.to_vec();
        let nonce = ring::aead::Nonce::assume_unique_for_key(*nonce);
        let plain = self.key.as_ref()?.open_in_place(nonce, ring::aead::Aad::empty(), &mut sealed).ok()?.len();
        sealed.truncate(plain);
        Some(sealed)
    }
}

fn digest(network_name: &str, secret: &str) -> [u8; 32] {
    NetworkIdentity::new(network_name.to_owned(), secret.to_owned()).network_secret_digest.unwrap_or_default()
}

/// The key of a network, as `get_128_key` in the crate makes it of the secret.
fn aes_key(secret: &str) -> [u8; 16] {
    let mut key = [0; 16];
    let mut hasher = DefaultHasher::new();
    hasher.write(secret.as_bytes());
    key[..8].copy_from_slice(&hasher.finish().to_be_bytes());
    hasher.write(&key[..8]);
    key[8..].copy_from_slice(&hasher.finish().to_be_bytes());
    key
}
