//! The admin's password: Argon2id.

use argon2::{
    Argon2,
    password_hash::{PasswordHasher, PasswordVerifier, phc::PasswordHash},
};
use data_encoding::BASE64URL_NOPAD;
use easytier_probe::Secret;
use easytier_uptime_store::{Store, StoreError, domain::Timestamp, random};

use super::ServiceError;

/// A password for the first start: 144 random bits, 24 characters.
pub fn generate() -> Secret {
    BASE64URL_NOPAD.encode(&random::<18>()).into()
}

/// Sets a random first password and returns it; `None` when there is a password already. When two hubs start at the same
/// time, only one of them returns a password.
///
/// # Errors
///
/// When the password cannot be hashed, or the database fails.
pub async fn first(store: &Store, now: Timestamp) -> Result<Option<Secret>, ServiceError> {
    if store.admin_password_hash().await?.is_some() {
        return Ok(None);
    }
    let password = generate();
    let hash = hash_off_the_runtime(password.clone()).await?;
    Ok(store.put_first_admin_password_hash(&hash, now).await?.then_some(password))
}

/// Sets the password and ends all sessions; changes nothing when the password is the same as before.
///
/// # Errors
///
/// When the password cannot be hashed, or the database fails.
pub async fn set(store: &Store, password: &Secret, now: Timestamp) -> Result<(), ServiceError> {
    if matches(store, password).await? {
        return Ok(());
    }
    Ok(store.set_admin_password_hash(&hash_off_the_runtime(password.clone()).await?, now).await?)
}

/// Whether this is the admin's password. It takes tens of milliseconds of CPU time, so calls by strangers need a limit.
///
/// # Errors
///
/// When the password cannot be hashed, or the database fails.
pub async fn matches(store: &Store, password: &Secret) -> Result<bool, ServiceError> {
    let Some(kept) = store.admin_password_hash().await? else { return Ok(false) };
    let password = password.clone();
    off_the_runtime(move || verify(&password, &kept)).await
}

async fn hash_off_the_runtime(password: Secret) -> Result<String, ServiceError> {
    Ok(off_the_runtime(move || hash(&password)).await??)
}

async fn off_the_runtime<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> Result<T, ServiceError> {
    // The task is cancelled when the runtime stops.
    Ok(tokio::task::spawn_blocking(work).await.map_err(|_| StoreError::Closed)?)
}

/// The PHC string to store. It takes tens of milliseconds of CPU time on purpose.
fn hash(password: &Secret) -> Result<String, argon2::password_hash::Error> {
    Ok(Argon2::default().hash_password(password.expose().as_bytes())?.to_string())
}

/// Whether `kept` is the hash of `password`; as slow as [`hash`].
fn verify(password: &Secret, kept: &str) -> bool {
    PasswordHash::new(kept)
        .is_ok_and(|kept| Argon2::default().verify_password(password.expose().as_bytes(), &kept).is_ok())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_password_matches_its_own_hash_only() {
        let password = generate();
        let kept = hash(&password).unwrap();
        assert!(kept.starts_with("$argon2id$"));
        assert!(verify(&password, &kept));
        assert!(!verify(&generate(), &kept));
        assert!(!verify(&password, "no hash"));
    }
}
