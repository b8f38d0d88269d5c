//! Sealing of secrets for another instance, which alone can open them: HPKE (RFC 9180) with X25519, HKDF-SHA256 and
//! ChaCha20-Poly1305.

use easytier_probe::Secret;
use hpke::{
    Deserializable, Kem, OpModeR, OpModeS, Serializable, aead::ChaCha20Poly1305, kdf::HkdfSha256,
    kem::X25519HkdfSha256, single_shot_open, single_shot_seal,
};

use crate::domain::{ClusterId, SealingKey};

type PublicKey = <X25519HkdfSha256 as Kem>::PublicKey;
type PrivateKey = <X25519HkdfSha256 as Kem>::PrivateKey;
type EncappedKey = <X25519HkdfSha256 as Kem>::EncappedKey;

/// The length of the key that precedes what is sealed.
const ENCAPPED_LEN: usize = 32;

/// What was sealed cannot be opened, or the key is no X25519 key.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("sealed for another instance, cluster or object, or damaged")]
pub struct SealError;

/// Seals a secret of the object `uid` for the instance with this key, which is in `cluster`.
///
/// # Errors
///
/// When `public` is no X25519 key.
pub fn seal_for(public: &[u8; 32], cluster: ClusterId, uid: &str, secret: &Secret) -> Result<Vec<u8>, SealError> {
    let public = PublicKey::from_bytes(public).map_err(|_| SealError)?;
    let (encapped, sealed) = single_shot_seal::<ChaCha20Poly1305, HkdfSha256, X25519HkdfSha256>(
        &OpModeS::Base,
        &public,
        &info(cluster),
        secret.expose().as_bytes(),
        uid.as_bytes(),
    )
    .map_err(|_| SealError)?;
    Ok([encapped.to_bytes().as_slice(), &sealed].concat())
}

/// Opens what [`seal_for`] sealed with the public key of `key` for the same cluster and object.
///
/// # Errors
///
/// When it was sealed for another instance, cluster or object, or is damaged.
pub fn open_sealed(key: &SealingKey, cluster: ClusterId, uid: &str, sealed: &[u8]) -> Result<Secret, SealError> {
    let private = data_encoding::HEXLOWER.decode(key.private.expose().as_bytes()).map_err(|_| SealError)?;
    let private = PrivateKey::from_bytes(&private).map_err(|_| SealError)?;
    let (encapped, sealed) = sealed.split_at_checked(ENCAPPED_LEN).ok_or(SealError)?;
    let encapped = EncappedKey::from_bytes(encapped).map_err(|_| SealError)?;
    let text = single_shot_open::<ChaCha20Poly1305, HkdfSha256, X25519HkdfSha256>(
        &OpModeR::Base,
        &private,
        &encapped,
        &info(cluster),
        sealed,
        uid.as_bytes(),
    )
    .map_err(|_| SealError)?;
    String::from_utf8(text).map(Secret::from).map_err(|_| SealError)
}

fn info(cluster: ClusterId) -> Vec<u8> {
    format!("easytier-uptime instance {cluster}").into_bytes()
}

#[cfg(test)]
mod tests {
    use uuid::Uuid;

    use super::*;

    fn key() -> SealingKey {
        let (private, public) = X25519HkdfSha256::gen_keypair();
        let private = data_encoding::HEXLOWER.encode(&private.to_bytes());
        SealingKey { public: public.to_bytes().into(), private: private.into() }
    }

    #[test]
    fn only_the_instance_cluster_and_object_that_it_was_sealed_for_opens_a_secret() {
        let (key, other, cluster) = (key(), key(), ClusterId(Uuid::from_u128(1)));
        let sealed = seal_for(&key.public, cluster, "a", &"swordfish".into()).unwrap();
        assert!(!sealed.windows(9).any(|part| part == b"swordfish"));
        assert_eq!(open_sealed(&key, cluster, "a", &sealed).unwrap().expose(), "swordfish");

        assert_eq!(open_sealed(&other, cluster, "a", &sealed), Err(SealError));
        assert_eq!(open_sealed(&key, ClusterId(Uuid::from_u128(2)), "a", &sealed), Err(SealError));
        assert_eq!(open_sealed(&key, cluster, "b", &sealed), Err(SealError));
        let mut damaged = sealed.clone();
        *damaged.last_mut().unwrap() ^= 1;
        assert_eq!(open_sealed(&key, cluster, "a", &damaged), Err(SealError));
        assert_eq!(open_sealed(&key, cluster, "a", &sealed[..20]), Err(SealError));
    }
}
