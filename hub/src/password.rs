//! The admin's password: Argon2id.

use argon2::{
    Argon2,
    password_hash::{PasswordHasher, PasswordVerifier, phc::PasswordHash},
};
use data_encoding::BASE64URL_NOPAD;
use easytier_probe::Secret;

use crate::crypto::random;

/// A password for the first start: 144 random bits, 24 characters.
pub fn generate() -> Secret {
    BASE64URL_NOPAD.encode(&random::<18>()).into()
}

/// The PHC string to keep. Takes tens of milliseconds of CPU on purpose: off the runtime's threads.
pub(crate) fn hash(password: &Secret) -> String {
    Argon2::default()
        .hash_password(password.expose().as_bytes())
        .expect("Argon2 hashes any text shorter than 4 GiB")
        .to_string()
}

/// Whether `password` is the one that `kept` was made of; as slow as [`hash`].
pub(crate) fn verify(password: &Secret, kept: &str) -> bool {
    PasswordHash::new(kept)
        .is_ok_and(|kept| Argon2::default().verify_password(password.expose().as_bytes(), &kept).is_ok())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_password_matches_its_own_hash_only() {
        let password = generate();
        let kept = hash(&password);
        assert!(kept.starts_with("$argon2id$"));
        assert!(verify(&password, &kept));
        assert!(!verify(&generate(), &kept));
        assert!(!verify(&password, "no hash"));
    }
}
